#!/bin/sh
# Beginning with values of another run: in one process, and under mpirun with
# another number of servers; what does not fit is one line.
. "$(dirname "$0")/lib.sh"

demo loo-full

# sequences FILE SETTINGS MORE : a job of one transformer.
sequences() {
    cat >"$1" <<END
data: {prepared: parts/loo-full}
label: {map: implicit}
fields:
  history: {side: query, type: sequence, of: item, max: 12}
  item:    {side: item, type: categorical}
tables: {item: 8}
towers:
  seq: {type: transformer, query: history, item: item, heads: 2, ff: 16, $2}
loss: full_softmax
optimizer: {adam: 5.0e-3}
train: {global_batch: 64, micro_batches: 4, epochs: 3, seed: 5}
evaluate: [ndcg@10]
cluster: {staleness: 0, placement: split, threads: 1}
$3
END
}

sequences masked.yaml "mask: 0.3" ""
ok "masked, 2 servers" mpirun --oversubscribe -n 3 "$FUSOR" train \
    masked.yaml -q --run-dir runs/masked --servers 2

sequences causal.yaml "blocks: 1" \
    "init_from: {checkpoint: runs/masked, tables: [item], towers: [seq]}"
ok "check" "$FUSOR" train causal.yaml --check
ok "print" "$FUSOR" train causal.yaml --print-config
shows "init_from"
ok "one thread" "$FUSOR" train causal.yaml --run-dir runs/one
says "stage 1 begins with"
says "rows of 1 tables"
digest runs/one
want=$found
ok "1 worker, 1 server" mpirun --oversubscribe -n 2 "$FUSOR" train \
    causal.yaml -q --run-dir runs/1x1 --servers 1
digest runs/1x1
[ "$found" = "$want" ] || die "1 worker, 1 server: other bits"
ok "2 workers, 3 servers" mpirun --oversubscribe -n 5 "$FUSOR" train \
    causal.yaml -q --run-dir runs/2x3 --servers 3
digest runs/2x3
[ "$found" = "$want" ] || die "2 workers, 3 servers: other bits"
sequences cold.yaml "blocks: 1" ""
ok "cold" "$FUSOR" train cold.yaml -q --run-dir runs/cold
digest runs/cold
[ "$found" != "$want" ] || die "init_from makes no difference"

# The values are those of the other run: with its tower and no epoch the
# metrics on the test rows are the same.
sequences again.yaml "mask: 0.3" "init_from: {checkpoint: runs/masked}"
ok "no epoch" "$FUSOR" train again.yaml -q --run-dir runs/again \
    --set train.epochs=0
ok "evaluate the first" "$FUSOR" evaluate runs/masked
grep ndcg out >first
ok "evaluate its copy" "$FUSOR" evaluate runs/again
grep ndcg out >copy
cmp first copy || die "the values are others"

# A run that is read needs the other one no more.
rm -r runs/masked
ok "evaluate" "$FUSOR" evaluate runs/one
fails 2 "no checkpoint there" "$FUSOR" train causal.yaml -q
fails 2 "causal.yaml:" "$FUSOR" train causal.yaml --check
sequences wide.yaml "blocks: 1" "init_from: {checkpoint: runs/one}"
sed 's/item: 8/item: 16/' wide.yaml >wider.yaml
fails 2 "rows of table item have 8 floats" "$FUSOR" train wider.yaml -q
if mpirun --oversubscribe -n 3 "$FUSOR" train wider.yaml -q --servers 1 \
    >out 2>err; then
    die "mpirun trains what does not fit"
fi
says "rows of table item have 8 floats"

# A stage without epochs takes its values wherever it stands.
sequences late.yaml "blocks: 1" "stages:
  - {train: [seq], epochs: 1}
  - {train: [seq], epochs: 0, init_from: {checkpoint: runs/one}}"
ok "later stage without epochs" "$FUSOR" train late.yaml --run-dir runs/late
says "stage 2 begins with"
ndcg() {
    sed -n 's/.*"ndcg@10": *\([0-9.]*\).*/\1/p' "$1/result.json" | tail -1
}
[ "$(ndcg runs/late)" = "$(ndcg runs/one)" ] || die "late values do not count"
