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
    struct hash_stream *hash;
};

struct growing_column {
    struct column_spec spec;
    struct growing sections[PART_SECTIONS];
    uint64_t n_rows;
    uint64_t n_values; // lists
};

struct part_writer {
    char path[FS_PATH_MAX];
    char beside[FS_PATH_MAX]; // what becomes path by rename
    int spill_fd;             // -1 until a buffer is full
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
    hash_stream_add(g->hash, g->buffer, g->n);
    g->pieces[g->n_pieces++] = w->spill_bytes;
    w->spill_bytes += g->n;
    g->n = 0;
    return FUSOR_OK;
}

static enum fusor_status growing_start(struct part_writer *w, struct growing *g,
                                       struct fusor_error *err)
{
    if (!g->hash)
        g->hash = hash_stream_create();
    g->buffer = mem_alloc_raw(PIECE_BYTES, 1);
    if (!g->hash || !g->buffer)
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
    snprintf(w->beside, sizeof(w->beside), "%.*s.tmp", FS_PATH_MAX - 8, path);
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

/* Append bytes at *at of the target. */
static enum fusor_status put(struct part_writer *w, int fd, const void *p,
                             size_t n, uint64_t *at, struct fusor_error *err)
{
    FUSOR_TRY(fs_pwrite(fd, p, n, *at, w->beside, err));
    *at += n;
    return FUSOR_OK;
}

static enum fusor_status put_padding(struct part_writer *w, int fd,
                                     uint64_t *at, struct fusor_error *err)
{
    static const unsigned char zeros[PART_ALIGN];

    return put(w, fd, zeros, (size_t)(-*at % PART_ALIGN), at, err);
}

static enum fusor_status put_section(struct part_writer *w, int fd,
                                     struct growing *g, unsigned char *copy,
                                     uint64_t *at, struct part_extent *extent,
                                     struct fusor_error *err)
{
    if (!g->buffer)
        return FUSOR_OK;
    FUSOR_TRY(put_padding(w, fd, at, err));
    extent->offset = *at;
    for (size_t i = 0; i < g->n_pieces; i++) {
        FUSOR_TRY(fs_pread(w->spill_fd, copy, PIECE_BYTES, g->pieces[i],
                           w->path, err));
        FUSOR_TRY(put(w, fd, copy, PIECE_BYTES, at, err));
    }
    hash_stream_add(g->hash, g->buffer, g->n);
    FUSOR_TRY(put(w, fd, g->buffer, g->n, at, err));
    extent->bytes = *at - extent->offset;
    extent->hash = hash_stream_value(g->hash);
    return FUSOR_OK;
}

static enum fusor_status put_header(struct part_writer *w, int fd,
                                    const struct part_entry *directory,
                                    uint64_t *at, struct fusor_error *err)
{
    struct part_header h = {.version = PART_VERSION,
                            .n_rows = w->columns[0].n_rows,
                            .n_columns = (uint32_t)w->n_columns};

    memcpy(h.magic, PART_MAGIC, sizeof(h.magic));
    FUSOR_TRY(put_padding(w, fd, at, err));
    h.directory_offset = *at;
    h.directory_bytes = w->n_columns * sizeof(*directory);
    h.directory_hash = hash_bytes(directory, h.directory_bytes, 0);
    h.header_hash =
        hash_bytes(&h, offsetof(struct part_header, header_hash), 0);
    FUSOR_TRY(put(w, fd, directory, h.directory_bytes, at, err));
    return fs_pwrite(fd, &h, sizeof(h), 0, w->beside, err);
}

static enum fusor_status put_all(struct part_writer *w, int fd,
                                 struct part_entry *directory,
                                 unsigned char *copy, struct fusor_error *err)
{
    uint64_t at = sizeof(struct part_header);

    for (size_t c = 0; c < w->n_columns; c++) {
        struct growing_column *col = &w->columns[c];

        if (col->n_rows != w->columns[0].n_rows)
            return fusor_fail(
                err, FUSOR_EINVAL, "%s: column %s has %llu rows, %s has %llu",
                w->path, col->spec.name, (unsigned long long)col->n_rows,
                w->columns[0].spec.name,
                (unsigned long long)w->columns[0].n_rows);
        strcpy(directory[c].name, col->spec.name);
        directory[c].type = col->spec.type;
        directory[c].width = col->spec.width;
        directory[c].weighted = col->spec.weighted != 0;
        for (int s = 0; s < PART_SECTIONS; s++)
            FUSOR_TRY(put_section(w, fd, &col->sections[s], copy, &at,
                                  &directory[c].sections[s], err));
    }
    FUSOR_TRY(put_header(w, fd, directory, &at, err));
    if (fsync(fd))
        return fusor_fail(err, FUSOR_EIO, "cannot sync %s: %s", w->beside,
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

enum fusor_status part_finish(struct part_writer *w, struct fusor_error *err)
{
    struct part_entry *directory = mem_alloc(w->n_columns, sizeof(*directory));
    unsigned char *copy = mem_alloc_raw(PIECE_BYTES, 1);
    int fd = open(w->beside, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
    enum fusor_status rc;

    if (!directory || !copy)
        rc = mem_fail(err, w->path, PIECE_BYTES);
    else if (fd < 0)
        rc = fusor_fail(err, FUSOR_EIO, "cannot write %s: %s", w->beside,
                        strerror(errno));
    else
        rc = put_all(w, fd, directory, copy, err);
    if (fd >= 0 && close(fd) && rc == FUSOR_OK)
        rc = fusor_fail(err, FUSOR_EIO, "cannot close %s: %s", w->beside,
                        strerror(errno));
    if (rc == FUSOR_OK)
        rc = fs_rename(w->beside, w->path, err);
    if (rc == FUSOR_OK)
        rc = sync_folder_of(w->path, err);
    mem_free(copy);
    mem_free(directory);
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
            hash_stream_destroy(g->hash);
        }
    }
    if (w->spill_fd >= 0)
        close(w->spill_fd);
    if (w->beside[0])
        unlink(w->beside);
    mem_free(w->columns);
    mem_free(w);
}
