/* Position vectors: sines of Vaswani et al. 2017, section 3.5, or learnt. */
#include "model/layer/positional.h"

#include <math.h>

#include "model/layer/kernel.h"

#define INIT_DEVIATION 0.02f /* Devlin et al. 2019 */

const char *const positional_names[] = {"none", "sinusoid", "learnt", NULL};

enum fusor_status positional_build(struct model *m, enum positional_kind kind,
                                   uint32_t max, uint32_t dim,
                                   struct positional *p,
                                   struct fusor_error *err)
{
    uint32_t block;

    *p = (struct positional){.kind = kind, .max = max, .dim = dim};
    if (kind != POSITIONAL_LEARNT)
        return FUSOR_OK;
    FUSOR_TRY(build_block(m, "positions", (uint64_t)max * dim, INIT_NORMAL,
                          INIT_DEVIATION, 0, &block, err));
    p->block = m->blocks[block].offset;
    return FUSOR_OK;
}

float *positional_take(const struct positional *p, struct model_run *r)
{
    float *table;

    if (p->kind != POSITIONAL_SINUSOID)
        return NULL;
    table = run_take(r, (size_t)p->max * p->dim, sizeof(float));
    for (uint32_t t = 0; table && t < p->max; t++)
        for (uint32_t k = 0; k < p->dim; k++) {
            double rate = exp(-log(10000.0) * (k - k % 2) / p->dim);
            double angle = (double)t * rate;

            table[(size_t)t * p->dim + k] =
                (float)(k % 2 ? cos(angle) : sin(angle));
        }
    return table;
}

const float *positional_rows(const struct positional *p, const float *table,
                             const struct model_step *s)
{
    return p->kind == POSITIONAL_LEARNT ? s->dense + p->block : table;
}

KERNEL_BODY void sum_body(const struct pack *pack, uint32_t dim,
                          const float *restrict dx, float *restrict out)
{
    for (uint32_t i = 0; i < pack->rows; i++)
        if (pack->position[i] != UINT32_MAX)
            row_axpy(out + (size_t)pack->slot[i] * dim, 1.0f,
                     dx + (size_t)i * dim, dim);
}

KERNEL(sum,
       (const struct pack *pack, uint32_t dim, const float *restrict dx,
        float *restrict out),
       (pack, dim, dx, out))

void positional_backward(const struct positional *p, const struct pack *pack,
                         const struct model_step *s, const float *dx)
{
    if (p->kind == POSITIONAL_LEARNT) // the whole gradient was zero before
        sum(pack, p->dim, dx, s->dense_grad + p->block);
}
