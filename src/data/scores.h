/* Scores that a model outside gave, read from a file and found again by the raw
 * ids of a pair or by the number of a row. A file has a line a score, plain or
 * packed, of cells between tabs, or between commas (quotes as in RFC 4180)
 * where its first line has no tab:
 *
 *   user, item, score        the raw ids that were prepared
 *   row, score               a row's number in its part
 *
 * or any columns that the first line names: user and item (or what the two key
 * fields are called), else row; and the score's, by default "score", else the
 * last. So what fusor scores writes is read as it is. An empty score is none.
 *
 * Pairs whose ids nobody knows are counted and left out. Memory: 24 to 48 bytes
 * a pair, 4 a row of the part. Constant once read; threads: any. */
#ifndef DATA_SCORES_H
#define DATA_SCORES_H

#include "data/schema.h"
#include "fusor/status.h"

struct scores_source {
    const char *path;
    const char *column;                  // of the score, or NULL
    int probabilities;                   // they are; logits are kept
    const char *query, *item;            // what the key fields are called
    const struct vocab *queries, *items; // NULL: pairs have no names
    uint64_t n_rows;                     // of the part
};

struct scores;

/** @return FUSOR_EDATA naming file:line: a cell that is no finite number, a
 *         pair or row for the second time, a row that is not there, no score
 *         at all; FUSOR_EUSAGE: columns that are not there; FUSOR_EIO */
enum fusor_status scores_read(const struct scores_source *source,
                              struct scores **out, struct fusor_error *err);
void scores_destroy(struct scores *s);
/** Is it keyed by rows, and not by pairs? */
int scores_by_row(const struct scores *s);
/** Scores that can be found. */
uint64_t scores_count(const struct scores *s);
/** Lines with an id that nobody knows. */
uint64_t scores_unknown(const struct scores *s);
/** The score of a pair of ids, or of a row; NaN: none. */
float scores_of_pair(const struct scores *s, uint32_t query, uint32_t item);
float scores_of_row(const struct scores *s, uint64_t row);

#endif
