/* Groups of rows in an unnamed file. A group is its number of rows, then for
 * each column its values; of lists the number of values first. */
#include "data/stage.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/fs.h"
#include "base/mem.h"
#include "data/part_layout.h"

struct stage {
    char path[FS_PATH_MAX];
    int fd;
    uint64_t at; // in the file: where the next group is
    uint64_t end;
    uint64_t n_rows;
    uint32_t n; // rows of the group at hand
    size_t n_columns;
    struct stage_column *columns;
};

static size_t fixed_bytes(const struct stage_column *c)
{
    return part_value_bytes(c->spec.type, c->spec.width);
}

static enum fusor_status open_unnamed(struct stage *s, const char *path,
                                      struct fusor_error *err)
{
    int n = snprintf(s->path, sizeof(s->path), "%s.stage", path);

    if (n < 0 || n >= (int)sizeof(s->path))
        return fusor_fail(err, FUSOR_EINVAL, "path too long: %s", path);
    s->fd = open(s->path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (s->fd < 0)
        return fusor_fail(err, FUSOR_EIO, "cannot write %s: %s", s->path,
                          strerror(errno));
    unlink(s->path);
    return FUSOR_OK;
}

enum fusor_status stage_create(const char *path,
                               const struct column_spec *specs, size_t n,
                               struct stage **out, struct fusor_error *err)
{
    struct stage *s = mem_alloc(1, sizeof(*s));
    enum fusor_status rc;

    if (!s)
        return mem_fail(err, path, sizeof(*s));
    s->fd = -1;
    s->columns = mem_alloc(n, sizeof(*s->columns));
    rc = s->columns ? open_unnamed(s, path, err)
                    : mem_fail(err, path, n * sizeof(*s->columns));
    for (size_t c = 0; c < n && rc == FUSOR_OK; c++) {
        s->columns[c].spec = specs[c];
        s->columns[c].fixed =
            mem_alloc(STAGE_GROUP_ROWS, fixed_bytes(&s->columns[c]));
        s->n_columns++;
        if (!s->columns[c].fixed)
            rc = mem_fail(err, path,
                          STAGE_GROUP_ROWS * fixed_bytes(&s->columns[c]));
    }
    if (rc == FUSOR_OK)
        *out = s;
    else
        stage_destroy(s);
    return rc;
}

void stage_destroy(struct stage *s)
{
    if (!s)
        return;
    for (size_t c = 0; c < s->n_columns; c++) {
        mem_free(s->columns[c].fixed);
        mem_free(s->columns[c].values);
        mem_free(s->columns[c].weights);
    }
    if (s->fd >= 0)
        close(s->fd);
    mem_free(s->columns);
    mem_free(s);
}

void stage_put(struct stage *s, size_t column, const void *value)
{
    struct stage_column *c = &s->columns[column];
    size_t n = fixed_bytes(c);

    memcpy((char *)c->fixed + s->n * n, value, n);
}

static enum fusor_status room_for(struct stage *s, struct stage_column *c,
                                  size_t n, struct fusor_error *err)
{
    size_t cap = c->values_cap ? c->values_cap : 1024;
    void *fresh;

    if (n > UINT32_MAX / 2)
        return fusor_fail(err, FUSOR_EDATA, "column %s: lists too long",
                          c->spec.name);
    while (cap < n)
        cap *= 2;
    if (cap > c->values_cap) {
        fresh = mem_grow(c->values, c->values_cap, cap, sizeof(*c->values));
        if (!fresh)
            return mem_fail(err, s->path, cap * sizeof(*c->values));
        c->values = fresh;
        c->values_cap = cap;
    }
    if (c->spec.weighted && cap > c->weights_cap) {
        fresh = mem_grow(c->weights, c->weights_cap, cap, sizeof(*c->weights));
        if (!fresh)
            return mem_fail(err, s->path, cap * sizeof(*c->weights));
        c->weights = fresh;
        c->weights_cap = cap;
    }
    return FUSOR_OK;
}

enum fusor_status stage_put_list(struct stage *s, size_t column,
                                 const uint32_t *values, const float *weights,
                                 size_t n, struct fusor_error *err)
{
    struct stage_column *c = &s->columns[column];

    FUSOR_TRY(room_for(s, c, c->n_values + n, err));
    if (n)
        memcpy(c->values + c->n_values, values, n * sizeof(*values));
    if (n && c->spec.weighted)
        memcpy(c->weights + c->n_values, weights, n * sizeof(*weights));
    c->n_values += (uint32_t)n;
    ((uint32_t *)c->fixed)[s->n] = c->n_values;
    return FUSOR_OK;
}

static enum fusor_status append(struct stage *s, const void *p, size_t n,
                                struct fusor_error *err)
{
    FUSOR_TRY(fs_pwrite(s->fd, p, n, s->at, s->path, err));
    s->at += n;
    return FUSOR_OK;
}

static enum fusor_status flush(struct stage *s, struct fusor_error *err)
{
    if (s->n == 0)
        return FUSOR_OK;
    FUSOR_TRY(append(s, &s->n, sizeof(s->n), err));
    for (size_t i = 0; i < s->n_columns; i++) {
        struct stage_column *c = &s->columns[i];

        FUSOR_TRY(append(s, c->fixed, s->n * fixed_bytes(c), err));
        if (c->spec.type != COLUMN_LIST)
            continue;
        FUSOR_TRY(append(s, &c->n_values, sizeof(c->n_values), err));
        FUSOR_TRY(append(s, c->values, c->n_values * sizeof(*c->values), err));
        if (c->spec.weighted)
            FUSOR_TRY(
                append(s, c->weights, c->n_values * sizeof(*c->weights), err));
        c->n_values = 0;
    }
    s->n = 0;
    return FUSOR_OK;
}

enum fusor_status stage_end_row(struct stage *s, struct fusor_error *err)
{
    s->n_rows++;
    return ++s->n == STAGE_GROUP_ROWS ? flush(s, err) : FUSOR_OK;
}

enum fusor_status stage_rewind(struct stage *s, struct fusor_error *err)
{
    if (s->end == 0) { // what is in memory has not been written yet
        FUSOR_TRY(flush(s, err));
        s->end = s->at;
    }
    s->at = 0;
    s->n = 0;
    return FUSOR_OK;
}

static enum fusor_status take(struct stage *s, void *p, size_t n,
                              struct fusor_error *err)
{
    FUSOR_TRY(fs_pread(s->fd, p, n, s->at, s->path, err));
    s->at += n;
    return FUSOR_OK;
}

enum fusor_status stage_next(struct stage *s, uint32_t *n_rows,
                             struct fusor_error *err)
{
    *n_rows = 0;
    if (s->at == s->end)
        return FUSOR_OK;
    FUSOR_TRY(take(s, &s->n, sizeof(s->n), err));
    for (size_t i = 0; i < s->n_columns; i++) {
        struct stage_column *c = &s->columns[i];

        FUSOR_TRY(take(s, c->fixed, s->n * fixed_bytes(c), err));
        if (c->spec.type != COLUMN_LIST)
            continue;
        FUSOR_TRY(take(s, &c->n_values, sizeof(c->n_values), err));
        FUSOR_TRY(room_for(s, c, c->n_values, err));
        FUSOR_TRY(take(s, c->values, c->n_values * sizeof(*c->values), err));
        if (c->spec.weighted)
            FUSOR_TRY(
                take(s, c->weights, c->n_values * sizeof(*c->weights), err));
    }
    *n_rows = s->n;
    return FUSOR_OK;
}

struct stage_column *stage_column(struct stage *s, size_t i)
{
    return &s->columns[i];
}

uint64_t stage_rows(const struct stage *s)
{
    return s->n_rows;
}
