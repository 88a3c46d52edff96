/* R = g([M_1 .. M_m]): the towers side by side through dense layers, linear
 * when `units` is absent (NeuMF's last layer: over vectors, no units). */
#include "model/fusion/mix.h"

#include <string.h>

#include "base/mem.h"
#include "model/layer/stack.h"

static const char *const keys[] = {"type",       "over", "units",   "drop",
                                   "activation", "norm", "dropout", "normalise",
                                   "missing",    NULL};

struct concat {
    struct mix mix;
    struct stack stack;
};

struct concat_state {
    struct mix_state mix;
    struct stack_state stack;
};

static enum fusor_status concat_build(struct model *m, struct fusion *f,
                                      struct yaml_node *at,
                                      struct fusor_error *err)
{
    struct concat *c = f->self = mem_alloc(1, sizeof(*c));
    struct stack_spec spec = {.activation = ACTIVATION_RELU};

    if (!c)
        return mem_fail(err, "fusion", sizeof(*c));
    FUSOR_TRY(build_keys(at, "fusion", keys, err));
    FUSOR_TRY(mix_build(m, f, at, 0, &c->mix, err));
    FUSOR_TRY(stack_parse(at, "units", &spec, err));
    if (spec.n_units && spec.units[spec.n_units - 1] == 1)
        spec.n_units--;
    return stack_build(m, "dense", c->mix.width, &spec, 1, &c->stack, err);
}

static void concat_destroy(struct fusion *f)
{
    mem_free(f->self);
}

static void *concat_run_create(const struct fusion *f, struct model_run *r)
{
    const struct concat *c = f->self;
    struct concat_state *st = run_take(r, 1, sizeof(*st));

    if (!st)
        return NULL;
    mix_take(&c->mix, r, &st->mix);
    stack_take(&c->stack, r, &st->stack);
    return st;
}

static void concat_forward(const struct fusion *f, struct model_run *r,
                           const struct model_step *s, int train)
{
    const struct concat *c = f->self;
    struct concat_state *st = run_head(r, f)->fusion_state;
    const float *y;

    mix_forward(&c->mix, &st->mix, r, s, train, 1);
    y = stack_forward(&c->stack, &st->stack, r->model->seed, s, st->mix.x,
                      train);
    memcpy(run_head(r, f)->score, y, s->batch->n * sizeof(float));
}

static void concat_backward(const struct fusion *f, struct model_run *r,
                            const struct model_step *s)
{
    const struct concat *c = f->self;
    struct concat_state *st = run_head(r, f)->fusion_state;

    stack_backward(&c->stack, &st->stack, s, st->mix.x,
                   run_head(r, f)->score_grad, st->mix.dx, f->trained);
    mix_backward(&c->mix, &st->mix, r, s, 1);
}

/* The score less that with this tower's input at 0; dx is free meanwhile. */
static void concat_contributions(const struct fusion *f, struct model_run *r,
                                 const struct model_step *s, float *out)
{
    const struct concat *c = f->self;
    struct concat_state *st = run_head(r, f)->fusion_state;
    const float *score = run_head(r, f)->score;
    uint32_t n = r->n, m = c->mix.n_towers, width = c->mix.width, offset = 0;

    for (uint32_t t = 0; t < m; t++) {
        uint32_t own = mix_tower(&c->mix, r, t)->width;
        const float *y;

        memcpy(st->mix.dx, st->mix.x, (size_t)n * width * sizeof(float));
        for (uint32_t i = 0; i < n; i++)
            memset(st->mix.dx + (size_t)i * width + offset, 0,
                   own * sizeof(float));
        y = stack_forward(&c->stack, &st->stack, r->model->seed, s, st->mix.dx,
                          0);
        for (uint32_t i = 0; i < n; i++)
            out[(size_t)i * m + t] = score[i] - y[i];
        offset += own;
    }
}

static void concat_describe(const struct fusion *f, const struct model *m,
                            struct strbuf *out)
{
    const struct concat *c = f->self;

    (void)m;
    stack_describe(&c->stack, out);
    mix_describe(&c->mix, out);
}

const struct fusion_kind fusion_concat = {
    .name = "concat",
    .build = concat_build,
    .destroy = concat_destroy,
    .run_create = concat_run_create,
    .forward = concat_forward,
    .backward = concat_backward,
    .contributions = concat_contributions,
    .describe = concat_describe,
};
