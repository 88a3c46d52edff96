/* The stage `build`: rows of the tables of built towers (model/built.h),
 * computed from the train rows and pushed to whoever owns them.
 *
 * Every process that trains computes all of it, with all its threads: the bits
 * depend on the data and the job alone, so that each can push its share of the
 * rows without asking the others. A row is pushed once, as the "gradient" of
 * the rule ema with momentum 1 on rows that start at 0: it becomes the value.
 *
 * An event is a train row whose label, after the job's map, is above 0; its
 * value is that label, or 1 for methods over what was had and not how it was
 * liked (ease, ials); ratings (knn with centre) are labels of any value. The
 * unknown query and the unknown item have none.
 *
 * Threads: build_compute() starts its own; the result is read-only, but for the
 * rows, which the store may scribble on once they are pushed. */
#ifndef TRAIN_BUILD_H
#define TRAIN_BUILD_H

#include "base/crew.h"
#include "index/csr.h"
#include "model/built.h"
#include "train/workload.h"

#define BUILD_MAX_PARTS (2 * TRAIN_MAX_NAMES)

/* The rows of one table. */
struct build_part {
    uint32_t table, rows, width;
    uint64_t first; // number of its first row among all parts
    float *values;  // [rows, width], that of key 0 first
};

struct build {
    uint32_t n_parts;
    struct build_part parts[BUILD_MAX_PARTS];
    uint64_t n_rows; // of all parts
};

/** The plan over those rows: units of some MB, cut into the job's number of
 * micro-batches. */
enum fusor_status build_plan(const struct workload *w, uint32_t stage,
                             struct plan *out, struct fusor_error *err);
/** Lay out and compute.
 * @return FUSOR_EDATA: no events; FUSOR_ENOMEM */
enum fusor_status build_compute(const struct workload *w, uint32_t stage,
                                const struct crew *crew, struct build *out,
                                struct fusor_error *err);
void build_clear(struct build *b);

/** Is a tower of this stage's names built? Then all must be: checked here,
 * with every built tower standing in one build stage.
 * @return FUSOR_EUSAGE with the place in the job */
enum fusor_status build_check_stages(const struct workload *w,
                                     struct yaml_node *root,
                                     struct fusor_error *err);

/* ---- the methods; values [rows, width] zeroed ---- */

/* What is taken of train rows. */
enum build_take {
    TAKE_LIKED, // labels above 0
    TAKE_HAD,   // 1 for each of them
    TAKE_RATED  // every label, whatever its value
};

/** Events by query. */
enum fusor_status build_events(const struct dataset *ds, enum build_take take,
                               struct csr *out, struct fusor_error *err);
enum fusor_status build_ease(const struct csr *events, const struct built *spec,
                             const struct crew *crew, float *values,
                             struct fusor_error *err);
enum fusor_status build_ials(const struct csr *events, const struct built *spec,
                             uint64_t seed, const struct crew *crew,
                             float *queries, float *items,
                             struct fusor_error *err);
enum fusor_status build_knn(const struct csr *events, const struct built *spec,
                            const struct crew *crew, float *values,
                            struct fusor_error *err);
/** Expected ratings, when spec->centre says how. Of neighbours by query or by
 * item, [n_queries, n_items]. */
enum fusor_status build_ratings(struct dataset *ds, const struct built *spec,
                                const struct crew *crew, float *values,
                                struct fusor_error *err);
enum fusor_status build_content(const struct dataset *ds,
                                const struct built *spec,
                                const struct crew *crew, float *values,
                                struct fusor_error *err);

#endif
