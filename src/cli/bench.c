/* fusor bench: the registry of benchmarks, one file each. */
#include "cli/verb.h"

static const struct verb *const parts[] = {
    &verb_bench_train, &verb_bench_pull, &verb_bench_push, &verb_bench_latency,
    &verb_bench_dense, &verb_bench_rows, &verb_bench_gemm, NULL,
};

const struct verb verb_bench = {
    .name = "bench",
    .help = "time training, products, rows, or messages to servers",
    .synopsis = "WHAT [options]    fusor bench WHAT --help",
    .examples = "  fusor bench train cluster/jobs/movie_mlp.yaml\n"
                "  fusor bench pull --rows 100k --width 16 --servers 2\n",
    .args = {"bench", NULL, NULL, "WHAT", 1, 1},
    .parts = parts,
};
