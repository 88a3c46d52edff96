/* Words of a query found in the texts of a document: score = sum over the
 * query's terms of what BM25 (index/bm25.h) says the term is worth in the
 * document.
 *
 *   bm25: {type: bm25, query: query_words, item: doc, fields: [title, body],
 *          weights: {title: 1.2}, k1: 0.9, b: 0.4, form: flat, terms: 2000,
 *          scale: none}
 *
 * A row is the list of a document's terms with their worths, so that a query
 * that was never seen is scored like any other. With more than `terms` distinct
 * terms in a document those of the least worth are left out. scale: query
 * divides by the most that any document could get for the query, so that a
 * fusion sees short and long queries alike. */
#include "model/tower/built.h"

#include <string.h>

static const char *const keys[] = {"type",    "query", "item", "fields",
                                   "weights", "k1",    "b",    "form",
                                   "terms",   "scale", NULL};
static const char *const form_names[] = {"flat", "fields", NULL};
static const char *const scale_names[] = {"none", "query", NULL};

#define TERMS_DEFAULT 2000 /* 16 KB a document */
#define TERMS_MAX 8000     /* half a row */

/* Weights by name of the field; 1 where none is said. */
static enum fusor_status read_weights(const struct model *m,
                                      const struct tower *t,
                                      struct yaml_node *at,
                                      struct fusor_error *err)
{
    struct built *spec = &((struct built_tower *)t->self)->spec;
    struct yaml_node *map = yaml_get(at, "weights");
    const char *names[BUILT_MAX_FIELDS + 1] = {NULL};

    for (uint32_t i = 0; i < spec->n_fields; i++) {
        names[i] = m->fields[spec->fields[i]].name;
        spec->weights[i] = 1;
    }
    if (!map)
        return FUSOR_OK;
    FUSOR_TRY(build_keys(map, "weights", names, err));
    for (uint32_t i = 0; i < spec->n_fields; i++)
        FUSOR_TRY(build_float(map, names[i], 0, 1e6, &spec->weights[i], err));
    return FUSOR_OK;
}

/* How many terms of a document there is room for. */
static uint32_t room_for(const struct model *m, const struct built *spec)
{
    uint64_t most = 0;

    for (uint32_t i = 0; i < spec->n_fields; i++)
        most += m->fields[spec->fields[i]].max_values;
    if (most > spec->n_terms)
        most = spec->n_terms;
    return most > TERMS_DEFAULT ? TERMS_DEFAULT : most ? (uint32_t)most : 1;
}

static enum fusor_status bm25_build(struct model *m, struct tower *t,
                                    struct yaml_node *at,
                                    struct fusor_error *err)
{
    struct built_tower *b;
    struct built *spec;

    FUSOR_TRY(built_begin(t, at, BUILT_BM25, keys, err));
    b = t->self;
    spec = &b->spec;
    FUSOR_TRY(built_id_field(m, t, at, "item", &b->item, &spec->n_items, err));
    FUSOR_TRY(built_texts(m, t, at, err));
    FUSOR_TRY(read_weights(m, t, at, err));
    spec->k1 = 0.9f; // Lin et al. 2021, "Pyserini", as published tables
    spec->b = 0.4f;
    spec->most = room_for(m, spec);
    FUSOR_TRY(build_float(at, "k1", 0, 100, &spec->k1, err));
    FUSOR_TRY(build_float(at, "b", 0, 1, &spec->b, err));
    FUSOR_TRY(build_choice(at, "form", form_names, &spec->form, err));
    FUSOR_TRY(build_count(at, "terms", 1, TERMS_MAX, &spec->most, err));
    FUSOR_TRY(build_choice(at, "scale", scale_names, &b->by_query, err));
    FUSOR_TRY(built_table(m, t, "terms", b->item, spec->n_items, 2 * spec->most,
                          at, err));
    if (!b->by_query)
        return FUSOR_OK;
    return built_table(m, t, "most", b->history, spec->n_terms, 1, at, err);
}

static void *bm25_run_create(const struct tower *t, struct model_run *r)
{
    const struct built_tower *b = t->self;

    return run_take(r, b->spec.n_terms, sizeof(float)); // zero between queries
}

static int is_term(const struct built_tower *b, uint64_t id)
{
    return id != VOCAB_UNKNOWN && id < b->spec.n_terms;
}

static void set_marks(const struct built_tower *b, const struct built_list *q,
                      float *marks, int on)
{
    for (uint32_t k = 0; k < q->n; k++)
        if (is_term(b, q->ids[k]))
            marks[q->ids[k]] = on ? marks[q->ids[k]] + 1.0f : 0.0f;
}

/* One over the most that the query can get; 1 when scores stay as they are. */
static float scale_of(const struct built_tower *b, const struct model_step *s,
                      const struct model *m, const struct built_list *q)
{
    const struct model_lookup *l;
    float sum = 0;

    if (!b->by_query)
        return 1;
    l = &m->lookups[b->lookups[1]];
    for (uint32_t k = 0; k < q->n; k++) {
        uint32_t u = s->positions[b->lookups[1]][q->first + k];

        if (is_term(b, q->ids[k]) && u != UINT32_MAX)
            sum += s->tables[l->table].rows[u][0];
    }
    return sum > 0 ? 1 / sum : 0;
}

static float score(const struct built_tower *b, const float *marks,
                   const float *row)
{
    const float *worths = row + b->spec.most;
    float sum = 0;

    for (uint32_t k = 0; k < b->spec.most && row[k] > 0; k++) {
        uint32_t id = (uint32_t)row[k];

        if (id < b->spec.n_terms)
            sum += marks[id] * worths[k];
    }
    return sum;
}

static void bm25_forward(const struct tower *t, struct model_run *r,
                         const struct model_step *s, int train)
{
    const struct built_tower *b = t->self;
    float *marks = r->tower_state[t->index];
    float *out = r->tower_out[t->index];
    uint32_t end;

    (void)train; // nothing here behaves otherwise in training
    for (uint32_t i = 0; i < s->batch->n; i = end) {
        struct built_list q = built_list(b, r->model, s->batch, i);
        float scale = scale_of(b, s, r->model, &q);

        end = built_same_until(b, r->model, s->batch, i);
        set_marks(b, &q, marks, 1);
        for (uint32_t k = i; k < end; k++) {
            const float *row = built_row(b, 0, r->model, s, k);

            out[k] = row ? scale * score(b, marks, row) : 0.0f;
        }
        set_marks(b, &q, marks, 0);
    }
}

static void bm25_describe(const struct tower *t, const struct model *m,
                          struct strbuf *out)
{
    const struct built_tower *b = t->self;

    strbuf_addf(out, "built: %s found in", m->fields[b->history].name);
    for (uint32_t i = 0; i < b->spec.n_fields; i++)
        strbuf_addf(out, "%s%s", i ? ", " : " ",
                    m->fields[b->spec.fields[i]].name);
    strbuf_addf(out, " of %u documents, k1 %g, b %g, %s, at most %u terms",
                b->spec.n_items, (double)b->spec.k1, (double)b->spec.b,
                form_names[b->spec.form], b->spec.most);
}

const struct tower_kind tower_bm25 = {
    .name = "bm25",
    .build = bm25_build,
    .destroy = built_destroy,
    .run_create = bm25_run_create,
    .forward = bm25_forward,
    .backward = built_backward,
    .describe = bm25_describe,
    .built = built_spec,
};
