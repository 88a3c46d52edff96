/* Dense layers one after the other: [dense, norm, activation, dropout]* and,
 * when asked for, a last dense layer without anything behind it. Used by the
 * mlp tower, the concat fusion and the attention gate. Private to src/model. */
#ifndef MODEL_LAYER_STACK_H
#define MODEL_LAYER_STACK_H

#include "model/layer/activation.h"
#include "model/layer/batch_norm.h"
#include "model/layer/dense.h"
#include "model/layer/dropout.h"

#define STACK_MAX 16

struct stack_layer {
    struct dense dense;
    int plain; // the last one: dense only
    int has_norm;
    struct batch_norm norm;
    struct activation activation;
    struct dropout dropout;
};

struct stack {
    struct stack_layer layers[STACK_MAX];
    uint32_t n;
    uint32_t in, out;
};

struct stack_spec {
    uint32_t units[STACK_MAX];
    uint32_t n_units;
    enum activation_kind activation;
    int norm; // batch normalisation
    float dropout;
};

/** Read `key` (a list of sizes), activation, norm and dropout from a map;
 * absent settings keep what *out holds. */
enum fusor_status stack_parse(struct yaml_node *map, const char *key,
                              struct stack_spec *out, struct fusor_error *err);
/** @param head floats of the last plain layer, 0: none */
enum fusor_status stack_build(struct model *m, const char *name, uint32_t in,
                              const struct stack_spec *spec, uint32_t head,
                              struct stack *out, struct fusor_error *err);

struct stack_layer_state {
    float *z;    // [n, out] after dense
    float *norm; // [n, out] after the normalisation; z when there is none
    float *y;    // [n, out] after the activation; norm when there is none
                 // or when relu follows the product: then z is never seen
    float *drop; // [n, out] after dropout; y when there is none
    float *mask;
    float *grad; // [n, out] d loss / d drop, used up; NULL for the last layer
    struct batch_norm_state bn;
};

struct stack_state {
    struct stack_layer_state layers[STACK_MAX];
    int trained; // the last forward pass was a training one
};

void stack_take(const struct stack *k, struct model_run *r,
                struct stack_state *st);
/** @return the last layer's [n, out] (x itself for an empty stack) */
const float *stack_forward(const struct stack *k, struct stack_state *st,
                           uint64_t seed, const struct model_step *s,
                           const float *x, int train);
/** @param dy [n, out], used up
 * @param dx [n, in] written, or NULL; for an empty stack dy is copied
 * @param train also write the gradients of the blocks */
void stack_backward(const struct stack *k, struct stack_state *st,
                    const struct model_step *s, const float *x, float *dy,
                    float *dx, int train);
void stack_describe(const struct stack *k, struct strbuf *out);

#endif
