#!/bin/sh
# What messages may take of memory: so little that requests are held back, and
# the job ends with the same bits. Less than it needs: test_too_little.sh.
. "$(dirname "$0")/lib.sh"

# Each of two workers pushes 1.7 MiB.
wide_job 1 1024 4

# held RUN : requests that its workers held back
held() {
    sed -n 's/.*held back by credit: \([0-9]*\) requests.*/\1/p' \
        "runs/$1"/logs/worker-*.log | awk '{ n += $1 } END { print n + 0 }'
}

ok "a lot of memory" train_ranks 2 1 much
[ "$(held much)" = 0 ] || die "requests were held back without need"
digest runs/much
want=$found
for transport in shm zmq; do
    ok "little memory, $transport" train_ranks 2 1 "little-$transport" \
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
    ok "one process, $transport" train_ranks 1 1 "turns-$transport" --threads 2 \
        --set cluster.staleness=-1 --set cluster.message_memory=6MiB \
        --set cluster.transport=$transport
done
