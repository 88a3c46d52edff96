#!/bin/sh
# Signals to a run in one process, and what a run directory is good for after.
. "$(dirname "$0")/lib.sh"

demo loo-full
job job.yaml loo-full 100000

# start RUN : in the background; its process is $pid. Waits for its first
# checkpoint.
start() {
    "$FUSOR" train job.yaml -q --run-dir "$1" --threads 1 >out 2>err &
    pid=$!
    trap 'kill -KILL "$pid" 2>/dev/null; rm -rf "$work"' EXIT
    i=0
    until [ -s "$1/checkpoints/latest" ]; do
        i=$((i + 1))
        [ "$i" -le 200 ] || die "$1: no start"
        sleep 0.1
    done
}

# ends CODE : the run ends with this exit code.
ends() {
    code=0
    wait "$pid" || code=$?
    [ "$code" = "$1" ] || die "exit code $code, not $1"
    trap 'rm -rf "$work"' EXIT
}

# status RUN STATE EXIT-CODE
status() {
    state=$(sed -n 's/^ *"state": "\(.*\)",$/\1/p' "$1/status.json")
    [ "$state" = "$2" ] || die "$1 is $state, not $2"
    [ "$(value "$1/status.json" exit_code)" = "$3" ] ||
        die "$1: exit_code $(value "$1/status.json" exit_code), not $3"
}

start runs/asked
kill -USR1 "$pid"
ends 75
status runs/asked stopped 75
says 'go on with fusor train --resume runs/asked'
epochs=$(wc -l <runs/asked/metrics.jsonl)
ok "go on from there" "$FUSOR" train --resume runs/asked -q \
    --set train.epochs=$((epochs + 1))
[ "$(wc -l <runs/asked/metrics.jsonl)" = $((epochs + 1)) ] ||
    die "not one epoch more"
status runs/asked done 0

# stopped NAME NUMBER
stopped() {
    start "runs/$1"
    kill "-$1" "$pid"
    ends $((128 + $2))
    status "runs/$1" failed $((128 + $2))
    grep -qF "stopped by signal $2" "runs/$1/status.json" ||
        die "$1: no cause in status.json"
    says "fusor: stopped by signal $2"
    case $(tail -n 1 "runs/$1/metrics.jsonl") in
    '{'*'}') ;;
    *) die "$1: half a line of metrics" ;;
    esac
    ok "its checkpoint is whole" "$FUSOR" inspect "runs/$1" --digest
    shows 'state: "failed"'
}
stopped TERM 15
stopped INT 2

# Killed, it says nothing; whoever looks is told all the same.
start runs/killed
ok "inspect it while it runs" "$FUSOR" inspect runs/killed
shows 'state: "running"'
kill -KILL "$pid"
ends 137
ok "inspect it when it is gone" "$FUSOR" inspect runs/killed
shows 'lost: its process is gone'

# With a checkpoint there is something to lose; without one there is not.
fails 2 'holds an earlier job' \
    "$FUSOR" train job.yaml -q --run-dir runs/killed
rm -r runs/killed/checkpoints
mkdir runs/killed/checkpoints
echo old >runs/killed/logs/old.log
fails 2 'holds no checkpoint' "$FUSOR" train --resume runs/killed -q
ok "the directory is used again" "$FUSOR" train job.yaml -q \
    --run-dir runs/killed --set train.epochs=1
status runs/killed done 0
[ "$(wc -l <runs/killed/metrics.jsonl)" = 1 ] || die "old metrics are left"
[ ! -e runs/killed/logs/old.log ] || die "old logs are left"

# A run that fails at once does not block its directory.
fails 3 'nowhere' "$FUSOR" train job.yaml -q --run-dir runs/again \
    --set data.prepared=nowhere
status runs/again failed 3
ok "the same directory, the job put right" "$FUSOR" train job.yaml -q \
    --run-dir runs/again --set train.epochs=1
status runs/again done 0

# What goes to stdout stands before what is said after it.
"$FUSOR" train job.yaml --run-dir runs/order --set train.epochs=1 >both 2>&1 ||
    die "exit code $?"
awk '/^metric/ { table = NR } /^run directory/ { end = NR }
    END { exit !(table && end && table < end) }' both ||
    die "the table does not stand before the run directory"
