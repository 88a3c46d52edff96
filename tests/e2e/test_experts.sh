#!/bin/sh
# Labels over experts and gates: the ready job, mmoe and ple with equal bits for
# any number of threads and processes, staleness, stages, and what is refused.
jobs=$(cd "$(dirname "$0")/../../cluster/jobs" && pwd)
. "$(dirname "$0")/lib.sh"

ok "generate" "$FUSOR" generate -o demo --users 200 --items 60 --events 6000 \
    --finished -q
ok "prepare" "$FUSOR" prepare demo --protocol loo-full -o parts/demo_tasks -q
sed -e 's/staleness: 4/staleness: 0/' -e 's/epochs: 4/epochs: 2/' \
    -e 's/global_batch: 1024/global_batch: 1024, micro_batches: 4/' \
    "$jobs/multi_task.yaml" >ple.yaml
sed -e 's/type: ple/type: mmoe/' -e 's/levels: 2, shared: 2/experts: 3/' \
    -e 's/own: 1, units: \[32, 16\]/units: [16], gate: [8]/' ple.yaml >mmoe.yaml

for kind in ple mmoe; do
    ok "$kind: check" "$FUSOR" train $kind.yaml --check
    shows 'encoder experts'
    shows 'experts.finished'
    ok "$kind: one thread" "$FUSOR" train $kind.yaml -q --run-dir $kind-one -t 1
    ok "$kind: four threads" "$FUSOR" train $kind.yaml -q \
        --run-dir $kind-four -t 4
    ok "$kind: 2 workers, 2 servers" mpirun --oversubscribe -n 4 "$FUSOR" \
        train $kind.yaml -q --run-dir $kind-cluster --servers 2 \
        --set cluster.threads=1
    ok "digest" "$FUSOR" inspect $kind-one --digest --json
    want=$(sed -n 's/.*"digest": *"\([0-9a-f]*\)".*/\1/p' out)
    [ "${#want}" = 16 ] || die "no digest"
    for run in four cluster; do
        ok "digest of $run" "$FUSOR" inspect $kind-$run --digest --json
        shows "\"$want\""
    done
done

ok "late values" mpirun --oversubscribe -n 4 "$FUSOR" train \
    "$jobs/multi_task.yaml" -q --run-dir late --set cluster.threads=1
awk -v auc="$(value late/result.json auc:liked)" 'BEGIN { exit auc < 0.6 }' ||
    die "liked was not learnt with late values"
ok "scores" "$FUSOR" scores late --tower finished --label finished -o s.tsv
ok "a pair" "$FUSOR" explain late --user 1 --item 2 --label finished
shows 'experts.2.shared.expert1'

# sums FILE : weights of each gate of each level add up to 1.
sums() {
    awk '/experts[.]/ {
            level = $1; sub(/[.](shared|liked|finished)?[.]?expert.*/, "", level)
            for (i = 2; i <= NF; i++) if ($i != "-") sum[level " " i] += $i }
        END { for (k in sum) { n++; if (sum[k] < .998 || sum[k] > 1.002) bad = 1 }
              exit bad || n != want }' want="$2" "$1"
}
ok "gates of ple" "$FUSOR" explain late --rows 200 --metrics auc:liked
sums out 5 || die "weights of ple do not add up"
ok "gates of mmoe" "$FUSOR" explain mmoe-one --rows 200 --metrics auc:liked
sums out 2 || die "weights of mmoe do not add up"
cp out gates.txt
ok "gates of a cluster" "$FUSOR" explain mmoe-cluster --rows 200 \
    --metrics auc:liked
cmp out gates.txt || die "gates depend on the cluster"
ok "as json" "$FUSOR" explain mmoe-one --rows 200 --metrics auc:liked --json
shows '"experts.expert2"'

# A stage trains the experts with one label's tower; what it does not name
# stays.
ok "stages" "$FUSOR" train ple.yaml -q --run-dir staged --set \
    'stages=[{train: [experts, liked, finished]}, {train: [finished]}]'
fails 2 'nothing that reads it' "$FUSOR" train ple.yaml --check \
    --set 'stages=[{train: [experts]}]'
fails 2 'say which, e.g. experts.liked' "$FUSOR" train ple.yaml --check \
    --set 'towers.liked.inputs=[experts]'
fails 2 'did you mean finished' "$FUSOR" train ple.yaml --check \
    --set 'towers.finished.inputs=[experts.finishd]'
fails 2 'no tower reads experts.finished' "$FUSOR" train ple.yaml --check \
    --set 'towers.finished.inputs=[experts.liked]'
fails 2 'did you mean levels' "$FUSOR" train ple.yaml --check \
    --set 'encoders.experts.level=3'
