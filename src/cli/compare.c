/* fusor compare: is one run better than another, and how sure may we be? Here
 * the runs are judged. */
#include "cli/compare.h"

#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "cli/judge.h"
#include "cli/summary.h"
#include "cli/verb.h"

static const struct arg_spec specs[] = {
    {"metrics", 'm', "M,...", "which to compare (default: the first run's)"},
    {"split", 0, "NAME", "test (default), valid or train"},
    {"candidates", 'c', "YAML",
     "in place of each job's: all, or '{bm25: 200}'"},
    {"by", 0, "FIELD", "each metric for each value of it too, with the gap"},
    {"bins", 0, "N", "groups of a number in --by (default 4)"},
    {"min-group", 0, "N", "rows or queries of a group that tells (default 10)"},
    {"label", 'l', "NAME", "only metrics of this label, in runs of several"},
    {"resamples", 0, "N", "of the bootstrap (default 10000)"},
    {"seed", 0, "N", "of the bootstrap (default 1)"},
    {"json", 0, NULL, "results as JSON on stdout"},
    ARG_END,
};

/* What the evaluation says of each group, for metrics without units. */
static enum fusor_status add_groups(struct side *s, const struct judged *j,
                                    struct fusor_error *err)
{
    const struct breakdown_field *f = &j->by.fields[0];

    if (j->by.n == 0)
        return FUSOR_OK;
    if (!s->groups)
        s->groups = mem_alloc(UNITS_GROUPS_MAX, sizeof(*s->groups));
    if (!s->groups)
        return mem_fail(err, "groups", UNITS_GROUPS_MAX * sizeof(*s->groups));
    for (size_t g = 0; g < f->n; g++) {
        uint32_t at = units_group(&s->units, f->groups[g].label);
        struct side_group *own = &s->groups[at];

        if (at == UNITS_NO_GROUP)
            return mem_fail(err, "groups", sizeof(*own));
        own->n_runs++;
        for (size_t m = 0; m < j->n_metrics; m++) {
            const struct metric_result *r = &f->groups[g].results[m];

            own->n[m] += r->n;
            own->means[m] += (r->value - own->means[m]) / (double)own->n_runs;
        }
    }
    return FUSOR_OK;
}

static enum fusor_status add_run(struct side *s, enum summary_over over,
                                 struct judged *j, struct fusor_error *err)
{
    enum fusor_status rc;

    s->n_results++;
    for (size_t i = 0; i < j->n_metrics; i++)
        s->means[i] +=
            (j->results[i].value - s->means[i]) / (double)s->n_results;
    if (s->n_runs++ == 0) {
        s->units = j->units;
        memset(&j->units, 0, sizeof(j->units));
        return add_groups(s, j, err);
    }
    if (over == SUMMARY_SEEDS)
        rc = units_average(&s->units, &j->units, s->n_runs - 1, err);
    else
        rc = units_append(&s->units, &j->units, err);
    if (rc == FUSOR_OK)
        rc = add_groups(s, j, err);
    return rc == FUSOR_OK ? units_sort(&s->units, err) : rc;
}

static enum fusor_status judge_one(struct side *s, struct judge_options *o,
                                   const char *dir, enum summary_over over,
                                   struct fusor_error *err)
{
    struct judged *j = mem_alloc(1, sizeof(*j));
    enum fusor_status rc;

    if (!j)
        return mem_fail(err, "compare", sizeof(*j));
    o->run = dir;
    rc = judge_run(o, j, err);
    if (rc == FUSOR_OK) {
        rc = add_run(s, over, j, err);
        judged_clear(j);
    }
    mem_free(j);
    return fusor_wrap(err, rc, "%s", dir);
}

static enum fusor_status judge_several(struct side *s, struct judge_options *o,
                                       struct fusor_error *err)
{
    struct summary *sum = mem_alloc(1, sizeof(*sum));
    char dir[FS_PATH_MAX];
    enum fusor_status rc;

    if (!sum)
        return mem_fail(err, "compare", sizeof(*sum));
    rc = summary_read(s->name, sum, err);
    for (size_t i = 0; rc == FUSOR_OK && i < sum->n; i++)
        rc = judge_one(s, o, fs_join(dir, s->name, sum->dirs[i]), sum->over,
                       err);
    mem_free(sum);
    return rc;
}

static enum fusor_status load_side(struct side *s, struct judge_options *o,
                                   struct fusor_error *err)
{
    char path[FS_PATH_MAX];

    if (fs_exists(s->name) && !fs_is_dir(s->name)) {
        if (o->by)
            return fusor_fail(err, FUSOR_EUSAGE,
                              "--by: the units of %s do not say their groups: "
                              "give the run itself",
                              s->name);
        if (o->candidates)
            return fusor_fail(err, FUSOR_EUSAGE,
                              "--candidates: %s is judged already: give the "
                              "run itself",
                              s->name);
        s->n_runs = 1;
        return units_read(s->name, &s->units, err);
    }
    if (fs_exists(fs_join(path, s->name, SUMMARY_FILE)))
        return judge_several(s, o, err);
    return judge_one(s, o, s->name, SUMMARY_SEEDS, err);
}

/* The metrics of the first side, with commas, for the others. */
static void join_metrics(const struct units *u, struct strbuf *out)
{
    for (size_t i = 0; i < u->n_metrics; i++)
        strbuf_addf(out, "%s%s", i ? "," : "", u->metrics[i]);
}

static enum fusor_status load_sides(struct compare *c, const struct args *a,
                                    struct fusor_error *err)
{
    struct judge_options o = {.split = args_value(a, "split"),
                              .metrics = args_value(a, "metrics"),
                              .candidates = args_value(a, "candidates"),
                              .want_units = 1,
                              .by = c->by,
                              .min_group = c->min_group};
    struct strbuf metrics = {0};
    int64_t bins = 4;
    enum fusor_status rc =
        args_integer(a, "bins", 2, SLICING_BINS_MAX, &bins, err);

    o.bins = (uint32_t)bins;

    for (size_t i = 0; rc == FUSOR_OK && i < a->n_rest; i++) {
        struct side *s = &c->sides[c->n_sides++];

        s->name = a->rest[i];
        rc = load_side(s, &o, err);
        if (rc == FUSOR_OK && i > 0)
            rc = units_match(&c->sides[0].units, c->sides[0].name, &s->units,
                             s->name, err);
        if (rc == FUSOR_OK && !o.metrics) {
            join_metrics(&s->units, &metrics);
            o.metrics = metrics.s;
        }
    }
    strbuf_clear(&metrics);
    return rc;
}

/* Leave out what is about other labels. */
static enum fusor_status keep_label(struct compare *c, const char *label,
                                    struct fusor_error *err)
{
    const struct units *u = &c->sides[0].units;
    const char *names[UNITS_METRICS_MAX + 1] = {NULL}, *near;
    size_t kept = 0;

    for (size_t m = 0; m < u->n_metrics; m++) {
        const char *colon = strchr(u->metrics[m], ':');

        names[m] = colon ? colon + 1 : "";
        c->skip[m] = strcmp(names[m], label) != 0;
        kept += !c->skip[m];
    }
    if (kept)
        return FUSOR_OK;
    near = str_nearest(label, names);
    return fusor_fail(err, FUSOR_EUSAGE,
                      "--label: no metric of %s is about label \"%s\"; did "
                      "you mean %s?",
                      c->sides[0].name, label, near ? near : names[0]);
}

static enum fusor_status compare(struct compare *c, const struct args *a,
                                 struct fusor_error *err)
{
    struct stats_comparison_options o = {.seed = 1};
    int64_t resamples = 10000, seed = 1, min_group = 10;

    FUSOR_TRY(args_integer(a, "resamples", 100, 10000000, &resamples, err));
    FUSOR_TRY(args_integer(a, "seed", 0, INT64_MAX, &seed, err));
    FUSOR_TRY(args_integer(a, "min-group", 1, INT64_MAX, &min_group, err));
    o.resamples = (uint32_t)resamples;
    o.seed = (uint64_t)seed;
    c->by = args_value(a, "by");
    c->min_group = (uint64_t)min_group;
    if (c->by && strchr(c->by, ','))
        return fusor_fail(err, FUSOR_EUSAGE,
                          "--by is \"%s\": runs are compared by one field",
                          c->by);
    FUSOR_TRY(load_sides(c, a, err));
    if (args_value(a, "label"))
        FUSOR_TRY(keep_label(c, args_value(a, "label"), err));
    FUSOR_TRY(compare_test(c, &o, err));
    return args_flag(a, "json") ? compare_print_json(c, err)
                                : compare_print(c, err);
}

static enum fusor_status run(struct args *a, struct fusor_error *err)
{
    struct compare *c = mem_alloc(1, sizeof(*c));
    enum fusor_status rc;

    if (!c)
        return mem_fail(err, "compare", sizeof(*c));
    rc = compare(c, a, err);
    for (size_t i = 0; i < c->n_sides; i++) {
        units_clear(&c->sides[i].units);
        mem_free(c->sides[i].groups);
    }
    mem_free(c->rows);
    mem_free(c);
    return rc;
}

const struct verb verb_compare = {
    .name = "compare",
    .help = "test whether runs differ: paired bootstrap, Holm's correction",
    .synopsis = "RUN RUN... [options]",
    .about =
        "A RUN is a run directory, one of several folds or seeds, or a file "
        "of fusor evaluate --out.\nAll are compared with the first. Seeds are "
        "averaged unit by unit; folds are put together.\nUnits are queries "
        "(ranking metrics) or rows (logloss, rmse, mae); auc, pr_auc, ece, "
        "ace, coverage and gini\nhave none: their mean is shown, untested. "
        "gauc is tested as the plain mean over users.\n"
        "Runs whose jobs name different candidates are compared with a "
        "warning: what a run does not\nrank counts as missed. --candidates all "
        "judges every run among the same items.\n"
        "--by FIELD compares within each value of a field too, which the "
        "models "
        "need not read,\nand how far the groups lie apart; "
        "Holm's correction is over all of it.\n",
    .examples =
        "  fusor compare runs/mf runs/fused --metrics ndcg@10\n"
        "  fusor compare a.units b.units c.units --json\n"
        "  fusor compare runs/words runs/two --candidates all\n"
        "  fusor compare runs/mf runs/fused --by gender -m auc,ndcg@10\n",
    .args = {"compare", specs, NULL, "two or more RUNs", 2, SIDES_MAX},
    .run = run,
};
