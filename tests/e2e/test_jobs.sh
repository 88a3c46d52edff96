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

n=0
for file in "$jobs"/*.yaml; do
    name=$(basename "$file" .yaml)
    case $name in
    ml1m_ease | ml1m_ials | ml1m_itemknn) parts=parts/loo-full ;;
    ml1m_fused | ml1m_fused_copies) parts=parts/loo-full ;;
    ml1m_sasrec | ml1m_bert4rec | beauty_*) parts=parts/loo-full ;;
    demo | order) parts=parts/loo-full ;;
    frappe_stacked | frappe_fused*) parts=parts/frappe-stacked ;;
    ctr_*) parts=parts/ctr ;;
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

# What a misspelt key looks like, so that the above can fail.
sed 's/^fusion: {type/fusion: {tipe/' "$jobs/demo.yaml" >typo.yaml
fails 2 'has no type' "$FUSOR" train typo.yaml --check \
    --set data.prepared=parts/loo-full
sed 's/epochs/epoch/' "$jobs/demo.yaml" >typo.yaml
fails 2 'did you mean "epochs"' "$FUSOR" train typo.yaml --print-config
