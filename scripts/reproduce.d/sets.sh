# shellcheck shell=bash disable=SC2034,SC2154
# The data sets: which raw files each needs, how it is prepared, and what is
# said to a job besides.
#   set_NAME : sets needs (files below the data folder), prepare (words of
#              fusor prepare), also (words of fusor train) and protocol (a line)

# Test rows are those of valid.libfm: the published test rows are not there.
# A tenth of the train rows says when to stop.
set_frappe() {
    needs="frappe/train.libfm frappe/valid.libfm frappe/fields.tsv"
    prepare=("$data/frappe/train.libfm" --test "$data/frappe/valid.libfm"
        --fields "$data/frappe/fields.tsv" --protocol given)
    also=(--set data.valid=10%)
    protocol="given: train.libfm less a tenth to stop on, judged on valid.libfm"
}

# The same with all train rows: the job says how long it trains.
set_frappe_all() {
    set_frappe
    also=()
    protocol="given: all of train.libfm, judged on valid.libfm"
}

set_ml100k() {
    needs="ml-100k/u.data ml-100k/u1.base"
    prepare=("$data/ml-100k" --protocol kfold-official)
    also=()
    protocol="kfold-official: five folds"
}

set_ml1m() {
    needs="ml-1m/ratings.dat ml-1m/movies.dat"
    prepare=("$data/ml-1m" --protocol kfold-random)
    also=()
    protocol="kfold-random: five folds"
}

set_ml1m_loo() {
    needs="ml-1m/sequences.txt"
    prepare=("$data/ml-1m/sequences.txt" --format sasrec --protocol loo-given
        --validation=false)
    also=()
    protocol="loo-given: the last event there is of each user among 99 drawn items"
}

# The event before the last is for validation.
set_ml1m_loo_valid() {
    set_ml1m_loo
    prepare=("${prepare[@]:0:5}")
}

set_ml1m_seq() {
    needs="ml-1m/sequences.txt"
    prepare=("$data/ml-1m/sequences.txt" --format sasrec --protocol loo-full)
    also=()
    protocol="loo-full: the last event there is of each user among all unseen items"
}

set_beauty() {
    needs="sequences/Beauty.txt"
    prepare=("$data/sequences/Beauty.txt" --format s3rec --protocol loo-full)
    also=()
    protocol="loo-full: the last event there is of each user among all unseen items"
}

# The published test queries are not there: train queries judge.
set_scifact() {
    needs="scifact/corpus.jsonl scifact/queries.jsonl scifact/qrels"
    prepare=("$data/scifact" --protocol qrels --train-share .4 --valid-share 0)
    also=()
    protocol="qrels: six of ten judged queries, each among all documents"
}

set_homedepot() {
    needs="homedepot/train.csv"
    mkdir -p "$work/parts"
    cat >"$work/homedepot.schema.yaml" <<'END'
label: {column: relevance, range: [1, 3]}
fields:
  query:      {side: query, type: categorical, column: search_term}
  words:      {side: query, type: text, column: search_term, stem: english,
               vocab: words}
  runs:       {side: query, type: text, column: search_term, ngram: 3,
               vocab: runs}
  product:    {side: item, type: categorical, column: product_uid}
  title:      {side: item, type: text, column: product_title, stem: english,
               vocab: words}
  title_runs: {side: item, type: text, column: product_title, ngram: 3,
               vocab: runs}
END
    prepare=("$data/homedepot/train.csv" --schema "$work/homedepot.schema.yaml"
        --protocol user-split --train-share .7 --valid-share .1)
    also=()
    protocol="user-split: queries that no train row has"
}
