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
    struct bench_exchange e = {0};
    struct bench_options o;
    struct bench_exchange_config config;
    enum fusor_status rc;

    FUSOR_TRY(bench_options_read(a, &o, err));
    config = (struct bench_exchange_config){
        .n_dense = o.size / sizeof(float),
        .n_servers = (uint32_t)o.servers,
        .transport = (enum bench_transport)o.transport,
        .warmup = o.warmup,
        .repeats = o.repeats,
        .with_push = 1,
    };
    rc = bench_exchange_run(&config, &e, err);
    if (rc == FUSOR_OK)
        rc = bench_report(a, &e, 1, err);
    bench_exchange_clear(&e);
    return rc;
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
