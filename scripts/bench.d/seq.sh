# shellcheck shell=bash disable=SC2034,SC2086,SC2154
# W3 and W4: models over the last 50 events. A sample is an event whose user has
# 50 earlier ones, with one other item; both are scored. As the peer takes them:
# the first nine tenths of the events train, of which both pass once over the
# same number; the first 20,000 samples of the rest are judged.
seq_events_of_peer() {
    "$python" "$peer" w3 --cache "$work" --dump "$events" >/dev/null
    mv "$events/events.csv" "$events/all.csv"
    sed -i '1s/_id//' "$events/items.csv" "$events/users.csv"
}

# Without the peer: users that stay in one of 250 groups of items.
seq_events_of_ours() {
    awk -v dir="$events" 'BEGIN {
        srand(1)
        print "user,item,neg,query,hour,device,time" >(dir "/all.csv")
        for (t = 0; t < 1200000; t++)
            printf "%d,%d,%d,%d,%d,%d,%d\n", t % 10000,
                1 + 200 * (t % 250) + int(200 * rand() ^ 2),
                1 + int(50000 * rand()), int(1000 * rand()), int(24 * rand()),
                int(4 * rand()), 1700000000 + t >(dir "/all.csv")
        print "item,category,brand" >(dir "/items.csv")
        for (i = 0; i <= 50000; i++)
            print i "," int(i / 1000) "," i % 500 >(dir "/items.csv")
        print "user,segment,age" >(dir "/users.csv")
        for (u = 0; u < 10000; u++)
            print u "," u % 10 "," u % 6 >(dir "/users.csv")
    }'
}

# All events as samples with their histories: of 580,000 that may train so many
# as are wanted, drawn at random.
seq_samples() {
    awk -F, -v OFS=, -v dir="$events" -v want="$train" 'BEGIN {
            srand(1)
            left = 580000
            for (f = 0; f < 2; f++)
                print "user,item,label,query,hour,device,time,history" >file(f)
        }
        NR == 1 { next }
        seen[$1]++ < 50 { past[$1] = past[$1] $2 " "; next }
        NR <= 1080001 && rand() * left-- < want {
            want--
            print $1, $2, 1, $4, $5, $6, $7, past[$1] >file(0)
        }
        NR > 1080001 && judged++ < 20000 {
            print $1, $2, 1, $4, $5, $6, $7, past[$1] >file(1)
            print $1, $3, 0, $4, $5, $6, $7, past[$1] >file(1)
        }
        {
            past[$1] = substr(past[$1], index(past[$1], " ") + 1) $2 " "
        }
        function file(test) { return dir (test ? "/test.csv" : "/train.csv") }
        ' "$events/all.csv"
}

seq_prepare() {
    [ ! -f "$data/schema.yaml" ] || return 0
    mkdir -p "$events"
    if [ $with_torch = 1 ]; then seq_events_of_peer; else seq_events_of_ours; fi
    seq_samples
    cat >"$events/schema.yaml" <<'END'
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
  history:  {type: sequence, vocab: item, max: 50}
END
    "$fusor" prepare "$events/train.csv" --test "$events/test.csv" \
        --schema "$events/schema.yaml" --protocol given -o "$data" --quiet
    rm -r "$events"
}

# seq_job NAME JOB [FUSION]: the histories stand in the rows.
seq_job() {
    sed "s|^data:.*|data: {prepared: $data}|
        s|^  history: .*|  history: {side: query, type: sequence, max: 50}|
        ${3:+s|^fusion:.*|fusion: $3|}" "cluster/jobs/$2.yaml" >"$work/$1.yaml"
}

# One epoch, judged.
seq_judge() { # name
    rm -rf "$work/run-$1"
    "$fusor" train "$work/$1.yaml" --run-dir "$work/run-$1" --quiet >/dev/null
    our_auc[$1]="AUC $(scaled "$("$fusor" evaluate "$work/run-$1" \
        --split test --metrics auc --json | value value)" 1 4)"
}

# seq_ours KIND NAME OPTION... : an event is two samples of ours.
seq_ours() {
    local kind=$1 name=$2 json
    shift 2
    json=$("$fusor" bench train "$work/$name.yaml" --epochs 1 "$@" --json)
    kernel=$(text blas_kernel <<<"$json")
    record "$kind" fusor "$(scaled "$(value samples_per_s <<<"$json")" 0.5 0)" \
        events/s "${our_auc[$name]}" \
        "staleness 0, batch 256, $(threads "$(value threads <<<"$json")"),\
 durability none, security none, $kernel" \
        "fusor bench train $name.yaml --epochs 1${*:+ $*}"
}

# seq_peer THREADS WORKLOAD [OPTION...] : at first as many samples as ours, for
# the AUC, which depends on the number of threads in its last digits only; then
# a few, for speed.
seq_peer() {
    local n=$1 json
    shift
    if [ $quick = 0 ] && [ -z "${peer_auc[$*]-}" ]; then
        json=$(torch "$@" --emb sparse --lr 4e-3 --threads 2 \
            --samples "$train") || return 0
        peer_auc[$*]="AUC $(value test_auc <<<"$json")"
    fi
    json=$(torch "$@" --emb sparse --lr 4e-3 --threads "$n" \
        --samples 20480) || return 0
    record peer "torch, $(threads "$n")" "$(value samples_per_s <<<"$json")" \
        events/s "${peer_auc[$*]:--}" "$(text blas <<<"$json")" \
        "torch_peer.py $* --emb sparse --lr 4e-3 --threads $n"
}

# seq_turn NAME TITLE WORKLOAD [OPTION...]
seq_turn() {
    local name=$1 n
    row=$2
    shift 2
    seq_ours fusor "$name" --threads 2
    seq_ours defaults "$name"
    [ $with_torch = 1 ] || return 0
    for n in 1 2; do
        [ $quick = 0 ] || [ $n = 2 ] || continue
        seq_peer $n "$@"
    done
}

seq_begin() { # part
    train=499968
    [ $quick = 0 ] || train=25600
    events=$work/events
    data=$work/seq-$train
    with_torch=1
    have_torch || with_torch=0
    begin "$1"
    seq_prepare
}

bench_w3() {
    local -A our_auc peer_auc
    local train events data
    seq_begin w3
    seq_job w3 seq_transformer
    seq_judge w3
    for _ in $(seq 1 "$repeats"); do
        seq_turn w3 "W3 transformer tower" w3
    done
}

bench_w4() {
    local -A our_auc peer_auc
    local train events data kinds="weighted concat attention" kind
    seq_begin w4
    seq_job w4-weighted fused_three
    seq_job w4-concat fused_three '{type: concat, over: vectors, units: [64]}'
    seq_job w4-attention fused_three \
        '{type: attention, over: logits, gate: {from: [seq.query]}}'
    [ $quick = 0 ] || kinds=weighted
    for kind in $kinds; do
        seq_judge "w4-$kind"
    done
    for _ in $(seq 1 "$repeats"); do
        for kind in $kinds; do
            case $kind in
            weighted) mode=softmax ;;
            concat) mode=concat ;;
            attention) mode=gate ;;
            esac
            seq_turn "w4-$kind" "W4 three towers, $kind" w4 --mode $mode
        done
    done
}
