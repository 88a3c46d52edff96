#!/bin/sh
# Hard negatives: a stage learns from what words find, then from what the tower
# of the stage before ranks, alike on any cluster and when it resumes.
. "$(dirname "$0")/lib.sh"

corpus docs
ok "prepare" "$FUSOR" prepare docs --protocol qrels --train-share 0.6 \
    --valid-share 0 -o parts/docs
cat >hard.yaml <<'END'
data: {prepared: parts/docs, protocol: qrels}
label: {map: threshold, at: 0.5}
fields:
  query_words: {side: query, type: text}
  doc:         {side: item, type: categorical}
  title:       {side: item, type: text}
  body:        {side: item, type: text}
  fit: {match: [query_words, title], features: [overlap, idf_overlap, bigram]}
tables: {token: {dim: 16, init: {normal: 0.3}}}
towers:
  bm25:  {type: bm25, query: query_words, item: doc, fields: [title, body]}
  two:   {type: dot, query: {text: query_words, pool: rsqrt}, table: token,
          item: {text: [title, body], pool: rsqrt}}
  inter: {type: mlp, inputs: [fit], units: [8]}
fusion: {type: weighted, over: logits}
stages:
  - {build: [bm25]}
  - {train: [two], loss: bpr, epochs: 4,
     negatives: {from: bm25, rank: 3..20, n: 4}}
  - {train: [two, inter], apart: true, loss: lambdarank, epochs: 4,
     negatives: {from: two, rank: 2..30, n: 6}}
optimizer: {adam: 1.0e-2}
train: {global_batch: 24, micro_batches: 3}
evaluate: [ndcg@10, recall@10]
cluster: {staleness: 0, threads: 1}
END
ok "graph" "$FUSOR" train hard.yaml --check
shows 'each positive with 4 negatives of rank 3 to 20 by bm25'
shows 'each positive with 6 negatives of rank 2 to 30 by two'
ok "settings" "$FUSOR" train hard.yaml --print-config
shows 'negatives_rank: 200'
ok "memory needed" "$FUSOR" train hard.yaml --dry-run
[ ! -e runs ] || die "--dry-run made a run directory"
ok "train" "$FUSOR" train hard.yaml --run-dir one
says 'stage 3 draws negatives of rank 2 to 30 by two'
[ -e one/negatives/02-00000.found ] || die "nothing was written down"
digest one
want=$found
ok "two threads" "$FUSOR" train hard.yaml --run-dir threads -q --threads 2
same threads
ok "a part of the last stage" "$FUSOR" train hard.yaml --run-dir part -q \
    --set stages.2.epochs=2
sed -i 's/^    epochs: 2$/    epochs: 4/' part/job.yaml
ok "the rest of it" "$FUSOR" train --resume part -q
same part
ok "other ranks" "$FUSOR" train hard.yaml --run-dir early -q \
    --set 'stages.2.negatives={from: two, rank: 5, n: 6}'
digest early
[ "$found" != "$want" ] || die "ranks make no difference"
if mpirun --oversubscribe -n 2 true 2>/dev/null; then
    ok "ranks" mpirun --oversubscribe -n 4 "$FUSOR" train hard.yaml \
        --run-dir ranks -q --servers 2
    [ "$(ls ranks/negatives | wc -l)" = 2 ] || die "not a file a process"
    same ranks
    ok "stale values" mpirun --oversubscribe -n 3 "$FUSOR" train hard.yaml \
        --run-dir stale -q --servers 1 --set cluster.staleness=4
fi
# Without each fold, the tower that was trained without it finds them.
sed -e 's/over: logits}/over: logits, weights: free}/' \
    -e '/^optimizer/i\  - {train: [fusion], rows: out_of_fold(2), loss: listnet,\n     negatives: {from: bm25, n: 4}}' \
    hard.yaml >folds.yaml
ok "out of fold" "$FUSOR" train folds.yaml --run-dir folds -q
[ "$(ls folds/negatives | wc -l)" = 3 ] || die "not a file a fold and one more"

fails 2 'did you mean bm25' "$FUSOR" train hard.yaml --check \
    --set stages.1.negatives.from=bm52
fails 2 'ranks at random' "$FUSOR" train hard.yaml --check \
    --set stages.1.negatives.from=two
fails 2 'such as 10..200' "$FUSOR" train hard.yaml --check \
    --set stages.1.negatives.rank=20..3
fails 2 'there is: n, from, rank' "$FUSOR" train hard.yaml --check \
    --set stages.1.negatives.k=3
fails 2 'items of its own' "$FUSOR" train hard.yaml --check \
    --set stages.1.loss=full_softmax
printf x >>part/negatives/02-00000.found
sed -i 's/^    epochs: 4$/    epochs: 5/' part/job.yaml
fails 3 'damaged' "$FUSOR" train --resume part -q
