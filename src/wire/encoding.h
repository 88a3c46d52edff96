/* How floats travel: as they are, as bfloat16 (half the bytes), or as int8 with
 * one float of scale a row (a quarter). Values that a reader only looks at are
 * rounded to nearest; gradients are rounded up or down at random with the right
 * mean (stochastic rounding), so that what is too small for a step still
 * counts, on average. The draw comes from a seed per row: the same row of the
 * same step is rounded alike whoever sends it wherever.
 *
 * Rows come and go packed, [n, width]; kernels are chosen by the CPU and give
 * the same bits on all of them. What is not finite stays so: a row of int8 with
 * one such value is NaN throughout.
 *
 * Threads: any; no state. */
#ifndef WIRE_ENCODING_H
#define WIRE_ENCODING_H

#include <stddef.h>
#include <stdint.h>

#define ENCODING_FED_MAX 1024

enum encoding { ENCODING_F32, ENCODING_BF16, ENCODING_INT8, ENCODING_END };

/** "f32", "bf16", "int8". */
const char *encoding_name(enum encoding e);

/** Bytes of n rows: scales first, where there are any. */
size_t encoding_bytes(enum encoding e, size_t n, size_t width);
/** Rows that so many bytes are.
 * @return 0, or -1: no whole number of them */
int encoding_rows(enum encoding e, size_t bytes, size_t width, size_t *n);

/** Rows [first, first + m) of n go to their places in out.
 * @param out [encoding_bytes(e, n, width)], a multiple of 4
 * @param seeds [m] one for each row, or NULL: round to nearest */
void encoding_write(enum encoding e, const float *rows, size_t m, size_t width,
                    const uint64_t *seeds, void *out, size_t n, size_t first);
/** The same rounded to nearest, with error feedback: what `left` holds is added
 * before, and what rounding takes stays in it (Seide et al. 2014, 1-bit SGD).
 * @param left [m, width]
 * @param width at most ENCODING_FED_MAX */
void encoding_write_fed(enum encoding e, const float *rows, float *left,
                        size_t m, size_t width, void *out, size_t n,
                        size_t first);
/** Bytes of the scales of n rows, which stand in front; 0: there are none. */
size_t encoding_scale_bytes(enum encoding e, size_t n);
/** Rows whose scales and elements stand apart.
 * @param scales [n] where there are any
 * @param rows [n, width] */
void encoding_read_apart(enum encoding e, const void *scales,
                         const void *elements, size_t n, size_t width,
                         float *rows);
/** @param in as encoding_write() left it
 * @param rows [n, width] */
void encoding_read(enum encoding e, const void *in, size_t n, size_t width,
                   float *rows);

#endif
