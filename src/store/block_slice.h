/* How dense blocks are cut over shards: small blocks, and blocks whose rule
 * looks at more than one float at a time (clipping, row-wise state), stay
 * whole; large ones are cut into equal slices. A pure function, so every
 * process works out the same plan. */
#ifndef STORE_BLOCK_SLICE_H
#define STORE_BLOCK_SLICE_H

#include <stddef.h>
#include <stdint.h>

#include "base/params.h"

#define BLOCK_WHOLE_FLOATS (16 * 1024) /* up to here whole: 64 KiB */
#define BLOCK_SLICE_ALIGN 16           /* floats: one cache line */

/* One slice of a block. */
struct block_segment {
    uint32_t block;
    uint64_t in_block; // first float, counted in the block
    uint64_t offset;   // the same float in the flat dense vector
    uint64_t n;        // floats, > 0
    uint64_t packed;   // sum of n of the shard's earlier segments
};

/** List the segments of one shard in order of block number.
 * @param whole [n_blocks] non-zero: never cut this block; NULL: none
 * @param out [n_blocks] room: a shard has at most one segment of a block
 * @return how many */
size_t block_slice_plan(const struct param_spec *params,
                        const unsigned char *whole, unsigned n_shards,
                        unsigned shard, struct block_segment *out);

/** Where the slice of a block on one shard lies.
 * @return floats, 0: none; *first counted in the block */
uint64_t block_slice(uint64_t size, int whole, uint32_t block,
                     unsigned n_shards, unsigned shard, uint64_t *first);

#endif
