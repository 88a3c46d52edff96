/* Trains folds or seeds, several at once, each in a run directory inside one
 * for all. */
#include "cli/repeat.h"

#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/cpu.h"
#include "base/mem.h"
#include "cli/args.h"
#include "cli/output.h"
#include "cli/parallel.h"
#include "data/schema.h"
#include "job/job.h"

static enum fusor_status count_folds(struct yaml *job, uint32_t *out,
                                     struct fusor_error *err)
{
    struct yaml_node *dir = yaml_path(yaml_root(job), "data.prepared");
    struct schema *s = mem_alloc(1, sizeof(*s));
    const char *path = "";
    enum fusor_status rc = FUSOR_OK;

    if (!s)
        return mem_fail(err, "schema", sizeof(*s));
    if (!dir)
        rc = fusor_fail(err, FUSOR_EUSAGE,
                        "--folds: the job names no data.prepared");
    else
        rc = yaml_to_text(dir, &path, err);
    if (rc == FUSOR_OK)
        rc = schema_read(path, s, err);
    if (rc == FUSOR_OK && s->n_folds == 0)
        rc = fusor_fail(err, FUSOR_EUSAGE,
                        "--folds: %s has protocol %s, without folds; prepare "
                        "it with kfold-random or kfold-official",
                        path, s->protocol);
    *out = s->n_folds;
    mem_free(s);
    return rc;
}

enum fusor_status repeat_folds(struct yaml *job, const char *text,
                               struct repeat *out, struct fusor_error *err)
{
    const char *names[SUMMARY_MAX];
    uint32_t n_folds = 0;
    char *copy;
    enum fusor_status rc;

    *out = (struct repeat){.over = SUMMARY_FOLDS};
    FUSOR_TRY(count_folds(job, &n_folds, err));
    if (strcmp(text, "all") == 0) {
        for (out->n = 0; out->n < n_folds; out->n++)
            out->numbers[out->n] = out->n;
        return FUSOR_OK;
    }
    rc = args_split(text, "folds", &copy, names, SUMMARY_MAX, &out->n, err);
    for (size_t i = 0; rc == FUSOR_OK && i < out->n; i++)
        if (str_to_u64(names[i], &out->numbers[i]) ||
            out->numbers[i] >= n_folds)
            rc = fusor_fail(err, FUSOR_EUSAGE,
                            "--folds: \"%s\" is no fold; there are 0 to %u, or "
                            "write all",
                            names[i], n_folds - 1);
    mem_free(copy);
    return rc;
}

enum fusor_status repeat_seeds(struct yaml *job, int64_t n, struct repeat *out,
                               struct fusor_error *err)
{
    struct yaml_node *node = yaml_path(yaml_root(job), "train.seed");
    uint64_t first = 1;

    *out = (struct repeat){.over = SUMMARY_SEEDS, .n = (size_t)n};
    if (node)
        FUSOR_TRY(yaml_to_size(node, &first, err));
    for (size_t i = 0; i < out->n; i++)
        out->numbers[i] = first + i;
    return FUSOR_OK;
}

static void fresh_path(const char *name, const char *kind,
                       char out[FS_PATH_MAX])
{
    time_t now = time(NULL);
    struct tm tm;
    char stamp[32];

    localtime_r(&now, &tm);
    strftime(stamp, sizeof(stamp), "%Y%m%d-%H%M%S", &tm);
    snprintf(out, FS_PATH_MAX, "runs/%s-%s-%s-%04x", name ? name : "job", kind,
             stamp, (unsigned)getpid() & 0xffff);
}

static void say_one(const struct repeat *r, const struct summary *s,
                    double seconds)
{
    struct strbuf text = {0};

    for (size_t i = 0; i < s->n_values; i++)
        strbuf_addf(&text, "  %s %s %.5f", s->values[i].split,
                    s->values[i].name, s->values[i].values[s->n - 1]);
    output_say("%s %llu (%zu of %zu):%s  %.1f s",
               r->over == SUMMARY_FOLDS ? "fold" : "seed",
               (unsigned long long)r->numbers[s->n - 1], s->n, r->n,
               text.s ? text.s : "", seconds);
    strbuf_clear(&text);
}

/* What the runs share, for parallel.h. */
struct repeat_run {
    const struct repeat *r;
    struct yaml *job;
    const struct job_options *options;
    const char *base;
    int64_t threads; // of each run; 0: as the job says
    int argc;
    char **argv;
    struct summary *out;
    double started;
};

static void run_name(const struct repeat *r, size_t i, char out[32])
{
    snprintf(out, 32, "%s-%llu", r->over == SUMMARY_FOLDS ? "fold" : "seed",
             (unsigned long long)r->numbers[i]);
}

static enum fusor_status run_one(void *context, size_t i,
                                 struct fusor_error *err)
{
    struct repeat_run *run = context;
    int folds = run->r->over == SUMMARY_FOLDS;
    char number[24], name[32], dir[FS_PATH_MAX];
    struct job_options mine;

    run_name(run->r, i, name);
    snprintf(number, sizeof(number), "%llu",
             (unsigned long long)run->r->numbers[i]);
    FUSOR_TRY(yaml_set(run->job, folds ? "data.fold" : "train.seed", number,
                       folds ? "--folds" : "--seeds", err));
    FUSOR_TRY(job_options_read(run->job, &mine, err));
    mine.name = run->options->name;
    mine.run_dir = fs_join(dir, run->base, name);
    mine.quiet = 1; // one line a run is enough
    if (run->threads)
        mine.cluster.threads = run->threads;
    return fusor_wrap(
        err, job_train(run->job, &mine, run->argc, run->argv, err), "%s", name);
}

static enum fusor_status one_done(void *context, size_t i, double seconds,
                                  struct fusor_error *err)
{
    struct repeat_run *run = context;
    char name[32];

    run_name(run->r, i, name);
    FUSOR_TRY(summary_add(run->out, run->base, name, err));
    run->out->seconds = clock_seconds() - run->started;
    FUSOR_TRY(summary_write(run->out, run->base, err));
    if (!run->options->quiet)
        say_one(run->r, run->out, seconds);
    return FUSOR_OK;
}

/* Runs that share nothing use cores better side by side than one after the
 * other with all threads: as many at once as there are cores for. */
static unsigned choose_at_once(struct repeat_run *run)
{
    unsigned cores = (unsigned)cpu_count();
    unsigned threads = (unsigned)run->options->cluster.threads;

    if (threads)
        return cores / threads ? cores / threads : 1;
    if (run->r->n >= cores) {
        run->threads = 1;
        return cores;
    }
    run->threads = cores / (unsigned)run->r->n;
    return (unsigned)run->r->n;
}

enum fusor_status repeat_train(const struct repeat *r, struct yaml *job,
                               const struct job_options *options, int argc,
                               char **argv, struct summary *out,
                               struct fusor_error *err)
{
    char base[FS_PATH_MAX];
    struct repeat_run run = {.r = r,
                             .job = job,
                             .options = options,
                             .base = base,
                             .argc = argc,
                             .argv = argv,
                             .out = out,
                             .started = clock_seconds()};
    struct parallel tasks = {
        .n = r->n, .context = &run, .run = run_one, .done = one_done};

    memset(out, 0, sizeof(*out));
    out->over = r->over;
    if (options->run_dir)
        fs_join(base, "", options->run_dir);
    else
        fresh_path(options->name, r->over == SUMMARY_FOLDS ? "folds" : "seeds",
                   base);
    FUSOR_TRY(fs_mkdirs(base, err));
    snprintf(options->made, FS_PATH_MAX, "%s", base);
    tasks.at_once = choose_at_once(&run);
    return parallel_run(&tasks, err);
}
