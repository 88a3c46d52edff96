#!/bin/sh
# A user is taken out of a prepared folder and of a run: no file knows the name
# or has a row of it, and both go on working. Hidden ids: nothing to be found
# from the start, and the user is found by the key.
. "$(dirname "$0")/lib.sh"

ok "generate" "$FUSOR" generate -o demo --users 200 --items 60 --events 6000 -q
for f in demo/ratings.csv demo/users.csv; do
    sed -i 's/^7,/zaphod-beeblebrox,/' "$f"
done
ok "prepare" "$FUSOR" prepare demo --protocol loo-sampled --negatives 20 \
    -o parts/all -q
job job.yaml all 3
ok "train" "$FUSOR" train job.yaml --run-dir runs/one --threads 2 -q
ok "recommend" "$FUSOR" recommend runs/one --user zaphod-beeblebrox --top 3
grep -rq zaphod parts || die "the name is not there to begin with"

cp -r parts/all parts/other
fails 2 'trained on parts/all' "$FUSOR" forget parts/other \
    --user zaphod-beeblebrox --run runs/one
fails 2 'there is no user' "$FUSOR" forget parts/all --user marvin
fails 2 '--user ID is missing' "$FUSOR" forget parts/all
fails 2 'no run directory' "$FUSOR" forget parts/all --run demo \
    --user zaphod-beeblebrox
rm -r parts/other

n=$(grep -c '^zaphod' demo/ratings.csv)
before=$(cat runs/one/checkpoints/*/*.bin | wc -c)
mkdir runs/one/negatives runs/one/out_of_fold
echo found >runs/one/negatives/01-00000.found
ok "forget" "$FUSOR" forget parts/all --user zaphod-beeblebrox --run runs/one \
    --json
shows "\"candidate_lists\": 1"
[ "$(sed -n '/prepared/,$s/.*"rows": \([0-9]*\).*/\1/p' out)" = "$n" ] ||
    die "not $n rows"
[ "$(value out rows)" -ge 2 ] || die "no row of the run"
[ "$(cat runs/one/checkpoints/*/*.bin | wc -c)" -lt "$before" ] ||
    die "the checkpoints are as large as before"
[ ! -e runs/one/negatives ] && [ ! -e runs/one/out_of_fold ] ||
    die "what stages found is still there"
if grep -rl zaphod parts runs; then die "the name is still there"; fi
[ -z "$(find parts runs -name '*.part.*' -o -name '.forget*')" ] ||
    die "scratch files are left"
fails 2 'there is no user' "$FUSOR" recommend runs/one --user zaphod-beeblebrox
ok "recommend to another" "$FUSOR" recommend runs/one --user 8 --top 3
ok "evaluate" "$FUSOR" evaluate runs/one
ok "train anew" "$FUSOR" train job.yaml --run-dir runs/two -q
fails 2 'there is no user' "$FUSOR" forget parts/all --user zaphod-beeblebrox

echo 'forty-two' >key
ok "prepare with hidden ids" "$FUSOR" prepare demo --hash-ids @key \
    --protocol loo-full -o parts/all -q
if grep -rl -e zaphod -e forty-two parts; then die "a name or the key"; fi
ok "train" "$FUSOR" train job.yaml --run-dir runs/hidden -q
if grep -rl -e zaphod -e forty-two runs/hidden; then die "a name or the key"; fi
fails 2 '--hash-ids' "$FUSOR" recommend runs/hidden --user zaphod-beeblebrox
fails 2 'not the key' "$FUSOR" recommend runs/hidden --hash-ids 42 \
    --user zaphod-beeblebrox
ok "recommend by the key" "$FUSOR" recommend runs/hidden --hash-ids @key \
    --user zaphod-beeblebrox --top 3
ok "forget by the key" "$FUSOR" forget parts/all --hash-ids @key \
    --user zaphod-beeblebrox --run runs/hidden
shows 'removed:'
