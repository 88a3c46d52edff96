/* Rows on their way from the first pass to the parts: groups of rows, column
 * by column, in an unnamed file. Memory: one group (16,384 rows).
 *
 * Threads: one. */
#ifndef DATA_STAGE_H
#define DATA_STAGE_H

#include "data/part.h"

#define STAGE_GROUP_ROWS 16384u

struct stage;

/* One column of the group at hand. */
struct stage_column {
    struct column_spec spec;
    void *fixed; // [rows] values; lists: uint32_t end of each row in values
    uint32_t *values; // lists
    float *weights;   // weighted lists
    uint32_t n_values;
    size_t values_cap, weights_cap;
};

/** @param path the file stands beside this, without a name */
enum fusor_status stage_create(const char *path,
                               const struct column_spec *specs, size_t n,
                               struct stage **out, struct fusor_error *err);
void stage_destroy(struct stage *s);

/* Writing: every column of a row once, then stage_end_row(). */
void stage_put(struct stage *s, size_t column, const void *value);
enum fusor_status stage_put_list(struct stage *s, size_t column,
                                 const uint32_t *values, const float *weights,
                                 size_t n, struct fusor_error *err);
enum fusor_status stage_end_row(struct stage *s, struct fusor_error *err);

/** Begin to read from the first group; writing is over. */
enum fusor_status stage_rewind(struct stage *s, struct fusor_error *err);
/** Read the next group. @param n_rows 0 at the end */
enum fusor_status stage_next(struct stage *s, uint32_t *n_rows,
                             struct fusor_error *err);
struct stage_column *stage_column(struct stage *s, size_t i);
uint64_t stage_rows(const struct stage *s);

#endif
