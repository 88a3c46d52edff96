#!/bin/sh
# --set beats the environment, that beats the file, that beats the default; and
# the run keeps what was in force.
. "$(dirname "$0")/lib.sh"

demo loo-full
job job.yaml loo-full 3
ok "the file" "$FUSOR" train job.yaml --print-config
shows 'epochs: 3  # job.yaml:16'
shows 'seed: 1  # default'
export FUSOR_TRAIN_EPOCHS=2 FUSOR_TRAIN_GLOBAL_BATCH=500
ok "the environment" "$FUSOR" train job.yaml --print-config
shows 'epochs: 2  # FUSOR_TRAIN_EPOCHS'
shows 'global_batch: 500  # FUSOR_TRAIN_GLOBAL_BATCH'
ok "--set" "$FUSOR" train job.yaml --print-config --set train.epochs=1
shows 'epochs: 1  # --set'
ok "an option of its own" "$FUSOR" train job.yaml --print-config --threads 2
shows 'threads: 2  # --threads'
ok "train" "$FUSOR" train job.yaml --run-dir runs/a -q --set train.epochs=1
grep -q 'epochs: 1' runs/a/job.yaml || die "job.yaml is not what was in force"
[ "$(wc -l <runs/a/metrics.jsonl)" = 1 ] || die "not one epoch"
ok "what there is to set" "$FUSOR" help settings
shows 'staleness '
ok "of one section" "$FUSOR" help settings optimizer
shows 'beta1 '
fails 2 'no section "trian"' "$FUSOR" help settings trian
ok "a run directory of its own" "$FUSOR" train job.yaml -q
[ -f runs/latest/result.json ] || die "runs/latest leads nowhere"
ok "a first schema" "$FUSOR" prepare --guess demo/ratings.csv
shows 'fields:'
