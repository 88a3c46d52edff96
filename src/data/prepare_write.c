/* The third pass: rows from the stage to the parts, with final ids. */
#include <math.h>
#include <string.h>

#include "base/fs.h"
#include "base/hash.h"
#include "base/mem.h"
#include "data/prepare_private.h"

static const char *const part_names[] = {"train.part", "valid.part",
                                         "test.part"};

/* The parts being written; [0] is rows.part with folds. */
struct outputs {
    struct part_writer *parts[ROW_PARTS];
    size_t fold; // column of rows.part
    char *bytes; // [STAGE_GROUP_ROWS * widest value]
};

static int is_output(const struct prep *p, int part)
{
    if (part == ROW_TRAIN)
        return 1;
    if (p->split.n_folds)
        return 0;
    return p->report->rows[part] > 0;
}

static void count_parts(struct prep *p)
{
    uint64_t *rows = p->report->rows;

    rows[0] = rows[1] = rows[2] = 0;
    for (uint64_t row = 0; row < p->facts.n; row++)
        if (p->facts.part[row] != ROW_DROPPED)
            rows[p->split.n_folds ? 0 : p->facts.part[row]]++;
    rows[ROW_TEST] += p->split.n_added;
}

/* Columns of the stage in its order, then the fold. */
static enum fusor_status open_outputs(struct prep *p, struct outputs *o,
                                      struct fusor_error *err)
{
    struct column_spec specs[SCHEMA_MAX_FIELDS + 4];
    size_t n = (size_t)p->stage_time + (p->has_time != 0), widest = 8;
    char path[FS_PATH_MAX];

    for (size_t c = 0; c < n; c++) {
        specs[c] = stage_column(p->stage, c)->spec;
        if (specs[c].width * sizeof(float) > widest)
            widest = specs[c].width * sizeof(float);
    }
    o->fold = n;
    if (p->split.n_folds)
        specs[n++] = (struct column_spec){"fold", COLUMN_U8, 1, 0};
    o->bytes = mem_alloc_raw(STAGE_GROUP_ROWS, widest);
    if (!o->bytes)
        return mem_fail(err, "parts", STAGE_GROUP_ROWS * widest);
    for (int i = 0; i < ROW_PARTS; i++) {
        const char *name = p->split.n_folds ? "rows.part" : part_names[i];

        if (is_output(p, i))
            FUSOR_TRY(part_create(fs_join(path, p->options->out, name), specs,
                                  n, &o->parts[i], err));
    }
    return FUSOR_OK;
}

static int goes_to(const struct prep *p, uint64_t row, int part)
{
    uint8_t is = p->facts.part[row];

    return is != ROW_DROPPED && (p->split.n_folds || is == part);
}

static void make_final(uint32_t *ids, size_t n, const uint32_t *final)
{
    for (size_t i = 0; final && i < n; i++)
        if (ids[i] != MISSING_U32)
            ids[i] = final[ids[i]];
}

static enum fusor_status write_lists(struct prep *p, struct outputs *o,
                                     size_t column, uint64_t row, uint32_t n,
                                     struct fusor_error *err)
{
    const struct stage_column *c = stage_column(p->stage, column);
    const uint32_t *ends = c->fixed;

    for (uint32_t r = 0, at = 0; r < n; at = ends[r++]) {
        uint8_t part = p->facts.part[row + r];

        if (part == ROW_DROPPED)
            continue;
        FUSOR_TRY(part_add_list(
            o->parts[p->split.n_folds ? 0 : part], column, c->values + at,
            c->spec.weighted ? c->weights + at : NULL, ends[r] - at, err));
    }
    return FUSOR_OK;
}

/* Gather the rows of one part, then add them at once. */
static enum fusor_status write_plain(struct prep *p, struct outputs *o,
                                     size_t column, const void *values,
                                     size_t size, uint64_t row, uint32_t n,
                                     struct fusor_error *err)
{
    for (int part = 0; part < ROW_PARTS; part++) {
        uint32_t to = 0;

        if (!o->parts[part])
            continue;
        for (uint32_t r = 0; r < n; r++)
            if (goes_to(p, row + r, part))
                memcpy(o->bytes + size * to++, (const char *)values + size * r,
                       size);
        FUSOR_TRY(part_add(o->parts[part], column, o->bytes, to, err));
    }
    return FUSOR_OK;
}

static size_t value_bytes(const struct column_spec *s)
{
    return s->type == COLUMN_F32                            ? 4 * s->width
           : s->type == COLUMN_U64 || s->type == COLUMN_I64 ? 8
                                                            : 4;
}

static const uint32_t *final_of(const struct prep *p, size_t column)
{
    for (uint32_t i = 0; i < p->n_fields; i++) {
        const struct prep_field *f = &p->fields[i];

        if (f->stage == (int)column)
            return f->vocab >= 0 ? p->vocabs[f->vocab].final : NULL;
    }
    return NULL;
}

static enum fusor_status write_group(struct prep *p, struct outputs *o,
                                     uint64_t row, uint32_t n,
                                     struct fusor_error *err)
{
    for (size_t c = 0; c < o->fold; c++) {
        struct stage_column *col = stage_column(p->stage, c);

        if (col->spec.type == COLUMN_LIST) {
            make_final(col->values, col->n_values, final_of(p, c));
            FUSOR_TRY(write_lists(p, o, c, row, n, err));
            continue;
        }
        if (col->spec.type == COLUMN_U32)
            make_final(col->fixed, n, final_of(p, c));
        FUSOR_TRY(write_plain(p, o, c, col->fixed, value_bytes(&col->spec), row,
                              n, err));
    }
    if (!p->split.n_folds)
        return FUSOR_OK;
    return write_plain(p, o, o->fold, p->facts.part + row, 1, row, n, err);
}

/* One column of a test row that is no row of the data: its two keys are known,
 * it is the last thing that happened, and as good as the best train row. */
static enum fusor_status write_added_column(struct prep *p,
                                            struct part_writer *w, size_t c,
                                            const struct split_pair *pair,
                                            struct fusor_error *err)
{
    const struct column_spec *s = &stage_column(p->stage, c)->spec;
    const uint32_t *final = final_of(p, c);
    float x = (float)(c == (size_t)p->stage_label ? p->label_stats.max : NAN);
    uint64_t id64 = BATCH_NO_ID;
    uint32_t id = MISSING_U32;

    if (c == (size_t)p->stage_weight && p->has_weight)
        x = 1;
    for (int side = 0; side < 2; side++)
        if ((size_t)p->fields[p->sides[side].key].stage == c)
            id = final[side ? pair->item : pair->query];
    switch (s->type) {
    case COLUMN_F32:
        for (uint32_t d = 0; d < s->width; d++)
            ((float *)stage_column(p->stage, c)->fixed)[d] = x;
        return part_add(w, c, stage_column(p->stage, c)->fixed, 1, err);
    case COLUMN_I64:
        return part_add(w, c, &p->last_time, 1, err);
    case COLUMN_U64:
        return part_add(w, c, &id64, 1, err);
    case COLUMN_LIST:
        return part_add_list(w, c, NULL, NULL, 0, err);
    default:
        return part_add(w, c, &id, 1, err);
    }
}

static enum fusor_status write_added(struct prep *p, struct outputs *o,
                                     struct fusor_error *err)
{
    for (size_t i = 0; i < p->split.n_added; i++)
        for (size_t c = 0; c < o->fold; c++)
            FUSOR_TRY(write_added_column(p, o->parts[ROW_TEST], c,
                                         &p->split.added[i], err));
    return FUSOR_OK;
}

static enum fusor_status write_all(struct prep *p, struct outputs *o,
                                   struct fusor_error *err)
{
    uint64_t row = 0;
    uint32_t n;

    FUSOR_TRY(stage_rewind(p->stage, err));
    for (;;) {
        FUSOR_TRY(stage_next(p->stage, &n, err));
        if (n == 0)
            break;
        FUSOR_TRY(write_group(p, o, row, n, err));
        row += n;
    }
    FUSOR_TRY(write_added(p, o, err));
    for (int i = 0; i < ROW_PARTS; i++) {
        struct part_writer *w = o->parts[i];

        o->parts[i] = NULL; // gone either way
        if (w)
            FUSOR_TRY(part_finish(w, err));
    }
    return FUSOR_OK;
}

enum fusor_status prep_write_rows(struct prep *p, struct fusor_error *err)
{
    struct outputs o = {.parts = {NULL}};
    enum fusor_status rc;

    count_parts(p);
    rc = open_outputs(p, &o, err);
    if (rc == FUSOR_OK)
        rc = write_all(p, &o, err);
    for (int i = 0; i < ROW_PARTS; i++)
        part_abandon(o.parts[i]);
    mem_free(o.bytes);
    return rc;
}

/* Candidates of one test row. */
static enum fusor_status write_list_of(struct prep *p, struct part_writer *w,
                                       uint32_t query, uint32_t *scratch,
                                       struct fusor_error *err)
{
    const uint32_t *queries =
        final_of(p, (size_t)p->fields[p->sides[0].key].stage);
    const uint32_t *items =
        final_of(p, (size_t)p->fields[p->sides[1].key].stage);
    const struct split_result *r = &p->split;
    uint64_t list = r->list_of[query], n = 0;

    for (uint64_t i = list ? r->lists[list - 1] : 0; list && i < r->lists[list];
         i++)
        scratch[n++] = items[r->candidates[i]];
    p->schema->candidates_hash =
        hash_bytes(scratch, n * sizeof(*scratch),
                   hash_mix(p->schema->candidates_hash + 1));
    FUSOR_TRY(part_add(w, 0, &queries[query], 1, err));
    return part_add_list(w, 1, scratch, NULL, n, err);
}

static enum fusor_status write_lists_of(struct prep *p, struct part_writer *w,
                                        uint32_t *scratch,
                                        struct fusor_error *err)
{
    for (uint64_t row = 0, at = 0; row < p->facts.n; row++) {
        if (p->facts.part[row] == ROW_DROPPED)
            continue;
        // Facts have no gaps; part[] has.
        if (p->facts.part[row] == ROW_TEST)
            FUSOR_TRY(write_list_of(p, w, p->facts.query[at], scratch, err));
        at++;
    }
    for (size_t i = 0; i < p->split.n_added; i++)
        FUSOR_TRY(write_list_of(p, w, p->split.added[i].query, scratch, err));
    return FUSOR_OK;
}

enum fusor_status prep_write_candidates(struct prep *p, struct fusor_error *err)
{
    struct column_spec specs[2] = {{"", COLUMN_U32, 1, 0},
                                   {"candidates", COLUMN_LIST, 1, 0}};
    struct part_writer *w = NULL;
    char path[FS_PATH_MAX];
    enum fusor_status rc;
    uint32_t *scratch;

    fs_join(path, p->options->out, "candidates.part");
    if (!p->split.list_of || p->report->rows[ROW_TEST] == 0)
        return fs_remove_tree(path, err);
    memcpy(specs[0].name, p->fields[p->sides[0].key].spec.name, FIELD_NAME_MAX);
    scratch = mem_alloc_raw(p->split.n_candidates, sizeof(*scratch));
    if (!scratch)
        return mem_fail(err, path, p->split.n_candidates * 4);
    rc = part_create(path, specs, 2, &w, err);
    if (rc == FUSOR_OK)
        rc = write_lists_of(p, w, scratch, err);
    if (rc == FUSOR_OK)
        rc = part_finish(w, err);
    else
        part_abandon(w);
    mem_free(scratch);
    return rc;
}
