/* One micro-batch through a model: towers, fusion, loss and back. */
#include "model/run.h"

#include <string.h>

#include "base/mem.h"
#include "base/profile.h"
#include "model/contrast.h"
#include "model/encoder.h"
#include "model/head.h"
#include "model/registry.h"
#include "tensor/vec.h"

void *run_take(struct model_run *r, size_t n, size_t size)
{
    void *p;

    if (r->failed || mem_reserve((void **)&r->taken, r->n_taken, &r->taken_cap,
                                 sizeof(*r->taken))) {
        r->failed = 1;
        return NULL;
    }
    p = mem_alloc(n, size);
    if (!p) {
        r->failed = 1;
        return NULL;
    }
    r->taken[r->n_taken++] = p;
    return p;
}

float run_share(const struct model_step *s)
{
    double sum = 0.0;

    if (!s->batch->weight)
        return (float)s->batch->n * s->grad_scale;
    for (uint32_t i = 0; i < s->batch->n; i++)
        sum += (double)s->batch->weight[i];
    return (float)sum * s->grad_scale;
}

static void take_all(struct model_run *r)
{
    const struct model *m = r->model;
    size_t n = r->max_batch;

    r->tower_out = run_take(r, m->n_towers, sizeof(*r->tower_out));
    r->tower_grad = run_take(r, m->n_towers, sizeof(*r->tower_grad));
    r->tower_state = run_take(r, m->n_towers, sizeof(*r->tower_state));
    matrix_take_all(r);
    encoder_take_all(r);
    r->missing = run_take(r, m->n_towers, 1);
    contrast_take(r);
    for (uint32_t t = 0; !r->failed && t < m->n_towers; t++) {
        const struct tower *tower = &m->towers[t];

        r->tower_out[t] = run_take(r, n * tower->width, sizeof(float));
        r->tower_grad[t] = run_take(r, n * tower->width, sizeof(float));
        r->tower_state[t] = tower->kind->run_create(tower, r);
    }
    if (!r->failed)
        heads_take(r);
}

enum fusor_status model_run_create(const struct model *m, uint32_t max_batch,
                                   struct model_run **out,
                                   struct fusor_error *err)
{
    struct model_run *r = mem_alloc(1, sizeof(*r));

    if (!r)
        return mem_fail(err, "model workspace", sizeof(*r));
    r->model = m;
    r->max_batch = max_batch;
    take_all(r);
    if (r->failed) {
        model_run_destroy(r);
        return mem_fail(err, "model workspace", max_batch * sizeof(float));
    }
    *out = r;
    return FUSOR_OK;
}

void model_run_destroy(struct model_run *r)
{
    if (!r)
        return;
    while (r->n_taken > 0)
        mem_free(r->taken[--r->n_taken]);
    mem_free(r->taken);
    mem_free(r);
}

static void take_given(struct model_run *r, const struct model_step *s,
                       uint32_t t)
{
    uint32_t m = r->model->n_towers;

    for (uint32_t i = 0; i < r->n; i++)
        r->tower_out[t][i] = s->given[(size_t)i * m + t];
}

static enum fusor_status tower_forward(struct model_run *r,
                                       const struct model_step *s, uint32_t t,
                                       struct fusor_error *err)
{
    const struct tower *tower = &r->model->towers[t];

    if (s->given) {
        take_given(r, s, t);
        return FUSOR_OK;
    }
    tower->kind->forward(tower, r, s, s->training && tower->trained);
    return tower->kind->check ? tower->kind->check(tower, r, s, err) : FUSOR_OK;
}

static enum fusor_status nobody_says(const struct model_run *r,
                                     const struct model_step *s,
                                     struct fusor_error *err)
{
    uint64_t id =
        s->batch->sample_id ? s->batch->sample_id[r->unheard] : BATCH_NO_ID;

    if (id == BATCH_NO_ID)
        return fusor_fail(err, FUSOR_EDATA,
                          "no tower of the fusion has a score of a pair that "
                          "is asked for: give one of them missing: a number");
    return fusor_fail(err, FUSOR_EDATA,
                      "no tower of the fusion has a score of row %llu, or of "
                      "an item offered there: give one of them missing: a "
                      "number",
                      (unsigned long long)id);
}

enum fusor_status model_forward(struct model_run *r, const struct model_step *s,
                                float *scores, float *outputs,
                                struct fusor_error *err)
{
    const struct model *m = r->model;
    uint32_t n = s->batch->n;

    if (n > r->max_batch)
        return fusor_fail(err, FUSOR_ESHAPE,
                          "model: a micro-batch of %u samples, the workspace "
                          "holds %u",
                          n, r->max_batch);
    r->n = n;
    r->profile = s->profile;
    matrix_begin(r);
    if (m->n_encoders)
        profile_enter(r->profile, PROFILE_FORWARD_ENCODERS);
    encoder_forward_all(r, s);
    if (s->candidates) {
        contrast_forward(r, s);
        return FUSOR_OK;
    }
    for (uint32_t t = 0; t < m->n_towers; t++) {
        if (m->apart && !m->towers[t].trained)
            continue;
        profile_enter(r->profile, profile_tower(PROFILE_FORWARD, t));
        FUSOR_TRY(tower_forward(r, s, t, err));
    }
    profile_enter(r->profile, PROFILE_FORWARD_FUSION);
    r->unheard = UINT32_MAX;
    heads_forward(r, s);
    if (r->unheard != UINT32_MAX)
        return nobody_says(r, s, err);
    if (scores)
        memcpy(scores, r->heads[r->label].score, n * sizeof(float));
    if (outputs)
        memcpy(outputs, r->heads[r->label].output, n * sizeof(float));
    return FUSOR_OK;
}

int model_normalises_queries(const struct model *m)
{
    int any = 0;

    for (uint32_t k = 0; k < m->n_heads; k++)
        any |= m->heads[k].fusion.by_query;
    return any;
}

void model_run_set_tops(struct model_run *r, enum model_tops tops)
{
    if (tops == TOPS_COLLECT)
        memset(r->tops, 0, sizeof(r->tops));
    r->tops_state = tops;
}

void model_run_set_label(struct model_run *r, uint32_t label)
{
    r->label = label;
}

const float *model_scores(const struct model_run *r, uint32_t label)
{
    return r->heads[label].score;
}

const float *model_outputs(const struct model_run *r, uint32_t label)
{
    return r->heads[label].output;
}

/* The fusion of the label that is told. */
static const struct fusion *fusion_told(const struct model_run *r)
{
    return &r->model->heads[r->label].fusion;
}

const float *model_tower_scores(const struct model_run *r, uint32_t tower)
{
    return r->model->towers[tower].as_vector ? NULL : r->tower_out[tower];
}

const float *model_fusion_weights(const struct model_run *r)
{
    return run_head(r, fusion_told(r))->fusion_weights;
}

enum fusor_status model_run_set_missing(struct model_run *r,
                                        const unsigned char *missing,
                                        struct fusor_error *err)
{
    const struct model *m = r->model;
    const struct fusion *f = fusion_told(r);
    uint32_t n = 0, own = 0, last = 0;

    for (uint32_t t = 0; missing && t < m->n_towers; t++)
        n += missing[t] != 0;
    for (uint32_t i = 0; missing && i < f->n_towers; i++)
        if (missing[f->towers[i]]) {
            last = f->towers[i];
            own++;
        }
    if (own && f->missing == MISSING_ERROR)
        return fusor_fail(err, FUSOR_EUSAGE,
                          "tower %s is missing and the fusion says missing: "
                          "error; drop_tower or zero would go on",
                          m->towers[last].name);
    if (own == f->n_towers)
        return fusor_fail(err, FUSOR_EUSAGE,
                          "no tower is left: all %u are "
                          "missing",
                          own);
    memset(r->missing, 0, m->n_towers);
    if (n)
        memcpy(r->missing, missing, m->n_towers);
    r->n_missing = n;
    return FUSOR_OK;
}

/* Rows of a few towers [n][k] to rows of all [n][m], 0 for the others, from the
 * last row on, because they lie in one array. */
static void spread(const struct fusion *f, float *rows, uint32_t n, uint32_t m)
{
    float row[MAX_TOWERS];

    for (uint32_t i = n; i-- > 0;) {
        memcpy(row, rows + (size_t)i * f->n_towers,
               f->n_towers * sizeof(float));
        memset(rows + (size_t)i * m, 0, m * sizeof(float));
        for (uint32_t k = 0; k < f->n_towers; k++)
            rows[(size_t)i * m + f->towers[k]] = row[k];
    }
}

void model_contributions(struct model_run *r, const struct model_step *s,
                         float *out)
{
    const struct fusion *f = fusion_told(r);

    f->kind->contributions(f, r, s, out);
    if (f->n_towers < r->model->n_towers)
        spread(f, out, r->n, r->model->n_towers);
}

/* One label's weights, shared over the labels of each tower. */
static int add_weights(const struct model_run *r, const struct fusion *f,
                       const uint32_t *n_labels, double *sums)
{
    const struct head_state *h = run_head(r, f);
    uint32_t m = f->n_towers;

    for (uint32_t k = 0; h->shared_weights && k < m; k++)
        sums[f->towers[k]] += (double)r->n * (double)h->shared_weights[k] /
                              n_labels[f->towers[k]];
    for (uint32_t i = 0; h->fusion_weights && i < r->n; i++)
        for (uint32_t k = 0; k < m; k++)
            sums[f->towers[k]] += (double)h->fusion_weights[(size_t)i * m + k] /
                                  n_labels[f->towers[k]];
    return h->shared_weights || h->fusion_weights;
}

int model_add_fusion_weights(const struct model_run *r, uint32_t label,
                             double *sums)
{
    const struct model *m = r->model;
    uint32_t n_labels[MAX_TOWERS] = {0};
    int any = 0;

    if (m->apart)
        return 0;
    for (uint32_t k = 0; k < m->n_heads; k++)
        for (uint32_t t = 0; t < m->n_towers; t++)
            if (label == k ||
                (label == MODEL_ALL_LABELS && heads_joins(&m->heads[k], t)))
                n_labels[t]++;
    for (uint32_t k = 0; k < m->n_heads; k++)
        if (label == k || label == MODEL_ALL_LABELS)
            any |= add_weights(r, &m->heads[k].fusion, n_labels, sums);
    return any;
}

enum fusor_status model_loss(struct model_run *r, const struct model_step *s,
                             double *sum, struct fusor_error *err)
{
    profile_enter(r->profile, PROFILE_LOSS);
    if (s->candidates) {
        *sum = contrast_loss(r, s);
        return FUSOR_OK;
    }
    return heads_loss(r, s, sum, err);
}

/* A statistic of a frozen tower stays what it is: its average is fed its own
 * value. */
static void keep_statistics(const struct model *m, const struct model_step *s)
{
    float share = run_share(s);

    for (uint32_t b = 0; b < m->params.n_blocks; b++) {
        const struct block_spec *spec = &m->blocks[b];

        if (spec->bn_momentum > 0 && !model_block_trained(m, b))
            for (uint64_t i = spec->offset; i < spec->offset + spec->size; i++)
                s->dense_grad[i] = share * s->dense[i];
    }
}

enum fusor_status model_backward(struct model_run *r,
                                 const struct model_step *s,
                                 struct fusor_error *err)
{
    const struct model *m = r->model;

    if (s->batch->n != r->n)
        return fusor_fail(err, FUSOR_EINVAL,
                          "model: backward of %u samples after forward of %u",
                          s->batch->n, r->n);
    profile_enter(r->profile, PROFILE_BACKWARD_FUSION);
    vec_ops()->fill(s->dense_grad, 0.0f, m->params.n_dense);
    encoder_begin_backward(r);
    if (s->candidates)
        contrast_backward(r, s);
    else
        heads_backward(r, s);
    for (uint32_t t = m->n_towers; t-- > 0;) {
        profile_enter(r->profile, profile_tower(PROFILE_BACKWARD, t));
        if (m->towers[t].trained && !s->candidates)
            m->towers[t].kind->backward(&m->towers[t], r, s);
        matrix_scatter(r, s, (int)t);
    }
    if (m->n_encoders)
        profile_enter(r->profile, PROFILE_BACKWARD_ENCODERS);
    encoder_backward_all(r, s);
    keep_statistics(m, s);
    return FUSOR_OK;
}
