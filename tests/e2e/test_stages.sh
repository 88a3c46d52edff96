#!/bin/sh
# Towers first, then the fusion on rows that no tower saw: the towers stay as
# they are, and what was over-confident becomes calibrated, in one process and
# on two servers alike.
. "$(dirname "$0")/lib.sh"

demo kfold-random
cat >job.yaml <<'EOF'
data: {prepared: parts/kfold-random, fold: 0, valid: 20%}
label: {field: rating, map: threshold, at: 4}
fields:
  user:   {side: query, type: categorical}
  item:   {side: item, type: categorical}
  genres: {side: item, type: multi}
tables: {user: 8, item: 8, genres: 4}
towers:
  mf:   {type: dot, query: user, item: item, bias: true}
  deep: {type: mlp, inputs: [user, item, genres], units: [16], norm: batch}
  wide: {type: linear, inputs: [user, item, genres]}
fusion: {type: weighted, over: logits}
output: sigmoid
loss: bce
optimizer: {adam: 1.0e-2}
train: {global_batch: 512, epochs: 12}
evaluate: [auc, logloss]
cluster: {staleness: 0, threads: 1}
EOF
alone='{rows: train}'
towers='{train: [mf, deep, wide]}'
fusion='{train: [fusion], rows: validation, epochs: 25,
         optimizer: {adam: 2.0e-2}}'
free='fusion={type: weighted, weights: free, over: logits, bias: true}'

# run NAME OPTION... : train, and leave auc and logloss of the test rows.
run() {
    name=$1
    shift
    ok "train $name" "$@" --run-dir "runs/$name" -q
    sed -n '/"test"/,/}/p' "runs/$name/result.json" >"$name.test"
    auc=$(metric auc)
    logloss=$(metric logloss)
    echo "    auc $auc, logloss $logloss"
}

metric() {
    value "$name.test" "$1"
}

same() {
    cmp -s "$1" "$2" || die "$1 and $2 differ"
}

# below WHAT A B : A < B
below() {
    awk -v a="$2" -v b="$3" 'BEGIN { exit !(a != "" && b != "" && a < b) }' ||
        die "$1: $2 is not below $3"
}

# Each tower by itself, on the same rows.
best=
for tower in mf deep wide; do
    spec=$(sed -n "s/^  $tower: *//p" job.yaml)
    tables='{user: 8, item: 8}'
    [ $tower = mf ] || tables='{user: 8, item: 8, genres: 4}'
    [ $tower != wide ] || tables='{}'
    run $tower "$FUSOR" train job.yaml --set "towers={$tower: $spec}" \
        --set "tables=$tables"
    best=$(printf '%s\n' $best $logloss | sort -g | head -1)
done
echo "    best logloss of one tower: $best"

run sum "$FUSOR" train job.yaml --set "stages=[$alone]"
sum_auc=$auc
sum_logloss=$logloss

# A bias keeps the order of all scores, unless a tower moves under it. (Scores
# are floats: adding a number can make a tie of two neighbours.)
run bias "$FUSOR" train job.yaml --set "stages=[$towers, $fusion]" \
    --set 'fusion={type: weighted, over: logits, bias: true}'
near "auc with a bias" "$auc" "$sum_auc" 1e-5
[ "$logloss" != "$sum_logloss" ] || die "the bias has not learned"
run moved "$FUSOR" train job.yaml --set \
    "stages=[$towers, {train: [wide, fusion], rows: validation, epochs: 25}]"
awk -v a="$auc" -v b="$sum_auc" 'BEGIN { exit (a - b) ^ 2 > 1e-8 }' &&
    die "a tower trained on, but the auc is still $auc"

# Weights and bias on rows that no tower saw: calibrated, and no worse than the
# best tower.
for kind in weighted concat attention; do
    with="fusion={type: $kind, over: logits, bias: true}"
    [ $kind != weighted ] || with=$free
    [ $kind != concat ] || with='fusion={type: concat, over: logits}'
    run $kind "$FUSOR" train job.yaml --set "stages=[$towers, $fusion]" \
        --set "$with"
    below "logloss of $kind" "$logloss" "$sum_logloss"
    below "logloss of $kind" "$logloss" "$best"
done

# Three ranks, two of them servers: the same to the last digit.
run cluster mpirun -n 3 --oversubscribe "$FUSOR" train job.yaml --servers 2 \
    --set "stages=[$towers, $fusion]" --set "$free"
same cluster.test weighted.test

# Towers apart begin from nothing, one after the other, where the second would
# else mend what the first left; in one process and on two servers alike.
first_loss() {
    sed -n '/"stage":2,"epoch":1,/s/.*"loss":\([0-9.]*\).*/\1/p' \
        "runs/$1/metrics.jsonl"
}
apart='{train: [mf], apart: true}, {train: [deep], apart: true}'
run mends "$FUSOR" train job.yaml --set "$free" \
    --set 'stages=[{train: [mf]}, {train: [deep]}]'
run apart "$FUSOR" train job.yaml --set "$free" \
    --set "stages=[$apart, $fusion]"
below "the second tower's first loss" "$(first_loss mends)" \
    "$(first_loss apart)"
below "logloss of towers apart" "$logloss" "$best"
run both mpirun -n 3 --oversubscribe "$FUSOR" train job.yaml --servers 2 \
    --set "stages=[$apart, $fusion]" --set "$free"
same both.test apart.test
fails 2 "towers apart have no fusion" "$FUSOR" train job.yaml --run-dir runs/x \
    --set 'stages=[{train: [mf, fusion], apart: true}]'
