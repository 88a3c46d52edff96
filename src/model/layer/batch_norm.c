/* Batch normalisation over the samples of a micro-batch; Ioffe and Szegedy
 * 2015, algorithm 1 and section 3. */
#include "model/layer/batch_norm.h"

#include <math.h>
#include <stdio.h>

#include "model/layer/kernel.h"

#define EPSILON 1e-5f // PyTorch's
#define MOMENTUM 0.1f // share of the new statistic; PyTorch's

static enum fusor_status declare(struct model *m, const char *name,
                                 const char *part, uint32_t width,
                                 enum param_init init, float momentum,
                                 uint64_t *offset, struct fusor_error *err)
{
    char text[PARAM_NAME_MAX];
    uint32_t block;

    snprintf(text, sizeof(text), "%s.%s", name, part);
    FUSOR_TRY(build_block(m, text, width, init, 0, 1, &block, err));
    m->blocks[block].bn_momentum = momentum;
    *offset = m->blocks[block].offset;
    return FUSOR_OK;
}

enum fusor_status batch_norm_build(struct model *m, const char *name,
                                   uint32_t width, struct batch_norm *b,
                                   struct fusor_error *err)
{
    b->width = width;
    FUSOR_TRY(declare(m, name, "gamma", width, INIT_ONE, 0, &b->gamma, err));
    FUSOR_TRY(declare(m, name, "beta", width, INIT_ZERO, 0, &b->beta, err));
    FUSOR_TRY(
        declare(m, name, "mean", width, INIT_ZERO, MOMENTUM, &b->mean, err));
    return declare(m, name, "var", width, INIT_ONE, MOMENTUM, &b->var, err);
}

enum fusor_status batch_norm_build_plain(struct model *m, const char *name,
                                         uint32_t width, struct batch_norm *b,
                                         struct fusor_error *err)
{
    b->width = width;
    b->plain = 1;
    FUSOR_TRY(
        declare(m, name, "mean", width, INIT_ZERO, MOMENTUM, &b->mean, err));
    return declare(m, name, "var", width, INIT_ONE, MOMENTUM, &b->var, err);
}

void batch_norm_take(const struct batch_norm *b, struct model_run *r,
                     struct batch_norm_state *st)
{
    st->mean = run_take(r, b->width, sizeof(float));
    st->inverse = run_take(r, b->width, sizeof(float));
    st->sum_dy = run_take(r, b->width, sizeof(float));
    st->sum_dy_x = run_take(r, b->width, sizeof(float));
    st->var = run_take(r, b->width, sizeof(float));
    if (b->gaps)
        st->count = run_take(r, b->width, sizeof(float));
    if (!b->plain)
        return;
    st->one = run_take(r, b->width, sizeof(float));
    st->zero = run_take(r, b->width, sizeof(float));
    for (uint32_t k = 0; st->one && k < b->width; k++)
        st->one[k] = 1.0f;
}

/* Mean, then squared distances from it: two passes, no cancellation. */
KERNEL_BODY void statistics_body(const float *restrict x, uint32_t n,
                                 uint32_t width, float *restrict mean,
                                 float *restrict var)
{
    for (uint32_t k = 0; k < width; k++)
        mean[k] = var[k] = 0.0f;
    for (uint32_t i = 0; i < n; i++)
        for (uint32_t k = 0; k < width; k++)
            mean[k] += x[(size_t)i * width + k];
    for (uint32_t k = 0; k < width; k++)
        mean[k] /= (float)n;
    for (uint32_t i = 0; i < n; i++)
        for (uint32_t k = 0; k < width; k++) {
            float d = x[(size_t)i * width + k] - mean[k];

            var[k] += d * d;
        }
}

KERNEL(statistics,
       (const float *restrict x, uint32_t n, uint32_t width,
        float *restrict mean, float *restrict var),
       (x, n, width, mean, var))

/* The same of values that are there; without any, what runs goes on. */
static void statistics_of_some(const struct batch_norm *b,
                               struct batch_norm_state *st,
                               const struct model_step *s, const float *x,
                               uint32_t n)
{
    for (uint32_t k = 0; k < b->width; k++) {
        float mean = 0.0f, var = 0.0f, count = 0.0f;

        for (uint32_t i = 0; i < n; i++) {
            float v = x[(size_t)i * b->width + k];

            if (!isnan(v)) {
                mean += v;
                count += 1.0f;
            }
        }
        mean = count > 0.0f ? mean / count : s->dense[b->mean + k];
        for (uint32_t i = 0; i < n; i++) {
            float d = x[(size_t)i * b->width + k] - mean;

            var += isnan(d) ? 0.0f : d * d;
        }
        st->mean[k] = mean;
        st->var[k] = count > 1.0f ? var : s->dense[b->var + k];
        st->count[k] = count > 1.0f ? count : 1.0f;
    }
}

KERNEL_BODY void scale_body(const float *x, uint32_t n, uint32_t width,
                            const float *mean, const float *inverse,
                            const float *gamma, const float *beta, float *y)
{
    for (uint32_t i = 0; i < n; i++)
        for (uint32_t k = 0; k < width; k++) {
            size_t at = (size_t)i * width + k;

            y[at] = (x[at] - mean[k]) * inverse[k] * gamma[k] + beta[k];
        }
}

KERNEL(scale,
       (const float *x, uint32_t n, uint32_t width, const float *mean,
        const float *inverse, const float *gamma, const float *beta, float *y),
       (x, n, width, mean, inverse, gamma, beta, y))

void batch_norm_forward(const struct batch_norm *b, struct batch_norm_state *st,
                        const struct model_step *s, const float *x, uint32_t n,
                        float *y, int train)
{
    const float *mean = train ? st->mean : s->dense + b->mean;

    if (train && b->gaps)
        statistics_of_some(b, st, s, x, n);
    else if (train)
        statistics(x, n, b->width, st->mean, st->var);
    for (uint32_t k = 0; k < b->width; k++) {
        float count = train && b->gaps ? st->count[k] : (float)n;
        float var = train ? st->var[k] / count : s->dense[b->var + k];

        /* An average of averages in flight may undershoot 0 by rounding. */
        st->inverse[k] = 1.0f / sqrtf((var > 0.0f ? var : 0.0f) + EPSILON);
        if (train)
            st->var[k] /= count > 1.0f ? count - 1.0f : 1.0f;
        else
            st->mean[k] = mean[k];
    }
    scale(x, n, b->width, st->mean, st->inverse,
          b->plain ? st->one : s->dense + b->gamma,
          b->plain ? st->zero : s->dense + b->beta, y);
}

KERNEL_BODY void sums_body(const float *restrict x, const float *restrict dy,
                           uint32_t n, uint32_t width,
                           const float *restrict mean,
                           const float *restrict inverse,
                           float *restrict sum_dy, float *restrict sum_dy_x)
{
    for (uint32_t k = 0; k < width; k++)
        sum_dy[k] = sum_dy_x[k] = 0.0f;
    for (uint32_t i = 0; i < n; i++)
        for (uint32_t k = 0; k < width; k++) {
            size_t at = (size_t)i * width + k;

            sum_dy[k] += dy[at];
            sum_dy_x[k] += dy[at] * ((x[at] - mean[k]) * inverse[k]);
        }
}

KERNEL(sums,
       (const float *restrict x, const float *restrict dy, uint32_t n,
        uint32_t width, const float *restrict mean,
        const float *restrict inverse, float *restrict sum_dy,
        float *restrict sum_dy_x),
       (x, dy, n, width, mean, inverse, sum_dy, sum_dy_x))

/* dx = gamma inverse (dy - mean(dy) - xhat mean(dy xhat)); the means are 0 when
 * the statistics were not the batch's. */
KERNEL_BODY void back_body(const struct batch_norm_state *st, float share,
                           const float *restrict gamma, const float *restrict x,
                           float *restrict dy, uint32_t n, uint32_t width)
{
    const float *restrict mean = st->mean;
    const float *restrict inverse = st->inverse;
    const float *restrict sum_dy = st->sum_dy;
    const float *restrict sum_dy_x = st->sum_dy_x;

    for (uint32_t i = 0; i < n; i++)
        for (uint32_t k = 0; k < width; k++) {
            size_t at = (size_t)i * width + k;
            float xhat = (x[at] - mean[k]) * inverse[k];

            dy[at] = gamma[k] * inverse[k] *
                     (dy[at] - share * (sum_dy[k] + xhat * sum_dy_x[k]));
        }
}

KERNEL(back,
       (const struct batch_norm_state *st, float share,
        const float *restrict gamma, const float *restrict x,
        float *restrict dy, uint32_t n, uint32_t width),
       (st, share, gamma, x, dy, n, width))

void batch_norm_backward(const struct batch_norm *b,
                         struct batch_norm_state *st,
                         const struct model_step *s, const float *x, float *dy,
                         uint32_t n, int batch_stats, int train)
{
    float part = run_share(s);

    sums(x, dy, n, b->width, st->mean, st->inverse, st->sum_dy, st->sum_dy_x);
    for (uint32_t k = 0; train && k < b->width; k++) {
        if (!b->plain) {
            s->dense_grad[b->gamma + k] = st->sum_dy_x[k];
            s->dense_grad[b->beta + k] = st->sum_dy[k];
        }
        s->dense_grad[b->mean + k] = part * st->mean[k];
        s->dense_grad[b->var + k] = part * st->var[k];
    }
    back(st, batch_stats ? 1.0f / (float)n : 0.0f,
         b->plain ? st->one : s->dense + b->gamma, x, dy, n, b->width);
}
