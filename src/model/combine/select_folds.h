/* Rows cut into folds of whole queries, for select.c alone. */
#ifndef MODEL_COMBINE_SELECT_FOLDS_H
#define MODEL_COMBINE_SELECT_FOLDS_H

#include "model/combine/select.h"

/* The rows on one side of a fold. */
struct side {
    struct recipe_rows rows;
    double *scores, *targets;
    uint32_t *query;
    size_t *from; // [rows.n] their numbers among all rows
};

/* The two sides of every fold, made once for all candidates. */
struct folds {
    struct side fit[SELECT_FOLDS_MAX], rest[SELECT_FOLDS_MAX];
    uint32_t n;
    double *out, *part; // [rows]
    double *weights;    // [rows]
};

/** Queries, or rows without queries. */
size_t folds_count_units(const struct recipe_rows *rows);
/** Deal the queries (rows, without queries) into folds by the seed.
 * @param out release with folds_clear(), on failure too
 * @return FUSOR_EUSAGE: so many folds are not possible; FUSOR_EDATA: too few
 * rows for them; FUSOR_EINVAL: no targets; FUSOR_ENOMEM */
enum fusor_status folds_make(const struct recipe_rows *rows,
                             const struct select_options *o, struct folds **out,
                             struct fusor_error *err);
/** NULL: nothing. */
void folds_clear(struct folds *f);

#endif
