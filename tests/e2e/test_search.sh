#!/bin/sh
# Documents, queries and judgements: prepared, searched by BM25, judged, under
# mpirun too, and what goes wrong is told.
. "$(dirname "$0")/lib.sh"

corpus docs
ok "prepare" "$FUSOR" prepare docs --protocol qrels --train-share 0.5 \
    --valid-share 0 -o parts/docs
says '40 queries, 60 items'
cat >job.yaml <<'END'
data: {prepared: parts/docs, protocol: qrels}
label: {map: threshold, at: 0.5}
fields:
  query_words: {side: query, type: text}
  query_chars: {side: query, type: text}
  doc:         {side: item, type: categorical}
  title:       {side: item, type: text}
  body:        {side: item, type: text}
  body_chars:  {side: item, type: text}
towers:
  words: {type: bm25, query: query_words, item: doc, fields: [title, body],
          weights: {title: 1.5}, scale: query}
  chars: {type: bm25, query: query_chars, item: doc, fields: [body_chars],
          form: fields, k1: 1.2}
  lsa:   {type: lsa, query: query_words, item: doc, fields: [title, body],
          dim: 12}
fusion: {type: weighted, over: logits, weights: ones}
stages: [{build: [words, chars, lsa]}]
evaluate: [ndcg@10, recall@10]
cluster: {staleness: 0}
END
ok "graph" "$FUSOR" train job.yaml --check
shows 'query_words found in title, body of 61 documents'
shows 'query_words beside title, body of 61 documents in 12 dimensions'
ok "train" "$FUSOR" train job.yaml --run-dir one -q
ok "judge" "$FUSOR" evaluate one --split test
cp out one.txt
awk '$1 == "ndcg@10" { found = $2 > 0.3 } END { exit !found }' one.txt ||
    die "a search that finds nothing"
ok "with more threads" "$FUSOR" train job.yaml --run-dir threads -q --threads 3
ok "judge" "$FUSOR" evaluate threads --split test
cmp out one.txt || die "threads change what is found"
if mpirun --oversubscribe -n 2 true 2>/dev/null; then
    ok "two ranks" mpirun --oversubscribe -n 3 "$FUSOR" train job.yaml \
        --run-dir ranks -q --servers 1
    ok "judge" "$FUSOR" evaluate ranks --split test
    cmp out one.txt || die "ranks change what is found"
fi

# A fusion fitted on documents that a search finds and that are not judged.
sed -e 's/scale: query}/scale: none}/' -e 's/weights: ones/weights: free/' \
    -e 's/^stages: .*/stages: [{build: [words, chars, lsa]}, {train: [fusion], epochs: 3}]/' \
    job.yaml >fused.yaml
cat >>fused.yaml <<'END'
loss: bpr
optimizer: {adam: 1.0e-2}
train: {negatives: 8, negatives_from: search, negatives_rank: 20,
        global_batch: 32, micro_batches: 4}
END
ok "train a fusion" "$FUSOR" train fused.yaml --run-dir fused -q
ok "judge" "$FUSOR" evaluate fused --split test
cp out fused.txt
if mpirun --oversubscribe -n 2 true 2>/dev/null; then
    ok "two ranks" mpirun --oversubscribe -n 3 "$FUSOR" train fused.yaml \
        --run-dir fused-ranks -q --servers 1
    ok "judge" "$FUSOR" evaluate fused-ranks --split test
    cmp out fused.txt || die "ranks change what a fusion learns"
fi

# How texts fit each other, as features of a tower that learns.
cat >fit.yaml <<'END'
data: {prepared: parts/docs}
label: {field: score}
fields:
  query: {side: query}
  doc:   {side: item}
  fit:   {match: [query_words, title]}
  near:  {match: [query_chars, body_chars], features: [overlap, bigram]}
towers: {fits: {type: mlp, inputs: [fit, near], units: [4]}}
loss: mse
train: {epochs: 2, global_batch: 32, micro_batches: 4}
evaluate: [rmse]
cluster: {staleness: 0}
END
ok "train on features" "$FUSOR" train fit.yaml --run-dir fit -q
cp out fit.txt
shows 'rmse'
ok "memory of features" "$FUSOR" train fit.yaml --dry-run
shows 'matches'
ok "features computed each time" "$FUSOR" train fit.yaml --run-dir fit-each \
    -q --set data.memory=1 --set data.cache=memory
cmp out fit.txt || die "kept features differ from computed ones"
for run in fit fit-each; do
    ok "digest" "$FUSOR" inspect $run --digest --json
    grep '"digest"' out >$run.digest
done
cmp fit.digest fit-each.digest || die "kept features change the model"
if mpirun --oversubscribe -n 2 true 2>/dev/null; then
    ok "two ranks" mpirun --oversubscribe -n 3 "$FUSOR" train fit.yaml \
        --run-dir fit-ranks -q --servers 1
    cmp out fit.txt || die "ranks change what is learnt from features"
fi
sed 's/overlap, bigram/overlap, bigramm/' fit.yaml >bad.yaml
fails 2 'did you mean bigram' "$FUSOR" train bad.yaml --check
sed 's/query_words, title/query_words, title_chars/' fit.yaml >bad.yaml
fails 2 'prepare them with one vocab' "$FUSOR" train bad.yaml --check
sed 's/query_words, title/title, query_words/' fit.yaml >bad.yaml
fails 2 'title is no text of the query' "$FUSOR" train bad.yaml --check
sed 's/match: .query_words, title./match: title/' fit.yaml >bad.yaml
fails 2 'write [text of the query, text of the item]' "$FUSOR" train bad.yaml \
    --check

# Built towers stand in a job of grades too: their scores, fused with what a
# network makes of features, are fitted to the grade.
cat >grade.yaml <<'END'
data: {prepared: parts/docs}
label: {field: score}
fields:
  query: {side: query}
  query_words: {side: query}
  doc:   {side: item}
  title: {side: item}
  body:  {side: item}
  fit:   {match: [query_words, title]}
towers:
  words: {type: bm25, query: query_words, item: doc, fields: [title, body]}
  lsa:   {type: lsa, query: query_words, item: doc, fields: [body], dim: 9}
  fits:  {type: mlp, inputs: [fit], units: [4]}
fusion: {type: weighted, over: scores, weights: free, bias: true}
output: {range: [0, 2]}
loss: mse
optimizer: {adam: 1.0e-2}
train: {epochs: 2, global_batch: 32, micro_batches: 4}
stages:
  - {build: [words, lsa]}
  - {train: [fits], apart: true}
  - {train: [fusion], rows: out_of_fold(2), epochs: 5}
evaluate: [rmse]
cluster: {staleness: 0}
END
ok "grades by words" "$FUSOR" train grade.yaml --run-dir grade -q
cp out grade.txt
awk '$1 == "rmse" && $2 == "test" { found = $3 < 1 } END { exit !found }' out ||
    die "grades from 0 to 2 are missed by more than 1"
fails 2 'was prepared with ngram: 0, not 4' "$FUSOR" train grade.yaml --check \
    --set fields.title.ngram=4
fails 2 'prepared with stop: english, not none: say it in the schema' "$FUSOR" train \
    grade.yaml --check --set fields.title.stop=none
if mpirun --oversubscribe -n 2 true 2>/dev/null; then
    ok "two ranks" mpirun --oversubscribe -n 3 "$FUSOR" train grade.yaml \
        --run-dir grade-ranks -q --servers 1
    cmp out grade.txt || die "ranks change what is learnt of grades"
fi

# Words that nobody judged.
ok "search" "$FUSOR" search fused "Which about2x3s, about2x9?" --top 3
shows ' d'
[ "$(grep -c ' d[0-9]*2 ' out)" -ge 1 ] || die "no document of the subject"
ok "search for programs" "$FUSOR" search fused "common1 common2" -k 5 --json
shows '"rank": 5'
ok "few candidates" "$FUSOR" search fused "common1" -k 50 --candidates 2 --json
[ "$(grep -c '"rank"' out)" -le 4 ] || die "more than two candidates a tower"
fails 2 'no word of "" stands in any document' "$FUSOR" search fused ""
fails 2 'no word of "?!" stands in any' "$FUSOR" search fused "?!"
fails 2 'RUN "some words"' "$FUSOR" search fused

# What goes wrong.
cp -r docs broken
sed '3s/.*/{"_id": "d2", "title": /' docs/corpus.jsonl >broken/corpus.jsonl
ok "a broken line is left out" "$FUSOR" prepare broken --protocol qrels \
    -o parts/broken
says 'corpus.jsonl:3:'
says 'no JSON object'
says 'not in the catalogue: doc'
fails 3 'corpus.jsonl:3:' "$FUSOR" prepare broken --protocol qrels \
    -o parts/broken --max-bad 0
cp docs/corpus.jsonl broken/corpus.jsonl
echo 'q1	nowhere	1' >>broken/qrels/test.tsv
code=0
"$FUSOR" prepare broken --protocol qrels -o parts/broken --max-bad 0 \
    >out 2>err || code=$?
[ "$code" = 3 ] || die "a judgement of no document: exit code $code"
tail -1 err >last && mv last err
says 'test.tsv:82:4: not in the catalogue: doc'
rm broken/queries.jsonl
fails 4 'no queries.jsonl' "$FUSOR" prepare broken --format beir \
    --protocol qrels -o parts/broken
sed 's/fields: \[body_chars\]/fields: [body]/' job.yaml >bad.yaml
fails 2 'share their vocab with query_chars' "$FUSOR" train bad.yaml --check
sed 's/weights: {title: 1.5}/weights: {titel: 1.5}/' job.yaml >bad.yaml
fails 2 'did you mean title' "$FUSOR" train bad.yaml --check
cat >lsa.yaml <<'END'
data: {prepared: parts/docs}
label: {map: threshold, at: 0.5}
fields: {query_words: {side: query}, doc: {side: item}, body: {side: item}}
towers: {lsa: {type: lsa, query: query_words, item: doc, fields: [body], dim: 9}}
stages: [{build: [lsa]}]
evaluate: [ndcg@10]
END
sed 's/^stages: .*/stages: [{build: [lsa]}, {train: [fusion]}]/' lsa.yaml >bad.yaml
cat >>bad.yaml <<'END'
fusion: {type: weighted, weights: free}
train: {negatives: 2, negatives_from: search}
loss: bpr
END
fails 2 'no tower of the job is a bm25' "$FUSOR" train bad.yaml --check
ok "without bm25" "$FUSOR" train lsa.yaml --run-dir lsa -q
fails 2 'no tower of the job is a bm25' "$FUSOR" search lsa "common1"
sed 's/dim: 12/dim: 61/' job.yaml >bad.yaml
fails 3 'lsa: dim is 61' "$FUSOR" train bad.yaml --run-dir bad -q
sed 's/query: query_words/query: doc/' job.yaml >bad.yaml
fails 2 'no text of the query' "$FUSOR" train bad.yaml --check
