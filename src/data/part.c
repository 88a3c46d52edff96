/* The writer of part files. Every section grows in a buffer of its own; full
 * buffers go to one spill file beside the target, which has no name any more
 * once it is open, so a killed writer leaves nothing. part_finish() copies the
 * pieces of each section together. Reading is in part_reader.c. */
#include "data/part.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/fs.h"
#include "base/hash.h"
#include "base/mem.h"
#include "data/part_layout.h"

#define PIECE_BYTES 65536u

/* One section while it grows: pieces in the spill file, then the buffer. */
struct growing {
    unsigned char *buffer; // [PIECE_BYTES], NULL until something came
    size_t n;              // bytes in buffer
    uint64_t *pieces;      // spill offsets of the full buffers
    size_t n_pieces, cap;
};

struct growing_column {
    struct column_spec spec;
    struct growing sections[PART_SECTIONS];
    uint64_t n_rows;
    uint64_t n_values; // lists
};

struct part_writer {
    char path[FS_PATH_MAX];
    int spill_fd; // -1 until a buffer is full
    uint64_t spill_bytes;
    size_t n_columns;
    struct growing_column *columns;
};

static enum fusor_status spill_open(struct part_writer *w,
                                    struct fusor_error *err)
{
    char name[FS_PATH_MAX + 8];

    snprintf(name, sizeof(name), "%s.spill", w->path);
    w->spill_fd = open(name, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (w->spill_fd < 0)
        return fusor_fail(err, FUSOR_EIO, "cannot write %s: %s", name,
                          strerror(errno));
    unlink(name);
    return FUSOR_OK;
}

static enum fusor_status spill(struct part_writer *w, struct growing *g,
                               struct fusor_error *err)
{
    void *pieces = g->pieces;

    if (w->spill_fd < 0)
        FUSOR_TRY(spill_open(w, err));
    if (mem_reserve(&pieces, g->n_pieces, &g->cap, sizeof(*g->pieces)))
        return mem_fail(err, w->path, g->cap * 2 * sizeof(*g->pieces));
    g->pieces = pieces;
    FUSOR_TRY(
        fs_pwrite(w->spill_fd, g->buffer, g->n, w->spill_bytes, w->path, err));
    g->pieces[g->n_pieces++] = w->spill_bytes;
    w->spill_bytes += g->n;
    g->n = 0;
    return FUSOR_OK;
}

static enum fusor_status growing_start(struct part_writer *w, struct growing *g,
                                       struct fusor_error *err)
{
    g->buffer = mem_alloc_raw(PIECE_BYTES, 1);
    if (!g->buffer)
        return mem_fail(err, w->path, PIECE_BYTES);
    return FUSOR_OK;
}

static enum fusor_status growing_add(struct part_writer *w, struct growing *g,
                                     const void *p, size_t n,
                                     struct fusor_error *err)
{
    const unsigned char *from = p;

    if (n && !g->buffer)
        FUSOR_TRY(growing_start(w, g, err));
    while (n > 0) {
        size_t room = PIECE_BYTES - g->n, take = n < room ? n : room;

        memcpy(g->buffer + g->n, from, take);
        g->n += take;
        from += take;
        n -= take;
        if (g->n == PIECE_BYTES)
            FUSOR_TRY(spill(w, g, err));
    }
    return FUSOR_OK;
}

static enum fusor_status check_spec(const char *path,
                                    const struct column_spec *s,
                                    struct fusor_error *err)
{
    if (!memchr(s->name, '\0', sizeof(s->name)) || !s->name[0])
        return fusor_fail(err, FUSOR_EINVAL,
                          "%s: a column's name has 1 to %d characters", path,
                          FIELD_NAME_MAX - 1);
    if ((unsigned)s->type > COLUMN_LIST || s->width < 1 ||
        (s->width != 1 && s->type != COLUMN_F32) ||
        (s->weighted && s->type != COLUMN_LIST))
        return fusor_fail(err, FUSOR_EINVAL,
                          "%s: column %s: type %d with width %u is none", path,
                          s->name, (int)s->type, s->width);
    return FUSOR_OK;
}

static enum fusor_status writer_fill(struct part_writer *w, const char *path,
                                     const struct column_spec *specs, size_t n,
                                     struct fusor_error *err)
{
    static const uint64_t zero = 0;

    if (n < 1 || n > PART_MAX_COLUMNS)
        return fusor_fail(err, FUSOR_EINVAL, "%s: %zu columns, 1 to %u allowed",
                          path, n, PART_MAX_COLUMNS);
    if (snprintf(w->path, sizeof(w->path), "%s", path) >= FS_PATH_MAX - 8)
        return fusor_fail(err, FUSOR_EINVAL, "path too long: %s", path);
    w->columns = mem_alloc(n, sizeof(*w->columns));
    if (!w->columns)
        return mem_fail(err, path, n * sizeof(*w->columns));
    w->n_columns = n;
    for (size_t c = 0; c < n; c++) {
        FUSOR_TRY(check_spec(path, &specs[c], err));
        w->columns[c].spec = specs[c];
        if (specs[c].type == COLUMN_LIST)
            FUSOR_TRY(growing_add(w, &w->columns[c].sections[SECTION_OFFSETS],
                                  &zero, sizeof(zero), err));
    }
    return FUSOR_OK;
}

enum fusor_status part_create(const char *path, const struct column_spec *specs,
                              size_t n, struct part_writer **out,
                              struct fusor_error *err)
{
    struct part_writer *w = mem_alloc(1, sizeof(*w));
    enum fusor_status rc;

    if (!w)
        return mem_fail(err, path, sizeof(*w));
    w->spill_fd = -1;
    rc = writer_fill(w, path, specs, n, err);
    if (rc == FUSOR_OK)
        *out = w;
    else
        part_abandon(w);
    return rc;
}

enum fusor_status part_add(struct part_writer *w, size_t column,
                           const void *values, size_t n_rows,
                           struct fusor_error *err)
{
    struct growing_column *c = &w->columns[column];

    if (column >= w->n_columns || c->spec.type == COLUMN_LIST)
        return fusor_fail(err, FUSOR_EINVAL,
                          "%s: column %zu takes no plain values", w->path,
                          column);
    FUSOR_TRY(growing_add(
        w, &c->sections[SECTION_VALUES], values,
        n_rows * part_value_bytes(c->spec.type, c->spec.width), err));
    c->n_rows += n_rows;
    return FUSOR_OK;
}

enum fusor_status part_add_list(struct part_writer *w, size_t column,
                                const uint32_t *values, const float *weights,
                                size_t n, struct fusor_error *err)
{
    struct growing_column *c = &w->columns[column];
    uint64_t end;

    if (column >= w->n_columns || c->spec.type != COLUMN_LIST ||
        (n && !weights != !c->spec.weighted))
        return fusor_fail(err, FUSOR_EINVAL,
                          "%s: column %zu takes no such list", w->path, column);
    end = c->n_values + n;
    FUSOR_TRY(growing_add(w, &c->sections[SECTION_VALUES], values,
                          n * sizeof(*values), err));
    if (weights)
        FUSOR_TRY(growing_add(w, &c->sections[SECTION_WEIGHTS], weights,
                              n * sizeof(*weights), err));
    FUSOR_TRY(
        growing_add(w, &c->sections[SECTION_OFFSETS], &end, sizeof(end), err));
    c->n_values = end;
    c->n_rows++;
    return FUSOR_OK;
}

/* The file that becomes a part, and which rows go into it. */
struct target {
    struct part_writer *w;
    const char *path;
    char beside[FS_PATH_MAX]; // what becomes path by rename
    int fd;
    uint64_t at; // where the next byte goes
    uint64_t first, n_rows;
    unsigned char *copy; // [PIECE_BYTES]
    struct part_entry *directory;
    const struct part_watch *watch;
};

static enum fusor_status put(struct target *t, const void *p, size_t n,
                             struct fusor_error *err)
{
    FUSOR_TRY(fs_pwrite(t->fd, p, n, t->at, t->beside, err));
    t->at += n;
    return FUSOR_OK;
}

static enum fusor_status put_padding(struct target *t, struct fusor_error *err)
{
    static const unsigned char zeros[PART_ALIGN];

    return put(t, zeros, (size_t)(-t->at % PART_ALIGN), err);
}

/* Bytes of a section that all rows of the target take; lists are whole. */
static void section_range(const struct target *t,
                          const struct growing_column *c,
                          const struct growing *g, uint64_t *from, uint64_t *to)
{
    uint64_t bytes = part_value_bytes(c->spec.type, c->spec.width);

    *from = t->first * bytes;
    *to = (t->first + t->n_rows) * bytes;
    if (c->spec.type == COLUMN_LIST) {
        *from = 0;
        *to = (uint64_t)g->n_pieces * PIECE_BYTES + g->n;
    }
}

/* The bytes of a section from `from` on that stand together. */
static enum fusor_status take_piece(struct target *t, const struct growing *g,
                                    uint64_t from, uint64_t to,
                                    const unsigned char **out, size_t *n,
                                    struct fusor_error *err)
{
    uint64_t piece = from / PIECE_BYTES, skip = from % PIECE_BYTES;

    *n = (size_t)(to - from < PIECE_BYTES - skip ? to - from
                                                 : PIECE_BYTES - skip);
    *out = g->buffer + skip;
    if (piece == g->n_pieces)
        return FUSOR_OK;
    *out = t->copy;
    return fs_pread(t->w->spill_fd, t->copy, *n, g->pieces[piece] + skip,
                    t->w->path, err);
}

static enum fusor_status put_section(struct target *t, size_t column,
                                     int section, struct hash_stream *hash,
                                     struct fusor_error *err)
{
    const struct growing_column *c = &t->w->columns[column];
    const struct growing *g = &c->sections[section];
    struct part_extent *extent = &t->directory[column].sections[section];
    const unsigned char *bytes;
    uint64_t from, to;
    size_t n;

    FUSOR_TRY(put_padding(t, err));
    extent->offset = t->at;
    for (section_range(t, c, g, &from, &to); from < to; from += n) {
        FUSOR_TRY(take_piece(t, g, from, to, &bytes, &n, err));
        hash_stream_add(hash, bytes, n);
        if (t->watch && c->spec.type != COLUMN_LIST)
            t->watch->see(t->watch->self, column, bytes, n);
        FUSOR_TRY(put(t, bytes, n, err));
    }
    extent->bytes = t->at - extent->offset;
    extent->hash = hash_stream_value(hash);
    return FUSOR_OK;
}

static enum fusor_status put_column(struct target *t, size_t column,
                                    struct fusor_error *err)
{
    const struct growing_column *c = &t->w->columns[column];
    struct part_entry *e = &t->directory[column];

    strcpy(e->name, c->spec.name);
    e->type = c->spec.type;
    e->width = c->spec.width;
    e->weighted = c->spec.weighted != 0;
    for (int s = 0; s < PART_SECTIONS; s++) {
        struct hash_stream *hash;
        enum fusor_status rc;

        if (!c->sections[s].buffer)
            continue;
        hash = hash_stream_create();
        if (!hash)
            return mem_fail(err, t->path, PIECE_BYTES);
        rc = put_section(t, column, s, hash, err);
        hash_stream_destroy(hash);
        if (rc != FUSOR_OK)
            return rc;
    }
    return FUSOR_OK;
}

static enum fusor_status put_header(struct target *t, struct fusor_error *err)
{
    struct part_header h = {.version = PART_VERSION,
                            .n_rows = t->n_rows,
                            .n_columns = (uint32_t)t->w->n_columns};

    memcpy(h.magic, PART_MAGIC, sizeof(h.magic));
    FUSOR_TRY(put_padding(t, err));
    h.directory_offset = t->at;
    h.directory_bytes = t->w->n_columns * sizeof(*t->directory);
    h.directory_hash = hash_bytes(t->directory, h.directory_bytes, 0);
    h.header_hash =
        hash_bytes(&h, offsetof(struct part_header, header_hash), 0);
    FUSOR_TRY(put(t, t->directory, h.directory_bytes, err));
    return fs_pwrite(t->fd, &h, sizeof(h), 0, t->beside, err);
}

static enum fusor_status check_rows(const struct target *t,
                                    struct fusor_error *err)
{
    const struct growing_column *first = &t->w->columns[0];

    for (size_t i = 0; i < t->w->n_columns; i++) {
        const struct growing_column *c = &t->w->columns[i];

        if (c->n_rows != first->n_rows)
            return fusor_fail(
                err, FUSOR_EINVAL, "%s: column %s has %llu rows, %s has %llu",
                t->w->path, c->spec.name, (unsigned long long)c->n_rows,
                first->spec.name, (unsigned long long)first->n_rows);
        if (t->first > c->n_rows || t->n_rows > c->n_rows - t->first ||
            (c->spec.type == COLUMN_LIST && t->n_rows != c->n_rows))
            return fusor_fail(err, FUSOR_EINVAL,
                              "%s: rows %llu to %llu of %llu cannot be taken "
                              "out",
                              t->path, (unsigned long long)t->first,
                              (unsigned long long)(t->first + t->n_rows),
                              (unsigned long long)c->n_rows);
    }
    return FUSOR_OK;
}

static enum fusor_status put_all(struct target *t, struct fusor_error *err)
{
    t->at = sizeof(struct part_header);
    for (size_t c = 0; c < t->w->n_columns; c++)
        FUSOR_TRY(put_column(t, c, err));
    FUSOR_TRY(put_header(t, err));
    if (fsync(t->fd))
        return fusor_fail(err, FUSOR_EIO, "cannot sync %s: %s", t->beside,
                          strerror(errno));
    return FUSOR_OK;
}

static enum fusor_status sync_folder_of(const char *path,
                                        struct fusor_error *err)
{
    char dir[FS_PATH_MAX];
    const char *slash = strrchr(path, '/');

    if (!slash)
        return fs_sync_dir(".", err);
    snprintf(dir, sizeof(dir), "%.*s", slash == path ? 1 : (int)(slash - path),
             path);
    return fs_sync_dir(dir, err);
}

static enum fusor_status target_open(struct target *t, struct fusor_error *err)
{
    FUSOR_TRY(check_rows(t, err));
    if (snprintf(t->beside, sizeof(t->beside), "%s.tmp", t->path) >=
        (int)sizeof(t->beside))
        return fusor_fail(err, FUSOR_EINVAL, "path too long: %s", t->path);
    t->directory = mem_alloc(t->w->n_columns, sizeof(*t->directory));
    t->copy = mem_alloc_raw(PIECE_BYTES, 1);
    if (!t->directory || !t->copy)
        return mem_fail(err, t->path, PIECE_BYTES);
    t->fd = open(t->beside, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
    if (t->fd < 0)
        return fusor_fail(err, FUSOR_EIO, "cannot write %s: %s", t->beside,
                          strerror(errno));
    return FUSOR_OK;
}

enum fusor_status part_write_rows(struct part_writer *w, const char *path,
                                  uint64_t first, uint64_t n,
                                  const struct part_watch *watch,
                                  struct fusor_error *err)
{
    struct target t = {.w = w,
                       .path = path,
                       .fd = -1,
                       .first = first,
                       .n_rows = n,
                       .watch = watch};
    enum fusor_status rc = target_open(&t, err);

    if (rc == FUSOR_OK)
        rc = put_all(&t, err);
    if (t.fd >= 0 && close(t.fd) && rc == FUSOR_OK)
        rc = fusor_fail(err, FUSOR_EIO, "cannot close %s: %s", t.beside,
                        strerror(errno));
    if (rc == FUSOR_OK)
        rc = fs_rename(t.beside, path, err);
    if (rc == FUSOR_OK)
        rc = sync_folder_of(path, err);
    if (rc != FUSOR_OK && t.fd >= 0)
        unlink(t.beside);
    mem_free(t.copy);
    mem_free(t.directory);
    return rc;
}

enum fusor_status part_finish(struct part_writer *w, struct fusor_error *err)
{
    enum fusor_status rc =
        part_write_rows(w, w->path, 0, w->columns[0].n_rows, NULL, err);

    part_abandon(w);
    return rc;
}

void part_abandon(struct part_writer *w)
{
    if (!w)
        return;
    for (size_t c = 0; c < w->n_columns; c++) {
        for (int s = 0; s < PART_SECTIONS; s++) {
            struct growing *g = &w->columns[c].sections[s];

            mem_free(g->buffer);
            mem_free(g->pieces);
        }
    }
    if (w->spill_fd >= 0)
        close(w->spill_fd);
    mem_free(w->columns);
    mem_free(w);
}
