/* Element-wise functions and their slopes. */
#include "model/layer/activation.h"

#include <stdio.h>
#include <string.h>

#include "model/layer/kernel.h"
#include "tensor/vec.h"

const char *const activation_names[] = {"none",    "relu",  "gelu", "tanh",
                                        "sigmoid", "prelu", NULL};

enum fusor_status activation_build(struct model *m, const char *name,
                                   enum activation_kind kind,
                                   struct activation *a,
                                   struct fusor_error *err)
{
    char text[PARAM_NAME_MAX];
    uint32_t block;

    a->kind = kind;
    if (kind != ACTIVATION_PRELU)
        return FUSOR_OK;
    snprintf(text, sizeof(text), "%s.slope", name);
    FUSOR_TRY(build_block(m, text, 1, INIT_ONE, 0, 1, &block, err));
    a->slope = m->blocks[block].offset;
    return FUSOR_OK;
}

KERNEL_BODY void leaky_body(float a, const float *restrict x, float *restrict y,
                            size_t n)
{
    for (size_t i = 0; i < n; i++)
        y[i] = x[i] < 0.0f ? a * x[i] : x[i];
}

KERNEL(leaky, (float a, const float *restrict x, float *restrict y, size_t n),
       (a, x, y, n))

KERNEL_BODY void leaky_slope_body(float a, const float *restrict x,
                                  float *restrict dy, size_t n)
{
    for (size_t i = 0; i < n; i++)
        dy[i] = x[i] > 0.0f ? dy[i] : a * dy[i];
}

KERNEL(leaky_slope,
       (float a, const float *restrict x, float *restrict dy, size_t n),
       (a, x, dy, n))

void activation_forward(const struct activation *a, const struct model_step *s,
                        const float *x, float *y, size_t n)
{
    const struct vec_ops *v = vec_ops();

    switch (a->kind) {
    case ACTIVATION_NONE:
        if (x != y)
            memcpy(y, x, n * sizeof(*y));
        break;
    case ACTIVATION_RELU:
        v->relu(y, x, n);
        break;
    case ACTIVATION_GELU:
        v->gelu(y, x, n);
        break;
    case ACTIVATION_TANH:
        v->tanh(y, x, n);
        break;
    case ACTIVATION_SIGMOID:
        v->sigmoid(y, x, n);
        break;
    case ACTIVATION_PRELU:
        leaky(0.25f * s->dense[a->slope], x, y, n);
        break;
    }
}

/* d loss / d p = sum over x < 0 of dy x / 4, in double: one number for all. */
static float slope_gradient(const float *x, const float *dy, size_t n)
{
    double sum = 0.0;

    for (size_t i = 0; i < n; i++)
        if (x[i] < 0.0f)
            sum += (double)dy[i] * (double)x[i];
    return (float)(0.25 * sum);
}

void activation_backward(const struct activation *a, const struct model_step *s,
                         const float *x, const float *y, float *dy, size_t n,
                         int train)
{
    const struct vec_ops *v = vec_ops();

    switch (a->kind) {
    case ACTIVATION_NONE:
        break;
    case ACTIVATION_RELU:
        v->relu_backward(dy, dy, y, n);
        break;
    case ACTIVATION_GELU:
        v->gelu_backward(dy, dy, x, n);
        break;
    case ACTIVATION_TANH:
        v->tanh_backward(dy, dy, y, n);
        break;
    case ACTIVATION_SIGMOID:
        v->sigmoid_backward(dy, dy, y, n);
        break;
    case ACTIVATION_PRELU:
        if (train)
            s->dense_grad[a->slope] = slope_gradient(x, dy, n);
        leaky_slope(0.25f * s->dense[a->slope], x, dy, n);
        break;
    }
}
