/* Texts of a query and a document side by side in the few directions that the
 * words of all documents have in common: score = cosine of the two, also where
 * they share no word (Deerwester et al. 1990). A query is the sum of its terms'
 * rows, so that one never seen is scored like any other; how rows are found:
 * train/build_lsa.c.
 *
 *   lsa: {type: lsa, query: query_words, item: doc, fields: [title, body],
 *         dim: 400, sweeps: 4} */
#include "model/tower/built.h"

#include <math.h>
#include <string.h>

#include "tensor/vec.h"

static const char *const keys[] = {"type", "query",  "item", "fields",
                                   "dim",  "sweeps", NULL};

static enum fusor_status lsa_build(struct model *m, struct tower *t,
                                   struct yaml_node *at,
                                   struct fusor_error *err)
{
    struct built_tower *b;
    struct built *spec;

    FUSOR_TRY(built_begin(t, at, BUILT_LSA, keys, err));
    b = t->self;
    spec = &b->spec;
    FUSOR_TRY(built_id_field(m, t, at, "item", &b->item, &spec->n_items, err));
    FUSOR_TRY(built_texts(m, t, at, err));
    spec->dim = 400;
    spec->sweeps = 4;
    FUSOR_TRY(build_count(at, "dim", 1, 4096, &spec->dim, err));
    FUSOR_TRY(build_count(at, "sweeps", 0, 100, &spec->sweeps, err));
    FUSOR_TRY(built_table(m, t, "terms", b->history, spec->n_terms, spec->dim,
                          at, err));
    return built_table(m, t, "documents", b->item, spec->n_items, spec->dim, at,
                       err);
}

static void *lsa_run_create(const struct tower *t, struct model_run *r)
{
    const struct built_tower *b = t->self;

    return run_take(r, b->spec.dim, sizeof(float));
}

/* The query's vector, of length 1 or 0. */
static void make_query(const struct built_tower *b, const struct model *m,
                       const struct model_step *s, uint32_t i, float *out)
{
    const struct model_lookup *l = &m->lookups[b->lookups[0]];
    struct built_list q = built_list(b, m, s->batch, i);
    const struct vec_ops *v = vec_ops();
    float squares;

    memset(out, 0, b->spec.dim * sizeof(*out));
    for (uint32_t k = 0; k < q.n; k++) {
        uint32_t u = s->positions[b->lookups[0]][q.first + k];

        if (u != UINT32_MAX)
            v->add(out, out, s->tables[l->table].rows[u], b->spec.dim);
    }
    squares = v->sum_squares(out, b->spec.dim);
    if (squares > 0)
        v->scale(out, 1 / sqrtf(squares), b->spec.dim);
}

static void lsa_forward(const struct tower *t, struct model_run *r,
                        const struct model_step *s, int train)
{
    const struct built_tower *b = t->self;
    float *query = r->tower_state[t->index], *out = r->tower_out[t->index];
    uint32_t end;

    (void)train; // nothing here behaves otherwise in training
    for (uint32_t i = 0; i < s->batch->n; i = end) {
        end = built_same_until(b, r->model, s->batch, i);
        make_query(b, r->model, s, i, query);
        for (uint32_t k = i; k < end; k++) {
            const float *row = built_row(b, 1, r->model, s, k);

            out[k] = row ? vec_ops()->dot(query, row, b->spec.dim) : 0.0f;
        }
    }
}

static void lsa_describe(const struct tower *t, const struct model *m,
                         struct strbuf *out)
{
    const struct built_tower *b = t->self;

    strbuf_addf(out, "built: %s beside", m->fields[b->history].name);
    for (uint32_t i = 0; i < b->spec.n_fields; i++)
        strbuf_addf(out, "%s%s", i ? ", " : " ",
                    m->fields[b->spec.fields[i]].name);
    strbuf_addf(out, " of %u documents in %u dimensions, %u sweeps",
                b->spec.n_items, b->spec.dim, b->spec.sweeps);
}

const struct tower_kind tower_lsa = {
    .name = "lsa",
    .build = lsa_build,
    .destroy = built_destroy,
    .run_create = lsa_run_create,
    .forward = lsa_forward,
    .backward = built_backward,
    .describe = lsa_describe,
    .built = built_spec,
};
