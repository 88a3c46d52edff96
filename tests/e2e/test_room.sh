#!/bin/sh
# Room for rows where they lie behind messages: the cap ends a job or drives
# rows out, rows nobody asks for age away, keys wait for their row; and who gets
# one does not depend on who works.
. "$(dirname "$0")/lib.sh"

wide_job 2 256 2

# last RUN KEY : of the last epoch; sum RUN KEY : of all
epochs() {
    sed -n "s/.*\"$2\": *\([0-9]*\).*/\1/p" "runs/$1/metrics.jsonl"
}
last() {
    epochs "$1" "$2" | tail -1
}
sum() {
    epochs "$1" "$2" | awk '{ n += $1 } END { print n + 0 }'
}

# same RUN RUN
same() {
    digest "runs/$1"
    first=$found
    digest "runs/$2"
    [ "$found" = "$first" ] || die "$2 has $found, $1 $first"
}

ok "no cap" train_ranks 1 1 free
rows=$(last free rows)
[ "$rows" -gt 3000 ] || die "only $rows rows"
[ "$(sum free rows_evicted)" = 0 ] || die "rows went without a reason"

# The cap: 4,000 rows of 600 floats and their state take 27 MiB.
code=0
train_ranks 1 1 full --set memory.per_server=24MiB >out 2>err || code=$?
[ "$code" = 4 ] || die "exit code $code at the cap"
says 'memory.per_server'
echo "ok: the cap ends the job: $(grep -m 1 per_server err)"
for how in evict_oldest evict_lowest; do
    ok "$how" train_ranks 2 1 "$how" --set memory.per_server=24MiB \
        --set memory.when_full="$how"
    [ "$(sum "$how" rows_evicted)" -gt 100 ] || die "$how: none went"
    [ "$(last "$how" rows)" -lt "$rows" ] || die "$how: all are there"
done

# Age and admission do not depend on workers, servers, or there being any.
ok "idle rows" train_ranks 1 1 idle --set memory.idle=6
[ "$(sum idle rows_evicted)" -gt 100 ] || die "no idle row went"
ok "rows of a checkpoint" "$FUSOR" inspect runs/idle --json
[ "$(value out user)" -lt 3000 ] || die "idle rows stay: $(value out user)"
ok "idle rows of more" train_ranks 2 2 idle22 --set memory.idle=6
same idle idle22
ok "idle rows alone" "$FUSOR" train job.yaml -q --run-dir runs/idle0 \
    --set memory.idle=6
same idle idle0
sed -i 's/^tables:.*/tables: {user: {dim: 600, admit: {count: 3}}, item: 600, genres: 8}/' \
    job.yaml
ok "counted keys" train_ranks 1 1 admit
[ "$(last admit rows)" -lt "$rows" ] || die "every key got its row"
[ "$(sum admit rows_refused)" -gt 100 ] || die "no gradient was dropped"
ok "counted keys of more" train_ranks 2 2 admit22
same admit admit22
ok "counted keys alone" "$FUSOR" train job.yaml -q --run-dir runs/admit0
same admit admit0

# refuses TEXT ADMIT : what stands in a table's admit
refuses() {
    sed "s/admit: {count: 3}/admit: $2/" job.yaml >wrong.yaml
    fails 2 "$1" "$FUSOR" train wrong.yaml --check
}
refuses 'admit is {count: N} or {probability: P}' '{count: 2, probability: 0.5}'
refuses 'wrong.yaml:7:' '{count: 0.5}'
refuses 'wrong.yaml:7:' '{probability: 2}'
refuses 'did you mean count' '{cuont: 2}'
