/* ListNet (Cao et al. 2007, "Learning to rank: from pairwise approach to
 * listwise approach", section 4.2): cross entropy between the chances to stand
 * first, softmax(label / temperature) and softmax(score). A small temperature
 * wants the best labels only. At 1 a label 1 among 99 labels 0 is wanted in 2.7
 * of 100 cases, so that scores become nearly equal. */
#include "model/loss/lists.h"

#include <math.h>

#include "tensor/vec.h"

static double list(float temperature, const struct loss_list *l)
{
    const struct vec_ops *v = vec_ops();
    float *want = l->part;
    double sum;

    for (uint32_t i = 0; i < l->n; i++)
        want[i] = l->label[i] / temperature;
    v->softmax(want, want, l->n);
    /* - sum want (x - log sum exp x) */
    sum = (double)v->softmax(l->grad, l->x, l->n) -
          (double)v->dot(want, l->x, l->n);
    v->axpy(l->grad, -1.0f, want, l->n);
    return sum;
}

static float share(float temperature, uint32_t n)
{
    return 1.0f / (1.0f + (float)(n - 1) * expf(-1.0f / temperature));
}

const struct loss_kind loss_listnet = {
    .name = "listnet",
    .on_logits = 1,
    .only_orders = 1,
    .param = "temperature",
    .param_default = 1.0f,
    .list = list,
    .share = share,
    .label_low = -1e30f,
    .label_high = 1e30f,
};
