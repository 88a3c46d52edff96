/* Streamed fields of a micro-batch: one block at a time, all its samples of all
 * fields, so that a thread holds one block and never waits while it does. */
#include <string.h>

#include "base/mem.h"
#include "data/gather.h"

int block_lists_create(const struct dataset *ds, uint32_t capacity,
                       struct block_lists *l)
{
    uint32_t most = 0;

    if (!ds->block_rows)
        return 0;
    for (int p = 0; p < N_SPLITS; p++)
        if (ds->parts[p].stream && stream_blocks(ds->parts[p].stream) > most)
            most = stream_blocks(ds->parts[p].stream);
    l->head = mem_alloc_raw(most, sizeof(*l->head));
    l->next = mem_alloc_raw(capacity, sizeof(*l->next));
    l->blocks = mem_alloc_raw(capacity, sizeof(*l->blocks));
    if (!l->head || !l->next || !l->blocks)
        return -1;
    for (uint32_t i = 0; i < most; i++)
        l->head[i] = NO_ROW;
    return 0;
}

void block_lists_clear(struct block_lists *l)
{
    mem_free(l->head);
    mem_free(l->next);
    mem_free(l->blocks);
}

/* Samples without a row miss their values. */
static void fill_missing(const struct field_spec *spec, uint32_t i,
                         struct field_buffer *b)
{
    if (b->dense)
        memset(b->dense + (size_t)i * spec->width, 0,
               spec->width * sizeof(*b->dense));
    else
        b->ids[i] = BATCH_NO_ID;
}

static void gather_dense(const float *values, uint32_t width,
                         const struct side *s, uint32_t mask,
                         const struct block_lists *l, uint32_t first,
                         float *out)
{
    for (uint32_t i = first; i != NO_ROW; i = l->next[i])
        memcpy(out + (size_t)i * width,
               values + (size_t)(s->row[i] & mask) * width,
               width * sizeof(*out));
}

static void gather_floats(const float *values, const struct side *s,
                          uint32_t mask, const struct block_lists *l,
                          uint32_t first, float *out)
{
    for (uint32_t i = first; i != NO_ROW; i = l->next[i])
        out[i] = values[s->row[i] & mask];
}

static void gather_narrow(const uint32_t *values, const struct side *s,
                          uint32_t mask, const struct block_lists *l,
                          uint32_t first, uint64_t *out)
{
    for (uint32_t i = first; i != NO_ROW; i = l->next[i]) {
        uint32_t id = values[s->row[i] & mask];

        out[i] = id == UINT32_MAX ? BATCH_NO_ID : id;
    }
}

static void gather_wide(const uint64_t *values, const struct side *s,
                        uint32_t mask, const struct block_lists *l,
                        uint32_t first, uint64_t *out)
{
    for (uint32_t i = first; i != NO_ROW; i = l->next[i])
        out[i] = values[s->row[i] & mask];
}

static void gather_from(const struct dataset *ds, size_t field, uint32_t part,
                        const unsigned char *block, const struct side *s,
                        const struct block_lists *l, uint32_t first,
                        struct field_buffer *b)
{
    const struct dataset_field *f = &ds->fields[field];
    const void *values = block + f->offset;
    uint32_t mask = ds->block_rows - 1, width = ds->specs[field].width;

    switch (f->column[part]->spec.type) {
    case COLUMN_F32:
        if (width == 1)
            gather_floats(values, s, mask, l, first, b->dense);
        else
            gather_dense(values, width, s, mask, l, first, b->dense);
        break;
    case COLUMN_U32:
        gather_narrow(values, s, mask, l, first, b->ids);
        break;
    default:
        gather_wide(values, s, mask, l, first, b->ids);
        break;
    }
}

static int is_here(const struct dataset *ds, size_t field, int query_side)
{
    return ds->fields[field].streamed &&
           (ds->specs[field].side == SIDE_QUERY) == query_side;
}

/* @return number of blocks; each has its list */
static uint32_t sort_by_block(const struct dataset *ds, const struct side *s,
                              struct block_lists *l)
{
    uint32_t n = 0;

    for (uint32_t i = s->n; i-- > 0;) {
        uint32_t block = s->row[i] / ds->block_rows;

        if (s->row[i] == NO_ROW)
            continue;
        if (l->head[block] == NO_ROW)
            l->blocks[n++] = block;
        l->next[i] = l->head[block];
        l->head[block] = i;
    }
    return n;
}

static void fill_rowless(const struct dataset *ds, const struct side *s,
                         int query_side, struct field_buffer *buffers)
{
    for (uint32_t i = 0; i < s->n; i++)
        for (size_t f = 0; s->row[i] == NO_ROW && f < ds->n_fields; f++)
            if (is_here(ds, f, query_side))
                fill_missing(&ds->specs[f], i, &buffers[f]);
}

enum fusor_status gather_streamed(const struct dataset *ds, uint32_t part,
                                  const struct side *s, int query_side,
                                  struct block_lists *l,
                                  struct field_buffer *buffers,
                                  struct fusor_error *err)
{
    struct stream *stream = ds->parts[part].stream;
    enum fusor_status rc = FUSOR_OK;
    size_t any = 0;
    uint32_t n;

    for (size_t f = 0; f < ds->n_fields; f++)
        any += (size_t)is_here(ds, f, query_side);
    if (!any)
        return FUSOR_OK;
    fill_rowless(ds, s, query_side, buffers);
    n = sort_by_block(ds, s, l);
    for (uint32_t k = 0; k < n; k++) {
        uint32_t block = l->blocks[k], first = l->head[block];
        const unsigned char *bytes = NULL;

        l->head[block] = NO_ROW;
        if (rc == FUSOR_OK)
            bytes = stream_hold(stream, block, err);
        if (!bytes) {
            rc = rc == FUSOR_OK ? (err ? err->status : FUSOR_EIO) : rc;
            continue; // the lists must be left empty
        }
        for (size_t f = 0; f < ds->n_fields; f++)
            if (is_here(ds, f, query_side))
                gather_from(ds, f, part, bytes, s, l, first, &buffers[f]);
        stream_release(stream, block);
    }
    return rc;
}
