/* Products of bfloat16 tiles by AMX (Intel SDM volume 1, chapter 18): 16 x 16
 * sums, 32 products each, an instruction. */
#include "tensor/gemm_bf16_job.h"

#include <immintrin.h>

/* Palette 1: eight tiles of 16 rows of 64 bytes. */
struct tile_config {
    uint8_t palette, start_row, reserved[14];
    uint16_t row_bytes[16];
    uint8_t rows[16];
};

/* Constant, in memory as a whole: gcc tells its optimiser of the first eight
 * bytes only that the instruction reads. */
static const struct tile_config config = {
    1,
    0,
    {0},
    {64, 64, 64, 64, 64, 64, 64, 64},
    {16, 16, 16, 16, 16, 16, 16, 16},
};

void gemm_bf16_amx_begin(void)
{
    _tile_loadconfig(&config);
}

void gemm_bf16_amx_end(void)
{
    _tile_release();
}

#define ROW 64 /* bytes */

/* Sums in tiles 0..3, a in 4 and 5, b in 6 and 7. */
static void two_by_two(const uint32_t *a, const uint32_t *b, size_t n_k,
                       float *sum)
{
    const uint32_t *a1 = a + n_k * BF16_PAIRS, *b1 = b + n_k * BF16_PAIRS;

    _tile_zero(0);
    _tile_zero(1);
    _tile_zero(2);
    _tile_zero(3);
    for (size_t t = 0; t < n_k * BF16_PAIRS; t += BF16_PAIRS) {
        _tile_loadd(4, a + t, ROW);
        _tile_loadd(6, b + t, ROW);
        _tile_loadd(7, b1 + t, ROW);
        _tile_loadd(5, a1 + t, ROW);
        _tile_dpbf16ps(0, 4, 6);
        _tile_dpbf16ps(1, 4, 7);
        _tile_dpbf16ps(2, 5, 6);
        _tile_dpbf16ps(3, 5, 7);
    }
    _tile_stored(0, sum, ROW);
    _tile_stored(1, sum + BF16_PAIRS, ROW);
    _tile_stored(2, sum + 2 * BF16_PAIRS, ROW);
    _tile_stored(3, sum + 3 * BF16_PAIRS, ROW);
}

static void one_by_one(const uint32_t *a, const uint32_t *b, size_t n_k,
                       float *sum)
{
    _tile_zero(0);
    for (size_t t = 0; t < n_k * BF16_PAIRS; t += BF16_PAIRS) {
        _tile_loadd(4, a + t, ROW);
        _tile_loadd(6, b + t, ROW);
        _tile_dpbf16ps(0, 4, 6);
    }
    _tile_stored(0, sum, ROW);
}

void gemm_bf16_amx(const uint32_t *a, const uint32_t *b, size_t n_k,
                   size_t n_rows, size_t n_columns, float *sum)
{
    if (n_rows == 2 && n_columns == 2) {
        two_by_two(a, b, n_k, sum);
        return;
    }
    for (size_t i = 0; i < n_rows; i++)
        for (size_t j = 0; j < n_columns; j++)
            one_by_one(a + i * n_k * BF16_PAIRS, b + j * n_k * BF16_PAIRS, n_k,
                       sum + (2 * i + j) * BF16_PAIRS);
}
