/* A head ready for use: scores are normalised, combined and calibrated, in that
 * order, each as fitted on held-out rows. It is written as text and read back,
 * so that what was chosen once can be applied to new score files.
 *
 * A tower that is missing later is left out: recipe_keep() scales the weights
 * of the others so that their sum stays what it was (a weighted average stays
 * an average). Threads: any; nothing is shared. Opens no file. */
#ifndef MODEL_COMBINE_RECIPE_H
#define MODEL_COMBINE_RECIPE_H

#include "model/combine/calibrate.h"
#include "model/combine/normalise.h"

struct recipe_spec {
    const struct combine_ops *method;
    const char *normalise; // a normaliser's name
    const char *calibrate; // a calibration's name
    struct combine_options options;
};

/* Rows of m towers. */
struct recipe_rows {
    const double *scores;  // [n, m] as the towers gave them
    const double *targets; // [n], or NULL
    const uint32_t *query; // [n] dense ids below n, or NULL: no queries
    size_t n, m;
};

struct recipe {
    struct normaliser normaliser;
    struct combine_model model;
    struct calibration calibration;
};

/** @param out release with recipe_clear()
 * @return what combine_fit(), normaliser_apply() and calibration_fit() say;
 * FUSOR_EINVAL: a calibration without targets; nothing is written on error */
enum fusor_status recipe_fit(const struct recipe_spec *spec,
                             const struct recipe_rows *rows, struct recipe *out,
                             struct fusor_error *err);
/** @param rows targets are not read; out [rows->n]
 * @return FUSOR_EINVAL: queries are needed, or m differs; FUSOR_ENOMEM */
enum fusor_status recipe_apply(const struct recipe *r,
                               const struct recipe_rows *rows, double *out,
                               struct fusor_error *err);
/** Go on with m of the towers only.
 * @param tower [m] ascending numbers of those that are there
 * @return FUSOR_EDATA: those kept have no weight */
enum fusor_status recipe_keep(struct recipe *r, const size_t *tower, size_t m,
                              struct fusor_error *err);
void recipe_clear(struct recipe *r);

/** Append the recipe as JSON. @param towers [m] names, for people */
void recipe_write(const struct recipe *r, const char *const *towers,
                  struct strbuf *out);
/** @param file how to name the text in errors
 * @return FUSOR_EUSAGE, FUSOR_EDATA: not what recipe_write() makes */
enum fusor_status recipe_read(const char *text, size_t size, const char *file,
                              struct recipe *out, struct fusor_error *err);

#endif
