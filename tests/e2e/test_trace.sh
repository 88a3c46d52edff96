# The profile of a run and its trace: in one process and under mpirun, also when
# a process dies. Every event stands in braces of its own; python3, where there
# is one, says whether the file is JSON.
. "$(dirname "$0")/lib.sh"

# events FILE : one event a line.
events() {
    sed 's/},{"name"/}\n{"name"/g' "$1"
}

# is_json FILE
is_json() {
    [ "$(head -c 1 "$1")" = "[" ] && tail -c 3 "$1" | grep -q ']' ||
        die "$1 is no list"
    if command -v python3 >/dev/null; then
        python3 -c 'import json, sys; json.load(open(sys.argv[1]))' "$1" ||
            die "$1 is no JSON"
    fi
}

# covers FILE THREAD : its named phases cover 95 % of its steps' time.
covers() {
    events "$1" | awk -v tid="\"pid\":2,\"tid\":$2," '
        BEGIN { n = 0 }
        function number(key,  s) {
            s = $0
            sub(".*\"" key "\":", "", s)
            return s + 0
        }
        index($0, tid) == 0 || !/"ph":"X"/ { next }
        /"cat":"step"/ {
            from[n] = number("ts"); to[n++] = number("ts") + number("dur")
        }
        /"cat":"phase"/ && !/"name":"other"/ {
            for (i = 0; i < n; i++) {
                a = number("ts"); b = a + number("dur")
                if (a < from[i]) a = from[i]
                if (b > to[i]) b = to[i]
                if (b > a) named += b - a
            }
        }
        END {
            for (i = 0; i < n; i++) all += to[i] - from[i]
            printf "%d steps, %.1f %% of their time named\n", n,
                all ? 100 * named / all : 0
            exit !(n > 0 && named >= 0.95 * all && named <= 1.001 * all)
        }' || die "$1: thread $2 is not covered"
}

demo loo-given
job job.yaml loo-given 2
ok "train in one process" "$FUSOR" train job.yaml --run-dir one --threads 2 \
    --trace one.json --trace-steps 4
says "time of the workers: "
is_json one.json
covers one.json 0
covers one.json 1
[ "$(events one.json | grep -c '"name":"step 4"')" = 2 ] || die "not 4 steps"
if grep -q '"name":"step 5"' one.json; then die "over 4 steps"; fi
grep -q '"name":"coordinator"' one.json || die "no coordinator"
grep -q '"name":"backward deep"' one.json || die "no tower"
grep -q '"profile":{' one/metrics.jsonl || die "no profile in metrics.jsonl"

ok "inspect" "$FUSOR" inspect one
shows "profile:"
shows "forward deep:"
ok "bench" "$FUSOR" bench train job.yaml --epochs 1 --threads 1
shows "us a step"
ok "quiet" "$FUSOR" train job.yaml --run-dir quiet -q
if grep -q "time of" err; then die "-q says something"; fi
[ ! -d quiet/trace ] || die "a trace that nobody wants"

fails 4 "none/x.json" "$FUSOR" train job.yaml -q --run-dir bad \
    --trace none/x.json
fails 2 "from 1 to 100000" "$FUSOR" train job.yaml --trace-steps 0
fails 2 "--trace is of one run" "$FUSOR" train job.yaml --seeds 2 --trace x

# ranks DIRECTORY OPTIONS... : two servers, two workers.
ranks() {
    dir=$1
    shift
    mpirun -n 4 --oversubscribe "$FUSOR" train job.yaml --servers 2 -q \
        --run-dir "$dir" "$@" </dev/null
}

ok "four ranks" ranks four --trace four.json --set cluster.staleness=1
is_json four.json
covers four.json 0
covers four.json 1
for name in "worker 1" "shard 0" "shard 1" coordinator apply send; do
    grep -q "\"name\":\"$name\"" four.json || die "no $name"
done
grep -q '"sent_bytes":[1-9]' four/metrics.jsonl || die "no bytes are counted"
grep -q '"servers":.*"profile":{' four/metrics.jsonl || die "no servers"

# A worker that is killed leaves the others' parts.
ranks dead --trace dead.json --set train.epochs=100000 >out 2>err &
launcher=$!
for try in $(seq 200); do
    if [ -s dead/metrics.jsonl ]; then break; fi
    sleep 0.1
done
for p in /proc/[0-9]*; do
    [ "$(readlink "$p/cwd" 2>/dev/null)" = "$work" ] || continue
    case $(tr '\0' ' ' <"$p/cmdline" 2>/dev/null) in
    *"role worker "*)
        kill -9 "${p#/proc/}"
        break
        ;;
    esac
done
code=0
wait "$launcher" || code=$?
[ "$code" != 0 ] || die "the worker that was to be killed was not found"
is_json dead.json
covers dead.json 0
for part in dead/trace/*.json; do is_json "$part"; done
