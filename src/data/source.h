/* What a source means: which columns of the raw files are which fields. Written
 * by hand (or by `prepare --guess`) for CSV and TSV:
 *
 *     label: {column: rating, range: [1, 5]}  # or just: label: rating
 *     weight: w                               # optional columns of the rows
 *     time: timestamp        # seconds since 1970, or 2017-01-31 10:15:30
 *     header: [user, item]   # the names, when the file has no first line
 *     separator: ";"         # default: comma (csv), tab (tsv)
 *     quotes: false          # default: true (csv), false (tsv)
 *     latin1: true           # the file is ISO 8859-1, not UTF-8
 *     query_file: users.csv  # side tables: beside this file; joined by the
 *     item_file: items.csv   # column of the side's key
 *     catalogue: true        # the side tables name all queries and items there
 *                            # are; a row that names another is bad
 *     names: title           # item-side column to show to people
 *     fields:
 *       user:  {side: query, type: categorical}   # a side's first categorical
 *       item:  {side: item,  type: categorical, column: item_id}  # is its key
 *       tags:  {side: item,  type: multi, separator: "|", min_count: 2}
 *       title: {side: item,  type: text, stem: english, stop: english}
 *       parts: {side: item,  type: text, column: title, ngram: 4}
 *       age:   {side: query, type: dense, transform: zscore}
 *       C:     {repeat: 1..26, type: categorical, hash: 1M}   # C1 .. C26
 *       H:     {repeat: 1..9, type: categorical, modulo: 40M} # hexadecimal ids
 *       D:     {repeat: 1..13, column: I, type: categorical, buckets: log2sq}
 *
 * hash, modulo and buckets make ids without a vocabulary, so that preparing
 * needs one pass: from the text of the cell, from the hexadecimal number that
 * it is, from the size of the count that it is (encode.h).
 *
 * Readers of formats that say it themselves fill the same structure. A one-hot
 * value is a categorical, a set of them a multi. */
#ifndef DATA_SOURCE_H
#define DATA_SOURCE_H

#include "base/batch.h"
#include "base/yaml.h"
#include "data/analysis.h"
#include "data/schema.h"
#include "fusor/status.h"

#define SOURCE_COLUMN_MAX 96

enum source_ids { IDS_TEXT, IDS_MODULO, IDS_BUCKETS };

struct source_field {
    char name[FIELD_NAME_MAX];
    char column[SOURCE_COLUMN_MAX];
    enum field_type type;
    enum field_side side;
    int is_key;
    uint32_t width;     // dense, vector: numbers in one cell, by separator
    char separator[8];  // multi, sequence, dense of width > 1; "" is a blank
    uint64_t min_count; // rarer values are VOCAB_UNKNOWN; 0: prepare's option
    uint32_t max;       // longest list; more are cut; 0: prepare's option
    char vocab[FIELD_NAME_MAX]; // fields with the same one share ids
    int hashed;                 // no vocabulary
    uint64_t hash_size;         // hashed: ids 1..hash_size; 0: all 64 bits
    enum source_ids ids;        // hashed: what of
    char transform[64];         // dense, as data/dense.h reads it
    int weighted;               // multi: "value:weight"
    struct analysis analysis;   // text
    int required;               // missing: a bad row
    int has_range;
    double low, high; // dense: outside is a bad row
};

struct source_spec {
    char label[SOURCE_COLUMN_MAX]; // "": none, every label is 1
    int label_has_range;
    double label_low, label_high;
    char weight[SOURCE_COLUMN_MAX], time[SOURCE_COLUMN_MAX]; // or ""
    char names[SOURCE_COLUMN_MAX]; // column of the item side, or ""
    char query_file[256], item_file[256];
    char separator[8]; // "": the format's
    int quotes;        // -1: the format's
    int latin1;
    int catalogue;
    char **header; // [n_header] or NULL: in the first line
    size_t n_header;
    uint32_t n_fields;
    struct source_field fields[SCHEMA_MAX_FIELDS];
};

void source_spec_init(struct source_spec *s);
enum fusor_status source_spec_read(const char *path, struct source_spec *s,
                                   struct fusor_error *err);
/** The same from a text. @param name for messages */
enum fusor_status source_spec_parse(const char *text, const char *name,
                                    struct source_spec *s,
                                    struct fusor_error *err);
/** Add a field with the defaults of its type; the column has its name.
 * @return NULL: full, or the name is too long */
struct source_field *source_spec_add(struct source_spec *s, const char *name,
                                     enum field_type type,
                                     enum field_side side);
/** @return index of the key field of a side, or -1 */
int source_spec_key(const struct source_spec *s, enum field_side side);
void source_spec_clear(struct source_spec *s);

#endif
