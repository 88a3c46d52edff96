/* Score files: what other programs say of rows or (user, item) pairs, as text,
 * and several of them joined into one matrix.
 *
 * A line is one of, the same in the whole file:
 *   score                        the line's place is its key
 *   row <TAB> score              row: any text, or a number
 *   user <TAB> item <TAB> score
 * Lines end in \n or \r\n; the last may lack it; no blank lines. Scores are
 * finite decimal numbers.
 *
 * Keys are compared as text. The caller reads the file and keeps the text while
 * the table or join lives. Threads: any; nothing is shared. */
#ifndef MODEL_COMBINE_SCORES_H
#define MODEL_COMBINE_SCORES_H

#include <stddef.h>
#include <stdint.h>

#include "model/combine/combine.h"

struct score_row {
    const char *key;   // into the text: all before the last tab; not ended
    uint32_t key_len;  // 0: keyed by place
    uint32_t user_len; // of the part before the first of two tabs, else 0
    double score;
};

struct score_table {
    const char *name; // of the file, borrowed
    int n_fields;     // 1..3
    size_t n;
    size_t cap;
    struct score_row *rows; // row i is line i + 1
    uint32_t *slots;        // hash of key -> row + 1
    size_t n_slots;         // a power of two
};

/** Read a score file.
 * @param name for errors; borrowed. text [size] borrowed, no NUL needed
 * @return FUSOR_EDATA with name:line: fields, number, or a pair seen before;
 * FUSOR_ENOMEM */
enum fusor_status score_table_parse(const char *name, const char *text,
                                    size_t size, struct score_table *out,
                                    struct fusor_error *err);
void score_table_clear(struct score_table *t);

/* What to do about a pair that a file does not have. */
enum score_missing {
    SCORE_MISSING_ERROR, // name the file and the pair
    SCORE_MISSING_ZERO,  // score 0: for lists of the best candidates
    SCORE_MISSING_DROP   // leave that tower (file) out of the fusion
};

struct score_join {
    size_t n;               // pairs
    size_t m;               // towers kept
    double *scores;         // [n, m]
    struct score_row *rows; // [n] keys (and scores of wanted, else 0)
    uint32_t *query;        // [n] dense id of the user, or NULL: no users
    uint32_t n_queries;
    size_t tower[COMBINE_MAX];     // [m] which table a column is
    size_t n_missing[COMBINE_MAX]; // [tables] pairs it lacked
};

/** @return 0 and *out for "error", "zero", "drop_tower"; else FUSOR_EUSAGE */
enum fusor_status score_missing_parse(const char *text, enum score_missing *out,
                                      struct fusor_error *err);

/** Join tables by key.
 * @param wanted the pairs to have, in its order (targets: its scores end up in
 * out->rows); other pairs are ignored. NULL: every pair of any table, in order
 * of first sight
 * @param out borrows the texts; release with score_join_clear()
 * @return FUSOR_EDATA: a missing pair (file and pair are named), files of
 * different kinds, no tower or pair left; FUSOR_EINVAL: too many tables;
 * FUSOR_ENOMEM */
enum fusor_status scores_join(const struct score_table *tables, size_t m,
                              const struct score_table *wanted,
                              enum score_missing missing,
                              struct score_join *out, struct fusor_error *err);
void score_join_clear(struct score_join *j);

#endif
