/* Which head to take: every way to combine x normalisation x calibration is
 * fitted on all folds but one of the held-out rows and judged on that one, so
 * that no score it is judged by was used to fit it. A fold holds whole queries.
 *
 * Beside the heads stand the single towers, each with every normalisation and
 * calibration: what a fusion has to beat. The head chosen is the one with the
 * fewest fitted numbers among those within one standard error of the best
 * (Breiman et al. 1984, section 3.4.3; Hastie et al. 2009, section 7.10), the
 * error being that of the paired difference to the best over units. A unit is a
 * query with its rows, or a row where there are no queries.
 *
 * The estimate of a chosen head is a little too good, because it was chosen by
 * it; judge it once more on rows that took no part.
 * Threads: any; nothing is shared. Opens no file. */
#ifndef MODEL_COMBINE_SELECT_H
#define MODEL_COMBINE_SELECT_H

#include "model/combine/recipe.h"
#include "model/metric/metric.h"
#include "model/stats/stats.h"

#define SELECT_FOLDS_MAX 100

struct select_options {
    const char *metric; // a metric that is a mean over rows or over queries
    uint32_t folds;     // 2..SELECT_FOLDS_MAX
    uint64_t seed;      // of the folds and of the bootstrap
    double ridge;       // of the fitted heads, on normalised scores
};

/* One head, or one tower alone. */
struct select_candidate {
    struct recipe_spec spec;
    int tower;           // -1: a head; else the tower that stands alone
    unsigned parameters; // numbers it fits
    double value;        // the metric over all folds; NaN: could not be fitted
    double gap;          // how much worse than the best head, >= 0
    double gap_se;       // standard error of gap
    double *units;       // [n_units] owned by the selection
    char why[160];       // it could not be fitted, or ""
};

struct selection {
    struct metric_spec metric;
    struct select_candidate *candidates;
    size_t n, cap;
    size_t n_units;
    double *unit_weights; // [n_units]
    double *identity;     // weights of the single towers
    enum stats_of of;
    uint64_t seed;
    size_t best, chosen;      // heads
    size_t best_single, mean; // the best tower alone, the best plain mean
};

/** Try everything.
 * @param rows with targets; borrowed during the call
 * @param out release with selection_clear()
 * @return FUSOR_EUSAGE: the metric is unknown, has no units (auc) or needs
 * queries; FUSOR_EDATA: fewer units than folds, no head could be fitted, a
 * label the metric refuses; FUSOR_ENOMEM */
enum fusor_status select_run(const struct recipe_rows *rows,
                             const struct select_options *options,
                             struct selection *out, struct fusor_error *err);
void selection_clear(struct selection *s);

/** What one recipe, fitted fold by fold, makes of rows: as a candidate of s,
 * over the same folds. For rows of other towers over the same pairs.
 * @param units [s->n_units] set
 * @return the metric by *value; errors of recipe_fit() */
enum fusor_status select_judge(const struct selection *s,
                               const struct recipe_rows *rows,
                               const struct select_options *options,
                               const struct recipe_spec *spec, double *units,
                               double *value, struct fusor_error *err);
/** The metric of finished scores, unit by unit.
 * @param scores [n]; units, weights [n] set, as many as *n_units says
 * @return FUSOR_EUSAGE, FUSOR_EDATA as select_run() */
enum fusor_status select_units(const struct recipe_rows *rows,
                               const struct metric_spec *metric,
                               const double *scores, double *units,
                               double *weights, size_t *n_units,
                               struct fusor_error *err);
/** Paired bootstrap of a - b over the units of s, positive when a is better.
 */
enum fusor_status select_compare(const struct selection *s, const double *a,
                                 const double *b, struct stats_comparison *out,
                                 struct fusor_error *err);

#endif
