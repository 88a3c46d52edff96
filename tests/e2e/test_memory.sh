#!/bin/sh
# What --dry-run predicts is what processes take, alone and under mpirun: within
# half and twice, which a part forgotten or counted twice leaves.
. "$(dirname "$0")/lib.sh"

ok "generate" "$FUSOR" generate -o demo --users 20000 --items 5000 \
    --events 200000 -q
ok "prepare" "$FUSOR" prepare demo --protocol time-split -o parts/wide -q
job job.yaml wide 1
sed -i 's/^tables:.*/tables: {user: 256, item: 256, genres: 8}/' job.yaml

# predicted PROCESS : its bytes in the last --json.
predicted() {
    sed -n "/\"$1\": {/,/}/s/.*\"bytes\": \([0-9]*\).*/\1/p" out
}

# within WHAT GOT PREDICTED
within() {
    [ -n "$2" ] || die "$1 does not say what it took"
    [ -n "$3" ] || die "nothing is predicted of $1"
    echo "ok: $1 takes $2 bytes, $3 were predicted"
    [ "$2" -lt $(($3 * 2)) ] || die "$1 takes $2 bytes, $3 were predicted"
    [ "$3" -lt $(($2 * 2)) ] || die "$1 takes $2 bytes, $3 were predicted"
}

ok "predict" "$FUSOR" train job.yaml --dry-run --json --threads 2
single=$(predicted single)
ok "train" "$FUSOR" train job.yaml --run-dir runs/one --threads 2
took=$(sed -n 's/.*took at most \([0-9.]*\) \([KMG]\)iB of memory.*/\1 \2/p' err |
    awk '{ unit["K"] = 1024; unit["M"] = 1048576; unit["G"] = 1073741824
           printf "%d", $1 * unit[$2] }')
within "one process" "$took" "$single"

ok "predict servers" "$FUSOR" train job.yaml --dry-run --json --threads 1 \
    --servers 2
server=$(predicted server)
worker=$(predicted worker)
head=$(predicted coordinator)
ok "train with servers" mpirun --oversubscribe -n 3 "$FUSOR" train job.yaml -q \
    --run-dir runs/two --threads 1 --servers 2
for role in server-0 server-1 worker-0 coordinator; do
    took=$(sed -n 's/.*of memory (\([0-9]*\) bytes).*/\1/p' \
        "runs/two/logs/$role.log")
    case $role in
    server-*) want=$server ;;
    worker-*) want=$worker ;;
    *) want=$head ;;
    esac
    within "$role" "$took" "$want"
done
for shard in 0 1; do # credits let nothing be dropped
    grep -q ' malformed, 0 without room' runs/two/logs/server-$shard.log ||
        die "server $shard had no room, or does not say"
done
ok "a table for people" "$FUSOR" train job.yaml --dry-run --servers 2
shows 'messages'
says 'a server process: about'
says 'a worker process: about'
