#!/bin/sh
# Training with differential privacy: what is told, the same bits on a cluster,
# what is refused.
. "$(dirname "$0")/lib.sh"

demo time-split
job job.yaml time-split 2
cat >>job.yaml <<EOF
privacy: {clip: 1, noise: 0.8, delta: 1.0e-5}
cluster: {staleness: 0, placement: split, threads: 1}
EOF

ok "one thread" "$FUSOR" train job.yaml --run-dir runs/one
says "privacy: epsilon"
epsilon=$(value runs/one/result.json epsilon)
awk -v e="$epsilon" 'BEGIN { exit !(e > 0.1 && e < 100) }' ||
    die "epsilon is $epsilon"
tail -1 runs/one/metrics.jsonl >last
[ "$(value last epsilon)" = "$epsilon" ] ||
    die "metrics.jsonl tells another epsilon"
digest runs/one
want=$found
ok "2 workers, 2 servers" mpirun --oversubscribe -n 4 "$FUSOR" train \
    job.yaml -q --run-dir runs/2x2 --servers 2
digest runs/2x2
[ "$found" = "$want" ] || die "2 workers, 2 servers: other bits"
ok "staleness 2" mpirun --oversubscribe -n 3 "$FUSOR" train job.yaml -q \
    --run-dir runs/stale --servers 1 --set cluster.staleness=2
[ "$(value runs/stale/result.json epsilon)" = "$epsilon" ] ||
    die "staleness changes epsilon"

ok "four epochs" "$FUSOR" train job.yaml -q --run-dir runs/four \
    --set train.epochs=4
awk -v a="$epsilon" -v b="$(value runs/four/result.json epsilon)" \
    'BEGIN { exit !(b > a) }' || die "more epochs do not cost more"

fails 2 "several samples" "$FUSOR" train job.yaml -q \
    --set train.negatives=2
fails 2 "noise" "$FUSOR" train job.yaml -q --set privacy.noise=0
