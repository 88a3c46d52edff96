/* Values computed when a data set is opened: ids checked against their tables,
 * dense columns transformed. All statistics are of the train rows. */
#include <math.h>
#include <string.h>

#include "base/mem.h"
#include "data/dataset_private.h"

static enum fusor_status bad_id(const struct dataset *ds, const char *name,
                                uint64_t row, uint64_t id, uint64_t limit,
                                struct fusor_error *err)
{
    return fusor_fail(err, FUSOR_EDATA,
                      "%s: column \"%s\", row %llu: id %llu, expected below "
                      "%llu: run fusor prepare again",
                      ds->dir, name, (unsigned long long)row,
                      (unsigned long long)id, (unsigned long long)limit);
}

/* @return the first index whose id is neither below limit nor missing, or n */
static uint64_t find_bad_u32(const uint32_t *ids, uint64_t n, uint64_t limit)
{
    uint64_t i = 0;

    while (i < n && (ids[i] < limit || ids[i] == UINT32_MAX))
        i++;
    return i;
}

static uint64_t find_bad_u64(const uint64_t *ids, uint64_t n, uint64_t limit)
{
    uint64_t i = 0;

    while (i < n && (ids[i] < limit || ids[i] == UINT64_MAX))
        i++;
    return i;
}

static enum fusor_status check_keys(const struct dataset *ds,
                                    const struct row_part *p,
                                    struct fusor_error *err)
{
    const struct schema *s = &ds->schema;
    uint64_t i;

    if (ds->n_queries) {
        i = find_bad_u32(p->query, p->n, ds->n_queries);
        if (i < p->n)
            return bad_id(ds, s->fields[s->query_key].spec.name, i, p->query[i],
                          ds->n_queries, err);
    }
    if (ds->n_items) {
        i = find_bad_u32(p->item, p->n, ds->n_items);
        if (i < p->n)
            return bad_id(ds, s->fields[s->item_key].spec.name, i, p->item[i],
                          ds->n_items, err);
    }
    return FUSOR_OK;
}

enum fusor_status dataset_check_column(const struct dataset *ds,
                                       const struct column_view *c,
                                       uint64_t n_rows,
                                       const struct field_spec *f,
                                       struct fusor_error *err)
{
    uint64_t i, n = c->spec.type == COLUMN_LIST ? c->n_values : n_rows;

    if (f->cardinality == 0 || c->spec.type == COLUMN_F32 || !c->held)
        return FUSOR_OK; // streams look themselves
    if (c->spec.type == COLUMN_U64) {
        i = find_bad_u64(c->u64, n, f->cardinality);
        return i < n ? bad_id(ds, f->name, i, c->u64[i], f->cardinality, err)
                     : FUSOR_OK;
    }
    i = find_bad_u32(c->u32, n, f->cardinality);
    return i < n ? bad_id(ds, f->name, i, c->u32[i], f->cardinality, err)
                 : FUSOR_OK;
}

/* Rows of the column that stands at place p of a field. */
static uint64_t column_rows(const struct dataset *ds,
                            const struct dataset_field *f, int p)
{
    if (f->origin == ORIGIN_QUERY)
        return ds->n_queries;
    if (f->origin == ORIGIN_ITEM)
        return ds->n_items;
    return ds->parts[p].n;
}

enum fusor_status dataset_check_ids(struct dataset *ds, struct fusor_error *err)
{
    for (int p = 0; p < N_SPLITS; p++)
        if (ds->parts[p].part)
            FUSOR_TRY(check_keys(ds, &ds->parts[p], err));
    for (size_t i = 0; i < ds->n_fields; i++)
        for (int p = 0; p < N_SPLITS; p++)
            if (ds->fields[i].column[p])
                FUSOR_TRY(dataset_check_column(
                    ds, ds->fields[i].column[p],
                    column_rows(ds, &ds->fields[i], p), &ds->specs[i], err));
    return FUSOR_OK;
}

static int all_finite(const float *v, uint64_t n)
{
    for (uint64_t i = 0; i < n; i++)
        if (!isfinite(v[i]))
            return 0;
    return 1;
}

/* 1 for the rows of the column that belong to train rows: those rows, or the
 * rows of a side table that a train row names. */
static uint8_t *train_mask(const struct dataset *ds,
                           const struct dataset_field *f)
{
    const struct split_rows *s = &ds->splits[SPLIT_TRAIN];
    const struct row_part *p = &ds->parts[s->part];
    uint8_t *mask = mem_alloc(column_rows(ds, f, 0), 1);

    for (uint64_t i = 0; mask && i < s->n; i++) {
        uint32_t row = split_row(s, i);

        if (f->origin == ORIGIN_QUERY)
            row = p->query[row];
        else if (f->origin == ORIGIN_ITEM)
            row = p->item[row];
        if (row != NO_KEY)
            mask[row] = 1;
    }
    return mask;
}

/* The raw values of part p, also of a column that was left in the file. */
static enum fusor_status copy_column(const struct dataset *ds,
                                     const struct column_view *c, int p,
                                     uint64_t rows, float *out,
                                     struct fusor_error *err)
{
    const struct part *part = ds->parts[p].part;

    if (!c->held)
        return part_read(part, part_index(part, c->spec.name), 0, rows, out,
                         err);
    memcpy(out, c->f32, rows * c->spec.width * sizeof(float));
    return FUSOR_OK;
}

static enum fusor_status transform_field(struct dataset *ds,
                                         struct dataset_field *f,
                                         uint32_t width,
                                         struct fusor_error *err)
{
    struct dense_values values[N_SPLITS] = {{0}};
    size_t n = 0;
    uint8_t *mask;

    for (int p = 0; p < N_SPLITS; p++) {
        uint64_t rows = column_rows(ds, f, p);

        if (!f->column[p])
            continue;
        f->owned_dense[p] = mem_alloc_raw(rows * width, sizeof(float));
        if (!f->owned_dense[p])
            return mem_fail(err, "dense field", rows * width * sizeof(float));
        FUSOR_TRY(
            copy_column(ds, f->column[p], p, rows, f->owned_dense[p], err));
        if (f->origin == ORIGIN_ROW && f->column[p]->held)
            part_drop(ds->parts[p].part, f->column[p]);
        f->dense[p] = f->owned_dense[p];
        values[n++] = (struct dense_values){f->owned_dense[p], rows, NULL};
    }
    mask = train_mask(ds, f);
    if (!mask)
        return mem_fail(err, "dense field", column_rows(ds, f, 0));
    values[0].train = mask; // train rows stand in the first column there is
    dense_apply(&f->transform, values, n, width);
    mem_free(mask);
    return FUSOR_OK;
}

/* A column that needs nothing is used where it lies. */
static enum fusor_status fill_field(struct dataset *ds, size_t i,
                                    struct fusor_error *err)
{
    struct dataset_field *f = &ds->fields[i];
    uint32_t width = ds->specs[i].width;
    int plain = f->transform.n == 0;

    if (f->streamed)
        return FUSOR_OK;
    for (int p = 0; p < N_SPLITS; p++) {
        if (!f->column[p])
            continue;
        if (!f->column[p]->held)
            return transform_field(ds, f, width, err);
        f->dense[p] = f->column[p]->f32;
        plain = plain && all_finite(f->dense[p], column_rows(ds, f, p) * width);
    }
    return plain ? FUSOR_OK : transform_field(ds, f, width, err);
}

enum fusor_status dataset_fill_dense(struct dataset *ds,
                                     struct fusor_error *err)
{
    for (size_t i = 0; i < ds->n_fields; i++)
        if (ds->specs[i].type == FIELD_DENSE ||
            ds->specs[i].type == FIELD_VECTOR)
            FUSOR_TRY(fill_field(ds, i, err));
    return FUSOR_OK;
}
