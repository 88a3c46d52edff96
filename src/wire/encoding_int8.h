/* Rows as int8 by whole vectors: the same bits as the plain loops of encoding.c
 * give, which see. Internal to wire.
 *
 * width is a multiple of 16 (avx512) or 8 (avx2). Threads: any; no state. */
#ifndef WIRE_ENCODING_INT8_H
#define WIRE_ENCODING_INT8_H

#include <stddef.h>
#include <stdint.h>

#define ENCODING_SCALE_MIN 1e-30f /* a row below it is zero */

#if defined(__x86_64__)
/** @param seeds [m], or NULL: round to nearest */
void encoding_int8_write_avx512(const float *rows, size_t m, size_t width,
                                const uint64_t *seeds, float *scales,
                                int8_t *out);
void encoding_int8_read_avx512(const int8_t *in, const float *scales, size_t m,
                               size_t width, float *rows);
void encoding_int8_write_avx2(const float *rows, size_t m, size_t width,
                              const uint64_t *seeds, float *scales,
                              int8_t *out);
void encoding_int8_read_avx2(const int8_t *in, const float *scales, size_t m,
                             size_t width, float *rows);
#endif

#endif
