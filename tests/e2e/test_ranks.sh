#!/bin/sh
# Under mpirun only training is shared by the ranks: every other command is
# done, and says what it has to say, once.
. "$(dirname "$0")/lib.sh"

# ranks COMMAND... : by three ranks.
ranks() {
    mpirun -n 3 --oversubscribe "$@" </dev/null
}

# once TEXT FILE
once() {
    [ "$(grep -c -e "$1" "$2")" = 1 ] || die "\"$1\" is not there once"
}

demo loo-full
job job.yaml loo-full 1
ok "train alone" "$FUSOR" train job.yaml --run-dir runs/one -q

ok "evaluate" ranks "$FUSOR" evaluate runs/one
once '^metric' out
once 'test rows' err
ok "recommend" ranks "$FUSOR" recommend runs/one --user 7 --top 5 --json
[ "$(grep -c '"rank"' out)" = 5 ] || die "not five items"
ok "check" ranks "$FUSOR" train job.yaml --check
once 'stage 1' out
ok "config" ranks "$FUSOR" train job.yaml --print-config
once 'epochs' out
ok "generate" ranks "$FUSOR" generate -o again --users 20 --items 20 \
    --events 200
ok "help" ranks "$FUSOR" help
once 'Commands:' out

# A failure is said once and gives its code to mpirun.
code=0
ranks "$FUSOR" evaluate runs/none >out 2>err || code=$?
[ "$code" = 2 ] || die "exit code $code of a missing run"
once 'runs/none' err
code=0
ranks "$FUSOR" evaluat >out 2>err || code=$?
[ "$code" = 2 ] || die "exit code $code of a wrong word"
once 'did you mean' err
code=0
ranks "$FUSOR" train job.yaml --set train.epocs=1 >out 2>err || code=$?
[ "$code" = 2 ] || die "exit code $code of a wrong key"
once 'epocs' err
