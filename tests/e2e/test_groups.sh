#!/bin/sh
# Metrics of lists and by group, from a job and from fusor evaluate.
. "$(dirname "$0")/lib.sh"

demo loo-full
job job.yaml loo-full 2
more='[auc, pr_auc, ece, ace@10, hr@10, map@10, coverage@10, gini@10,'
more="$more novelty@10, diversity@10/genres]"
ok "one thread" "$FUSOR" train job.yaml --run-dir runs/a -q -t 1 \
    --set "evaluate=$more"
ok "two threads" "$FUSOR" train job.yaml --run-dir runs/b -q -t 2 \
    --set "evaluate=$more"
for key in pr_auc ece ace@10 map@10 coverage@10 gini@10 novelty@10; do
    a=$(value runs/a/result.json "$key")
    [ -n "$a" ] && [ "$a" = "$(value runs/b/result.json "$key")" ] ||
        die "$key differs between one thread and two"
done

ok "help" "$FUSOR" evaluate --help
shows 'coverage@k'
shows 'average precision'
ok "groups" "$FUSOR" evaluate runs/a --by gender,age -m auc,hr@10
shows 'gap (max - min)'
shows 'ratio (min / max)'
ok "in JSON, two threads" "$FUSOR" evaluate runs/a --by gender -m hr@10 \
    --json -t 2
cp out two
ok "in JSON, one thread" "$FUSOR" evaluate runs/a --by gender -m hr@10 \
    --json -t 1
cmp -s out two || die "threads change the groups"
# The groups are all rows: their mean, weighted, is the whole.
all=$(value out value)
mean=$(awk '/"group":/ { in_group = 1 } !in_group { next }
    /"n":/ { gsub(/[^0-9]/, ""); n = $0 }
    /"value":/ { sub(/.*: */, ""); s += n * $0; k += n }
    END { printf "%.12f", s / k }' out)
near "mean over groups" "$mean" "$all" 1e-9
ok "small groups" "$FUSOR" evaluate runs/a --by age -m auc --min-group 1000
shows 'too few'
fails 2 'did you mean gender?' "$FUSOR" evaluate runs/a --by gendr
fails 2 'makes no groups' "$FUSOR" evaluate runs/a --by genres
fails 2 '1 to 8 names' "$FUSOR" evaluate runs/a --by gender,

ok "compare" "$FUSOR" compare runs/a runs/b -m coverage@10,novelty@10
says 'not tested'
ok "another run" "$FUSOR" train job.yaml --run-dir runs/more -q \
    --set train.epochs=6
ok "by group" "$FUSOR" compare runs/a runs/more --by gender -m auc,hr@10
shows 'gap (max - min)'
ok "its JSON" "$FUSOR" compare runs/a runs/more --by gender -m auc,hr@10 --json
[ "$(grep -c '"p_holm"' out)" = 4 ] ||
    die "not four tests: all, two groups and the gap"
[ "$(grep -c '"kind": "gap"' out)" = 4 ] || die "not a gap a metric and run"
# What evaluate says of one run by itself.
ok "alone" "$FUSOR" evaluate runs/a --by gender -m auc
awk '$2 == "gender" && $3 == "F" { print $5 }' out >alone
ok "beside" "$FUSOR" compare runs/a runs/more --by gender -m auc
awk '$2 == "F" && $3 == "runs/a" { print $6 }' out >beside
[ -s alone ] && cmp -s alone beside ||
    die "compare and evaluate differ about a group"
ok "ages" "$FUSOR" compare runs/a runs/more --by age --bins 3 -m logloss \
    --min-group 100000
shows 'too few'
ok "units" "$FUSOR" evaluate runs/a --out a.units -m logloss
fails 2 'do not say their groups' "$FUSOR" compare a.units runs/a --by gender
fails 2 'by one field' "$FUSOR" compare runs/a runs/b --by gender,age
fails 2 'did you mean gender?' "$FUSOR" compare runs/a runs/b --by gendr
fails 2 'did you mean genres?' "$FUSOR" evaluate runs/a -m diversity@10/genre

# The same by the job itself: one table, in the run and on the screen.
by='[auc, {by: gender, metrics: [auc, logloss]}, {by: age, bins: 2}]'
ok "groups of a job" "$FUSOR" train job.yaml --run-dir runs/c -t 2 \
    --set "evaluate=$by" --set train.epochs=1 --set output=sigmoid
shows 'gap (max - min)'
shows 'logloss  gender'
grep -q '"valid_by": *{"gender"' runs/c/metrics.jsonl ||
    die "metrics.jsonl has no groups"
sed -n '/"test_by"/,$p' runs/c/result.json | tr ',' '\n' >test_by
gap=$(value test_by gap)
[ -n "$gap" ] || die "result.json has no gap of the test rows"
ok "evaluate knows them" "$FUSOR" evaluate runs/c --json
shows '"gap"'
[ "$(value out gap)" = "$gap" ] || die "evaluate sees another gap than $gap"
ok "one of them" "$FUSOR" evaluate runs/c --by gender
! grep -q 'age' out || die "--by does not take the place of the job's groups"
fails 2 'did you mean gender?' "$FUSOR" train job.yaml \
    --set 'evaluate=[auc, {by: gendr}]' --run-dir runs/d
fails 2 'names no field' "$FUSOR" train job.yaml --run-dir runs/d \
    --set 'evaluate=[auc, {metrics: [auc]}]'
fails 2 'no metrics to give' "$FUSOR" train job.yaml --run-dir runs/d \
    --set 'evaluate=[{by: gender}]'
