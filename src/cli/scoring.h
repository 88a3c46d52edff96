/* Scores items for a query with a finished run's model: what
 * retrieve/recommend.h calls back. Threads: one. */
#ifndef CLI_SCORING_H
#define CLI_SCORING_H

#include "retrieve/recommend.h"
#include "train/opened.h"

struct scoring;

/** @param o borrowed until scoring_destroy(); its trainer must be idle
 * @param label whose scores; NULL: the first's. FUSOR_EUSAGE: no such label
 * @param scorer filled for recommender_create() */
enum fusor_status scoring_create(struct opened *o, const char *label,
                                 struct scoring **out,
                                 struct recommend_scorer *scorer,
                                 struct fusor_error *err);
/** The candidates of a query as the job's `candidates` says, which it must.
 * @param out [shortlist_room()] */
enum fusor_status scoring_shortlist(struct scoring *s,
                                    const struct batcher_query *query,
                                    uint32_t *out, uint32_t *n,
                                    struct fusor_error *err);
void scoring_destroy(struct scoring *s);

#endif
