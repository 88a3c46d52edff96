/* fusor fuse: score files of finished models joined into one score. The maths
 * is in model/combine; here files come in and numbers go out. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/fs.h"
#include "base/mem.h"
#include "cli/verb.h"
#include "cli/output.h"
#include "model/combine/calibrate.h"
#include "model/combine/normalise.h"
#include "model/combine/scores.h"

#define MAX_FILE ((size_t)1 << 32)

static const struct arg_spec specs[] = {
    {"scores", 's', "FILE", "scores of one model; give it once for each"},
    {"labels", 'y', "FILE", "what the scores should have been, to fit on"},
    {"method", 'm', "NAME", "how the weights are found (below)"},
    {"weights", 'w', "W,...", "for weighted and attention: one for each file"},
    {"intercept", 0, NULL, "fit a constant too (least_squares, logistic)"},
    {"ridge", 0, "X", "penalty on the squares of the weights"},
    {"normalise", 0, "NAME",
     "none, minmax, zscore, per_query_minmax, per_query_zscore, per_query_max "
     "(default none)"},
    {"missing", 0, "NAME", "a pair some file lacks: error, zero, drop_tower"},
    {"calibrate", 0, "NAME", "none, platt or isotonic, on the labels"},
    {"json", 0, NULL, "weights and scores as JSON on stdout"},
    {"quiet", 'q', NULL, "only the scores"},
    ARG_END,
};

struct file {
    char *text;
    struct score_table table;
};

struct fuse {
    struct file files[COMBINE_MAX], labels;
    size_t n_files;
    int has_labels;
    const struct combine_ops *method;
    enum score_missing missing;
    struct combine_options options;
    double given[COMBINE_MAX];
    struct normaliser normaliser;
    struct combine_model model;
    struct calibration calibration;
    int calibrated;
    struct score_join all, fit; // every pair; those with a label
    double *fused;              // [all.n]
};

static enum fusor_status read_file(const char *path, struct file *out,
                                   struct fusor_error *err)
{
    size_t size;

    FUSOR_TRY(fs_read(path, MAX_FILE, &out->text, &size, err));
    return score_table_parse(path, out->text, size, &out->table, err);
}

static void fuse_clear(struct fuse *f)
{
    for (size_t i = 0; i < f->n_files; i++) {
        score_table_clear(&f->files[i].table);
        mem_free(f->files[i].text);
    }
    score_table_clear(&f->labels.table);
    mem_free(f->labels.text);
    score_join_clear(&f->all);
    score_join_clear(&f->fit);
    if (f->calibrated)
        calibration_clear(&f->calibration);
    mem_free(f->fused);
}

static enum fusor_status read_weights(struct fuse *f, const char *text,
                                      struct fusor_error *err)
{
    const char *names[COMBINE_MAX];
    char *copy;
    size_t n;
    enum fusor_status rc =
        args_split(text, "weights", &copy, names, COMBINE_MAX, &n, err);

    for (size_t i = 0; rc == FUSOR_OK && i < n; i++)
        if (str_to_double(names[i], &f->given[i]) || !isfinite(f->given[i]))
            rc =
                fusor_fail(err, FUSOR_EUSAGE,
                           "fuse: --weights: \"%s\" is not a number", names[i]);
    if (rc == FUSOR_OK && n && n != f->n_files)
        rc = fusor_fail(err, FUSOR_EUSAGE,
                        "fuse: --weights has %zu numbers for %zu files", n,
                        f->n_files);
    if (n)
        f->options.weights = f->given;
    mem_free(copy);
    return rc;
}

static enum fusor_status read_method(struct fuse *f, const struct args *a,
                                     struct fusor_error *err)
{
    const char *method = args_value(a, "method");
    const char *missing = args_value(a, "missing");
    const char *ridge = args_value(a, "ridge");

    if (!method)
        return fusor_fail(err, FUSOR_EUSAGE,
                          "fuse: --method is missing; see fusor fuse --help");
    /* The word of the formula R = sum w_i M_i is taken too. */
    if (strcmp(method, "weights") == 0)
        method = "weighted";
    f->method = combine_find(method, err);
    if (!f->method)
        return FUSOR_EUSAGE;
    if (missing)
        FUSOR_TRY(score_missing_parse(missing, &f->missing, err));
    f->options.intercept = args_flag(a, "intercept");
    if (ridge &&
        (str_to_double(ridge, &f->options.ridge) || !(f->options.ridge >= 0)))
        return fusor_fail(err, FUSOR_EUSAGE,
                          "fuse: --ridge is \"%s\", but must be a number of at "
                          "least 0",
                          ridge);
    FUSOR_TRY(read_weights(f, args_value(a, "weights"), err));
    if (f->method->needs_weights && !f->options.weights)
        return fusor_fail(err, FUSOR_EUSAGE,
                          "fuse: method %s needs --weights, one for each file",
                          f->method->name);
    if (f->method->needs_targets && !args_value(a, "labels"))
        return fusor_fail(err, FUSOR_EUSAGE,
                          "fuse: method %s needs --labels FILE to fit on",
                          f->method->name);
    return FUSOR_OK;
}

static enum fusor_status read_files(struct fuse *f, const struct args *a,
                                    struct fusor_error *err)
{
    const char *path;

    for (size_t i = 0; (path = args_nth(a, "scores", i)) != NULL; i++) {
        if (i == COMBINE_MAX)
            return fusor_fail(err, FUSOR_EUSAGE,
                              "fuse: more than %d score files", COMBINE_MAX);
        f->n_files = i + 1;
        FUSOR_TRY(read_file(path, &f->files[i], err));
    }
    if (f->n_files == 0)
        return fusor_fail(err, FUSOR_EUSAGE,
                          "fuse: --scores FILE is missing, once for each "
                          "model");
    if (!args_value(a, "labels"))
        return FUSOR_OK;
    f->has_labels = 1;
    return read_file(args_value(a, "labels"), &f->labels, err);
}

/* The weights of the files that a join kept. */
static void keep_weights(struct fuse *f)
{
    for (size_t i = 0; i < f->all.m; i++)
        f->given[i] = f->given[f->all.tower[i]];
}

static enum fusor_status join(struct fuse *f, struct fusor_error *err)
{
    struct score_table tables[COMBINE_MAX];

    for (size_t i = 0; i < f->n_files; i++)
        tables[i] = f->files[i].table;
    FUSOR_TRY(scores_join(tables, f->n_files, NULL, f->missing, &f->all, err));
    if (!f->has_labels)
        return FUSOR_OK;
    for (size_t i = 0; i < f->all.m; i++)
        tables[i] = f->files[f->all.tower[i]].table;
    FUSOR_TRY(scores_join(tables, f->all.m, &f->labels.table, f->missing,
                          &f->fit, err));
    if (f->fit.m != f->all.m)
        return fusor_fail(err, FUSOR_EDATA,
                          "fuse: %s lacks pairs that have a label, and others "
                          "would be scored by it",
                          f->files[f->all.tower[0]].table.name);
    return FUSOR_OK;
}

static enum fusor_status apply_calibration(struct fuse *f, const char *kind,
                                           const double *targets,
                                           struct fusor_error *err)
{
    double *fitted = mem_alloc_raw(f->fit.n, sizeof(*fitted));
    enum fusor_status rc;

    if (!fitted)
        return mem_fail(err, "calibration", f->fit.n * sizeof(*fitted));
    combine_apply(&f->model, f->fit.scores, f->fit.n, fitted);
    rc = calibration_fit(&f->calibration, kind, fitted, targets, f->fit.n, err);
    mem_free(fitted);
    f->calibrated = rc == FUSOR_OK;
    for (size_t i = 0; rc == FUSOR_OK && i < f->all.n; i++)
        f->fused[i] = calibration_apply(&f->calibration, f->fused[i]);
    return rc;
}

/* Normalise, fit, apply, calibrate: all fitted on the pairs with a label, or on
 * all pairs when there are no labels. */
static enum fusor_status compute(struct fuse *f, const struct args *a,
                                 double *targets, struct fusor_error *err)
{
    const char *normalise = args_value(a, "normalise");
    const char *calibrate = args_value(a, "calibrate");
    struct score_join *fit = f->has_labels ? &f->fit : &f->all;
    struct combine_data data = {fit->scores, f->has_labels ? targets : NULL,
                                fit->n, fit->m};

    FUSOR_TRY(normaliser_init(&f->normaliser, normalise ? normalise : "none",
                              fit->m, err));
    normaliser_fit(&f->normaliser, fit->scores, fit->n);
    FUSOR_TRY(normaliser_apply(&f->normaliser, f->all.scores, f->all.n,
                               f->all.query, err));
    if (f->has_labels)
        FUSOR_TRY(normaliser_apply(&f->normaliser, fit->scores, fit->n,
                                   fit->query, err));
    keep_weights(f);
    FUSOR_TRY(combine_fit(f->method, &data, &f->options, &f->model, err));
    combine_apply(&f->model, f->all.scores, f->all.n, f->fused);
    if (!calibrate || strcmp(calibrate, "none") == 0)
        return FUSOR_OK;
    if (!f->has_labels)
        return fusor_fail(err, FUSOR_EUSAGE,
                          "fuse: --calibrate needs --labels FILE to fit on");
    return apply_calibration(f, calibrate, targets, err);
}

static const char *tower_name(const struct fuse *f, size_t i)
{
    return f->files[f->all.tower[i]].table.name;
}

static void say_model(const struct fuse *f)
{
    output_say("%s over %zu files and %zu pairs", f->model.ops->name,
               f->model.m, f->all.n);
    for (size_t i = 0; i < f->model.m; i++)
        output_say("  weight %.6g  %s", f->model.weights[i], tower_name(f, i));
    if (f->model.bias < 0 || f->model.bias > 0)
        output_say("  constant %.6g", f->model.bias);
    if (f->has_labels)
        output_say("  loss %.6g on %zu pairs with labels", f->model.loss,
                   f->fit.n);
    for (size_t i = 0; i < f->n_files; i++)
        if (f->all.n_missing[i])
            output_say("  %zu pairs are not in %s", f->all.n_missing[i],
                       f->files[i].table.name);
}

static enum fusor_status print_scores(const struct fuse *f,
                                      struct fusor_error *err)
{
    struct strbuf text = {0};
    char number[32];

    for (size_t i = 0; i < f->all.n; i++) {
        const struct score_row *row = &f->all.rows[i];

        if (row->key_len) {
            strbuf_add_n(&text, row->key, row->key_len);
            strbuf_add(&text, "\t");
        }
        strbuf_add(&text, str_double(f->fused[i], number));
        strbuf_add(&text, "\n");
        if (text.len > 1 << 20)
            FUSOR_TRY(output_text(&text, err));
    }
    return output_text(&text, err);
}

static void json_rows(const struct fuse *f, struct json *j)
{
    json_begin_array(j, "rows");
    for (size_t i = 0; i < f->all.n; i++) {
        const struct score_row *row = &f->all.rows[i];
        struct strbuf key = {0};

        json_begin_object(j, NULL);
        if (row->key_len) {
            strbuf_add_n(&key, row->key, row->key_len);
            json_string(j, "key", key.s ? key.s : "");
            strbuf_clear(&key);
        }
        json_number(j, "score", f->fused[i]);
        json_end_object(j);
    }
    json_end_array(j);
}

static enum fusor_status print_json(const struct fuse *f,
                                    struct fusor_error *err)
{
    struct json j = {.pretty = 1};

    json_begin_object(&j, NULL);
    json_string(&j, "method", f->model.ops->name);
    json_begin_array(&j, "towers");
    for (size_t i = 0; i < f->model.m; i++) {
        json_begin_object(&j, NULL);
        json_string(&j, "file", tower_name(f, i));
        json_number(&j, "weight", f->model.weights[i]);
        json_end_object(&j);
    }
    json_end_array(&j);
    json_number(&j, "constant", f->model.bias);
    json_number(&j, "loss", f->model.loss);
    json_rows(f, &j);
    json_end_object(&j);
    return output_json(&j, err);
}

static enum fusor_status fuse(struct fuse *f, const struct args *a,
                              struct fusor_error *err)
{
    double *targets;
    enum fusor_status rc;

    FUSOR_TRY(read_files(f, a, err));
    FUSOR_TRY(read_method(f, a, err));
    FUSOR_TRY(join(f, err));
    f->fused = mem_alloc(f->all.n + 1, sizeof(*f->fused));
    targets = mem_alloc(f->fit.n + 1, sizeof(*targets));
    for (size_t i = 0; targets && i < f->fit.n; i++)
        targets[i] = f->fit.rows[i].score;
    rc = f->fused && targets
             ? compute(f, a, targets, err)
             : mem_fail(err, "fuse", f->all.n * sizeof(*targets));
    mem_free(targets);
    if (rc != FUSOR_OK)
        return rc;
    if (args_flag(a, "json"))
        return print_json(f, err);
    if (!args_flag(a, "quiet"))
        say_model(f);
    return print_scores(f, err);
}

static enum fusor_status run(struct args *a, struct fusor_error *err)
{
    struct fuse *f = mem_alloc(1, sizeof(*f));
    enum fusor_status rc;

    if (!f)
        return mem_fail(err, "fuse", sizeof(*f));
    f->missing = SCORE_MISSING_ERROR;
    rc = fuse(f, a, err);
    fuse_clear(f);
    mem_free(f);
    return rc;
}

const struct verb verb_fuse = {
    .name = "fuse",
    .help = "join the score files of several models into one",
    .synopsis = "--scores FILE --scores FILE ... --method NAME [options]",
    .about =
        "A line of a score file: score, key <TAB> score, or user <TAB> item "
        "<TAB> score.\nMethods, R being the fused score and M_i what file i "
        "says:\n"
        "  weighted       R = sum w_i M_i with --weights\n"
        "  attention      the same, weights of at least 0 that sum to 1\n"
        "  mean           every weight 1 / files\n"
        "  least_squares  weights of the least squared error on the labels\n"
        "  simplex        the same with weights of at least 0 and sum 1\n"
        "  softmax        the same with weights softmax(alpha)\n"
        "  logistic       R = sigmoid(sum w_i M_i), least log loss\n"
        "Fit on rows that no model was trained on.\n",
    .examples = "  fusor fuse --scores a.tsv --scores b.tsv --method weighted "
                "--weights .3,.7\n"
                "  fusor fuse --scores a.tsv --scores b.tsv --labels y.tsv "
                "--method simplex --normalise zscore > fused.tsv\n",
    .args = {"fuse", specs, NULL, NULL, 0, 0},
    .run = run,
};
