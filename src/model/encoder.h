/* Networks that several towers read: an encoder turns inputs into a vector a
 * sample, which towers, the fusion's gate and later encoders list among their
 * inputs by the encoder's name. Private to src/model.
 *
 *   encoders:
 *     counts: {inputs: I*, units: [64, 16], activation: relu}
 *   towers:
 *     fm:   {type: fm,  inputs: [emb, counts]}
 *     deep: {type: mlp, inputs: [emb, counts], units: [256, 128, 1]}
 *
 * Of some types (mmoe, ple) it gives a vector for each of the job's labels,
 * listed as NAME.LABEL:
 *
 *   encoders:
 *     experts: {type: mmoe, inputs: [user, item], experts: 4, units: [32, 16]}
 *   towers:
 *     click: {type: mlp, inputs: [experts.click], units: [16]}
 *     buy:   {type: mlp, inputs: [experts.buy], units: [16]}
 *
 * It runs once a micro-batch; its gradient is the sum over all that read it. A
 * stage trains the encoders that it names. */
#ifndef MODEL_ENCODER_H
#define MODEL_ENCODER_H

#include "model/layer/stack.h"
#include "model/matrix.h"

struct encoder_kind;

struct encoder {
    char name[PARAM_NAME_MAX];
    const struct encoder_kind *kind;
    uint32_t index;
    uint32_t matrix;  // what it reads
    uint32_t n_out;   // vectors a sample: 1, or one a label
    uint32_t width;   // floats of each
    float l2;         // of the rows it looks up, by use
    uint64_t readers; // bits of the parts that list it
    uint32_t read;    // bits of the vectors that are listed
    int trained;
    void *self; // the kind's
};

/* Of one run. */
struct encoder_state {
    void *state;                        // the kind's
    const float *out[BATCH_MAX_LABELS]; // [n_out] -> [n, width] after forward
    float *grad[BATCH_MAX_LABELS];      // the same: what its readers add to
};

/** Read the job's `encoders` (may be NULL), before towers. */
enum fusor_status encoder_build_all(struct model *m, struct yaml_node *at,
                                    struct fusor_error *err);
/** Fail for an encoder that nothing reads, or a label's vector of it. After
 * towers and fusion. */
enum fusor_status encoder_check_read(const struct model *m,
                                     struct yaml_node *at,
                                     struct fusor_error *err);
void encoder_destroy_all(struct model *m);
/** Number of the encoder of this name, or -1. */
int encoder_find(const struct model *m, const char *name);
/** The vector that an input's word names: NAME or NAME.LABEL.
 * @param encoder set to its number, -1: the word is of no encoder
 * @param out set to the number of the vector
 * @return EUSAGE: an encoder's name with a wrong label, or without the one it
 * needs */
enum fusor_status encoder_find_vector(const struct model *m, const char *word,
                                      const struct yaml_node *at, int *encoder,
                                      uint32_t *out, struct fusor_error *err);
/** For kinds: read `gate`, sizes of hidden layers with the activation of
 * `layers`. */
enum fusor_status encoder_parse_gate(struct yaml_node *at,
                                     const struct stack_spec *layers,
                                     struct stack_spec *gate,
                                     struct fusor_error *err);

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
