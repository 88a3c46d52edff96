/* fusor bench pull: rows from servers: unsorted ids to values in the batch */
#include "cli/bench_report.h"
#include "cli/verb.h"

static const struct option_spec settings[] = {
    BENCH_TABLE_OPTIONS("100k"),
    BENCH_SHARED_OPTIONS("50", "5"),
    OPTION_END,
};

static enum fusor_status run(struct args *a, struct fusor_error *err)
{
    return bench_run(a, BENCH_PULL, err);
}

const struct verb verb_bench_pull = {
    .name = "bench pull",
    .help = "rows from servers: unsorted ids to values in the batch",
    .synopsis = "[options]",
    .about = BENCH_ABOUT,
    .examples = "  fusor bench pull --rows 100k --width 16 --json\n",
    .args = {"bench pull", bench_args, settings, NULL, 0, 0},
    .run = run,
};
