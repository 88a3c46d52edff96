#!/bin/sh
# The scores of a run, row by row, as a table, an array and as files that are
# fused with those of another model.
. "$(dirname "$0")/lib.sh"

demo time-split
job job.yaml time-split 2
sed -i 's/attention/weighted/' job.yaml
ok "train" "$FUSOR" train job.yaml --run-dir runs/one -q --threads 1
ok "another" "$FUSOR" train job.yaml --run-dir runs/two -q --threads 1 \
    --set train.seed=2

ok "a table" "$FUSOR" scores runs/one -o all.tsv
says 'test rows, 3 towers'
head -1 all.tsv >out
shows "row	user	item	mf	deep	wide	fused"
# Weights of one: the fused score is the sum of the towers'.
awk -F'\t' 'NR > 1 {
    d = $4 + $5 + $6 - $7
    if (NF != 7 || d > 1e-5 || d < -1e-5) exit 1
    n++
} END { exit !(n > 100) }' all.tsv || die "rows do not add up"

# The same numbers as an array of 128 bytes and rows x 4 floats.
ok "an array" "$FUSOR" scores runs/one -o all.npy
n=$(($(wc -l <all.tsv) - 1))
[ "$(wc -c <all.npy)" = $((128 + n * 16)) ] || die "the array has another size"
head -c 127 all.npy | tail -c +11 >out
shows "'shape': ($n, 4)"
tail -c +129 all.npy | od -An -v -tf4 -w16 |
    awk '{ print $4 }' >array.fused
tail -n +2 all.tsv | cut -f7 | paste - array.fused | awk '{
    d = $1 - $2; if (d > 1e-5 || d < -1e-5) exit 1 }' ||
    die "table and array differ"

# Two runs joined by fusor fuse, on rows that neither has seen.
for run in one two; do
    ok "scores of $run" "$FUSOR" scores runs/$run --tower fused -o $run.tsv \
        --split valid
done
ok "one tower" "$FUSOR" scores runs/one --tower mf -o mf.tsv --split valid
ok "labels" "$FUSOR" scores runs/one --labels -o y.tsv --split valid
ok "fuse" "$FUSOR" fuse --scores one.tsv --scores two.tsv --scores mf.tsv \
    --labels y.tsv --method logistic -q
[ "$(wc -l <out)" = "$(wc -l <y.tsv)" ] || die "not a score a row"
ok "the folder named" "$FUSOR" scores runs/one parts/time-split -o again.tsv
cmp -s again.tsv all.tsv || die "another table from the same folder"

fails 2 '--out FILE is missing' "$FUSOR" scores runs/one
fails 2 'did you mean wide' "$FUSOR" scores runs/one -o x --tower wid
fails 2 'one file each' "$FUSOR" scores runs/one -o x --tower mf --labels
fails 2 'write text' "$FUSOR" scores runs/one -o x.npy --tower mf
fails 2 'no checkpoint' "$FUSOR" scores nowhere -o x
fails 2 'must be train, valid or test' "$FUSOR" scores runs/one -o x --split no
fails 4 'none/x' "$FUSOR" scores runs/one -o none/x

# Scores of a model of any origin as a column of the data: a tower over that
# number is fused with a tower of ours.
awk 'BEGIN {
    srand(3)
    print "kind,theirs,label"
    for (i = 0; i < 3000; i++) {
        hidden = rand() < 0.5
        kind = int(rand() * 10)
        label = rand() < (hidden ? 0.7 : 0.3) + (kind < 5 ? 0.2 : -0.2)
        printf "k%d,%.3f,%d\n", kind, (hidden ? 1 : -1) + rand(), label
    }
}' >foreign.csv
printf '%s\n' 'label: label' 'fields:' '  kind:   {type: categorical}' \
    '  theirs: {type: dense}' >foreign.schema
ok "prepare foreign scores" "$FUSOR" prepare foreign.csv \
    --schema foreign.schema --protocol kfold-random -o parts/foreign -q
cat >foreign.yaml <<'EOS'
data: {prepared: parts/foreign, fold: 0}
label: {field: label, map: binary}
towers:
  ours:   {type: linear, inputs: kind}
  theirs: {type: linear, inputs: theirs}
fusion: {type: weighted, over: logits}
output: sigmoid
loss: bce
optimizer: {adam: 2.0e-2}
train: {global_batch: 256, epochs: 10}
evaluate: [auc]
cluster: {threads: 1}
EOS
ok "fuse with foreign scores" "$FUSOR" train foreign.yaml -q --run-dir runs/fused
fused=$(value runs/fused/result.json auc)
for tower in ours theirs; do
    field=theirs
    [ $tower = theirs ] || field=kind
    ok "$tower alone" "$FUSOR" train foreign.yaml -q --run-dir runs/$tower \
        --set "towers={$tower: {type: linear, inputs: $field}}"
    alone=$(value runs/$tower/result.json auc)
    echo "    auc $alone, fused $fused"
    awk -v a="$alone" -v f="$fused" 'BEGIN { exit !(f > a + 0.03) }' ||
        die "fused $fused, $tower alone $alone"
done
