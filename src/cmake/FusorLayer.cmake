# fusor_layer(NAME SOURCES ... DEPENDS layer... LIBS target...)
#   One library a layer. It may include and call only what DEPENDS lists.
# fusor_test(LAYER UNIT [LIBS target...])
#   tests/<layer>/test_<unit>.c against its layer, run by ctest as
#   <layer>.<unit>.
set(FUSOR_WARNINGS -Wall -Wextra -Wpedantic -Wshadow -Wvla -Wformat=2 -Wundef
    -Wcast-qual -Wstrict-prototypes -Wmissing-prototypes -Wwrite-strings
    -Wpointer-arith)
if(FUSOR_WERROR)
  list(APPEND FUSOR_WARNINGS -Werror)
endif()

add_library(fusor_flags INTERFACE)
target_compile_definitions(fusor_flags INTERFACE _XOPEN_SOURCE=700)
target_compile_options(fusor_flags INTERFACE -fno-math-errno
                       -ffp-contract=off)
target_link_libraries(fusor_flags INTERFACE Threads::Threads m)
if(FUSOR_SANITIZE)
  target_compile_options(fusor_flags INTERFACE -fsanitize=${FUSOR_SANITIZE}
                         -fno-omit-frame-pointer -fno-sanitize-recover=all)
  target_link_options(fusor_flags INTERFACE -fsanitize=${FUSOR_SANITIZE})
endif()

function(fusor_layer name)
  cmake_parse_arguments(ARG "" "" "SOURCES;DEPENDS;LIBS" ${ARGN})
  if(FUSOR_LAYERS)
    add_library(fusor_${name} SHARED ${ARG_SOURCES})
    target_link_options(fusor_${name} PRIVATE -Wl,-z,defs)
  else()
    add_library(fusor_${name} STATIC ${ARG_SOURCES})
  endif()
  target_include_directories(fusor_${name} PUBLIC
    ${CMAKE_SOURCE_DIR}/include ${CMAKE_SOURCE_DIR}/src)
  target_compile_options(fusor_${name} PRIVATE ${FUSOR_WARNINGS})
  list(TRANSFORM ARG_DEPENDS PREPEND fusor_)
  target_link_libraries(fusor_${name} PUBLIC fusor_flags ${ARG_DEPENDS}
                        PRIVATE ${ARG_LIBS})
endfunction()

function(fusor_test layer unit)
  cmake_parse_arguments(ARG "" "" "LIBS" ${ARGN})
  set(target test_${layer}_${unit})
  add_executable(${target} ${CMAKE_SOURCE_DIR}/tests/${layer}/test_${unit}.c)
  target_include_directories(${target} PRIVATE ${CMAKE_SOURCE_DIR}/tests)
  target_compile_options(${target} PRIVATE ${FUSOR_WARNINGS})
  target_link_libraries(${target} PRIVATE fusor_${layer} fusor_harness
                        ${ARG_LIBS})
  add_test(NAME ${layer}.${unit} COMMAND ${target})
  set_tests_properties(${layer}.${unit} PROPERTIES TIMEOUT 120
                       LABELS "unit;${layer}")
endfunction()
