/* The prepared folder: what `fusor prepare` writes and everything else reads.
 *
 *   schema.yaml     this structure: fields, vocabularies, protocol, counts;
 *                   written last, so a folder without it is not whole
 *   rows.part       all rows, column "fold" (u8, from 0), when the protocol is
 *                   k-fold: row r is a test row of fold[r], else a train row
 *   train.part valid.part test.part   otherwise (valid, test may be absent)
 *   query.part item.part              side tables, row = id of the key field
 *   <vocab>.vocab   id -> text
 *   item.names      id of the item key -> title for people, when there is one;
 *                   same form as a vocabulary, but texts may repeat
 *   candidates.part test row -> given candidate items: row i belongs to row i
 *                   of test.part; column "candidates" (list of item ids, the
 *                   target not among them), and the key of the query side (u32)
 *
 * Row columns: one per field of side "row", the key fields of the query side
 * (the first categorical field of side query, such as user) and of the item
 * side, "label" (f32), optional "weight" (f32), "time" (i64), "fold" (u8).
 * Fields of the query and item sides other than the key stand in the side
 * tables. Ids are dictionary codes from 1; 0 is VOCAB_UNKNOWN.
 *
 * Column types: dense and vector F32 [width], missing = NaN; categorical U32
 * with a vocabulary, hashed into a given size too, missing = UINT32_MAX; hashed
 * without one (its cardinality is 0) U64, missing = BATCH_NO_ID; multi,
 * sequence, text LIST of u32 ids, multi with weights when the source gave any.
 *
 * Parts hold raw floats. The statistics of dense fields here are of the train
 * part, missing values left out (none: 0, 0, 0, 1); all components of a vector
 * together. With k-fold there is no one train part: they are not given, and a
 * loader takes its own from the train rows of its fold. */
#ifndef DATA_SCHEMA_H
#define DATA_SCHEMA_H

#include "base/batch.h"
#include "base/str.h"
#include "data/analysis.h"
#include "data/privacy.h"
#include "fusor/status.h"

#define SCHEMA_VERSION 1u
#define SCHEMA_MAX_FIELDS 256
#define SCHEMA_MAX_FOLDS 255

struct schema_field {
    struct field_spec spec;
    int is_key;                      // the id that joins its side table
    char vocab_name[FIELD_NAME_MAX]; // file "<vocab_name>.vocab", or ""
    double min, max, mean, std;      // dense, of the train part, raw values
    char transform[64];       // dense: what a loader applies when the job says
                              // nothing, as data/dense.h reads it; "" is none
    int weighted;             // multi: the column carries weights
    struct analysis analysis; // text: what its terms were made by
};

struct schema {
    uint32_t version;
    char protocol[32]; // kfold-official, loo-given, ...: name of protocol/*.c
    uint32_t protocol_version;
    uint32_t n_folds;                  // 0: no folds
    uint64_t n_train, n_valid, n_test; // rows; k-fold: all in n_train
    int has_time, has_weight;
    char label[FIELD_NAME_MAX];  // name of the label column in the source; ""
                                 // when there was none and every label is 1
    double label_min, label_max; // raw, of the train part
    uint64_t seed;               // of the split and of made candidates
    char ids_check[PRIVACY_CHECK_DIGITS + 1]; // the ids of the query key are
                                              // hashed with a key that has
                                              // this check; "": they are not
    uint64_t candidates_hash; // XXH3 of candidates.part's ids, or 0
    uint32_t n_fields;
    struct schema_field fields[SCHEMA_MAX_FIELDS];
    int query_key, item_key;     // indices into fields, or -1
    uint64_t n_queries, n_items; // rows of the side tables, id 0 included
};

/** Read dir/schema.yaml and check it: names, types, counts. struct schema takes
 * 70 KiB: better on the heap. */
enum fusor_status schema_read(const char *dir, struct schema *out,
                              struct fusor_error *err);
enum fusor_status schema_write(const struct schema *s, const char *dir,
                               struct fusor_error *err);

/** Index of the field with this name, or -1. */
int schema_find(const struct schema *s, const char *name);

/* id -> text, in id order; text -> id by hash. File: magic "FUSRVOCB", version,
 * count, offsets, bytes, XXH3. */
struct vocab;

struct vocab *vocab_create(struct fusor_error *err); // holds id 0, ""
/** The id of the text, added when new. @return UINT32_MAX: no memory or full */
uint32_t vocab_add(struct vocab *v, const char *text, size_t n);
/** Give the next id to a text, also one that is there already (names of items):
 * vocab_find() keeps giving the first. @return UINT32_MAX: no memory or full */
uint32_t vocab_append(struct vocab *v, const char *text, size_t n);
/** @return VOCAB_UNKNOWN when absent */
uint32_t vocab_find(const struct vocab *v, const char *text, size_t n);
/** The text of an id, NUL-terminated, until the next vocab_add(); NULL when
 * there is no such id. @param n its length; may be NULL */
const char *vocab_text(const struct vocab *v, uint32_t id, size_t *n);
uint32_t vocab_size(const struct vocab *v); // id 0 included
/** From now on vocab_add() and vocab_find() take raw texts and hold their
 * hashes. @param key borrowed while v lives */
void vocab_hide(struct vocab *v, const struct privacy_key *key);
enum fusor_status vocab_write(const struct vocab *v, const char *path,
                              struct fusor_error *err);
enum fusor_status vocab_read(const char *path, struct vocab **out,
                             struct fusor_error *err);
void vocab_destroy(struct vocab *v);

#endif
