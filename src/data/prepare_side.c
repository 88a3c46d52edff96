/* Side tables: values by key id in memory, then columns in id order. */
#include <math.h>
#include <string.h>

#include "base/fs.h"
#include "base/mem.h"
#include "data/prepare_private.h"

static void *grow_to(void *old, size_t n, size_t cap, size_t size, int wanted,
                     int *failed)
{
    void *fresh = wanted ? mem_grow(old, n, cap, size) : NULL;

    *failed |= wanted && !fresh;
    return fresh ? fresh : old;
}

static void fill_missing(struct prep_field *f, size_t from, size_t to)
{
    struct side_values *v = &f->side;

    for (size_t id = from; id < to; id++) {
        if (v->ids)
            v->ids[id] = MISSING_U32;
        if (v->ids64)
            v->ids64[id] = BATCH_NO_ID;
        for (uint32_t d = 0; v->numbers && d < f->spec.width; d++)
            v->numbers[id * f->spec.width + d] = NAN;
    }
}

static int grow_values(struct prep_field *f, size_t n, size_t cap)
{
    struct side_values *v = &f->side;
    enum column_type type = f->spec.type;
    int failed = 0;

    v->numbers = grow_to(v->numbers, n, cap, f->spec.width * sizeof(float),
                         type == COLUMN_F32, &failed);
    v->ids = grow_to(v->ids, n, cap, 4, type == COLUMN_U32, &failed);
    v->ids64 = grow_to(v->ids64, n, cap, 8, type == COLUMN_U64, &failed);
    v->start = grow_to(v->start, n, cap, 8, type == COLUMN_LIST, &failed);
    v->n = grow_to(v->n, n, cap, 4, type == COLUMN_LIST, &failed);
    if (!failed)
        fill_missing(f, n, cap);
    return failed;
}

enum fusor_status prep_side_reserve(struct prep *p, struct prep_side *s,
                                    uint32_t id, struct fusor_error *err)
{
    enum field_side side = s == &p->sides[1] ? SIDE_ITEM : SIDE_QUERY;
    size_t cap = s->cap ? s->cap : 1024;
    int failed = 0;

    if (id < s->cap)
        return FUSOR_OK;
    while (cap <= id)
        cap *= 2;
    s->seen = grow_to(s->seen, s->cap, cap, 1, 1, &failed);
    s->names_start = grow_to(s->names_start, s->cap, cap, 8, 1, &failed);
    s->names_n = grow_to(s->names_n, s->cap, cap, 4, 1, &failed);
    for (uint32_t i = 0; i < p->n_fields; i++) {
        struct prep_field *f = &p->fields[i];

        if (f->source->side == side && f->place != PLACE_ROW)
            failed |= grow_values(f, s->cap, cap);
    }
    if (failed)
        return mem_fail(err, "side table", cap * 16);
    s->cap = cap;
    return FUSOR_OK;
}

static enum fusor_status store_list(struct prep_field *f, uint32_t id,
                                    struct fusor_error *err)
{
    struct side_values *v = &f->side;

    v->start[id] = v->n_list;
    v->n[id] = (uint32_t)f->value.n;
    for (size_t i = 0; i < f->value.n; i++) {
        void *list = v->list, *weights = v->weights;

        if (mem_reserve(&list, v->n_list, &v->list_cap, sizeof(*v->list)))
            return mem_fail(err, f->spec.name, 2 * v->list_cap * 4);
        v->list = list;
        if (mem_reserve(&weights, v->n_list, &v->weights_cap,
                        sizeof(*v->weights)))
            return mem_fail(err, f->spec.name, 2 * v->weights_cap * 4);
        v->weights = weights;
        v->list[v->n_list] = f->value.list[i];
        v->weights[v->n_list++] = f->value.weights[i];
    }
    return FUSOR_OK;
}

enum fusor_status prep_side_store(struct prep_field *f, uint32_t id,
                                  struct fusor_error *err)
{
    struct side_values *v = &f->side;

    if (f->spec.type == COLUMN_LIST)
        return store_list(f, id, err);
    if (v->numbers)
        memcpy(v->numbers + (size_t)id * f->spec.width, f->value.numbers,
               f->spec.width * sizeof(float));
    if (v->ids)
        v->ids[id] = f->value.id;
    if (v->ids64)
        v->ids64[id] = f->value.id64;
    return FUSOR_OK;
}

void prep_side_name(struct prep_side *s, uint32_t id, const struct cell *cell)
{
    s->names_start[id] = s->names.len;
    s->names_n[id] = (uint32_t)cell->n;
    strbuf_add_n(&s->names, cell->text, cell->n);
}

/* @return 0 when the row is good */
static int check_side_row(struct prep *p, const struct prep_side *s,
                          const struct table_row *row, enum bad_cause *cause,
                          const char **what, uint32_t *column)
{
    enum field_side side = s == &p->sides[1] ? SIDE_ITEM : SIDE_QUERY;
    const struct cell *key = &row->cells[s->key_column];

    if (p->source.spec.catalogue && key->n == 0) {
        *cause = BAD_MISSING;
        *what = p->fields[s->key].spec.name;
        *column = key->column;
        return -1;
    }
    for (uint32_t i = 0; i < p->n_fields; i++) {
        struct prep_field *f = &p->fields[i];
        int rc;

        if (f->place != PLACE_SIDE_FILE || f->source->side != side)
            continue;
        rc = prep_value_check(f, &row->cells[f->side_column]);
        if (rc >= 0) {
            *cause = (enum bad_cause)rc;
            *what = f->spec.name;
            *column = row->cells[f->side_column].column;
            return -1;
        }
    }
    return 0;
}

static enum fusor_status take_side_row(struct prep *p, struct prep_side *s,
                                       const struct table_row *row, uint32_t id,
                                       struct fusor_error *err)
{
    enum field_side side = s == &p->sides[1] ? SIDE_ITEM : SIDE_QUERY;

    FUSOR_TRY(prep_side_reserve(p, s, id, err));
    for (uint32_t i = 0; i < p->n_fields; i++) {
        struct prep_field *f = &p->fields[i];
        const struct cell *cell;

        if (f->place != PLACE_SIDE_FILE || f->source->side != side)
            continue;
        cell = &row->cells[f->side_column];
        FUSOR_TRY(prep_value_encode(p, f, cell, err));
        FUSOR_TRY(prep_side_store(f, id, err));
    }
    if (s->names_column >= 0)
        prep_side_name(s, id, &row->cells[s->names_column]);
    return s->names.failed ? mem_fail(err, "names", 0) : FUSOR_OK;
}

/* A catalogue gives ids, other side tables only add to those of the rows. */
static enum fusor_status side_id(const struct prep *p, struct vocab *keys,
                                 const struct cell *key, uint32_t *id,
                                 struct fusor_error *err)
{
    *id = p->source.spec.catalogue ? vocab_add(keys, key->text, key->n)
                                   : vocab_find(keys, key->text, key->n);
    return *id == UINT32_MAX ? mem_fail(err, "keys", key->n) : FUSOR_OK;
}

enum fusor_status prep_side_read_file(struct prep *p, struct prep_side *s,
                                      struct fusor_error *err)
{
    struct vocab *keys = prep_key_vocab(p, s == &p->sides[1]);
    struct table_row row = {0};
    int end = 0;

    while (s->table) {
        const char *what = "";
        enum bad_cause cause;
        uint32_t id;

        FUSOR_TRY(table_next(s->table, &row, &end, err));
        if (end)
            break;
        cause = BAD_FORMAT;
        what = row.fault;
        if (row.fault ||
            check_side_row(p, s, &row, &cause, &what, &row.fault_column)) {
            FUSOR_TRY(prep_bad_row(p, s->table->path, row.line,
                                   row.fault_column, cause, what, err));
            continue;
        }
        FUSOR_TRY(side_id(p, keys, &row.cells[s->key_column], &id, err));
        if (id == VOCAB_UNKNOWN)
            p->report->side_unused++;
        else
            FUSOR_TRY(take_side_row(p, s, &row, id, err));
    }
    return FUSOR_OK;
}

/* Ids of the stage, final[] of them. */
static uint32_t final_id(const struct prep *p, const struct prep_field *f,
                         uint32_t id)
{
    return f->vocab < 0 || id == MISSING_U32 ? id
                                             : p->vocabs[f->vocab].final[id];
}

static enum fusor_status write_list(struct prep *p, struct prep_field *f,
                                    struct part_writer *w, size_t column,
                                    uint32_t id, struct fusor_error *err)
{
    struct side_values *v = &f->side;
    uint32_t *list = v->list ? v->list + v->start[id] : NULL;

    for (uint32_t i = 0; i < v->n[id]; i++)
        list[i] = final_id(p, f, list[i]); // each value is written once
    return part_add_list(
        w, column, list,
        f->spec.weighted && v->n[id] ? v->weights + v->start[id] : NULL,
        v->n[id], err);
}

static enum fusor_status write_field(struct prep *p, struct prep_field *f,
                                     struct part_writer *w, size_t column,
                                     uint32_t id, struct fusor_error *err)
{
    struct side_values *v = &f->side;
    uint32_t code;

    switch (f->spec.type) {
    case COLUMN_F32:
        return part_add(w, column, v->numbers + (size_t)id * f->spec.width, 1,
                        err);
    case COLUMN_U64:
        return part_add(w, column, v->ids64 + id, 1, err);
    case COLUMN_U32:
        code = final_id(p, f, v->ids[id]);
        return part_add(w, column, &code, 1, err);
    default:
        return write_list(p, f, w, column, id, err);
    }
}

/* Old ids of the key in the order of the final ones; row 0 has no values. */
static enum fusor_status write_rows(struct prep *p, struct prep_side *s,
                                    struct prep_field *const *fields, size_t n,
                                    struct part_writer *w,
                                    struct fusor_error *err)
{
    const struct prep_vocab *keys = &p->vocabs[p->fields[s->key].vocab];
    uint32_t n_old = vocab_size(keys->vocab);

    for (uint32_t id = 0; id < n_old; id++) {
        if (id && !keys->final[id])
            continue;
        for (size_t c = 0; c < n; c++)
            FUSOR_TRY(write_field(p, fields[c], w, c, id, err));
    }
    return FUSOR_OK;
}

enum fusor_status prep_side_write(struct prep *p, struct prep_side *s,
                                  const char *file, struct fusor_error *err)
{
    enum field_side side = s == &p->sides[1] ? SIDE_ITEM : SIDE_QUERY;
    struct prep_field *fields[SCHEMA_MAX_FIELDS];
    struct column_spec specs[SCHEMA_MAX_FIELDS];
    struct part_writer *w;
    char path[FS_PATH_MAX];
    enum fusor_status rc;
    size_t n = 0;

    fs_join(path, p->options->out, file);
    for (uint32_t i = 0; i < p->n_fields; i++) {
        struct prep_field *f = &p->fields[i];

        if (f->source->side != side || f->place == PLACE_ROW)
            continue;
        fields[n] = f;
        specs[n++] = f->spec;
    }
    if (n == 0)
        return fs_remove_tree(path, err); // an older run's
    FUSOR_TRY(prep_side_reserve(
        p, s, vocab_size(prep_key_vocab(p, side == SIDE_ITEM)) - 1, err));
    FUSOR_TRY(part_create(path, specs, n, &w, err));
    rc = write_rows(p, s, fields, n, w, err);
    if (rc == FUSOR_OK)
        return part_finish(w, err);
    part_abandon(w);
    return rc;
}

static enum fusor_status append_names(const struct prep *p,
                                      const struct prep_side *s,
                                      struct vocab *names,
                                      struct fusor_error *err)
{
    const struct prep_vocab *keys = &p->vocabs[p->fields[s->key].vocab];
    uint32_t n_old = vocab_size(keys->vocab);

    for (uint32_t id = 1; id < n_old; id++) {
        const char *text = "";
        size_t n = 0;

        if (!keys->final[id])
            continue;
        if (id < s->cap && s->names_n[id]) {
            text = s->names.s + s->names_start[id];
            n = s->names_n[id];
        }
        if (vocab_append(names, text, n) == UINT32_MAX)
            return mem_fail(err, "names", n);
    }
    return FUSOR_OK;
}

enum fusor_status prep_names_write(struct prep *p, struct fusor_error *err)
{
    const struct prep_side *s = &p->sides[1];
    char path[FS_PATH_MAX];
    enum fusor_status rc;
    struct vocab *names;

    if (s->names.failed)
        return mem_fail(err, "names", 0);
    fs_join(path, p->options->out, "item.names");
    if (s->key < 0 || !s->names.len)
        return fs_remove_tree(path, err);
    names = vocab_create(err);
    if (!names)
        return FUSOR_ENOMEM;
    rc = append_names(p, s, names, err);
    if (rc == FUSOR_OK)
        rc = vocab_write(names, path, err);
    vocab_destroy(names);
    return rc;
}

void side_values_clear(struct side_values *v)
{
    mem_free(v->numbers);
    mem_free(v->ids);
    mem_free(v->ids64);
    mem_free(v->start);
    mem_free(v->n);
    mem_free(v->list);
    mem_free(v->weights);
    memset(v, 0, sizeof(*v));
}

void prep_side_clear(struct prep_side *s)
{
    mem_free(s->seen);
    mem_free(s->names_start);
    mem_free(s->names_n);
    strbuf_clear(&s->names);
}
