/* The reader of part files: columns into memory, or verified and left in the
 * file for part_read(); nothing in it is trusted. Every byte is under a
 * checksum or must be zero, so that a damaged file is an error that names it
 * and nothing else. */
#include "data/part.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "base/fs.h"
#include "base/hash.h"
#include "base/mem.h"
#include "data/part_layout.h"

#define CHECK_BYTES ((size_t)1 << 20) /* verified at a time */

struct part {
    char path[FS_PATH_MAX];
    int fd; // -1 when every column is held
    uint64_t n_rows;
    size_t n_columns;
    struct column_view *columns;
    struct part_entry *directory;
    void **sections; // [n_columns * PART_SECTIONS] or NULL
};

/* A part while it is opened. */
struct opening {
    struct part *p;
    int fd;
    uint64_t limit;         // where sections end
    uint64_t at;            // end of the section before
    unsigned char *scratch; // [CHECK_BYTES]
    int (*keep)(const void *self, const struct column_spec *spec);
    const void *self;
    int outline; // the directory is enough
};

static enum fusor_status bad(const char *path, struct fusor_error *err,
                             const char *what)
{
    return fusor_fail(err, FUSOR_EDATA,
                      "%s: damaged: %s: run fusor prepare again", path, what);
}

static enum fusor_status check_header(const char *path, uint64_t size,
                                      const struct part_header *h,
                                      struct fusor_error *err)
{
    if (memcmp(h->magic, PART_MAGIC, sizeof(h->magic)))
        return fusor_fail(err, FUSOR_EDATA, "%s: no part file", path);
    if (h->header_hash !=
        hash_bytes(h, offsetof(struct part_header, header_hash), 0))
        return bad(path, err, "checksum of the header");
    if (h->version != PART_VERSION || h->features)
        return fusor_fail(err, FUSOR_EDATA,
                          "%s: part version %u, features %x: this fusor reads "
                          "version %u: run fusor prepare again",
                          path, h->version, h->features, PART_VERSION);
    if (h->n_columns < 1 || h->n_columns > PART_MAX_COLUMNS)
        return bad(path, err, "number of columns");
    if (h->directory_bytes != h->n_columns * sizeof(struct part_entry) ||
        h->directory_offset < sizeof(*h) || h->directory_offset > size ||
        h->directory_offset % PART_ALIGN ||
        h->directory_bytes != size - h->directory_offset)
        return bad(path, err, "truncated, or bytes were added");
    return FUSOR_OK;
}

static int entry_is_sound(const struct part_entry *e)
{
    return memchr(e->name, '\0', sizeof(e->name)) && e->name[0] &&
           e->type <= COLUMN_LIST && e->width >= 1 &&
           (e->width == 1 || e->type == COLUMN_F32) &&
           (!e->weighted || e->type == COLUMN_LIST);
}

/* Sections stand in the order of the directory with less than PART_ALIGN zero
 * bytes between them. @param to where this one begins */
static enum fusor_status check_padding(struct opening *o, uint64_t to,
                                       struct fusor_error *err)
{
    unsigned char gap[PART_ALIGN];

    if (to < o->at || to - o->at >= PART_ALIGN || to > o->limit)
        return bad(o->p->path, err, "bytes between sections");
    FUSOR_TRY(fs_pread(o->fd, gap, to - o->at, o->at, o->p->path, err));
    for (uint64_t i = 0; i < to - o->at; i++)
        if (gap[i])
            return bad(o->p->path, err, "bytes between sections");
    return FUSOR_OK;
}

/* Hash the section without keeping it. */
static enum fusor_status hash_section(struct opening *o,
                                      const struct part_extent *x,
                                      uint64_t *out, struct fusor_error *err)
{
    struct hash_stream *hash = hash_stream_create();
    enum fusor_status rc = FUSOR_OK;

    if (!hash)
        return mem_fail(err, o->p->path, CHECK_BYTES);
    for (uint64_t at = 0; at < x->bytes && rc == FUSOR_OK; at += CHECK_BYTES) {
        size_t n = x->bytes - at < CHECK_BYTES ? x->bytes - at : CHECK_BYTES;

        rc = fs_pread(o->fd, o->scratch, n, x->offset + at, o->p->path, err);
        hash_stream_add(hash, o->scratch, n);
    }
    *out = hash_stream_value(hash);
    hash_stream_destroy(hash);
    return rc;
}

/* @param keep 0: only verify it
 * @param out where its bytes are; not NULL when there are none */
static enum fusor_status read_section(struct opening *o, const char *name,
                                      const struct part_extent *x, int keep,
                                      void **out, struct fusor_error *err)
{
    uint64_t hash = 0;

    if (x->bytes == 0)
        return FUSOR_OK;
    if (x->offset % PART_ALIGN || x->offset > o->limit ||
        x->bytes > o->limit - x->offset)
        return bad(o->p->path, err, "directory");
    FUSOR_TRY(check_padding(o, x->offset, err));
    o->at = x->offset + x->bytes;
    if (keep) {
        *out = mem_alloc_raw(x->bytes, 1);
        if (!*out)
            return mem_fail(err, o->p->path, x->bytes);
        FUSOR_TRY(fs_pread(o->fd, *out, x->bytes, x->offset, o->p->path, err));
        hash = hash_bytes(*out, x->bytes, 0);
    } else {
        FUSOR_TRY(hash_section(o, x, &hash, err));
    }
    if (hash != x->hash)
        return fusor_fail(err, FUSOR_EDATA,
                          "%s: damaged: checksum of column %s: run fusor "
                          "prepare again",
                          o->p->path, name);
    return FUSOR_OK;
}

static int list_is_sound(const struct part *p, const struct part_entry *e,
                         const struct column_view *v)
{
    uint64_t n = e->sections[SECTION_VALUES].bytes;

    if (p->n_rows > UINT64_MAX / 8 - 1 ||
        e->sections[SECTION_OFFSETS].bytes != (p->n_rows + 1) * 8 || n % 4 ||
        e->sections[SECTION_WEIGHTS].bytes != (e->weighted ? n : 0))
        return 0;
    if (v->u64[0] != 0 || v->u64[p->n_rows] != n / 4)
        return 0;
    for (uint64_t i = 0; i < p->n_rows; i++)
        if (v->u64[i] > v->u64[i + 1])
            return 0;
    return 1;
}

static int column_is_sound(const struct part *p, const struct part_entry *e,
                           const struct column_view *v)
{
    uint64_t bytes = part_value_bytes((enum column_type)e->type, e->width);

    if (e->type == COLUMN_LIST)
        return list_is_sound(p, e, v);
    return !e->sections[SECTION_OFFSETS].bytes &&
           !e->sections[SECTION_WEIGHTS].bytes &&
           !__builtin_mul_overflow(bytes, p->n_rows, &bytes) &&
           e->sections[SECTION_VALUES].bytes == bytes;
}

static void view_set(struct column_view *v, const struct part_entry *e,
                     const void *const sections[PART_SECTIONS])
{
    const void *values = sections[SECTION_VALUES];

    v->held = 1;
    memcpy(v->spec.name, e->name, sizeof(v->spec.name));
    v->spec.type = (enum column_type)e->type;
    v->spec.width = e->width;
    v->spec.weighted = (int)e->weighted;
    v->f32 = e->type == COLUMN_F32 ? values : NULL;
    v->u8 = e->type == COLUMN_U8 ? values : NULL;
    v->u32 = e->type == COLUMN_U32 ? values : NULL;
    v->u64 = e->type == COLUMN_U64 ? values : NULL;
    v->i64 = e->type == COLUMN_I64 ? values : NULL;
    if (e->type == COLUMN_LIST) {
        v->u32 = values;
        v->u64 = sections[SECTION_OFFSETS];
        v->weights = e->weighted ? sections[SECTION_WEIGHTS] : NULL;
        v->n_values = e->sections[SECTION_VALUES].bytes / 4;
    }
}

/* Why a column is kept in any case: lists have no rows of one size. */
static int is_kept(const struct opening *o, const struct column_spec *spec)
{
    return !o->keep || spec->type == COLUMN_LIST || o->keep(o->self, spec);
}

/* What the directory says of a column; its values stay where they are. */
static enum fusor_status outline_column(struct opening *o, size_t c,
                                        struct fusor_error *err)
{
    const struct part_entry *e = &o->p->directory[c];
    struct column_view *v = &o->p->columns[c];

    if (!entry_is_sound(e) || part_find(o->p, e->name))
        return bad(o->p->path, err, "directory");
    view_set(v, e, (const void *[PART_SECTIONS]){NULL, NULL, NULL});
    v->held = 0;
    return FUSOR_OK;
}

static enum fusor_status read_column(struct opening *o, size_t c,
                                     struct fusor_error *err)
{
    static const unsigned char nothing[8]; // values of no rows
    const struct part_entry *e = &o->p->directory[c];
    struct column_view *v = &o->p->columns[c];
    void **sections = o->p->sections + c * PART_SECTIONS;
    const void *shown[PART_SECTIONS];
    int keep;

    if (!entry_is_sound(e) || part_find(o->p, e->name))
        return bad(o->p->path, err, "directory");
    view_set(v, e, (const void *[PART_SECTIONS]){NULL, NULL, NULL});
    keep = is_kept(o, &v->spec);
    for (int s = 0; s < PART_SECTIONS; s++) {
        FUSOR_TRY(
            read_section(o, e->name, &e->sections[s], keep, &sections[s], err));
        shown[s] = sections[s] ? sections[s] : nothing;
    }
    if (keep)
        view_set(v, e, shown);
    v->held = keep;
    return column_is_sound(o->p, e, v) ? FUSOR_OK
                                       : bad(o->p->path, err, e->name);
}

static enum fusor_status read_columns(struct opening *o,
                                      const struct part_header *h,
                                      struct fusor_error *err)
{
    struct part *p = o->p;

    p->columns = mem_alloc(h->n_columns, sizeof(*p->columns));
    p->sections =
        mem_alloc((size_t)h->n_columns * PART_SECTIONS, sizeof(void *));
    p->directory = mem_alloc(h->n_columns, sizeof(*p->directory));
    o->scratch = mem_alloc_raw(CHECK_BYTES, 1);
    if (!p->columns || !p->sections || !p->directory || !o->scratch)
        return mem_fail(err, p->path, h->directory_bytes);
    FUSOR_TRY(fs_pread(o->fd, p->directory, h->directory_bytes,
                       h->directory_offset, p->path, err));
    if (h->directory_hash != hash_bytes(p->directory, h->directory_bytes, 0))
        return bad(p->path, err, "checksum of the directory");
    p->n_rows = h->n_rows;
    p->n_columns = h->n_columns;
    o->limit = h->directory_offset;
    o->at = sizeof(*h);
    for (size_t c = 0; c < p->n_columns; c++)
        FUSOR_TRY(o->outline ? outline_column(o, c, err)
                             : read_column(o, c, err));
    if (o->outline)
        return FUSOR_OK;
    return check_padding(o, o->limit, err);
}

static enum fusor_status open_file(struct opening *o, struct fusor_error *err)
{
    const char *path = o->p->path;
    struct part_header h;
    int64_t size;

    o->fd = open(path, O_RDONLY | O_CLOEXEC);
    if (o->fd < 0)
        return fusor_fail(err, FUSOR_EIO, "cannot read %s: %s", path,
                          strerror(errno));
    size = fs_size(path);
    if (size < (int64_t)sizeof(h))
        return bad(path, err, "too short for a header");
    FUSOR_TRY(fs_pread(o->fd, &h, sizeof(h), 0, path, err));
    FUSOR_TRY(check_header(path, (uint64_t)size, &h, err));
    return read_columns(o, &h, err);
}

static int all_held(const struct part *p)
{
    for (size_t c = 0; c < p->n_columns; c++)
        if (!p->columns[c].held)
            return 0;
    return 1;
}

static enum fusor_status open_part(const char *path, struct opening o,
                                   struct part **out, struct fusor_error *err)
{
    enum fusor_status rc;

    if (strlen(path) >= FS_PATH_MAX)
        return fusor_fail(err, FUSOR_EINVAL, "path too long: %s", path);
    o.p = mem_alloc(1, sizeof(*o.p));
    if (!o.p)
        return mem_fail(err, path, sizeof(*o.p));
    o.p->fd = -1;
    strcpy(o.p->path, path);
    rc = open_file(&o, err);
    mem_free(o.scratch);
    o.p->fd = o.fd;
    if (rc == FUSOR_OK && (o.outline || all_held(o.p))) {
        close(o.fd);
        o.p->fd = -1;
    }
    if (rc == FUSOR_OK)
        *out = o.p;
    else
        part_close(o.p);
    return rc;
}

enum fusor_status
part_open_some(const char *path,
               int (*keep)(const void *self, const struct column_spec *spec),
               const void *self, struct part **out, struct fusor_error *err)
{
    return open_part(
        path, (struct opening){.fd = -1, .keep = keep, .self = self}, out, err);
}

enum fusor_status part_open_outline(const char *path, struct part **out,
                                    struct fusor_error *err)
{
    return open_part(path, (struct opening){.fd = -1, .outline = 1}, out, err);
}

enum fusor_status part_open(const char *path, struct part **out,
                            struct fusor_error *err)
{
    return part_open_some(path, NULL, NULL, out, err);
}

enum fusor_status part_read(const struct part *p, size_t column, uint64_t first,
                            uint64_t n, void *out, struct fusor_error *err)
{
    uint64_t bytes = part_row_bytes(p, column);

    if (column >= p->n_columns || p->columns[column].held || p->fd < 0 ||
        first > p->n_rows || n > p->n_rows - first)
        return fusor_fail(err, FUSOR_EINVAL,
                          "%s: rows %llu to %llu of column %zu cannot be read",
                          p->path, (unsigned long long)first,
                          (unsigned long long)(first + n), column);
    return fs_pread(p->fd, out, n * bytes,
                    p->directory[column].sections[SECTION_VALUES].offset +
                        first * bytes,
                    p->path, err);
}

void part_drop(struct part *p, const struct column_view *column)
{
    size_t c = (size_t)(column - p->columns);
    void **values = &p->sections[c * PART_SECTIONS + SECTION_VALUES];

    mem_free(*values);
    *values = NULL;
    view_set(&p->columns[c], &p->directory[c],
             (const void *[PART_SECTIONS]){NULL, NULL, NULL});
    p->columns[c].held = 0;
}

void part_close(struct part *p)
{
    if (!p)
        return;
    for (size_t i = 0; p->sections && i < p->n_columns * PART_SECTIONS; i++)
        mem_free(p->sections[i]);
    if (p->fd >= 0)
        close(p->fd);
    mem_free(p->sections);
    mem_free(p->directory);
    mem_free(p->columns);
    mem_free(p);
}

size_t part_index(const struct part *p, const char *name)
{
    size_t i = 0;

    while (i < p->n_columns && strcmp(p->columns[i].spec.name, name))
        i++;
    return i;
}

size_t part_row_bytes(const struct part *p, size_t column)
{
    const struct column_spec *s = &p->columns[column].spec;

    return part_value_bytes(s->type, s->width);
}

uint64_t part_rows(const struct part *p)
{
    return p->n_rows;
}

size_t part_columns(const struct part *p)
{
    return p->n_columns;
}

const struct column_view *part_column(const struct part *p, size_t i)
{
    return &p->columns[i];
}

const struct column_view *part_find(const struct part *p, const char *name)
{
    for (size_t i = 0; i < p->n_columns; i++)
        if (!strcmp(p->columns[i].spec.name, name))
            return &p->columns[i];
    return NULL;
}
