/* The key index of a score table: private to scores*.c. */
#ifndef MODEL_COMBINE_SCORES_INDEX_H
#define MODEL_COMBINE_SCORES_INDEX_H

#include "model/combine/scores.h"

/** Append a row unless its key is there.
 * @param found set to the row that has the key (fresh or old)
 * @return 1 appended, 0 it was there, -1 no memory */
int score_table_add(struct score_table *t, const struct score_row *row,
                    size_t *found);
/** @return the row of the key, or SIZE_MAX; by place: the place */
size_t score_table_find(const struct score_table *t,
                        const struct score_row *key, size_t place);

#endif
