#!/bin/sh
# From nothing to a list of titles, as a new user would do it; and the same
# bits with one thread and with two.
. "$(dirname "$0")/lib.sh"

demo loo-full
ok "inspect the folder" "$FUSOR" inspect parts/loo-full
shows 'train: 5600'
shows 'protocol: "loo-full"'
ok "inspect a part" "$FUSOR" inspect parts/loo-full/train.part --json
shows '"rows": 5600'

job job.yaml loo-full 3
ok "check" "$FUSOR" train job.yaml --check
shows 'attention over logits'
shows 'stage 1: 3 epochs'
[ ! -e runs ] || die "--check made a run directory"
ok "help" "$FUSOR" train --help
shows 'Examples:'
ok "the list of commands" "$FUSOR"
shows 'recommend'
ok "doctor" "$FUSOR" doctor
shows 'OpenBLAS kernels'

ok "train" "$FUSOR" train job.yaml --run-dir runs/one --threads 1
shows 'auc'
says 'next: fusor evaluate runs/one'
says 'judged: epoch 3 of stage 1'
# Values that get worse: the last epoch is judged, another one kept as best.
ok "train too long" "$FUSOR" train job.yaml --run-dir runs/long \
    --set train.epochs=8 --set optimizer='{adam: 0.3}'
says 'judged: epoch 8 of stage 1, its last; fusor evaluate, recommend and others'
best=$(sed -n 's/.*others open epoch \([0-9]*\).*/\1/p' err)
ok "evaluate its best" "$FUSOR" evaluate runs/long
says "epoch $best of stage 1, its best by the validation rows (training went on"
ok "evaluate its last" "$FUSOR" evaluate runs/long/checkpoints/01-00008 --json
shows '"best": false'
shows '"epoch": 8'
ok "train on two threads" "$FUSOR" train job.yaml --run-dir runs/two -q \
    --threads 2
[ "$(value runs/two/result.json workers)" = 2 ] || die "not two threads"
for key in auc logloss; do
    a=$(value runs/one/result.json $key)
    b=$(value runs/two/result.json $key)
    [ -n "$a" ] && [ "$a" = "$b" ] || die "$key differs: $a and $b"
done
grep -q '"state": "done"' runs/one/status.json || die "status is not done"

ok "train again as JSON" "$FUSOR" train job.yaml --run-dir runs/json -q --json
shows '"run_dir": "runs/json"'

ok "evaluate" "$FUSOR" evaluate runs/one --json
cp out one.json
ok "evaluate the other" "$FUSOR" evaluate runs/two --json
[ "$(value one.json value)" = "$(value out value)" ] || die "auc differs"
shows '"protocol": "loo-full"'
ok "other metrics, other rows" "$FUSOR" evaluate runs/one --split valid \
    --metrics ndcg@10,hr@10,mae
shows 'ndcg@10'
says 'valid rows, protocol loo-full'

ok "recommend" "$FUSOR" recommend runs/one --user 7 --top 5 --json
[ "$(grep -c '"rank"' out)" = 5 ] || die "not five items"
grep '"id"' out | sed 's/.*: "\(.*\)",/\1/' | sort >top
# What user 7 rated in train and valid rows must not come back: all ratings but
# the last one in time.
awk -F, '$1 == 7 { print $4, $2 }' demo/ratings.csv | sort -n | sed '$d' |
    cut -d' ' -f2 | sort >seen
[ -s seen ] || die "user 7 has seen nothing"
[ -z "$(comm -12 top seen)" ] || die "an item seen was recommended"
printf '7\n8\n' >users
ok "recommend for many" "$FUSOR" recommend runs/one --users users --top 5
[ "$(wc -l <out)" = 11 ] || die "not a heading and ten lines"
awk -F'\t' '$1 == 7 { print $3 }' out | sort | cmp -s - top ||
    die "one user and many give other lists"

ok "inspect the run" "$FUSOR" inspect runs/one --json
shows '"is": "run directory"'
shows '"state": "done"'
ok "inspect a checkpoint" "$FUSOR" inspect runs/one/checkpoints/01-00003
shows 'epoch: 3'
ok "bench" "$FUSOR" bench train job.yaml --epochs 2 --json
shows '"samples_per_s"'
