/* fusor explain: what each tower of a run puts into its scores, and what the
 * metrics lose without it. */
#include "cli/explain.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/fs.h"
#include "base/mem.h"
#include "cli/judge.h"
#include "cli/output.h"
#include "cli/verb.h"

#define ROWS 1000

static const struct arg_spec specs[] = {
    {"user", 'u', "ID", "one pair: the user, as written in the raw data"},
    {"item", 'i', "ID", "and the item"},
    {"rows", 'n', "N", "about how many rows, of whole users (default 1000)"},
    {"split", 0, "NAME", "test (default), valid or train"},
    {"metrics", 'm', "M,...", "of the ablation, instead of the job's"},
    {"out", 'o', "FILE", "each row's contributions, tab-separated"},
    {"json", 0, NULL, "as JSON on stdout"},
    {"label", 'l', "NAME", "whose score, in a run of several labels"},
    ARG_END,
};

static const char *tower_name(const struct explain *x, uint32_t t)
{
    return model_tower_name(x->opened->workload->model, t);
}

/* How a row's contributions divide it: signed, their sizes sum to 1. */
static double share_of(const float *parts, uint32_t m, uint32_t t)
{
    double sum = 0;

    for (uint32_t k = 0; k < m; k++)
        sum += fabs((double)parts[k]);
    return sum > 0 ? (double)parts[t] / sum : 0;
}

/* How much of all weights is this one's: without their common scale, which a
 * loss over lists chooses for itself. */
static double weight_share(const struct explain *x, uint32_t t)
{
    double sum = 0;

    for (uint32_t k = 0; k < x->m; k++)
        sum += fabs(x->sums[k].weight);
    return sum > 0 ? x->sums[t].weight / sum : 0;
}

static enum fusor_status find_id(struct explain *x, int key, const char *option,
                                 const char *text, uint32_t *out,
                                 struct fusor_error *err)
{
    struct dataset *ds = x->opened->workload->data;
    const struct schema *s = dataset_schema(ds);
    const struct vocab *v;

    if (key < 0 || !s->fields[key].vocab_name[0])
        return fusor_fail(err, FUSOR_EUSAGE,
                          "--%s: the prepared folder keeps no names of %ss: "
                          "explain --rows N instead",
                          option, option);
    FUSOR_TRY(dataset_vocab(ds, s->fields[key].vocab_name, &v, err));
    *out = vocab_find(v, text, strlen(text));
    if (*out != VOCAB_UNKNOWN)
        return FUSOR_OK;
    return fusor_fail(err, FUSOR_EUSAGE,
                      "there is no %s \"%.60s\" among the %u that were "
                      "prepared",
                      s->fields[key].spec.name, text, vocab_size(v) - 1);
}

/* One pair. */

static enum fusor_status pair_table(const struct explain *x,
                                    struct fusor_error *err)
{
    static const char *const columns[] = {"tower", ">says", ">contributes",
                                          ">share", NULL};
    struct texttab *tab = texttab_create(columns);

    for (uint32_t t = 0; t < x->m; t++) {
        const float *said = model_tower_scores(x->worker.run, t);
        char says[24] = "a vector", part[24], share[24];
        const char *cells[4] = {tower_name(x, t), says, part, share};

        if (said)
            snprintf(says, sizeof(says), "%+.5f", (double)said[0]);
        snprintf(part, sizeof(part), "%+.5f", (double)x->parts[t]);
        snprintf(share, sizeof(share), "%+.1f %%",
                 100 * share_of(x->parts, x->m, t));
        if (explain_shows(x, t))
            texttab_row(tab, cells);
    }
    output_say("score %.6g, output %.6g%s", (double)x->worker.scores[0],
               (double)x->worker.outputs[0],
               x->only_ordered ? ", which only order the items of a user: the "
                                 "last loss fits them to no label"
                               : "");
    FUSOR_TRY(output_table(tab, err));
    return explain_gates_table(x, err);
}

static enum fusor_status pair_json(const struct explain *x,
                                   const struct args *a,
                                   struct fusor_error *err)
{
    struct json j = {.pretty = 1};

    json_begin_object(&j, NULL);
    json_string(&j, "user", args_value(a, "user"));
    json_string(&j, "item", args_value(a, "item"));
    json_number(&j, "score", (double)x->worker.scores[0]);
    json_number(&j, "output", (double)x->worker.outputs[0]);
    json_begin_object(&j, "towers");
    for (uint32_t t = 0; t < x->m; t++) {
        const float *said = model_tower_scores(x->worker.run, t);

        if (!explain_shows(x, t))
            continue;
        json_begin_object(&j, tower_name(x, t));
        if (said)
            json_number(&j, "says", (double)said[0]);
        json_number(&j, "contributes", (double)x->parts[t]);
        json_number(&j, "share", share_of(x->parts, x->m, t));
        json_end_object(&j);
    }
    json_end_object(&j);
    explain_gates_json(x, &j);
    json_end_object(&j);
    return output_json(&j, err);
}

static enum fusor_status explain_pair(struct explain *x, const struct args *a,
                                      struct fusor_error *err)
{
    const struct schema *s = dataset_schema(x->opened->workload->data);
    uint32_t user, item;

    FUSOR_TRY(
        find_id(x, s->query_key, "user", args_value(a, "user"), &user, err));
    FUSOR_TRY(
        find_id(x, s->item_key, "item", args_value(a, "item"), &item, err));
    FUSOR_TRY(explain_score_pair(x, user, item, err));
    return args_flag(a, "json") ? pair_json(x, a, err) : pair_table(x, err);
}

/* Many rows. */

static void interval(const struct ablation *b, char out[64])
{
    if (!b->has)
        snprintf(out, 64, "not a mean over units");
    else
        snprintf(out, 64, "%+.5f [%+.5f, %+.5f]", b->c.difference, b->c.low,
                 b->c.high);
}

static enum fusor_status rows_table(const struct explain *x,
                                    struct fusor_error *err)
{
    const struct workload *w = x->opened->workload;
    char heads[TRAIN_MAX_METRICS][METRIC_NAME_MAX + 16];
    const char *columns[TRAIN_MAX_METRICS + 7] = {"tower",       ">mean weight",
                                                  ">of weights", ">contributes",
                                                  ">size",       ">share"};
    struct texttab *tab;
    uint32_t n = x->ablated ? w->n_metrics : 0;

    for (uint32_t k = 0; k < n; k++) {
        snprintf(heads[k], sizeof(heads[k]), ">%s without", w->metrics[k].name);
        columns[6 + k] = heads[k];
    }
    tab = texttab_create(columns);
    for (uint32_t t = 0; t < x->m; t++) {
        char text[5][24], intervals[TRAIN_MAX_METRICS][64];
        const char *cells[TRAIN_MAX_METRICS + 6] = {
            tower_name(x, t), text[0], text[1], text[2], text[3], text[4]};
        const struct tower_sums *s = &x->sums[t];
        double rows = (double)x->n_rows;

        snprintf(text[0], 24, "-");
        snprintf(text[1], 24, "-");
        if (x->has_weights) {
            snprintf(text[0], 24, "%.4f", s->weight / rows);
            snprintf(text[1], 24, "%+.1f %%", 100 * weight_share(x, t));
        }
        snprintf(text[2], 24, "%+.5f", s->part / rows);
        snprintf(text[3], 24, "%.5f", s->size / rows);
        snprintf(text[4], 24, "%+.1f %%", 100 * s->share / rows);
        for (uint32_t k = 0; k < n; k++) {
            interval(&x->ablations[t * w->n_metrics + k], intervals[k]);
            cells[6 + k] = intervals[k];
        }
        if (explain_shows(x, t))
            texttab_row(tab, cells);
    }
    output_say("%llu %s rows; of weights: the mean weight over the sum of all "
               "sizes; contributes: weight times score, mean of signed "
               "values; share: of all sizes in a row; without: the metric less "
               "that of all towers, 95 %% interval by the paired bootstrap",
               (unsigned long long)x->n_rows, judge_split_name(x->order.split));
    FUSOR_TRY(output_table(tab, err));
    return explain_gates_table(x, err);
}

static void json_ablation(const struct explain *x, struct json *j, uint32_t t)
{
    const struct workload *w = x->opened->workload;

    json_begin_object(j, "without");
    for (uint32_t k = 0; x->ablated && k < w->n_metrics; k++) {
        const struct ablation *b = &x->ablations[t * w->n_metrics + k];

        if (!b->has)
            continue;
        json_begin_object(j, w->metrics[k].name);
        json_number(j, "value", b->c.mean_a);
        json_number(j, "all_towers", b->c.mean_b);
        json_number(j, "difference", b->c.difference);
        json_number(j, "low", b->c.low);
        json_number(j, "high", b->c.high);
        json_number(j, "p", b->c.p);
        json_end_object(j);
    }
    json_end_object(j);
}

static enum fusor_status rows_json(const struct explain *x,
                                   struct fusor_error *err)
{
    struct json j = {.pretty = 1};
    double rows = (double)x->n_rows;

    json_begin_object(&j, NULL);
    json_string(&j, "split", judge_split_name(x->order.split));
    json_uint(&j, "rows", x->n_rows);
    json_begin_object(&j, "towers");
    for (uint32_t t = 0; t < x->m; t++) {
        if (!explain_shows(x, t))
            continue;
        json_begin_object(&j, tower_name(x, t));
        if (x->has_weights) {
            json_number(&j, "weight", x->sums[t].weight / rows);
            json_number(&j, "weight_share", weight_share(x, t));
        }
        json_number(&j, "contributes", x->sums[t].part / rows);
        json_number(&j, "size", x->sums[t].size / rows);
        json_number(&j, "share", x->sums[t].share / rows);
        json_ablation(x, &j, t);
        json_end_object(&j);
    }
    json_end_object(&j);
    explain_gates_json(x, &j);
    json_end_object(&j);
    return output_json(&j, err);
}

static void add_line(struct strbuf *out, uint64_t id, float score,
                     const float *parts, uint32_t m)
{
    char number[32];

    strbuf_addf(out, "%llu\t%s", (unsigned long long)id,
                str_double((double)score, number));
    for (uint32_t t = 0; t < m; t++)
        strbuf_addf(out, "\t%s", str_double((double)parts[t], number));
    strbuf_add(out, "\n");
}

static enum fusor_status count_rows(struct explain *x, const struct args *a,
                                    struct fusor_error *err)
{
    const char *path = args_value(a, "out");
    struct strbuf text = {0};
    enum fusor_status rc = FUSOR_OK;

    strbuf_add(&text, "row\tscore");
    for (uint32_t t = 0; t < x->m; t++)
        strbuf_addf(&text, "\t%s", tower_name(x, t));
    strbuf_add(&text, "\n");
    for (uint64_t at = 0; rc == FUSOR_OK && at < x->order.n;) {
        struct batch b;

        rc = explain_score_rows(x, &at, &b, err);
        for (uint32_t i = 0; rc == FUSOR_OK && i < b.n; i++) {
            const float *parts = x->parts + (size_t)i * x->m;

            for (uint32_t t = 0; t < x->m; t++) {
                x->sums[t].part += (double)parts[t];
                x->sums[t].size += fabs((double)parts[t]);
                x->sums[t].share += share_of(parts, x->m, t);
            }
            if (path)
                add_line(&text, b.sample_id[i], x->worker.scores[i], parts,
                         x->m);
        }
    }
    if (rc == FUSOR_OK && path)
        rc = text.failed ? mem_fail(err, "contributions", text.len)
                         : fs_write_atomic(path, text.s, text.len, err);
    strbuf_clear(&text);
    return rc;
}

static enum fusor_status explain_rows(struct explain *x, const struct args *a,
                                      struct fusor_error *err)
{
    int64_t rows = ROWS;
    enum split split;

    FUSOR_TRY(args_integer(a, "rows", 1, INT64_MAX, &rows, err));
    FUSOR_TRY(judge_choose_split(args_value(a, "split"), x->opened->workload,
                                 &split, err));
    FUSOR_TRY(explain_take_rows(x, split, (uint64_t)rows, err));
    FUSOR_TRY(count_rows(x, a, err));
    FUSOR_TRY(explain_ablate(x, err));
    return args_flag(a, "json") ? rows_json(x, err) : rows_table(x, err);
}

static enum fusor_status check_words(const struct args *a,
                                     struct fusor_error *err)
{
    static const char *const of_rows[] = {"rows", "split", "metrics", "out",
                                          NULL};
    int pair = args_flag(a, "user") || args_flag(a, "item");

    if (pair && !(args_flag(a, "user") && args_flag(a, "item")))
        return fusor_fail(err, FUSOR_EUSAGE,
                          "explain: a pair is --user ID --item ID: give both");
    for (int i = 0; pair && of_rows[i]; i++)
        if (args_flag(a, of_rows[i]))
            return fusor_fail(err, FUSOR_EUSAGE,
                              "explain: --%s is for many rows: remove it, or "
                              "--user and --item",
                              of_rows[i]);
    return FUSOR_OK;
}

static enum fusor_status run(struct args *a, struct fusor_error *err)
{
    struct explain *x;
    enum fusor_status rc;

    FUSOR_TRY(check_words(a, err));
    FUSOR_TRY(explain_open(a->rest[0], args_value(a, "metrics"),
                           args_value(a, "label"), &x, err));
    rc = args_value(a, "user") ? explain_pair(x, a, err)
                               : explain_rows(x, a, err);
    explain_close(x);
    return rc;
}

const struct verb verb_explain = {
    .name = "explain",
    .help = "what each tower puts into a run's scores",
    .synopsis = "RUN [--user U --item I | --rows N] [options]",
    .about =
        "A tower contributes its weight times what it says; the contributions "
        "sum up to the\nscore less its bias (over scores with a sigmoid "
        "output: "
        "to the output). In a concat\nfusion a tower contributes the score "
        "less "
        "that with its input at 0.\nThe ablation leaves one tower out as the "
        "fusion's `missing` says: drop_tower scales\nthe others up. Ranking "
        "among all items takes as long as fusor evaluate, once for\neach "
        "tower. Of encoders mmoe and ple a second table has each expert's "
        "mean weight in\neach label's gate; \"shared\" is what the shared "
        "experts of the next level read.\n",
    .examples = "  fusor explain runs/demo --user 17 --item 42\n"
                "  fusor explain runs/demo --rows 500 --metrics ndcg@10\n"
                "  fusor explain runs/demo --out contributions.tsv --json\n",
    .args = {"explain", specs, NULL, "RUN", 1, 1},
    .run = run,
};
