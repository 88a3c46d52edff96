/* Networks that several towers read: an encoder turns inputs into one vector a
 * sample, which towers, the fusion's gate and later encoders list among their
 * inputs by the encoder's name. Private to src/model.
 *
 *   encoders:
 *     counts: {inputs: I*, units: [64, 16], activation: relu}
 *   towers:
 *     fm:   {type: fm,  inputs: [emb, counts]}
 *     deep: {type: mlp, inputs: [emb, counts], units: [256, 128, 1]}
 *
 * It runs once a micro-batch; its gradient is the sum over all that read it.
 * Every layer has its activation (norm, dropout) behind it, the last one too. A
 * stage trains the encoders that it names. */
#ifndef MODEL_ENCODER_H
#define MODEL_ENCODER_H

#include "model/layer/stack.h"
#include "model/matrix.h"

struct encoder {
    char name[PARAM_NAME_MAX];
    uint32_t index;
    uint32_t matrix; // what it reads
    struct stack stack;
    float l2;         // of the rows it looks up, by use
    uint64_t readers; // bits of the parts that list it
    int trained;
};

/* Of one run. */
struct encoder_state {
    struct stack_state stack;
    const float *out; // [n, stack.out] after encoder_forward()
    float *grad;      // [n, stack.out] what its readers add to
};

/** Read the job's `encoders` (may be NULL), before towers. */
enum fusor_status encoder_build_all(struct model *m, struct yaml_node *at,
                                    struct fusor_error *err);
/** Fail for an encoder that nothing reads. After towers and fusion. */
enum fusor_status encoder_check_read(const struct model *m,
                                     struct yaml_node *at,
                                     struct fusor_error *err);
void encoder_destroy_all(struct model *m);
/** Number of the encoder of this name, or -1. */
int encoder_find(const struct model *m, const char *name);

/** Set r->encoders. */
void encoder_take_all(struct model_run *r);
void encoder_forward_all(struct model_run *r, const struct model_step *s);
/** Make the sums of gradients ready to be added to. */
void encoder_begin_backward(struct model_run *r);
/** After all towers; trained encoders only. */
void encoder_backward_all(struct model_run *r, const struct model_step *s);
void encoder_describe(const struct encoder *e, const struct model *m,
                      struct strbuf *out);

#endif
