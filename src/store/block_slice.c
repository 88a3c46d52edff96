/* The plan of dense blocks over shards. */
#include "store/block_slice.h"

uint64_t block_slice(uint64_t size, int whole, uint32_t block,
                     unsigned n_shards, unsigned shard, uint64_t *first)
{
    uint64_t unit = (uint64_t)n_shards * BLOCK_SLICE_ALIGN;
    uint64_t each = (size + unit - 1) / unit * BLOCK_SLICE_ALIGN;

    *first = 0;
    if (whole || size <= BLOCK_WHOLE_FLOATS)
        return block % n_shards == shard ? size : 0;
    *first = each * shard;
    if (*first >= size)
        return 0;
    return each < size - *first ? each : size - *first;
}

size_t block_slice_plan(const struct param_spec *params,
                        const unsigned char *whole, unsigned n_shards,
                        unsigned shard, struct block_segment *out)
{
    uint64_t packed = 0;
    size_t n = 0;

    for (uint32_t b = 0; b < params->n_blocks; b++) {
        const struct block_spec *block = &params->blocks[b];
        struct block_segment *seg = &out[n];

        seg->n = block_slice(block->size, whole && whole[b], b, n_shards, shard,
                             &seg->in_block);
        if (seg->n == 0)
            continue;
        seg->block = b;
        seg->offset = block->offset + seg->in_block;
        seg->packed = packed;
        packed += seg->n;
        n++;
    }
    return n;
}
