/* The labels of a data set: the prepared one, and dense columns of the rows
 * that a job learns beside it. A row may lack all but the prepared one. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "data/dataset_private.h"

static enum fusor_status no_such_label(const struct dataset *ds,
                                       const struct yaml_node *at,
                                       const char *name,
                                       struct fusor_error *err)
{
    const char *names[SCHEMA_MAX_FIELDS + 2], *near;
    size_t n = 0;

    if (ds->schema.label[0])
        names[n++] = ds->schema.label;
    for (uint32_t i = 0; i < ds->schema.n_fields; i++)
        if (ds->schema.fields[i].spec.type == FIELD_DENSE)
            names[n++] = ds->schema.fields[i].spec.name;
    names[n] = NULL;
    near = str_nearest(name, names);
    return yaml_fail(
        at, err,
        "labels: %s holds neither a label nor a number of the "
        "rows called \"%s\"%s%s%s: prepare again with fields: {%s: "
        "{type: dense}}",
        ds->dir, name, near ? "; did you mean \"" : "", near ? near : "",
        near ? "\"?" : "", name);
}

/* Where the label's values stand. */
static enum fusor_status find_field(const struct dataset *ds,
                                    const struct yaml_node *at,
                                    struct row_label *l,
                                    struct fusor_error *err)
{
    const struct field_spec *f;

    l->field = -1;
    if (!strcmp(l->spec.field, ds->schema.label))
        return FUSOR_OK;
    l->field = schema_find(&ds->schema, l->spec.field);
    if (l->field < 0)
        return no_such_label(ds, at, l->spec.field, err);
    f = &ds->schema.fields[l->field].spec;
    if (f->type != FIELD_DENSE || f->width != 1 || f->side != SIDE_ROW)
        return yaml_fail(at, err,
                         "labels: field \"%s\" is no label: one number of "
                         "each row is",
                         f->name);
    return FUSOR_OK;
}

static enum fusor_status read_one(struct dataset *ds, const char *name,
                                  struct yaml_node *at, struct fusor_error *err)
{
    struct row_label *l = &ds->labels[ds->n_labels];

    if (strlen(name) > 15 || !*name || strpbrk(name, ".:@/,*?"))
        return yaml_fail(at, err,
                         "labels: \"%s\" is no name: 1 to 15 characters, none "
                         "of . : @ / , * ?",
                         name);
    snprintf(l->name, sizeof(l->name), "%s", name);
    FUSOR_TRY(label_read_named(at, name, &l->spec, err));
    FUSOR_TRY(find_field(ds, at, l, err));
    ds->n_labels++;
    return FUSOR_OK;
}

enum fusor_status dataset_read_labels(struct dataset *ds,
                                      struct yaml_node *label,
                                      struct fusor_error *err)
{
    struct yaml_node *all = ds->options.labels;

    ds->options.labels = NULL; // the caller's
    if (!all) {
        ds->labels[0].field = -1;
        ds->n_labels = 1;
        return label_read(label, ds->schema.label, &ds->labels[0].spec, err);
    }
    if (label)
        return yaml_fail(label, err,
                         "label: the job has labels too: keep one of them");
    if (all->kind != YAML_MAP || all->n == 0 || all->n > BATCH_MAX_LABELS)
        return yaml_fail(all, err,
                         "labels: expected 1 to %d of NAME: {field: ..., map: "
                         "...}",
                         BATCH_MAX_LABELS);
    for (size_t i = 0; i < all->n; i++)
        FUSOR_TRY(read_one(ds, all->keys[i], all->items[i], err));
    return FUSOR_OK;
}

int dataset_field_is_label(const struct dataset *ds, int field)
{
    for (uint32_t k = 0; k < ds->n_labels; k++)
        if (ds->labels[k].field == field)
            return 1;
    return 0;
}

static enum fusor_status find_columns(struct dataset *ds, uint32_t k,
                                      struct fusor_error *err)
{
    const char *name = ds->labels[k].spec.field;

    for (int p = 0; p < N_SPLITS; p++) {
        const struct column_view *c;

        if (!ds->parts[p].part)
            continue;
        c = part_find(ds->parts[p].part,
                      ds->labels[k].field < 0 ? "label" : name);
        if (!c || c->spec.type != COLUMN_F32 || c->spec.width != 1)
            return fusor_fail(err, FUSOR_EDATA,
                              "%s: the rows have no column \"%s\" of numbers: "
                              "run fusor prepare again",
                              ds->dir, name);
        ds->parts[p].labels[k] = c->f32;
    }
    return FUSOR_OK;
}

/* Every value that is there; the prepared label always is. */
static enum fusor_status check_values(const struct dataset *ds, uint32_t k,
                                      struct fusor_error *err)
{
    const struct row_label *l = &ds->labels[k];

    for (int p = 0; p < N_SPLITS; p++)
        for (uint64_t i = 0; i < ds->parts[p].n; i++) {
            float raw = ds->parts[p].labels[k][i];

            if (l->field < 0 || !isnan(raw))
                FUSOR_TRY(label_check(&l->spec, raw, i, err));
        }
    return FUSOR_OK;
}

/* Range of the train rows. */
static enum fusor_status fit(struct dataset *ds, uint32_t k,
                             struct fusor_error *err)
{
    const struct split_rows *train = &ds->splits[SPLIT_TRAIN];
    const float *values = ds->parts[train->part].labels[k];
    struct row_label *l = &ds->labels[k];
    double min = INFINITY, max = -INFINITY;

    for (uint64_t i = 0; i < train->n; i++) {
        double raw = values[split_row(train, i)];

        min = raw < min ? raw : min; // false for NaN
        max = raw > max ? raw : max;
    }
    if (!(min <= max))
        return fusor_fail(err, FUSOR_EDATA,
                          "labels: no train row has a value of \"%s\"",
                          l->spec.field);
    FUSOR_TRY(label_fit(&l->spec, min, max, err));
    l->min = (double)label_apply(&l->spec, (float)min); // maps are monotone
    l->max = (double)label_apply(&l->spec, (float)max);
    return FUSOR_OK;
}

enum fusor_status dataset_fit_labels(struct dataset *ds,
                                     struct fusor_error *err)
{
    for (uint32_t k = 0; k < ds->n_labels; k++) {
        FUSOR_TRY(find_columns(ds, k, err));
        FUSOR_TRY(check_values(ds, k, err));
        FUSOR_TRY(fit(ds, k, err));
    }
    return FUSOR_OK;
}

uint32_t dataset_n_labels(const struct dataset *ds)
{
    return ds->n_labels;
}

const char *dataset_label_name(const struct dataset *ds, uint32_t label)
{
    return ds->labels[label].name;
}

const struct label_spec *dataset_label_spec(const struct dataset *ds,
                                            uint32_t label)
{
    return &ds->labels[label].spec;
}

float dataset_label(const struct dataset *ds, uint32_t label, enum split split,
                    uint64_t i)
{
    const struct split_rows *s = &ds->splits[split];

    return label_apply(&ds->labels[label].spec,
                       ds->parts[s->part].labels[label][split_row(s, i)]);
}

void dataset_label_range(const struct dataset *ds, uint32_t label, double *min,
                         double *max)
{
    *min = ds->labels[label].min;
    *max = ds->labels[label].max;
}
