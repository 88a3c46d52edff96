/* Layer normalisation and its gradient; Ba et al. 2016, equation 3. */
#include "model/layer/layer_norm.h"

#include <math.h>
#include <stdio.h>

#include "model/layer/kernel.h"

#define EPSILON 1e-5f // PyTorch's

enum fusor_status layer_norm_build(struct model *m, const char *name,
                                   uint32_t width, struct layer_norm *l,
                                   struct fusor_error *err)
{
    char text[PARAM_NAME_MAX];
    uint32_t block;

    l->width = width;
    snprintf(text, sizeof(text), "%s.gamma", name);
    FUSOR_TRY(build_block(m, text, width, INIT_ONE, 0, 1, &block, err));
    l->gamma = m->blocks[block].offset;
    snprintf(text, sizeof(text), "%s.beta", name);
    FUSOR_TRY(build_block(m, text, width, INIT_ZERO, 0, 1, &block, err));
    l->beta = m->blocks[block].offset;
    return FUSOR_OK;
}

void layer_norm_take(struct model_run *r, size_t rows,
                     struct layer_norm_state *st)
{
    st->mean = run_take(r, rows, sizeof(float));
    st->inverse = run_take(r, rows, sizeof(float));
}

/* Mean, then squared distances from it: two passes, no cancellation. */
KERNEL_BODY void row_statistics(const float *restrict x, uint32_t width,
                                float *restrict mean, float *restrict inverse)
{
    kernel_v16 sum = {0.0f}, square = {0.0f};
    float m = 0.0f, v = 0.0f;
    uint32_t k = 0;

    for (; k + 16 <= width; k += 16)
        sum += KERNEL_GET16(x + k);
    for (; k < width; k++)
        m += x[k];
    m = (m + lanes_sum(&sum)) / (float)width;
    for (k = 0; k + 16 <= width; k += 16) {
        kernel_v16 d = KERNEL_GET16(x + k) - m;

        square += d * d;
    }
    for (; k < width; k++)
        v += (x[k] - m) * (x[k] - m);
    v = (v + lanes_sum(&square)) / (float)width;
    *mean = m;
    *inverse = 1.0f / sqrtf(v + EPSILON);
}

KERNEL_BODY void forward_body(const float *x, size_t n, uint32_t width,
                              const float *restrict gamma,
                              const float *restrict beta, float *restrict mean,
                              float *restrict inverse, float *y)
{
    for (size_t i = 0; i < n; i++, x += width, y += width) {
        float m, v;
        uint32_t k = 0;

        row_statistics(x, width, &m, &v);
        mean[i] = m;
        inverse[i] = v;
        for (; k + 16 <= width; k += 16)
            KERNEL_AT16(y + k) =
                (KERNEL_GET16(x + k) - m) * v * KERNEL_GET16(gamma + k) +
                KERNEL_GET16(beta + k);
        for (; k < width; k++)
            y[k] = (x[k] - m) * v * gamma[k] + beta[k];
    }
}

KERNEL(forward,
       (const float *x, size_t n, uint32_t width, const float *restrict gamma,
        const float *restrict beta, float *restrict mean,
        float *restrict inverse, float *y),
       (x, n, width, gamma, beta, mean, inverse, y))

/* With h = (x - mean) inverse and g = dy gamma:
 *   dx = inverse (g - mean(g) - h mean(g h)),
 * dgamma = sum dy h, dbeta = sum dy. */
KERNEL_BODY void row_back(const float *restrict x, const float *dy,
                          uint32_t width, const float *restrict gamma, float m,
                          float v, float *restrict dgamma,
                          float *restrict dbeta, float *dx)
{
    kernel_v16 sum = {0.0f}, sum_h = {0.0f};
    float a = 0.0f, b = 0.0f;
    uint32_t k = 0;

    for (; k + 16 <= width; k += 16) {
        kernel_v16 h = (KERNEL_GET16(x + k) - m) * v;
        kernel_v16 d = KERNEL_GET16(dy + k), g = d * KERNEL_GET16(gamma + k);

        KERNEL_AT16(dgamma + k) += d * h;
        KERNEL_AT16(dbeta + k) += d;
        sum += g;
        sum_h += g * h;
    }
    for (; k < width; k++) {
        float h = (x[k] - m) * v, g = dy[k] * gamma[k];

        dgamma[k] += dy[k] * h;
        dbeta[k] += dy[k];
        a += g;
        b += g * h;
    }
    a = (a + lanes_sum(&sum)) / (float)width;
    b = (b + lanes_sum(&sum_h)) / (float)width;
    for (k = 0; k + 16 <= width; k += 16)
        KERNEL_AT16(dx + k) = (KERNEL_GET16(dy + k) * KERNEL_GET16(gamma + k) -
                               a - (KERNEL_GET16(x + k) - m) * v * b) *
                              v;
    for (; k < width; k++)
        dx[k] = (dy[k] * gamma[k] - a - (x[k] - m) * v * b) * v;
}

KERNEL_BODY void backward_body(const float *x, const float *dy, size_t n,
                               uint32_t width, const float *gamma,
                               const float *mean, const float *inverse,
                               float *dgamma, float *dbeta, float *dx)
{
    row_zero(dgamma, width);
    row_zero(dbeta, width);
    for (size_t i = 0; i < n; i++)
        row_back(x + i * width, dy + i * width, width, gamma, mean[i],
                 inverse[i], dgamma, dbeta, dx + i * width);
}

KERNEL(backward,
       (const float *x, const float *dy, size_t n, uint32_t width,
        const float *gamma, const float *mean, const float *inverse,
        float *dgamma, float *dbeta, float *dx),
       (x, dy, n, width, gamma, mean, inverse, dgamma, dbeta, dx))

void layer_norm_forward(const struct layer_norm *l, struct layer_norm_state *st,
                        const struct model_step *s, const float *x, size_t n,
                        float *y)
{
    forward(x, n, l->width, s->dense + l->gamma, s->dense + l->beta, st->mean,
            st->inverse, y);
}

void layer_norm_backward(const struct layer_norm *l,
                         const struct layer_norm_state *st,
                         const struct model_step *s, const float *x,
                         const float *dy, size_t n, float *dx)
{
    backward(x, dy, n, l->width, s->dense + l->gamma, st->mean, st->inverse,
             s->dense_grad + l->gamma, s->dense_grad + l->beta, dx);
}
