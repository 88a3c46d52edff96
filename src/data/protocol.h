/* Protocols: which rows train a model and which judge it. Named and versioned;
 * one file each under protocol/, one line in the registry of protocol.c. A
 * protocol is a pure function of the facts about the rows and, for official
 * splits and given candidates, of a file. The result is kept in memory: one
 * byte a row, and for candidates 4 bytes each.
 *
 * Threads: any; nothing is shared. */
#ifndef DATA_PROTOCOL_H
#define DATA_PROTOCOL_H

#include <stdint.h>

#include "data/schema.h"
#include "fusor/status.h"

enum { ROW_TRAIN, ROW_VALID, ROW_TEST, ROW_PARTS };

enum {
    PROTOCOL_QUERY = 1, // needs ids of queries
    PROTOCOL_ITEM = 2,
    PROTOCOL_FOLDS = 4,         // part[] is a fold, from 0
    PROTOCOL_FILES = 8,         // the user named a file for each part
    PROTOCOL_RANKS_ROWS = 16,   // each judged row among candidates
    PROTOCOL_RANKS_QUERIES = 32 // each judged query among all items
};

/* Clean rows, in the order of the file. */
struct split_facts {
    uint64_t n;
    const uint32_t *query, *item; // [n] ids, or NULL when there is no key
    const int64_t *time;          // [n] or NULL: row order is time
    const struct vocab *queries;
    struct vocab *items;    // given candidates may be new
    const char *input;      // path that the user gave: file or folder
    const char *candidates; // file of "user item n1 n2 ...", or ""
    int candidates_given;   // by the user, not found beside the input
    uint64_t seed, folds, negatives;
    double train, valid; // shares; the rest is the test part
    int64_t dates[2];    // time-split: where the parts after train begin
    int n_dates;         // 0: by shares; 1: no valid part
    int validation;      // leave-one-out: the row before the last is valid
};

struct split_pair {
    uint32_t query, item;
};

struct split_result {
    uint8_t *part; // [n] given: the file's part of each row, 0 where there is
                   // one file; to be set
    uint32_t n_folds;
    struct split_pair *added; // test rows that no row of the file is
    size_t n_added, added_cap;
    uint64_t *list_of; // [queries] 1 + index into lists; NULL: none
    uint64_t *lists;   // [n_lists + 1] offsets into candidates
    uint32_t *candidates;
    size_t n_lists, lists_cap, n_candidates, candidates_cap;
};

struct protocol_ops {
    const char *name;
    uint32_t version;
    unsigned flags;
    const char *help; // one line
    /* Without times, when the parts are ranges of rows: where train and valid
     * rows end. NULL: they are not. */
    void (*cut)(const struct split_facts *facts, uint64_t *train_end,
                uint64_t *valid_end);
    enum fusor_status (*assign)(const struct split_facts *facts,
                                struct split_result *out,
                                struct fusor_error *err);
};

/** All protocols, one a line, for help. */
void protocol_list(struct strbuf *out);
/** @return NULL, with the nearest name in *err, when there is none */
const struct protocol_ops *protocol_find(const char *name,
                                         struct fusor_error *err);
void split_result_clear(struct split_result *r);

/** Begin the candidates of a query's test row.
 * @return FUSOR_EDATA: it has some already */
enum fusor_status split_add_list(const struct split_facts *facts,
                                 struct split_result *r, uint32_t query,
                                 struct fusor_error *err);
enum fusor_status split_add_candidate(struct split_result *r, uint32_t item,
                                      struct fusor_error *err);

/** Each query's last row becomes a test row and, when asked for, the one before
 * it a valid row; a query with one row keeps it for training, one with two
 * has no valid row. Ties in time: the later in the file is the last. Rows that
 * have a part already stay there and are not looked at. */
enum fusor_status split_leave_last(const struct split_facts *facts,
                                   uint8_t *part, int test, int valid,
                                   struct fusor_error *err);

#endif
