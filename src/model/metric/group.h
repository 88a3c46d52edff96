/* One group (the candidates of a query) seen by the metrics over groups: the
 * ranks of its positives, worked out once for all of them. */
#ifndef MODEL_METRIC_GROUP_H
#define MODEL_METRIC_GROUP_H

#include <math.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "fusor/status.h"
#include "model/metric/items.h"

#define METRIC_NEVER                                        \
    UINT32_MAX /* rank of a score of -INFINITY: not offered \
                */

struct metric_ranked {
    uint32_t rank; // 1 = best; ties count against us
    float label;
};

struct metric_group {
    uint32_t n;
    uint32_t n_pos;
    uint32_t n_bad;                     // NaN scores
    int graded;                         // labels other than 0 and 1
    const struct metric_ranked *ranked; // [n_pos] best rank first
    const float *ideal;                 // [n_pos] labels, highest first
    const uint32_t *list;               // [n_list] the items shown, best first
    uint32_t n_list;                    // 0 without metrics of lists
    const struct metric_items *items;
    uint64_t won2; // twice the positive-negative pairs won, a tie is one half
};

/* Memory reused from group to group. */
struct metric_group_space {
    uint32_t *keys; // [cap]
    struct metric_ranked *ranked;
    float *ideal;
    size_t cap;
};

/** A score as an integer of the same order; NaN counts against us. */
static inline uint32_t metric_score_key(float score, int positive)
{
    uint32_t bits;

    if (isnan(score))
        return positive ? 0 : UINT32_MAX;
    score += 0.0f; // -0 becomes +0
    memcpy(&bits, &score, sizeof(bits));
    return bits & 0x80000000u ? ~bits : bits | 0x80000000u;
}

/** Rank the positives of a group.
 * @param out borrows from space until the next call */
enum fusor_status metric_group_rank(struct metric_group_space *space,
                                    const float *scores, const float *labels,
                                    size_t n, struct metric_group *out,
                                    struct fusor_error *err);
void metric_group_space_clear(struct metric_group_space *space);

#endif
