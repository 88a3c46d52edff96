/* fusor bench dense: the weights of towers to servers and back. */
#include "cli/bench_report.h"
#include "cli/verb.h"

static const struct option_spec settings[] = {
    OPTION_SIZE(struct bench_options, size, "4M", 4, 4e9,
                "bytes of one dense block, rounded down to whole floats"),
    BENCH_SHARED_OPTIONS("50", "5"),
    OPTION_END,
};

static enum fusor_status run(struct args *a, struct fusor_error *err)
{
    return bench_run(a, BENCH_PULL | BENCH_PUSH, err);
}

const struct verb verb_bench_dense = {
    .name = "bench dense",
    .help = "dense values to servers and back",
    .synopsis = "[options]",
    .about = BENCH_ABOUT,
    .examples = "  fusor bench dense --size 40M --json\n",
    .args = {"bench dense", bench_args, settings, NULL, 0, 0},
    .run = run,
};
