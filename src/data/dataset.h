/* A prepared folder, opened for one training: its rows split into train, valid
 * and test as its protocol says, the fields a job asks for (prepared ones and
 * those derived from the train rows), the label map, and what was seen.
 *
 * The job's `fields:` section may leave fields out, put a field on another
 * side, transform dense fields, and derive two kinds from the events of each
 * query:
 *
 *     history: {side: query, type: sequence, of: item, max: 200}
 *     rated:   {side: query, type: bag, of: item}
 *
 * A sequence holds the query's events strictly before the row, oldest first,
 * the last `max` of them: train events, and for a test row also valid events
 * (order and ties: history.h). A bag holds all train events of the query
 * whatever their time, the row's own included: the implicit set of SVD++ (Koren
 * 2008, section 4.2). It sees later train events, so under a protocol by time
 * prefer a sequence; it never holds an event of a valid or test row. Whatever
 * is counted or fitted (statistics, popularity, built towers) comes from the
 * train rows alone.
 *
 * Vectors that others computed are joined by the id of the query or the item
 * (vectors.h); ids without one get zeros, or with missing: error stop the job:
 *
 *     emb: {side: item, type: vector, file: emb.npy, ids: emb.ids}
 *
 * A tower of type scores reads what a model outside said of rows or of pairs
 * (scores.h), one file for all parts or one for each:
 *
 *     ncf: {type: scores, file: ncf.csv.gz, missing: drop_tower}
 *     ncf: {type: scores, file: {valid: v.tsv, test: t.tsv}, column: fused,
 *           values: probabilities}
 *
 * Rows are numbered in their part, so a file keyed by rows is of one part. A
 * sample with another item than its row's has the score of that pair, and none
 * in a file keyed by rows. Where there is none, missing says what follows:
 * error (the default), told when the tower is asked; drop_tower; or a number
 * that stands in.
 *
 * How a text of the query fits a text of the item is a vector of a row's
 * (match.h), also of a pair that is no row; words that are only searched for
 * have none:
 *
 *     fit: {match: [words, title], features: [overlap, idf_overlap]}
 *
 * It is computed when a row is first in a batch and kept, as long as all rows'
 * take an eighth of data.memory at most; other pairs are computed each time.
 *
 * Missing values: UINT32_MAX in a U32 column and UINT64_MAX in a U64 column are
 * BATCH_NO_ID in a batch; NaN in a dense column is 0 unless a transform fills
 * it. A key of a row that is missing is the unknown query or item.
 *
 * A part larger than data.memory (8 GiB) is streamed, unless data.cache says
 * memory or stream: labels, weights, times, keys, lists and dense fields with
 * statistics (minmax, zscore) stay in memory, every other column of the rows is
 * read in blocks while it trains (stream.h). Opening reads the whole part once
 * to verify it. Whether a part is streamed follows from the folder and the job
 * alone, because the order of samples depends on it (plan.h).
 *
 * With n_held the train rows are cut into folds, each row into one drawn by
 * (seed, row). Fold `held` takes the place of the test rows, and everything
 * that is derived from train rows (bags, histories, statistics, what was seen)
 * comes from the other folds: so a model scores rows that it never met. They
 * stand for train rows and see no valid events.
 *
 * Rows of a split are counted from 0 (positions); a row's number in its part
 * is its sample id. Threads: opened once, then read-only and shared. */
#ifndef DATA_DATASET_H
#define DATA_DATASET_H

#include "base/batch.h"
#include "base/yaml.h"
#include "data/label.h"
#include "data/schema.h"
#include "fusor/status.h"

enum dataset_cache { CACHE_AUTO, CACHE_MEMORY, CACHE_STREAM };

enum split { SPLIT_TRAIN, SPLIT_VALID, SPLIT_TEST, N_SPLITS };

struct dataset;

#define DATASET_MEMORY                                     \
    ((uint64_t)8 << 30) /* data.memory when it is not said \
                         */

#define DATASET_MATCHES                                   \
    8 /* of data.memory, matches take one part in so many \
       */

struct dataset_options {
    const char *dir;  // prepared folder
    int64_t fold;     // k-fold: which one is the test part; else -1
    double valid;     // share of train rows held out as valid rows, or 0
    uint64_t seed;    // of that choice
    uint32_t n_held;  // 0, or cut the train rows into so many folds ...
    uint32_t held;    // ... and make this one the test rows
    int exclude_seen; // build what dataset_seen() gives
    enum dataset_cache cache; // where the rows' columns are
    uint64_t memory;          // auto: larger train parts are streamed; 0: 8 GiB
    const char *stage_in;     // copy the folder below this first; "" or NULL
    int outline;              // read no values: see dataset_open()
    /* The job's `labels`, in place of `label`; or NULL. Borrowed while the data
     * set is opened. */
    struct yaml_node *labels;
    /* The job's `towers`, or NULL: one of type scores brings a field. Borrowed
     * while the data set is open. */
    struct yaml_node *towers;
};

/** Read what a job's `data:` section says about an opened folder: prepared,
 * fold, valid (a share: 5% or 0.05), exclude: seen, protocol, cache (auto,
 * memory, stream), memory (8GiB), stage_in (a folder). Other keys are
 * prepare's and not looked at.
 * @param protocol set to the protocol asked for, or NULL; check it with
 *        dataset_check_protocol() */
enum fusor_status dataset_options_read(struct yaml_node *data,
                                       struct dataset_options *out,
                                       const char **protocol,
                                       struct fusor_error *err);

/** Open and check the folder. As an outline it knows the schema and what
 * batches would hold and reads no values: splits have no rows, labels no range,
 * a bag no longest list, and nothing is checked against the rows. For processes
 * that only want to know a model's shape.
 * @param fields the job's `fields:`, or NULL: all prepared fields. Borrowed
 *        during the call
 * @param label the job's `label:`, or NULL: raw values
 * @return FUSOR_EUSAGE, with the place in the job: it asks for what is not
 *         there. FUSOR_EDATA: the folder is damaged or contradicts itself.
 *         FUSOR_EIO, FUSOR_ENOMEM */
enum fusor_status dataset_open(const struct dataset_options *options,
                               struct yaml_node *fields,
                               struct yaml_node *label, struct dataset **out,
                               struct fusor_error *err);
void dataset_close(struct dataset *ds);

/** What is allowed but seldom meant, a line each; "" for nothing. */
const char *dataset_warnings(const struct dataset *ds);

/** Was the folder prepared with this protocol? NULL: any will do. */
enum fusor_status dataset_check_protocol(const struct dataset *ds,
                                         const char *protocol,
                                         struct fusor_error *err);

const struct schema *dataset_schema(const struct dataset *ds);
/** How many labels a row may have, at least 1. The fields of the others than
 * the prepared one are read by them alone, and are no fields of batches. */
uint32_t dataset_n_labels(const struct dataset *ds);
/** What the job's `labels` calls it; "" for the only `label`. */
const char *dataset_label_name(const struct dataset *ds, uint32_t label);
const struct label_spec *dataset_label_spec(const struct dataset *ds,
                                            uint32_t label);
/** What batches of this data set hold, in the job's order. */
const struct field_spec *dataset_fields(const struct dataset *ds, size_t *n);
/** Is every field of the query side a function of the query's id? Then
 * adjacent rows of one query share their query work. False with a sequence of
 * earlier events or a row's column on the query side. */
int dataset_query_static(const struct dataset *ds);

/** Rows of a split; 0 when the protocol has none. */
uint64_t dataset_rows(const struct dataset *ds, enum split split);
/** Ids of queries and items, VOCAB_UNKNOWN included; 0: no such key. */
uint64_t dataset_n_queries(const struct dataset *ds);
uint64_t dataset_n_items(const struct dataset *ds);

/** Rows of a block when parts are streamed, else 0. */
uint32_t dataset_block_rows(const struct dataset *ds);
/** Say in which order the train rows will be asked for, block by block.
 * @param blocks [n] blocks of positions of the train split
 * @return FUSOR_ENOMEM */
enum fusor_status dataset_announce(const struct dataset *ds,
                                   const uint32_t *blocks, size_t n,
                                   struct fusor_error *err);
/** Nanoseconds that batchers waited for rows since the data set was opened, all
 * threads together. Threads: any. */
uint64_t dataset_waited_ns(const struct dataset *ds);

/** The values of a list field (multi, text) of the item or query side, without
 * a batch.
 * @param key of the side, below dataset_n_items() or dataset_n_queries()
 * @param n set
 * @return owned by the data set; NULL: no such list on that side */
const uint32_t *dataset_list(const struct dataset *ds, size_t field,
                             uint32_t key, uint32_t *n);
/** Bytes that matches of rows take once every row was in a batch. */
uint64_t dataset_matches_bytes(const struct dataset *ds);
/** Leave a list field empty in batches: only dataset_list() is asked for it.
 * Before any batcher is made. */
void dataset_leave_out(struct dataset *ds, size_t field);

/* One row of a split, by position. */
uint32_t dataset_query(const struct dataset *ds, enum split split, uint64_t i);
uint32_t dataset_item(const struct dataset *ds, enum split split, uint64_t i);
/** A label after the job's map; NaN: the row has none. */
float dataset_label(const struct dataset *ds, uint32_t label, enum split split,
                    uint64_t i);
float dataset_weight(const struct dataset *ds, enum split split, uint64_t i);
/** Seconds; 0 without times. */
int64_t dataset_time(const struct dataset *ds, enum split split, uint64_t i);
uint64_t dataset_sample_id(const struct dataset *ds, enum split split,
                           uint64_t i);
/** Is the field a sequence of the query's earlier events? */
int dataset_is_events(const struct dataset *ds, size_t field);
/** Does the field hold the query's earlier items, as ids of the item key? */
int dataset_is_history(const struct dataset *ds, size_t field);
/** Train events of its query before a row. Some field must be a history. */
uint32_t dataset_events_before(const struct dataset *ds, enum split split,
                               uint64_t i);
/** The train row of a known query's event, counted from 0 in time order; some
 * field must be a history. */
uint32_t dataset_event(const struct dataset *ds, uint32_t query,
                       uint32_t event);
/** Range of a mapped label over the train rows, for label_check_for_bce(). */
void dataset_label_range(const struct dataset *ds, uint32_t label, double *min,
                         double *max);

/** Sorted distinct items of the query's train rows, and of its valid rows too
 * when test rows are judged. Empty unless options.exclude_seen.
 * @param judged the split whose candidates are filtered
 * @return owned by the data set; *n = 0 for the unknown query */
const uint32_t *dataset_seen(const struct dataset *ds, enum split judged,
                             uint32_t query, uint32_t *n);

/** Items that a file gave as candidates of a test row, the target not among
 * them.
 * @return owned by the data set; NULL and *n = 0 when no file gave any */
const uint32_t *dataset_candidates(const struct dataset *ds, uint64_t i,
                                   uint32_t *n);

/** A vocabulary of the folder ("<name>.vocab"), read on first use. Threads:
 * any. @param out the data set's */
enum fusor_status dataset_vocab(struct dataset *ds, const char *name,
                                const struct vocab **out,
                                struct fusor_error *err);
/** What people call an item: its text in "item.names", else in the vocabulary
 * of the item key, else "". Not NUL-terminated: *n characters. */
enum fusor_status dataset_item_name(struct dataset *ds, uint32_t item,
                                    const char **text, size_t *n,
                                    struct fusor_error *err);

#endif
