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
    struct bench_exchange e = {0};
    struct bench_options o;
    struct bench_exchange_config config;
    enum fusor_status rc;

    FUSOR_TRY(bench_options_read(a, &o, err));
    config = (struct bench_exchange_config){
        .n_ids = o.rows,
        .width = o.width,
        .distinct = o.distinct,
        .n_servers = (uint32_t)o.servers,
        .transport = (enum bench_transport)o.transport,
        .warmup = o.warmup,
        .repeats = o.repeats,
        .with_push = 1,
    };
    rc = bench_exchange_run(&config, &e, err);
    if (rc == FUSOR_OK)
        rc = bench_report(a, &e, 0, err);
    bench_exchange_clear(&e);
    return rc;
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
