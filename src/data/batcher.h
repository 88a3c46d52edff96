/* Micro-batches from a data set: one batcher is the buffers of one live
 * micro-batch. A thread that keeps several alive (keys travel ahead of values)
 * makes one for each.
 *
 * Adjacent samples of one row (negatives) are one query of the batch, and
 * adjacent rows of one known query when the data set is query-static
 * (dataset_query_static()). Order the rows so that a query's stand together
 * (plan.h, by_user) to share its work.
 *
 * Threads: one at a time per batcher; the data set is only read. Nothing is
 * allocated once the buffers of list fields have grown to what the data needs
 * (batcher_growths() counts). */
#ifndef DATA_BATCHER_H
#define DATA_BATCHER_H

#include "data/augment.h"
#include "data/dataset.h"

struct batcher;

/** Buffers for micro-batches of up to capacity samples.
 * @param ds borrowed until batcher_destroy() */
enum fusor_status batcher_create(const struct dataset *ds, uint32_t capacity,
                                 struct batcher **out, struct fusor_error *err);
void batcher_destroy(struct batcher *b);

/** The batch of these rows.
 * @param rows [n] positions in the split, in the order the samples get
 * @param n up to capacity; 0 gives an empty batch
 * @param out set; points into the batcher until its next fill
 * @return FUSOR_EINVAL: n above capacity, a row outside the split;
 *         FUSOR_ENOMEM */
enum fusor_status batcher_fill(struct batcher *b, enum split split,
                               const uint32_t *rows, uint32_t n,
                               struct batch *out, struct fusor_error *err);

/** Change the sequences of earlier events in the batch that was filled last,
 * from rows, each by its own row.
 * @param epoch distinct over stages */
void batcher_augment(struct batcher *b, const struct augment *a,
                     uint64_t epoch);

#define BATCHER_OWN_ITEM UINT32_MAX

/** The batch of these rows, some of them with another item in the place of
 * their own: sampled negatives. Such a sample has label 0 and the item's
 * fields; its query, row columns, weight and sample id stay the row's.
 * @param rows [n] as batcher_fill() takes them; a row may come repeatedly
 * @param items [n] an id below dataset_n_items(), or BATCHER_OWN_ITEM
 * @return like batcher_fill(), and FUSOR_EINVAL: an id outside */
enum fusor_status batcher_fill_items(struct batcher *b, enum split split,
                                     const uint32_t *rows,
                                     const uint32_t *items, uint32_t n,
                                     struct batch *out,
                                     struct fusor_error *err);

#define BATCHER_NO_ROW UINT64_MAX

/* Terms that stand in a text field of the query. */
struct batcher_text {
    size_t field; // of side query
    const uint32_t *terms;
    uint32_t n;
};

/* Two texts of the item: one that stands in a query's place, one that the item
 * should be found by. */
struct batcher_pairs {
    size_t from, to;
};

/* Who asks for the score of candidates. */
struct batcher_query {
    enum split split; // where row counts
    uint64_t row;     // a position: its query, its columns, and its events as
                      // of then; or BATCHER_NO_ROW
    uint32_t query;   // without a row: this query, with all its train and
                      // valid events, as a test row after them
    const struct batcher_text *texts; // instead of what the query says there
    uint32_t n_texts;
    const struct batcher_pairs *pairs; // of the item's texts only `to` is
                                       // there; NULL: all are
};

/** One query against n candidate items. Labels are 0, weights absent. Fields of
 * the row itself take the row's values for every candidate; without a row they
 * are missing.
 * @param items [n] ids below dataset_n_items()
 * @return like batcher_fill(), and FUSOR_EINVAL: an id outside */
enum fusor_status batcher_fill_pairs(struct batcher *b,
                                     const struct batcher_query *query,
                                     const uint32_t *items, uint32_t n,
                                     struct batch *out,
                                     struct fusor_error *err);

/** Items, each asked for by a text of its own: the texts of the query with the
 * same vocabulary hold the item's text `from`, though it be longer than theirs;
 * other fields of the query and of rows are missing. Of the item's texts only
 * `to` is there. Labels are 1, weights absent, the sample id is the item.
 * @param items [n] ids below dataset_n_items()
 * @return like batcher_fill(), and FUSOR_EINVAL: an id outside */
enum fusor_status batcher_fill_texts(struct batcher *b,
                                     const struct batcher_pairs *pairs,
                                     const uint32_t *items, uint32_t n,
                                     struct batch *out,
                                     struct fusor_error *err);

/** How often a buffer had to grow since it was created. */
uint64_t batcher_growths(const struct batcher *b);

#endif
