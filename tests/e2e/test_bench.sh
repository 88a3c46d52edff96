# fusor bench: every benchmark runs with tiny sizes and gives sane JSON. How
# long anything takes is not looked at.
. "$(dirname "$0")/lib.sh"

# number NAME: the first number of that name in the last output.
number() {
    sed -n "s/.*\"$1\": *\\([-0-9.e+]*\\).*/\\1/p" "$work/out" | head -1
}

# positive NAME...
positive() {
    for name in "$@"; do
        awk -v x="$(number "$name")" 'BEGIN { exit !(x + 0 > 0) }' ||
            die "$name is \"$(number "$name")\", not above 0"
    done
}

few="--repeats 4 --warmup 1 --json"
ok "pull" "$FUSOR" bench pull --rows 500 --distinct 400 --width 3 $few
shows '"bench": "pull"'
shows '"transport": "shm"'
shows '"pull": {'
positive p50_s p99_s rows_per_s gb_per_s client_rss_bytes server_rss_bytes keys
near "rows" "$(number rows)" 500 0
if grep -q '"push"' "$work/out"; then die "pull shows push"; fi

ok "push to two servers" "$FUSOR" bench push --rows 50 --distinct 1k \
    --servers 2 --transport zmq --wire int8 $few
shows '"wire": "int8"'
shows '"transport": "zmq"'
shows '"push": {'
positive p50_s rows_per_s gb_per_s
near "servers" "$(number servers)" 2 0

ok "latency" "$FUSOR" bench latency --distinct 1k $few
shows '"pull": {'
shows '"push": {'
positive p50_s p99_s

ok "dense" "$FUSOR" bench dense --size 2M $few
shows '"push": {'
near "bytes" "$(number bytes)" 2000000 0
positive p50_s gb_per_s

ok "a table for people" "$FUSOR" bench pull --rows 10 --distinct 10 --repeats 3
shows "rows/s"

demo loo-given
job job.yaml loo-given 1
ok "rows" "$FUSOR" bench rows --rows 3k --width 5 --dtype bf16 --batch 1k \
    --optimizer rowwise_adagrad --repeats 3 --json
shows '"bench": "rows"'
near "rows" "$(number rows)" 3000 0
positive made_per_s found_per_s read_per_s applied_per_s index_bytes rss_bytes
ok "rows for people" "$FUSOR" bench rows --rows 10 --repeats 2
shows "10 rows x 16, f32, adagrad"
fails 2 "rows" "$FUSOR" bench rows --rows 0
ok "gemm" "$FUSOR" bench gemm --repeats 1 --json
shows '"form": "tn"'
positive own_gflops openblas_gflops ratio

ok "train" "$FUSOR" bench train job.yaml --epochs 1 --threads 1 --json
positive samples_per_s rss_bytes cpu_s_per_million

fails 2 'there is no "pul"' "$FUSOR" bench pul
fails 2 "rows" "$FUSOR" bench pull --rows 0
fails 2 "has no option --row" "$FUSOR" bench pull --row 5
ok "help of a part" "$FUSOR" bench pull --help
shows "CPU s/GB"
ok "help of a part by its name" "$FUSOR" help bench dense
shows "Usage: fusor bench dense"
