# shellcheck shell=bash
# Small helpers of the shell tests in this folder: a scratch folder that goes
# away, and expectations that name what differed.

scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
failures=0

# expect NAME WANTED_EXIT_CODE WANTED_TEXT COMMAND...: WANTED_TEXT is a fixed
# string that must stand in the output; empty: anything.
expect() {
    local name=$1 want=$2 text=$3 output got=0
    shift 3
    output=$("$@" 2>&1) || got=$?
    if [ "$got" -ne "$want" ]; then
        printf 'FAIL %s: exit %d, wanted %d; output:\n%s\n' \
            "$name" "$got" "$want" "$output"
        failures=$((failures + 1))
    elif ! grep -qF -- "$text" <<<"$output"; then
        printf 'FAIL %s: no "%s" in the output:\n%s\n' \
            "$name" "$text" "$output"
        failures=$((failures + 1))
    else
        printf 'ok   %s\n' "$name"
    fi
}

finish() {
    if [ "$failures" -gt 0 ]; then
        echo "$failures expectations failed"
        exit 1
    fi
}
