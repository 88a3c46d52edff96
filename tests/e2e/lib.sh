# What the end-to-end tests share. A test sources this, works in a fresh folder
# that is removed at the end, and calls $FUSOR. The first failure ends it.
#
#     . "$(dirname "$0")/lib.sh"
#     ok "what is expected" COMMAND...          exit code 0
#     fails CODE "text in its last line" COMMAND...   and one line on stderr
set -eu

: "${FUSOR:?the path of the program fusor}"
# Open MPI refuses to run as root unless told twice.
export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
trap 'exit 1' INT TERM
cd "$work"

die() {
    echo "FAILED: $*" >&2
    for f in out err; do
        if [ -f "$work/$f" ]; then
            sed "s/^/  $f: /" "$work/$f" | tail -20 >&2
        fi
    done
    exit 1
}

# ok WHAT COMMAND... : stdout is left in out, stderr in err.
ok() {
    what=$1
    shift
    code=0
    "$@" >"$work/out" 2>"$work/err" || code=$?
    [ "$code" = 0 ] || die "$what: exit code $code: $*"
    echo "ok: $what"
}

# fails CODE TEXT COMMAND... : one line that contains TEXT, nothing on stdout.
fails() {
    wanted=$1
    text=$2
    shift 2
    code=0
    "$@" >"$work/out" 2>"$work/err" || code=$?
    [ "$code" = "$wanted" ] || die "exit code $code, not $wanted: $*"
    [ ! -s "$work/out" ] || die "something on stdout: $*"
    [ "$(wc -l <"$work/err")" = 1 ] || die "not one line on stderr: $*"
    grep -qF -e "$text" "$work/err" || die "no \"$text\" in the error: $*"
    echo "ok: $(cat "$work/err")"
}

# shows TEXT : the last command's stdout contains it.
shows() {
    grep -qF -e "$1" "$work/out" || die "stdout does not show \"$1\""
}

# says TEXT : the last command's stderr contains it.
says() {
    grep -qF -e "$1" "$work/err" || die "stderr does not say \"$1\""
}

# near WHAT GOT WANT TOLERANCE
near() {
    awk -v g="$2" -v w="$3" -v t="$4" 'BEGIN {
        d = g - w; exit !(g != "" && d <= t && -d <= t) }' ||
        die "$1 is $2, not $3 within $4"
}

# Small made data, prepared in parts/NAME by protocol NAME.
demo() {
    ok "generate" "$FUSOR" generate -o demo --users 200 --items 60 \
        --events 6000 -q
    ok "prepare by $1" "$FUSOR" prepare demo --protocol "$1" -o "parts/$1" -q
}

# job FILE PROTOCOL EPOCHS : three towers fused by attention.
job() {
    cat >"$1" <<EOF
data: {prepared: parts/$2}
label: {field: rating, map: threshold, at: 4}
fields:
  user:   {side: query, type: categorical}
  item:   {side: item, type: categorical}
  genres: {side: item, type: multi}
tables: {user: 8, item: 8, genres: 8}
towers:
  mf:   {type: dot, query: [user], item: item, bias: true}
  deep: {type: mlp, inputs: [user, item, genres], units: [16]}
  wide: {type: linear, inputs: [user, item, genres]}
fusion: {type: attention, over: logits}
output: sigmoid
loss: bce
optimizer: {adam: 3.0e-3}
train: {global_batch: 1024, epochs: $3}
evaluate: [auc, logloss]
EOF
}

# wide_job EPOCHS BATCH MICRO_BATCHES : job.yaml, at staleness 0, of rows so
# wide that messages are large.
wide_job() {
    ok "generate" "$FUSOR" generate -o demo --users 4000 --items 300 \
        --events 24000 -q
    ok "prepare" "$FUSOR" prepare demo --protocol time-split -o parts/wide -q
    job job.yaml wide "$1"
    sed -i 's/^tables:.*/tables: {user: 600, item: 600, genres: 8}/' job.yaml
    sed -i "s/^train:.*/train: {global_batch: $2, micro_batches: $3, epochs: $1}/" \
        job.yaml
    echo 'cluster: {staleness: 0, placement: split, threads: 1}' >>job.yaml
}

# train_ranks WORKERS SERVERS RUN MORE... : job.yaml under mpirun
train_ranks() {
    n=$(($1 + $2)) servers=$2 run=$3
    shift 3
    mpirun --oversubscribe -n "$n" "$FUSOR" train job.yaml -q \
        --servers "$servers" --run-dir "runs/$run" "$@" </dev/null
}

# value FILE KEY : the first number after "KEY": in a JSON file.
value() {
    sed -n "s/.*\"$2\": *\([-+0-9.eE]*\).*/\1/p" "$1" | head -1
}

# digest RUN : of its newest checkpoint, left in $found.
digest() {
    ok "digest of $1" "$FUSOR" inspect "$1" --digest --json
    found=$(sed -n 's/.*"digest": *"\([0-9a-f]*\)".*/\1/p' out)
    [ "${#found}" = 16 ] || die "no digest of $1"
}

# same RUN : its digest is $want.
same() {
    digest "$1"
    [ "$found" = "$want" ] || die "$1 has $found, not $want"
}

# corpus FOLDER : 60 documents about ten subjects each, and 40 queries, which
# name words of the documents that are judged to answer them.
corpus() {
    mkdir -p "$1/qrels"
    awk -v dir="$1" 'BEGIN {
        srand(3)
        for (d = 0; d < 60; d++) {
            text = ""
            for (k = 0; k < 30; k++)
                text = text " " word(int(rand() * 50), d % 10)
            printf "{\"_id\": \"d%d\", \"title\": \"%s\", \"text\": \"%s\"}\n",
                d, word(d % 7, d % 10), text >(dir "/corpus.jsonl")
        }
        print "query-id\tcorpus-id\tscore" >(dir "/qrels/test.tsv")
        for (q = 0; q < 40; q++) {
            printf "{\"_id\": \"q%d\", \"text\": \"Which %ss have %s?\"}\n", q,
                word(q % 50, q % 10), word((q + 1) % 50, q % 10) \
                >(dir "/queries.jsonl")
            printf "q%d\td%d\t1\nq%d\td%d\t2\n", q, q % 10, q, q % 10 + 50 \
                >(dir "/qrels/test.tsv")
        }
    }
    # One word in three is of the subject.
    function word(k, subject) {
        return k % 3 ? "common" k : "about" subject "x" k
    }'
}
