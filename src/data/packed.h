/* Rows of a part with their fields side by side: a sample drawn at random costs
 * one cache line a group of up to 16 words instead of one a field. Built when a
 * data set is opened; the columns it is made of are given back.
 *
 * Fields of the row with one value of 4 or 8 bytes are packed when there are at
 * least PACKED_MIN of them; others stay in their columns.
 *
 * Threads: read-only and shared once made. */
#ifndef DATA_PACKED_H
#define DATA_PACKED_H

#include <stdint.h>

#define PACKED_MIN 4    /* fields: fewer are as good in columns */
#define PACKED_WORDS 16 /* of a group: a cache line */

enum packed_kind { PACKED_F32, PACKED_U32, PACKED_U64 };

struct packed_field {
    uint32_t field; // index into the data set's fields
    enum packed_kind kind;
    int query_side;
    const void *column; // where its values were
};

struct packed_group {
    uint32_t n;
    uint32_t stride; // words of a row
    struct packed_field fields[PACKED_WORDS];
    uint32_t *words; // [n_rows + 1, stride]; the last row: all missing
};

struct packed {
    uint64_t n_rows;
    uint32_t n_groups;
    struct packed_group *groups;
};

void packed_destroy(struct packed *p);

#endif
