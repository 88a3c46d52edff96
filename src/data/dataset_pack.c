/* Puts fields of the rows side by side when a data set is opened. */
#include <string.h>

#include "base/mem.h"
#include "data/dataset_private.h"

#define BLOCK 64 /* rows: one group of them stays in the first cache */

static int kind_of(const struct dataset *ds, size_t i, int part,
                   enum packed_kind *out)
{
    const struct dataset_field *f = &ds->fields[i];
    const struct field_spec *spec = &ds->specs[i];
    const struct column_view *c = f->column[part];

    if (f->origin != ORIGIN_ROW || f->streamed || !c || spec->width != 1)
        return 0;
    if (spec->type == FIELD_DENSE && f->dense[part])
        *out = PACKED_F32;
    else if (spec->type == FIELD_CATEGORICAL && c->u32)
        *out = PACKED_U32;
    else if (spec->type == FIELD_CATEGORICAL && c->u64)
        *out = PACKED_U64;
    else
        return 0;
    return 1;
}

static uint32_t words_of(enum packed_kind kind)
{
    return kind == PACKED_U64 ? 2 : 1;
}

static const void *source_of(const struct dataset *ds, size_t i, int part,
                             enum packed_kind kind)
{
    const struct dataset_field *f = &ds->fields[i];

    if (kind == PACKED_F32)
        return f->dense[part];
    return kind == PACKED_U32 ? (const void *)f->column[part]->u32
                              : (const void *)f->column[part]->u64;
}

/* Which fields go into which group. */
static enum fusor_status choose(const struct dataset *ds, int part,
                                struct packed *p, struct fusor_error *err)
{
    struct packed_group *g = NULL;
    enum packed_kind kind;
    uint32_t n = 0;

    for (size_t i = 0; i < ds->n_fields; i++)
        n += (uint32_t)kind_of(ds, i, part, &kind);
    if (n < PACKED_MIN)
        return FUSOR_OK;
    p->groups = mem_alloc(n, sizeof(*p->groups));
    if (!p->groups)
        return mem_fail(err, "packed rows", n * sizeof(*p->groups));
    for (size_t i = 0; i < ds->n_fields; i++) {
        if (!kind_of(ds, i, part, &kind))
            continue;
        if (!g || g->stride + words_of(kind) > PACKED_WORDS)
            g = &p->groups[p->n_groups++];
        g->fields[g->n++] = (struct packed_field){
            (uint32_t)i, kind, ds->specs[i].side == SIDE_QUERY,
            source_of(ds, i, part, kind)};
        g->stride += words_of(kind);
    }
    return FUSOR_OK;
}

/* Rows first .. first + n - 1 of one column into words that lie stride apart;
 * without a column as missing values. */
static void put_column(const struct packed_field *f, uint64_t first, uint32_t n,
                       uint32_t *out, uint32_t stride)
{
    size_t bytes = words_of(f->kind) * sizeof(uint32_t);
    const unsigned char *from = f->column;

    for (uint32_t i = 0; i < n; i++, out += stride)
        if (!from)
            memset(out, f->kind == PACKED_F32 ? 0 : 0xff, bytes);
        else if (f->kind == PACKED_U64)
            memcpy(out, from + (first + i) * 8, 8);
        else
            memcpy(out, from + (first + i) * 4, 4);
}

static void put_rows(const struct packed_group *g, uint64_t first, uint32_t n)
{
    uint32_t *out = g->words + first * g->stride;

    for (uint32_t k = 0; k < g->n; k++) {
        put_column(&g->fields[k], first, n, out, g->stride);
        out += words_of(g->fields[k].kind);
    }
}

/* The columns of a group are not read again: keys, labels and the like stay
 * because others read them. */
static void give_back(struct dataset *ds, int part, struct packed_group *g)
{
    for (uint32_t k = 0; k < g->n; k++) {
        struct dataset_field *f = &ds->fields[g->fields[k].field];
        const struct column_view *c = f->column[part];

        mem_free(f->owned_dense[part]);
        f->owned_dense[part] = NULL;
        f->dense[part] = NULL;
        if (c->held && !dataset_keeps(ds, &c->spec))
            part_drop(ds->parts[part].part, c);
        g->fields[k].column = NULL;
    }
}

static enum fusor_status build_group(struct dataset *ds, int part,
                                     struct packed_group *g,
                                     struct fusor_error *err)
{
    uint64_t n = ds->parts[part].n;
    size_t row_bytes = g->stride * sizeof(*g->words);

    g->words = mem_alloc_huge((size_t)n + 1, row_bytes);
    if (!g->words)
        return mem_fail(err, "packed rows", (size_t)n * row_bytes);
    for (uint64_t i = 0; i < n; i += BLOCK)
        put_rows(g, i, (uint32_t)(n - i < BLOCK ? n - i : BLOCK));
    give_back(ds, part, g);
    put_rows(g, n, 1);
    return FUSOR_OK;
}

static enum fusor_status pack_part(struct dataset *ds, int part,
                                   struct fusor_error *err)
{
    struct packed *p = mem_alloc(1, sizeof(*p));

    if (!p)
        return mem_fail(err, "packed rows", sizeof(*p));
    ds->parts[part].packed = p;
    p->n_rows = ds->parts[part].n;
    FUSOR_TRY(choose(ds, part, p, err));
    for (uint32_t k = 0; k < p->n_groups; k++) {
        for (uint32_t i = 0; i < p->groups[k].n; i++)
            ds->fields[p->groups[k].fields[i].field].packed = 1;
        FUSOR_TRY(build_group(ds, part, &p->groups[k], err));
    }
    return FUSOR_OK;
}

enum fusor_status dataset_pack(struct dataset *ds, struct fusor_error *err)
{
    for (int p = 0; p < N_SPLITS; p++)
        if (ds->parts[p].part)
            FUSOR_TRY(pack_part(ds, p, err));
    return FUSOR_OK;
}

void packed_destroy(struct packed *p)
{
    if (!p)
        return;
    for (uint32_t k = 0; k < p->n_groups; k++)
        mem_free(p->groups[k].words);
    mem_free(p->groups);
    mem_free(p);
}
