/* One block of lines of a delimited file, from text to columns: what a thread
 * of the direct path (prepare_direct.c) works on. Fields are numbers and ids
 * that need no dictionary, so that a block needs nothing but itself. A row
 * means the same as in prepare_rows.c, where the rules are.
 *
 * Threads: one at a time per block; the preparation is only read. */
#ifndef DATA_PREPARE_BLOCK_H
#define DATA_PREPARE_BLOCK_H

#include "data/prepare_private.h"

/* A bad row of the block. */
struct block_fault {
    uint64_t line; // of the block, from 0
    uint32_t column;
    enum bad_cause cause;
    const char *what;
};

struct prep_block;

/** Can blocks hold all fields of this preparation? */
int prep_block_fits(const struct prep *p);

/** @param part whose table the lines are of */
enum fusor_status prep_block_create(const struct prep *p, int part,
                                    struct prep_block **out,
                                    struct fusor_error *err);
void prep_block_destroy(struct prep_block *b);

/** Where the lines go, at most INPUT_LINES_ROOM bytes. */
char *prep_block_text(struct prep_block *b);
/** Take n bytes of text: whole lines, only the last may lack its newline. */
enum fusor_status prep_block_parse(struct prep_block *b, size_t n,
                                   struct fusor_error *err);

uint64_t prep_block_lines(const struct prep_block *b);
/** Rows of the last parse, bad ones among them. */
uint64_t prep_block_rows_read(const struct prep_block *b);
uint32_t prep_block_rows(const struct prep_block *b); // good ones
/** Values of a column of the stage: [rows] of its type. */
const void *prep_block_values(const struct prep_block *b, size_t column);
/** By line. */
const struct block_fault *prep_block_faults(const struct prep_block *b,
                                            size_t *n);

#endif
