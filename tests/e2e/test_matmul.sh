#!/bin/sh
# Products in bf16: one process and workers with servers give the same bits,
# which are not those of f32, and quality does not suffer. A CPU that cannot
# says so in one line.
. "$(dirname "$0")/lib.sh"

demo loo-full
cat >job.yaml <<EOF
data: {prepared: parts/loo-full}
label: {field: rating, map: threshold, at: 4}
fields:
  user:   {side: query, type: categorical}
  item:   {side: item, type: categorical}
tables: {user: 32, item: {dim: 32, dtype: bf16}}
towers:
  deep: {type: mlp, inputs: [user, item], units: [64, 32]}
output: sigmoid
loss: bce
optimizer: {adam: 3.0e-3}
train: {global_batch: 1024, epochs: 2, seed: 5, matmul: bf16}
evaluate: [auc]
cluster: {staleness: 0, threads: 1}
EOF

(
    export FUSOR_CPU=avx2
    fails 2 'bf16 needs AMX' "$FUSOR" train job.yaml -q --run-dir runs/without
) || exit 1
"$FUSOR" doctor >out 2>&1 || true
if ! grep -q 'bf16 AMX' out; then
    echo "no AMX here: nothing more to see"
    exit 0
fi

ok "f32" "$FUSOR" train job.yaml -q --run-dir runs/f32 --set train.matmul=f32
digest runs/f32
plain=$found
ok "bf16" "$FUSOR" train job.yaml -q --run-dir runs/one
digest runs/one
want=$found
[ "$want" != "$plain" ] || die "bf16 gives the bits of f32"
near "AUC in bf16" "$(value runs/one/result.json auc)" \
    "$(value runs/f32/result.json auc)" 0.02
ok "bf16 by two threads" "$FUSOR" train job.yaml -q --run-dir runs/two \
    --threads 2
digest runs/two
[ "$found" = "$want" ] || die "two threads: $found, one: $want"
ok "bf16 under mpirun" mpirun --oversubscribe -n 3 "$FUSOR" train job.yaml -q \
    --run-dir runs/ranks --servers 1
digest runs/ranks
[ "$found" = "$want" ] || die "servers: $found, one process: $want"
