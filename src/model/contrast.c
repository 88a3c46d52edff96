/* The flow of a step by a loss over candidates. */
#include "model/contrast.h"

#include "base/profile.h"

void contrast_take(struct model_run *r)
{
    const struct model *m = r->model;
    size_t k = m->most_candidates;
    uint32_t widest = 0;

    if (k == 0)
        return;
    r->contrast = run_take(r, m->n_towers, sizeof(*r->contrast));
    for (uint32_t t = 0; !r->failed && t < m->n_towers; t++) {
        const struct tower *tower = &m->towers[t];
        struct contrast *c = &r->contrast[t];
        size_t n, d, samples = r->max_batch;

        if (!contrast_takes(tower))
            continue;
        n = tower->kind->queries_most(tower, r);
        d = tower->kind->query_width(tower);
        if (d > widest)
            widest = (uint32_t)d;
        c->set.item = run_take(r, n, sizeof(*c->set.item));
        c->set.sample = run_take(r, n, sizeof(*c->set.sample));
        c->set.first = run_take(r, n, sizeof(*c->set.first));
        c->set.until = run_take(r, n, sizeof(*c->set.until));
        c->target = run_take(r, n, sizeof(*c->target));
        c->weight = run_take(r, n, sizeof(*c->weight));
        c->dq = run_take(r, n * d, sizeof(float));
        c->v = run_take(r, k * d, sizeof(float));
        c->dv = run_take(r, k * d, sizeof(float));
        c->part = run_take(r, (k > samples ? k : samples) * d, sizeof(float));
        c->bias = run_take(r, k, sizeof(float));
        c->dbias = run_take(r, k, sizeof(float));
    }
    r->contrast_scratch =
        run_take(r, candidates_scratch((uint32_t)k, widest), sizeof(float));
}

/* The same step with the candidates in the place of the samples. */
static struct model_step items_step(const struct model_step *s)
{
    struct model_step items = *s;

    items.batch = s->candidates->batch;
    items.positions = s->candidates->positions;
    return items;
}

/* Which candidate each query vector should find. */
static void find_targets(const struct model_step *s, struct contrast *c)
{
    const struct model_candidates *all = s->candidates;

    for (uint32_t i = 0; i < c->set.n; i++) {
        uint32_t item = c->set.item[i];

        c->target[i] = item == 0 || item > all->n_items ? CANDIDATES_NONE
                                                        : all->place[item];
        c->weight[i] =
            s->batch->weight ? s->batch->weight[c->set.sample[i]] : 1.0f;
        if (c->set.share)
            c->weight[i] *= c->set.share[i];
    }
}

void contrast_forward(struct model_run *r, const struct model_step *s)
{
    const struct model *m = r->model;
    struct model_step items = items_step(s);

    for (uint32_t t = 0; t < m->n_towers; t++) {
        const struct tower *tower = &m->towers[t];
        struct contrast *c = &r->contrast[t];

        if (!tower->trained)
            continue;
        profile_enter(r->profile, profile_tower(PROFILE_FORWARD, t));
        c->set.share = NULL;
        c->set.had = NULL;
        tower->kind->queries(tower, r, s, s->training, &c->set);
        c->has_bias =
            tower->kind->items(tower, r, &items, c->v, c->bias, c->part);
        find_targets(s, c);
    }
}

/* beta of gbce (Petrov and Macdonald 2023, section 5.2): a is the share of the
 * items that a positive is compared with. */
static float beta_of(const struct model *m, const struct model_candidates *all)
{
    double t = (double)m->heads[0].setting.calibrate, a;

    a = (double)all->n_negatives /
        (double)(all->n_items > 1 ? all->n_items - 1 : 1);
    if (a > 1)
        a = 1;
    return a > 0 ? (float)(a * (t * (1 - 1 / a) + 1 / a)) : 1.0f;
}

double contrast_loss(struct model_run *r, const struct model_step *s)
{
    const struct model *m = r->model;
    const struct model_candidates *all = s->candidates;
    double sum = 0;

    for (uint32_t t = 0; t < m->n_towers; t++) {
        struct contrast *c = &r->contrast[t];
        struct candidates_had had = {.ids = c->set.had,
                                     .first = c->set.first,
                                     .until = c->set.until,
                                     .place = all->place,
                                     .n_items = all->n_items};
        struct candidates in = {
            .m = c->set.n,
            .k = all->batch->n,
            .n_negatives = all->n_negatives,
            .q = c->set.q,
            .v = c->v,
            .bias = c->has_bias ? c->bias : NULL,
            .log_q = all->log_q,
            .target = c->target,
            .weight = c->weight,
            .had = m->heads[0].setting.exclude && had.ids ? &had : NULL,
            .scale = s->grad_scale,
            .temperature = m->heads[0].setting.temperature,
            .beta = beta_of(m, all),
            .own = all->own,
            .dq = c->dq,
            .dv = c->dv,
            .dbias = c->has_bias ? c->dbias : NULL,
            .scratch = r->contrast_scratch,
            .matmul = (enum gemm_arithmetic)s->matmul,
        };

        if (!m->towers[t].trained)
            continue;
        in.d = m->towers[t].kind->query_width(&m->towers[t]);
        in.stream = rng_stream(m->seed, RNG_NEGATIVE, s->epoch,
                               all->draw * MAX_TOWERS + t);
        sum += m->heads[0].loss->over(&in);
    }
    return sum;
}

void contrast_backward(struct model_run *r, const struct model_step *s)
{
    const struct model *m = r->model;
    struct model_step items = items_step(s);

    for (uint32_t t = m->n_towers; t-- > 0;) {
        const struct tower *tower = &m->towers[t];
        struct contrast *c = &r->contrast[t];

        if (!tower->trained)
            continue;
        profile_enter(r->profile, profile_tower(PROFILE_BACKWARD, t));
        tower->kind->items_backward(tower, r, &items, c->dv, c->dbias, c->part);
        tower->kind->queries_backward(tower, r, s, c->dq);
    }
}
