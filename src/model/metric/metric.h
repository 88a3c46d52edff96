/* Metrics: how well scores agree with labels, gathered by many workers and
 * merged into one result.
 *
 * A metric set accumulates several metrics over rows (logloss, rmse, mae, auc)
 * and over groups (gauc and the ranking metrics: one group = the candidates of
 * one query or user). Every sum is an integer: AUC counts rows in 2^20 bins,
 * all else sums fixed-point numbers of 2^-40. So a result has the same bits
 * however rows were dealt to sets and in whatever order they came or the sets
 * were merged. What binning and rounding may cost is printed as the error
 * bound of each result.
 *
 * Conventions
 * - A label above 0 is positive (relevant).
 * - Ties count against us: the rank of a positive is 1 + the number of others
 *   (positives too) whose score is >= its own. A constant scorer has
 *   hr@10 = 0 on any group of more than 10 candidates. AUC counts a tied pair
 *   as one half, as usual.
 * - NaN scores count against us and are counted in n_bad: in ranking and AUC
 *   a positive's NaN stands below, a negative's above everything; for logloss,
 *   rmse and mae an unusable score leaves the metric undefined.
 * - A relevant item that was not retrieved is part of its group too: pass it
 *   with the score -INFINITY, or recall and ndcg come out too high.
 * - Undefined (no rows, one class only, no group with a positive) is said so:
 *   defined = 0 and value = NaN, never 0 or 0.5.
 *
 *   auc            area under the ROC curve over all rows, weighted
 *   gauc           sum n_g AUC_g / sum n_g over groups with both classes
 *                  (Zhu et al. 2017, "Optimized cost per click")
 *   logloss rmse mae   weighted over rows; logloss clips p to
 *                  [1e-7, 1 - 1e-7] unless scores are logits
 *   pr_auc         average precision: sum (R_i - R_i-1) P_i over the distinct
 *                  scores from the highest down, weighted
 *   ece, ece@b     sum over b (15) bins of equal width of weight share *
 *                  |mean p - mean label|; ace, ace@b: bins of equal mass, rows
 *                  of equal score together (scores as in auc's bins)
 *   hr@k           1 when a positive has rank <= k
 *   recall@k precision@k  positives with rank <= k, over positives, over k
 *   ndcg@k         gain / log2(rank + 1) over that of the best order; gain is
 *                  1, or 2^label - 1 in a group with labels other than 0, 1
 *   map, map@k     sum over positives (of rank <= k) of positives up to that
 *                  rank / rank, over the number of positives (at most k)
 *   mrr, mrr@k     1 / rank of the best positive (0 beyond k)
 * Groups without a positive are left out of all group metrics (n_skipped).
 *
 * Metrics of lists look at the k best items of each group (top.h), relevant or
 * not, and so take groups without a positive too; k is at most 1000:
 *   coverage@k     items in at least one list, over all items
 *   gini@k         of how often each item is shown, items never shown included:
 *                  sum (2 i - n - 1) x_i / (n sum x), x ascending; 0 = equal
 *   novelty@k      mean over lists of the mean of -log2(share of train rows)
 *   diversity@k    mean over lists of the mean distance (items.h) of two items;
 *                  diversity@k/FIELD says by which field of the items
 *
 * Threads: one set belongs to one thread. Opens no file, knows no rank. */
#ifndef MODEL_METRIC_METRIC_H
#define MODEL_METRIC_METRIC_H

#include <stddef.h>
#include <stdint.h>

#include "base/str.h"
#include "fusor/status.h"
#include "model/metric/items.h"

#define METRIC_NAME_MAX 32
#define METRIC_SET_MAX 64

struct metric_ops;

struct metric_spec {
    const struct metric_ops *ops;
    uint32_t k; // the cut, 0: none
    char name[METRIC_NAME_MAX];
    char field[METRIC_NAME_MAX]; // what follows a /, or ""
    char label[METRIC_NAME_MAX]; // what follows a :, or ""
};

/** Read a name such as "auc", "ndcg@10" or "diversity@10/genres", followed by
 * ":buy" where a model has several labels.
 * @return FUSOR_EUSAGE with the nearest name, or that @k is needed */
enum fusor_status metric_parse(const char *text, struct metric_spec *out,
                               struct fusor_error *err);
/** The same metric of a label.
 * @return FUSOR_EUSAGE: the name gets too long */
enum fusor_status metric_of_label(const struct metric_spec *spec,
                                  const char *label, struct metric_spec *out,
                                  struct fusor_error *err);
/** Is it this one, such as "rmse", of any label? */
int metric_is(const struct metric_spec *spec, const char *name);
/** All metrics, one a line with what it is, for help. */
void metric_list(struct strbuf *out);
int metric_higher_is_better(const struct metric_spec *spec);
/** Is it fed by metric_set_group() (else by metric_set_rows())? */
int metric_over_groups(const struct metric_spec *spec);
/** Is it over the items of lists: fed by metric_set_shown() alone? */
int metric_over_lists(const struct metric_spec *spec);
int metric_takes_field(const struct metric_spec *spec);
/** Does it take scores for estimates of the label, so that one that only orders
 * is misjudged? */
int metric_wants_estimates(const struct metric_spec *spec);
/** Has each row or group a value of its own, of which the metric is a mean?
 * Without it (auc, ece, coverage, ...) there are no units to test. */
int metric_has_units(const struct metric_spec *spec);

struct metric_options {
    int exact;       // auc gathers every score (8 bytes a row) and sorts
    int logits;      // scores come before the sigmoid: logloss, rmse, mae and
                     // the bins of auc take it themselves
    double score_lo; // the range auc's bins divide; scores outside go to the
    double score_hi; // end bins. Both 0, or logits: [0, 1]
};

struct metric_set;

/** @param specs [n], no name twice; copied
 * @param options NULL: all zero
 * @return FUSOR_EUSAGE: a repeated name, too many, or score_lo >= score_hi */
enum fusor_status metric_set_create(const struct metric_spec *specs, size_t n,
                                    const struct metric_options *options,
                                    struct metric_set **out,
                                    struct fusor_error *err);
void metric_set_destroy(struct metric_set *set);
size_t metric_set_count(const struct metric_set *set);
/** @param i below metric_set_count() */
const struct metric_spec *metric_set_spec(const struct metric_set *set,
                                          size_t i);

/** Which label is judged by what is added from here on, to the set and to its
 * slices: metrics of other labels do not take it. At first "", the only label.
 * @param label the caller's, as long as something is added */
void metric_set_about(struct metric_set *set, const char *label);

/** Add rows to the metrics over rows.
 * @param scores [n]; labels [n] finite (logloss: within [0, 1])
 * @param weights [n] within [0, 2^32], counted in steps of 2^-24 by auc and of
 * 2^-40 elsewhere; NULL: 1
 * @return FUSOR_EDATA naming the row, nothing added; FUSOR_ENOMEM and
 * FUSOR_EDATA "too large" after which the set is of no more use */
enum fusor_status metric_set_rows(struct metric_set *set, const float *scores,
                                  const float *labels, const float *weights,
                                  size_t n, struct fusor_error *err);

/** Add one complete group to the metrics over groups.
 * @param key names the group in errors
 * @param scores [n]; labels [n] finite; n < 2^31, may be 0
 * @param values [metric_set_count()] set to the group's own value of each
 * metric (the units of a paired test), NaN where there is none; may be NULL
 * @return as metric_set_rows() */
enum fusor_status metric_set_group(struct metric_set *set, uint64_t key,
                                   const float *scores, const float *labels,
                                   size_t n, double *values,
                                   struct fusor_error *err);

/** Say what the items are, before the first group: metrics of lists need it.
 * @param items the caller's, as long as groups are added */
void metric_set_items(struct metric_set *set, const struct metric_items *items);

/** metric_set_group() with the item of each candidate: metrics of lists too.
 * @param items [n] ids; 0 is unknown and in no list. NULL: there must be no
 * metric of lists (FUSOR_EUSAGE) */
enum fusor_status metric_set_shown(struct metric_set *set, uint64_t key,
                                   const float *scores, const float *labels,
                                   const uint32_t *items, size_t n,
                                   double *values, struct fusor_error *err);

/** What one row adds to a metric over rows that is a mean: the row's loss
 * (rmse: its square), the unit of a paired test.
 * @return NaN for auc, for group metrics and for unusable scores */
double metric_row_value(const struct metric_set *set, size_t i, float score,
                        float label);

/** Add what from gathered to into; from stays as it is.
 * @return FUSOR_EINVAL when metrics or options differ, nothing added; on other
 * errors into is of no more use */
enum fusor_status metric_set_merge(struct metric_set *into,
                                   const struct metric_set *from,
                                   struct fusor_error *err);

/** Append the set as bytes: magic, version, feature bits, options, metrics,
 * XXH3 of all; little-endian. */
enum fusor_status metric_set_serialise(const struct metric_set *set,
                                       struct strbuf *out,
                                       struct fusor_error *err);
/** A set from bytes that came from anywhere. Memory used: 16 MiB for the
 * bins of auc and of pr_auc, 24 MiB for ace, else no more than in proportion to
 * size.
 * @return FUSOR_EPROTO naming what is wrong */
enum fusor_status metric_set_deserialise(const void *bytes, size_t size,
                                         struct metric_set **out,
                                         struct fusor_error *err);

/* Slices: the same metrics over parts of the rows, such as the users of each
 * age. A slice is a set of its own inside the set, merged and sent along with
 * it; its accumulators are exact (options.exact), because many are small. */
#define METRIC_SLICES_MAX 65536

/** The slice with this number, made when it is first asked for; it belongs to
 * the set. What is added to it is not added to the set.
 * @return FUSOR_EINVAL: number is METRIC_SLICES_MAX or more; FUSOR_ENOMEM */
enum fusor_status metric_set_slice(struct metric_set *set, uint32_t number,
                                   struct metric_set **out,
                                   struct fusor_error *err);
/** The slice, or NULL when nothing was ever added to it. */
const struct metric_set *metric_set_sliced(const struct metric_set *set,
                                           uint32_t number);

struct metric_result {
    const char *name; // lives as long as the set
    int defined;      // 0: value is NaN
    double value;
    double error;       // |value - exact| <= error, from bins and rounding
    double weight;      // sum of weights (gauc: of impressions)
    uint64_t n;         // rows or groups counted
    uint64_t n_skipped; // groups left out
    uint64_t n_bad;     // NaN or unusable scores
};

/** @param out [metric_set_count()] in the order of creation
 * @return FUSOR_ENOMEM (exact auc sorts a copy) */
enum fusor_status metric_set_results(const struct metric_set *set,
                                     struct metric_result *out,
                                     struct fusor_error *err);

#endif
