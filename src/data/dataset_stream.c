/* Which columns of the rows stay in the file, and the streams that bring them.
 * The rules are in dataset.h. */
#include <string.h>

#include "base/fs.h"
#include "base/mem.h"
#include "data/dataset_private.h"

void dataset_choose_cache(struct dataset *ds, const char *train_file)
{
    uint64_t most = ds->options.memory ? ds->options.memory : DATASET_MEMORY;
    int64_t size = fs_size(train_file);

    if (ds->options.cache == CACHE_AUTO)
        ds->options.cache =
            size > 0 && (uint64_t)size > most ? CACHE_STREAM : CACHE_MEMORY;
}

static int is_key(const struct schema *s, int key, const char *name)
{
    return key >= 0 && !strcmp(s->fields[key].spec.name, name);
}

int dataset_keeps(const void *self, const struct column_spec *spec)
{
    static const char *const always[] = {"label", "weight", "time", "fold"};
    const struct dataset *ds = self;

    for (size_t i = 0; i < sizeof(always) / sizeof(always[0]); i++)
        if (!strcmp(always[i], spec->name))
            return 1;
    for (uint32_t k = 0; k < ds->n_labels; k++)
        if (is_key(&ds->schema, ds->labels[k].field, spec->name))
            return 1;
    return is_key(&ds->schema, ds->schema.query_key, spec->name) ||
           is_key(&ds->schema, ds->schema.item_key, spec->name);
}

static int needs_statistics(const struct dense_transform *t)
{
    for (uint32_t i = 0; i < t->n; i++)
        if (t->steps[i].kind == DENSE_MINMAX ||
            t->steps[i].kind == DENSE_ZSCORE)
            return 1;
    return 0;
}

static void choose_fields(struct dataset *ds)
{
    for (size_t i = 0; i < ds->n_fields; i++) {
        struct dataset_field *f = &ds->fields[i];

        f->streamed = f->origin == ORIGIN_ROW && f->column[0] &&
                      !f->column[0]->held && !needs_statistics(&f->transform);
    }
}

/* Every part has the columns of the first, so blocks look alike. */
static enum fusor_status open_stream(struct dataset *ds, struct row_part *p,
                                     struct fusor_error *err)
{
    struct stream_column columns[SCHEMA_MAX_FIELDS];
    enum fusor_status rc;
    size_t n = 0;

    for (size_t i = 0; i < ds->n_fields; i++) {
        const struct dataset_field *f = &ds->fields[i];
        int dense = ds->specs[i].type == FIELD_DENSE ||
                    ds->specs[i].type == FIELD_VECTOR;

        if (!f->streamed)
            continue;
        columns[n++] = (struct stream_column){
            .column = part_index(p->part, ds->specs[i].name),
            .limit = dense ? 0 : ds->specs[i].cardinality,
            .dense = dense ? &f->transform : NULL,
        };
    }
    rc = stream_create(p->part, columns, n, ds->block_rows, &p->stream, err);
    for (size_t i = 0, k = 0; rc == FUSOR_OK && i < ds->n_fields; i++)
        if (ds->fields[i].streamed)
            ds->fields[i].offset = columns[k++].offset;
    return rc;
}

enum fusor_status dataset_open_streams(struct dataset *ds,
                                       struct fusor_error *err)
{
    size_t row_bytes = 0;

    if (ds->options.cache != CACHE_STREAM)
        return FUSOR_OK;
    choose_fields(ds);
    for (size_t i = 0; i < ds->n_fields; i++)
        if (ds->fields[i].streamed)
            row_bytes += part_row_bytes(
                ds->parts[0].part,
                part_index(ds->parts[0].part, ds->specs[i].name));
    ds->block_rows = row_bytes ? stream_block_rows(row_bytes) : 0;
    for (int p = 0; p < N_SPLITS && row_bytes; p++)
        if (ds->parts[p].part)
            FUSOR_TRY(open_stream(ds, &ds->parts[p], err));
    return FUSOR_OK;
}

uint32_t dataset_block_rows(const struct dataset *ds)
{
    return ds->block_rows;
}

/* Positions of a block lie in one block of rows, or with left-out rows in a
 * range of them. */
enum fusor_status dataset_announce(const struct dataset *ds,
                                   const uint32_t *blocks, size_t n,
                                   struct fusor_error *err)
{
    const struct split_rows *s = &ds->splits[SPLIT_TRAIN];
    struct stream *stream = ds->parts[s->part].stream;
    uint32_t *order = NULL;
    size_t to = 0, room;
    enum fusor_status rc;

    if (!stream)
        return FUSOR_OK;
    room = n + stream_blocks(stream) + n;
    order = mem_alloc_raw(room, sizeof(*order));
    if (!order)
        return mem_fail(err, "order of blocks", room * sizeof(*order));
    for (size_t i = 0; i < n; i++) {
        uint64_t first = (uint64_t)blocks[i] * ds->block_rows;
        uint64_t last = first + ds->block_rows - 1;

        if (last >= s->n)
            last = s->n - 1;
        for (uint32_t b = split_row(s, first) / ds->block_rows;
             b <= split_row(s, last) / ds->block_rows && to < room; b++)
            order[to++] = b;
    }
    rc = stream_announce(stream, order, to, err);
    mem_free(order);
    return rc;
}

uint64_t dataset_waited_ns(const struct dataset *ds)
{
    uint64_t ns = 0;

    for (int p = 0; p < N_SPLITS; p++)
        if (ds->parts[p].stream)
            ns += stream_waited_ns(ds->parts[p].stream);
    return ns;
}
