/* Scores of a model outside, which a file brings (data/scores.h): the tower
 * says what stands there. It has nothing to train and no vectors.
 *
 *   ncf: {type: scores, file: ncf.tsv, column: score, values: logits,
 *         missing: error}
 *
 * The data set reads the file and the settings, and gives the scores as a field
 * (field_score_name()), NaN where there is none: an error when the tower is
 * asked, or with missing: drop_tower the fusion leaves the tower out of that
 * sample (fusion/mix.h). */
#include "model/registry.h"

#include <math.h>
#include <string.h>

#include "base/mem.h"

static const char *const keys[] = {"type",   "file",    "column",
                                   "values", "missing", NULL};

struct foreign_tower {
    uint32_t field;
};

static enum fusor_status scores_build(struct model *m, struct tower *t,
                                      struct yaml_node *at,
                                      struct fusor_error *err)
{
    struct yaml_node *missing = yaml_get(at, "missing");
    struct foreign_tower *f = t->self = mem_alloc(1, sizeof(*f));
    char name[FIELD_NAME_MAX];
    int field;

    if (!f)
        return mem_fail(err, "tower", sizeof(*f));
    t->width = 1;
    FUSOR_TRY(build_keys(at, t->name, keys, err));
    if (t->as_vector)
        return yaml_fail(at, err,
                         "tower %s is scores and has no vector: use fusion "
                         "over logits or scores",
                         t->name);
    field = field_find(m->fields, m->n_fields, field_score_name(t->name, name));
    if (field < 0 || m->fields[field].type != FIELD_SCORE)
        return yaml_fail(at, err, "tower %s: no scores were read for it",
                         t->name);
    f->field = (uint32_t)field;
    t->may_be_silent = missing && missing->kind == YAML_SCALAR &&
                       !strcmp(missing->text, "drop_tower");
    return FUSOR_OK;
}

static void scores_destroy(struct tower *t)
{
    mem_free(t->self);
}

static void *scores_run_create(const struct tower *t, struct model_run *r)
{
    (void)t;
    (void)r;
    return NULL;
}

static void scores_forward(const struct tower *t, struct model_run *r,
                           const struct model_step *s, int train)
{
    const struct foreign_tower *f = t->self;

    (void)train; // nothing here behaves otherwise in training
    memcpy(r->tower_out[t->index], s->batch->fields[f->field].dense,
           s->batch->n * sizeof(float));
}

static enum fusor_status scores_check(const struct tower *t,
                                      const struct model_run *r,
                                      const struct model_step *s,
                                      struct fusor_error *err)
{
    const struct foreign_tower *f = t->self;
    const struct batch_source *source = s->batch->fields[f->field].source;
    const float *out = r->tower_out[t->index];

    for (uint32_t i = 0; !t->may_be_silent && i < s->batch->n; i++)
        if (isnan(out[i]))
            return source->missing(source, i, err);
    return FUSOR_OK;
}

static void scores_backward(const struct tower *t, struct model_run *r,
                            const struct model_step *s)
{
    (void)t;
    (void)r;
    (void)s;
}

static void scores_describe(const struct tower *t, const struct model *m,
                            struct strbuf *out)
{
    (void)m;
    strbuf_addf(out, "scores from a file%s",
                t->may_be_silent ? ", left out where there is none" : "");
}

const struct tower_kind tower_scores = {
    .name = "scores",
    .given = 1,
    .build = scores_build,
    .destroy = scores_destroy,
    .run_create = scores_run_create,
    .forward = scores_forward,
    .check = scores_check,
    .backward = scores_backward,
    .describe = scores_describe,
};
