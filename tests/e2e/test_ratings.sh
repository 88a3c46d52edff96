#!/bin/sh
# Ratings expected from neighbours: by user, by item, by edges of a file; alone,
# under a fusion and out of fold; the same on a cluster.
. "$(dirname "$0")/lib.sh"

demo kfold-random
cat >job.yaml <<'EOF2'
data: {prepared: parts/kfold-random, fold: 0}
label: {field: rating, map: none}
fields:
  user: {side: query, type: categorical}
  item: {side: item, type: categorical}
towers:
  nn: {type: knn, by: query, query: user, item: item, centre: mean,
       similarity: pearson, shrink: 10}
loss: mse
output: {range: [1, 5]}
train: {global_batch: 512, micro_batches: 4}
evaluate: [rmse]
cluster: {staleness: 0, threads: 1}
EOF2

# below WHAT A B : A < B
below() {
    awk -v a="$2" -v b="$3" 'BEGIN { exit !(a != "" && b != "" && a < b) }' ||
        die "$1: $2 is not below $3"
}

ok "check" "$FUSOR" train job.yaml --check
shows 'ratings about the mean'
ok "means" "$FUSOR" train job.yaml -q --run-dir means \
    --set towers.nn.overlap=100000
ok "users" "$FUSOR" train job.yaml -q --run-dir users
ok "items" "$FUSOR" train job.yaml -q --run-dir items --set towers.nn.by=item
ok "cluster" mpirun --oversubscribe -n 4 "$FUSOR" train job.yaml -q \
    --run-dir cluster --servers 2
[ "$(value users/result.json rmse)" = "$(value cluster/result.json rmse)" ] ||
    die "a cluster has another rmse"
below "rmse of items" "$(value items/result.json rmse)" \
    "$(value means/result.json rmse)"
ok "folds" "$FUSOR" train job.yaml --folds 0,1 --run-dir folds -q

# Fitted out of fold together with a tower that is trained.
ok "stacked" "$FUSOR" train job.yaml -q --run-dir stacked \
    --set 'tables={user: 8, item: 8}' \
    --set 'towers.mf={type: dot, query: user, item: item, bias: true}' \
    --set 'fusion={type: weighted, weights: free, over: logits, bias: true}' \
    --set 'optimizer={adam: 1.0e-2}' --set 'stages=[{build: [nn]},
        {train: [mf], epochs: 3}, {train: [fusion], rows: out_of_fold(3)}]'

awk 'BEGIN { for (u = 1; u < 40; u++) print u "\t" u + 1 "\t" u % 3 + 1 }' \
    >trust.tsv
ok "edges" "$FUSOR" train job.yaml -q --run-dir edges --set \
    'towers.nn={type: knn, by: query, query: user, item: item, centre: mean,
                edges: trust.tsv}'
[ "$(value edges/result.json rmse)" != "$(value means/result.json rmse)" ] ||
    die "edges change nothing"
echo 'nonsense' >trust.tsv
fails 3 'expected user, user, weight' "$FUSOR" train job.yaml -q \
    --run-dir x --set \
    'towers.nn={type: knn, by: query, query: user, item: item, centre: mean,
                edges: trust.tsv}'
