/* A model in a test: built from a job's text over ten fields, fed with one
 * batch, its rows and blocks filled by a formula that
 * tests/golden/make_golden.py knows too. Stands in for worker and store.
 *
 * The batch: 6 samples of 3 queries, with a missing id, an empty bag, weights
 * in one bag and sample weights when asked for. */
#ifndef TESTS_MODEL_FIXTURE_H
#define TESTS_MODEL_FIXTURE_H

#include "base/yaml.h"
#include "model/model.h"

#define FIXTURE_MAX_KEYS 256

enum fixture_field {
    FIXTURE_USER,   // query, categorical
    FIXTURE_ITEM,   // row, categorical
    FIXTURE_CTX,    // row, categorical, one missing
    FIXTURE_GENRES, // item, multi, weighted, one empty
    FIXTURE_HIST,   // query, bag, one empty
    FIXTURE_PRICE,  // row, dense of 2
    FIXTURE_SEQ,    // query, sequence of items, one empty, one id missing
    FIXTURE_TITLE,  // item, text, one empty, one id missing
    FIXTURE_SCORE,  // of a tower "out"
    FIXTURE_PARTLY, // of a tower "part", two are missing
    FIXTURE_N_FIELDS
};

struct fixture_table {
    uint32_t n;
    uint64_t keys[FIXTURE_MAX_KEYS];
    float *rows[FIXTURE_MAX_KEYS], *grads[FIXTURE_MAX_KEYS];
};

struct fixture {
    struct yaml *yaml;
    struct model *model;
    struct model_run *run;
    struct batch batch;
    struct batch_field fields[FIXTURE_N_FIELDS];
    struct batch_source source;
    struct fixture_table *tables; // [n_tables]
    struct model_tables *views;   // [n_tables]
    uint32_t **positions;         // [n_lookups]
    float *dense, *dense_grad;
    struct model_step step; // grad_scale 1/6, not training
    float scores[16], outputs[16];
    struct fusor_error err;
};

extern const struct field_spec fixture_specs[FIXTURE_N_FIELDS];

/** The value of element e of row key of table t, and of element e of the flat
 * dense vector with t = 100, key = 0. */
float fixture_value(uint32_t t, uint64_t key, uint64_t e);

/** Build everything; the batch is the standard one.
 * @return FUSOR_OK, or the model's failure with f->err */
enum fusor_status fixture_init(struct fixture *f, const char *job);
/** The same for another batch over the same fields; it must outlive f. */
enum fusor_status fixture_init_batch(struct fixture *f, const char *job,
                                     const struct batch *b);
void fixture_clear(struct fixture *f);

/** forward and loss. @return the loss's sum */
double fixture_loss(struct fixture *f);
/** forward, loss, zero the gradients, backward. @return the loss's sum */
double fixture_pass(struct fixture *f);
/** The gradient row of a key of a named table, or NULL. */
float *fixture_grad(struct fixture *f, const char *table, uint64_t key);
float *fixture_row(struct fixture *f, const char *table, uint64_t key);
int fixture_table_number(const struct fixture *f, const char *table);

/** Largest |backward - central difference| over all rows and blocks, where the
 * difference is taken with this step; relative to 1 + |gradient|. */
double fixture_gradient_error(struct fixture *f, float step);

#endif
