/* Experts and gates: networks side by side, and for each label a gate that
 * says, sample by sample, how much of each expert the label takes:
 *
 *   o_k(x) = sum_e a_ke(x_k) E_e(x),  a_k = softmax(g_k(x_k))
 *
 * over the experts of all labels and the label's own. One such level with
 * shared experts only is MMoE (Ma et al. 2018, "Modeling task relationships in
 * multi-task learning with multi-gate mixture-of-experts", section 4.2); with
 * own ones it is customized gate control, and levels one above the other are
 * PLE (Tang et al. 2020, "Progressive layered extraction", sections 4.1, 4.2):
 * between levels a further gate, over all experts, says what shared experts
 * read next. Gates have biases, which the papers leave out.
 *
 * Streams are numbered: the labels, then, last, what is shared. Private to
 * src/model. */
#ifndef MODEL_LAYER_EXPERTS_H
#define MODEL_LAYER_EXPERTS_H

#include "model/layer/stack.h"

#define EXPERTS_MAX 64 /* of one level */
#define EXPERT_STREAMS (BATCH_MAX_LABELS + 1)
#define EXPERTS_NAME_MAX (2 * PARAM_NAME_MAX)

struct experts_spec {
    uint32_t own;             // experts of each label
    uint32_t shared;          // of all
    int passes;               // a level follows: the shared stream has a gate
    struct stack_spec layers; // of each expert
    struct stack_spec gate;   // hidden layers of each gate
};

struct experts {
    uint32_t n_labels;
    uint32_t own, shared;
    uint32_t n;         // experts: label 0's, label 1's, .., shared ones
    uint32_t n_gates;   // n_labels, or one more
    uint32_t in, out;   // floats a sample of every stream
    struct stack *nets; // [n]
    struct stack gates[EXPERT_STREAMS];
};

/* Of one run. */
struct experts_state {
    struct stack_state *nets; // [n]
    struct stack_state gates[EXPERT_STREAMS];
    const float **y;                // [n] -> [samples, out]
    float **dy;                     // [n] -> [samples, out]
    float *weights[EXPERT_STREAMS]; // [samples, experts weighed]
    float *dweights;                // [samples, n]
    float *sum[EXPERT_STREAMS];     // [samples, out] o of each gate
    float *part;                    // [samples, in] one network's dx
};

/** Declare the blocks "<prefix>expert0..", "<prefix>LABEL.expert0..",
 * "<prefix>LABEL.gate..", "<prefix>shared.gate..".
 * @param prefix as "1." for the level, or ""
 * @return ENOMEM; experts_clear() is due anyway */
enum fusor_status experts_build(struct model *m, const char *prefix,
                                uint32_t in, const struct experts_spec *spec,
                                struct experts *out, struct fusor_error *err);
void experts_clear(struct experts *x);
void experts_take(const struct experts *x, struct model_run *r,
                  struct experts_state *st);
/** Set st->sum of every gate.
 * @param in [n_labels + 1] what each stream reads, [samples, in]; may be the
 * same */
void experts_forward(const struct experts *x, struct experts_state *st,
                     uint64_t seed, const struct model_step *s,
                     const float *const *in, int train);
/** Write the gradients of the blocks.
 * @param dout [n_gates] d loss / d st->sum
 * @param din [n_labels + 1] added to, [samples, in]; may be the same; NULL:
 * nobody wants it */
void experts_backward(const struct experts *x, struct experts_state *st,
                      const struct model_step *s, const float *const *in,
                      float *const *dout, float *const *din);
/** "liked.expert0", "shared.expert1", or "expert2" where none is a label's. */
void experts_name(const struct model *m, const struct experts *x,
                  uint32_t expert, char out[EXPERTS_NAME_MAX]);
/** Does the gate choose among this expert too? */
int experts_weigh(const struct experts *x, uint32_t gate, uint32_t expert);
/** Add what a gate gave to each expert in the last forward pass.
 * @param n its samples @param sums [x->n]; others stay */
void experts_add_weights(const struct experts *x,
                         const struct experts_state *st, uint32_t gate,
                         uint32_t n, double *sums);
/** "4 shared, 2 own of each label, .." */
void experts_describe(const struct experts *x, struct strbuf *out);

#endif
