#!/bin/sh
# Towers of scores that a model outside gave, through everything a user does
# with them: written by scores, joined by train, evaluate, explain, recommend
# and fuse, in one process and under mpirun; and what is wrong with files.
. "$(dirname "$0")/lib.sh"

demo loo-full
job first.yaml loo-full 2
ok "a model" "$FUSOR" train first.yaml -q --run-dir runs/first
for part in train valid test; do
    ok "its scores" "$FUSOR" scores runs/first -o $part.tsv --split $part
done
awk 'FNR > 1 || NR == 1' train.tsv valid.tsv test.tsv | cut -f 2- |
    gzip >pairs.tsv.gz

# foreign FILE TOWER FUSION STAGES : its towers are read and one is trained.
foreign() {
    cat >"$1" <<END
data: {prepared: parts/loo-full}
label: {field: rating, map: threshold, at: 4}
fields:
  user: {side: query, type: categorical}
  item: {side: item, type: categorical}
tables: {user: 8, item: 8}
towers:
  ncf: {type: scores, $2}
  mf:  {type: dot, query: user, item: item, bias: true}
fusion: {$3}
output: sigmoid
loss: bce
optimizer: {adam: 1.0e-2}
train: {global_batch: 256, micro_batches: 4, epochs: 2, seed: 3}
stages: $4
evaluate: [auc, logloss]
cluster: {staleness: 0, placement: split, threads: 1}
END
}
stages="[{train: [mf]}, {train: [fusion], rows: validation}]"
rows="file: {train: train.tsv, valid: valid.tsv, test: test.tsv}"

# judge RUN METRIC : of its best checkpoint on the test rows.
judge() {
    ok "evaluate $1" "$FUSOR" evaluate "$1" --metrics "$2" --json
    judged=$(value out value)
    [ -n "$judged" ] || die "no $2 of $1"
}

# Its fused scores alone are the model again.
foreign alone.yaml "file: pairs.tsv.gz" "type: weighted, weights: [1, 0]" \
    "[{train: [mf], epochs: 0}]"
ok "alone" "$FUSOR" train alone.yaml -q --run-dir runs/alone
for metric in auc logloss; do
    judge runs/first $metric
    first=$judged
    judge runs/alone $metric
    near "its $metric" "$judged" "$first" 1e-6
done
for part in valid test; do
    ok "round trip" "$FUSOR" scores runs/alone --tower ncf --split $part \
        -o again.tsv
    ok "as written" "$FUSOR" scores runs/first --tower fused --split $part \
        -o once.tsv
    cmp -s again.tsv once.tsv || die "$part: the round trip changes scores"
done

# By rows, by pairs; normalised, calibrated; under mpirun in the same bits.
foreign pairs.yaml "file: pairs.tsv.gz" \
    "type: weighted, weights: free, normalise: zscore, bias: true" "$stages"
foreign rows.yaml "$rows" \
    "type: weighted, weights: free, normalise: zscore, bias: true" "$stages"
ok "check" "$FUSOR" train pairs.yaml --check
shows "scores from a file"
for how in pairs rows; do
    ok "$how" "$FUSOR" train $how.yaml -q --run-dir runs/$how
    digest runs/$how
    [ "${want:=$found}" = "$found" ] || die "rows and pairs differ"
done
ok "2 workers, 2 servers" mpirun --oversubscribe -n 4 "$FUSOR" train \
    pairs.yaml -q --run-dir runs/mpi --servers 2
digest runs/mpi
[ "$found" = "$want" ] || die "2 workers, 2 servers: other bits"
judge runs/pairs auc
first=$judged
judge runs/mpi auc
[ "$judged" = "$first" ] || die "under mpirun: another metric"
ok "explain" "$FUSOR" explain runs/pairs --rows 50
shows "ncf"
user=$(awk -F '\t' 'NR == 2 { print $2 }' test.tsv)
item=$(awk -F '\t' 'NR == 2 { print $3 }' test.tsv)
ok "explain a pair" "$FUSOR" explain runs/pairs --user "$user" \
    --item "$item" --json
near "what it says" "$(value out says)" \
    "$(awk -F '\t' 'NR == 2 { print $NF }' test.tsv)" 1e-4

# Half of the pairs: an error that names one, a number, or the others only.
gzip -dc pairs.tsv.gz | awk 'NR == 1 || NR % 2' >half.tsv
foreign half.yaml "file: half.tsv" "type: weighted, weights: free" "$stages"
fails 3 "tower ncf: no score of user" "$FUSOR" train half.yaml -q
foreign half.yaml "file: half.tsv" "type: weighted, weights: free" \
    "[{train: [mf], apart: true}, {train: [fusion], rows: validation}]"
fails 3 "of the valid part" "$FUSOR" train half.yaml -q
foreign zero.yaml "file: half.tsv, missing: -2.5" \
    "type: weighted, weights: free" "$stages"
ok "a number" "$FUSOR" train zero.yaml -q --run-dir runs/zero
unset want
for fusion in "type: weighted, weights: free" "type: attention" \
    "type: concat, units: [4]"; do
    foreign drop.yaml "file: half.tsv, missing: drop_tower" "$fusion" "$stages"
    rm -rf runs/drop runs/drop-2
    ok "drop_tower: $fusion" "$FUSOR" train drop.yaml -q --run-dir runs/drop
    digest runs/drop
    want=$found
    ok "under mpirun" mpirun --oversubscribe -n 3 "$FUSOR" train drop.yaml -q \
        --run-dir runs/drop-2 --servers 1
    digest runs/drop-2
    [ "$found" = "$want" ] || die "drop_tower under mpirun: other bits"
    ok "explain" "$FUSOR" explain runs/drop --rows 50
    ok "recommend" "$FUSOR" recommend runs/drop --user "$user" --top 3
done
foreign folds.yaml "file: half.tsv, missing: drop_tower" \
    "type: weighted, weights: free" \
    "[{train: [mf]}, {train: [fusion], rows: out_of_fold(3)}]"
ok "out of fold" "$FUSOR" train folds.yaml -q --run-dir runs/folds
digest runs/folds
want=$found
ok "out of fold under mpirun" mpirun --oversubscribe -n 3 "$FUSOR" train \
    folds.yaml -q --run-dir runs/folds-2 --servers 1
digest runs/folds-2
[ "$found" = "$want" ] || die "out of fold under mpirun: other bits"

# fuse reads what scores wrote of such a run; where the tower says nothing
# there is no line.
ok "scores with gaps" "$FUSOR" scores runs/drop --tower ncf -o gaps.tsv
ok "scores" "$FUSOR" scores runs/drop --tower mf -o mf.tsv
ok "labels" "$FUSOR" scores runs/drop --labels -o y.tsv
n=$(wc -l <gaps.tsv)
[ "$n" -gt 50 ] && [ "$n" -lt 150 ] || die "$n lines of 200"
ok "fuse" "$FUSOR" fuse --scores gaps.tsv --scores mf.tsv --missing zero \
    --labels y.tsv --method logistic --quiet
[ "$(wc -l <out)" = 200 ] || die "fuse: not 200 scores"
ok "table" "$FUSOR" scores runs/drop -o table.tsv
foreign table.yaml "file: table.tsv, column: ncf, missing: 0" \
    "type: weighted" "[{train: [mf], epochs: 1}]"
ok "a table with gaps" "$FUSOR" train table.yaml -q --run-dir runs/table

# What is wrong with a file is one line.
printf 'nobody\t%s\t1\n%s\t%s\t1\n' "$item" "$user" "$item" >some.tsv
foreign some.yaml "file: some.tsv, missing: 0" "type: weighted" \
    "[{train: [mf], epochs: 1}]"
ok "unknown ids are told" "$FUSOR" train some.yaml --run-dir runs/some
says "1 lines of some.tsv are of users or items that were not prepared"
wrong() {
    foreign wrong.yaml "$1" "type: weighted" "[{train: [mf]}]"
    fails "$2" "$3" "$FUSOR" train wrong.yaml -q
}
printf '%s\t%s\t1\n%s\t%s\t2\n' "$user" "$item" "$user" "$item" >twice.tsv
wrong "file: twice.tsv" 3 "twice.tsv:2: user \"$user\" and item \"$item\""
printf '%s\t%s\tnan\n' "$user" "$item" >nan.tsv
wrong "file: nan.tsv" 3 'nan.tsv:1: "nan" is not a finite number'
printf '%s\t%s\t1.5\n' "$user" "$item" >odds.tsv
wrong "file: odds.tsv, values: probabilities" 3 "not a probability"
printf '0\t1\n' >row.tsv
wrong "file: row.tsv" 2 "say of which, as in file: {test: row.tsv}"
wrong "file: nowhere.tsv" 4 "nowhere.tsv"
wrong "file: row.tsv, missing: often" 2 "error, drop_tower or a number"
wrong "file: pairs.tsv.gz, colum: fused" 2 "column"
foreign trained.yaml "file: pairs.tsv.gz" "type: weighted" "[{train: [ncf]}]"
fails 2 "nothing to train" "$FUSOR" train trained.yaml -q
