#!/bin/sh
# Every job in cluster/jobs is read to the end and fits data of its kind, so
# that a key that fusor no longer knows is found.
jobs=$(cd "$(dirname "$0")/../../cluster/jobs" && pwd)
. "$(dirname "$0")/lib.sh"

# rows FROM TO : a libfm file in which every row has ten of the fields' values.
rows() {
    awk -v i="$1" -v n="$2" 'BEGIN {
        for (; i < n; i++) {
            printf "%d", i % 3 == 0
            for (f = 0; f < 10; f++)
                printf " %d:1", 4 * f + (i * (f + 3) + f) % 4
            print ""
        }
    }'
}

demo kfold-random
demo loo-full
awk 'BEGIN {
    n = split("user item daytime weekday isweekend homework cost weather " \
              "country city", name, " ")
    for (f = 0; f < n; f++)
        for (v = 0; v < 4; v++)
            printf "%d\t%s\t%d\n", 4 * f + v, name[f + 1], v
}' >fields.tsv
rows 0 200 >train.libfm
rows 200 260 >held.libfm
ok "prepare for towers" "$FUSOR" prepare train.libfm --valid held.libfm \
    --fields fields.tsv --protocol given -o parts/frappe -q
ok "prepare for stacking" "$FUSOR" prepare train.libfm --test held.libfm \
    --fields fields.tsv --protocol given -o parts/frappe-stacked -q

# clicks FROM TO : rows in Criteo's form.
clicks() {
    awk -v i="$1" -v n="$2" 'BEGIN {
        for (; i < n; i++) {
            printf "%d", i % 3 == 0
            for (f = 1; f <= 13; f++)
                printf "\t%d", i * f % 50
            for (f = 1; f <= 26; f++)
                printf "\t%08x", (i + f) % (3 + f)
            print ""
        }
    }'
}
clicks 0 200 >train.tsv
clicks 200 260 >test.tsv
ok "prepare for clicks" "$FUSOR" prepare train.tsv --test test.tsv \
    --format criteo --protocol given -o parts/ctr -q

# Events with what the jobs over them read.
awk 'BEGIN {
    print "user,segment,age" >"users.csv"
    print "item,category,brand" >"items.csv"
    for (i = 0; i < 20; i++) {
        print i "," i % 3 "," i % 4 >"users.csv"
        print i "," i % 5 "," i % 2 >"items.csv"
    }
    print "user,item,label,query,hour,device,time" >"events.csv"
    for (i = 0; i < 400; i++)
        printf "%d,%d,%d,%d,%d,%d,%d\n", i % 20, i * 7 % 20, 1, i % 9, i % 24,
            i % 4, i >"events.csv"
}'
cat >events.yaml <<'END'
label: label
time: time
query_file: users.csv
item_file: items.csv
fields:
  user:     {side: query, type: categorical}
  segment:  {side: query, type: categorical}
  age:      {side: query, type: categorical}
  item:     {side: item, type: categorical}
  category: {side: item, type: categorical}
  brand:    {side: item, type: categorical}
  query:    {type: categorical}
  hour:     {type: categorical}
  device:   {type: categorical}
END
ok "prepare events" "$FUSOR" prepare events.csv --schema events.yaml \
    --protocol loo-full -o parts/events -q

awk 'BEGIN {
    for (u = 1; u <= 30; u++) {
        printf "%d", u
        for (i = 0; i < 6; i++) printf " %d", (u * 5 + i * 3) % 20 + 1
        printf "\n"
    }
    printf "{" >"Small_item2attributes.json"
    for (i = 1; i <= 20; i++)
        printf "%s\"%d\": [%d, %d]", (i == 1 ? "" : ", "), i, i % 4, i % 7 + 4 \
            >"Small_item2attributes.json"
    printf "}\n" >"Small_item2attributes.json"
}' >Small.txt
ok "prepare sequences with attributes" "$FUSOR" prepare Small.txt \
    --format s3rec --protocol loo-full -o parts/attributes -q

ok "generate two labels" "$FUSOR" generate -o labels --users 100 --items 40 \
    --events 2000 --finished -q
ok "prepare two labels" "$FUSOR" prepare labels --protocol loo-full \
    -o parts/labels -q

# Three documents and a question.
mkdir -p docs/qrels
for d in 1 2 3; do
    echo "{\"_id\": \"d$d\", \"title\": \"number $d\", \"text\": \"one\"}"
done >docs/corpus.jsonl
echo '{"_id": "q", "text": "which number?"}' >docs/queries.jsonl
printf 'query-id\tcorpus-id\tscore\nq\td1\t1\n' >docs/qrels/train.tsv
ok "prepare documents" "$FUSOR" prepare docs --protocol qrels \
    --train-share 1 --valid-share 0 -o parts/docs -q

printf 'user,item,score\n1,1,.5\n' >ncf.csv

# Products, with the schema that stands in the head of their job.
sed -n 's/^#   \(label: {column\|fields:\|  [a-z_]*: *{\|            *[a-z]*:.*}\)/\1/p' \
    "$jobs/homedepot.yaml" >products.yaml
printf '%s\n' id,product_uid,product_title,search_term,relevance \
    '1,7,"Angle, 2"" wide",angle bracket,3' '2,8,Paint,deck paint,2.33' \
    '3,7,Angle,paint,1' '4,8,Paint,paint angle,1.67' >products.csv
ok "prepare products" "$FUSOR" prepare products.csv --schema products.yaml \
    --protocol user-split --train-share .5 --valid-share .5 -o parts/products -q

n=0
for file in "$jobs"/*.yaml; do
    name=$(basename "$file" .yaml)
    case $name in
    ml1m_ease | ml1m_ials | ml1m_itemknn) parts=parts/loo-full ;;
    ml1m_fused | ml1m_fused_copies | ml1m_sequence) parts=parts/loo-full ;;
    beauty_fused) parts=parts/attributes ;;
    ml1m_sasrec | ml1m_bert4rec | beauty_*) parts=parts/loo-full ;;
    demo | order | foreign_scores) parts=parts/loo-full ;;
    frappe_stacked | frappe_fused*) parts=parts/frappe-stacked ;;
    ctr_*) parts=parts/ctr ;;
    multi_task) parts=parts/labels ;;
    scifact_*) parts=parts/docs ;;
    homedepot*) parts=parts/products ;;
    seq_transformer | fused_three) parts=parts/events ;;
    frappe_*) parts=parts/frappe ;;
    *) parts=parts/kfold-random ;;
    esac
    ok "$name: settings" "$FUSOR" train "$file" --print-config
    shows 'global_batch: '
    ok "$name: graph" "$FUSOR" train "$file" --check \
        --set "data.prepared=$parts"
    shows 'stage 1: '
    n=$((n + 1))
done
[ $n -gt 0 ] || die "no job in $jobs"

# A tower, three of them, and the other ways to fuse these are trained, judged
# and asked.
sed 's|^fusion:.*|fusion: {type: concat, over: vectors, units: [64]}|' \
    "$jobs/fused_three.yaml" >fused_concat.yaml
sed 's|^fusion:.*|fusion: {type: attention, gate: {from: [seq.query]}}|' \
    "$jobs/fused_three.yaml" >fused_attention.yaml
for file in "$jobs/seq_transformer.yaml" "$jobs/fused_three.yaml" \
    fused_concat.yaml fused_attention.yaml; do
    name=$(basename "$file" .yaml)
    ok "$name: train" "$FUSOR" train "$file" --run-dir "$name" -q \
        --set data.prepared=parts/events --set "evaluate=[auc, hr@3]"
    shows 'hr@3'
    ok "$name: recommend" "$FUSOR" recommend "$name" --user 3 --top 2
done
n_ranks=$(mpirun --oversubscribe -n 2 true 2>/dev/null && echo 2 || echo 0)
if [ "$n_ranks" = 2 ]; then
    ok "two ranks" mpirun --oversubscribe -n 2 "$FUSOR" train \
        "$jobs/seq_transformer.yaml" --run-dir ranks -q \
        --set data.prepared=parts/events --set "evaluate=[auc, hr@3]"
    "$FUSOR" evaluate seq_transformer --split test >one.txt 2>/dev/null
    "$FUSOR" evaluate ranks --split test >two.txt 2>/dev/null
    cmp one.txt two.txt || die "two ranks judge otherwise than one"
fi

# What a misspelt key looks like, so that the above can fail.
sed 's/^fusion: {type/fusion: {tipe/' "$jobs/demo.yaml" >typo.yaml
fails 2 'has no type' "$FUSOR" train typo.yaml --check \
    --set data.prepared=parts/loo-full
sed 's/epochs/epoch/' "$jobs/demo.yaml" >typo.yaml
fails 2 'did you mean "epochs"' "$FUSOR" train typo.yaml --print-config
