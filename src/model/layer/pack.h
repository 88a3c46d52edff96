/* The sequences of one micro-batch, packed without padding: one row of a
 * matrix a position, so that a projection of all of them is one matrix product.
 * Missing ids are left out, sequences longer than the limit lose their oldest
 * ids (texts: their last words), sequences of nothing are no part of it.
 * A position may be hidden: it reads a vector that stands for any id.
 * Private to src/model.
 *
 * PACK_SEQUENCES: sequence after sequence; the rows of sequence k are
 * [start[k], start[k] + length[k]), followed by `pad` rows of zeros.
 * PACK_STEPS: step after step, for recurrent layers: sequences are numbered by
 * falling length, and row start[t] + k is position t of sequence k < active[t].
 */
#ifndef MODEL_LAYER_PACK_H
#define MODEL_LAYER_PACK_H

#include "model/run.h"

enum pack_order { PACK_SEQUENCES, PACK_STEPS };

struct pack_spec {
    enum pack_order order;
    uint32_t field, lookup;
    uint32_t max; // positions of one sequence
    uint32_t pad; // rows of zeros behind each
    int hides;    // one more position stands behind each, hidden
    float hide;   // and, in p->every, so large a share of the others is
    int stream;   // names the random stream that chooses them
};

/* position[] of rows that are no row of the table. */
#define PACK_NONE UINT32_MAX
#define PACK_HIDDEN (UINT32_MAX - 1)

struct pack {
    uint32_t n;         // sequences that hold anything
    uint32_t rows;      // of the packed matrix
    uint32_t longest;   // positions of the longest
    uint32_t n_all;     // sequences in all: rows of the field
    uint32_t *number;   // [n_all] its number here, or UINT32_MAX
    uint32_t *start;    // [n + 1] or [longest + 1]
    uint32_t *length;   // [n]
    uint32_t *active;   // [longest] steps only: sequences that are so long
    uint64_t *id;       // [n] sample id of the first sample that reads it
    uint32_t *uses;     // [n] samples that read it
    uint32_t *sample;   // [n] the first of them
    uint32_t *value;    // [rows] which value of the field it is; PACK_NONE
                        // in the one behind the others
    int every;          // vectors of all rows are wanted, not one a sequence
    uint32_t *position; // [rows] index of its key, PACK_NONE in a pad row,
                        // PACK_HIDDEN in a hidden one
    uint32_t *slot;     // [rows] which of max positions it is: a sequence
                        // ends at the last one, a text begins at the first
    uint32_t *order;    // scratch
};

/** Most rows of a micro-batch. */
size_t pack_rows(const struct pack_spec *spec, const struct model_run *r);
void pack_take(const struct pack_spec *spec, struct model_run *r,
               struct pack *p);
void pack_make(const struct pack_spec *spec, const struct model *m,
               const struct model_step *s, struct pack *p);

/** Sequences of a batch: rows of the field. */
uint32_t pack_sequences(const struct pack_spec *spec, const struct model *m,
                        const struct model_step *s);
/** Sequence i of the batch alone, as the first of the pack; who uses it is not
 * counted, so nothing is drawn and nothing goes back. */
void pack_make_one(const struct pack_spec *spec, const struct model *m,
                   const struct model_step *s, uint32_t i, struct pack *p);

/** Row of position i of sequence k. */
static inline uint32_t pack_row(const struct pack_spec *spec,
                                const struct pack *p, uint32_t k, uint32_t i)
{
    return spec->order == PACK_STEPS ? p->start[i] + k : p->start[k] + i;
}

/** x [rows, dim] = scale * row of the table + places[slot] (NULL: nothing);
 * zeros in pad rows.
 * @param rows the table's, their vectors begin after skip floats
 * @param hidden [dim] what hidden rows read instead */
void pack_gather(const struct pack *p, const float *const *rows, uint32_t skip,
                 uint32_t dim, float scale, const float *places,
                 const float *hidden, float *x);
/** grad [dim] += scale * dx of hidden rows. */
void pack_sum_hidden(const struct pack *p, uint32_t dim, float scale,
                     const float *dx, float *grad);
/** Gradient rows += scale * dx + l2 * uses * row; hidden ones have none. */
void pack_scatter(const struct pack *p, const struct pack_spec *spec,
                  const float *const *rows, float *const *grads, uint32_t skip,
                  uint32_t dim, float scale, float l2, const float *dx);

#endif
