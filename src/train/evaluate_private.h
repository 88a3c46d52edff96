/* One worker's share of an evaluation under way: what evaluate.c, which judges
 * rows as they stand, and evaluate_rank.c, which ranks among candidates, both
 * work on. */
#ifndef TRAIN_EVALUATE_PRIVATE_H
#define TRAIN_EVALUATE_PRIVATE_H

#include "train/evaluate.h"
#include "train/slicing.h"

/* The rows of one label: those of a micro-batch that have it, or the group that
 * is being gathered. */
struct judged_rows {
    float *scores, *labels, *weights;
    uint32_t *items;
    size_t n, cap;
};

/* One share under way. */
struct share {
    struct worker *w;
    const struct dataset *ds;
    const struct evaluate_order *order;
    struct metric_set *set;
    struct evaluate_sink *sink;
    double *values; // [n_metrics] of one unit
    uint32_t worker, n_workers;
    double *part; // [n_metrics] the same of one label
    uint32_t n_labels;
    int has_rows, has_groups; // kinds of metric asked for
    struct judged_rows rows;  // of a micro-batch
    struct judged_rows groups[BATCH_MAX_LABELS];
    uint32_t n_group; // rows of the group, with or without labels
    struct slicer slicer;
    uint32_t group_slices[SLICING_FIELDS_MAX]; // of that group
};

/** Is the query of this row this worker's? */
int share_owns(const struct share *s, uint64_t row);
/** Room for n rows of a label. */
enum fusor_status share_make_room(struct judged_rows *r, size_t n,
                                  struct fusor_error *err);
/** The gathered group has the slices of row i of those found last. */
void share_slice_group(struct share *s, uint32_t i);
/** Judge what s->groups holds, and empty them. @param key of the sink */
enum fusor_status share_close_group(struct share *s, uint64_t key,
                                    struct fusor_error *err);

/* evaluate_rank.c */
/** Each row among the candidates that the protocol gives it. */
enum fusor_status share_rank_rows(struct share *s, struct fusor_error *err);
/** Each query among all items, or the job's candidates, which have the labels
 * of its rows, or 0. */
enum fusor_status share_rank_queries(struct share *s, struct fusor_error *err);

#endif
