/* A worker's scores of candidates for one query after the other: of rows in an
 * evaluation, of users who want a recommendation. Where the model allows it
 * (model/rank.h) the items' side is made once and each query's once, however
 * many candidates it has; elsewhere every pair goes through the model. Both
 * give the same bits.
 *
 * A query is always computed by itself, so that its scores do not depend on
 * who else this worker judges.
 *
 * Owner: one worker thread, idle otherwise; the store must stand still from
 * ranker_create() on. */
#ifndef TRAIN_RANKER_H
#define TRAIN_RANKER_H

#include "data/batcher.h"
#include "model/rank.h"
#include "train/worker.h"

#define RANKER_BYTES_MAX                                \
    ((size_t)1 << 30) /* of the items' side of a worker \
                       */

struct ranker {
    struct worker *worker;
    struct model_items *items; // NULL: every pair through the model
    int whole;                 // items of all towers
    unsigned char *has;        // [n_towers] else, of which
    uint64_t n_items;
    struct batcher_query query;
    struct model_step step; // of query, when known
    int known;
};

/** Makes ready also what the workload's shortlist asks of single towers.
 * @param n_pairs how many scores will be asked for, at least about: for fewer
 * than there are items their side is not made. */
enum fusor_status ranker_create(struct ranker *k, struct worker *w,
                                uint64_t n_pairs, struct fusor_error *err);
/** For ranker_tower() of one tower alone. */
enum fusor_status ranker_create_for(struct ranker *k, struct worker *w,
                                    uint32_t tower, struct fusor_error *err);
void ranker_clear(struct ranker *k);
/** Say which items are the candidates of a query, of which ranker_score() is
 * asked from here on: for a fusion that normalises by them, else nothing is
 * done.
 * @param items [n], any number */
enum fusor_status ranker_begin(struct ranker *k,
                               const struct batcher_query *query,
                               const uint32_t *items, uint32_t n,
                               struct fusor_error *err);
/** What one tower says of every item.
 * @param scores [n_items] by id; NAN: nothing, and of the unknown item */
enum fusor_status ranker_tower(struct ranker *k,
                               const struct batcher_query *query,
                               uint32_t tower, float *scores,
                               struct fusor_error *err);
/** Scores before the output function.
 * @param items [n], n at most w->micro_rows @param scores [n]
 * @return as batcher_fill_pairs() and the store */
enum fusor_status ranker_score(struct ranker *k,
                               const struct batcher_query *query,
                               const uint32_t *items, uint32_t n, float *scores,
                               struct fusor_error *err);

#endif
