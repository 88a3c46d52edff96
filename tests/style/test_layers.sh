#!/usr/bin/env bash
# scripts/check-layers must be able to fail, in each of the ways it names.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
# shellcheck source=tests/style/lib.sh
. "$here/lib.sh"
check=$here/../../scripts/check-layers

# A tree of two layers in which nothing is wrong.
fresh_tree() {
    rm -rf "$scratch/tree"
    mkdir -p "$scratch/tree/src/base" "$scratch/tree/src/model/tower" \
        "$scratch/tree/tests/base"
    cd "$scratch/tree"
    printf 'fusor_layer(base\n  SOURCES a.c)  # DEPENDS model\n' \
        >src/base/CMakeLists.txt
    printf '#include <xxhash.h>\n#include "fusor/status.h"\n' >src/base/a.c
    printf 'fusor_layer(model\n  SOURCES m.c tower/t.c\n  DEPENDS base)\n' \
        >src/model/CMakeLists.txt
    printf '#include "base/a.h"\n#include "model/m.h"\n' >src/model/m.c
    printf '#include "base/a.h"\n' >src/model/tower/t.c
    printf 'fusor_test(base a)\n' >tests/base/CMakeLists.txt
    printf 'int main(void);\n' >tests/base/test_a.c
}

fresh_tree
expect "a clean tree passes" 0 "no fault" "$check" --root "$scratch/tree"

fresh_tree
printf '#include "model/m.h"\n' >>src/base/a.c
expect "a call upwards is refused" 1 \
    "src/base/a.c:3: base includes model" "$check" --root "$scratch/tree"

fresh_tree
printf '#  include  "store/table.h"\n' >>src/model/tower/t.c
expect "a folder below a layer counts as the layer" 1 \
    "src/model/tower/t.c:2: model includes store" \
    "$check" --root "$scratch/tree"

for header in cblas.h:tensor zmq.h:transport mpi.h:job yaml.h:base; do
    fresh_tree
    printf '#include <%s>\n' "${header%:*}" >>src/model/m.c
    expect "<${header%:*}> is refused outside ${header#*:}" 1 \
        "has its home in ${header#*:}" "$check" --root "$scratch/tree"
done

fresh_tree
printf '#include "pb/fusor.pb-c.h"\n' >>src/model/m.c
expect "generated code is refused outside pb and wire" 1 \
    "src/model/m.c:3: generated code" "$check" --root "$scratch/tree"

fresh_tree
printf '#include "m.h"\n' >>src/model/m.c
expect "a header without its layer is refused" 1 \
    'write "model/m.h"' "$check" --root "$scratch/tree"

fresh_tree
printf 'int x;\n' >src/model/tower/lost.c
expect "a source nobody compiles is found" 1 \
    "src/model/tower/lost.c: is not in" "$check" --root "$scratch/tree"

fresh_tree
printf 'int main(void);\n' >tests/base/test_lost.c
expect "a test nobody runs is found" 1 \
    "tests/base/test_lost.c: is not in" "$check" --root "$scratch/tree"

fresh_tree
rm src/model/CMakeLists.txt
expect "a layer without its build file is found" 1 \
    "src/model: has sources and no CMakeLists.txt" \
    "$check" --root "$scratch/tree"

finish
