/* The buffers of a batcher: shared by batcher.c, which fills them with rows,
 * and batcher_pairs.c, which fills them with pairs that are no rows. */
#ifndef DATA_BATCHER_PRIVATE_H
#define DATA_BATCHER_PRIVATE_H

#include "data/batcher.h"
#include "data/dataset_private.h"
#include "data/gather.h"

struct batcher {
    const struct dataset *ds;
    uint32_t capacity;
    uint32_t part; // of the rows now being gathered
    struct side samples, queries;
    uint32_t *query_of, *query_n;
    float *labels[BATCH_MAX_LABELS], *weight;
    uint64_t *sample_id;
    struct block_lists lists;
    struct field_buffer *buffers; // [n_fields]
    struct batch_field *fields;   // [n_fields], what batches show
};

/** Gather every field for the samples and queries whose keys stand there, and
 * show the batch. */
enum fusor_status batcher_finish(struct batcher *b, int weighted,
                                 struct batch *out, struct fusor_error *err);

#endif
