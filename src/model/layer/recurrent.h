/* Recurrent layers over sequences packed by steps (pack.h): the inputs of all
 * steps are projected in one product, then one product a step carries the
 * states of all sequences that are still running. Private to src/model.
 *
 *   rnn:  h' = tanh(a + c)                                  (Elman 1990)
 *   gru:  r, z = sigmoid(a + c);  n = tanh(a_n + r c_n);
 *         h' = (1 - z) n + z h                              (Cho et al. 2014)
 *   lstm: i, f, o = sigmoid(a + c), g = tanh(a + c);
 *         m' = f m + i g;  h' = o tanh(m')   (Hochreiter and Schmidhuber 1997)
 *
 * with a = W x + b and c = U h + d; gates in PyTorch's order: r z n, i f g o.
 * Blocks "<name>.in.weight", ".in.bias" (W, b), "<name>.state" (U) and
 * "<name>.bias" (d), uniform within H^-1/2. */
#ifndef MODEL_LAYER_RECURRENT_H
#define MODEL_LAYER_RECURRENT_H

#include "model/layer/dense.h"
#include "model/layer/pack.h"

enum recurrent_kind { RECURRENT_RNN, RECURRENT_GRU, RECURRENT_LSTM };

struct recurrent {
    enum recurrent_kind kind;
    uint32_t in, units; // D, H
    struct dense input; // D -> gates * H
    uint64_t state;     // offset of U [gates * H, H]
    uint64_t bias;      // offset of d [gates * H]
};

struct recurrent_state {
    float *gates;  // [rows, gates * H] what the activations gave
    float *carry;  // [rows, gates * H] c; U h of one step at a time but gru
    float *h;      // [rows, H] the states
    float *before; // [rows, H] the states a step earlier
    float *memory; // [rows, H] lstm: m
    float *tanh_m; // [rows, H] lstm: tanh(m)
    float *da;     // [rows, gates * H] gradient of a
    float *dc;     // [rows, gates * H] of c; da but for gru
    float *dh;     // [n, H] carried back
    float *dm;     // [n, H] lstm
    float *dstep;  // [n, H] U^T dc of one step
};

enum fusor_status recurrent_build(struct model *m, const char *name,
                                  enum recurrent_kind kind, uint32_t in,
                                  uint32_t units, struct recurrent *l,
                                  struct fusor_error *err);
void recurrent_take(const struct recurrent *l, struct model_run *r, size_t rows,
                    struct recurrent_state *st);
/** Fill st->h from x [rows, D]. */
void recurrent_forward(const struct recurrent *l, struct recurrent_state *st,
                       const struct model_step *s, const struct pack *p,
                       const float *x);
/** Write the gradients of the blocks and dx [rows, D].
 * @param dh_all [rows, H] gradient of every state, or NULL
 * @param dh_last [n, H] gradient of each sequence's last state, or NULL */
void recurrent_backward(const struct recurrent *l, struct recurrent_state *st,
                        const struct model_step *s, const struct pack *p,
                        const float *x, const float *dh_all,
                        const float *dh_last, float *dx);

#endif
