#!/bin/sh
# A model of several labels, some rows without one of them: training in one
# process and under mpirun, what is printed of each, and who asks for which.
. "$(dirname "$0")/lib.sh"

ok "generate" "$FUSOR" generate -o demo --users 200 --items 60 --events 6000 \
    --finished -q
grep -q '^user,item,rating,finished,timestamp$' demo/ratings.csv ||
    die "no column finished"
grep -q ',,' demo/ratings.csv || die "every row knows whether it was finished"
ok "prepare" "$FUSOR" prepare demo --protocol loo-full -o parts -q
cat >job.yaml <<EOF
data: {prepared: parts}
labels:
  liked: {field: rating, map: threshold, at: 4, towers: [mf, liked]}
  finished: {map: binary, weight: 0.5, towers: [mf, done]}
fields:
  user:   {side: query, type: categorical}
  item:   {side: item, type: categorical}
  genres: {side: item, type: multi}
tables: {user: 8, item: 8, genres: 8}
encoders:
  shared: {inputs: [user, item, genres], units: [16]}
towers:
  mf:    {type: dot, query: user, item: item, bias: true,
          aux: {label: finished, weight: 0.2}}
  liked: {type: mlp, inputs: shared, units: [8]}
  done:  {type: mlp, inputs: shared, units: [8]}
fusion: {type: weighted, weights: free, over: logits}
loss: bce
optimizer: {adam: 5.0e-3}
train: {global_batch: 1024, micro_batches: 4, epochs: 3,
        stop: {metric: "auc:finished", patience: 9}}
evaluate: [auc, "logloss:finished", "hr@10", {by: gender, metrics: [auc]}]
cluster: {staleness: 0, placement: split, threads: 1}
EOF

ok "check" "$FUSOR" train job.yaml --check
shows 'label   finished'
shows 'aux     mf'
shows 'auc:liked, auc:finished, logloss:finished, hr@10:liked'
ok "one thread" "$FUSOR" train job.yaml -q --run-dir one
shows 'auc:finished  gender  gap'
ok "four threads" "$FUSOR" train job.yaml -q --run-dir four -t 4
ok "2 workers, 2 servers" mpirun --oversubscribe -n 4 "$FUSOR" train job.yaml \
    -q --run-dir cluster --servers 2
ok "digest" "$FUSOR" inspect one --digest --json
want=$(sed -n 's/.*"digest": *"\([0-9a-f]*\)".*/\1/p' out)
[ "${#want}" = 16 ] || die "no digest"
for run in four cluster; do
    ok "digest of $run" "$FUSOR" inspect $run --digest --json
    shows "\"$want\""
    for key in auc:liked auc:finished hr@10:finished; do
        [ "$(value one/result.json $key)" = "$(value $run/result.json $key)" ] ||
            die "$run has another $key"
    done
done
awk -v auc="$(value one/result.json auc:liked)" 'BEGIN { exit auc < 0.6 }' ||
    die "liked was not learnt"

ok "evaluate" "$FUSOR" evaluate one -m auc,rmse:liked
shows 'auc:finished'
n=$(awk '$1 == "auc:finished" { print $4 }' out)
all=$(awk '$1 == "auc:liked" { print $4 }' out)
[ "$n" -lt "$all" ] || die "rows without finished were judged: $n of $all"
ok "units" "$FUSOR" compare one cluster -m logloss
shows 'logloss:finished'
ok "of one label" "$FUSOR" compare one cluster -m logloss --label finished \
    --by gender
shows 'logloss:finished'
if grep -q 'logloss:liked' out; then die "a metric of another label"; fi
fails 2 'did you mean finished?' "$FUSOR" compare one cluster --label finishd
ok "the first label" "$FUSOR" recommend one --user 1 --top 5 --json
cp out first
ok "liked" "$FUSOR" recommend one --user 1 --top 5 --json --label liked
cmp -s out first || die "liked is not the first label"
ok "finished" "$FUSOR" recommend one --user 1 --top 5 --json --label finished
if cmp -s out first; then die "finished gives what liked does"; fi
ok "a pair" "$FUSOR" explain one --user 1 --item 2 --label finished
shows 'done'
if grep -q liked out; then die "a tower of another label is explained"; fi
ok "rows" "$FUSOR" explain one --rows 60 -m logloss --label finished
shows 'logloss:finished without'
if grep -q 'logloss:liked' out; then die "a metric of another label"; fi

ok "labels" "$FUSOR" scores one --labels --label finished -o y.tsv
[ "$(wc -l <y.tsv)" -le "$n" ] || die "scores gives labels that rows lack"
ok "scores" "$FUSOR" scores one --tower fused --label finished -o x.tsv

# Fused from runs as from their files, of one label.
ok "another" "$FUSOR" train job.yaml -q --run-dir other --set train.seed=5 \
    --set 'labels.liked.towers=[mf]' --set 'labels.finished.towers=[mf, done]' \
    --set 'towers={mf: {type: dot, query: user, item: item, bias: true},
           done: {type: mlp, inputs: shared, units: [8]}}'
ok "its scores" "$FUSOR" scores other --tower fused --label finished -o o.tsv
ok "files" "$FUSOR" fuse --scores x.tsv --scores o.tsv --labels y.tsv \
    --method logistic -q
cp out files
ok "runs" "$FUSOR" fuse --scores one --scores other --labels one \
    --label finished --method logistic -q
cmp -s out files || die "runs are fused otherwise than their files"
ok "of liked" "$FUSOR" fuse --scores one --scores other --labels one \
    --label liked --method logistic -q
if cmp -s out files; then die "liked is fused as finished"; fi
ok "select" "$FUSOR" fuse --scores one --scores other --labels one \
    --label liked --select --metric logloss --seeds-of cluster
fails 2 'did you mean finished?' "$FUSOR" fuse --scores one --label finishd \
    --method mean
fails 2 'chooses among what runs hold' "$FUSOR" fuse --scores x.tsv \
    --label finished --method mean
fails 2 'did you mean finished?' "$FUSOR" recommend one --user 1 \
    --label finishd
fails 2 'no label is named' "$FUSOR" evaluate one -m auc:bought
fails 2 'say of which label' "$FUSOR" train job.yaml --run-dir x \
    --set train.stop.metric=auc
fails 2 'the job has labels too' "$FUSOR" train job.yaml --run-dir x \
    --set label.map=none
fails 2 'a stage none of its own' "$FUSOR" train job.yaml --run-dir x \
    --set 'stages=[{loss: mse}]'
fails 2 'would know the answer' "$FUSOR" train job.yaml --run-dir x \
    --set 'fields.finished={type: dense}'
