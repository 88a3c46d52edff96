# shellcheck shell=bash disable=SC2034,SC2086,SC2154
# Messages between one worker and one server, beside ps-lite and bare ZeroMQ:
# all three over TCP on loopback, and with defaults through shared memory.

ps_terms="staleness 0, 1 server process, 1 compute thread, durability none,\
 security none"

# ps-lite's sources stay where they are; what is built goes to $work/pslite.
ps_build_pslite() {
    local built=$work/pslite src=${PSLITE_DIR-}
    if [ -z "$src" ] || [ ! -f "$src/include/ps/ps.h" ]; then
        say "no ps-lite (set PSLITE_DIR to its sources): it is left out"
        return 1
    fi
    mkdir -p "$built"
    if ! { protoc --cpp_out="$built" --proto_path="$src/src" \
        "$src/src/meta.proto" &&
        g++ -O3 -march=native -std=c++14 -w -I"$src/include" -I"$src/src" \
            -I"$built" "$src/src/customer.cc" "$src/src/postoffice.cc" \
            "$src/src/van.cc" "$built/meta.pb.cc" "$parts/pslite_driver.cc" \
            -o "$built/driver" -lprotobuf -lzmq -pthread; } \
        >"$built/build.log" 2>&1; then
        say "ps-lite does not build: $(tail -n 1 "$built/build.log")"
        return 1
    fi
}

ps_build_pingpong() {
    cc -O2 -std=c17 -D_XOPEN_SOURCE=700 "$parts/zmq_pingpong.c" \
        -o "$work/zmq_pingpong" -lzmq 2>"$work/pingpong.log" && return 0
    say "no bare ZeroMQ: $(tail -n 1 "$work/pingpong.log")"
    return 1
}

# A row of the table is one phase of one benchmark:
#
#     name|bench|phase|options|arguments of ps-lite's|bytes out, back|unit
#
# A key is 8 bytes, a row 64; of 100,000 ids drawn from a million 95,163 are
# distinct. Latencies have a second row, the 99th percentile.
ps_rows() {
    local few=$1
    cat <<END
100,000 rows x 16, pull|pull|pull|--rows 100k --repeats $few|pull 100000 16 1000000 $few 5|761304 6090432 $few|ms
100,000 rows x 16, push|push|push|--rows 100k --repeats $few|push 100000 16 1000000 $few 5|6851736 8 $few|ms
1,000 rows x 16, pull|pull|pull|--rows 1k --repeats ${few}0|pull 1000 16 1000000 ${few}0 50|8000 64000 ${few}0|us
1,000 rows x 16, push|push|push|--rows 1k --repeats ${few}0|push 1000 16 1000000 ${few}0 50|72000 8 ${few}0|us
1 row, round trip|latency|pull|--repeats ${few}00|latency 1 16 1000000 ${few}00 500|8 64 ${few}00|us
dense push 4 MB|dense|push|--size 4M --repeats $few|dense 4000000 0 0 $few 5|4000000 8 $few|GB/s
dense push 40 MB|dense|push|--size 40M --repeats $few|dense 40000000 0 0 $few 5|40000000 8 $few|GB/s
END
}

# phase NAME : that object of JSON on standard input.
phase() {
    tr -d '\n' | sed -n "s/.*\"$1\": *\\({[^}]*}\\).*/\\1/p"
}

# in_unit SECONDS UNIT BYTES
in_unit() {
    case $2 in
    ms) scaled "$1" 1e3 3 ;;
    us) scaled "$1" 1e6 1 ;;
    GB/s) awk -v s="$1" -v b="$3" 'BEGIN { printf "%.3f", 1e-9 * b / s }' ;;
    esac
}

# ps_record KIND WHO JSON-OF-PHASE COMMAND
ps_record() {
    local p50 p99 name=$row
    p50=$(value p50_s <<<"$3")
    p99=$(value p99_s <<<"$3")
    [ -n "$p50" ] || { say "$2 gave no result"; return 0; }
    [ "$bench" != latency ] || row="$name, p50"
    record "$1" "$2" "$(in_unit "$p50" "$unit" "$bytes")" "$unit" - \
        "$ps_terms" "$4"
    if [ "$bench" = latency ]; then
        row="$name, p99"
        record "$1" "$2" "$(in_unit "$p99" "$unit" "$bytes")" "$unit" - \
            "$ps_terms" "$4"
    fi
    row=$name
}

ps_ours() { # kind, options
    local json
    json=$("$fusor" bench "$bench" $2 --json)
    ps_record "$1" fusor "$(phase "$phase" <<<"$json")" "fusor bench $bench $2"
}

# A start of ps-lite may hang (seen in 6 % of runs): it gets a second chance.
ps_pslite() { # arguments
    local json
    json=$(timeout 60 "$work/pslite/driver" $1 2>/dev/null) ||
        json=$(timeout 60 "$work/pslite/driver" $1 2>/dev/null) || json=
    ps_record peer ps-lite "$(phase "$phase" <<<"$json")" "pslite_driver $1"
}

ps_limit() { # bytes out, bytes back, repeats
    ps_record limit "bare ZeroMQ" "$("$work/zmq_pingpong" $1 5)" \
        "zmq_pingpong $1 5"
}

bench_ps() {
    local few=50 with_pslite=1 with_limit=1
    local bench phase options theirs limit unit bytes
    [ $quick = 0 ] || few=5
    ps_build_pslite || with_pslite=0
    ps_build_pingpong || with_limit=0
    begin ps
    for _ in $(seq 1 "$repeats"); do
        while IFS='|' read -r row bench phase options theirs limit unit; do
            bytes=${limit%% *}
            ps_ours fusor "$options --transport zmq" </dev/null
            ps_ours defaults "$options" </dev/null
            [ $with_pslite = 0 ] || ps_pslite "$theirs" </dev/null
            [ $with_limit = 0 ] || ps_limit "$limit" </dev/null
        done < <(ps_rows $few)
    done
}
