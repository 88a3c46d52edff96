/* Scores as shares of the largest of their query (fusor fuse --normalise
 * per_query_max, in the model): in training of the samples of the query that
 * stand together in the micro-batch, so of a row and its negatives, or of a
 * list; in ranking of all candidates of the query, which may come in several
 * passes. A column of zeros stays so. Private to src/model. */
#ifndef MODEL_FUSION_QUERY_MAX_H
#define MODEL_FUSION_QUERY_MAX_H

#include "model/fusion/mix.h"

/** From st->raw to st->x. While r collects, the largest are noted; when it was
 * told some, they are used. */
void query_max_forward(const struct mix *x, struct mix_state *st,
                       struct model_run *r, const struct batch *b);
/** st->dx of what forward() made to that of st->raw, the largest one's part
 * in every share included. */
void query_max_backward(const struct mix *x, struct mix_state *st, uint32_t n);

#endif
