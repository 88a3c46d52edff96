/* Opening a shard's file: head and table of contents read, verified, and every
 * number in them checked before anybody uses it. */
#define _GNU_SOURCE /* O_CLOEXEC */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/hash.h"
#include "base/mem.h"
#include "store/checkpoint_format.h"
#include "store/slab.h"
#include "store/table.h"

static enum fusor_status damaged(const struct checkpoint_file *f,
                                 const char *what, struct fusor_error *err)
{
    return fusor_fail(err, FUSOR_EDATA, "%s is damaged: %s", f->path, what);
}

static enum fusor_status read_head(struct checkpoint_file *f,
                                   const struct checkpoint_part *part,
                                   struct fusor_error *err)
{
    struct file_head *h = &f->head;
    struct stat st;

    if (fstat(f->fd, &st) || (uint64_t)st.st_size != part->bytes ||
        part->bytes < sizeof(*h))
        return fusor_fail(
            err, FUSOR_EDATA, "%s has %lld bytes, the manifest says %llu",
            f->path, (long long)st.st_size, (unsigned long long)part->bytes);
    FUSOR_TRY(fs_pread(f->fd, h, sizeof(*h), 0, f->path, err));
    if (memcmp(h->magic, FILE_MAGIC, sizeof(h->magic)) != 0)
        return damaged(f, "it does not begin as a shard's file", err);
    if (h->version < FILE_VERSION_MIN || h->version > FILE_VERSION ||
        h->features)
        return fusor_fail(err, FUSOR_EDATA,
                          "%s: version %u, features %x; this program reads "
                          "versions %d to %d",
                          f->path, h->version, h->features, FILE_VERSION_MIN,
                          FILE_VERSION);
    if (hash_bytes(h, offsetof(struct file_head, head_hash), 0) !=
            h->head_hash ||
        h->head_hash != part->hash)
        return damaged(f, "the checksum of its head does not fit", err);
    if (h->toc_offset > part->bytes || h->toc_bytes > FILE_TOC_MAX ||
        h->toc_bytes != part->bytes - h->toc_offset ||
        h->n_tables > 2 * PARAM_MAX_TABLES || h->n_spans > SLAB_SPANS_MAX)
        return damaged(f, "its head does not fit its size", err);
    return FUSOR_OK;
}

/* n * size bytes of the table of contents, or NULL. */
static const void *next(const struct checkpoint_file *f, uint64_t *at,
                        uint64_t n, size_t size)
{
    const void *p = f->toc + *at;

    if (n > (f->head.toc_bytes - *at) / size)
        return NULL;
    *at += n * size;
    return p;
}

static int name_is_sound(const char name[PARAM_NAME_MAX])
{
    return memchr(name, '\0', PARAM_NAME_MAX) != NULL;
}

/* Do n things of this size lie before the table of contents? */
static int lies_inside(const struct checkpoint_file *f, uint64_t offset,
                       uint64_t n, uint64_t size)
{
    return offset >= sizeof(f->head) && offset <= f->head.toc_offset &&
           n <= (f->head.toc_offset - offset) / size;
}

static int table_is_sound(const struct checkpoint_file *f,
                          const struct file_table *t,
                          const struct file_bucket *buckets)
{
    uint64_t rows = 0;

    if (!name_is_sound(t->name) ||
        (t->width == 0) != (t->kind == FILE_KIND_STUBS) ||
        t->width > TABLE_WIDTH_MAX || t->dtype > ROW_BF16 ||
        t->state_width > 2 * t->width ||
        !lies_inside(f, t->offset, t->n_rows, file_row_bytes(t)))
        return 0;
    for (uint32_t i = 0; i < t->n_buckets; i++) {
        if (buckets[i].bucket >= BUCKET_COUNT ||
            (i && buckets[i].bucket <= buckets[i - 1].bucket))
            return 0;
        rows += buckets[i].n_rows;
    }
    return rows == t->n_rows;
}

static int block_is_sound(const struct checkpoint_file *f,
                          const struct file_block *b)
{
    return name_is_sound(b->name) && b->n > 0 && b->n <= b->block_size &&
           b->in_block <= b->block_size - b->n && b->state_n <= 2 * b->n &&
           lies_inside(f, b->offset, b->n, sizeof(float)) &&
           lies_inside(f, b->offset, b->n + b->state_n, sizeof(float));
}

static enum fusor_status read_toc(struct checkpoint_file *f,
                                  struct fusor_error *err)
{
    const struct file_head *h = &f->head;
    uint64_t at = 0;

    if (hash_bytes(f->toc, (size_t)h->toc_bytes, 0) != h->toc_hash)
        return damaged(f, "the checksum of its contents' table does not fit",
                       err);
    f->spans = next(f, &at, h->n_spans, sizeof(*f->spans));
    for (uint32_t i = 0; f->spans && i < h->n_tables; i++) {
        f->tables[i] = next(f, &at, 1, sizeof(**f->tables));
        f->buckets[i] = f->tables[i] ? next(f, &at, f->tables[i]->n_buckets,
                                            sizeof(**f->buckets))
                                     : NULL;
        if (!f->buckets[i] || !table_is_sound(f, f->tables[i], f->buckets[i]))
            return damaged(f, "a table in its contents makes no sense", err);
    }
    f->blocks = f->spans ? next(f, &at, h->n_blocks, sizeof(*f->blocks)) : NULL;
    if (!f->blocks || at != h->toc_bytes)
        return damaged(f, "its contents' table ends early or late", err);
    for (uint32_t i = 0; i < h->n_blocks; i++)
        if (!block_is_sound(f, &f->blocks[i]))
            return damaged(f, "a block in its contents makes no sense", err);
    return FUSOR_OK;
}

enum fusor_status checkpoint_file_open(struct checkpoint_file *f,
                                       const char *dir,
                                       const struct checkpoint_part *part,
                                       struct fusor_error *err)
{
    memset(f, 0, sizeof(*f));
    fs_join(f->path, dir, part->name);
    f->fd = open(f->path, O_RDONLY | O_CLOEXEC);
    if (f->fd < 0)
        return fusor_fail(err, FUSOR_EIO, "cannot open %s: %s", f->path,
                          strerror(errno));
    FUSOR_TRY(read_head(f, part, err));
    f->toc = mem_alloc_raw((size_t)f->head.toc_bytes, 1);
    f->tables = mem_alloc(f->head.n_tables, sizeof(*f->tables));
    f->buckets = mem_alloc(f->head.n_tables, sizeof(*f->buckets));
    if (!f->toc || !f->tables || !f->buckets)
        return mem_fail(err, f->path, (size_t)f->head.toc_bytes);
    FUSOR_TRY(fs_pread(f->fd, f->toc, (size_t)f->head.toc_bytes,
                       f->head.toc_offset, f->path, err));
    return read_toc(f, err);
}

void checkpoint_file_close(struct checkpoint_file *f)
{
    if (f->fd >= 0)
        close(f->fd);
    mem_free(f->toc);
    mem_free(f->tables);
    mem_free(f->buckets);
    f->fd = -1;
}
