/* A micro-batch as data makes it and towers read it, and the description of the
 * fields it is made of. The one shape contract between data and model, which
 * do not know each other.
 *
 * A field stands on a side. Fields of the query side have one row per distinct
 * query of the batch, so that query-side work is done once; all others have
 * one row per sample. query_of[i] joins them.
 */
#ifndef BASE_BATCH_H
#define BASE_BATCH_H

#include <stddef.h>
#include <stdint.h>

#include "fusor/status.h"

#define FIELD_NAME_MAX 48
#define BATCH_NO_ID UINT64_MAX    /* missing: no row is looked up, value 0 */
#define BATCH_NO_QUERY UINT32_MAX /* missing: the sample's query */
#define VOCAB_UNKNOWN 0           /* id of what the train part never showed */
#define BATCH_MAX_LABELS 8

enum field_type {
    FIELD_DENSE,       // width floats
    FIELD_CATEGORICAL, // one id
    FIELD_MULTI,       // a set of ids, optional weights
    FIELD_SEQUENCE,    // ids in time order, oldest first: events before this
    FIELD_BAG,         // every id of the query in the train part, no order
    FIELD_TEXT,        // token ids in reading order
    FIELD_VECTOR,      // width floats, by id from a file
    FIELD_SCORE        // one float a sample, from a file; NaN: none
};

enum field_side { SIDE_ROW, SIDE_QUERY, SIDE_ITEM };

struct field_spec {
    char name[FIELD_NAME_MAX];
    enum field_type type;
    enum field_side side;
    uint32_t width;       // dense, vector: floats; else 1
    uint64_t cardinality; // ids are below this; 0: hashed, any u64
    uint32_t max_values;  // multi, sequence, bag, text: most of one row
    uint32_t vocab;       // fields that share ids share this number
};

/* Who knows why a sample has no score. */
struct batch_source {
    /** @return FUSOR_EDATA, naming what is not there */
    enum fusor_status (*missing)(const struct batch_source *self, uint32_t row,
                                 struct fusor_error *err);
};

/* One field of one micro-batch. rows = n_queries for SIDE_QUERY, else n. */
struct batch_field {
    const float *dense;                // [rows, width] dense, vector
    const uint64_t *ids;               // [rows] categorical; [n_values] others
    const uint32_t *offsets;           // [rows + 1] multi, sequence, bag, text
    const float *weights;              // [n_values] or NULL: all 1
    uint32_t n_values;                 // ids in all (categorical: rows)
    const struct batch_source *source; // of scores, or NULL
};

struct batch {
    uint32_t n;               // samples
    uint32_t n_queries;       // distinct queries, 1 <= n_queries <= n
    const uint32_t *query_of; // [n] ascending, below n_queries
    const uint32_t *query_n;  // [n_queries] samples of each query
    const uint32_t *query;    // [n] id of the query key, even where query_of
                              // tells the samples of one query apart because
                              // their fields differ; VOCAB_UNKNOWN and
                              // BATCH_NO_QUERY: nobody knows. NULL: as query_of
    uint32_t n_fields;
    const struct batch_field *fields; // [n_fields], in schema order
    const float *label;               // [n]
    uint32_t n_labels;                // of labels
    const float *const *labels;       // [n_labels] -> [n], label first; NaN:
                                      // the row has none. 0: only label
    const float *weight;              // [n] or NULL: all 1
    const uint64_t *sample_id;        // [n] row number in its part
};

/** What the field is called that a tower of scores reads. @return out */
const char *field_score_name(const char *tower, char out[FIELD_NAME_MAX]);
/** Index of the field with this name, or -1. */
int field_find(const struct field_spec *fields, size_t n, const char *name);
const char *field_type_name(enum field_type type);
/** @return the type that a schema or job may give a field, or -1 */
int field_type_from_name(const char *name);

#endif
