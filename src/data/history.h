/* What each query (user) did in a set of rows, in time order: the source of
 * sequences of earlier events, of bags, and of what was seen.
 *
 * Events are ordered by (time, row number); without times by row number. An
 * event is before a row when its time is less, or the times are equal and it
 * stands earlier: in the same part by row number, in another part always,
 * since protocols make parts that follow each other as train, valid, test. So a
 * row never sees itself or a later row.
 *
 * Train rows and valid rows see train events; test rows, and a query without a
 * row, see train events and valid events, which stand among each other in that
 * same order. Nothing ever sees a test event.
 *
 * The unknown query (VOCAB_UNKNOWN) is many strangers under one id: it has no
 * history. Built once, then read-only and shared by all threads. */
#ifndef DATA_HISTORY_H
#define DATA_HISTORY_H

#include <stdint.h>

#include "fusor/status.h"

/* Rows of a part, borrowed. position = 0 .. n - 1. */
struct history_rows {
    const uint32_t *query;  // [rows of the part] ids; above n_queries: none
    const int64_t *time;    // [rows of the part] or NULL
    const uint32_t *select; // [n] ascending row numbers, or NULL: all
    uint64_t n;
};

struct history {
    uint64_t n_queries;
    uint64_t *offsets; // [n_queries + 1]
    uint32_t *events;  // [offsets[n_queries]] positions in order
};

/** Order the rows of each query. */
enum fusor_status history_build(const struct history_rows *rows,
                                uint64_t n_queries, struct history **out,
                                struct fusor_error *err);
void history_destroy(struct history *h);

/** How many events of its query come before each row that h was built of.
 * @param before [n_rows] set; 0 for the unknown query */
void history_count_own(const struct history *h, uint64_t n_rows,
                       uint32_t *before);

/** How many events of its query come before each of other rows.
 * @param events what h was built of
 * @param same_part rows and events are rows of one part
 * @param before [rows->n] set; 0 for the unknown query */
void history_count_before(const struct history *h,
                          const struct history_rows *events,
                          const struct history_rows *rows, int same_part,
                          uint32_t *before);

/* Sorted distinct items of each query. */
struct seen {
    uint64_t n_queries;
    uint64_t *offsets; // [n_queries + 1] where a query's items start
    uint32_t *count;   // [n_queries] how many
    uint32_t *items;
};

/* Rows with their items. */
struct seen_rows {
    struct history_rows rows;
    const uint32_t *item; // [rows of the part]
};

/** Collect the items of several sets of rows (train; train and valid). */
enum fusor_status seen_build(const struct seen_rows *sets, size_t n_sets,
                             uint64_t n_queries, struct seen **out,
                             struct fusor_error *err);
/** @return sorted items; *n = 0 for the unknown or an absent query */
const uint32_t *seen_of(const struct seen *s, uint32_t query, uint32_t *n);
void seen_destroy(struct seen *s);

#endif
