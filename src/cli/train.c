/* fusor train: a job file becomes a run. Reads and checks the configuration;
 * the work is the job layer's. Under mpirun or srun every rank comes here. */
#include <stdio.h>
#include <string.h>

#include "base/fs.h"
#include "base/mem.h"
#include "cli/config.h"
#include "cli/dry_run.h"
#include "cli/output.h"
#include "cli/repeat.h"
#include "cli/summary.h"
#include "cli/verb.h"
#include "job/job.h"
#include "job/launcher.h"
#include "job/local.h"
#include "job/messages.h"
#include "train/breakdown.h"
#include "train/warm.h"

#define RESULT_MAX ((size_t)1 << 24)

static const struct arg_spec specs[] = {
    {"set", 0, "A.B=V", "override a setting; may be repeated"},
    {"run-dir", 0, "DIR", "where everything goes (default: new under runs/)"},
    {"resume", 0, "[RUN]", "go on from the newest checkpoint of a run"},
    {"check", 0, NULL, "only print the graph: shapes, rows, bytes"},
    {"dry-run", 0, NULL, "only predict the memory of the processes, by part"},
    {"print-config", 0, NULL, "only print every setting and its origin"},
    {"folds", 0, "LIST", "cross-validation: all, or 0,1,..."},
    {"seeds", 0, "N", "train N times, from train.seed on"},
    {"threads", 't', "N", "cluster.threads: compute threads of a process"},
    {"servers", 0, "N", "cluster.servers: ranks that hold parameters"},
    {"trace", 0, "FILE", "train.trace: what every thread does, for Perfetto"},
    {"trace-steps", 0, "N", "train.trace_steps: of each thread (default 200)"},
    {"stage-in", 0, "DIR", "data.stage_in: copy the parts to a local disk"},
    {"quiet", 'q', NULL, "no banner, no progress"},
    {"json", 0, NULL, "the result as JSON on stdout"},
    ARG_END,
};

struct train {
    struct yaml *job;
    struct job_options options;
    char run_dir[FS_PATH_MAX]; // to go on with
    char name[64];
    char made[FS_PATH_MAX];
    struct repeat repeat; // n = 0: train once
};

/* The forms of --resume: with =RUN, with RUN as a word after the job, with RUN
 * instead of the job, whose file the run has kept. */
static enum fusor_status find_run(struct train *t, const struct args *a,
                                  char job_path[FS_PATH_MAX],
                                  struct fusor_error *err)
{
    const char *run = args_value(a, "resume");

    fs_join(job_path, "", a->rest[0]);
    if (!run && a->n_rest > 1)
        return fusor_fail(err, FUSOR_EUSAGE,
                          "train: \"%s\" is one word too many; see fusor train "
                          "--help",
                          a->rest[1]);
    if (!run)
        return FUSOR_OK;
    if (!run[0] && a->n_rest > 1)
        run = a->rest[1];
    if (!run[0])
        run = args_value(a, "run-dir");
    if (fs_is_dir(a->rest[0])) {
        run = run && run[0] ? run : a->rest[0];
        fs_join(job_path, a->rest[0], "job.yaml");
    }
    if (!run)
        return fusor_fail(err, FUSOR_EUSAGE,
                          "train: --resume does not say what: fusor train "
                          "--resume RUN");
    fs_join(t->run_dir, "", run);
    return FUSOR_OK;
}

static enum fusor_status put_option(struct train *t, const struct args *a,
                                    const char *name, const char *path,
                                    struct fusor_error *err)
{
    char origin[32];

    if (!args_value(a, name))
        return FUSOR_OK;
    snprintf(origin, sizeof(origin), "--%s", name);
    return yaml_set(t->job, path, args_value(a, name), origin, err);
}

/* A job is called what it says, else as its file is. */
static enum fusor_status name_job(struct train *t, const char *path,
                                  struct fusor_error *err)
{
    struct yaml_node *node = yaml_get(yaml_root(t->job), "name");
    const char *text = strrchr(path, '/');

    text = text ? text + 1 : path;
    if (node)
        FUSOR_TRY(yaml_to_text(node, &text, err));
    snprintf(t->name, sizeof(t->name), "%.*s", (int)strcspn(text, "."), text);
    for (char *c = t->name; *c; c++)
        if (strchr("/ \t", *c))
            *c = '-';
    return FUSOR_OK;
}

static enum fusor_status read_repeat(struct train *t, const struct args *a,
                                     struct fusor_error *err)
{
    const char *folds = args_value(a, "folds");
    int64_t seeds = 0;

    FUSOR_TRY(args_integer(a, "seeds", 1, SUMMARY_MAX, &seeds, err));
    if (!folds && !seeds)
        return FUSOR_OK;
    if (folds && seeds)
        return fusor_fail(err, FUSOR_EUSAGE,
                          "train: either --folds or --seeds, not both");
    if (args_value(a, "trace"))
        return fusor_fail(err, FUSOR_EUSAGE,
                          "train: --trace is of one run, not of folds or "
                          "seeds");
    if (t->run_dir[0])
        return fusor_fail(err, FUSOR_EUSAGE,
                          "train: --resume goes on with one run, not with "
                          "folds or seeds");
    if (job_is_under_mpi())
        return fusor_fail(err, FUSOR_EUSAGE,
                          "train: --%s needs one launch for each: run the job "
                          "once a %s with --set %s",
                          folds ? "folds" : "seeds", folds ? "fold" : "seed",
                          folds ? "data.fold=0, 1, ..."
                                : "train.seed=1, 2, ...");
    return folds ? repeat_folds(t->job, folds, &t->repeat, err)
                 : repeat_seeds(t->job, seeds, &t->repeat, err);
}

static enum fusor_status configure(struct train *t, const struct args *a,
                                   struct fusor_error *err)
{
    char path[FS_PATH_MAX];
    const char *set;

    FUSOR_TRY(find_run(t, a, path, err));
    FUSOR_TRY(config_read(path, &t->job, err));
    for (size_t i = 0; (set = args_nth(a, "set", i)) != NULL; i++)
        FUSOR_TRY(config_set(t->job, set, err));
    FUSOR_TRY(put_option(t, a, "threads", "cluster.threads", err));
    FUSOR_TRY(put_option(t, a, "servers", "cluster.servers", err));
    FUSOR_TRY(put_option(t, a, "stage-in", "data.stage_in", err));
    FUSOR_TRY(put_option(t, a, "trace", "train.trace", err));
    FUSOR_TRY(put_option(t, a, "trace-steps", "train.trace_steps", err));
    FUSOR_TRY(name_job(t, path, err));
    FUSOR_TRY(job_options_read(t->job, &t->options, err));
    t->options.name = t->name;
    t->options.run_dir = t->run_dir[0] ? t->run_dir : args_value(a, "run-dir");
    t->options.resume = t->run_dir[0] != '\0';
    t->options.quiet = args_flag(a, "quiet");
    t->options.made = t->made;
    return read_repeat(t, a, err);
}

static enum fusor_status check(struct train *t, struct fusor_error *err)
{
    struct workload *w;
    struct strbuf text = {0};
    enum fusor_status rc;

    FUSOR_TRY(workload_create(t->job, &w, err));
    rc = warm_check(w, err);
    if (rc == FUSOR_OK)
        rc =
            messages_check(&t->options, w, (uint32_t)launcher_here().size, err);
    if (rc == FUSOR_OK)
        workload_describe(w, &text);
    if (rc == FUSOR_OK)
        rc = job_describe_bind(&t->options, w, &text, err);
    workload_destroy(w);
    if (rc == FUSOR_OK)
        return output_text(&text, err);
    strbuf_clear(&text);
    return rc;
}

static enum fusor_status dry_run(struct train *t, int json,
                                 struct fusor_error *err)
{
    struct dry_run_memory memory = {.program = mem_resident().all};
    uint64_t before = mem_resident().own;
    struct workload *w;
    enum fusor_status rc;

    FUSOR_TRY(workload_create(t->job, &w, err));
    memory.data = mem_resident().own - before;
    memory.loading = mem_resident().most;
    rc = dry_run_print(w, &t->options, &memory, json, err);
    workload_destroy(w);
    return rc;
}

static enum fusor_status print_config(struct train *t, struct fusor_error *err)
{
    struct strbuf text = {0};
    enum fusor_status rc = config_print(t->job, &text, err);

    if (rc == FUSOR_OK)
        return output_text(&text, err);
    strbuf_clear(&text);
    return rc;
}

static enum fusor_status print_values(const struct summary *s,
                                      struct fusor_error *err)
{
    static const char *const once[] = {"metric", "rows", ">value", NULL};
    static const char *const many[] = {"metric", "rows",  ">mean",
                                       ">sd",    ">runs", NULL};
    struct texttab *tab = texttab_create(s->n > 1 ? many : once);

    for (size_t i = 0; i < s->n_values; i++) {
        const struct summary_value *v = &s->values[i];
        struct stats_summary sum = summary_of(s, v);
        char mean[32] = "undefined", sd[32] = "", n[24];
        const char *cells[5] = {v->name, v->split, mean, sd, n};

        if (sum.n)
            snprintf(mean, sizeof(mean), "%.6f", sum.mean);
        if (sum.n > 1)
            snprintf(sd, sizeof(sd), "%.6f", sum.sd);
        snprintf(n, sizeof(n), "%zu", sum.n);
        texttab_row(tab, cells);
    }
    if (s->n_values == 0) {
        texttab_destroy(tab);
        return FUSOR_OK;
    }
    return output_table(tab, err);
}

static enum fusor_status print_json(const struct train *t,
                                    const struct summary *s,
                                    struct fusor_error *err)
{
    struct json j = {.pretty = 1};
    char path[FS_PATH_MAX], *text = NULL;
    size_t n;
    enum fusor_status rc = FUSOR_OK;

    json_begin_object(&j, NULL);
    json_string(&j, "run_dir", t->made);
    if (t->repeat.n) {
        summary_json(s, &j, "summary");
    } else {
        rc = fs_read(fs_join(path, t->made, "result.json"), RESULT_MAX, &text,
                     &n, err);
        while (rc == FUSOR_OK && n && text[n - 1] == '\n')
            text[--n] = '\0';
        if (rc == FUSOR_OK)
            json_raw(&j, "result", text);
        mem_free(text);
    }
    json_end_object(&j);
    if (rc == FUSOR_OK)
        return output_json(&j, err);
    json_clear(&j);
    return rc;
}

static enum fusor_status print_breakdown(struct yaml_node *at,
                                         struct fusor_error *err)
{
    struct breakdown *b = mem_alloc(1, sizeof(*b));
    enum fusor_status rc;

    if (!b)
        return mem_fail(err, "groups", sizeof(*b));
    rc = breakdown_parse(at, b, err);
    if (rc == FUSOR_OK)
        rc = output_table(breakdown_table(b), err);
    breakdown_clear(b);
    mem_free(b);
    return rc;
}

/* Metrics by group, of the test rows where those were judged, and of which
 * epoch all is. */
static enum fusor_status print_groups(const char *run_dir, int quiet,
                                      struct fusor_error *err)
{
    char path[FS_PATH_MAX];
    struct strbuf judged = {0};
    struct yaml *y;
    struct yaml_node *at;
    enum fusor_status rc = FUSOR_OK;

    FUSOR_TRY(yaml_read(fs_join(path, run_dir, "result.json"), &y, err));
    at = yaml_get(yaml_root(y), "test_by");
    if (!at)
        at = yaml_get(yaml_root(y), "valid_by");
    if (at)
        rc = fusor_wrap(err, print_breakdown(at, err), "%s", path);
    summary_say_judged(yaml_root(y), &judged);
    if (!quiet && judged.s)
        output_say("%s", judged.s);
    strbuf_clear(&judged);
    yaml_destroy(y);
    return rc;
}

/* The result for people or programs; what to type next. */
static enum fusor_status show(const struct train *t, const struct args *a,
                              const struct summary *s, struct fusor_error *err)
{
    char most[16];

    if (args_flag(a, "json"))
        return print_json(t, s, err);
    FUSOR_TRY(print_values(s, err));
    if (!t->repeat.n)
        FUSOR_TRY(print_groups(t->made, t->options.quiet, err));
    if (t->options.quiet)
        return FUSOR_OK;
    output_say("run directory: %s", t->made);
    if (!job_is_under_mpi()) // else role processes did, whose logs say it
        output_say("this process took at most %s of memory",
                   str_bytes((double)mem_resident().most, most));
    if (t->repeat.n)
        output_say("%zu runs in %.1f s\nnext: fusor compare %s OTHER_RUN", s->n,
                   s->seconds, t->made);
    else
        output_say("next: fusor evaluate %s\n      fusor recommend %s --user "
                   "ID",
                   t->made, t->made);
    return FUSOR_OK;
}

static enum fusor_status train(struct train *t, const struct args *a,
                               struct summary *s, struct fusor_error *err)
{
    char path[FS_PATH_MAX];

    if (t->repeat.n) {
        FUSOR_TRY(repeat_train(&t->repeat, t->job, &t->options, a->argc,
                               a->argv, s, err));
        return show(t, a, s, err);
    }
    FUSOR_TRY(job_train(t->job, &t->options, a->argc, a->argv, err));
    if (!t->made[0])
        return FUSOR_OK; // another rank shows the result
    s->n = 1;
    FUSOR_TRY(summary_result(fs_join(path, t->made, "result.json"), s, 0, err));
    return show(t, a, s, err);
}

static enum fusor_status configured(struct train *t, const struct args *a,
                                    struct fusor_error *err)
{
    struct summary *s;
    enum fusor_status rc;

    if (args_flag(a, "print-config"))
        return job_is_first() ? print_config(t, err) : FUSOR_OK;
    if (args_flag(a, "check"))
        return job_is_first() ? check(t, err) : FUSOR_OK;
    if (args_flag(a, "dry-run"))
        return job_is_first() ? dry_run(t, args_flag(a, "json"), err)
                              : FUSOR_OK;
    s = mem_alloc(1, sizeof(*s));
    if (!s)
        return mem_fail(err, "result", sizeof(*s));
    rc = train(t, a, s, err);
    mem_free(s);
    return rc;
}

static enum fusor_status run(struct args *a, struct fusor_error *err)
{
    struct train *t = mem_alloc(1, sizeof(*t));
    struct fusor_error why;
    enum fusor_status rc;

    if (!t)
        return mem_fail(err, "train", sizeof(*t));
    rc = configure(t, a, &why);
    rc = rc == FUSOR_OK ? configured(t, a, err)
                        : job_give_up(&why, a->argc, a->argv, err);
    yaml_destroy(t->job);
    mem_free(t);
    return rc;
}

const struct verb verb_train = {
    .name = "train",
    .help = "train a job: in this process, or over ranks under mpirun",
    .synopsis = "JOB.yaml [options]\n"
                "       fusor train --resume RUN",
    .about =
        "A setting train.epochs is overridden by FUSOR_TRAIN_EPOCHS, that by "
        "--set train.epochs=3;\nitems of lists have numbers: --set "
        "stages.0.epochs=5.\nfusor help settings says what there is to set. On "
        "a terminal a progress line is shown; the "
        "run directory keeps metrics, model and logs.\n--trace writes what "
        "each worker, shard and the coordinator did in the first steps;\nopen "
        "the file in chrome://tracing or ui.perfetto.dev.\n",
    .examples =
        "  fusor train cluster/jobs/demo.yaml --run-dir runs/demo\n"
        "  mpirun -n 4 fusor train cluster/jobs/demo.yaml --servers 2\n"
        "  fusor train cluster/jobs/ml100k_svdpp.yaml --folds all\n"
        "  fusor train JOB.yaml --set optimizer='{adam: 1.0e-3}' --seeds 5\n",
    .args = {"train", specs, NULL, "JOB", 1, 2},
    .collective = 1,
    .run = run,
    .give_up = job_give_up,
};
