/* Tests of the plan of dense blocks over shards. */
#include "store/block_slice.h"

#include <string.h>

#include "base/rng.h"

#include "harness.h"

#define BLOCKS 5

static void plan(uint64_t offset[BLOCKS], const uint64_t size[BLOCKS],
                 unsigned n_shards)
{
    struct block_spec blocks[BLOCKS];
    struct param_spec params = {.n_blocks = BLOCKS, .blocks = blocks};
    unsigned char whole[BLOCKS] = {0, 0, 1, 0, 0};
    uint64_t covered[BLOCKS] = {0};

    memset(blocks, 0, sizeof(blocks));
    for (int b = 0; b < BLOCKS; b++) {
        blocks[b].offset = offset[b] = params.n_dense;
        blocks[b].size = size[b];
        params.n_dense += size[b];
    }
    for (unsigned s = 0; s < n_shards; s++) {
        struct block_segment seg[BLOCKS];
        size_t n = block_slice_plan(&params, whole, n_shards, s, seg);
        uint64_t packed = 0;

        for (size_t i = 0; i < n; i++) {
            uint32_t b = seg[i].block;

            CHECK(seg[i].n > 0);
            CHECK(seg[i].packed == packed);
            CHECK(seg[i].in_block == covered[b]); // shards in order
            CHECK(seg[i].in_block % BLOCK_SLICE_ALIGN == 0);
            CHECK(seg[i].offset == offset[b] + seg[i].in_block);
            if (whole[b] || size[b] <= BLOCK_WHOLE_FLOATS)
                CHECK(seg[i].n == size[b] && s == b % n_shards);
            covered[b] += seg[i].n;
            packed += seg[i].n;
        }
    }
    CHECK(memcmp(covered, size, sizeof(covered)) == 0);
}

static void every_float_has_one_owner(void)
{
    struct rng r = rng_stream(3, RNG_TEST, 0, 0);

    for (int i = 0; i < 200; i++) {
        uint64_t offset[BLOCKS], size[BLOCKS];

        for (int b = 0; b < BLOCKS; b++)
            size[b] = 1 + rng_below(&r, b % 2 ? 100 : 100000);
        plan(offset, size, 1 + (unsigned)rng_below(&r, 40));
    }
}

static void the_border_is_16_ki(void)
{
    uint64_t first;

    CHECK(block_slice(16384, 0, 0, 2, 0, &first) == 16384);
    CHECK(block_slice(16384, 0, 0, 2, 1, &first) == 0);
    CHECK(block_slice(16385, 0, 0, 2, 0, &first) == 8208);
    CHECK(block_slice(16385, 0, 0, 2, 1, &first) == 8177);
    CHECK(first == 8208);
    CHECK(block_slice(16385, 1, 0, 2, 0, &first) == 16385);
}

int main(void)
{
    static const struct test_case cases[] = {
        {"every float has exactly one owner", every_float_has_one_owner},
        {"blocks up to 16 Ki floats stay whole", the_border_is_16_ki},
    };

    return TEST_RUN("store.block_slice", cases);
}
