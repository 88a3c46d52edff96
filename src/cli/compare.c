/* fusor compare: is one run better than another, and how sure may we be? The
 * statistics are model/stats. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "cli/judge.h"
#include "cli/output.h"
#include "cli/summary.h"
#include "cli/verb.h"

#define SIDES_MAX 32

static const struct arg_spec specs[] = {
    {"metrics", 'm', "M,...", "which to compare (default: the first run's)"},
    {"split", 0, "NAME", "test (default), valid or train"},
    {"resamples", 0, "N", "of the bootstrap (default 10000)"},
    {"seed", 0, "N", "of the bootstrap (default 1)"},
    {"json", 0, NULL, "results as JSON on stdout"},
    ARG_END,
};

/* One of the things compared: means over its seeds, units of all its folds. */
struct side {
    const char *name;
    size_t n_runs;
    struct units units;
    /* Mean over runs of each metric's result; n_results 0: a file of units. */
    size_t n_results;
    double means[UNITS_METRICS_MAX];
};

struct row { // one metric of one side
    const struct side *side;
    size_t metric; // in sides[0].units
    struct stats_comparison test;
    int tested; // 0: the first side, or no unit has a number
};

struct compare {
    struct side sides[SIDES_MAX];
    size_t n_sides;
    struct row *rows;
    size_t n_rows;
};

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
        return FUSOR_OK;
    }
    if (over == SUMMARY_SEEDS)
        return units_average(&s->units, &j->units, s->n_runs - 1, err);
    rc = units_append(&s->units, &j->units, err);
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
                              .want_units = 1};
    struct strbuf metrics = {0};
    enum fusor_status rc = FUSOR_OK;

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

/* @return [n] to be freed, or NULL: no such metric there, or no memory */
static double *column(const struct units *u, const char *metric)
{
    int at = units_metric(u, metric);
    double *out = at < 0 ? NULL : mem_alloc_raw(u->n + 1, sizeof(*out));

    for (size_t i = 0; out && i < u->n; i++)
        out[i] = units_at(u, i)->values[at];
    return out;
}

static int has_number(const double *x, size_t n)
{
    size_t have = 0;

    for (size_t i = 0; i < n; i++)
        have += !isnan(x[i]);
    return have >= 2;
}

static enum fusor_status test_row(const struct side *first, const char *metric,
                                  struct row *row,
                                  struct stats_comparison_options *o,
                                  struct fusor_error *err)
{
    double *a = column(&row->side->units, metric);
    double *b = column(&first->units, metric);
    size_t n = first->units.n;
    enum fusor_status rc = FUSOR_OK;

    /* A unit of rmse is a squared error. */
    o->of = strncmp(metric, "rmse", 4) ? STATS_MEAN : STATS_ROOT_MEAN;
    if (a && b && has_number(a, n) && has_number(b, n)) {
        rc = stats_compare(a, b, n, o, &row->test, err);
        row->tested = rc == FUSOR_OK;
    }
    mem_free(a);
    mem_free(b);
    return rc;
}

/* Holm over all comparisons made: every row but those of the first side. */
static enum fusor_status correct(struct compare *c, struct fusor_error *err)
{
    double *p = mem_alloc(c->n_rows + 1, sizeof(*p));
    size_t n = 0;
    enum fusor_status rc;

    if (!p)
        return mem_fail(err, "compare", c->n_rows * sizeof(*p));
    for (size_t i = 0; i < c->n_rows; i++)
        if (c->rows[i].tested && c->rows[i].side != &c->sides[0])
            p[n++] = c->rows[i].test.p;
    rc = stats_holm(p, n, p, err);
    for (size_t i = c->n_rows; rc == FUSOR_OK && i-- > 0;)
        if (c->rows[i].tested && c->rows[i].side != &c->sides[0])
            c->rows[i].test.p_holm = p[--n];
    mem_free(p);
    return rc;
}

static enum fusor_status test_all(struct compare *c, const struct args *a,
                                  struct fusor_error *err)
{
    const struct units *u = &c->sides[0].units;
    struct stats_comparison_options o = {.seed = 1};
    int64_t resamples = 10000, seed = 1;

    FUSOR_TRY(args_integer(a, "resamples", 100, 10000000, &resamples, err));
    FUSOR_TRY(args_integer(a, "seed", 0, INT64_MAX, &seed, err));
    o.resamples = (uint32_t)resamples;
    o.seed = (uint64_t)seed;
    c->rows = mem_alloc(c->n_sides * u->n_metrics + 1, sizeof(*c->rows));
    if (!c->rows)
        return mem_fail(err, "compare", c->n_sides * sizeof(*c->rows));
    for (size_t m = 0; m < u->n_metrics; m++)
        for (size_t s = 0; s < c->n_sides; s++) {
            struct row *row = &c->rows[c->n_rows++];

            row->side = &c->sides[s];
            row->metric = m;
            FUSOR_TRY(fusor_wrap(
                err, test_row(&c->sides[0], u->metrics[m], row, &o, err), "%s",
                u->metrics[m]));
        }
    return correct(c, err);
}

static int is_comparison(const struct compare *c, const struct row *r)
{
    return r->tested && r->side != &c->sides[0];
}

/* Of an evaluation that asked for this metric, as later sides do. */
static int has_mean(const struct row *r)
{
    return r->side->n_results > 0;
}

static double mean_of(const struct row *r)
{
    return r->tested ? r->test.mean_a : r->side->means[r->metric];
}

/* Metrics that are no mean over units: said in one line. */
static void say_untested(const struct compare *c)
{
    const struct units *u = &c->sides[0].units;
    struct strbuf names = {0};

    for (size_t m = 0; m < u->n_metrics; m++) {
        struct metric_spec spec;

        if (metric_parse(u->metrics[m], &spec, NULL) == FUSOR_OK &&
            !metric_has_units(&spec))
            strbuf_addf(&names, "%s%s", names.len ? ", " : "", spec.name);
    }
    if (names.len)
        output_say("not tested, for they are no mean over rows or queries: %s",
                   names.s);
    strbuf_clear(&names);
}

static enum fusor_status print_table(const struct compare *c,
                                     struct fusor_error *err)
{
    static const char *const columns[] = {
        "metric",    "run", ">runs", ">units",  ">mean", ">difference",
        ">95% from", ">to", ">p",    ">p Holm", NULL};
    struct texttab *tab = texttab_create(columns);

    for (size_t i = 0; i < c->n_rows; i++) {
        const struct row *r = &c->rows[i];
        const struct stats_comparison *t = &r->test;
        char runs[24], n[24], mean[32] = "no values", diff[32] = "";
        char low[32] = "", high[32] = "", p[32] = "", holm[32] = "";
        const char *cells[10] = {c->sides[0].units.metrics[r->metric],
                                 r->side->name,
                                 runs,
                                 n,
                                 mean,
                                 diff,
                                 low,
                                 high,
                                 p,
                                 holm};

        snprintf(runs, sizeof(runs), "%zu", r->side->n_runs);
        snprintf(n, sizeof(n), "%zu", r->tested ? t->n : 0);
        if (r->tested || has_mean(r))
            snprintf(mean, sizeof(mean), "%.6f", mean_of(r));
        if (is_comparison(c, r)) {
            snprintf(diff, sizeof(diff), "%+.6f", t->difference);
            snprintf(low, sizeof(low), "%+.6f", t->low);
            snprintf(high, sizeof(high), "%+.6f", t->high);
            snprintf(p, sizeof(p), "%.4f", t->p);
            snprintf(holm, sizeof(holm), "%.4f", t->p_holm);
        }
        texttab_row(tab, cells);
    }
    output_say("%s rows, protocol %s version %u, candidates %016llx; paired "
               "bootstrap against %s",
               c->sides[0].units.split, c->sides[0].units.protocol,
               c->sides[0].units.protocol_version,
               (unsigned long long)c->sides[0].units.candidates,
               c->sides[0].name);
    return output_table(tab, err);
}

static void json_row(const struct compare *c, const struct row *r,
                     struct json *j)
{
    json_begin_object(j, NULL);
    json_string(j, "metric", c->sides[0].units.metrics[r->metric]);
    json_string(j, "run", r->side->name);
    json_uint(j, "runs", r->side->n_runs);
    json_uint(j, "units", r->tested ? r->test.n : 0);
    json_number(j, "mean", r->tested || has_mean(r) ? mean_of(r) : NAN);
    if (is_comparison(c, r)) {
        json_number(j, "difference", r->test.difference);
        json_number(j, "se", r->test.se);
        json_number(j, "low", r->test.low);
        json_number(j, "high", r->test.high);
        json_number(j, "p", r->test.p);
        json_number(j, "p_t", r->test.p_t);
        json_number(j, "p_holm", r->test.p_holm);
    }
    json_end_object(j);
}

static enum fusor_status print_json(const struct compare *c,
                                    struct fusor_error *err)
{
    const struct units *u = &c->sides[0].units;
    struct json j = {.pretty = 1};
    char hash[24];

    snprintf(hash, sizeof(hash), "%016llx", (unsigned long long)u->candidates);
    json_begin_object(&j, NULL);
    json_string(&j, "against", c->sides[0].name);
    json_string(&j, "split", u->split);
    json_string(&j, "protocol", u->protocol);
    json_uint(&j, "protocol_version", u->protocol_version);
    json_string(&j, "candidates", hash);
    json_begin_array(&j, "results");
    for (size_t i = 0; i < c->n_rows; i++)
        json_row(c, &c->rows[i], &j);
    json_end_array(&j);
    json_end_object(&j);
    return output_json(&j, err);
}

static enum fusor_status run(struct args *a, struct fusor_error *err)
{
    struct compare *c = mem_alloc(1, sizeof(*c));
    enum fusor_status rc;

    if (!c)
        return mem_fail(err, "compare", sizeof(*c));
    rc = load_sides(c, a, err);
    if (rc == FUSOR_OK)
        rc = test_all(c, a, err);
    if (rc == FUSOR_OK)
        say_untested(c);
    if (rc == FUSOR_OK)
        rc = args_flag(a, "json") ? print_json(c, err) : print_table(c, err);
    for (size_t i = 0; i < c->n_sides; i++)
        units_clear(&c->sides[i].units);
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
        "gauc is tested as the plain mean over users.\n",
    .examples = "  fusor compare runs/mf runs/fused --metrics ndcg@10\n"
                "  fusor compare a.units b.units c.units --json\n",
    .args = {"compare", specs, NULL, "two or more RUNs", 2, SIDES_MAX},
    .run = run,
};
