/* What the gates of a model's experts say (encoders mmoe and ple,
 * layer/experts.h): how much of each expert each label takes. Levels of all
 * such encoders are counted from 0, in the job's order; a gate is a label's, or
 * the last one of a level that another follows, of what is shared.
 *
 * Threads: as the model and its runs. */
#ifndef MODEL_GATES_H
#define MODEL_GATES_H

#include "model/model.h"

#define GATES_NAME_MAX 256

struct gates_level {
    uint32_t n_experts;
    uint32_t n_gates; // n_labels, or one more
};

/** Levels of experts; 0: the model has no gates. */
uint32_t gates_n_levels(const struct model *m);
struct gates_level gates_level(const struct model *m, uint32_t level);
/** An expert as its blocks are named: "experts.1.liked.expert0". */
void gates_expert_name(const struct model *m, uint32_t level, uint32_t expert,
                       char out[GATES_NAME_MAX]);
/** A label's name, or "shared". */
const char *gates_gate_name(const struct model *m, uint32_t gate);
/** Does the gate choose among this expert too? */
int gates_weigh(const struct model *m, uint32_t level, uint32_t gate,
                uint32_t expert);
/** Add the weights of the last forward pass, over its samples.
 * @param sums [n_gates][n_experts]; 0 is added where the gate does not choose
 */
void gates_add(const struct model_run *r, uint32_t level, double *sums);

#endif
