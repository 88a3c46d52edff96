/* Packed operands and the kernel of gemm_bf16.c. Private to src/tensor. */
#ifndef TENSOR_GEMM_BF16_JOB_H
#define TENSOR_GEMM_BF16_JOB_H

#include <stddef.h>
#include <stdint.h>

#define BF16_TILE 16                       /* rows, columns, pairs along k */
#define BF16_PAIRS (BF16_TILE * BF16_TILE) /* of one packed tile */
#define BF16_SQUARE (2 * BF16_TILE)        /* what one kernel call makes */

/** sum[32][32], rows stride floats apart, = the product of up to 2 x 2 tiles of
 * 16 x 16. Between begin and end.
 *
 * A pair is two bfloat16 that follow each other along k. Tile t of row group i
 * is at a + (i * n_k + t) * BF16_PAIRS, as [row][pair]; of column group j at
 * b + (j * n_k + t) * BF16_PAIRS, as [pair][column].
 * @param n_k tiles along k
 * @param n_rows, n_columns groups, 1 or 2 */
void gemm_bf16_amx(const uint32_t *a, const uint32_t *b, size_t n_k,
                   size_t n_rows, size_t n_columns, float *sum, size_t stride);
/** Lay out this thread's tiles, and give them back. */
void gemm_bf16_amx_begin(void);
void gemm_bf16_amx_end(void);

#endif
