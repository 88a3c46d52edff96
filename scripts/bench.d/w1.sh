# shellcheck shell=bash disable=SC2034,SC2086,SC2154
# W1: the movie recommender.

# The peer's rows as CSV: the first nine tenths train; of the last tenth the
# peer judges the first 100,000.
w1_rows_of_peer() {
    "$python" "$peer" w1 --cache "$work" --samples 64 --windows 1 >/dev/null
    "$python" - "$work/w1-1000000-s1.npz" "$work" <<'END'
import sys
import numpy as np
d = np.load(sys.argv[1])
rows = np.stack([d["user"], d["item"], d["rating"], d["time"]], 1)
train = len(rows) - len(rows) // 10
for name, part in (("train", rows[:train]),
                   ("test", rows[train:train + 100_000])):
    np.savetxt(f"{sys.argv[2]}/{name}.csv", part, "%d", ",",
               header="user,item,rating,timestamp", comments="")
END
}

# Without the peer: rows of our own generator, of about the same size.
w1_rows_of_ours() {
    "$fusor" generate -o "$work/raw" --users 6040 --items 3706 \
        --events 1M --quiet
    awk -F, -v OFS=, -v dir="$work" '
        NR == 1 { for (f = 0; f < 2; f++) print > file(f); next }
        { print > file(NR % 10 == 0) }
        function file(test) { return dir (test ? "/test.csv" : "/train.csv") }
        ' "$work/raw/ratings.csv"
}

w1_prepare() {
    [ ! -f "$work/w1/schema.yaml" ] || return 0
    if [ $with_torch = 1 ]; then w1_rows_of_peer; else w1_rows_of_ours; fi
    cat >"$work/w1-schema.yaml" <<'END'
label: rating
time: timestamp
fields:
  user: {side: query, type: categorical}
  item: {side: item, type: categorical}
END
    "$fusor" prepare "$work/train.csv" --test "$work/test.csv" \
        --schema "$work/w1-schema.yaml" --protocol given -o "$work/w1" --quiet
}

# w1_ours KIND BATCH [OPTION...]
w1_ours() {
    local kind=$1 batch=$2 json
    shift 2
    json=$("$fusor" bench train "$work/w1.yaml" "$@" \
        --set "train.global_batch=$batch" --epochs "$epochs" --json)
    kernel=$(text blas_kernel <<<"$json")
    record "$kind" fusor "$(scaled "$(value samples_per_s <<<"$json")" 1 0)" \
        samples/s "${our_auc[$batch]}" \
        "staleness 0, batch $batch, $(threads "$(value threads <<<"$json")"),\
 durability none, security none, $kernel" \
        "fusor bench train w1.yaml --set train.global_batch=$batch${*:+ $*}"
}

# The first epoch of a training, judged.
w1_judge() { # batch
    local run=$work/run-$1
    rm -rf "$run"
    "$fusor" train "$work/w1.yaml" --run-dir "$run" --quiet \
        --set "train.global_batch=$1" --set train.epochs=1 >/dev/null
    our_auc[$1]="AUC $(scaled "$("$fusor" evaluate "$run" --split test \
        --metrics auc --json | value value)" 1 4)"
}

# The first time it trains one epoch, for its AUC; then 2,000 steps, for speed.
w1_peer() { # batch, threads, emb
    local samples=900000 json
    local key=$1-$2-$3
    if [ -n "${peer_auc[$key]-}" ] && [ $(($1 * 2000)) -lt $samples ]; then
        samples=$(($1 * 2000))
    fi
    json=$(torch w1 --batch "$1" --emb "$3" --threads "$2" \
        --samples "$samples") || return 0
    peer_auc[$key]=${peer_auc[$key]:-AUC $(value test_auc <<<"$json")}
    record peer "torch $3, $(threads "$2")" "$(value samples_per_s <<<"$json")" \
        samples/s "${peer_auc[$key]}" "$(text blas <<<"$json")" \
        "torch_peer.py w1 --batch $1 --emb $3 --threads $2"
}

w1_turn() { # batch
    local n
    for n in 1 2; do
        [ $quick = 0 ] || [ $n = 1 ] || continue
        row="W1 movie recommender, batch $1, $(threads $n)"
        w1_ours fusor "$1" --threads $n
        [ $n -gt 1 ] || w1_ours defaults "$1"
        [ $with_torch = 1 ] || continue
        w1_peer "$1" $n dense
        [ $n -gt 1 ] || w1_peer "$1" 1 sparse
    done
}

bench_w1() {
    local batches="64 1024" batch
    local -A our_auc peer_auc
    epochs=5
    with_torch=1
    have_torch || with_torch=0
    begin w1
    w1_prepare
    sed "s|^data:.*|data: {prepared: $work/w1}|" cluster/jobs/movie_mlp.yaml \
        >"$work/w1.yaml"
    if [ $quick = 1 ]; then
        batches=1024
        epochs=1
    fi
    for batch in $batches; do
        w1_judge "$batch"
    done
    for _ in $(seq 1 "$repeats"); do
        for batch in $batches; do
            w1_turn "$batch"
        done
    done
}
