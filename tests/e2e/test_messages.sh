#!/bin/sh
# What messages may take of memory: so little that requests are held back, and
# the job ends with the same bits. Less than it needs: test_too_little.sh.
. "$(dirname "$0")/lib.sh"

ok "generate" "$FUSOR" generate -o demo --users 4000 --items 300 \
    --events 24000 -q
ok "prepare" "$FUSOR" prepare demo --protocol time-split -o parts/wide -q
job job.yaml wide 1
sed -i 's/^tables:.*/tables: {user: 600, item: 600, genres: 8}/' job.yaml
sed -i 's|^train:.*|train: {global_batch: 1024, micro_batches: 4, epochs: 1}|' job.yaml
echo 'cluster: {staleness: 0, placement: split, threads: 1}' >>job.yaml

# ranks WORKERS SERVERS RUN MORE... : a push is 1.7 MiB, of two workers
ranks() {
    n=$(($1 + $2)) servers=$2 run=$3
    shift 3
    mpirun --oversubscribe -n "$n" "$FUSOR" train job.yaml -q \
        --servers "$servers" --run-dir "runs/$run" "$@" </dev/null
}

# held RUN : requests that its workers held back
held() {
    sed -n 's/.*held back by credit: \([0-9]*\) requests.*/\1/p' \
        "runs/$1"/logs/worker-*.log | awk '{ n += $1 } END { print n + 0 }'
}

ok "a lot of memory" ranks 2 1 much
[ "$(held much)" = 0 ] || die "requests were held back without need"
digest runs/much
want=$found
for transport in shm zmq; do
    ok "little memory, $transport" ranks 2 1 "little-$transport" \
        --set cluster.message_memory=8MiB --set cluster.transport=$transport
    [ "$(held "little-$transport")" -gt 0 ] || die "nothing was held back"
    grep -q 'held back by credit' "runs/little-$transport/metrics.jsonl" ||
        die "the metrics do not say that requests were held back"
    grep -q ' 0 malformed, 0 without room' \
        "runs/little-$transport/logs/server-0.log" ||
        die "the shard had no room"
    digest "runs/little-$transport"
    [ "$found" = "$want" ] || die "little memory gives other bits: $found"
done

# Two threads whose pushes do not fit together take turns.
for transport in shm zmq; do
    ok "one process, $transport" ranks 1 1 "turns-$transport" --threads 2 \
        --set cluster.staleness=-1 --set cluster.message_memory=6MiB \
        --set cluster.transport=$transport
done
