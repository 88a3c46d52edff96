#!/bin/sh
# Seeds, folds, units, and the test between runs.
. "$(dirname "$0")/lib.sh"

demo kfold-random
job job.yaml kfold-random 1
sed -i 's|parts/kfold-random|parts/kfold-random, fold: 0|' job.yaml
ok "all folds" "$FUSOR" train job.yaml --folds all --run-dir runs/folds --json
[ "$(ls -d runs/folds/fold-* | wc -l)" = 5 ] || die "not five folds"
grep -q '"over": "folds"' runs/folds/summary.json || die "no summary"
# The mean of the five, as each fold's own result gives it.
mean=$(value runs/folds/summary.json mean)
own=$(for k in 0 1 2 3 4; do value runs/folds/fold-$k/result.json auc; done |
    awk '{ s += $1 } END { printf "%.12f", s / NR }')
near "mean auc over folds" "$mean" "$own" 1e-9
ok "two folds" "$FUSOR" train job.yaml --folds 1,3 --run-dir runs/some -q
[ -d runs/some/fold-3 ] && [ ! -d runs/some/fold-0 ] || die "other folds"
fails 2 'is no fold' "$FUSOR" train job.yaml --folds 5 -q

ok "three seeds" "$FUSOR" train job.yaml --seeds 3 --run-dir runs/seeds
shows 'sd'
[ -d runs/seeds/seed-3 ] || die "no third seed"
ok "one longer run" "$FUSOR" train job.yaml --run-dir runs/long -q \
    --set train.epochs=8

ok "compare" "$FUSOR" compare runs/seeds runs/long --json
[ "$(grep -c '"p_holm"' out)" = 1 ] || die "not one test (logloss)"
p=$(value out p)
awk -v p="$p" 'BEGIN { exit !(p < 0.05) }' ||
    die "eight epochs are not better than one: p = $p"
awk -v d="$(value out difference)" 'BEGIN { exit !(d < 0) }' ||
    die "logloss did not fall"

ok "units" "$FUSOR" evaluate runs/long --out long.units
ok "the same against itself" "$FUSOR" compare long.units runs/long \
    --metrics logloss --json
near "difference to itself" "$(value out difference)" 0 1e-12
ok "folds against themselves" "$FUSOR" compare runs/folds runs/folds
sed 's/^# split test/# split valid/' long.units >valid.units
fails 2 'were judged differently' "$FUSOR" compare long.units valid.units
head -100 long.units >short.units
fails 2 'did not judge the same' "$FUSOR" compare long.units short.units
