#!/bin/sh
# Messages may take less memory than a unit, a message or a step needs: the job
# ends at once with a line that says what to do, not with a wait that nobody
# explains.
. "$(dirname "$0")/lib.sh"

# Each of two workers pushes 1.7 MiB.
wide_job 1 1024 4

# ends CODE TEXT RUN MORE... : one line of fusor's with TEXT, on stderr
ends() {
    code=0 want_code=$1 text=$2
    shift 2
    "$@" >out 2>err || code=$?
    [ "$code" = "$want_code" ] || die "exit code $code, not $want_code: $*"
    grep -F "$text" err | grep -q 'cluster.message_memory' ||
        die "no \"$text\" in the error: $*"
    echo "ok: $(grep -m 1 -F "$text" err)"
}
ends 4 'the gradients of one unit take' train_ranks 4 1 unit \
    --set cluster.message_memory=4MiB
ends 4 'a message of' train_ranks 2 1 message --set cluster.message_memory=4MiB \
    --set train.global_batch=4096
ends 4 "a step's values take" train_ranks 1 4 step --set cluster.staleness=-1 \
    --set cluster.message_memory=4MiB --set train.global_batch=4096 \
    --set cluster.transport=zmq

# Weights of 1.5 MiB, from three workers.
wide='{type: mlp, inputs: [user, item, genres], units: [320]}'
ends 4 'the gradients of one unit take' train_ranks 3 1 dense \
    --set cluster.message_memory=4MiB --set towers.deep="$wide"
# A server that mpirun ends first does not get to its counts.
if grep -q 'shard 0: [1-9][0-9]* pulls' runs/dense/logs/server-0.log; then
    die "the weights do not fit, and that was not seen before the first step"
fi
ends 2 'the weights alone' mpirun --oversubscribe -n 4 "$FUSOR" train \
    job.yaml --check --servers 1 --set cluster.message_memory=4MiB \
    --set towers.deep="$wide"
ok "a prediction" mpirun --oversubscribe -n 4 "$FUSOR" train job.yaml \
    --dry-run --servers 1 --set cluster.message_memory=4MiB \
    --set towers.deep="$wide"
says 'cluster.message_memory is 4.0 MiB, and the gradients of a unit take'
ok "it fits" mpirun --oversubscribe -n 4 "$FUSOR" train job.yaml --check \
    --servers 1 --set cluster.message_memory=6MiB --set towers.deep="$wide"

ok "the setting" "$FUSOR" train job.yaml --print-config
shows 'message_memory: 2147483648  # default'
fails 2 'message_memory' "$FUSOR" train job.yaml --check \
    --set cluster.message_memory=1MiB
