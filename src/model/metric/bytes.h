/* Little-endian numbers into a buffer, and out of one that is not trusted:
 * reading past the end gives zeros and sets bad, looked at once at the end. */
#ifndef MODEL_METRIC_BYTES_H
#define MODEL_METRIC_BYTES_H

#include <stdint.h>

#include "base/str.h"
#include "model/metric/fixed.h"

struct bytes {
    const unsigned char *p;
    size_t left;
    int bad;
};

/** @param n_bytes 1..8 */
void bytes_put(struct strbuf *out, uint64_t value, unsigned n_bytes);
void bytes_put_double(struct strbuf *out, double value);
void bytes_put_i128(struct strbuf *out, metric_i128 value);
/** Seven bits a byte, least first, the top bit says that more follow. */
void bytes_put_varint(struct strbuf *out, uint64_t value);

uint64_t bytes_get(struct bytes *in, unsigned n_bytes);
double bytes_get_double(struct bytes *in);
metric_i128 bytes_get_i128(struct bytes *in);
uint64_t bytes_get_varint(struct bytes *in);
/** The next n bytes, or NULL with bad set. */
const void *bytes_take(struct bytes *in, size_t n);

#endif
