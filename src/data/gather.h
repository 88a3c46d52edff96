/* The values of one field for the rows of one side of a micro-batch: the inner
 * loops of batcher.c, which owns the buffers. */
#ifndef DATA_GATHER_H
#define DATA_GATHER_H

#include "data/augment.h"
#include "data/dataset_private.h"

#define NO_ROW UINT32_MAX

/* Indices of the rows of one side of the batch. */
struct side {
    uint32_t n;
    uint32_t *row;                  // in its part; NO_ROW: a pair without a row
    uint32_t *query;                // NO_KEY: missing
    uint32_t *item;                 // likewise; samples only
    uint32_t *before[N_EVENT_SETS]; // events of the query before the row
};

/* The samples of a side by block, while streamed fields are gathered. */
struct block_lists {
    uint32_t *head;   // [blocks of the largest part] first sample, or NO_ROW
    uint32_t *next;   // [capacity]
    uint32_t *blocks; // [capacity] those that have samples
};

/* Where the scores of a micro-batch were looked for. */
struct score_place {
    struct batch_source source; // first
    const struct dataset *ds;
    const struct foreign *foreign;
    const struct side *side;
    uint32_t part;
};

struct field_buffer {
    struct score_place place; // scores
    float *dense;             // [capacity, width]
    uint64_t *ids;            // [capacity] or [n_values]
    uint32_t *offsets;        // [capacity + 1]
    float *weights;           // [n_values], lists whose column has weights
    size_t room;              // values that fit
    uint64_t growths;         // how often more room was needed
};

/** Room for capacity rows of field i.
 * @return 0, or -1: no memory; clear it either way */
int field_buffer_create(const struct dataset *ds, size_t i, uint32_t capacity,
                        struct field_buffer *out);
void field_buffer_clear(struct field_buffer *b);

/** @return 0, or -1: no memory; nothing is made when nothing is streamed */
int block_lists_create(const struct dataset *ds, uint32_t capacity,
                       struct block_lists *out);
void block_lists_clear(struct block_lists *l);
/** Fill the buffers of all streamed fields that stand on this side, block by
 * block; gather_field() then shows them.
 * @param query_side fields of SIDE_QUERY, else the others
 * @return as stream_hold() */
enum fusor_status gather_streamed(const struct dataset *ds, uint32_t part,
                                  const struct side *s, int query_side,
                                  struct block_lists *lists,
                                  struct field_buffer *buffers,
                                  struct fusor_error *err);

/** Fill the buffers of the packed fields that stand on this side;
 * gather_field() then shows them.
 * @param p NULL for a part that is not there: no rows */
void gather_packed(const struct packed *p, const struct side *s, int query_side,
                   struct field_buffer *buffers);

/** Fill the buffer with field i of these rows and show it as out.
 * @param part of the rows, for fields that stand in their columns
 * @return FUSOR_ENOMEM, or FUSOR_EINVAL: over 2^32 values */
enum fusor_status gather_field(const struct dataset *ds, size_t i,
                               uint32_t part, const struct side *s,
                               struct field_buffer *buffer,
                               struct batch_field *out,
                               struct fusor_error *err);

/** Fill the buffer of a text field with one row. */
enum fusor_status gather_text(struct field_buffer *b, const uint32_t *ids,
                              uint32_t n, struct batch_field *out,
                              struct fusor_error *err);

/** Fill the buffer of a text field with another text field of these keys.
 * @return FUSOR_ENOMEM, or FUSOR_EINVAL: over 2^32 values */
enum fusor_status gather_texts(const struct dataset *ds, size_t from,
                               const uint32_t *keys, uint32_t n,
                               struct field_buffer *b, struct batch_field *out,
                               struct fusor_error *err);

/** Change the events of each row of a field that was filled.
 * @return how many are left in all */
uint32_t gather_augment(const struct side *s, struct field_buffer *b,
                        const struct augment *a, uint64_t epoch);

#endif
