#!/bin/sh
# A model that gives every item the same score finds nothing: ties count
# against it.
. "$(dirname "$0")/lib.sh"

demo loo-full
cat >constant.yaml <<EOF
data: {prepared: parts/loo-full}
label: {field: rating, map: threshold, at: 4}
towers:
  bias: {type: linear, inputs: [user]}
output: sigmoid
loss: bce
optimizer: {adam: 1.0e-3}
train: {global_batch: 1024, epochs: 1}
evaluate: [hr@10, ndcg@10, mrr@10]
EOF
ok "train on the user alone" "$FUSOR" train constant.yaml --run-dir runs/user -q
ok "evaluate" "$FUSOR" evaluate runs/user --json
for value in $(sed -n 's/.*"value": *\([-0-9.e]*\).*/\1/p' out); do
    [ "$value" = 0 ] || die "a constant scorer reached $value"
done
shows '"n": 200'
ok "no epoch at all" "$FUSOR" train constant.yaml --run-dir runs/none -q \
    --set train.epochs=0
ok "evaluate the initial model" "$FUSOR" evaluate runs/none --metrics hr@10 \
    --json
[ "$(value out value)" = 0 ] || die "the initial model reached something"
ok "recommend from it" "$FUSOR" recommend runs/none --user 1 --top 3
