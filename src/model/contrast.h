/* A step by a loss over candidates: query vectors of each trained tower, the
 * candidates' vectors, the loss between them, and back. Every trained tower
 * that factorises gets the loss by itself; the fusion has no part in it.
 * Private to src/model. */
#ifndef MODEL_CONTRAST_H
#define MODEL_CONTRAST_H

#include "model/registry.h"

/* Of one tower in one run. */
struct contrast {
    struct query_set set;
    float *dq;        // [queries, d]
    float *v, *dv;    // [candidates, d]
    float *part;      // [max(samples, candidates), d]
    float *bias;      // [candidates]
    int has_bias;     // else bias and dbias do not count
    float *dbias;     // [candidates]
    uint32_t *target; // [queries] candidate
    float *weight;    // [queries]
};

/** Set r->contrast when the model expects candidates. */
void contrast_take(struct model_run *r);
void contrast_forward(struct model_run *r, const struct model_step *s);
/** @return the sum over query vectors and towers */
double contrast_loss(struct model_run *r, const struct model_step *s);
void contrast_backward(struct model_run *r, const struct model_step *s);

/** Can this tower be trained so? */
static inline int contrast_takes(const struct tower *t)
{
    return t->kind->queries && t->kind->query_width(t) > 0;
}

#endif
