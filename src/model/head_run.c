/* The passes of heads: fusions forward, the sum of all losses, and back into
 * the gradients of the towers. */
#include "model/head.h"

#include <math.h>
#include <string.h>

#include "model/loss/lists.h"
#include "model/registry.h"
#include "tensor/vec.h"

void heads_take(struct model_run *r)
{
    const struct model *m = r->model;
    size_t n = r->max_batch;

    r->heads = run_take(r, m->n_heads, sizeof(*r->heads));
    lists_take(r);
    r->has_grad = run_take(r, m->n_towers, 1);
    r->aux_grad = run_take(r, m->n_towers, sizeof(*r->aux_grad));
    if (m->labelled) {
        r->label_values = run_take(r, n, sizeof(float));
        r->label_weights = run_take(r, n, sizeof(float));
    }
    for (uint32_t t = 0; !r->failed && t < m->n_towers; t++)
        if (m->towers[t].aux.loss) {
            r->aux_grad[t] = run_take(r, n, sizeof(float));
            if (!r->aux_output)
                r->aux_output = run_take(r, n, sizeof(float));
        }
    for (uint32_t k = 0; !r->failed && k < m->n_heads; k++) {
        struct head_state *h = &r->heads[k];

        h->score = run_take(r, n, sizeof(float));
        h->output = run_take(r, n, sizeof(float));
        h->loss_grad = run_take(r, n, sizeof(float));
        h->score_grad = run_take(r, n, sizeof(float));
        h->fusion_state =
            m->heads[k].fusion.kind->run_create(&m->heads[k].fusion, r);
    }
}

/* Are all towers of the head without an answer? Then so is it. */
static int is_silent(const struct model_run *r, const struct fusion *f)
{
    uint32_t n = 0;

    for (uint32_t i = 0; i < f->n_towers; i++)
        n += r->missing[f->towers[i]];
    return n == f->n_towers;
}

/* The towers of the head that are in training, without the fusion. */
static void score_apart(struct model_run *r, const struct fusion *f, uint32_t n)
{
    float *score = run_head(r, f)->score;

    vec_ops()->fill(score, 0.0f, n);
    for (uint32_t i = 0; i < f->n_towers; i++)
        if (r->model->towers[f->towers[i]].trained)
            vec_ops()->axpy(score, 1.0f, r->tower_out[f->towers[i]], n);
}

/* A tower may speak about several labels: the first writes. */
static void backward_apart(struct model_run *r, const struct fusion *f)
{
    const float *grad = run_head(r, f)->score_grad;

    for (uint32_t i = 0; i < f->n_towers; i++) {
        uint32_t t = f->towers[i];

        if (!r->model->towers[t].trained)
            continue;
        if (!r->has_grad[t])
            memcpy(r->tower_grad[t], grad, r->n * sizeof(float));
        else
            vec_ops()->axpy(r->tower_grad[t], 1.0f, grad, r->n);
        r->has_grad[t] = 1;
    }
}

void heads_score(struct model_run *r, const struct model_step *s)
{
    const struct model *m = r->model;

    for (uint32_t k = 0; k < m->n_heads; k++) {
        const struct fusion *f = &m->heads[k].fusion;

        if (m->apart)
            score_apart(r, f, s->batch->n);
        else if (r->n_missing && is_silent(r, f))
            vec_ops()->fill(r->heads[k].score, NAN, s->batch->n);
        else
            f->kind->forward(f, r, s, s->training && f->trained);
    }
}

void heads_forward(struct model_run *r, const struct model_step *s)
{
    const struct model *m = r->model;

    heads_score(r, s);
    for (uint32_t k = 0; k < m->n_heads; k++)
        output_apply(&m->heads[k].output, r->heads[k].score, r->heads[k].output,
                     s->batch->n);
}

/* The labels and weights that a loss takes: what a row does not have weighs
 * nothing. */
struct target {
    const float *label, *weight;
};

static struct target target_of(struct model_run *r, const struct batch *b,
                               uint32_t head, float weight)
{
    const float *label = head < b->n_labels ? b->labels[head] : b->label;

    if (!r->model->labelled)
        return (struct target){b->label, b->weight};
    for (uint32_t i = 0; i < b->n; i++) {
        int none = isnan(label[i]);

        r->label_values[i] = none ? 0.0f : label[i];
        r->label_weights[i] =
            none ? 0.0f : weight * (b->weight ? b->weight[i] : 1.0f);
    }
    return (struct target){r->label_values, r->label_weights};
}

static enum fusor_status check_labels(const struct loss_kind *l,
                                      const struct target *t, uint32_t n,
                                      struct fusor_error *err)
{
    if (l->pairwise && n % 2)
        return fusor_fail(err, FUSOR_EINVAL,
                          "loss %s: %u rows, but they come in pairs", l->name,
                          n);
    for (uint32_t i = 0; i < n; i++)
        if (!(t->label[i] >= l->label_low && t->label[i] <= l->label_high))
            return fusor_fail(err, FUSOR_EDATA,
                              "loss %s: label %g outside [%g, %g]: give the "
                              "label a map: implicit, binary, scale or "
                              "threshold",
                              l->name, (double)t->label[i],
                              (double)l->label_low, (double)l->label_high);
    return FUSOR_OK;
}

/* Add a tower's own loss to the sum. */
static enum fusor_status aux_loss(struct model_run *r,
                                  const struct model_step *s, uint32_t tower,
                                  double *sum, struct fusor_error *err)
{
    const struct model *m = r->model;
    const struct aux_loss *a = &m->towers[tower].aux;
    const struct output *output = &m->heads[a->head].output;
    const float *score = r->tower_out[tower];
    int after = !a->loss->on_logits && output->kind == OUTPUT_SIGMOID;
    uint32_t n = s->batch->n;
    float *grad = r->aux_grad[tower];
    struct target t = target_of(r, s->batch, a->head, a->weight);

    FUSOR_TRY(check_labels(a->loss, &t, n, err));
    if (after)
        output_apply(output, score, r->aux_output, n);
    /* One label: its weights are the rows', the loss's own comes after. */
    *sum += (m->labelled ? 1.0 : (double)a->weight) *
            a->loss->eval(a->loss_param, after ? r->aux_output : score, t.label,
                          t.weight, n, grad);
    if (!m->labelled)
        vec_ops()->scale(grad, a->weight, n);
    if (after)
        output_backward(output, score, r->aux_output, grad, n);
    return FUSOR_OK;
}

static enum fusor_status head_loss(struct model_run *r,
                                   const struct model_step *s, uint32_t head,
                                   double *sum, struct fusor_error *err)
{
    const struct label_head *h = &r->model->heads[head];
    struct head_state *st = &r->heads[head];
    int after = !h->loss->on_logits && h->output.kind == OUTPUT_SIGMOID;
    uint32_t n = s->batch->n;
    struct target t = target_of(r, s->batch, head, h->weight);

    FUSOR_TRY(check_labels(h->loss, &t, n, err));
    if (h->loss->list) {
        *sum += lists_eval(h->loss, h->loss_param, r->lists, s->batch,
                           st->score, t.label, t.weight, st->loss_grad);
        return FUSOR_OK;
    }
    *sum += h->loss->eval(h->loss_param, after ? st->output : st->score,
                          t.label, t.weight, n, st->loss_grad);
    if (after)
        output_backward(&h->output, st->score, st->output, st->loss_grad, n);
    return FUSOR_OK;
}

enum fusor_status heads_loss(struct model_run *r, const struct model_step *s,
                             double *sum, struct fusor_error *err)
{
    const struct model *m = r->model;

    *sum = 0;
    for (uint32_t k = 0; k < m->n_heads; k++)
        FUSOR_TRY(head_loss(r, s, k, sum, err));
    for (uint32_t t = 0; t < m->n_towers; t++)
        if (m->towers[t].aux.loss && m->towers[t].trained)
            FUSOR_TRY(aux_loss(r, s, t, sum, err));
    return FUSOR_OK;
}

void heads_backward(struct model_run *r, const struct model_step *s)
{
    const struct model *m = r->model;

    memset(r->has_grad, 0, m->n_towers);
    for (uint32_t k = 0; k < m->n_heads; k++) {
        const struct fusion *f = &m->heads[k].fusion;
        struct head_state *h = &r->heads[k];

        for (uint32_t i = 0; i < r->n; i++)
            h->score_grad[i] = h->loss_grad[i] * s->grad_scale;
        if (m->apart)
            backward_apart(r, f);
        else
            f->kind->backward(f, r, s);
    }
    for (uint32_t t = 0; t < m->n_towers; t++)
        if (m->towers[t].aux.loss && m->towers[t].trained)
            vec_ops()->axpy(r->tower_grad[t], s->grad_scale, r->aux_grad[t],
                            r->n);
}
