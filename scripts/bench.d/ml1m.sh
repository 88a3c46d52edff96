# shellcheck shell=bash disable=SC2034,SC2086,SC2154
# W5 and W6: whole trainings on MovieLens 1M, whose files must be there.
ml1m=${ML1M_DIR:-../shared/data/ml-1m}

# have_ml1m FILE
have_ml1m() {
    [ ! -f "$ml1m/$1" ] || return 0
    say "no $ml1m/$1 (set ML1M_DIR): $what is left out"
    return 1
}

# w5_ours KIND [OPTION...] : seconds of an epoch.
w5_ours() {
    local kind=$1 json
    shift
    json=$("$fusor" bench train "$work/w5.yaml" --epochs 1 "$@" --json)
    kernel=$(text blas_kernel <<<"$json")
    record "$kind" "fusor${*:+ $*}" "$(scaled "$(awk \
        -v n="$(value samples <<<"$json")" \
        -v r="$(value samples_per_s <<<"$json")" 'BEGIN { print n / r }')" \
        1000 0)" ms "loss $(scaled "$(value loss <<<"$json")" 1 3)" \
        "staleness 0, batch 128, $(threads "$(value threads <<<"$json")"),\
 durability none, security none, $kernel" \
        "fusor bench train w5.yaml --epochs 1${*:+ $*}"
}

w5_peer() { # threads
    local json
    json=$(peer=$parts/sasrec_torch.py torch "$work/w5.txt" --threads "$1" \
        --steps $((quick ? 2 : 8))) || return 0
    record peer "torch, $(threads "$1")" \
        "$(scaled "$(value epoch_s <<<"$json")" 1000 0)" ms - \
        "$(text blas <<<"$json")" "sasrec_torch.py sequences.txt --threads $1"
}

bench_w5() {
    begin w5
    have_ml1m sequences.txt || return 0
    with_torch=1
    have_torch || with_torch=0
    cp "$ml1m/sequences.txt" "$work/w5.txt"
    if [ $quick = 1 ]; then
        awk '$1 <= 300' "$ml1m/sequences.txt" >"$work/w5.txt"
    fi
    rm -rf "$work/w5"
    "$fusor" prepare "$work/w5.txt" --format sasrec --protocol loo-full \
        -o "$work/w5" --quiet
    # The peer's blocks, loss, batch and arithmetic.
    sed -e "s|^data:.*|data: {prepared: $work/w5}|" \
        -e 's/norm: query, init: 0.02, //' -e 's/^loss:.*/loss: full_softmax/' \
        -e 's/^optimizer:.*/optimizer: {adam: 1.0e-3}/' \
        -e 's/batch: 32, micro_batches: 2/batch: 128, micro_batches: 4/' \
        -e 's/matmul: bf16/matmul: f32/' \
        cluster/jobs/ml1m_sasrec.yaml >"$work/w5.yaml"
    for _ in $(seq 1 "$repeats"); do
        row="W5 SASRec, an epoch, 2 threads"
        w5_ours fusor --threads 2
        w5_ours fusor --threads 2 --set train.matmul=bf16
        w5_ours defaults
        [ $with_torch = 0 ] || w5_peer 2
    done
}

# Five trainings and their judgement. The published time, 35 minutes, is
# Surprise's.
bench_w6() {
    local folds="--folds all" started json
    begin w6
    have_ml1m ratings.dat || return 0
    [ -f "$work/w6/schema.yaml" ] || "$fusor" prepare "$ml1m" \
        --protocol kfold-random -o "$work/w6" --quiet
    sed "s|^data:.*|data: {prepared: $work/w6, fold: 0}|" \
        cluster/jobs/ml1m_svdpp.yaml >"$work/w6.yaml"
    [ $quick = 0 ] || folds="--set train.epochs=1"
    for _ in $(seq 1 "$repeats"); do
        rm -rf "$work/run-w6"
        row="W6 SVD++, five folds"
        started=$(date +%s%N)
        json=$("$fusor" train "$work/w6.yaml" --run-dir "$work/run-w6" $folds \
            --quiet | awk '$1 == "rmse" { print $3 }')
        record fusor fusor $((($(date +%s%N) - started) / 1000000)) ms \
            "RMSE ${json:--}" "staleness 0, batch 1024, durability none" \
            "fusor train w6.yaml $folds"
    done
}
