/* prepare: from the files of a user to a prepared folder (schema.h).
 *
 *   1. Read the rows once; clean them, give ids, put them into a stage file.
 *   2. Decide which row trains and which judges (protocol.h).
 *   3. Read the stage: count values and take statistics, of train rows only.
 *   4. Read the stage again: write the parts with the final ids; then side
 *      tables, vocabularies, names, candidates; schema.yaml last.
 *
 * Rows of a delimited file whose fields are single numbers and ids without a
 * dictionary (hash, modulo, buckets), with protocol none, given, or time-split
 * without times, take one pass instead: blocks of lines go to threads, their
 * columns into the parts in the order of the file; the result is the same for
 * any number of threads and as that of the long way. Memory: 20 MB a thread.
 *
 * Ids: keys (user, item) get one for every value of the rows, in order of first
 * appearance. Other vocabularies keep what the train part holds at least
 * min_count times; side tables count each query or item that a train row
 * names once, and every item of a catalogue, because a search knows all its
 * documents. With k-fold every row counts: each trains in all folds but one.
 *
 * Bad rows are left out and counted by cause: a missing required value (keys
 * and the label always are), no number where one must be, out of range, wrong
 * number of columns, a line that cannot be read, a query or item that a source
 * with a catalogue does not have, with dedupe every earlier row
 * of the same query and item, and with min_query_rows or min_item_rows those
 * of queries and items that have fewer, again until none has (the k-core).
 * Duplicates and rare rows do not count against max_bad.
 *
 * Memory: vocabularies; side tables; one group of rows (16,384); and per row 1
 * byte, 8 for the keys (if there are any), 8 for the time, 8 more with dedupe,
 * plus what the protocol needs: 16 bytes a query (leave one out), 16 a row
 * (by time), 32 a row (official folds). The stage file takes the size of the
 * parts on the disk of the target, and is gone when the process is. */
#ifndef DATA_PREPARE_H
#define DATA_PREPARE_H

#include <stdint.h>

#include "base/option.h"
#include "base/str.h"
#include "fusor/status.h"

/* Read by option_read() with prepare_option_specs; texts are borrowed. */
struct prepare_options {
    const char *input, *valid, *test; // paths; valid, test: "" for none
    const char *format, *schema, *fields;
    const char *out; // folder, made when missing
    const char *protocol, *candidates;
    uint64_t folds, seed, negatives;
    double train_share, valid_share;
    const char *valid_last; // share: time-split without a test part; or ""
    const char *split_at;   // date[,date]: time-split; or ""
    int validation;
    uint64_t min_count, max_values, max_bad, threads;
    uint64_t min_query_rows, min_item_rows;
    int dedupe;
    const char *label;    // column; "": the format's or the schema's
    const char *hash;     // names of fields, separated by commas
    const char *hash_ids; // KEY or @FILE: hide the query key's ids; or ""
};

extern const struct option_spec prepare_option_specs[];

enum bad_cause {
    BAD_MISSING,
    BAD_NUMBER,
    BAD_RANGE,
    BAD_COLUMNS,
    BAD_FORMAT,
    BAD_DUPLICATE,
    BAD_RARE,    // its query or item has too few rows
    BAD_UNKNOWN, // its query or item is not in the catalogue
    BAD_CAUSES
};

#define PREPARE_EXAMPLES 10

struct prepare_report {
    char format[16];
    uint64_t rows_read, rows_kept;
    uint64_t bad[BAD_CAUSES];
    uint32_t n_examples;
    char examples[PREPARE_EXAMPLES][256]; // "file:line:column: cause"
    uint64_t rows[3];                     // train, valid, test; k-fold: [0]
    uint64_t added;              // test rows that only the candidates file has
    uint64_t n_queries, n_items; // without the unknown one
    uint64_t side_unused;        // rows of side tables that no row names
    uint64_t cut;                // lists cut to their longest length
    uint32_t n_folds;
    double seconds;
};

/** Prepare a folder. An older one is replaced piece by piece; without its
 * schema.yaml, written last, no one takes it for whole.
 * @param report always filled as far as it went
 * @return FUSOR_EUSAGE: options that do not fit. FUSOR_EDATA: more bad rows
 * than max_bad, or a file that cannot be read. FUSOR_EIO, FUSOR_ENOMEM */
enum fusor_status prepare_run(const struct prepare_options *options,
                              struct prepare_report *report,
                              struct fusor_error *err);

/** The report for people. */
void prepare_report_print(const struct prepare_report *r, struct strbuf *out);
/** "missing value", "duplicate", ... */
const char *prepare_cause_text(enum bad_cause cause);

#endif
