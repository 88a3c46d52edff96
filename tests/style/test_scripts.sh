#!/usr/bin/env bash
# Every script a developer types explains itself, refuses unknown options, and
# names no path of the machine it was written on.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
# shellcheck source=tests/style/lib.sh
. "$here/lib.sh"
cd "$here/../.."

for script in scripts/* cluster/slurm/private-cluster.sh; do
    [ -f "$script" ] || continue
    expect "$script parses" 0 "" bash -n "$script"
    expect "$script --help explains itself" 0 "usage: $script" \
        "$script" --help
    expect "$script refuses an unknown option" 2 "" "$script" --no-such-option
    expect "$script stops at the first error" 0 "" \
        grep -q '^set -euo pipefail' "$script"
done

if command -v shellcheck >/dev/null; then
    found=(.ci/run tests/style/*.sh scripts/*/*.sh)
    for script in scripts/*; do
        [ ! -f "$script" ] || found+=("$script")
    done
    expect "shellcheck finds nothing" 0 "" shellcheck -x -S warning \
        "${found[@]}"
fi

finish
