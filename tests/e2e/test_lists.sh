#!/bin/sh
# Losses over lists: a fusion fitted query by query on rows that no tower saw,
# towers trained so, several labels, out of fold; equal bits everywhere.
. "$(dirname "$0")/lib.sh"

ok "generate" "$FUSOR" generate -o demo --users 200 --items 60 --events 6000 \
    --finished -q
ok "prepare" "$FUSOR" prepare demo --protocol time-split -o parts -q
cat >job.yaml <<'EOF2'
data: {prepared: parts}
label: {field: rating}
fields:
  user:   {side: query, type: categorical}
  item:   {side: item, type: categorical}
  genres: {side: item, type: multi}
tables: {user: 8, item: 8, genres: 4}
towers:
  mf:   {type: dot, query: user, item: item, bias: true}
  deep: {type: mlp, inputs: [user, item, genres], units: [16]}
fusion: {type: weighted, weights: free, over: logits}
optimizer: {adam: 1.0e-2}
train: {global_batch: 512, micro_batches: 4, epochs: 3, run: 64}
stages:
  - {train: [mf, deep], loss: mse}
  - {train: [fusion], rows: validation, loss: listnet, epochs: 8}
evaluate: [ndcg@5, rmse]
cluster: {staleness: 0, threads: 1}
EOF2

# same NAME FILE OPTION... : one process, four threads and a cluster agree.
same() {
    name=$1
    file=$2
    shift 2
    ok "$name: one thread" "$FUSOR" train "$file" -q --run-dir "$name-1" "$@"
    ok "$name: four threads" "$FUSOR" train "$file" -q --run-dir "$name-4" \
        "$@" -t 4
    ok "$name: cluster" mpirun --oversubscribe -n 4 "$FUSOR" train "$file" -q \
        --run-dir "$name-c" --servers 2 "$@"
    digest "$name-1"
    want=$found
    for run in 4 c; do
        digest "$name-$run"
        [ "$found" = "$want" ] || die "$name-$run differs from $name-1"
    done
}

ok "check" "$FUSOR" train job.yaml --check
shows 'stage 2: 8 epochs'
shows 'rmse compares scores with labels, but the last loss only orders'
same fusion job.yaml
says_nothing_of_labels='rmse compares scores with labels, but the last loss'
grep -q '"fusion_shares": *{"mf"' fusion-1/metrics.jsonl || die "no shares"
ok "explain" "$FUSOR" explain fusion-1 --rows 200 --metrics ndcg@5
shows 'of weights'
ok "a pair" "$FUSOR" explain fusion-1 --user 7 --item 3
says 'only order the items of a user'
ok "evaluate" "$FUSOR" evaluate fusion-1
says "$says_nothing_of_labels"
ok "evaluate by order" "$FUSOR" evaluate fusion-1 --metrics ndcg@5
if grep -q "$says_nothing_of_labels" err; then die "ndcg wants no label"; fi
same towers job.yaml --set 'stages=[{}]' --set loss=lambdarank
awk -v n="$(value towers-1/result.json ndcg@5)" 'BEGIN { exit n < 0.5 }' ||
    die "lambdarank has not learned"
for loss in '{listnet: 0.5}' listmle; do
    ok "$loss" "$FUSOR" train job.yaml -q --run-dir "run-$loss" \
        --set 'stages=[{}]' --set "loss=$loss"
done
ok "late values" mpirun --oversubscribe -n 4 "$FUSOR" train job.yaml -q \
    --run-dir late --set cluster.staleness=4

# Out of fold the head is fitted on train rows, user by user.
same folded job.yaml --set 'stages=[{train: [mf, deep], loss: mse},
    {train: [fusion], rows: out_of_fold(3), loss: listnet, epochs: 4}]'

# A label of several; rows that lack it are in no list.
sed -e '/^label:/d' -e '/^stages:/,/validation/d' job.yaml >labels.yaml
cat >>labels.yaml <<'EOF2'
labels:
  rating:   {loss: listnet}
  finished: {map: binary, loss: bce}
EOF2
same labels labels.yaml --set 'evaluate=[ndcg@5, auc:finished]'

fails 2 'compares a sample with others' "$FUSOR" train job.yaml --run-dir x \
    --set 'stages=[{}]' --set loss=listnet --set 'privacy={clip: 1}'
# One wanted row among many needs a low temperature.
ok "flat" "$FUSOR" train job.yaml --check --set 'label={map: implicit}' \
    --set 'stages=[{loss: listnet}]' --set train.negatives=49
shows 'listnet wants a row only for 5.3 % beside its 49 negatives'
ok "sharp" "$FUSOR" train job.yaml --check --set 'label={map: implicit}' \
    --set 'stages=[{loss: {listnet: 0.05}}]' --set train.negatives=49
if grep -q 'listnet wants' out; then die "a warning without a cause"; fi

fails 2 'an auxiliary loss is over rows' "$FUSOR" train job.yaml --run-dir x \
    --set 'towers.mf.aux={loss: listmle}'
