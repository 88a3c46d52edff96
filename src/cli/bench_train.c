/* fusor bench train: how fast a job trains in this process, without evaluation
 * and saving. */
#include <stdio.h>
#include <sys/resource.h>

#include "base/clock.h"
#include "base/cpu.h"
#include "base/mem.h"
#include "cli/bench_report.h"
#include "cli/config.h"
#include "cli/output.h"
#include "cli/verb.h"
#include "store/local.h"
#include "tensor/blas.h"
#include "train/course.h"
#include "train/phases.h"
#include "train/result.h"

#define EPOCHS_MAX 1000

static const struct arg_spec specs[] = {
    {"epochs", 0, "N", "how many to time after the first one (default 5)"},
    {"threads", 't', "N", "compute threads (default: all processors)"},
    {"set", 0, "A.B=V", "override a setting of the job"},
    {"json", 0, NULL, "as JSON on stdout"},
    ARG_END,
};

struct bench {
    struct yaml *job;
    struct workload *workload;
    struct param_store *store;
    struct trainer *trainer;
    unsigned n_threads;
    size_t n;                     // epochs timed
    double rate[EPOCHS_MAX];      // samples/s of each
    double loss;                  // mean of the last epoch
    struct profile_total profile; // of the epochs timed
    double waiting;               // share of the last epoch's thread time
    uint64_t samples;             // of one epoch
    double cpu;                   // seconds, of the epochs timed
    struct plan plan;
};

static void on_failure(void *context, const struct fusor_error *why)
{
    local_store_break(((struct bench *)context)->store, why->text);
}

static enum fusor_status open_parts(struct bench *b, int64_t threads,
                                    struct fusor_error *err)
{
    struct local_store_config store = {.huge = 1};
    struct trainer_config trainer = {.on_failure = on_failure, .context = b};

    FUSOR_TRY(workload_create(b->job, &b->workload, err));
    FUSOR_TRY(workload_plan(b->workload, 0, &b->plan, err));
    b->n_threads = course_useful_threads(
        b->workload, threads ? (unsigned)threads : (unsigned)cpu_count());
    store.params = b->workload->params;
    store.table_optim = b->workload->table_optim;
    store.block_optim = b->workload->block_optim;
    FUSOR_TRY(local_store_create(&store, b->n_threads, &b->store, err));
    trainer.workload = b->workload;
    trainer.store = b->store;
    trainer.n_threads = trainer.n_workers = b->n_threads;
    return trainer_create(&trainer, &b->trainer, err);
}

static enum fusor_status one_epoch(struct bench *b, struct command *c,
                                   double *seconds, struct fusor_error *err)
{
    struct strbuf bytes = {0};
    struct epoch_result r = {0};
    double started = clock_seconds();
    enum fusor_status rc;

    FUSOR_TRY(local_store_set_epoch(b->store, c->clock, c->epoch, c->n_units, 1,
                                    err));
    rc = trainer_run(b->trainer, c, &bytes, err);
    *seconds = clock_seconds() - started;
    if (rc == FUSOR_OK)
        rc = epoch_result_decode(bytes.s, bytes.len, &r, err);
    strbuf_clear(&bytes);
    if (rc != FUSOR_OK)
        return rc;
    c->epoch++;
    c->clock += c->n_units;
    c->samples_done += r.samples;
    b->samples = r.samples;
    profile_total_add(&b->profile, &r.profile);
    if (r.samples)
        b->loss = (double)r.loss / RESULT_LOSS_ONE / (double)r.samples;
    if (r.busy_ns + r.wait_ns)
        b->waiting = (double)r.wait_ns / (double)(r.busy_ns + r.wait_ns);
    return FUSOR_OK;
}

static double cpu_seconds(void)
{
    struct rusage u;

    getrusage(RUSAGE_SELF, &u);
    return (double)(u.ru_utime.tv_sec + u.ru_stime.tv_sec) +
           1e-6 * (double)(u.ru_utime.tv_usec + u.ru_stime.tv_usec);
}

static uint64_t rss_bytes(void)
{
    struct rusage u;

    getrusage(RUSAGE_SELF, &u);
    return (uint64_t)u.ru_maxrss * 1024;
}

/* The first epoch makes the rows and warms the caches; it is not counted. */
static enum fusor_status time_epochs(struct bench *b, size_t n,
                                     struct fusor_error *err)
{
    struct command c = {.kind = COMMAND_EPOCH,
                        .n_units = plan_units(&b->plan),
                        .n_workers = b->n_threads,
                        .lr_factor = 1};
    double seconds;

    /* What the first stage does not train is not touched, as in a real run. */
    local_store_set_frozen(b->store, workload_frozen_blocks(b->workload, 0));
    local_store_set_frozen_tables(b->store,
                                  workload_frozen_tables(b->workload, 0));
    FUSOR_TRY(one_epoch(b, &c, &seconds, err));
    b->profile = (struct profile_total){0};
    b->cpu = -cpu_seconds();
    while (b->n < n) {
        FUSOR_TRY(one_epoch(b, &c, &seconds, err));
        b->rate[b->n++] = (double)b->samples / seconds;
    }
    b->cpu += cpu_seconds();
    return FUSOR_OK;
}

static enum fusor_status print(struct bench *b, int as_json,
                               struct fusor_error *err)
{
    char rss[16];
    double median;
    struct strbuf text = {0};
    struct json j = {.pretty = 1};

    bench_sort(b->rate, b->n);
    median = bench_quantile(b->rate, b->n, 0.5);
    if (!as_json) {
        strbuf_addf(&text,
                    "%.0f samples/s, median of %zu epochs (%.0f to %.0f); %u "
                    "threads, batch %u, %llu samples an epoch, %s kernels, "
                    "loss %.5f, RSS %s\n",
                    median, b->n, b->rate[0], b->rate[b->n - 1], b->n_threads,
                    b->plan.global_batch, (unsigned long long)b->samples,
                    blas_kernel_name(), b->loss,
                    str_bytes((double)rss_bytes(), rss));
        phases_table(b->workload, &b->profile, &text);
        return output_text(&text, err);
    }
    json_begin_object(&j, NULL);
    json_number(&j, "samples_per_s", median);
    json_number(&j, "slowest", b->rate[0]);
    json_number(&j, "fastest", b->rate[b->n - 1]);
    json_uint(&j, "epochs", b->n);
    json_uint(&j, "samples", b->samples);
    json_uint(&j, "threads", b->n_threads);
    json_uint(&j, "global_batch", b->plan.global_batch);
    json_uint(&j, "micro_batches", b->plan.micro_batches);
    json_string(&j, "blas_kernel", blas_kernel_name());
    json_string(&j, "vector_level", cpu_level_name(cpu_level()));
    json_number(&j, "cpu_s_per_million",
                1e6 * b->cpu / (double)(b->samples * b->n));
    json_uint(&j, "rss_bytes", rss_bytes());
    json_number(&j, "waiting", b->waiting);
    phases_counts_json(&j, b->workload, &b->profile);
    json_number(&j, "loss", b->loss);
    json_end_object(&j);
    return output_json(&j, err);
}

static enum fusor_status bench(struct bench *b, const struct args *a,
                               struct fusor_error *err)
{
    int64_t epochs = 5, threads = 0;
    const char *set;

    FUSOR_TRY(args_integer(a, "epochs", 1, EPOCHS_MAX, &epochs, err));
    FUSOR_TRY(args_integer(a, "threads", 1, LOCAL_WORKERS_MAX, &threads, err));
    FUSOR_TRY(config_read(a->rest[0], &b->job, err));
    for (size_t i = 0; (set = args_nth(a, "set", i)) != NULL; i++)
        FUSOR_TRY(config_set(b->job, set, err));
    FUSOR_TRY(open_parts(b, threads, err));
    FUSOR_TRY(time_epochs(b, (size_t)epochs, err));
    return print(b, args_flag(a, "json"), err);
}

static enum fusor_status run(struct args *a, struct fusor_error *err)
{
    struct bench *b;
    enum fusor_status rc;

    b = mem_alloc(1, sizeof(*b));
    if (!b)
        return mem_fail(err, "bench", sizeof(*b));
    rc = bench(b, a, err);
    trainer_destroy(b->trainer);
    if (b->store)
        b->store->ops->destroy(b->store);
    workload_destroy(b->workload);
    yaml_destroy(b->job);
    mem_free(b);
    return rc;
}

const struct verb verb_bench_train = {
    .name = "bench train",
    .help = "samples/s of a job's first stage in this process",
    .synopsis = "JOB [options]",
    .about = "The first epoch is not counted: it makes the rows. RSS is the "
             "most memory the\nprocess had; CPU seconds are of all its "
             "threads, for a million samples, during\nthe epochs that are "
             "counted. The table says what the threads' time went into,\nthe "
             "same epochs long.\n",
    .examples = "  fusor bench train cluster/jobs/movie_mlp.yaml --json\n",
    .args = {"bench train", specs, NULL, "JOB", 1, 1},
    .run = run,
};
