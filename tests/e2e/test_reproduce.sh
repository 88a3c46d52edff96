#!/bin/sh
# scripts/reproduce says what it could do, and what it lacks, in one line.
root=$(cd "$(dirname "$0")/../.." && pwd)
. "$(dirname "$0")/lib.sh"

reproduce="$root/scripts/reproduce"
ok "the list" "$reproduce" --list
shows 'ml1m_sasrec'
shows 'Klenitskiy and Vasilev 2023'
ok "help" "$reproduce" --help
fails 2 'no table has "nothing"' "$reproduce" nothing --fusor "$FUSOR"
fails 2 'want 1 or more' "$reproduce" frappe_lr --seeds 0 --fusor "$FUSOR"
fails 2 'run scripts/build first' "$reproduce" frappe_lr --fusor ./none
fails 3 'needs /none/frappe/train.libfm' "$reproduce" frappe_lr \
    --data /none --fusor "$FUSOR"

# Each line has its seven fields, its job and its data set.
tab=$(printf '\t')
grep -v '^#' "$root/scripts/reproduce.d/table.tsv" >table
while IFS=$tab read -r name set job runs metric published source; do
    [ -f "$root/cluster/jobs/$job.yaml" ] || die "$name: no job $job"
    grep -q "^set_$(echo "$set" | tr - _)()" \
        "$root/scripts/reproduce.d/sets.sh" || die "$name: no set $set"
    case $runs in folds | seeds | once) ;; *) die "$name: runs $runs" ;; esac
    grep -q "^evaluate: .*$metric" "$root/cluster/jobs/$job.yaml" ||
        die "$name: its job does not evaluate $metric"
    [ -n "$published" ] && [ -n "$source" ] || die "$name: fields are missing"
done <table
grep -v '^#' "$root/scripts/reproduce.d/fused.tsv" >fused
while IFS=$tab read -r name single copies; do
    for job in "$name" "$single" "$copies"; do
        [ -f "$root/cluster/jobs/$job.yaml" ] || die "no job $job"
    done
done <fused
