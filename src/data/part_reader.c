/* The reader of part files: the whole file into memory, nothing in it trusted.
 * Every byte is under a checksum or must be zero, so that a damaged file is
 * an error that names it and nothing else. */
#include "data/part.h"

#include <string.h>

#include "base/fs.h"
#include "base/hash.h"
#include "base/mem.h"
#include "data/part_layout.h"

struct part {
    unsigned char *bytes;
    uint64_t n_rows;
    size_t n_columns;
    struct column_view *columns;
};

static enum fusor_status bad(const char *path, struct fusor_error *err,
                             const char *what)
{
    return fusor_fail(err, FUSOR_EDATA,
                      "%s: damaged: %s: run fusor prepare again", path, what);
}

static enum fusor_status check_header(const char *path, const void *bytes,
                                      size_t size, struct part_header *h,
                                      struct fusor_error *err)
{
    if (size < sizeof(*h))
        return bad(path, err, "too short for a header");
    memcpy(h, bytes, sizeof(*h));
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
    if (h->directory_hash !=
        hash_bytes((const char *)bytes + h->directory_offset,
                   h->directory_bytes, 0))
        return bad(path, err, "checksum of the directory");
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
 * bytes between them. @param at end of the section before; moved */
static const void *check_section(const struct part *p,
                                 const struct part_extent *x, uint64_t limit,
                                 uint64_t *at)
{
    if (x->bytes == 0)
        return p->bytes; // not read: there are no values
    if (x->offset % PART_ALIGN || x->offset < *at ||
        x->offset - *at >= PART_ALIGN || x->offset > limit ||
        x->bytes > limit - x->offset)
        return NULL;
    for (uint64_t i = *at; i < x->offset; i++)
        if (p->bytes[i])
            return NULL;
    *at = x->offset + x->bytes;
    if (hash_bytes(p->bytes + x->offset, x->bytes, 0) != x->hash)
        return NULL;
    return p->bytes + x->offset;
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

static enum fusor_status read_columns(struct part *p,
                                      const struct part_header *h,
                                      const char *path, struct fusor_error *err)
{
    const struct part_entry *e = (const void *)(p->bytes + h->directory_offset);
    uint64_t at = sizeof(*h);

    for (size_t c = 0; c < p->n_columns; c++, e++) {
        const void *sections[PART_SECTIONS];

        if (!entry_is_sound(e) || part_find(p, e->name))
            return bad(path, err, "directory");
        for (int s = 0; s < PART_SECTIONS; s++) {
            sections[s] =
                check_section(p, &e->sections[s], h->directory_offset, &at);
            if (!sections[s])
                return fusor_fail(err, FUSOR_EDATA,
                                  "%s: damaged: checksum of column %s: run "
                                  "fusor prepare again",
                                  path, e->name);
        }
        view_set(&p->columns[c], e, sections);
        if (!column_is_sound(p, e, &p->columns[c]))
            return bad(path, err, e->name);
    }
    for (; at < h->directory_offset; at++)
        if (p->bytes[at])
            return bad(path, err, "bytes between sections");
    return FUSOR_OK;
}

enum fusor_status part_open(const char *path, struct part **out,
                            struct fusor_error *err)
{
    struct part *p = mem_alloc(1, sizeof(*p));
    struct part_header h;
    enum fusor_status rc;
    char *bytes = NULL;
    size_t size = 0;

    if (!p)
        return mem_fail(err, path, sizeof(*p));
    rc = fs_read(path, SIZE_MAX / 2, &bytes, &size, err);
    p->bytes = (unsigned char *)bytes;
    if (rc == FUSOR_OK)
        rc = check_header(path, bytes, size, &h, err);
    if (rc != FUSOR_OK)
        goto out;
    p->n_rows = h.n_rows;
    p->n_columns = h.n_columns;
    p->columns = mem_alloc(p->n_columns, sizeof(*p->columns));
    if (!p->columns)
        rc = mem_fail(err, path, p->n_columns * sizeof(*p->columns));
    else
        rc = read_columns(p, &h, path, err);
out:
    if (rc == FUSOR_OK)
        *out = p;
    else
        part_close(p);
    return rc;
}

void part_close(struct part *p)
{
    if (!p)
        return;
    mem_free(p->columns);
    mem_free(p->bytes);
    mem_free(p);
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
