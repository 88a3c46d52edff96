/* Ids that need no dictionary: made from the text of a cell alone. Pure
 * functions; threads: any. */
#ifndef DATA_ENCODE_H
#define DATA_ENCODE_H

#include <stddef.h>
#include <stdint.h>

/** Ids that encode_bucket() gives: 1 to this. */
#define ENCODE_BUCKETS 16390u

/** Read 1 to 16 hexadecimal digits.
 * @return 0, or -1: something else */
int encode_hex(const char *text, size_t n, uint64_t *out);

/** The bucket of a count: floor(log2(x)^2) above 2, each whole number from -3
 * to 2 for itself, all below -3 with it (after the features of the winners of
 * the Criteo contest, libffm, which take the natural logarithm).
 * @param x a number; not NaN */
uint32_t encode_bucket(double x);

#endif
