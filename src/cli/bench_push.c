/* fusor bench push: gradients to servers: one an id, until they are applied */
#include "cli/bench_report.h"
#include "cli/verb.h"

static const struct option_spec settings[] = {
    BENCH_TABLE_OPTIONS("100k"),
    BENCH_SHARED_OPTIONS("50", "5"),
    OPTION_END,
};

static enum fusor_status run(struct args *a, struct fusor_error *err)
{
    return bench_run(a, BENCH_PUSH, err);
}

const struct verb verb_bench_push = {
    .name = "bench push",
    .help = "gradients to servers: one an id, until they are applied",
    .synopsis = "[options]",
    .about = BENCH_ABOUT,
    .examples = "  fusor bench push --rows 1k --distinct 10k\n",
    .args = {"bench push", bench_args, settings, NULL, 0, 0},
    .run = run,
};
