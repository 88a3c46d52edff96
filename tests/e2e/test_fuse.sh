#!/bin/sh
# The worked example of the mission: five goods, three models, four ways to fuse
# them. The numbers are those the formulas give, by an independent solver.
. "$(dirname "$0")/lib.sh"

table() { # FILE numbers of goods A to E
    file=$1
    shift
    for good in A B C D E; do
        printf '%s\t%s\n' $good "$1"
        shift
    done >"$file"
}

scores() { # wanted numbers of A to E, against column 2 of stdout
    i=0
    for want in "$@"; do
        i=$((i + 1))
        near "score $i" "$(sed -n "${i}p" out | cut -f2)" "$want" "$tolerance"
    done
}

weights() {
    i=0
    for want in "$@"; do
        i=$((i + 1))
        got=$(sed -n 's/.*"weight": *\([-0-9.eE]*\).*/\1/p' out |
            sed -n "${i}p")
        near "weight $i" "$got" "$want" "$tolerance"
    done
}

table 1.tsv .6 .3 .1 0 0
table 2.tsv 0 .9 0 0 .1
table 3.tsv 0 0 .8 .1 0
table y.tsv .8 .6 .4 .2 .1
files="--scores 1.tsv --scores 2.tsv --scores 3.tsv"

tolerance=1e-9
ok "weighted" "$FUSOR" fuse $files --method weighted --weights .3,.5,.2
scores .18 .54 .19 .02 .05
ok "its other name" "$FUSOR" fuse $files --method weights --weights .3,.5,.2
scores .18 .54 .19 .02 .05
ok "attention" "$FUSOR" fuse $files --method attention --weights .4,.5,.1
scores .24 .57 .12 .01 .05

tolerance=5e-5
ok "least squares" "$FUSOR" fuse $files --labels y.tsv --method least_squares
scores .7923 .6085 .4205 .0361 .0236
tolerance=5e-6
ok "its weights" "$FUSOR" fuse $files --labels y.tsv --method least_squares \
    --json
weights 1.32057 .23591 .36055
tolerance=5e-4
ok "simplex" "$FUSOR" fuse $files --labels y.tsv --method simplex --json
weights .933 .052 .015

ok "mean of z-scores" "$FUSOR" fuse $files --method mean --normalise zscore
fails 2 'needs --labels' "$FUSOR" fuse $files --method simplex
fails 2 'needs --weights' "$FUSOR" fuse $files --method weighted
fails 2 '2 numbers for 3 files' \
    "$FUSOR" fuse $files --method weighted --weights 1,2
sed '$d' 3.tsv >short.tsv
fails 3 'short.tsv' "$FUSOR" fuse --scores 1.tsv --scores short.tsv \
    --method mean
ok "drop what lacks a pair" "$FUSOR" fuse --scores 1.tsv --scores short.tsv \
    --method mean --missing drop_tower
tolerance=1e-9
scores .6 .3 .1 0 0
printf 'A\t1\nB\t1\nC\t0\nD\t0\nE\t0\n' >binary.tsv
ok "calibrated" "$FUSOR" fuse $files --labels binary.tsv --method mean \
    --calibrate platt
awk -F'\t' '{ exit !($2 > 0 && $2 < 1) }' out || die "no probability"

# A head is saved, read back, and does without a model that is missing.
ok "save" "$FUSOR" fuse $files --labels y.tsv --method simplex --save head.json
cp out fitted
ok "apply" "$FUSOR" fuse $files --apply head.json
cmp -s out fitted || die "the head gives other scores when read back"
fails 2 'joins 3 models' "$FUSOR" fuse --scores 1.tsv --apply head.json
fails 2 'remove --method' "$FUSOR" fuse $files --apply head.json --method mean
fails 2 'is for --select' "$FUSOR" fuse $files --method mean --folds 3
echo '{fusor_head: 1}' >broken.json
fails 2 'has no "weights"' "$FUSOR" fuse $files --apply broken.json
ok "save the mean" "$FUSOR" fuse $files --method mean --save mean.json
ok "apply without the third" "$FUSOR" fuse --scores 1.tsv --scores 2.tsv \
    --scores short.tsv --apply mean.json --missing drop_tower
near "renormalised" "$(sed -n 1p out | cut -f2)" .3 1e-9

# Three models with noise of their own; seeds of the first with nearly its
# noise, and seeds that are as good as other models.
awk 'function noise() { return rand() + rand() + rand() - 1.5 }
BEGIN { srand(4)
    for (u = 0; u < 200; u++) for (i = 0; i < 10; i++) {
        h = noise(); k = "u" u "\ti" i "\t"
        print k (h + 0.2 * noise() > 0.3) >(u < 150 ? "l.tsv" : "t.tsv")
        a = h + 0.75 * noise()
        print k a >"a.tsv"
        print k (10 * (h + noise())) >"b.tsv"
        print k (h + noise() + 5) >"c.tsv"
        print k (a + 0.02 * noise()) >"a2.tsv"
        print k (a + 0.02 * noise()) >"a3.tsv"
        print k (h + 0.3 * noise()) >"s2.tsv"
        print k (h + 0.3 * noise()) >"s3.tsv"
    } }' </dev/null
three="--scores a.tsv --scores b.tsv --scores c.tsv --labels l.tsv"
ok "select" "$FUSOR" fuse $three --select --test t.tsv --save best.json \
    --seeds-of a2.tsv --seeds-of a3.tsv
shows 'against best single'
shows 'the mean, on --test'
! grep -q 'ensemble gain only' out || die "seeds without new noise won"
ok "apply what was selected" "$FUSOR" fuse --scores a.tsv --scores b.tsv \
    --scores c.tsv --apply best.json -q
ok "good seeds" "$FUSOR" fuse $three --select --seeds-of s2.tsv \
    --seeds-of s3.tsv
shows 'ensemble gain only'
ok "as json" "$FUSOR" fuse $three --select --metric logloss --json
shows '"best_single"'
fails 3 'took no part' "$FUSOR" fuse $three --select --test l.tsv
fails 2 'take gauc or logloss' "$FUSOR" fuse $three --select --metric auc
fails 2 '--select needs --labels' "$FUSOR" fuse --scores a.tsv --select
