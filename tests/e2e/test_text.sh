#!/bin/sh
# Towers that are trained on texts: two towers of words, pooled and through a
# network, alike on any cluster, and searched with.
. "$(dirname "$0")/lib.sh"

# above FILE METRIC LEAST
above() {
    awk -v m="$2" -v least="$3" '$1 == m { found = $2 > least }
        END { exit !found }' "$1" || die "$2 is not above $3"
}

corpus docs
ok "prepare" "$FUSOR" prepare docs --protocol qrels --train-share 0.6 \
    --valid-share 0 -o parts/docs
cat >two.yaml <<'END'
data: {prepared: parts/docs, protocol: qrels}
label: {map: threshold, at: 0.5}
fields:
  query_words: {side: query, type: text}
  doc:         {side: item, type: categorical}
  title:       {side: item, type: text}
  body:        {side: item, type: text}
tables: {token: {dim: 16, init: {normal: 0.3}}, word: {dim: 8}}
towers:
  two:  {type: dot, query: {text: query_words, pool: rsqrt}, table: token,
         item: {text: [title, body], pool: rsqrt}}
  deep: {type: dot, query: {text: query_words, pool: gru}, table: word,
         item: [{text: title, pool: cnn, widths: [2], filters: 6},
                {text: body, pool: transformer, max: 8, ff: 8,
                 dropout: 0.1}]}
fusion: {type: weighted, over: logits}
stages:
  - {train: [two, deep], loss: {sampled_softmax: {from: in_batch,
     temperature: 0.5}}, epochs: 40}
optimizer: {adam: 1.0e-2}
train: {global_batch: 24, micro_batches: 3}
evaluate: [ndcg@10, recall@10]
cluster: {staleness: 0, threads: 1}
END
ok "graph" "$FUSOR" train two.yaml --check
shows '(query_words->token (rsqrt)) . (title->token (rsqrt), body->token'
shows 'query_words->word, first'
shows 'title->word, first 1: 6 filters of each width 2'
shows 'body->word, first 8: 1 pre-norm blocks'
ok "train" "$FUSOR" train two.yaml --run-dir one -q
digest one
want=$found
ok "judge" "$FUSOR" evaluate one --split test
cp out one.txt
ok "judge what it has learnt" "$FUSOR" evaluate one --split train
above out ndcg@10 0.9
ok "two threads" "$FUSOR" train two.yaml --run-dir threads -q --threads 2
same threads
ok "judge" "$FUSOR" evaluate threads --split test
cmp out one.txt || die "threads change what is found"
if mpirun --oversubscribe -n 2 true 2>/dev/null; then
    ok "ranks" mpirun --oversubscribe -n 4 "$FUSOR" train two.yaml \
        --run-dir ranks -q --servers 2
    same ranks
    ok "judge" "$FUSOR" evaluate ranks --split test
    cmp out one.txt || die "ranks change what is found"
    ok "stale values" mpirun --oversubscribe -n 3 "$FUSOR" train two.yaml \
        --run-dir stale -q --servers 1 --set cluster.staleness=4
    ok "judge" "$FUSOR" evaluate stale --split train
    above out ndcg@10 0.9
fi
ok "recommend" "$FUSOR" recommend one --user q1 --top 3
shows ' d'

# Beside BM25, which finds what is scored.
sed -e 's/^towers:/towers:\n  bm25: {type: bm25, query: query_words, item: doc, fields: [title, body]}/' \
    -e 's/^stages:/stages:\n  - {build: [bm25]}/' two.yaml >both.yaml
ok "train beside bm25" "$FUSOR" train both.yaml --run-dir both -q
ok "search" "$FUSOR" search both "Which about2x3s, about2x9?" --top 3
shows ' d'

# Candidates by words and by the trained tower, and a fusion of shares of the
# best of them, fitted out of fold.
cat >union.yaml <<'END'
data: {prepared: parts/docs, protocol: qrels}
label: {map: threshold, at: 0.5}
fields:
  query_words: {side: query, type: text}
  doc:         {side: item, type: categorical}
  title:       {side: item, type: text}
  body:        {side: item, type: text}
tables: {token: {dim: 16, init: {normal: 0.3}}}
towers:
  bm25: {type: bm25, query: query_words, item: doc, fields: [title, body]}
  two:  {type: dot, query: {text: query_words, pool: rsqrt}, table: token,
         item: {text: [title, body], pool: rsqrt}}
fusion: {type: weighted, over: scores, weights: free, missing: zero,
         normalise: per_query_max}
candidates: {union: [{bm25: 20}, {two: 10}]}
stages:
  - {build: [bm25]}
  - {train: [two], epochs: 20, loss: {sampled_softmax: {from: in_batch,
     temperature: 0.5}}}
  - {train: [fusion], rows: out_of_fold(3), epochs: 20, loss: listnet}
optimizer: {adam: 1.0e-2}
train: {global_batch: 24, micro_batches: 3, negatives: 8,
        negatives_from: search, negatives_rank: 20}
evaluate: [ndcg@10, recall@10, recall@60]
cluster: {staleness: 0, threads: 1}
END
ok "graph" "$FUSOR" train union.yaml --check
shows 'candidates: 20 by bm25, 10 by two'
shows "shares of the query's largest"
ok "train" "$FUSOR" train union.yaml --run-dir union -q
digest union
want=$found
grep -qF '"candidates": "20 by bm25, 10 by two"' union/result.json ||
    die "the result does not say what was ranked"
ok "judge" "$FUSOR" evaluate union --split test
cp out union.txt
cp err union.err
# 60 documents: whoever ranks them all finds them, who ranks 30 does not.
awk '$1 == "recall@60" { found = $2 < 1 } END { exit !found }' union.txt ||
    die "documents that were not retrieved are found"
ok "all of them" "$FUSOR" train union.yaml --run-dir all -q \
    --set candidates=all
ok "judge" "$FUSOR" evaluate all --split test
awk '$1 == "recall@60" { found = $2 == 1 } END { exit !found }' out ||
    die "not all documents are ranked"
cmp -s err union.err && die "other candidates have the same hash"
ok "threads" "$FUSOR" train union.yaml --run-dir union2 -q --threads 2
same union2
ok "judge" "$FUSOR" evaluate union2 --split test
cmp out union.txt || die "threads change what is found"
if mpirun --oversubscribe -n 2 true 2>/dev/null; then
    ok "ranks" mpirun --oversubscribe -n 4 "$FUSOR" train union.yaml \
        --run-dir union3 -q --servers 2
    same union3
    for key in ndcg@10 recall@10 recall@60; do
        [ "$(value union3/result.json $key)" = \
            "$(value union/result.json $key)" ] || die "ranks change $key"
    done
fi
ok "compare" "$FUSOR" compare union all --split test
says 'union ranks 20 by bm25, 10 by two; all ranks all items'
says 'give --candidates'
ok "compare as a program" "$FUSOR" compare union all --split test --json
shows '"same_candidates": false'
ok "compare among all" "$FUSOR" compare union all --split test -c all \
    -m recall@60
grep -q 'candidates differ' err && die "all items, and candidates differ"
awk '$1 == "recall@60" && $5 != "1.000000" { bad = 1 } END { exit bad }' out ||
    die "--candidates all does not rank all items"
ok "units" "$FUSOR" evaluate union --split test --out union.units
ok "compare files" "$FUSOR" compare union.units all --split test
says 'union.units ranks 20 by bm25, 10 by two; all ranks all items'
fails 2 'give the run itself' "$FUSOR" compare union.units all -c all
ok "other candidates" "$FUSOR" evaluate union --split test -c '{two: 5}'
says '5 by two'
fails 2 'did you mean bm25' "$FUSOR" evaluate union -c '{bm35: 5}'
ok "search" "$FUSOR" search union "Which about2x3s, about2x9?" --json
found=$(sed -n 's/.*"candidates": *\([0-9]*\).*/\1/p' out)
[ "$found" -ge 10 ] && [ "$found" -le 30 ] || die "$found candidates"
ok "search in the index alone" "$FUSOR" search union "about2x3" -c 5 --json
ok "recommend" "$FUSOR" recommend union --user q1 --top 3
shows ' d'
fails 2 'a row has no score of its own' "$FUSOR" scores union --out s.tsv
fails 2 'per_query_max' "$FUSOR" explain union
ok "one tower's scores" "$FUSOR" scores union --tower two --out s.tsv
sed 's/{bm25: 20}/{bm35: 20}/' union.yaml >bad.yaml
fails 2 'did you mean bm25' "$FUSOR" train bad.yaml --check
fails 2 'want {TOWER: N}' "$FUSOR" train union.yaml --check --set candidates=some
fails 2 'per_query_max: a row by itself' "$FUSOR" train union.yaml --check \
    --set 'stages=[{build: [bm25]}, {train: [fusion], loss: mse}]' \
    --set train.negatives=0

# What makes no sense.
sed 's/filters: 6/filter: 6/' two.yaml >bad.yaml
fails 2 'did you mean filters' "$FUSOR" train bad.yaml --check
sed 's/pool: gru/pool: grru/' two.yaml >bad.yaml
fails 2 'pool' "$FUSOR" train bad.yaml --check
sed 's/{text: title, pool: cnn/{text: body, pool: cnn/' two.yaml >bad.yaml
fails 2 'body has a network in this tower' "$FUSOR" train bad.yaml --check
