/* Parts are read whole, checked, and written again without a query's rows. The
 * vocabulary, which knows the id, comes last: what was interrupted before can
 * be done again. */
#include "data/privacy_forget.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/fs.h"
#include "base/hash.h"
#include "base/mem.h"
#include "data/part.h"

/* One part on its way to its new form. */
struct rewrite {
    const struct part *from;
    struct part_writer *to;
    uint32_t id;
    const uint32_t *keys; // [rows] of the key's column, or NULL: side table
    int blank;            // keep the row of number id, without values
    uint64_t removed, mentions;
    uint32_t *list; // scratch, [longest]
    float *weights;
    uint64_t longest;
};

static int is_of_user(const struct rewrite *w, uint64_t row)
{
    return w->keys ? w->keys[row] == w->id : w->blank && row == w->id;
}

/* Does this column hold ids of the same vocabulary? */
static int shares_ids(const struct schema *s, const char *column)
{
    const struct schema_field *key = &s->fields[s->query_key];
    int i = schema_find(s, column);

    return i >= 0 && s->fields[i].vocab_name[0] &&
           !strcmp(s->fields[i].vocab_name, key->vocab_name);
}

static enum fusor_status write_list(struct rewrite *w, size_t c,
                                    const struct column_view *v, uint64_t row,
                                    int shares, struct fusor_error *err)
{
    uint64_t from = v->u64[row], end = v->u64[row + 1];
    size_t n = 0;

    if (is_of_user(w, row))
        end = from;
    for (uint64_t i = from; i < end; i++) {
        if (shares && v->u32[i] == w->id) {
            w->mentions++;
            continue;
        }
        w->list[n] = v->u32[i];
        w->weights[n++] = v->weights ? v->weights[i] : 1;
    }
    return part_add_list(w->to, c, w->list, v->weights ? w->weights : NULL, n,
                         err);
}

/* A value that says "missing", as wide as any plain one. */
static const void *missing_value(const struct column_view *v, float *numbers)
{
    static const uint64_t no_id = BATCH_NO_ID; // its half is no id either

    if (v->spec.type != COLUMN_F32)
        return &no_id;
    for (uint32_t d = 0; d < v->spec.width; d++)
        numbers[d] = NAN;
    return numbers;
}

static const void *value_at(const struct column_view *v, uint64_t row)
{
    switch (v->spec.type) {
    case COLUMN_F32:
        return v->f32 + row * v->spec.width;
    case COLUMN_U8:
        return v->u8 + row;
    case COLUMN_U32:
        return v->u32 + row;
    case COLUMN_U64:
        return v->u64 + row;
    default:
        return v->i64 + row;
    }
}

static enum fusor_status write_row(struct rewrite *w, size_t c, uint64_t row,
                                   int shares, float *numbers,
                                   struct fusor_error *err)
{
    static const uint32_t unknown = VOCAB_UNKNOWN;
    const struct column_view *v = part_column(w->from, c);
    const void *value;

    if (is_of_user(w, row) && !w->blank)
        return FUSOR_OK;
    if (v->spec.type == COLUMN_LIST)
        return write_list(w, c, v, row, shares, err);
    value = is_of_user(w, row) ? missing_value(v, numbers) : value_at(v, row);
    if (shares && v->spec.type == COLUMN_U32 &&
        *(const uint32_t *)value == w->id) {
        value = &unknown;
        w->mentions++;
    }
    return part_add(w->to, c, value, 1, err);
}

/* Rows that stay, as many at once as stand together. */
static enum fusor_status write_runs(struct rewrite *w, size_t c,
                                    const struct column_view *v,
                                    struct fusor_error *err)
{
    uint64_t n = part_rows(w->from), first = 0, end;

    for (; first < n; first = end + 1) {
        for (end = first; end < n && !is_of_user(w, end);)
            end++;
        if (end > first)
            FUSOR_TRY(part_add(w->to, c, value_at(v, first), end - first, err));
    }
    return FUSOR_OK;
}

static enum fusor_status write_column(struct rewrite *w, const struct schema *s,
                                      size_t c, struct fusor_error *err)
{
    const struct column_view *v = part_column(w->from, c);
    int shares = shares_ids(s, v->spec.name) && v->u32 != w->keys;
    enum fusor_status rc = FUSOR_OK;
    float *numbers;

    if (v->spec.type != COLUMN_LIST && !shares && !w->blank)
        return write_runs(w, c, v, err);
    numbers = mem_alloc(v->spec.width, sizeof(*numbers));
    if (!numbers)
        return mem_fail(err, v->spec.name, v->spec.width * sizeof(*numbers));
    for (uint64_t row = 0; rc == FUSOR_OK && row < part_rows(w->from); row++)
        rc = write_row(w, c, row, shares, numbers, err);
    mem_free(numbers);
    return rc;
}

static enum fusor_status make_scratch(struct rewrite *w,
                                      struct fusor_error *err)
{
    for (size_t c = 0; c < part_columns(w->from); c++) {
        const struct column_view *v = part_column(w->from, c);

        for (uint64_t r = 0;
             v->spec.type == COLUMN_LIST && r < part_rows(w->from); r++)
            if (v->u64[r + 1] - v->u64[r] > w->longest)
                w->longest = v->u64[r + 1] - v->u64[r];
    }
    w->list = mem_alloc(w->longest, sizeof(*w->list));
    w->weights = mem_alloc(w->longest, sizeof(*w->weights));
    return w->list && w->weights ? FUSOR_OK
                                 : mem_fail(err, "lists", w->longest * 8);
}

static int needs_rewrite(const struct rewrite *w, const struct schema *s)
{
    if (w->blank)
        return w->id < part_rows(w->from);
    for (size_t c = 0; c < part_columns(w->from); c++) {
        const struct column_view *v = part_column(w->from, c);
        uint64_t n = v->spec.type == COLUMN_LIST  ? v->n_values
                     : v->spec.type == COLUMN_U32 ? part_rows(w->from)
                                                  : 0;

        for (uint64_t i = 0; shares_ids(s, v->spec.name) && i < n; i++)
            if (v->u32[i] == w->id)
                return 1;
    }
    return 0;
}

static enum fusor_status write_part(struct rewrite *w, const struct schema *s,
                                    const char *path, struct fusor_error *err)
{
    struct column_spec specs[SCHEMA_MAX_FIELDS + 4];
    size_t n = part_columns(w->from);
    enum fusor_status rc;

    if (n > sizeof(specs) / sizeof(specs[0]))
        return fusor_fail(err, FUSOR_EDATA, "%s: %zu columns", path, n);
    for (size_t c = 0; c < n; c++)
        specs[c] = part_column(w->from, c)->spec;
    FUSOR_TRY(make_scratch(w, err));
    FUSOR_TRY(part_create(path, specs, n, &w->to, err));
    rc = FUSOR_OK;
    for (size_t c = 0; rc == FUSOR_OK && c < n; c++)
        rc = write_column(w, s, c, err);
    if (rc == FUSOR_OK)
        return part_finish(w->to, err);
    part_abandon(w->to);
    return rc;
}

/* XXH3 of the lists, as prepare chains it. */
static uint64_t hash_lists(const struct part *p)
{
    const struct column_view *v = part_find(p, "candidates");
    uint64_t hash = 0;

    for (uint64_t row = 0; v && row < part_rows(p); row++)
        hash = hash_bytes(v->u32 + v->u64[row],
                          (v->u64[row + 1] - v->u64[row]) * sizeof(*v->u32),
                          hash_mix(hash + 1));
    return hash;
}

/* @param left set to the rows that stay; 0 when there is no such file */
static enum fusor_status clean_part(const char *dir, const char *name,
                                    const struct schema *s, uint32_t id,
                                    uint64_t *left, uint64_t *removed,
                                    struct forget_report *out,
                                    struct fusor_error *err)
{
    const char *key = s->fields[s->query_key].spec.name;
    struct rewrite w = {.id = id, .blank = !strcmp(name, "query.part")};
    const struct column_view *keys;
    struct part *p = NULL;
    char path[FS_PATH_MAX];
    enum fusor_status rc;

    *left = 0;
    if (!fs_exists(fs_join(path, dir, name)))
        return FUSOR_OK;
    FUSOR_TRY(part_open(path, &p, err));
    w.from = p;
    keys = part_find(p, key);
    w.keys = keys && keys->spec.type == COLUMN_U32 ? keys->u32 : NULL;
    for (uint64_t row = 0; w.keys && row < part_rows(p); row++)
        w.removed += w.keys[row] == id;
    *left = part_rows(p) - w.removed;
    *removed += w.removed;
    rc = FUSOR_OK;
    if (needs_rewrite(&w, s)) {
        rc = write_part(&w, s, path, err);
        out->files++;
        out->mentions += w.mentions;
    }
    mem_free(w.list);
    mem_free(w.weights);
    part_close(p);
    return rc;
}

static enum fusor_status clean_candidates(const char *dir, struct schema *s,
                                          uint32_t id,
                                          struct forget_report *out,
                                          struct fusor_error *err)
{
    struct part *p = NULL;
    char path[FS_PATH_MAX];
    uint64_t left;

    FUSOR_TRY(clean_part(dir, "candidates.part", s, id, &left, &out->candidates,
                         out, err));
    if (!fs_exists(fs_join(path, dir, "candidates.part")))
        return FUSOR_OK;
    FUSOR_TRY(part_open(path, &p, err));
    s->candidates_hash = hash_lists(p);
    part_close(p);
    return FUSOR_OK;
}

static enum fusor_status clean_vocab(const char *dir, const struct schema *s,
                                     uint32_t id, struct fusor_error *err)
{
    char path[FS_PATH_MAX], file[FIELD_NAME_MAX + 8];
    struct vocab *old = NULL, *fresh = NULL;
    enum fusor_status rc;

    snprintf(file, sizeof(file), "%s.vocab",
             s->fields[s->query_key].vocab_name);
    FUSOR_TRY(vocab_read(fs_join(path, dir, file), &old, err));
    fresh = vocab_create(err);
    rc = fresh ? FUSOR_OK : FUSOR_ENOMEM;
    for (uint32_t i = 1; rc == FUSOR_OK && i < vocab_size(old); i++) {
        size_t n;
        const char *text = vocab_text(old, i, &n);

        if (vocab_append(fresh, text, i == id ? 0 : n) == UINT32_MAX)
            rc = mem_fail(err, path, n);
    }
    if (rc == FUSOR_OK)
        rc = vocab_write(fresh, path, err);
    vocab_destroy(old);
    vocab_destroy(fresh);
    return rc;
}

enum fusor_status forget_find(const char *dir, const struct schema *s,
                              const char *user, const char *hash_ids,
                              uint32_t *id, struct fusor_error *err)
{
    char path[FS_PATH_MAX], file[FIELD_NAME_MAX + 8];
    char hidden[PRIVACY_DIGITS + 1];
    struct vocab *v = NULL;

    if (s->query_key < 0 || !s->fields[s->query_key].vocab_name[0])
        return fusor_fail(err, FUSOR_EUSAGE,
                          "%s: its schema names no users: no key on the query "
                          "side",
                          dir);
    FUSOR_TRY(privacy_lookup(hash_ids, s->ids_check, user, strlen(user), hidden,
                             err));
    snprintf(file, sizeof(file), "%s.vocab",
             s->fields[s->query_key].vocab_name);
    FUSOR_TRY(vocab_read(fs_join(path, dir, file), &v, err));
    *id = hidden[0] ? vocab_find(v, hidden, PRIVACY_DIGITS)
                    : vocab_find(v, user, strlen(user));
    vocab_destroy(v);
    if (*id == VOCAB_UNKNOWN)
        return fusor_fail(err, FUSOR_EUSAGE, "%s: there is no %s \"%.60s\"",
                          dir, s->fields[s->query_key].spec.name, user);
    return FUSOR_OK;
}

enum fusor_status forget_query(const char *dir, struct schema *s, uint32_t id,
                               struct forget_report *out,
                               struct fusor_error *err)
{
    uint64_t all, none = 0;

    memset(out, 0, sizeof(*out));
    if (s->n_folds)
        FUSOR_TRY(clean_part(dir, "rows.part", s, id, &s->n_train, &out->rows,
                             out, err));
    else
        FUSOR_TRY(clean_part(dir, "train.part", s, id, &s->n_train, &out->rows,
                             out, err));
    FUSOR_TRY(clean_part(dir, "valid.part", s, id, &s->n_valid, &out->rows, out,
                         err));
    FUSOR_TRY(
        clean_part(dir, "test.part", s, id, &s->n_test, &out->rows, out, err));
    FUSOR_TRY(clean_candidates(dir, s, id, out, err));
    FUSOR_TRY(clean_part(dir, "query.part", s, id, &all, &none, out, err));
    FUSOR_TRY(clean_part(dir, "item.part", s, id, &all, &none, out, err));
    FUSOR_TRY(schema_write(s, dir, err));
    FUSOR_TRY(clean_vocab(dir, s, id, err));
    out->files += 2;
    return FUSOR_OK;
}
