/* Features of how two texts fit (match.h), kept for rows of a part once they
 * were computed: every epoch wants the same ones again. Pages of rows that
 * nobody asked for are never touched.
 *
 * Threads: any may look up and keep, also the same row. */
#ifndef DATA_MATCH_MEMO_H
#define DATA_MATCH_MEMO_H

#include <stdint.h>

#include "fusor/status.h"

struct match_memo;

/** Bytes of a memo. */
uint64_t match_memo_bytes(uint64_t n_rows, uint32_t width);
/** @param width floats of a row
 * @return FUSOR_ENOMEM */
enum fusor_status match_memo_create(uint64_t n_rows, uint32_t width,
                                    struct match_memo **out,
                                    struct fusor_error *err);
void match_memo_destroy(struct match_memo *m);

/** Copy what is kept for the row.
 * @param row below n_rows; out [width]
 * @return 0: nothing yet, out is as it was */
int match_memo_find(const struct match_memo *m, uint32_t row, float *out);
/** Keep values [width]; when another thread is keeping the same row, it does.
 */
void match_memo_keep(struct match_memo *m, uint32_t row, const float *values);

#endif
