/* What a data set is made of: shared by dataset*.c, which fill it, and
 * batcher.c, which gathers from it. Nobody else looks inside. */
#ifndef DATA_DATASET_PRIVATE_H
#define DATA_DATASET_PRIVATE_H

#include <pthread.h>

#include "data/dataset.h"
#include "data/dense.h"
#include "data/history.h"
#include "data/match.h"
#include "data/match_memo.h"
#include "data/packed.h"
#include "data/part.h"
#include "data/scores.h"
#include "data/stream.h"

#define NO_KEY UINT32_MAX /* a key that is missing */

enum field_origin {
    ORIGIN_ROW,       // a column of the rows
    ORIGIN_QUERY_KEY, // the key itself
    ORIGIN_ITEM_KEY,
    ORIGIN_QUERY, // a column of query.part
    ORIGIN_ITEM,  // a column of item.part
    ORIGIN_HISTORY,
    ORIGIN_BAG,
    ORIGIN_SCORES, // files of scores
    ORIGIN_MATCH   // of two texts, computed for each sample
};

/* Whose events a row may see. */
enum event_set {
    EVENTS_TRAIN, // every row
    EVENTS_VALID, // test rows
    N_EVENT_SETS
};

/* One field: where its values stand. Columns and dense arrays of rows are told
 * apart by part (struct row_part), those of tables stand at 0. */
struct dataset_field {
    enum field_origin origin;
    const struct column_view *column[N_SPLITS];
    const float *dense[N_SPLITS]; // after transforms
    float *owned_dense[N_SPLITS]; // where the column could not be used as it is
    uint64_t *owned_events[N_EVENT_SETS]; // by event of the set's timeline
    const uint64_t *events[N_EVENT_SETS]; // its own, or another field's
    const struct column_view *texts[2];   // of the query and the item, and how
    struct match match;                   // they fit
    uint8_t *owned_kind;                  // of its terms
    struct match_field *owned_matches;    // by row of the query table
    struct match_memo *kept[N_SPLITS];    // by row of the part, or NULL
    struct match_kin *owned_kin[2];       // by term, by row of the query table
    uint32_t of;                          // derived: index into the schema
    uint32_t max;                         // most events taken; 0: all
    struct dense_transform transform;
    size_t offset; // ORIGIN_ROW, streamed: bytes from the start of a block
    int streamed;  // in every part
    int left_out;  // empty in batches (dataset_leave_out())
    int packed;    // side by side with others (packed.h)
    struct foreign *foreign; // ORIGIN_SCORES
};

enum scores_missing {
    SCORES_NONE, // whoever needs it complains, or does without
    SCORES_VALUE // a number stands in
};

/* What a tower of scores reads. */
struct foreign {
    char tower[FIELD_NAME_MAX];
    const char *path[N_SPLITS];    // the job's text
    struct scores *file[N_SPLITS]; // by part of the rows; several may share one
    int without_row;               // which serves a query without a row
    enum scores_missing missing;
    float value;                         // in the place of a missing one
    const struct vocab *queries, *items; // or NULL
};

/* A part of rows, with the columns all need. */
struct row_part {
    struct part *part; // NULL: not there
    uint64_t n;
    const uint32_t *query; // NULL: no such key
    const uint32_t *item;
    int joins_queries, joins_items; // is there such a key of 32 bits?
    const float *labels[BATCH_MAX_LABELS];
    const float *weight;   // NULL: all 1
    const int64_t *time;   // NULL: no times
    struct stream *stream; // NULL: nothing is streamed
    struct packed *packed; // NULL: not opened to the end
};

struct split_rows {
    uint32_t part;    // index into parts
    uint32_t *select; // [n] row numbers, ascending; NULL: all
    uint64_t n;
    uint32_t *before[N_EVENT_SETS]; // [n] events of its query before each row
                                    // that it sees, or NULL: none
};

/* One label of the rows. */
struct row_label {
    char name[FIELD_NAME_MAX]; // "": the only one
    struct label_spec spec;
    int field;       // number in the schema; -1: the prepared label
    double min, max; // mapped, of the train rows
};

struct opened_vocab {
    char name[FIELD_NAME_MAX + 16];
    struct vocab *vocab;
};

struct dataset {
    char dir[1024];
    struct dataset_options options;
    struct schema schema;
    struct row_part parts[N_SPLITS];
    struct split_rows splits[N_SPLITS];
    struct part *query_table, *item_table; // or NULL
    struct part *candidates;               // of the test rows, or NULL
    uint64_t n_queries, n_items;
    struct row_label labels[BATCH_MAX_LABELS];
    uint32_t n_labels;
    size_t n_fields;
    struct field_spec specs[SCHEMA_MAX_FIELDS];
    struct dataset_field fields[SCHEMA_MAX_FIELDS];
    int query_static;
    uint64_t matches_bytes;                // when every row's matches are kept
    uint32_t block_rows;                   // 0: nothing is streamed
    struct history *history[N_EVENT_SETS]; // when a field is derived of them
    uint32_t *valid_rank; // by valid event: train events that come before it
    struct seen *seen[N_SPLITS]; // train: of train rows; test: valid rows too
    pthread_mutex_t lock;        // guards the vocabularies
    struct opened_vocab vocabs[SCHEMA_MAX_FIELDS + 1];
    size_t n_vocabs;
    struct strbuf warnings; // what is allowed but seldom meant, a line each
};

static inline uint32_t split_row(const struct split_rows *s, uint64_t position)
{
    return s->select ? s->select[position] : (uint32_t)position;
}

/* dataset_fields.c: what the job asks for, resolved against the folder. */
enum fusor_status dataset_resolve_fields(struct dataset *ds,
                                         struct yaml_node *fields,
                                         struct fusor_error *err);
/* dataset_settings.c: what a job says of a field and means otherwise. */
enum fusor_status dataset_check_settings(struct yaml_node *node,
                                         struct fusor_error *err);
enum fusor_status dataset_check_analysis(struct yaml_node *node,
                                         const struct schema_field *f,
                                         struct fusor_error *err);
/* dataset_vectors.c: a field of side query or item from a file of vectors. */
enum fusor_status dataset_add_vectors(struct dataset *ds, const char *name,
                                      struct yaml_node *node,
                                      enum field_side side,
                                      struct fusor_error *err);
/* dataset_scores.c: a field for each tower of type scores. */
enum fusor_status dataset_add_scores(struct dataset *ds,
                                     struct fusor_error *err);
void dataset_clear_scores(struct foreign *f);
/* dataset_match.c: how the query's text fits the item's. */
enum fusor_status dataset_add_match(struct dataset *ds, const char *name,
                                    struct yaml_node *node,
                                    struct fusor_error *err);
/** Make room to keep what rows of the parts have, when parts are open. */
enum fusor_status dataset_keep_matches(struct dataset *ds,
                                       struct fusor_error *err);
/* dataset_values.c: values that are computed at opening. */
enum fusor_status dataset_check_ids(struct dataset *ds,
                                    struct fusor_error *err);
/** Are all ids of a column that is held below the field's cardinality? */
enum fusor_status dataset_check_column(const struct dataset *ds,
                                       const struct column_view *c,
                                       uint64_t n_rows,
                                       const struct field_spec *f,
                                       struct fusor_error *err);
enum fusor_status dataset_fill_dense(struct dataset *ds,
                                     struct fusor_error *err);
/* dataset_events.c: events of queries. */
enum fusor_status dataset_derive(struct dataset *ds, struct fusor_error *err);
enum fusor_status dataset_find_seen(struct dataset *ds,
                                    struct fusor_error *err);
/* dataset_pack.c: the last step of opening. Columns that are packed are given
 * back. */
enum fusor_status dataset_pack(struct dataset *ds, struct fusor_error *err);
/* dataset_labels.c: what is learnt. */
/** Read the job's `label` (the prepared one for NULL) or options.labels. */
enum fusor_status dataset_read_labels(struct dataset *ds,
                                      struct yaml_node *label,
                                      struct fusor_error *err);
/** Find their columns and look at every value; parts are open and split. */
enum fusor_status dataset_fit_labels(struct dataset *ds,
                                     struct fusor_error *err);
/** Is this field of the schema a label? Then no model may read it. */
int dataset_field_is_label(const struct dataset *ds, int field);
/* dataset_stream.c: columns that stay in the file. */
/** Decide by the size of the train part. */
void dataset_choose_cache(struct dataset *ds, const char *train_file);
/** Must a column of the rows be in memory? For part_open_some(). */
int dataset_keeps(const void *ds, const struct column_spec *spec);
/** Open the streams, when all fields are resolved. */
enum fusor_status dataset_open_streams(struct dataset *ds,
                                       struct fusor_error *err);
/* dataset_split.c: parts and splits. */
enum fusor_status dataset_open_parts(struct dataset *ds,
                                     struct fusor_error *err);
enum fusor_status dataset_split(struct dataset *ds, struct fusor_error *err);

#endif
