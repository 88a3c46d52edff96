/* fusor bench latency: round trips of small requests, pull and push */
#include "cli/bench_report.h"
#include "cli/verb.h"

static const struct option_spec settings[] = {
    BENCH_TABLE_OPTIONS("1"),
    BENCH_SHARED_OPTIONS("5k", "500"),
    OPTION_END,
};

static enum fusor_status run(struct args *a, struct fusor_error *err)
{
    return bench_run(a, BENCH_PULL | BENCH_PUSH, err);
}

const struct verb verb_bench_latency = {
    .name = "bench latency",
    .help = "round trips of small requests, pull and push",
    .synopsis = "[options]",
    .about = BENCH_ABOUT,
    .examples = "  fusor bench latency --repeats 20k\n",
    .args = {"bench latency", bench_args, settings, NULL, 0, 0},
    .run = run,
};
