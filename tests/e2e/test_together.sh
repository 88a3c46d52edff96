#!/bin/sh
# Several labels with folds, with a fusion out of fold, with values of another
# run and with privacy: what works gives the same bits everywhere, what cannot
# be is one line.
. "$(dirname "$0")/lib.sh"

ok "generate" "$FUSOR" generate -o demo --users 200 --items 60 --events 4000 \
    --finished -q
ok "prepare" "$FUSOR" prepare demo --protocol kfold-random -o parts -q
cat >job.yaml <<'EOF2'
data: {prepared: parts, fold: 0}
labels:
  liked:    {field: rating, map: threshold, at: 4, towers: [mf, deep]}
  finished: {map: binary, towers: [deep, wide]}
fields:
  user: {side: query, type: categorical}
  item: {side: item, type: categorical}
tables: {user: 8, item: 8}
towers:
  mf:   {type: dot, query: user, item: item, bias: true}
  deep: {type: mlp, inputs: [user, item], units: [8]}
  wide: {type: linear, inputs: [user, item]}
fusion: {type: weighted, over: logits, weights: free, bias: true}
loss: bce
optimizer: {adam: 1.0e-2}
train: {global_batch: 512, micro_batches: 4, epochs: 2}
evaluate: [auc, logloss]
cluster: {staleness: 0, threads: 1}
EOF2
stages='stages=[{train: [mf, deep, wide]},
    {train: [fusion], rows: out_of_fold(3), epochs: 4}]'

# Labels over folds: means of each label's metrics, a comparison of two such.
ok "folds" "$FUSOR" train job.yaml --folds 0,1 --run-dir folds
grep -q '"auc:finished"' folds/summary.json || die "no mean of finished"
ok "longer" "$FUSOR" train job.yaml --folds 0,1 --run-dir longer -q \
    --set train.epochs=5
ok "compare" "$FUSOR" compare folds longer --label finished -m logloss \
    --by gender
shows 'logloss:finished'

# Out of fold every label's fusion learns from scores of rows that its towers
# did not see.
ok "one thread" "$FUSOR" train job.yaml -q --run-dir one --set "$stages"
ok "four threads" "$FUSOR" train job.yaml -q --run-dir four --set "$stages" \
    -t 4
ok "cluster" mpirun --oversubscribe -n 4 "$FUSOR" train job.yaml -q \
    --run-dir cluster --servers 2 --set "$stages"
digest one
want=$found
for run in four cluster; do
    digest $run
    [ "$found" = "$want" ] || die "$run differs"
done
ok "folds out of fold" "$FUSOR" train job.yaml --folds 0,1 -q \
    --run-dir folded --set "$stages"

# Values of another run: of the same fold, of the fold's own in a folder of
# folds, never of one that learnt what is judged.
from='init_from={checkpoint: folds, tables: [user, item]}'
ok "each fold its own" "$FUSOR" train job.yaml --folds 0,1 --run-dir warm \
    --set "$from"
ok "by name" "$FUSOR" train job.yaml --run-dir named -q \
    --set 'init_from={checkpoint: folds/fold-0, tables: [user, item]}'
digest named
want=$found
digest warm/fold-0
[ "$found" = "$want" ] || die "fold 0 began with something else"
digest warm/fold-1
[ "$found" != "$want" ] || die "fold 1 is fold 0"
fails 2 'rows of fold 1, which are judged here' "$FUSOR" train job.yaml -q \
    --run-dir x --set data.fold=1 \
    --set 'init_from={checkpoint: folds/fold-0, tables: [user, item]}'
ok "labels, folds and values out of fold" "$FUSOR" train job.yaml \
    --run-dir all --set "$stages" --set "$from"
says 'their scores are not out of fold'

# A label more: the towers of one label go on with values of two.
ok "one label" "$FUSOR" train job.yaml -q --run-dir single \
    --set 'labels={liked: {field: rating, map: threshold, at: 4}}' \
    --set 'init_from={checkpoint: one, tables: [user, item], towers: [deep]}'

fails 2 'take label instead of labels' "$FUSOR" train job.yaml --run-dir x \
    --set 'privacy={clip: 1}'
