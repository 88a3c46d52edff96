#!/bin/sh
# A text tower that learns without a judgement: documents asked for by their
# titles, to be found by their bodies; alike on any cluster.
. "$(dirname "$0")/lib.sh"

# metric RUN METRIC : of its test rows.
metric() {
    ok "judge $1" "$FUSOR" evaluate "$1" --split test
    awk -v m="$2" '$1 == m { print $2 }' out >"$1.$2"
}

# Twenty subjects of six words, of which a document's title has two and its body
# four others, so that a title shares no word with its body: only who has seen
# which words go together finds a body by words of a title.
mkdir -p docs/qrels
awk 'BEGIN {
    srand(5)
    print "query-id\tcorpus-id\tscore" >"docs/qrels/test.tsv"
    for (d = 0; d < 200; d++) {
        s = d % 20
        printf "{\"_id\": \"d%d\", \"title\": \"%s %s\", \"text\": \"%s %s %s\"}\n",
            d, word(s, 0), word(s, 1), word(s, 2 + d % 4),
            word(s, 2 + (d + 1) % 4), word(s, 2 + (d + 2) % 4) \
            >"docs/corpus.jsonl"
    }
    for (q = 0; q < 20; q++) {
        printf "{\"_id\": \"q%d\", \"text\": \"%s\"}\n", q, word(q, q % 2) \
            >"docs/queries.jsonl"
        for (k = 0; k < 10; k++)
            printf "q%d\td%d\t1\n", q, q + 20 * k >"docs/qrels/test.tsv"
    }
}
function word(s, k) { return "w" s "x" k }'
ok "prepare" "$FUSOR" prepare docs --protocol qrels --train-share 0.2 \
    --valid-share 0 -o parts/docs
cat >pairs.yaml <<'END'
data: {prepared: parts/docs, protocol: qrels}
label: {map: threshold, at: 0.5}
fields:
  query_words: {side: query, type: text}
  doc:         {side: item, type: categorical}
  title:       {side: item, type: text}
  body:        {side: item, type: text}
tables: {token: {dim: 16, init: {normal: 0.3}}}
towers:
  two: {type: dot, query: {text: query_words, pool: rsqrt}, table: token,
        item: {text: body, pool: rsqrt}}
stages:
  - {train: [two], pairs: title_to_body, epochs: 15,
     loss: {sampled_softmax: {from: in_batch, temperature: 0.5}}}
  - {train: [two], pairs: judged, epochs: 2,
     loss: {sampled_softmax: {from: in_batch, temperature: 0.5}}}
optimizer: {adam: 2.0e-2}
train: {global_batch: 24, micro_batches: 3}
evaluate: [recall@10]
cluster: {staleness: 0, threads: 1}
END
ok "graph" "$FUSOR" train pairs.yaml --check
shows 'stage 1: 15 epochs of 9 steps of 24 pairs'
ok "memory needed" "$FUSOR" train pairs.yaml --dry-run
ok "train" "$FUSOR" train pairs.yaml --run-dir one -q
digest one
want=$found
sed -e '/pairs: title_to_body/,+1d' pairs.yaml >judged.yaml
ok "train on judgements alone" "$FUSOR" train judged.yaml --run-dir judged -q
metric one recall@10
metric judged recall@10
awk -v a="$(cat one.recall@10)" -v b="$(cat judged.recall@10)" 'BEGIN {
    exit !(a > 0.9 && b < 0.5) }' ||
    die "pairs give $(cat one.recall@10), judgements alone $(cat judged.recall@10)"
ok "two threads" "$FUSOR" train pairs.yaml --run-dir threads -q --threads 2
same threads
ok "all documents as candidates" "$FUSOR" train pairs.yaml --run-dir all -q \
    --set stages.0.loss=full_softmax --set stages.0.epochs=5
metric all recall@10
awk -v a="$(cat all.recall@10)" 'BEGIN { exit !(a > 0.8) }' ||
    die "full softmax over pairs gives $(cat all.recall@10)"
if mpirun --oversubscribe -n 2 true 2>/dev/null; then
    ok "ranks" mpirun --oversubscribe -n 4 "$FUSOR" train pairs.yaml \
        --run-dir ranks -q --servers 2
    same ranks
    ok "stale values" mpirun --oversubscribe -n 3 "$FUSOR" train pairs.yaml \
        --run-dir stale -q --servers 1 --set cluster.staleness=4
    metric stale recall@10
    awk -v a="$(cat stale.recall@10)" 'BEGIN { exit !(a > 0.9) }' ||
        die "with stale values pairs give $(cat stale.recall@10)"
fi
fails 2 'such as title_to_body' "$FUSOR" train pairs.yaml --check \
    --set stages.0.pairs=title_to_text
fails 2 'loss over candidates' "$FUSOR" train pairs.yaml --check \
    --set stages.0.loss=bpr
fails 2 'leave rows away' "$FUSOR" train pairs.yaml --check \
    --set stages.0.rows=validation
