#!/bin/sh
# What towers contribute, what is lost without one, and their weights over time.
. "$(dirname "$0")/lib.sh"

demo time-split
cat >job.yaml <<'END'
data: {prepared: parts/time-split}
label: {field: rating}
fields:
  user: {side: query, type: categorical}
  item: {side: item, type: categorical}
tables: {user: 8, item: 8}
towers:
  mf: {type: dot, query: user, item: item, bias: true}
  lin: {type: linear, inputs: item}
fusion: {type: attention, over: logits, normalise: zscore,
         gate: {mlp: [4], from: [user]}, drop: 0.1}
loss: mse
evaluate: [rmse, mae]
optimizer: {adam: 0.01}
train: {global_batch: 512, epochs: 3}
cluster: {staleness: 0}
END
for threads in 1 2; do
    ok "train on $threads" "$FUSOR" train job.yaml -t $threads -q \
        --run-dir runs/$threads
    sed 's/.*\("fusion_weights": *{[^}]*}\).*/\1/' runs/$threads/metrics.jsonl \
        >weights.$threads
    [ "$(grep -c '"mf"' weights.$threads)" = 3 ] || die "no weights an epoch"
done
cmp -s weights.1 weights.2 || die "weights depend on the number of threads"

ok "inspect" "$FUSOR" inspect runs/1 --json
[ "$(grep -c '"lin"' out)" -ge 3 ] || die "no weights over time"
ok "explain" "$FUSOR" explain runs/1 --rows 400
shows 'rmse without'
shows 'mf'
ok "as json" "$FUSOR" explain runs/1 --rows 400 --metrics mae --json \
    --out parts.tsv
shows '"difference"'
# The contributions of a row add up to its score less the bias.
awk -F'\t' 'NR == 2 { bias = $2 - $3 - $4 }
    NR > 1 { d = $2 - $3 - $4 - bias; if (d > 1e-4 || d < -1e-4) bad = 1 }
    END { exit bad || NR < 100 }' parts.tsv || die "contributions do not add up"
ok "one pair" "$FUSOR" explain runs/1 --user 7 --item 3
shows 'contributes'
fails 2 'give both' "$FUSOR" explain runs/1 --user 7
fails 2 'there is no item' "$FUSOR" explain runs/1 --user 7 --item nobody
fails 2 'is for many rows' "$FUSOR" explain runs/1 --user 7 --item 3 --rows 3
fails 2 'did you mean' "$FUSOR" train job.yaml --set fusion.missing=zerro
fails 2 'per_query_max: a row by itself' "$FUSOR" train job.yaml --check \
    --set fusion.normalise=per_query_max
ok "a fusion that refuses" "$FUSOR" train job.yaml -q --run-dir runs/error \
    --set fusion.missing=error --set train.epochs=1
ok "is not ablated" "$FUSOR" explain runs/error --rows 100
says 'no ablation'
