/* The inputs of a tower: fields by name, pattern or table, and encoders, side
 * by side in one matrix [n, width]. Private to src/model.
 *
 *   inputs: [user, I*, emb, counts, {bag: rated, pool: rsqrt, table: other},
 *            {text: [title, body], pool: sum, table: token}]
 *
 * where counts may be a field, a table or an encoder. */
#ifndef MODEL_INPUTS_H
#define MODEL_INPUTS_H

#include "model/layer/embedding.h"

enum input_kind {
    INPUT_IDS,    // a field's row of a table
    INPUT_DENSE,  // a field's numbers
    INPUT_LENGTH, // log(1 + number of values) of a field
    INPUT_ENCODER // an encoder's vector
};

struct input {
    enum input_kind kind;
    struct embedding ids; // INPUT_IDS
    uint32_t field;       // but INPUT_ENCODER
    uint32_t encoder;     // INPUT_ENCODER
    uint32_t vector;      // and which of its vectors
    uint32_t width;
    uint32_t offset; // of its first column
};

struct inputs {
    struct input *items;
    uint32_t n;
    size_t cap;
    uint32_t width;
};

/* How fields find their table. */
struct inputs_from {
    const char *table;    // for all of them, or NULL: each its own
    const char *own_name; // table made at first need when table is NULL,
    uint32_t own_dim;     // or own_dim = 0: none
};

/** Read a list (or a single input) and append; look-ups are declared. */
enum fusor_status inputs_parse(struct model *m, struct yaml_node *at,
                               const struct inputs_from *from,
                               struct inputs *out, struct fusor_error *err);
void inputs_clear(struct inputs *in);

/** The field's or encoder's name, for messages. */
const char *inputs_name(const struct input *item, const struct model *m);
/** The sides of all fields as bits 1 << enum field_side; with an encoder, which
 * may read any: all of them. */
unsigned inputs_sides(const struct inputs *in, const struct model *m);
/** Fill x [n, width]. */
void inputs_forward(const struct inputs *in, const struct model_run *r,
                    const struct model_step *s, float *x);
/** Add dx [n, width] to the gradient rows of the tables and to the gradients of
 * trained encoders; l2 as in
 * embedding_backward(). dx is used up. */
void inputs_backward(const struct inputs *in, const struct model_run *r,
                     const struct model_step *s, float *dx, float l2);
void inputs_describe(const struct inputs *in, const struct model *m,
                     struct strbuf *out);

#endif
