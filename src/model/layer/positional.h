/* Where in its sequence a row stands, as a vector added to it. Private to
 * src/model. */
#ifndef MODEL_LAYER_POSITIONAL_H
#define MODEL_LAYER_POSITIONAL_H

#include "model/layer/pack.h"

enum positional_kind {
    POSITIONAL_NONE,
    POSITIONAL_SINUSOID, // Vaswani et al. 2017, section 3.5
    POSITIONAL_LEARNT
};

extern const char *const positional_names[]; // NULL-terminated, by kind

struct positional {
    enum positional_kind kind;
    uint32_t max, dim;
    uint64_t block; // learnt: offset of [max, dim]
};

enum fusor_status positional_build(struct model *m, enum positional_kind kind,
                                   uint32_t max, uint32_t dim,
                                   struct positional *p,
                                   struct fusor_error *err);
/** Fill a sinusoid's [max, dim]; others need no table. */
float *positional_take(const struct positional *p, struct model_run *r);
/** The vectors [max, dim] by slot, or NULL: none.
 * @param table what positional_take() gave */
const float *positional_rows(const struct positional *p, const float *table,
                             const struct model_step *s);
/** Write the learnt vectors' gradient from dx [rows, dim]. */
void positional_backward(const struct positional *p, const struct pack *pack,
                         const struct model_step *s, const float *dx);

#endif
