/* What fusor fuse has read and found: score files, the head that joins them,
 * and the scores it gives. fuse.c is the command, fuse_input.c reads,
 * fuse_select.c is its --select. Threads: one. */
#ifndef CLI_FUSE_H
#define CLI_FUSE_H

#include "cli/args.h"
#include "model/combine/recipe.h"
#include "model/combine/scores.h"

struct score_file {
    char *text;
    struct score_table table;
};

/* Of the inputs that are runs. */
struct fuse_runs {
    const char *label; // or NULL
    const char *split; // or NULL
};

struct fuse {
    struct fuse_runs runs;
    struct score_file files[COMBINE_MAX], labels;
    size_t n_files;
    int has_labels;
    const struct combine_ops *method;
    enum score_missing missing;
    struct combine_options options;
    double given[COMBINE_MAX];
    struct recipe recipe;
    struct score_join all, fit; // every pair; those with a label
    double *targets;            // [fit.n]
    double *fused;              // [all.n]
};

/** Read one score file, or the fused scores (labels) of a run; release with
 * fuse_clear_file(), also on error. */
enum fusor_status fuse_read_file(const struct fuse *f, const char *path,
                                 int labels, struct score_file *out,
                                 struct fusor_error *err);
void fuse_clear_file(struct score_file *file);
/** Take --label and --split, which choose among what runs hold.
 * @return FUSOR_EUSAGE: no input is a run */
enum fusor_status fuse_check_runs(struct fuse *f, const struct args *a,
                                  struct fusor_error *err);
/** A join as rows of a head. @param targets [j->n] borrowed, or NULL */
struct recipe_rows fuse_rows(const struct score_join *j, const double *targets);
/** The file of tower i of the join. */
const char *fuse_tower_name(const struct fuse *f, size_t i);
enum fusor_status fuse_save_head(const struct fuse *f, const char *path,
                                 struct fusor_error *err);

/** Choose a head on f's labelled pairs, report on stdout, save it if asked. */
enum fusor_status fuse_select(struct fuse *f, const struct args *a,
                              struct fusor_error *err);

#endif
