/* fusor scores: what each tower of a run says about the rows of a split, and
 * the fused score, as a table, as a NumPy array (format 1.0, numpy.lib.format),
 * or as a score file that fusor fuse joins with those of other models. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/fs.h"
#include "base/mem.h"
#include "cli/judge.h"
#include "cli/output.h"
#include "cli/scores.h"
#include "cli/verb.h"
#include "train/opened.h"
#include "train/worker.h"

#define CHUNK 512 /* rows of a batch */
#define NPY_HEADER 128

static const struct arg_spec specs[] = {
    {"out", 'o', "FILE", "where the scores go; NAME.npy: a NumPy array"},
    {"split", 0, "NAME", "test (default), valid or train"},
    {"tower", 0, "NAME", "a score file for fusor fuse: of this tower; fused"},
    {"labels", 0, NULL, "a file of labels for fusor fuse"},
    {"label", 'l', "NAME", "which, in a run of several labels; first: default"},
    ARG_END,
};

struct scores {
    struct opened *opened;
    struct worker worker;
    int has_worker;
    enum split split;
    enum scores_form form;
    uint32_t label;                      // whose fused score, and labels
    uint32_t n_towers, tower;            // SCORES_ONE: n_towers means fused
    const struct vocab *queries, *items; // or NULL: no names
    struct strbuf *out;
};

static const struct model *model_of(const struct scores *s)
{
    return s->opened->workload->model;
}

/* A value of tower t, or fused, for sample i of the batch scored last. */
static float value_of(const struct scores *s, uint32_t t, uint32_t i)
{
    return t == s->n_towers ? s->worker.scores[i]
                            : model_tower_scores(s->worker.run, t)[i];
}

static void add_id(struct scores *s, const struct vocab *v, uint32_t id)
{
    size_t n = 0;
    const char *text = v ? vocab_text(v, id, &n) : NULL;

    if (text)
        strbuf_add_n(s->out, text, n);
    else
        strbuf_addf(s->out, "%u", id);
    strbuf_add(s->out, "\t");
}

static void add_number(struct scores *s, float x)
{
    char number[32];

    strbuf_add(s->out, str_double((double)x, number));
}

static void add_row(struct scores *s, uint32_t row, uint32_t i)
{
    const struct dataset *ds = s->opened->workload->data;

    if (s->form == SCORES_ARRAY) {
        for (uint32_t t = 0; t <= s->n_towers; t++) {
            float x = value_of(s, t, i);

            strbuf_add_n(s->out, (const char *)&x, sizeof(x));
        }
        return;
    }
    if (s->form == SCORES_LABELS &&
        isnan(dataset_label(ds, s->label, s->split, row)))
        return; // the row has none
    if (s->form == SCORES_ONE && isnan(value_of(s, s->tower, i)))
        return; // the tower says nothing
    strbuf_addf(s->out, "%llu\t",
                (unsigned long long)dataset_sample_id(ds, s->split, row));
    if (s->form == SCORES_LABELS)
        add_number(s, dataset_label(ds, s->label, s->split, row));
    if (s->form == SCORES_ONE)
        add_number(s, value_of(s, s->tower, i));
    if (s->form == SCORES_TABLE) {
        if (dataset_n_queries(ds))
            add_id(s, s->queries, dataset_query(ds, s->split, row));
        if (dataset_n_items(ds))
            add_id(s, s->items, dataset_item(ds, s->split, row));
        for (uint32_t t = 0; t <= s->n_towers; t++) {
            if (!isnan(value_of(s, t, i)))
                add_number(s, value_of(s, t, i));
            strbuf_add(s->out, t < s->n_towers ? "\t" : "");
        }
    }
    strbuf_add(s->out, "\n");
}

static void add_table_head(struct scores *s)
{
    const struct dataset *ds = s->opened->workload->data;

    strbuf_add(s->out, dataset_n_queries(ds) ? "row\tuser\t" : "row\t");
    strbuf_add(s->out, dataset_n_items(ds) ? "item\t" : "");
    for (uint32_t t = 0; t < s->n_towers; t++)
        strbuf_addf(s->out, "%s\t", model_tower_name(model_of(s), t));
    strbuf_add(s->out, "fused\n");
}

/* Magic, version, length of what follows, a dictionary padded to 128 bytes. */
static void add_array_head(struct scores *s, uint64_t n)
{
    char head[NPY_HEADER + 1];
    int used;

    memcpy(head, "\x93NUMPY\x01\x00", 8);
    head[8] = NPY_HEADER - 10;
    head[9] = 0;
    used = snprintf(head + 10, sizeof(head) - 10,
                    "{'descr': '<f4', 'fortran_order': False, 'shape': (%llu, "
                    "%u), }",
                    (unsigned long long)n, s->n_towers + 1);
    memset(head + 10 + used, ' ', (size_t)(NPY_HEADER - 10 - used));
    head[NPY_HEADER - 1] = '\n';
    strbuf_add_n(s->out, head, NPY_HEADER);
}

static enum fusor_status score_chunk(struct scores *s, uint64_t first,
                                     uint32_t n, struct fusor_error *err)
{
    struct step *step = &s->worker.ring[0];
    struct step_micro *m;

    for (uint32_t i = 0; i < n; i++)
        s->worker.rows[i] = (uint32_t)(first + i);
    step_reset(step, 0);
    m = step_next_micro(step, 0);
    FUSOR_TRY(
        batcher_fill(m->batcher, s->split, s->worker.rows, n, &m->batch, err));
    FUSOR_TRY(worker_score(&s->worker, m, err));
    for (uint32_t i = 0; i < n; i++)
        add_row(s, s->worker.rows[i], i);
    return s->out->failed ? mem_fail(err, "scores", s->out->len) : FUSOR_OK;
}

static enum fusor_status score_all(struct scores *s, struct fusor_error *err)
{
    uint64_t n = dataset_rows(s->opened->workload->data, s->split);

    if (s->form == SCORES_TABLE)
        add_table_head(s);
    if (s->form == SCORES_ARRAY)
        add_array_head(s, n);
    for (uint64_t at = 0; at < n; at += CHUNK)
        FUSOR_TRY(score_chunk(
            s, at, n - at < CHUNK ? (uint32_t)(n - at) : CHUNK, err));
    return FUSOR_OK;
}

static enum fusor_status find_names(struct scores *s, int key,
                                    const struct vocab **out,
                                    struct fusor_error *err)
{
    struct dataset *ds = s->opened->workload->data;
    const struct schema *schema = dataset_schema(ds);

    if (key < 0 || !schema->fields[key].vocab_name[0])
        return FUSOR_OK;
    return dataset_vocab(ds, schema->fields[key].vocab_name, out, err);
}

static enum fusor_status find_tower(struct scores *s, const char *name,
                                    struct fusor_error *err)
{
    const char *names[RESULT_TOWERS_MAX + 2] = {NULL};

    s->tower = 0;
    while (s->tower < s->n_towers &&
           strcmp(model_tower_name(model_of(s), s->tower), name) != 0) {
        names[s->tower] = model_tower_name(model_of(s), s->tower);
        s->tower++;
    }
    if (s->tower < s->n_towers || strcmp(name, "fused") == 0)
        return FUSOR_OK;
    names[s->n_towers] = "fused";
    return fusor_fail(
        err, FUSOR_EUSAGE,
        "scores: --tower: the run has no tower \"%.40s\"; did "
        "you mean %s?",
        name, str_nearest(name, names) ? str_nearest(name, names) : names[0]);
}

static enum fusor_status open_run(struct scores *s,
                                  const struct scores_options *o,
                                  struct fusor_error *err)
{
    struct opened_options options = {.run_dir = o->run, .n_threads = 1};
    struct strbuf prepared = {0};
    enum fusor_status rc;

    if (o->prepared)
        yaml_add_text(&prepared, o->prepared);
    options.prepared = prepared.s;
    rc = opened_create(&options, &s->opened, err);
    strbuf_clear(&prepared);
    return rc;
}

/* Towers joined as vectors have no scores; the fused one is there. */
static int wants_towers(const struct scores_options *o)
{
    if (o->form == SCORES_ONE)
        return o->tower && strcmp(o->tower, "fused") != 0;
    return o->form != SCORES_LABELS;
}

/* Which rows, whose scores. */
static enum fusor_status choose(struct scores *s,
                                const struct scores_options *o,
                                struct fusor_error *err)
{
    const struct workload *w = s->opened->workload;

    s->n_towers = s->tower = model_n_towers(w->model); // fused
    if (wants_towers(o) && model_fuses_vectors(w->model))
        return fusor_fail(err, FUSOR_EUSAGE,
                          "scores: the towers of %s are fused over vectors and "
                          "have no scores of their own",
                          o->run);
    if (o->form != SCORES_LABELS && model_normalises_queries(w->model) &&
        (o->form != SCORES_ONE || !wants_towers(o)))
        return fusor_fail(err, FUSOR_EUSAGE,
                          "scores: the fusion of %s is normalised by the "
                          "candidates of each query (per_query_max), so a row "
                          "has no score of its own: take --tower NAME",
                          o->run);
    FUSOR_TRY(judge_choose_split(o->split, w, &s->split, err));
    if (o->label)
        FUSOR_TRY(fusor_wrap(
            err, model_find_label(w->model, o->label, &s->label, err),
            "--label"));
    if (o->tower)
        FUSOR_TRY(find_tower(s, o->tower, err));
    FUSOR_TRY(
        find_names(s, dataset_schema(w->data)->query_key, &s->queries, err));
    FUSOR_TRY(find_names(s, dataset_schema(w->data)->item_key, &s->items, err));
    FUSOR_TRY(worker_init(&s->worker, w, s->opened->store, 0, 1, CHUNK, err));
    s->has_worker = 1;
    model_run_set_label(s->worker.run, s->label);
    return FUSOR_OK;
}

enum fusor_status scores_of_run(const struct scores_options *options,
                                struct strbuf *out, struct strbuf *said,
                                struct fusor_error *err)
{
    struct scores s = {.form = options->form, .out = out};
    enum fusor_status rc = open_run(&s, options, err);

    if (rc == FUSOR_OK)
        rc = choose(&s, options, err);
    if (rc == FUSOR_OK)
        rc = score_all(&s, err);
    if (rc == FUSOR_OK && said)
        strbuf_addf(
            said, "%llu %s rows, %u towers",
            (unsigned long long)dataset_rows(s.opened->workload->data, s.split),
            judge_split_name(s.split), s.n_towers);
    if (s.has_worker)
        worker_clear(&s.worker);
    opened_destroy(s.opened);
    return rc;
}

static enum fusor_status read_args(const struct args *a,
                                   struct scores_options *o,
                                   struct fusor_error *err)
{
    const char *path = args_value(a, "out");
    size_t n = path ? strlen(path) : 0;

    *o = (struct scores_options){.run = a->rest[0],
                                 .prepared = a->n_rest > 1 ? a->rest[1] : NULL,
                                 .split = args_value(a, "split"),
                                 .label = args_value(a, "label"),
                                 .tower = args_value(a, "tower")};
    if (!path)
        return fusor_fail(err, FUSOR_EUSAGE,
                          "scores: --out FILE is missing: where do they go?");
    if (o->tower && args_flag(a, "labels"))
        return fusor_fail(err, FUSOR_EUSAGE,
                          "scores: --tower and --labels: one file each");
    if (n > 4 && strcmp(path + n - 4, ".npy") == 0)
        o->form = SCORES_ARRAY;
    if (o->form == SCORES_ARRAY && (o->tower || args_flag(a, "labels")))
        return fusor_fail(err, FUSOR_EUSAGE,
                          "scores: --tower and --labels write text, not %s",
                          path);
    if (o->tower)
        o->form = SCORES_ONE;
    if (args_flag(a, "labels"))
        o->form = SCORES_LABELS;
    return FUSOR_OK;
}

static enum fusor_status run(struct args *a, struct fusor_error *err)
{
    struct strbuf out = {0}, said = {0};
    struct scores_options o;
    enum fusor_status rc = read_args(a, &o, err);

    if (rc == FUSOR_OK)
        rc = scores_of_run(&o, &out, &said, err);
    if (rc == FUSOR_OK)
        rc = fs_write_atomic(args_value(a, "out"), out.s, out.len, err);
    if (rc == FUSOR_OK)
        output_say("%s", said.s);
    strbuf_clear(&out);
    strbuf_clear(&said);
    return rc;
}

const struct verb verb_scores = {
    .name = "scores",
    .help = "write each tower's score and the fused one, row by row",
    .synopsis = "RUN [PREPARED] -o FILE [options]",
    .about =
        "A line is the row's number in its part, its user and item, each "
        "tower's score before\nthe output function, and the fused one. "
        "NAME.npy is a float32 array [rows, towers + 1]\nwithout the first "
        "three. PREPARED is another prepared folder of the same fields.\n"
        "--tower and --labels write what fusor fuse reads, to join models of "
        "any origin.\nWhere a tower says nothing (missing: drop_tower) its "
        "column is empty, and --tower\nwrites no line. A tower of type scores "
        "reads either file back.\n",
    .examples =
        "  fusor scores runs/demo -o scores.tsv\n"
        "  fusor scores runs/demo -o scores.npy --split valid\n"
        "  fusor scores runs/a --tower fused -o a.tsv\n"
        "  fusor scores runs/b --tower fused -o b.tsv\n"
        "  fusor scores runs/a --labels -o y.tsv\n"
        "  fusor fuse --scores a.tsv --scores b.tsv --labels y.tsv --select\n",
    .args = {"scores", specs, NULL, "RUN", 1, 2},
    .run = run,
};
