/* fusor fuse --select: every head tried on held-out pairs, and what the one
 * chosen is worth beside single models, their mean and seeds of one model. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "cli/fuse.h"
#include "cli/output.h"
#include "model/combine/scores_index.h"
#include "model/combine/select.h"

#define FOLDS 5
/* Keeps heads apart whose towers depend on each other; on normalised scores it
 * moves a weight by a millionth. */
#define RIDGE 1e-6

struct verdict { // the chosen head against something, over paired units
    const char *key;
    char what[80];
    struct stats_comparison c;
};

struct choice {
    struct fuse *f;
    struct recipe_rows rows;
    struct select_options options;
    struct selection s;
    struct verdict verdicts[6];
    size_t n_verdicts;
    int has_seeds, beats_seeds;
    size_t n_seeds;
};

/* ndcg@10 where users have wanted and unwanted items, logloss for labels that
 * are probabilities, else rmse. */
static const char *default_metric(const struct recipe_rows *rows)
{
    int binary = 1, probability = 1;

    for (size_t i = 0; i < rows->n; i++) {
        double y = rows->targets[i];

        binary &= !(y < 0 || y > 0) || !(y < 1 || y > 1);
        probability &= y >= 0 && y <= 1;
    }
    if (binary && rows->query)
        return "ndcg@10";
    return probability ? "logloss" : "rmse";
}

static enum fusor_status read_options(struct choice *c, const struct args *a,
                                      struct fusor_error *err)
{
    const char *metric = args_value(a, "metric");
    const char *ridge = args_value(a, "ridge");
    int64_t folds = FOLDS, seed = 1;

    FUSOR_TRY(args_integer(a, "folds", 2, SELECT_FOLDS_MAX, &folds, err));
    FUSOR_TRY(args_integer(a, "seed", 0, INT64_MAX, &seed, err));
    c->options =
        (struct select_options){metric ? metric : default_metric(&c->rows),
                                (uint32_t)folds, (uint64_t)seed, RIDGE};
    if (ridge &&
        (str_to_double(ridge, &c->options.ridge) || !(c->options.ridge >= 0)))
        return fusor_fail(err, FUSOR_EUSAGE,
                          "fuse: --ridge is \"%s\", but must be a number of at "
                          "least 0",
                          ridge);
    return FUSOR_OK;
}

static const struct select_candidate *chosen_of(const struct choice *c)
{
    return &c->s.candidates[c->s.chosen];
}

static enum fusor_status add_verdict(struct choice *c, const char *key,
                                     const char *what,
                                     const struct selection *s, const double *a,
                                     const double *b, struct fusor_error *err)
{
    struct verdict *v = &c->verdicts[c->n_verdicts];

    v->key = key;
    snprintf(v->what, sizeof(v->what), "%s", what);
    FUSOR_TRY(select_compare(s, a, b, &v->c, err));
    c->n_verdicts++;
    return FUSOR_OK;
}

static enum fusor_status judge_inside(struct choice *c, struct fusor_error *err)
{
    const struct select_candidate *all = c->s.candidates;
    const double *mine = chosen_of(c)->units;
    char what[80];

    snprintf(what, sizeof(what), "best single: %.60s",
             fuse_tower_name(c->f, (size_t)all[c->s.best_single].tower));
    FUSOR_TRY(add_verdict(c, "best_single", what, &c->s, mine,
                          all[c->s.best_single].units, err));
    return add_verdict(c, "mean", "the mean", &c->s, mine, all[c->s.mean].units,
                       err);
}

/* The best model and other seeds of it, joined over the labelled pairs. */
static enum fusor_status join_seeds(struct choice *c, const struct args *a,
                                    struct score_file *files,
                                    struct score_join *out,
                                    struct fusor_error *err)
{
    struct score_table tables[COMBINE_MAX];
    size_t best = (size_t)c->s.candidates[c->s.best_single].tower;
    const char *path;

    tables[0] = c->f->files[c->f->all.tower[best]].table;
    c->n_seeds = 1;
    for (size_t i = 0; (path = args_nth(a, "seeds-of", i)) != NULL; i++) {
        if (c->n_seeds == COMBINE_MAX)
            return fusor_fail(err, FUSOR_EUSAGE, "fuse: more than %d seeds",
                              COMBINE_MAX);
        FUSOR_TRY(fuse_read_file(c->f, path, 0, &files[i], err));
        tables[c->n_seeds++] = files[i].table;
    }
    return scores_join(tables, c->n_seeds, &c->f->labels.table,
                       SCORE_MISSING_ERROR, out, err);
}

static enum fusor_status judge_seeds(struct choice *c, const struct args *a,
                                     struct fusor_error *err)
{
    struct score_file *files = mem_alloc(COMBINE_MAX, sizeof(*files));
    double *units = mem_alloc(c->s.n_units + 1, sizeof(*units)), value;
    struct score_join join = {0};
    char what[80];
    enum fusor_status rc = FUSOR_ENOMEM;

    if (files && units)
        rc = join_seeds(c, a, files, &join, err);
    else
        mem_fail(err, "seeds", COMBINE_MAX * sizeof(*files));
    if (rc == FUSOR_OK) {
        struct recipe_rows rows = fuse_rows(&join, c->f->targets);

        rc = select_judge(&c->s, &rows, &c->options, &chosen_of(c)->spec, units,
                          &value, err);
    }
    if (rc == FUSOR_OK) {
        snprintf(what, sizeof(what), "%zu seeds of the best, same head",
                 c->n_seeds);
        rc = add_verdict(c, "seeds", what, &c->s, chosen_of(c)->units, units,
                         err);
    }
    if (rc == FUSOR_OK) {
        c->has_seeds = 1;
        c->beats_seeds = c->verdicts[c->n_verdicts - 1].c.low > 0;
    }
    for (size_t i = 0; files && i < COMBINE_MAX; i++)
        fuse_clear_file(&files[i]);
    mem_free(files);
    mem_free(units);
    score_join_clear(&join);
    return rc;
}

/* Units of one candidate on rows that took no part, fitted on all that did. */
static enum fusor_status test_units(const struct choice *c,
                                    const struct select_candidate *candidate,
                                    const struct recipe_rows *rows,
                                    double *units, double *weights,
                                    size_t *n_units, struct fusor_error *err)
{
    double *scores = mem_alloc(rows->n + 1, sizeof(*scores));
    struct recipe r;
    enum fusor_status rc;

    if (!scores)
        return mem_fail(err, "scores", rows->n * sizeof(*scores));
    rc = recipe_fit(&candidate->spec, &c->rows, &r, err);
    if (rc == FUSOR_OK) {
        rc = recipe_apply(&r, rows, scores, err);
        if (rc == FUSOR_OK)
            rc = select_units(rows, &c->s.metric, scores, units, weights,
                              n_units, err);
        recipe_clear(&r);
    }
    mem_free(scores);
    return rc;
}

static enum fusor_status test_rows(struct choice *c,
                                   const struct recipe_rows *rows,
                                   struct fusor_error *err)
{
    const struct select_candidate *all = c->s.candidates;
    struct selection view = c->s;
    double *x = mem_alloc(4 * rows->n + 4, sizeof(*x));
    double *mine = x, *single, *mean;
    enum fusor_status rc;

    if (!x)
        return mem_fail(err, "test units", 4 * rows->n * sizeof(*x));
    single = x + rows->n + 1;
    mean = single + rows->n + 1;
    view.unit_weights = mean + rows->n + 1;
    rc = test_units(c, chosen_of(c), rows, mine, view.unit_weights,
                    &view.n_units, err);
    if (rc == FUSOR_OK)
        rc = test_units(c, &all[c->s.best_single], rows, single,
                        view.unit_weights, &view.n_units, err);
    if (rc == FUSOR_OK)
        rc = test_units(c, &all[c->s.mean], rows, mean, view.unit_weights,
                        &view.n_units, err);
    if (rc == FUSOR_OK)
        rc = add_verdict(c, "test_best_single", "best single, on --test", &view,
                         mine, single, err);
    if (rc == FUSOR_OK)
        rc = add_verdict(c, "test_mean", "the mean, on --test", &view, mine,
                         mean, err);
    mem_free(x);
    return rc;
}

static enum fusor_status check_apart(const struct score_table *labels,
                                     const struct score_table *test,
                                     struct fusor_error *err)
{
    for (size_t i = 0; i < test->n; i++) {
        size_t at = score_table_find(labels, &test->rows[i], i);

        if (at != SIZE_MAX)
            return fusor_fail(err, FUSOR_EDATA,
                              "%s:%zu: the pair is at %s:%zu too: --test takes "
                              "pairs that took no part",
                              test->name, i + 1, labels->name, at + 1);
    }
    return FUSOR_OK;
}

static enum fusor_status judge_outside(struct choice *c, const char *path,
                                       struct fusor_error *err)
{
    struct score_table tables[COMBINE_MAX];
    struct score_file file = {0};
    struct score_join join = {0};
    double *targets = NULL;
    enum fusor_status rc = fuse_read_file(c->f, path, 1, &file, err);

    for (size_t i = 0; i < c->f->all.m; i++)
        tables[i] = c->f->files[c->f->all.tower[i]].table;
    if (rc == FUSOR_OK)
        rc = check_apart(&c->f->labels.table, &file.table, err);
    if (rc == FUSOR_OK)
        rc = scores_join(tables, c->f->all.m, &file.table, c->f->missing, &join,
                         err);
    if (rc == FUSOR_OK && join.m != c->f->all.m)
        rc = fusor_fail(err, FUSOR_EDATA,
                        "%s: some model lacks pairs of it that all have in the "
                        "labels",
                        path);
    targets = mem_alloc(join.n + 1, sizeof(*targets));
    if (rc == FUSOR_OK && !targets)
        rc = mem_fail(err, "test labels", join.n * sizeof(*targets));
    if (rc == FUSOR_OK) {
        struct recipe_rows rows = fuse_rows(&join, targets);

        for (size_t i = 0; i < join.n; i++)
            targets[i] = join.rows[i].score;
        rc = test_rows(c, &rows, err);
    }
    mem_free(targets);
    score_join_clear(&join);
    fuse_clear_file(&file);
    return rc;
}

static const char *name_of(const struct choice *c,
                           const struct select_candidate *x)
{
    return x->tower < 0 ? x->spec.method->name
                        : fuse_tower_name(c->f, (size_t)x->tower);
}

/* Is it the best of its family: the same method, or the same single tower? */
static int leads(const struct choice *c, size_t i)
{
    const struct select_candidate *x = &c->s.candidates[i];
    int up = metric_higher_is_better(&c->s.metric);

    for (size_t k = 0; k < c->s.n; k++) {
        const struct select_candidate *y = &c->s.candidates[k];

        if (k == i || y->tower != x->tower ||
            y->spec.method != x->spec.method || isnan(y->value))
            continue;
        if (isnan(x->value) ||
            (up ? y->value > x->value : y->value < x->value) ||
            (k < i && !(y->value < x->value) && !(y->value > x->value)))
            return 0;
    }
    return !isnan(x->value);
}

static enum fusor_status table_row(const struct choice *c, struct texttab *tab,
                                   size_t i, struct fusor_error *err)
{
    const struct select_candidate *x = &c->s.candidates[i];
    const struct select_candidate *single = &c->s.candidates[c->s.best_single];
    const struct select_candidate *mean = &c->s.candidates[c->s.mean];
    char value[32], fitted[16], a[64], b[64];
    const char *cells[7] = {name_of(c, x),
                            x->spec.normalise,
                            x->spec.calibrate,
                            value,
                            fitted,
                            a,
                            b};
    struct stats_comparison to_single, to_mean;
    char marked[96];

    FUSOR_TRY(select_compare(&c->s, x->units, single->units, &to_single, err));
    FUSOR_TRY(select_compare(&c->s, x->units, mean->units, &to_mean, err));
    snprintf(marked, sizeof(marked), "%s%.80s%s", x->tower < 0 ? "" : "only ",
             cells[0], i == c->s.chosen ? " *" : "");
    cells[0] = marked;
    snprintf(value, sizeof(value), "%.5f", x->value);
    snprintf(fitted, sizeof(fitted), "%u", x->parameters);
    if (x->parameters >= 1000)
        snprintf(fitted, sizeof(fitted), "curve");
    snprintf(a, sizeof(a), "%+.5f [%+.5f, %+.5f]", to_single.difference,
             to_single.low, to_single.high);
    snprintf(b, sizeof(b), "%+.5f [%+.5f, %+.5f]", to_mean.difference,
             to_mean.low, to_mean.high);
    texttab_row(tab, cells);
    return FUSOR_OK;
}

static const char *word_of(const struct stats_comparison *c)
{
    return c->low > 0 ? "better" : c->high < 0 ? "worse" : "no difference seen";
}

static void add_lines(const struct choice *c, struct strbuf *out)
{
    for (size_t i = 0; i < c->n_verdicts; i++) {
        const struct verdict *v = &c->verdicts[i];

        strbuf_addf(out, "against %s: %+.5f [%+.5f, %+.5f] p %.4f: %s\n",
                    v->what, v->c.difference, v->c.low, v->c.high, v->c.p,
                    word_of(&v->c));
    }
    if (c->has_seeds && !c->beats_seeds)
        strbuf_add(out, "ensemble gain only\n");
}

static enum fusor_status print_table(const struct choice *c,
                                     struct fusor_error *err)
{
    char metric[METRIC_NAME_MAX + 2];
    const char *const columns[] = {"head",
                                   "normalise",
                                   "calibrate",
                                   metric,
                                   ">fitted",
                                   ">against best single",
                                   ">against the mean",
                                   NULL};
    struct strbuf text = {0};
    struct texttab *tab;
    enum fusor_status rc = FUSOR_OK;

    snprintf(metric, sizeof(metric), ">%s", c->s.metric.name);
    tab = texttab_create(columns);
    for (size_t i = 0; rc == FUSOR_OK && i < c->s.n; i++)
        if (i == c->s.chosen || leads(c, i))
            rc = table_row(c, tab, i, err);
    if (rc != FUSOR_OK) {
        texttab_destroy(tab);
        return rc;
    }
    output_say(
        "%u folds over %zu %s, %zu pairs; differences are positive where "
        "the row is better, 95 %% intervals; * the simplest head within "
        "one standard error of the best",
        c->options.folds, c->s.n_units, c->rows.query ? "users" : "rows",
        c->rows.n);
    FUSOR_TRY(output_table(tab, err));
    add_lines(c, &text);
    return output_text(&text, err);
}

static void json_candidate(const struct choice *c, struct json *j,
                           const struct select_candidate *x)
{
    json_begin_object(j, NULL);
    json_string(j, x->tower < 0 ? "method" : "only", name_of(c, x));
    json_string(j, "normalise", x->spec.normalise);
    json_string(j, "calibrate", x->spec.calibrate);
    json_uint(j, "parameters", x->parameters);
    json_number(j, "value", x->value);
    json_number(j, "gap", x->gap);
    json_number(j, "gap_se", x->gap_se);
    if (x->why[0])
        json_string(j, "failed", x->why);
    json_end_object(j);
}

static void json_verdicts(const struct choice *c, struct json *j)
{
    json_begin_object(j, "against");
    for (size_t i = 0; i < c->n_verdicts; i++) {
        const struct verdict *v = &c->verdicts[i];

        json_begin_object(j, v->key);
        json_string(j, "what", v->what);
        json_number(j, "difference", v->c.difference);
        json_number(j, "low", v->c.low);
        json_number(j, "high", v->c.high);
        json_number(j, "p", v->c.p);
        json_end_object(j);
    }
    json_end_object(j);
    if (c->has_seeds)
        json_bool(j, "ensemble_gain_only", !c->beats_seeds);
}

static enum fusor_status print_json(const struct choice *c,
                                    struct fusor_error *err)
{
    const struct select_candidate *x = chosen_of(c);
    struct json j = {.pretty = 1};

    json_begin_object(&j, NULL);
    json_string(&j, "metric", c->s.metric.name);
    json_uint(&j, "folds", c->options.folds);
    json_uint(&j, "pairs", c->rows.n);
    json_uint(&j, "units", c->s.n_units);
    json_begin_object(&j, "chosen");
    json_string(&j, "method", x->spec.method->name);
    json_string(&j, "normalise", x->spec.normalise);
    json_string(&j, "calibrate", x->spec.calibrate);
    json_number(&j, "value", x->value);
    json_begin_array(&j, "weights");
    for (size_t i = 0; i < c->rows.m; i++)
        json_number(&j, NULL, c->f->recipe.model.weights[i]);
    json_end_array(&j);
    json_number(&j, "constant", c->f->recipe.model.bias);
    json_end_object(&j);
    json_verdicts(c, &j);
    json_begin_array(&j, "candidates");
    for (size_t i = 0; i < c->s.n; i++)
        json_candidate(c, &j, &c->s.candidates[i]);
    json_end_array(&j);
    json_end_object(&j);
    return output_json(&j, err);
}

static void say_weights(const struct choice *c)
{
    const struct combine_model *m = &c->f->recipe.model;

    for (size_t i = 0; i < m->m; i++)
        output_say("  weight %.6g  %s", m->weights[i],
                   fuse_tower_name(c->f, i));
    if (c->has_seeds && c->n_seeds != c->rows.m)
        output_say("  %zu seeds stand against %zu models: equal numbers "
                   "compare better",
                   c->n_seeds, c->rows.m);
}

static enum fusor_status choose(struct choice *c, const struct args *a,
                                struct fusor_error *err)
{
    FUSOR_TRY(read_options(c, a, err));
    FUSOR_TRY(select_run(&c->rows, &c->options, &c->s, err));
    FUSOR_TRY(judge_inside(c, err));
    if (args_value(a, "seeds-of"))
        FUSOR_TRY(judge_seeds(c, a, err));
    if (args_value(a, "test"))
        FUSOR_TRY(judge_outside(c, args_value(a, "test"), err));
    FUSOR_TRY(recipe_fit(&chosen_of(c)->spec, &c->rows, &c->f->recipe, err));
    if (args_value(a, "save"))
        FUSOR_TRY(fuse_save_head(c->f, args_value(a, "save"), err));
    if (args_flag(a, "json"))
        return print_json(c, err);
    FUSOR_TRY(print_table(c, err));
    if (!args_flag(a, "quiet"))
        say_weights(c);
    return FUSOR_OK;
}

enum fusor_status fuse_select(struct fuse *f, const struct args *a,
                              struct fusor_error *err)
{
    struct choice c = {.f = f, .rows = fuse_rows(&f->fit, f->targets)};
    enum fusor_status rc = choose(&c, a, err);

    selection_clear(&c.s);
    return rc;
}
