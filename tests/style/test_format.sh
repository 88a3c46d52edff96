#!/usr/bin/env bash
# scripts/format --check must be able to fail, and must not change a file.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
# shellcheck source=tests/style/lib.sh
. "$here/lib.sh"
format=$here/../../scripts/format
cp "$here/../../.clang-format" "$scratch/"

printf 'int f(void)\n{\n    return 1;\n}\n' >"$scratch/good.c"
missing=0
"$format" --check "$scratch/good.c" >/dev/null 2>&1 || missing=$?
[ $missing -ne 77 ] || exit 77 # no clang-format 14: nothing to try
printf 'int f( void ) {\n  return 1; }\n' >"$scratch/bad.c"
cp "$scratch/bad.c" "$scratch/copy"

expect "a formatted file passes" 0 "no fault" \
    "$format" --check "$scratch/good.c"
expect "an unformatted file is named" 1 "bad.c: not formatted" \
    "$format" --check "$scratch/good.c" "$scratch/bad.c"
expect "checking changes nothing" 0 "" cmp "$scratch/bad.c" "$scratch/copy"
expect "formatting mends it" 0 "1 files" "$format" "$scratch/bad.c"
expect "after which it passes" 0 "no fault" \
    "$format" --check "$scratch/bad.c"
expect "an unknown option is refused" 2 "usage" "$format" --chek

finish
