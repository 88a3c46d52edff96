#!/bin/sh
# A fusion on scores out of fold: towers that learn rows by heart gain no weight,
# servers and a stop in between change nothing, and what cannot be is refused.
. "$(dirname "$0")/lib.sh"


# `kind` tells the label four times in five; a `ticket` says nothing, but few
# rows share one, so that its weight can hold their labels.
awk 'BEGIN {
    srand(7)
    print "kind,ticket,label"
    for (i = 0; i < 6000; i++) {
        kind = int(rand() * 10)
        label = (rand() < 0.8) == (kind < 5)
        printf "k%d,t%d,%d\n", kind, int(rand() * 1500), label
    }
}' >rows.csv
cat >schema.yaml <<'EOS'
label: label
fields:
  kind:   {type: categorical}
  ticket: {type: categorical}
EOS
ok "prepare" "$FUSOR" prepare rows.csv --schema schema.yaml \
    --protocol kfold-random -o parts -q
cat >job.yaml <<'EOS'
data: {prepared: parts, fold: 0}
label: {field: label, map: binary}
towers:
  honest: {type: linear, inputs: kind}
  parrot: {type: linear, inputs: ticket}
fusion: {type: weighted, over: logits, weights: free, bias: true}
output: sigmoid
loss: bce
optimizer: {adam: 1.0e-2}
train: {global_batch: 256, epochs: 20}
stages:
  - {train: [honest], epochs: 10}
  - {train: [parrot], epochs: 40}
  - {train: [fusion], rows: out_of_fold(4)}
evaluate: [auc, logloss]
cluster: {staleness: 0, threads: 1}
EOS

# run NAME COMMAND... : train, and leave the results of the test rows.
run() {
    name=$1
    shift
    ok "train $name" "$@" --run-dir "runs/$name" -q
    results "$name"
}

results() {
    sed -n '/"test"/,/}/p' "runs/$1/result.json" >"$1.test"
    auc=$(value "$1.test" auc)
    logloss=$(value "$1.test" logloss)
    echo "    auc $auc, logloss $logloss"
}

run folds "$FUSOR" train job.yaml
folds_auc=$auc
folds_logloss=$logloss
[ "$(ls runs/folds/out_of_fold | wc -l)" = 4 ] || die "not four folds"
ok "explain" "$FUSOR" explain runs/folds --rows 2000
honest=$(awk '$1 == "honest" { print $2 }' out)
parrot=$(awk '$1 == "parrot" { print $2 }' out)
awk -v h="$honest" -v p="$parrot" 'BEGIN { exit !(p < 0.25 && h > 0.7) }' ||
    die "weights: honest $honest, parrot $parrot"

# The same rows that the towers learned: the parrot seems to know.
run naive "$FUSOR" train job.yaml --set stages.2.rows=train
awk -v a="$folds_auc" -v b="$auc" 'BEGIN { exit !(a > b + 0.02) }' ||
    die "auc: $folds_auc out of fold, $auc on the rows learned"
awk -v a="$folds_logloss" -v b="$logloss" 'BEGIN { exit !(a < b - 0.02) }' ||
    die "logloss: $folds_logloss out of fold, $logloss on the rows learned"

# A server and two workers, each of which writes its share of every fold: the
# same to the last digit as one process.
run halves "$FUSOR" train job.yaml --set train.micro_batches=2
cp halves.test two.test
run cluster mpirun -n 3 --oversubscribe "$FUSOR" train job.yaml --servers 1 \
    --set train.micro_batches=2
cmp -s cluster.test two.test || die "one process and three ranks differ"
[ "$(ls runs/cluster/out_of_fold | wc -l)" = 8 ] || die "not two shares each"

# Stopped in the first fold, and gone on with.
long='--set stages.1.epochs=150'
run whole "$FUSOR" train job.yaml $long
"$FUSOR" train job.yaml -q --run-dir runs/stopped $long >out 2>err &
pid=$!
until [ -d runs/stopped/checkpoints/02-00003 ] ||
    [ -e runs/stopped/result.json ]; do
    sleep 0.02
done
kill -USR1 "$pid" 2>/dev/null || true
code=0
wait "$pid" || code=$?
[ "$code" = 75 ] || [ "$code" = 0 ] || die "exit code $code"
echo "    stopped at $(cat runs/stopped/checkpoints/latest)"
if [ "$code" = 75 ]; then
    ok "go on" "$FUSOR" train --resume runs/stopped -q
fi
results stopped
cmp -s stopped.test whole.test || die "it ends otherwise than without a stop"

# The stage out of fold may be done again, if its scores are whole.
for damage in cut gone; do
    cp -r runs/folds "runs/$damage"
    rm "runs/$damage/result.json"
    file=runs/$damage/out_of_fold/02-00000.scores
    [ $damage = gone ] && rm "$file"
    [ $damage = gone ] || { head -c 1000 "$file" >x && mv x "$file"; }
done
more='--set stages.2.epochs=21'
ok "one more epoch" "$FUSOR" train --resume runs/folds -q $more
fails 3 'damaged' "$FUSOR" train --resume runs/cut -q $more
fails 3 'have no score' "$FUSOR" train --resume runs/gone -q $more

# What cannot be.
refused() {
    fails 2 "$1" "$FUSOR" train job.yaml --check --set "$2"
}
refused 'K from 2 to 10' 'stages.2.rows=out_of_fold(1)'
refused 'out_of_fold(K)' 'stages.2.rows=folds'
refused 'only the fusion' 'stages.2.train=[fusion, parrot]'
fails 2 'over vectors' "$FUSOR" train job.yaml --check \
    --set 'fusion={type: concat, over: vectors}' \
    --set 'tables={kind: 4, ticket: 4}' \
    --set 'towers={honest: {type: mlp, inputs: kind, units: [4]},
        parrot: {type: mlp, inputs: ticket, units: [4]}}'
refused 'no stage before' 'stages=[{train: [fusion], rows: out_of_fold(5)}]'
refused 'a second stage out of fold' 'stages=[{train: [honest, parrot]},
    {train: [fusion], rows: out_of_fold(2)},
    {train: [fusion], rows: out_of_fold(2)}]'
ok "the graph" "$FUSOR" train job.yaml --check
shows 'out of 4 folds'
