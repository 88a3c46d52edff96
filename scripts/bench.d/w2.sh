# shellcheck shell=bash disable=SC2034,SC2086,SC2154
# W2: click-through rate, in one process and over servers.

# The peer's rows in Criteo's layout: the first nine tenths train; of the last
# tenth the peer judges the first 100,000.
w2_rows_of_peer() {
    "$python" "$peer" w2 --rows $((train + train / 9)) --cache "$work" \
        --dump "$work" >/dev/null
    head -n "$train" "$work/w2.tsv" >"$work/w2-train.tsv"
    sed -n "$((train + 1)),$((train + held))p; $((train + held))q" \
        "$work/w2.tsv" >"$work/w2-test.tsv"
    rm "$work/w2.tsv"
}

# Without the peer: rows of the same shape; one field says something.
w2_rows_of_ours() {
    awk -v dir="$work" -v train="$train" -v held="$held" 'BEGIN {
        srand(1)
        for (i = 0; i < train + held; i++) {
            file = i < train ? "train" : "test"
            line = ""
            size = 10
            for (f = 0; f < 13; f++) line = line "\t" int(rand() ^ 4 * 100)
            for (f = 0; f < 26; f++) {
                id = int(rand() ^ 3 * size)
                line = line "\t" sprintf("%x", id)
                if (f == 9) label = rand() < (id % 7 + 1) / 9
                size = size * 1.67 < 1e6 ? size * 1.67 : 1e6
            }
            print label line > (dir "/w2-" file ".tsv")
        }
    }'
}

w2_prepare() {
    [ ! -f "$data/schema.yaml" ] || return 0
    if [ $with_torch = 1 ]; then w2_rows_of_peer; else w2_rows_of_ours; fi
    cat >"$work/w2-schema.yaml" <<'END'
label: label
fields:
  I: {repeat: 1..13, type: dense, transform: log1p}
  C: {repeat: 1..26, type: categorical}
END
    "$fusor" prepare "$work/w2-train.tsv" --test "$work/w2-test.tsv" \
        --format criteo --schema "$work/w2-schema.yaml" --protocol given \
        -o "$data" --quiet
    rm "$work/w2-train.tsv" "$work/w2-test.tsv"
}

# w2_judge COMMAND... : of the model that it trains.
w2_judge() {
    local run=$work/run-w2 metric json said=
    rm -rf "$run"
    "$@" --run-dir "$run" --quiet >"$work/judge.log" 2>&1 || return 0
    for metric in auc logloss; do
        json=$("$fusor" evaluate "$run" --split test --metrics $metric --json)
        said+="${metric/auc/AUC} $(scaled "$(value value <<<"$json")" 1 4), "
    done
    printf '%s' "${said%, }"
}

# w2_ours KIND [OPTION...] : an epoch after the one that makes the rows, which the
# peer makes before its clock starts.
w2_ours() {
    local kind=$1 json
    shift
    json=$("$fusor" bench train "$work/w2.yaml" --epochs 1 "$@" --json)
    kernel=$(text blas_kernel <<<"$json")
    record "$kind" fusor "$(scaled "$(value samples_per_s <<<"$json")" 1 0)" \
        samples/s "$our_quality,\
 $(scaled "$(value rss_bytes <<<"$json")" 1e-9 2) GB" \
        "staleness 0, batch 4096, $(threads "$(value threads <<<"$json")"),\
 durability none, security none, $kernel" \
        "fusor bench train w2.yaml --epochs 1${*:+ $*}"
}

# w2_ranks KIND [OPTION...] : a server and two workers; the second of two epochs
# counts, since the first makes the rows.
w2_ranks() {
    local kind=$1 run=$work/run-w2-ranks rate
    shift
    rm -rf "$run"
    if ! "${ranks[@]}" --run-dir "$run" --set train.epochs=2 --quiet "$@" \
        >"$work/ranks.log" 2>&1; then
        say "over servers: $(tail -n 1 "$work/ranks.log")"
        return 0
    fi
    rate=$(sed -n '2s/.*"samples_per_s": *\([0-9.e+]*\).*/\1/p' \
        "$run/metrics.jsonl")
    record "$kind" fusor "$(scaled "$rate" 1 0)" samples/s "$our_quality" \
        "staleness 0, batch 4096, 1 server, 2 workers, durability none,\
 security none, $kernel" \
        "mpirun -n 3 fusor train w2.yaml --set cluster.servers=1${*:+ $*}"
}

# w2_peer NAME SAMPLES OPTION... : the first time a whole epoch, for its AUC.
# Both of our rows stand beside it.
w2_peer() {
    local name=$1 samples=$2 json f32=$row
    shift 2
    if [ -z "${peer_quality[$name]-}" ]; then
        samples=$train
    fi
    json=$(torch w2 "$@" --rows $((train + train / 9)) --samples "$samples") || return 0
    if [ -z "${peer_quality[$name]-}" ]; then
        peer_quality[$name]="AUC $(value test_auc <<<"$json"),\
 $(scaled "$(value rss_peak_mb <<<"$json")" 1e-3 2) GB"
    fi
    for row in "$f32" "$f32, bf16"; do
        record peer "$name" "$(value samples_per_s <<<"$json")" samples/s \
            "${peer_quality[$name]}" "$(text blas <<<"$json")" \
            "torch_peer.py w2 $*"
    done
    row=$f32
}

# Staleness 0: in f32 the same bits come out over servers. Products of bf16 and
# messages of bf16 are judged for themselves.
w2_turn() {
    local one="W2 click-through rate, 1 process"
    local three="W2 click-through rate, server and 2 workers"
    local bf16=(--set train.matmul=bf16) wire=(--set cluster.wire=bf16)

    row="$one, bf16"
    our_quality=$quality_bf16
    w2_ours fusor --threads 2 "${bf16[@]}"
    row=$one
    our_quality=$quality
    w2_ours fusor --threads 2
    w2_ours defaults
    if [ $with_torch = 1 ]; then
        w2_peer "torch, 1 thread" 300000 --emb list
        w2_peer "torch, 2 threads" 300000 --emb merged --threads 2
    fi
    command -v mpirun >/dev/null || { say "no mpirun: no servers"; return 0; }
    row="$three, bf16"
    our_quality=$quality_wire
    w2_ranks fusor --set cluster.threads=1 "${bf16[@]}" "${wire[@]}"
    row=$three
    our_quality=$quality
    w2_ranks fusor --set cluster.threads=1
    w2_ranks defaults
    if [ $with_torch = 1 ]; then
        w2_peer "torch rpc" 300000 --mode ps --workers 2
        w2_peer "torch ddp" 300000 --mode ddp --emb list --workers 2
    fi
}

bench_w2() {
    local our_quality quality quality_bf16 quality_wire=''
    local train=1800000 held=100000 data
    local -A peer_quality
    local alone=("$fusor" train "$work/w2.yaml")
    local ranks=(env OMPI_ALLOW_RUN_AS_ROOT=1
        OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1 mpirun -n 3 --oversubscribe
        "${alone[@]}" --set cluster.servers=1)
    if [ $quick = 1 ]; then
        train=90000
        held=10000
    fi
    data=$work/w2-$train
    with_torch=1
    have_torch || with_torch=0
    begin w2
    w2_prepare
    sed "s|^data:.*|data: {prepared: $data}|" cluster/jobs/ctr_deepfm.yaml \
        >"$work/w2.yaml"
    quality=$(w2_judge "${alone[@]}")
    quality_bf16=$(w2_judge "${alone[@]}" --set train.matmul=bf16)
    command -v mpirun >/dev/null && quality_wire=$(w2_judge "${ranks[@]}" \
        --set train.matmul=bf16 --set cluster.wire=bf16)
    for _ in $(seq 1 "$repeats"); do
        w2_turn
    done
}
