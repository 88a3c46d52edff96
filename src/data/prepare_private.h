/* What the files of prepare share; private to them. */
#ifndef DATA_PREPARE_PRIVATE_H
#define DATA_PREPARE_PRIVATE_H

#include "data/part.h"
#include "data/prepare.h"
#include "data/protocol.h"
#include "data/reader.h"
#include "data/stage.h"

#define NO_COLUMN (-1)
#define MISSING_U32 UINT32_MAX /* a batch makes BATCH_NO_ID of it */

struct prep_vocab {
    char name[FIELD_NAME_MAX];
    struct vocab *vocab;
    int is_key;
    uint64_t min_count;
    uint64_t *counts; // [size] in the train part
    uint32_t *final;  // [size] id -> final id, 0 when left out
    struct vocab *kept;
    uint8_t *gone; // [n_gone] ids whose rows were all dropped, or NULL
    uint32_t n_gone;
};

/* Welford (1962). */
struct prep_stats {
    uint64_t n;
    double mean, m2, min, max;
};

/* One value of one field, as a cell says it. */
struct prep_value {
    float *numbers; // [width]
    uint32_t id;
    uint64_t id64;
    uint32_t *list;
    float *weights;
    size_t n, list_cap, weights_cap;
};

/* Values of a field by key id, in memory until the side table is written. */
struct side_values {
    float *numbers;  // [cap, width]
    uint32_t *ids;   // [cap]
    uint64_t *ids64; // [cap]
    uint64_t *start; // [cap] in list
    uint32_t *n;     // [cap]
    uint32_t *list;
    float *weights;
    size_t n_list, list_cap, weights_cap;
};

enum prep_place {
    PLACE_ROW,      // a column of the rows, keys too
    PLACE_SIDE_ROW, // of a side table, values found in the rows
    PLACE_SIDE_FILE // of a side table, values found in its file
};

struct prep_field {
    const struct source_field *source;
    enum prep_place place;
    int column[SOURCE_PARTS]; // in the tables of rows
    int side_column;          // in the side file
    int vocab;                // index, or -1
    int stage;                // column of the stage, or -1
    uint32_t max_values;      // limit
    uint32_t longest;
    struct column_spec spec;
    struct prep_stats stats;
    struct prep_value value; // of the row at hand
    struct side_values side;
};

/* A side: queries or items. */
struct prep_side {
    int key;       // field, or -1
    uint8_t *seen; // [cap] by key id: has values
    size_t cap;
    struct table *table; // or NULL
    int key_column, names_column;
    int names_in_rows[SOURCE_PARTS]; // column of the rows with names
    struct strbuf names;
    uint64_t *names_start; // [cap]
    uint32_t *names_n;
};

/* Facts of every clean row, for the protocol. */
struct prep_facts {
    uint32_t *query, *item;
    int64_t *time;
    uint64_t *line;
    uint8_t *part; // source part, then the protocol's; ROW_DROPPED
    uint64_t n;
    size_t cap;
};

#define ROW_DROPPED 255

struct prep {
    const struct prepare_options *options;
    struct prepare_report *report;
    const struct protocol_ops *protocol;
    int direct;                      // one pass: prepare_direct.c
    double train_share, valid_share; // what valid_last says wins
    struct privacy_key key;          // of hash_ids
    int hides_ids;
    int64_t dates[2]; // of split_at
    int n_dates;
    struct source source;
    struct prep_field *fields;
    uint32_t n_fields;
    struct prep_vocab *vocabs; // [n_fields] at most
    uint32_t n_vocabs;
    struct prep_side sides[2]; // query, item
    int label_column[SOURCE_PARTS], weight_column[SOURCE_PARTS];
    int time_column[SOURCE_PARTS];
    int has_label, has_weight, has_time;
    int stage_label, stage_weight, stage_time;
    struct stage *stage;
    struct prep_facts facts;
    struct split_result split;
    struct prep_stats label_stats;
    int64_t last_time;
    struct schema *schema; // what is written at the end
};

/* The numbers of a row that are no fields. */
struct row_numbers {
    float label, weight;
    int64_t time;
};

/* What is wrong with a row, where. */
struct row_fault {
    int cause; // -1: nothing
    uint32_t column;
    const char *what;
};

struct vocab *prep_key_vocab(struct prep *p, int side); // NULL: no key

/* prepare_fields.c: the plan */
enum fusor_status prep_plan(struct prep *p, struct fusor_error *err);

/* prepare_values.c: cells to values */
/** Parse what can be wrong in a cell. @return -1, or a bad_cause */
int prep_value_check(struct prep_field *f, const struct cell *cell);
/** Give ids. The cell has been checked. */
enum fusor_status prep_value_encode(struct prep *p, struct prep_field *f,
                                    const struct cell *cell,
                                    struct fusor_error *err);
int prep_number(const struct cell *cell, double *out); // 0, 1 missing, -1 none
struct cell prep_trimmed(struct cell c);               // without blanks around
uint32_t prep_hash_id(uint64_t size, const char *text, size_t n); // 1..size
uint64_t prep_hash_wide(const char *text, size_t n); // never BATCH_NO_ID

/* prepare_rows.c: the first pass */
enum fusor_status prep_read_rows(struct prep *p, struct fusor_error *err);
/** Label, weight and time of a row.
 * @param cells in this order; looked at when the preparation has them */
struct row_fault prep_check_numbers(const struct prep *p,
                                    const struct cell cells[3],
                                    struct row_numbers *out);
/** EDATA when there was no good row. */
enum fusor_status prep_need_rows(const struct prep *p, uint64_t n,
                                 struct fusor_error *err);
/** Count a bad row; too many end the run. */
enum fusor_status prep_bad_row(struct prep *p, const char *path, uint64_t line,
                               uint32_t column, enum bad_cause cause,
                               const char *what, struct fusor_error *err);

/* prepare_split.c: duplicates, the protocol */
enum fusor_status prep_split(struct prep *p, struct fusor_error *err);

/* prepare_rare.c: queries and items of few rows */
enum fusor_status prep_drop_rare(struct prep *p, struct fusor_error *err);
/** Items that are candidates stay, with or without rows. */
void prep_keep_candidates(struct prep *p);

/* prepare_side.c: side tables */
/** Have room for this key id. */
enum fusor_status prep_side_reserve(struct prep *p, struct prep_side *s,
                                    uint32_t id, struct fusor_error *err);
/** Keep the field's value at hand for this key id. */
enum fusor_status prep_side_store(struct prep_field *f, uint32_t id,
                                  struct fusor_error *err);
void prep_side_name(struct prep_side *s, uint32_t id, const struct cell *cell);
enum fusor_status prep_side_read_file(struct prep *p, struct prep_side *s,
                                      struct fusor_error *err);
enum fusor_status prep_side_write(struct prep *p, struct prep_side *s,
                                  const char *file, struct fusor_error *err);
enum fusor_status prep_names_write(struct prep *p, struct fusor_error *err);
void prep_side_clear(struct prep_side *s);
void side_values_clear(struct side_values *v);

/* prepare_direct.c: rows straight into the parts, block by block */
/** May this preparation take the direct path? Its result is the same. */
int prep_is_direct(const struct prep *p);
/** Read all rows and write the parts; fills the report's rows. */
enum fusor_status prep_direct(struct prep *p, struct fusor_error *err);

/* prepare_count.c: counts and statistics of the train part, final ids */
enum fusor_status prep_count(struct prep *p, struct fusor_error *err);
/** Add n values, those that are not NaN. */
void prep_stats_add_all(struct prep_stats *s, const float *x, size_t n);

/* prepare_write.c: the parts */
enum fusor_status prep_write_rows(struct prep *p, struct fusor_error *err);
enum fusor_status prep_write_candidates(struct prep *p,
                                        struct fusor_error *err);

#endif
