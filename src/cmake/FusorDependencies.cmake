# Every library fusor uses, found once, each as one imported target that the
# single layer that may call it names in its LIBS.
find_package(PkgConfig REQUIRED)
find_package(Threads REQUIRED)
find_package(MPI REQUIRED COMPONENTS C)

pkg_check_modules(ZMQ REQUIRED IMPORTED_TARGET libzmq>=4.3)
pkg_check_modules(PROTOBUF_C REQUIRED IMPORTED_TARGET libprotobuf-c>=1.3)
pkg_check_modules(OPENBLAS REQUIRED IMPORTED_TARGET openblas)
pkg_check_modules(YAML REQUIRED IMPORTED_TARGET yaml-0.1)
pkg_check_modules(HWLOC REQUIRED IMPORTED_TARGET hwloc>=2.0)
pkg_check_modules(XXHASH REQUIRED IMPORTED_TARGET libxxhash)
find_program(PROTOC_C protoc-c REQUIRED)

# Optional: without them .gz/.zst input and the unit tests are left out, and
# the configure output and `fusor doctor` say so.
find_package(ZLIB)
pkg_check_modules(ZSTD IMPORTED_TARGET libzstd)
find_library(CUNIT_LIBRARY cunit)
find_path(CUNIT_INCLUDE CUnit/CUnit.h)

foreach(pair "ZLIB_FOUND;.gz input" "ZSTD_FOUND;.zst input"
             "CUNIT_LIBRARY;unit tests (CUnit)")
  list(GET pair 0 var)
  list(GET pair 1 what)
  if(${var})
    message(STATUS "fusor: ${what}: yes")
  else()
    message(STATUS "fusor: ${what}: no")
  endif()
endforeach()
