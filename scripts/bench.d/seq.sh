# shellcheck shell=bash disable=SC2034,SC2086,SC2154
# W3 and W4: models over the last 50 events. A sample is an event with one other
# item, scored both. The peer takes events with 50 earlier ones only; ours takes
# all, so its rate counts histories of 50: times the mean history over 50.

# The peer's events: the first nine tenths train, of the rest each user's first
# is judged, whose history is the same for both.
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

seq_prepare() {
    [ ! -f "$work/seq/schema.yaml" ] || return 0
    mkdir -p "$events"
    if [ $with_torch = 1 ]; then seq_events_of_peer; else seq_events_of_ours; fi
    awk -F, -v OFS=, -v dir="$events" 'NR == 1 {
            for (f = 0; f < 2; f++)
                print "user,item,label,query,hour,device,time" >file(f)
        }
        NR > 1 && NR <= 1080001 { print $1, $2, 1, $4, $5, $6, $7 >file(0) }
        NR > 1080001 && !judged[$1]++ {
            print $1, $2, 1, $4, $5, $6, $7 >file(1)
            print $1, $3, 0, $4, $5, $6, $7 >file(1)
        }
        function file(test) { return dir (test ? "/test.csv" : "/train.csv") }
        ' "$events/all.csv"
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
END
    "$fusor" prepare "$events/train.csv" --test "$events/test.csv" \
        --schema "$events/schema.yaml" --protocol given -o "$work/seq" --quiet
}

# The mean history of the train rows over 50.
seq_share() {
    awk -F, 'NR > 1 {
            n = seen[$1]++
            sum += n < 50 ? n : 50
        }
        END { printf "%.4f", sum / (NR - 1) / 50 }' "$events/train.csv"
}

# seq_job NAME JOB [FUSION]
seq_job() {
    sed "s|^data:.*|data: {prepared: $work/seq}|
        ${3:+s|^fusion:.*|fusion: $3|}" "cluster/jobs/$2.yaml" >"$work/$1.yaml"
}

# One epoch, judged.
seq_judge() { # name
    rm -rf "$work/run-$1"
    "$fusor" train "$work/$1.yaml" --run-dir "$work/run-$1" --quiet >/dev/null
    our_auc[$1]="AUC $(scaled "$("$fusor" evaluate "$work/run-$1" \
        --split test --metrics auc --json | value value)" 1 4)"
}

# seq_ours KIND NAME OPTION...
seq_ours() {
    local kind=$1 name=$2 json
    shift 2
    json=$("$fusor" bench train "$work/$name.yaml" --epochs 1 "$@" --json)
    kernel=$(text blas_kernel <<<"$json")
    record "$kind" fusor "$(scaled "$(value samples_per_s <<<"$json")" \
        "$share" 0)" samples/s "${our_auc[$name]}" \
        "staleness 0, batch 256, $(threads "$(value threads <<<"$json")"),\
 durability none, security none, $kernel; histories of 50" \
        "fusor bench train $name.yaml --epochs 1 $*"
}

# seq_peer THREADS WORKLOAD [OPTION...] : the first time over half a million
# samples, for its AUC; then a few, for speed.
seq_peer() {
    local n=$1 json samples=500000 key=$*
    shift
    if [ -n "${peer_auc[$key]-}" ] || [ $quick = 1 ]; then samples=20480; fi
    json=$(torch "$@" --emb sparse --threads "$n" --samples $samples) ||
        return 0
    [ $quick = 1 ] ||
        peer_auc[$key]=${peer_auc[$key]:-AUC $(value test_auc <<<"$json")}
    record peer "torch, $(threads "$n")" "$(value samples_per_s <<<"$json")" \
        samples/s "${peer_auc[$key]:--}" "$(text blas <<<"$json")" \
        "torch_peer.py $* --emb sparse --threads $n"
}

# seq_turn NAME TITLE WORKLOAD [OPTION...]
seq_turn() {
    local name=$1 title=$2 n
    shift 2
    for n in 1 2; do
        [ $quick = 0 ] || [ $n = 1 ] || continue
        row="$title, $(threads $n)"
        seq_ours fusor "$name" --threads $n
        [ $n -gt 1 ] || seq_ours defaults "$name"
        [ $with_torch = 0 ] || seq_peer $n "$@"
    done
}

seq_begin() { # part
    events=$work/events
    with_torch=1
    have_torch || with_torch=0
    begin "$1"
    seq_prepare
    share=$(seq_share)
}

bench_w3() {
    local -A our_auc peer_auc
    local share events
    seq_begin w3
    seq_job w3 seq_transformer
    seq_judge w3
    for _ in $(seq 1 "$repeats"); do
        seq_turn w3 "W3 transformer tower" w3
    done
}

bench_w4() {
    local -A our_auc peer_auc
    local share events kinds="weighted concat attention" kind
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
