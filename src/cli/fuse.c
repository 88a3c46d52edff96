/* fusor fuse: score files of finished models joined into one score. The maths
 * is in model/combine; here files come in and numbers go out. */
#include "cli/fuse.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/fs.h"
#include "base/mem.h"
#include "cli/verb.h"
#include "cli/output.h"
#include "model/combine/combine.h"

#define MAX_HEAD ((size_t)1 << 26)

static const struct arg_spec specs[] = {
    {"scores", 's', "FILE",
     "scores of one model, or its run; give it once for each"},
    {"labels", 'y', "FILE",
     "what the scores should have been, to fit on; a run: its labels"},
    {"label", 'l', "NAME",
     "of runs: which, if they have several; first: "
     "default"},
    {"split", 0, "NAME", "of runs: test (default), valid or train"},
    {"method", 'm', "NAME", "how the weights are found (above)"},
    {"weights", 'w', "W,...", "for weighted and attention: one for each file"},
    {"intercept", 0, NULL, "fit a constant too (least_squares, logistic)"},
    {"ridge", 0, "X", "penalty on the squares of the weights"},
    {"normalise", 0, "NAME",
     "none, minmax, zscore, per_query_minmax, per_query_zscore, per_query_max "
     "(default none)"},
    {"missing", 0, "NAME", "a pair some file lacks: error, zero, drop_tower"},
    {"calibrate", 0, "NAME", "none, platt or isotonic, on the labels"},
    {"save", 0, "FILE", "write the fitted head, to be applied later"},
    {"apply", 0, "FILE", "take the head that --save wrote, fit nothing"},
    {"select", 0, NULL, "try every head on the labels and choose one"},
    {"metric", 0, "NAME", "what --select judges by (default: by the labels)"},
    {"folds", 0, "N", "of the cross-validation of --select (default 5)"},
    {"seed", 0, "N", "of its folds and bootstrap (default 1)"},
    {"seeds-of", 0, "FILE",
     "scores of the best model trained with another seed; once for each"},
    {"test", 0, "FILE", "labels of other pairs, to judge the choice on"},
    {"json", 0, NULL, "weights and scores as JSON on stdout"},
    {"quiet", 'q', NULL, "only the scores"},
    ARG_END,
};

static void fuse_clear(struct fuse *f)
{
    for (size_t i = 0; i < f->n_files; i++)
        fuse_clear_file(&f->files[i]);
    fuse_clear_file(&f->labels);
    score_join_clear(&f->all);
    score_join_clear(&f->fit);
    recipe_clear(&f->recipe);
    mem_free(f->fused);
    mem_free(f->targets);
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
        FUSOR_TRY(fuse_read_file(f, path, 0, &f->files[i], err));
    }
    if (f->n_files == 0)
        return fusor_fail(err, FUSOR_EUSAGE,
                          "fuse: --scores FILE is missing, once for each "
                          "model");
    if (!args_value(a, "labels"))
        return FUSOR_OK;
    f->has_labels = 1;
    return fuse_read_file(f, args_value(a, "labels"), 1, &f->labels, err);
}

struct recipe_rows fuse_rows(const struct score_join *j, const double *targets)
{
    return (struct recipe_rows){j->scores, targets, j->query, j->n, j->m};
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

/* Fitted on the pairs with a label, or on all pairs when there are no labels.
 */
static enum fusor_status fit_head(struct fuse *f, const struct args *a,
                                  struct fusor_error *err)
{
    const char *normalise = args_value(a, "normalise");
    const char *calibrate = args_value(a, "calibrate");
    struct recipe_rows rows = fuse_rows(f->has_labels ? &f->fit : &f->all,
                                        f->has_labels ? f->targets : NULL);
    struct recipe_spec spec = {f->method, normalise ? normalise : "none",
                               calibrate ? calibrate : "none", f->options};

    if (!f->has_labels && strcmp(spec.calibrate, "none") != 0)
        return fusor_fail(err, FUSOR_EUSAGE,
                          "fuse: --calibrate needs --labels FILE to fit on");
    keep_weights(f);
    return recipe_fit(&spec, &rows, &f->recipe, err);
}

/* The head of a file, over the files there are. */
static enum fusor_status read_head(struct fuse *f, const char *path,
                                   struct fusor_error *err)
{
    char *text;
    size_t size;
    enum fusor_status rc;

    FUSOR_TRY(fs_read(path, MAX_HEAD, &text, &size, err));
    rc = recipe_read(text, size, path, &f->recipe, err);
    mem_free(text);
    FUSOR_TRY(rc);
    if (f->recipe.model.m != f->n_files)
        return fusor_fail(err, FUSOR_EUSAGE,
                          "fuse: the head in %s joins %zu models, but there "
                          "are %zu score files: give them in the same order",
                          path, f->recipe.model.m, f->n_files);
    return recipe_keep(&f->recipe, f->all.tower, f->all.m, err);
}

enum fusor_status fuse_save_head(const struct fuse *f, const char *path,
                                 struct fusor_error *err)
{
    const char *names[COMBINE_MAX];
    struct strbuf text = {0};
    enum fusor_status rc;

    for (size_t i = 0; i < f->all.m; i++)
        names[i] = fuse_tower_name(f, i);
    recipe_write(&f->recipe, names, &text);
    rc = text.failed ? mem_fail(err, "head", 4096)
                     : fs_write_atomic(path, text.s, text.len, err);
    strbuf_clear(&text);
    return rc;
}

const char *fuse_tower_name(const struct fuse *f, size_t i)
{
    return f->files[f->all.tower[i]].table.name;
}

static void say_model(const struct fuse *f)
{
    output_say("%s over %zu files and %zu pairs", f->recipe.model.ops->name,
               f->recipe.model.m, f->all.n);
    for (size_t i = 0; i < f->recipe.model.m; i++)
        output_say("  weight %.6g  %s", f->recipe.model.weights[i],
                   fuse_tower_name(f, i));
    if (f->recipe.model.bias < 0 || f->recipe.model.bias > 0)
        output_say("  constant %.6g", f->recipe.model.bias);
    if (f->has_labels && !isnan(f->recipe.model.loss))
        output_say("  loss %.6g on %zu pairs with labels", f->recipe.model.loss,
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
    json_string(&j, "method", f->recipe.model.ops->name);
    json_begin_array(&j, "towers");
    for (size_t i = 0; i < f->recipe.model.m; i++) {
        json_begin_object(&j, NULL);
        json_string(&j, "file", fuse_tower_name(f, i));
        json_number(&j, "weight", f->recipe.model.weights[i]);
        json_end_object(&j);
    }
    json_end_array(&j);
    json_number(&j, "constant", f->recipe.model.bias);
    json_number(&j, "loss", f->recipe.model.loss);
    json_rows(f, &j);
    json_end_object(&j);
    return output_json(&j, err);
}

static enum fusor_status print(const struct fuse *f, const struct args *a,
                               struct fusor_error *err)
{
    if (args_flag(a, "json"))
        return print_json(f, err);
    if (!args_flag(a, "quiet"))
        say_model(f);
    return print_scores(f, err);
}

/* What does not go together, before anything is read. */
static enum fusor_status check_words(const struct args *a,
                                     struct fusor_error *err)
{
    static const char *const of_select[] = {"metric",   "folds", "seed",
                                            "seeds-of", "test",  NULL};
    static const char *const of_fit[] = {"method",    "weights",   "intercept",
                                         "normalise", "calibrate", "ridge",
                                         "select",    "save",      NULL};

    for (int i = 0; !args_flag(a, "select") && of_select[i]; i++)
        if (args_value(a, of_select[i]))
            return fusor_fail(err, FUSOR_EUSAGE,
                              "fuse: --%s is for --select: give that too",
                              of_select[i]);
    for (int i = 0; args_flag(a, "apply") && of_fit[i]; i++)
        if (args_flag(a, of_fit[i]))
            return fusor_fail(err, FUSOR_EUSAGE,
                              "fuse: --apply fits nothing: remove --%s",
                              of_fit[i]);
    for (int i = 0; args_flag(a, "select") && i < 5; i++)
        if (args_flag(a, of_fit[i]))
            return fusor_fail(err, FUSOR_EUSAGE,
                              "fuse: --select tries everything: remove --%s",
                              of_fit[i]);
    if (args_flag(a, "select") && !args_value(a, "labels"))
        return fusor_fail(err, FUSOR_EUSAGE,
                          "fuse: --select needs --labels FILE of rows that no "
                          "model was trained on");
    return FUSOR_OK;
}

static enum fusor_status make_head(struct fuse *f, const struct args *a,
                                   struct fusor_error *err)
{
    if (args_value(a, "apply"))
        return read_head(f, args_value(a, "apply"), err);
    FUSOR_TRY(fit_head(f, a, err));
    return args_value(a, "save") ? fuse_save_head(f, args_value(a, "save"), err)
                                 : FUSOR_OK;
}

static enum fusor_status fuse(struct fuse *f, const struct args *a,
                              struct fusor_error *err)
{
    struct recipe_rows all;

    FUSOR_TRY(check_words(a, err));
    FUSOR_TRY(fuse_check_runs(f, a, err));
    FUSOR_TRY(read_files(f, a, err));
    if (args_value(a, "missing"))
        FUSOR_TRY(
            score_missing_parse(args_value(a, "missing"), &f->missing, err));
    if (!args_flag(a, "select") && !args_value(a, "apply"))
        FUSOR_TRY(read_method(f, a, err));
    FUSOR_TRY(join(f, err));
    f->fused = mem_alloc(f->all.n + 1, sizeof(*f->fused));
    f->targets = mem_alloc(f->fit.n + 1, sizeof(*f->targets));
    if (!f->fused || !f->targets)
        return mem_fail(err, "fuse", f->all.n * sizeof(*f->targets));
    for (size_t i = 0; i < f->fit.n; i++)
        f->targets[i] = f->fit.rows[i].score;
    if (args_flag(a, "select"))
        return fuse_select(f, a, err);
    FUSOR_TRY(make_head(f, a, err));
    all = fuse_rows(&f->all, NULL);
    FUSOR_TRY(recipe_apply(&f->recipe, &all, f->fused, err));
    return print(f, a, err);
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
        "<TAB> score.\nA run directory in place of a file gives the fused "
        "scores (or labels) of its rows.\n"
        "--select tries every method that is fitted, every normalisation and "
        "every\ncalibration by cross-validation on the labels, prints how each "
        "compares with the\nbest single model and with the mean, and takes the "
        "simplest head within one\nstandard error of the best. With "
        "--seeds-of it says whether averaging seeds of\none model would do as "
        "well. A model that is missing when a head is applied is\nleft out "
        "with "
        "--missing drop_tower and the other weights grow to the same sum.\n"
        "\nMethods, R being the fused score and M_i what file i says; fit on "
        "rows that no\nmodel was trained on:\n",
    .describe = combine_list,
    .examples = "  fusor fuse --scores a.tsv --scores b.tsv --method weighted "
                "--weights .3,.7\n"
                "  fusor fuse --scores a.tsv --scores b.tsv --labels y.tsv "
                "--method simplex --normalise zscore > fused.tsv\n"
                "  fusor fuse --scores a.tsv --scores b.tsv --labels y.tsv "
                "--select --save head.json\n"
                "  fusor fuse --scores runs/a --scores runs/b --labels runs/a "
                "--label click --split valid --method logistic --save h.json\n"
                "  fusor fuse --scores new_a.tsv --scores new_b.tsv --apply "
                "head.json > fused.tsv\n",
    .args = {"fuse", specs, NULL, NULL, 0, 0},
    .run = run,
};
