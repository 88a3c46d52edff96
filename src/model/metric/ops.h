/* What a metric is made of: private to this folder. A metric that is a mean
 * gives the term of a row or group and uses mean_state; others (auc) bring an
 * accumulator of their own. Adding one: a function in its family's file, a line
 * in metric.c. */
#ifndef MODEL_METRIC_OPS_H
#define MODEL_METRIC_OPS_H

#include "model/metric/bytes.h"
#include "model/metric/group.h"
#include "model/metric/metric.h"
#include "model/metric/top.h"

/* How a metric accumulates. state is what create() gave. */
struct metric_state_ops {
    void *(*create)(const struct metric_spec *spec); // NULL: no memory
    void (*destroy)(void *state);
    /* Arguments are checked; weights may be NULL. */
    enum fusor_status (*rows)(void *state, const struct metric_spec *spec,
                              const struct metric_options *options,
                              const float *scores, const float *labels,
                              const float *weights, size_t n,
                              struct fusor_error *err);
    /* Metrics over groups that are no mean: the group's list. */
    enum fusor_status (*list)(void *state, const struct metric_spec *spec,
                              const struct metric_group *g,
                              struct fusor_error *err);
    enum fusor_status (*merge)(void *into, const void *from,
                               struct fusor_error *err);
    void (*write)(const void *state, struct strbuf *out);
    /* Into a fresh state; must not trust the bytes. */
    enum fusor_status (*read)(void *state, struct bytes *in,
                              struct fusor_error *err);
    enum fusor_status (*result)(const void *state,
                                const struct metric_spec *spec,
                                struct metric_result *out,
                                struct fusor_error *err);
};

#define METRIC_LIST_MAX 1000 /* lists are made by insertion */

enum metric_cut { METRIC_NO_K, METRIC_MAY_K, METRIC_NEEDS_K };

struct metric_ops {
    const char *name;
    const char *help;
    enum metric_cut cut;
    uint32_t k_max; // 0: 10^9
    int higher_is_better;
    int labels_01;   // labels must lie in [0, 1]
    int estimates;   // takes a score for an estimate of the label
    int over_lists;  // looks at the items a group shows, positives or not
    int takes_field; // may be followed by /FIELD
    const struct metric_state_ops *state;
    const struct metric_state_ops *exact_state; // with options.exact, or NULL
    /* The term of a row; not finite when the score is unusable. */
    double (*row)(const struct metric_options *options, float score,
                  float label);
    /* The term of a group (over_lists: any; else one with a positive), and its
     * weight.
     * @return 0, or -1 when the metric is not defined for it */
    int (*group)(uint32_t k, const struct metric_group *g, double *value,
                 double *weight);
    /* The mean of terms -> the metric; rising; NULL: the mean itself. */
    double (*finish)(double mean);
};

struct metric_set {
    struct metric_options options;
    size_t n;
    struct metric_spec specs[METRIC_SET_MAX];
    void *states[METRIC_SET_MAX];
    struct metric_group_space space;
    struct metric_top top;            // of the longest list
    const struct metric_items *items; // the caller's, or NULL
    const char *about;                // label that is judged; NULL: ""
    struct metric_set **slices;       // [n_slices], NULL where there is none
    uint32_t n_slices;
};

static inline const struct metric_state_ops *
metric_state_of(const struct metric_set *set, size_t i)
{
    const struct metric_ops *ops = set->specs[i].ops;

    return set->options.exact && ops->exact_state ? ops->exact_state
                                                  : ops->state;
}

/** Does the i-th metric take what is added now? */
static inline int metric_is_about(const struct metric_set *set, size_t i)
{
    return !strcmp(set->specs[i].label, set->about ? set->about : "");
}

/* Private parts of slices; slices have none themselves. */
void metric_slices_clear(struct metric_set *set);
enum fusor_status metric_slices_merge(struct metric_set *into,
                                      const struct metric_set *from,
                                      struct fusor_error *err);
enum fusor_status metric_slices_write(const struct metric_set *set,
                                      struct strbuf *out,
                                      struct fusor_error *err);
enum fusor_status metric_slices_read(struct metric_set *set, struct bytes *in,
                                     struct fusor_error *err);

/* metric_set_deserialise(); sliceable 0: a set with slices is refused. */
enum fusor_status metric_wire_read(const void *bytes, size_t size,
                                   int sliceable, struct metric_set **out,
                                   struct fusor_error *err);

static inline int metric_ops_over_groups(const struct metric_ops *ops)
{
    return ops->group || ops->over_lists;
}

extern const struct metric_ops metric_auc, metric_pr_auc, metric_gauc,
    metric_logloss, metric_rmse, metric_mae, metric_ece, metric_ace, metric_hr,
    metric_ndcg, metric_precision, metric_recall, metric_map, metric_mrr,
    metric_coverage, metric_gini, metric_novelty, metric_diversity;

#endif
