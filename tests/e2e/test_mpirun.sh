#!/bin/sh
# Whole jobs under mpirun with 4 ranks on this host: same result as one process,
# and whatever is killed, the job ends within 30 s with a code that is not 0,
# one line with the cause, and nothing left behind.
#     test_mpirun.sh DRIVER     (tests/job/job_driver.c)
set -u
driver=$1
export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1
work=$(mktemp -d)
failures=0
launcher=

clean_up() {
    [ -n "$launcher" ] && kill -KILL "$launcher" 2>/dev/null
    rm -rf "$work"
}
trap clean_up EXIT
cd "$work" || exit 1

fail() {
    echo "FAILED: $*"
    failures=$((failures + 1))
}

# expect WHAT GOT WANT
expect() {
    [ "$2" = "$3" ] || fail "$1: got \"$2\", want \"$3\""
}

cat >job.yaml <<'JOB'
data: {prepared: parts}
label: {field: rating, map: threshold, at: 4}
fields:
  user: {side: query, type: categorical}
  item: {side: item, type: categorical}
tables: {user: 8, item: 8}
towers:
  mf: {type: dot, query: user, item: item, bias: true}
output: sigmoid
loss: bce
optimizer: {adam: 3.0e-3}
train: {global_batch: 1024, epochs: 3, micro_batches: 4}
evaluate: [auc, logloss]
cluster: {staleness: 0}
JOB

# Start a job of 4 ranks in the background; its mpirun is $launcher.
start() {
    run=$1
    shift
    mpirun -n 4 --oversubscribe "$driver" train job.yaml --run-dir "$run" "$@" \
        >"$run.out" 2>"$run.err" </dev/null &
    launcher=$!
}

# Wait for it; its exit code is $code, the seconds $took.
finish() {
    begin=$(date +%s)
    wait "$launcher"
    code=$?
    took=$(($(date +%s) - begin))
    launcher=
}

# Give a condition up to 20 s to become true.
await() {
    i=0
    until eval "$1"; do
        i=$((i + 1))
        [ "$i" -gt 200 ] && return 1
        sleep 0.1
    done
}

# Living processes of this test's jobs: they have its folder as their own.
ours() {
    for p in /proc/[0-9]*; do
        [ "$(readlink "$p/cwd" 2>/dev/null)" = "$work" ] || continue
        case $(tr '\0' ' ' <"$p/cmdline" 2>/dev/null) in
        *"fusor role $1"* | "$driver train"*"$1"*) echo "${p#/proc/}" ;;
        esac
    done
}

role_pid() {
    ours "$1 --boot" | head -n 1
}

state_of() {
    sed -n 's/^ *"state": "\([a-z]*\)".*/\1/p' "$1/status.json"
}

# What is named in shared memory since the start: Open MPI's in a folder of this
# test, because other jobs on this host may be starting.
shared_memory() {
    ls shm
    ls /dev/shm | grep -vxFf shm.before | grep -v '^vader_segment'
}

check_nothing_left() {
    await '[ -z "$(ours "")" ]' || fail "$1: processes are left: $(ours "")"
    await '[ -z "$(shared_memory)" ]' ||
        fail "$1: shared memory is left: $(shared_memory)"
    find . -type s | grep . && fail "$1: sockets are left"
}

# kill_one NAME SIGNAL PID-COMMAND PATTERN-IN-STDERR
kill_one() {
    name=$1
    start "$name" --set train.epochs=100000
    await '[ -s "$name/metrics.jsonl" ]' || fail "$name: no start"
    victim=$(eval "$3")
    [ -n "$victim" ] || fail "$name: nothing to kill"
    kill "-$2" "$victim"
    finish
    [ "$code" -ne 0 ] || fail "$name: exit code 0"
    [ "$took" -le 30 ] || fail "$name: took $took s"
    lines=$(grep -cE "$4" "$name.err")
    expect "$name: lines with the cause" "$lines" 1
    lines=$(grep -cE '^[0-9:.]+ coordinator ' "$name.err")
    expect "$name: lines with a time" "$lines" 0
    await '[ "$(state_of "$name")" = failed ]' ||
        fail "$name: status.json says $(state_of "$name")"
    check_nothing_left "$name"
    echo "$name: exit code $code after $took s"
}

"$driver" make . || exit 1
mkdir shm
export OMPI_MCA_btl_vader_backing_directory="$work/shm"
{ echo .; ls /dev/shm; } >shm.before # never an empty list of patterns

# One process and four ranks agree to the last digit.
"$driver" train job.yaml --run-dir alone >alone.out 2>alone.err
expect "alone: exit code" "$?" 0
start whole
finish
expect "whole: exit code" "$code" 0
expect "whole: state" "$(state_of whole)" done
expect "whole: test metrics" \
    "$(sed -n '/"test"/,/}/p' whole/result.json)" \
    "$(sed -n '/"test"/,/}/p' alone/result.json)"
expect "whole: banner" "$(grep -c 'network: shared memory' whole.err)" 1
check_nothing_left whole

# The same through ZeroMQ.
start zmq --set cluster.transport=zmq
finish
expect "zmq: exit code" "$code" 0
expect "zmq: banner" "$(grep -c 'network: tcp without' zmq.err)" 1
expect "zmq: test metrics" \
    "$(sed -n '/"test"/,/}/p' zmq/result.json)" \
    "$(sed -n '/"test"/,/}/p' alone/result.json)"
check_nothing_left zmq

# Encrypted, stale, colocated: other ways through the same code.
start curve --set cluster.security=curve --set cluster.staleness=4 \
    --set cluster.placement=colocated --set cluster.threads=1
finish
expect "curve: exit code" "$code" 0
expect "curve: banner" "$(grep -c 'CURVE keys' curve.err)" 1
check_nothing_left curve

# Mistakes are told once, with their own code.
start both --set cluster.security=curve --set cluster.transport=shm
finish
expect "both: exit code" "$code" 2
expect "both: lines" "$(grep -c 'shm has no curve' both.err)" 1
start wrong --set cluster.servers=4
finish
expect "wrong: exit code" "$code" 2
expect "wrong: lines" "$(grep -c 'leaves no worker' wrong.err)" 1
start typo --set cluster.sevrers=1
finish
expect "typo: exit code" "$code" 2
expect "typo: lines" "$(grep -c 'sevrers' typo.err)" 1
start nodata --set data.prepared=nowhere
finish
expect "nodata: exit code" "$code" 3
expect "nodata: lines" "$(grep -c 'nowhere' nodata.err)" 1
check_nothing_left nodata
start range --set cluster.ports=1-x
finish
expect "range: exit code" "$code" 2
expect "range: lines" "$(grep -c 'is no range of ports' range.err)" 1
# Three listeners, one port: whoever comes second finds it in use.
start ports --set cluster.ports=28471
finish
expect "ports: exit code" "$code" 5
expect "ports: lines" "$(grep -c ':28471.* in use' ports.err)" 1
check_nothing_left ports
start range2 --set cluster.ports=28471-28490
finish
expect "range2: exit code" "$code" 0

# A mistake that only the model finds is told where the user made it, before
# anything is launched.
sed 's/type: dot/type: dott/' job.yaml >model.yaml
mpirun -n 4 --oversubscribe "$driver" train model.yaml --run-dir model \
    >model.out 2>model.err </dev/null
expect "model: exit code" "$?" 2
expect "model: lines" "$(grep -c dott model.err)" 1
expect "model: place" "$(grep -c '^fusor: model.yaml:8:[0-9]*: ' model.err)" 1
[ ! -e model ] || fail "model: a run directory was made"
check_nothing_left model

kill_one worker KILL 'role_pid worker' 'worker .*killed by signal 9'
kill_one server KILL 'role_pid server' 'server .*killed by signal 9'
kill_one coordinator KILL 'role_pid coordinator' \
    'coordinator .*killed by signal 9'
kill_one supervisor KILL 'ours "--run-dir supervisor" | tail -n 1' \
    'exited on signal 9'
kill_one launcher KILL 'echo "$launcher"' 'fusor: job [0-9a-f]* in'
kill_one stopped TERM 'echo "$launcher"' 'fusor: job [0-9a-f]* in'

# Asked to stop, it leaves a checkpoint and goes on from it.
start asked --set train.epochs=100000
await '[ -s asked/metrics.jsonl ]' || fail "asked: no start"
kill -USR1 "$launcher"
finish
expect "asked: exit code" "$code" 75
expect "asked: state" "$(state_of asked)" stopped
check_nothing_left asked
epochs=$(wc -l <asked/metrics.jsonl)
start asked --set train.epochs=$((epochs + 2)) --resume
finish
expect "resumed: exit code" "$code" 0
expect "resumed: epochs" "$(wc -l <asked/metrics.jsonl)" $((epochs + 2))
check_nothing_left asked

[ "$failures" -eq 0 ] && echo "all held"
exit "$failures"
