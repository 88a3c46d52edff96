/* Implicit alternating least squares: score = p_query . q_item, both found in
 * turns by a stage (Hu, Koren and Volinsky 2008; the objective and the
 * regularisation scaled by frequency of Rendle et al. 2021, "iALS++", eq. 2).
 *
 *   ials: {type: ials, query: user, item: item, dim: 64, alpha: 0.3,
 *          lambda: 0.003, sweeps: 16, solver: cg, steps: 3}
 *
 * solver: cholesky finds each row exactly, cg by so many steps of conjugate
 * gradients from where the sweep before left it (train/build_ials.c). */
#include "model/tower/built.h"

#include <string.h>

static const char *const keys[] = {"type",   "query",  "item",     "dim",
                                   "alpha",  "lambda", "exponent", "sweeps",
                                   "solver", "steps",  NULL};
static const char *const solvers[] = {"cholesky", "cg", NULL};

static enum fusor_status ials_build(struct model *m, struct tower *t,
                                    struct yaml_node *at,
                                    struct fusor_error *err)
{
    struct built_tower *b;
    struct built *spec;

    FUSOR_TRY(built_begin(t, at, BUILT_IALS, keys, err));
    b = t->self;
    spec = &b->spec;
    FUSOR_TRY(
        built_id_field(m, t, at, "query", &b->query, &spec->n_queries, err));
    FUSOR_TRY(built_id_field(m, t, at, "item", &b->item, &spec->n_items, err));
    spec->dim = 64;
    spec->sweeps = 16;
    spec->alpha = 0.1f;
    spec->lambda = 0.003f;
    spec->exponent = 1;
    spec->steps = 3;
    FUSOR_TRY(build_count(at, "dim", 1, 1024, &spec->dim, err));
    FUSOR_TRY(build_count(at, "sweeps", 1, 1000, &spec->sweeps, err));
    FUSOR_TRY(build_float(at, "alpha", 0, 1e6, &spec->alpha, err));
    FUSOR_TRY(build_float(at, "lambda", 1e-9, 1e6, &spec->lambda, err));
    FUSOR_TRY(build_float(at, "exponent", 0, 1, &spec->exponent, err));
    FUSOR_TRY(build_choice(at, "solver", solvers, &spec->solver, err));
    FUSOR_TRY(build_count(at, "steps", 1, 1000, &spec->steps, err));
    if (yaml_get(at, "steps") && spec->solver != SOLVER_CG)
        return yaml_fail(yaml_get(at, "steps"), err,
                         "steps are of conjugate gradients: write solver: cg, "
                         "or remove them");
    FUSOR_TRY(built_table(m, t, "queries", b->query, spec->n_queries, spec->dim,
                          at, err));
    return built_table(m, t, "items", b->item, spec->n_items, spec->dim, at,
                       err);
}

static void *ials_run_create(const struct tower *t, struct model_run *r)
{
    const struct built_tower *b = t->self;

    return run_take(r, b->spec.dim, sizeof(float)); // of an unknown query
}

static float product(const float *p, const float *q, uint32_t dim)
{
    float sum[8] = {0}, total = 0;
    uint32_t k = 0;

    for (; k + 8 <= dim; k += 8)
        for (uint32_t j = 0; j < 8; j++)
            sum[j] += p[k + j] * q[k + j];
    for (; k < dim; k++)
        total += p[k] * q[k];
    for (uint32_t j = 0; j < 8; j++)
        total += sum[j];
    return total;
}

static void ials_forward(const struct tower *t, struct model_run *r,
                         const struct model_step *s, int train)
{
    const struct built_tower *b = t->self;
    float *out = r->tower_out[t->index];

    (void)train; // nothing here behaves otherwise in training
    for (uint32_t i = 0; i < s->batch->n; i++) {
        const float *p = built_row(b, 0, r->model, s, i);
        const float *q = built_row(b, 1, r->model, s, i);

        out[i] = p && q ? product(p, q, b->spec.dim) : 0.0f;
    }
}

static const float *ials_query(const struct tower *t, const struct model_run *r,
                               const struct model_step *s, uint32_t i)
{
    const float *p = built_row(t->self, 0, r->model, s, i);

    return p ? p : r->tower_state[t->index];
}

static uint32_t ials_query_width(const struct tower *t)
{
    return ((const struct built_tower *)t->self)->spec.dim;
}

static int ials_items(const struct tower *t, const struct model_run *r,
                      const struct model_step *s, float *v, float *bias,
                      float *part)
{
    const struct built_tower *b = t->self;
    size_t size = b->spec.dim * sizeof(float);

    (void)bias;
    (void)part;
    for (uint32_t i = 0; i < s->batch->n; i++, v += b->spec.dim) {
        const float *q = built_row(b, 1, r->model, s, i);

        if (q)
            memcpy(v, q, size);
        else
            memset(v, 0, size);
    }
    return 0;
}

static int ials_ranks(const struct tower *t, const struct model *m)
{
    const struct built_tower *b = t->self;

    return m->fields[b->query].side != SIDE_ITEM &&
           m->fields[b->item].side == SIDE_ITEM;
}

static void ials_rank(const struct tower *t, const struct model_run *r,
                      const struct model_step *s, const float *v,
                      const float *bias, const uint32_t *which, uint32_t n,
                      float *out)
{
    uint32_t dim = ials_query_width(t);
    const float *p = ials_query(t, r, s, 0);

    (void)bias; // has none
    for (uint32_t i = 0; i < n; i++)
        out[i] = product(p, v + (size_t)which[i] * dim, dim);
}

static void ials_describe(const struct tower *t, const struct model *m,
                          struct strbuf *out)
{
    const struct built *b = built_spec(t);

    (void)m;
    strbuf_addf(out,
                "built: dim %u, alpha %g, lambda %g by frequency^%g, %u sweeps",
                b->dim, (double)b->alpha, (double)b->lambda,
                (double)b->exponent, b->sweeps);
    if (b->solver == SOLVER_CG)
        strbuf_addf(out, " of %u steps of conjugate gradients", b->steps);
}

const struct tower_kind tower_ials = {
    .name = "ials",
    .build = ials_build,
    .destroy = built_destroy,
    .run_create = ials_run_create,
    .forward = ials_forward,
    .backward = built_backward,
    .describe = ials_describe,
    .query = ials_query,
    .query_width = ials_query_width,
    .built = built_spec,
    .items = ials_items,
    .ranks = ials_ranks,
    .rank = ials_rank,
};
