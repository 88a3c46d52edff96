/* Which items are candidates of a query, where the job says it:
 *
 *   candidates: {union: [{bm25: 200}, {two: 200}]}
 *
 * The so many best of each tower named, together: of a bm25 tower those that
 * the words of the query find (found.h), of any other those of its highest
 * scores among all items. {bm25: 200} alone is a union of one; `all` says what
 * holds without the word. Judgements rank these alone, and `fusor search`
 * scores these alone; an item that is judged and was not found is a miss, not
 * left out.
 *
 * Threads: read-only once made; shortlist_find() by a ranker's own. */
#ifndef TRAIN_SHORTLIST_H
#define TRAIN_SHORTLIST_H

#include "train/found.h"

#define SHORTLIST_PARTS_MAX 16

struct ranker;

struct shortlist_part {
    uint32_t tower;
    uint32_t k;
};

struct shortlist {
    struct shortlist_part parts[SHORTLIST_PARTS_MAX];
    uint32_t n;
    struct finder *finder; // of the bm25 towers among them, or NULL
    uint64_t n_items;
};

/** @param node the job's `candidates`, or NULL
 * @param out NULL: all items
 * @return FUSOR_EUSAGE with the place in the job; FUSOR_ENOMEM */
enum fusor_status shortlist_create(struct yaml_node *node,
                                   const struct dataset *ds,
                                   const struct model *m,
                                   struct shortlist **out,
                                   struct fusor_error *err);
void shortlist_destroy(struct shortlist *s); // NULL is fine
/** Most candidates of one query. */
uint32_t shortlist_room(const struct shortlist *s);
/** Does it ask for the scores of this tower among all items? */
int shortlist_wants(const struct shortlist *s, uint32_t tower);
/** Names what is done, for results: differs where lists may. 0 for NULL. */
uint64_t shortlist_hash(const struct shortlist *s, const struct model *m);
/** "200 by bm25, 200 by two" */
void shortlist_describe(const struct shortlist *s, const struct model *m,
                        struct strbuf *out);
/** The candidates of a query, by ascending id.
 * @param out [shortlist_room()] @param n set
 * @return as ranker_tower() */
enum fusor_status shortlist_find(const struct shortlist *s, struct ranker *k,
                                 const struct batcher_query *query,
                                 uint32_t *out, uint32_t *n,
                                 struct fusor_error *err);

/** The k items of a tower's highest scores, best first; of equal ones the
 * smaller ids.
 * @param out [k] @param n set */
enum fusor_status shortlist_best(struct ranker *ranker,
                                 const struct batcher_query *query,
                                 uint32_t tower, uint32_t k, uint32_t *out,
                                 uint32_t *n, struct fusor_error *err);

#endif
