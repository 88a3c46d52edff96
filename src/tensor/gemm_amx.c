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

/* Sums in tiles 0..3, a in 4 and 5, b in 6 and 7; rows and columns, 1 or 2, are
 * constants where this is called. */
static inline __attribute__((always_inline)) void
square(const uint32_t *a, const uint32_t *b, size_t n_k, int rows, int columns,
       float *sum, size_t stride)
{
    const uint32_t *a1 = a + n_k * BF16_PAIRS, *b1 = b + n_k * BF16_PAIRS;
    size_t bytes = stride * sizeof(float);

    _tile_zero(0);
    _tile_zero(1);
    _tile_zero(2);
    _tile_zero(3);
    for (size_t t = 0; t < n_k * BF16_PAIRS; t += BF16_PAIRS) {
        _tile_stream_loadd(4, a + t, ROW);
        _tile_loadd(6, b + t, ROW);
        if (columns == 2)
            _tile_loadd(7, b1 + t, ROW);
        if (rows == 2)
            _tile_stream_loadd(5, a1 + t, ROW);
        _tile_dpbf16ps(0, 4, 6);
        if (columns == 2)
            _tile_dpbf16ps(1, 4, 7);
        if (rows == 2)
            _tile_dpbf16ps(2, 5, 6);
        if (rows == 2 && columns == 2)
            _tile_dpbf16ps(3, 5, 7);
    }
    _tile_stored(0, sum, bytes);
    if (columns == 2)
        _tile_stored(1, sum + 16, bytes);
    if (rows == 2)
        _tile_stored(2, sum + 16 * stride, bytes);
    if (rows == 2 && columns == 2)
        _tile_stored(3, sum + 16 * stride + 16, bytes);
}

void gemm_bf16_amx(const uint32_t *a, const uint32_t *b, size_t n_k,
                   size_t n_rows, size_t n_columns, float *sum, size_t stride)
{
    if (n_rows == 2 && n_columns == 2)
        square(a, b, n_k, 2, 2, sum, stride);
    else if (n_rows == 2)
        square(a, b, n_k, 2, 1, sum, stride);
    else if (n_columns == 2)
        square(a, b, n_k, 1, 2, sum, stride);
    else
        square(a, b, n_k, 1, 1, sum, stride);
}
