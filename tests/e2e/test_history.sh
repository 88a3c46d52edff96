#!/bin/sh
# A test row's history goes up to the event before it, the validation event
# included: the same scores as from a folder without validation rows, in one
# process, from streamed parts, from a staged copy, and under mpirun.
. "$(dirname "$0")/lib.sh"

demo loo-full
ok "prepare without validation" "$FUSOR" prepare demo --protocol loo-full \
    --validation=false -o parts/all -q

# No user has as many events as max allows: the shape does not hang on that.
cat >job.yaml <<END
data: {prepared: parts/loo-full}
label: {map: implicit}
fields:
  history: {side: query, type: sequence, of: item, max: 100}
  last:    {side: query, type: sequence, of: item, max: 3}
  item:    {side: item, type: categorical}
tables: {item: 8}
towers:
  seq: {type: transformer, query: history, item: item, heads: 2, ff: 16}
  new: {type: dot, query: [{bag: last, table: item}], item: item}
fusion: {type: weighted, weights: free}
loss: full_softmax
optimizer: {adam: 5.0e-3}
train: {global_batch: 64, micro_batches: 4, epochs: 2, seed: 5}
stages: [{train: [seq, new]}]
evaluate: [ndcg@10]
cluster: {staleness: 0, placement: split, threads: 1}
END

# same WHAT FILE FILE
same() {
    cmp -s "$2" "$3" || die "$1: $2 and $3 differ"
    echo "ok: $1"
}

# judged RUN : its metric of the test rows, which stands last.
judged() {
    sed -n 's/.*"ndcg@10": *\([-+0-9.eE]*\).*/\1/p' "$1/result.json" | tail -1
}

ok "train" "$FUSOR" train job.yaml -q --run-dir runs/one
ok "scores" "$FUSOR" scores runs/one -o with.tsv
ok "scores without validation rows" "$FUSOR" scores runs/one parts/all \
    -o without.tsv
same "test rows see the validation event" with.tsv without.tsv
[ "$(wc -l <with.tsv)" = 201 ] || die "no score for each user"
ok "evaluate" "$FUSOR" evaluate runs/one --json
near "evaluate" "$(value out value)" "$(judged runs/one)" 1e-9

for how in data.cache=stream data.stage_in=copy; do
    ok "$how" "$FUSOR" train job.yaml -q --run-dir "runs/$how" --set "$how"
    [ "$(judged "runs/$how")" = "$(judged runs/one)" ] ||
        die "$how: another metric"
done
ok "2 workers, 2 servers" mpirun --oversubscribe -n 4 "$FUSOR" train job.yaml \
    -q --run-dir runs/mpi --servers 2
[ "$(judged runs/mpi)" = "$(judged runs/one)" ] ||
    die "under mpirun: another metric"
ok "scores of that run" "$FUSOR" scores runs/mpi -o mpi.tsv
same "the same scores" with.tsv mpi.tsv

# What is out of fold stands for train rows, on any number of processes.
sed -e 's/^loss:.*/loss: bpr/' \
    -e 's/^stages:.*/stages: [{train: [seq, new]}, {train: [fusion], rows: out_of_fold(3), epochs: 1}]/' \
    job.yaml >folds.yaml
ok "out of fold" "$FUSOR" train folds.yaml -q --run-dir runs/folds
ok "out of fold, 2 workers, a server" mpirun --oversubscribe -n 3 "$FUSOR" \
    train folds.yaml -q --run-dir runs/folds-2 --servers 1
[ "$(judged runs/folds-2)" = "$(judged runs/folds)" ] ||
    die "out of fold under mpirun: another metric"

# Who asks about a user knows the validation event too: a pair is explained as
# a test row behind all other events would be.
user=$(awk -F '\t' 'NR == 2 { print $2 }' with.tsv)
item=$(awk -F '\t' 'NR == 2 { print $3 }' with.tsv)
ok "recommend" "$FUSOR" recommend runs/one --user "$user" --top 5
ok "explain a pair" "$FUSOR" explain runs/one --user "$user" --item "$item" \
    --json
near "explain" "$(value out score)" \
    "$(awk -F '\t' 'NR == 2 { print $6 }' with.tsv)" 1e-5

# What a tower does not say follows from the only history: it is of items, reads
# their table, and towers are built over it.
cat >long.yaml <<END
data: {prepared: parts/loo-full}
label: {map: implicit}
fields:
  user:    {side: query, type: categorical}
  history: {side: query, type: sequence, of: item, max: 20}
  item:    {side: item, type: categorical}
  genres:  {side: item, type: multi}
tables: {user: 8, item: 8}
towers:
  mf:   {type: dot, query: [user, {bag: history, table: item}], item: item}
  ease: {type: ease, item: item, history: history, lambda: 100}
  like: {type: content, item: item, history: history, fields: [genres]}
fusion: {type: weighted, weights: free}
loss: bpr
stages: [{build: [ease, like]}, {train: [mf], epochs: 1, apart: true}]
evaluate: [ndcg@10]
cluster: {staleness: 0, threads: 1}
END
sed -e 's/, table: item//' -e 's/ item: item, history: history,//' long.yaml \
    >short.yaml
ok "said" "$FUSOR" train long.yaml --check
cp out long.txt
ok "not said" "$FUSOR" train short.yaml --check
same "towers over the only history" out long.txt
shows 'history->item'
ok "train what is not said" "$FUSOR" train short.yaml -q --run-dir runs/short
sed 's/^  history:.*/&\n  more: {side: query, type: bag, of: item}/' short.yaml \
    >two.yaml
fails 2 'tower ease has no item' "$FUSOR" train two.yaml --check
