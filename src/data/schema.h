/* The prepared folder: what `fusor prepare` writes and everything else reads.
 *
 *   schema.yaml     this structure: fields, vocabularies, protocol, counts
 *   rows.part       all rows, column "fold" (u8), when the protocol is k-fold
 *   train.part valid.part test.part   otherwise (valid, test may be absent)
 *   query.part item.part              side tables, row = id of the key field
 *   <vocab>.vocab   id -> text
 *   candidates.part query row -> given candidate items, when a file gave them
 *
 * Row columns: one per field of side "row", the key fields of the query side
 * (the first categorical field of side query, such as user) and of the item
 * side, "label" (f32), optional "weight" (f32), "time" (i64), "fold" (u8).
 * Fields of the query and item sides other than the key stand in the side
 * tables. Ids are dictionary codes from 1; 0 is VOCAB_UNKNOWN. */
#ifndef DATA_SCHEMA_H
#define DATA_SCHEMA_H

#include "base/batch.h"
#include "base/str.h"
#include "fusor/status.h"

#define SCHEMA_MAX_FIELDS 256

struct schema_field {
    struct field_spec spec;
    int is_key;              // the id that joins its side table
    char vocab_name[FIELD_NAME_MAX]; // file "<vocab_name>.vocab", or ""
    double min, max, mean, std;      // dense, of the train part, raw values
    char transform[64];      // dense: what was applied, in words
};

struct schema {
    uint32_t version;
    char protocol[32]; // kfold-official, loo-given, ...: name of protocol/*.c
    uint32_t protocol_version;
    uint32_t n_folds; // 0: no folds
    uint64_t n_train, n_valid, n_test; // rows; k-fold: all in n_train
    int has_time, has_weight;
    char label[FIELD_NAME_MAX];   // name of the label column in the source
    double label_min, label_max;  // raw
    uint32_t n_fields;
    struct schema_field fields[SCHEMA_MAX_FIELDS];
    int query_key, item_key; // indices into fields, or -1
    uint64_t n_queries, n_items; // rows of the side tables, id 0 included
};

enum fusor_status schema_read(const char *dir, struct schema *out,
                              struct fusor_error *err);
enum fusor_status schema_write(const struct schema *s, const char *dir,
                               struct fusor_error *err);

/* id -> text, in id order; text -> id by hash. File: magic "FUSRVOCB", version,
 * count, offsets, bytes, XXH3. */
struct vocab;

struct vocab *vocab_create(struct fusor_error *err); // holds id 0, ""
/** The id of the text, added when new. @return UINT32_MAX: no memory or full */
uint32_t vocab_add(struct vocab *v, const char *text, size_t n);
/** @return VOCAB_UNKNOWN when absent */
uint32_t vocab_find(const struct vocab *v, const char *text, size_t n);
const char *vocab_text(const struct vocab *v, uint32_t id, size_t *n);
uint32_t vocab_size(const struct vocab *v); // id 0 included
enum fusor_status vocab_write(const struct vocab *v, const char *path,
                              struct fusor_error *err);
enum fusor_status vocab_read(const char *path, struct vocab **out,
                             struct fusor_error *err);
void vocab_destroy(struct vocab *v);

#endif
