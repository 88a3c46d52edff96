#!/bin/sh
# Towers over sequences, trained at every position or by hidden ones, and under
# mpirun: the same bits at staleness 0, a whole job at staleness 4.
. "$(dirname "$0")/lib.sh"

demo loo-full

# sequences FILE SETTINGS : a job of one transformer.
sequences() {
    cat >"$1" <<END
data: {prepared: parts/loo-full}
label: {map: implicit}
fields:
  history: {side: query, type: sequence, of: item, max: 12}
  item:    {side: item, type: categorical}
tables: {item: 8}
towers:
  seq: {type: transformer, query: history, item: item, heads: 2, ff: 16,
        dropout: 0.1, $2}
loss: full_softmax
optimizer: {adam: 5.0e-3}
train: {global_batch: 64, micro_batches: 4, epochs: 3, seed: 5}
evaluate: [ndcg@10]
cluster: {staleness: 0, placement: split, threads: 1}
END
}

sequences causal.yaml "blocks: 2"
sequences masked.yaml "mask: 0.3"
sequences unseen.yaml "blocks: 2, norm: query, init: 0.02"
sed -i 's/^loss:.*/loss: {full_softmax: {exclude: seen}}/' unseen.yaml
ok "check" "$FUSOR" train masked.yaml --check
shows "bidirectional"
shows "mask 0.3"
shows "seq.mask"
shows "sequences, every position"

for job in causal masked unseen; do
    ok "$job: one thread" "$FUSOR" train $job.yaml -q --run-dir runs/$job
    digest runs/$job
    want=$found
    for phase in "forward seq" "backward seq" "loss function"; do
        grep -q "\"$phase\"" runs/$job/metrics.jsonl || die "no $phase"
    done
    ok "$job: three threads" "$FUSOR" train $job.yaml -q \
        --run-dir runs/$job-3 --threads 3
    digest runs/$job-3
    [ "$found" = "$want" ] || die "$job: three threads have other bits"
    ok "$job: 2 workers, 2 servers" mpirun --oversubscribe -n 4 "$FUSOR" \
        train $job.yaml -q --run-dir runs/$job-2x2 --servers 2
    digest runs/$job-2x2
    [ "$found" = "$want" ] || die "$job: 2 workers, 2 servers: other bits"
    ok "$job: staleness 4" mpirun --oversubscribe -n 4 "$FUSOR" \
        train $job.yaml -q --run-dir runs/$job-4 --servers 2 \
        --set cluster.staleness=4
    [ "$(value runs/$job-4/result.json epochs)" = 3 ] || die "not 3 epochs"
done
digest runs/masked
[ "$found" != "$want" ] || die "what is hidden or had makes no difference"
digest runs/causal
[ "$found" != "$want" ] || die "what was had makes no difference"
fails 2 'write train: {samples: sequences}' "$FUSOR" train unseen.yaml \
    --run-dir runs/x --set train.samples=events

# It learns: users of the made data come back to what they like.
ok "untrained" "$FUSOR" train masked.yaml -q --run-dir runs/none \
    --set train.epochs=0
ok "trained" "$FUSOR" train masked.yaml -q --run-dir runs/more \
    --set train.epochs=12
awk -v a="$(value runs/none/result.json ndcg@10)" \
    -v b="$(value runs/more/result.json ndcg@10)" \
    'BEGIN { exit !(a != "" && b > 1.3 * a) }' || die "it learns nothing"

ok "changed sequences" "$FUSOR" train causal.yaml -q --run-dir runs/changed \
    --set 'train.augment={crop: 0.6, mask: 0.3, reorder: 0.2}'
digest runs/changed
want=$found
ok "changed, 2 workers, 2 servers" mpirun --oversubscribe -n 4 "$FUSOR" \
    train causal.yaml -q --run-dir runs/changed-2x2 --servers 2 \
    --set 'train.augment={crop: 0.6, mask: 0.3, reorder: 0.2}'
digest runs/changed-2x2
[ "$found" = "$want" ] || die "changed sequences: other bits"
fails 2 "train.augment" "$FUSOR" train causal.yaml -q \
    --set 'train.augment={probability: 1}'

sequences wrong.yaml "mask: 0.3, causal: true"
fails 2 "causal: true" "$FUSOR" train wrong.yaml -q
sequences wrong.yaml "mask: 3"
fails 2 "mask" "$FUSOR" train wrong.yaml -q

# A stage that builds, before one that trains over what was built.
cat >built.yaml <<END
data: {prepared: parts/loo-full}
label: {map: implicit}
fields:
  user:    {side: query, type: categorical}
  item:    {side: item, type: categorical}
  rated:   {side: query, type: bag, of: item}
  history: {side: query, type: sequence, of: item, max: 12}
tables: {item: 8}
towers:
  ease: {type: ease, item: item, history: rated, lambda: 5}
  ials: {type: ials, query: user, item: item, dim: 4, sweeps: 3, solver: cg}
  seq:  {type: gru, query: history, item: item}
fusion: {type: weighted}
loss: full_softmax
optimizer: {adam: 5.0e-3}
train: {global_batch: 64, micro_batches: 4, epochs: 1, seed: 5}
stages: [{build: [ease, ials]}, {train: [seq]}]
evaluate: [ndcg@10]
cluster: {staleness: 0, placement: split, threads: 1}
END
ok "built: one thread" "$FUSOR" train built.yaml -q --run-dir runs/built
digest runs/built
want=$found
ok "built: 2 workers, 2 servers" mpirun --oversubscribe -n 4 "$FUSOR" \
    train built.yaml -q --run-dir runs/built-2x2 --servers 2
digest runs/built-2x2
[ "$found" = "$want" ] || die "built: 2 workers, 2 servers: other bits"
ok "built: staleness 4" mpirun --oversubscribe -n 4 "$FUSOR" \
    train built.yaml -q --run-dir runs/built-4 --servers 2 \
    --set cluster.staleness=4
