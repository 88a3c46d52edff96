#!/bin/sh
# A run that was stopped goes on as if it had not been; on other threads too.
. "$(dirname "$0")/lib.sh"

demo loo-full
job job.yaml loo-full 4
ok "four epochs" "$FUSOR" train job.yaml --run-dir runs/whole -q --threads 1
ok "two epochs" "$FUSOR" train job.yaml --run-dir runs/half -q --threads 1 \
    --set train.epochs=2
ok "two more, from the run's own job file" "$FUSOR" train --resume runs/half \
    -q --threads 2 --set train.epochs=4
[ "$(wc -l <runs/half/metrics.jsonl)" = 4 ] || die "not four epochs in all"
for key in loss auc logloss; do
    tail -1 runs/whole/metrics.jsonl >a
    tail -1 runs/half/metrics.jsonl >b
    [ -n "$(value a $key)" ] && [ "$(value a $key)" = "$(value b $key)" ] ||
        die "$key of the last epoch differs"
done
# One that stops early takes its best epoch back and ends well.
ok "until it gets no better" "$FUSOR" train job.yaml --run-dir runs/best -q \
    --set train.epochs=60 --set train.stop='{auc: 0}' --set optimizer='{adam: 0.1}'
[ "$(wc -l <runs/best/metrics.jsonl)" -lt 60 ] || die "it has not stopped early"
fails 2 'nothing to resume' "$FUSOR" train job.yaml --resume=runs/no -q
fails 2 'one run' "$FUSOR" train --resume runs/half --seeds 2 -q
