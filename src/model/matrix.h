/* Input matrices of a model: towers and encoders that list the same inputs
 * read one matrix x [n, width], gathered once a micro-batch, and add to one
 * gradient dx that is scattered to the rows once. Private to src/model.
 *
 * Parts run backward in reverse order of their build, so that all readers of a
 * matrix come before the part that declared it: there it is scattered. */
#ifndef MODEL_MATRIX_H
#define MODEL_MATRIX_H

#include "model/inputs.h"

struct matrix {
    struct inputs in;
    int owner;      // the part that declared it first
    int wants_grad; // some column is a row's or an encoder's
    uint32_t n_readers;
};

/* Of one run. */
struct matrix_state {
    float *x;     // [n, width]
    float *dx;    // [n, width]
    float *spare; // [n, width] a second reader's dx, or NULL: one reader
    float l2;     // sum over the readers that ran backward
    int filled;   // x holds this micro-batch
    int has_grad; // dx does
};

/** The matrix of this list for the part being built; equal lists share one.
 * in is copied. */
enum fusor_status matrix_declare(struct model *m, const struct inputs *in,
                                 uint32_t *number, struct fusor_error *err);
void matrix_destroy_all(struct model *m);

/** Set r->matrices. */
void matrix_take_all(struct model_run *r);
/** A new micro-batch. */
void matrix_begin(struct model_run *r);
/** x, filled at first use; encoders it reads must have run. */
const float *matrix_values(struct model_run *r, const struct model_step *s,
                           uint32_t number);
/** Where to write all of dx, to be followed by matrix_commit(); NULL: nobody
 * wants it. */
float *matrix_grad(struct model_run *r, uint32_t number);
/** What matrix_grad() gave is written.
 * @param l2 as in embedding_backward() */
void matrix_commit(struct model_run *r, uint32_t number, float l2);
/** For a part that can add to what is there: dx, and whether to add or to
 * write all of it. Nothing else follows. */
float *matrix_grad_sum(struct model_run *r, uint32_t number, float l2,
                       int *add);
/** Scatter what this part declared and readers wrote. */
void matrix_scatter(struct model_run *r, const struct model_step *s, int owner);

#endif
