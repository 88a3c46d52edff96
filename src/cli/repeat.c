/* Trains folds or seeds one after the other, each in a run directory inside one
 * for all. */
#include "cli/repeat.h"

#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/mem.h"
#include "cli/args.h"
#include "cli/output.h"
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

static enum fusor_status train_one(const struct repeat *r, size_t i,
                                   struct yaml *job,
                                   const struct job_options *options,
                                   const char *base, int argc, char **argv,
                                   struct summary *out, struct fusor_error *err)
{
    int folds = r->over == SUMMARY_FOLDS;
    struct job_options mine;
    char number[24], name[32], dir[FS_PATH_MAX];

    snprintf(number, sizeof(number), "%llu", (unsigned long long)r->numbers[i]);
    snprintf(name, sizeof(name), "%s-%s", folds ? "fold" : "seed", number);
    FUSOR_TRY(yaml_set(job, folds ? "data.fold" : "train.seed", number,
                       folds ? "--folds" : "--seeds", err));
    FUSOR_TRY(job_options_read(job, &mine, err));
    mine.name = options->name;
    mine.run_dir = fs_join(dir, base, name);
    mine.quiet = 1; // one line a run is enough
    FUSOR_TRY(
        fusor_wrap(err, job_train(job, &mine, argc, argv, err), "%s", name));
    return summary_add(out, base, name, err);
}

enum fusor_status repeat_train(const struct repeat *r, struct yaml *job,
                               const struct job_options *options, int argc,
                               char **argv, struct summary *out,
                               struct fusor_error *err)
{
    double started = clock_seconds();
    char base[FS_PATH_MAX];

    memset(out, 0, sizeof(*out));
    out->over = r->over;
    if (options->run_dir)
        fs_join(base, "", options->run_dir);
    else
        fresh_path(options->name, r->over == SUMMARY_FOLDS ? "folds" : "seeds",
                   base);
    FUSOR_TRY(fs_mkdirs(base, err));
    snprintf(options->made, FS_PATH_MAX, "%s", base);
    for (size_t i = 0; i < r->n; i++) {
        double begun = clock_seconds();

        FUSOR_TRY(train_one(r, i, job, options, base, argc, argv, out, err));
        out->seconds = clock_seconds() - started;
        FUSOR_TRY(summary_write(out, base, err));
        if (!options->quiet)
            say_one(r, out, clock_seconds() - begun);
    }
    return FUSOR_OK;
}
