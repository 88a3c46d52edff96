#!/bin/sh
# A wrong word anywhere: one line that names it, and the right exit code.
. "$(dirname "$0")/lib.sh"

fails 2 'no command "trian"; did you mean "train"?' "$FUSOR" trian
fails 2 'did you mean --threads?' "$FUSOR" train x.yaml --theads 2
fails 2 '--top needs a value' "$FUSOR" recommend x --top
fails 2 'is one word too many' "$FUSOR" evaluate a b
fails 4 'nowhere.yaml' "$FUSOR" train nowhere.yaml
fails 4 'nowhere.csv' "$FUSOR" prepare nowhere.csv -o parts/x -q
fails 2 'run directory' "$FUSOR" evaluate .
fails 2 'nowhere does not exist' "$FUSOR" inspect nowhere
fails 2 '--scores' "$FUSOR" fuse --method mean

demo loo-full
job job.yaml loo-full 1
sed 's/epochs:/epocs:/' job.yaml >key.yaml
fails 2 'key.yaml:16:29: unknown setting "epocs"' "$FUSOR" train key.yaml -q
sed 's/epochs: 1/epochs: many/' job.yaml >type.yaml
fails 2 'expected a whole number, found "many"' "$FUSOR" train type.yaml -q
sed 's/type: mlp/type: mlq/' job.yaml >tower.yaml
fails 2 'mlq' "$FUSOR" train tower.yaml -q
sed 's/\[auc, /[aucc, /' job.yaml >metric.yaml
fails 2 'did you mean auc' "$FUSOR" train metric.yaml -q
sed 's/side: item, type: multi/side: item, type: dense/' job.yaml >field.yaml
fails 2 'field.yaml' "$FUSOR" train field.yaml -q
printf 'data: [\n' >syntax.yaml
fails 2 'syntax.yaml:' "$FUSOR" train syntax.yaml -q
fails 2 '--set' "$FUSOR" train job.yaml --set train.epochs -q
fails 2 '--set: unknown setting' "$FUSOR" train job.yaml --set train.epocs=1 -q
fails 2 'protocol loo-full, without folds' \
    "$FUSOR" train job.yaml --folds all -q
fails 2 'did you mean FUSOR_TRAIN_EPOCHS?' \
    env FUSOR_TRAIN_EPOCS=3 "$FUSOR" train job.yaml -q
fails 2 'FUSOR_CPU' env FUSOR_CPU=fast "$FUSOR" train job.yaml -q

ok "train" "$FUSOR" train job.yaml --run-dir runs/a -q
fails 2 'holds an earlier job' "$FUSOR" train job.yaml --run-dir runs/a -q
fails 2 'no user "nobody" among the 200' "$FUSOR" recommend runs/a --user nobody
fails 2 'either --user ID or --users FILE' "$FUSOR" recommend runs/a
fails 2 'must be a whole number' "$FUSOR" recommend runs/a --user 1 --top 0
fails 2 'did you mean auc' "$FUSOR" evaluate runs/a --metrics aucc
fails 2 'loo-given' "$FUSOR" evaluate runs/a --protocol loo-given
fails 2 'must be train, valid or test' "$FUSOR" evaluate runs/a --split best

# A flipped byte in the model is found, and the file named.
shard=$(ls runs/a/checkpoints/*/shard-0000.bin | tail -1)
size=$(wc -c <"$shard")
printf 'x' | dd of="$shard" bs=1 seek=$((size / 2)) conv=notrunc 2>/dev/null
fails 3 'shard-0000.bin' "$FUSOR" evaluate runs/a

# Bad rows beyond the bound end prepare with exit code 3.
printf 'user,item,rating\n1,2,x\n1,3,y\n2,3,4\n' >bad.csv
cat >bad.yaml <<EOF
label: rating
fields:
  user: {side: query, type: categorical}
  item: {side: item, type: categorical}
EOF
fails 3 'bad' "$FUSOR" prepare bad.csv --schema bad.yaml --max-bad 1 \
    -o parts/bad -q
