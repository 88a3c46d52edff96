/* The registry of calibrations and the checks they share. */
#include "model/combine/calibrate.h"

#include <math.h>
#include <string.h>

#include "base/mem.h"
#include "base/str.h"

static enum fusor_status none_fit(struct calibration *c, const double *scores,
                                  const double *labels, size_t n,
                                  struct fusor_error *err)
{
    (void)c;
    (void)scores;
    (void)labels;
    (void)n;
    (void)err;
    return FUSOR_OK;
}

static double none_apply(const struct calibration *c, double score)
{
    (void)c;
    return score;
}

static const struct calibration_ops calibration_none = {"none", none_fit,
                                                        none_apply};

static const struct calibration_ops *const registry[] = {
    &calibration_none,
    &calibration_platt,
    &calibration_isotonic,
};

#define N_KINDS (sizeof(registry) / sizeof(registry[0]))

const struct calibration_ops *calibration_kind(size_t i)
{
    return i < N_KINDS ? registry[i] : NULL;
}

const struct calibration_ops *calibration_find(const char *kind,
                                               struct fusor_error *err)
{
    const char *names[N_KINDS + 1] = {NULL};
    const char *near;

    for (size_t i = 0; i < N_KINDS; i++) {
        if (!strcmp(registry[i]->name, kind))
            return registry[i];
        names[i] = registry[i]->name;
    }
    near = str_nearest(kind, names);
    fusor_fail(err, FUSOR_EUSAGE, "no calibration \"%s\": %s%s", kind,
               near ? "did you mean " : "there are none, platt, ",
               near ? near : "isotonic");
    return NULL;
}

enum fusor_status calibration_fit(struct calibration *c, const char *kind,
                                  const double *scores, const double *labels,
                                  size_t n, struct fusor_error *err)
{
    struct calibration fresh = {.ops = calibration_find(kind, err)};

    if (!fresh.ops)
        return FUSOR_EUSAGE;
    if (n == 0)
        return fusor_fail(err, FUSOR_EDATA, "%s: no rows to calibrate on",
                          kind);
    for (size_t i = 0; i < n; i++)
        if (!isfinite(scores[i]) || !isfinite(labels[i]))
            return fusor_fail(err, FUSOR_EDATA,
                              "%s: row %zu: score %g, label %g: not finite",
                              kind, i + 1, scores[i], labels[i]);
    FUSOR_TRY(fresh.ops->fit(&fresh, scores, labels, n, err));
    *c = fresh;
    return FUSOR_OK;
}

double calibration_apply(const struct calibration *c, double score)
{
    return c->ops->apply(c, score);
}

void calibration_clear(struct calibration *c)
{
    mem_free(c->x);
    mem_free(c->y);
    memset(c, 0, sizeof(*c));
}
