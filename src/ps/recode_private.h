/* What both ways of recoding know: for recode*.c only. */
#ifndef PS_RECODE_PRIVATE_H
#define PS_RECODE_PRIVATE_H

#include "ps/recode.h"

#define RECODE_GROUP 16 /* floats of a block that share a scale */

_Static_assert(RECODE_GROUP == BLOCK_SLICE_ALIGN, "groups are never cut");

/** Batch statistics stay f32. */
enum encoding recode_segment_encoding(const struct recode *r,
                                      const struct block_segment *s,
                                      enum encoding e);
/** Bytes of a segment of n floats, filled up to a multiple of 8. */
size_t recode_segment_bytes(enum encoding e, size_t n);
/** Bytes of all segments. */
size_t recode_blocks_bytes(const struct recode *r, enum encoding e);
/** Weights lose more by int8 than they save. */
enum encoding recode_dense_values(enum encoding e);
/** The most sections that a push has. */
size_t recode_sections(const struct recode *r);

#endif
