#!/bin/sh
# At staleness 0 the parameters have the same bits, whatever they are trained
# on: threads of one process, or workers and servers under mpirun. And the
# comparison can fail: another seed gives other bits.
. "$(dirname "$0")/lib.sh"

demo loo-full
cat >job.yaml <<EOF
data: {prepared: parts/loo-full}
label: {field: rating, map: threshold, at: 4}
fields:
  user:   {side: query, type: categorical}
  item:   {side: item, type: categorical}
  genres: {side: item, type: multi}
tables: {user: 8, item: 8, genres: 8}
towers:
  mf:   {type: dot, query: [user], item: item, bias: true}
  deep: {type: mlp, inputs: [user, item, genres], units: [16, 8],
         norm: batch, dropout: 0.2}
  wide: {type: linear, inputs: [user, item, genres]}
fusion: {type: attention, over: logits, gate: {mlp: [8], from: [user]}}
output: sigmoid
loss: bce
optimizer: {adam: 3.0e-3}
train: {global_batch: 1024, micro_batches: 8, epochs: 2, seed: 5}
evaluate: [auc]
cluster: {staleness: 0, placement: split, threads: 1}
EOF

# cluster WORKERS SERVERS
cluster() {
    ok "$1 workers, $2 servers" mpirun --oversubscribe -n $(($1 + $2)) \
        "$FUSOR" train job.yaml -q --run-dir "runs/$1x$2" --servers "$2"
    same "runs/$1x$2"
}

ok "one thread" "$FUSOR" train job.yaml -q --run-dir runs/one
digest runs/one
want=$found
ok "two threads" "$FUSOR" train job.yaml -q --run-dir runs/two --threads 2
[ "$(value runs/two/result.json workers)" = 2 ] || die "not two threads"
same runs/two
cluster 1 1
cluster 2 1
[ -s runs/2x1/load.json ] || die "the servers left no load"
ok "rows placed by load" mpirun --oversubscribe -n 3 "$FUSOR" train job.yaml \
    -q --run-dir runs/placed --servers 2 --set cluster.placement_from=runs/2x1
same runs/placed
ok "kept rows to evaluate" mpirun --oversubscribe -n 3 "$FUSOR" train job.yaml \
    -q --run-dir runs/kept --servers 1 --set cluster.cache=1M
same runs/kept
[ "$(value runs/kept/result.json auc)" = "$(value runs/2x1/result.json auc)" ] ||
    die "kept rows change the evaluation"
cluster 3 2
[ "$(value runs/3x2/result.json workers)" = 3 ] || die "not three workers"
[ "$(value runs/3x2/result.json shards)" = 2 ] || die "not two shards"

ok "another seed" "$FUSOR" train job.yaml -q --run-dir runs/seed \
    --set train.seed=6
digest runs/seed
[ "$found" != "$want" ] || die "another seed gives the same digest"
fails 2 'neither a checkpoint nor a run' "$FUSOR" inspect parts/loo-full \
    --digest
