/* Bringing the scores of several towers to one scale: x -> (x - shift) /
 * scale, a column (tower) at a time. The global kinds take shift and scale from
 * the rows they are fitted on; the per_query kinds from the rows of each query,
 * so they need no fit and suit scores such as BM25's.
 *
 *   none              as they are
 *   minmax            to [0, 1] on the rows fitted on
 *   zscore            mean 0, standard deviation 1 (divisor n)
 *   per_query_minmax, per_query_zscore
 *   per_query_max     over the largest |score| of the query
 * A constant column keeps scale 1. Threads: any. */
#ifndef MODEL_COMBINE_NORMALISE_H
#define MODEL_COMBINE_NORMALISE_H

#include <stdint.h>

#include "model/combine/combine.h"

struct normalise_ops;

struct normaliser {
    const struct normalise_ops *ops;
    size_t m;
    double shift[COMBINE_MAX];
    double scale[COMBINE_MAX];
};

/** @return FUSOR_EUSAGE with the nearest name */
enum fusor_status normaliser_init(struct normaliser *z, const char *name,
                                  size_t m, struct fusor_error *err);
int normaliser_per_query(const struct normaliser *z);
const char *normaliser_name(const struct normaliser *z);
/** Name i of the kinds there are, or NULL beyond the last. */
const char *normaliser_kind(size_t i);
/** Learn shift and scale from scores [n, m] (no-op for per_query kinds). */
void normaliser_fit(struct normaliser *z, const double *scores, size_t n);
/** Change scores [n, m] in place.
 * @param query [n] dense ids below n, in any order; NULL: the kind is global
 * @return FUSOR_EINVAL: query is missing; FUSOR_ENOMEM */
enum fusor_status normaliser_apply(const struct normaliser *z, double *scores,
                                   size_t n, const uint32_t *query,
                                   struct fusor_error *err);

#endif
