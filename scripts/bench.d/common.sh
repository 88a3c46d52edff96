# shellcheck shell=bash disable=SC2034,SC2086,SC2154
# What the parts of scripts/bench share. A run is one line of a file, its fields
# apart by tabs:
#
#     row      what is measured: "W1, batch 64, 1 thread"
#     kind     fusor (at the peer's settings), defaults (the same job without
#              them), peer, or limit (what no program can pass)
#     who      "torch sparse"
#     value    a number
#     unit     samples/s and GB/s: more is better; ms and us: less is
#     quality  "AUC 0.7483", or -
#     terms    staleness, global batch, threads, durability, security, kernels
#     command  what was run

say() {
    printf 'bench: %s\n' "$*" >&2
}

# begin NAME : runs are recorded in a fresh file of that name.
begin() {
    out=$work/$1.tsv
    : >"$out"
}

# record KIND WHO VALUE UNIT QUALITY TERMS COMMAND : one run of $row.
record() {
    printf '%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\n' "$row" "$@" >>"$out"
    say "$row: $1 $2: $3 $4 $5"
}

# value NAME: a number out of JSON on standard input; the last of that name.
value() {
    tr -d '\n' | sed -n "s/.*\"$1\": *\\([-0-9.e+]*\\).*/\\1/p"
}

text() {
    tr -d '\n' | sed -n "s/.*\"$1\": *\"\\([^\"]*\\)\".*/\\1/p"
}

# scaled NUMBER FACTOR DIGITS
scaled() {
    awk -v x="$1" -v f="$2" -v d="$3" 'BEGIN { printf "%.*f", d, x * f }'
}

# threads N : "1 thread", "2 threads"
threads() {
    if [ "$1" = 1 ]; then echo "1 thread"; else echo "$1 threads"; fi
}

# print_table FILE... : medians by row and who, as markdown.
print_table() {
    awk -f "$parts/table.awk" "$@"
    echo
    echo "Medians of $repeats runs in turn, least and most in brackets;" \
        "$(nproc) processors," \
        "$(sed -n 's/^model name[^:]*: //p' /proc/cpuinfo | sort -u | head -1)."
}
