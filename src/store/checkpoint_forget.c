/* Rows taken out of a checkpoint: every shard's file is written anew without
 * them into a folder beside, which then takes the old one's place in one
 * exchange. Nothing else of a file changes but offsets and checksums. */
#define _GNU_SOURCE /* renameat2, O_CLOEXEC */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/hash.h"
#include "base/mem.h"
#include "store/checkpoint.h"
#include "store/checkpoint_format.h"

#define SCRATCH ".forget"
#define PIECE_BYTES ((size_t)1 << 20)

/* One file on its way to its new form. */
struct rewriter {
    const struct checkpoint_file *from;
    const struct checkpoint_row *rows;
    size_t n_rows;
    int fd;
    char path[FS_PATH_MAX];
    uint64_t in, out;   // bytes read, written
    unsigned char *toc; // the new one
    unsigned char *buffer;
    size_t cap;
    uint64_t removed;
};

static enum fusor_status room(struct rewriter *w, size_t n,
                              struct fusor_error *err)
{
    if (n <= w->cap)
        return FUSOR_OK;
    mem_free(w->buffer);
    w->cap = 0;
    w->buffer = mem_alloc_raw(n, 1);
    if (!w->buffer)
        return mem_fail(err, "checkpoint buffer", n);
    w->cap = n;
    return FUSOR_OK;
}

static enum fusor_status put(struct rewriter *w, const void *p, size_t n,
                             struct fusor_error *err)
{
    FUSOR_TRY(fs_pwrite(w->fd, p, n, w->out, w->path, err));
    w->out += n;
    return FUSOR_OK;
}

/* As it is, up to this byte of the old file. */
static enum fusor_status copy_to(struct rewriter *w, uint64_t end,
                                 struct fusor_error *err)
{
    if (end < w->in)
        return fusor_fail(err, FUSOR_EDATA, "%s is damaged: its tables overlap",
                          w->from->path);
    FUSOR_TRY(room(w, PIECE_BYTES, err));
    while (w->in < end) {
        size_t n =
            end - w->in < PIECE_BYTES ? (size_t)(end - w->in) : PIECE_BYTES;

        FUSOR_TRY(
            fs_pread(w->from->fd, w->buffer, n, w->in, w->from->path, err));
        FUSOR_TRY(put(w, w->buffer, n, err));
        w->in += n;
    }
    return FUSOR_OK;
}

static int is_unwanted(const struct rewriter *w, const char *table,
                       const unsigned char *row)
{
    uint64_t key;

    memcpy(&key, row, sizeof(key)); // struct file_row begins with it
    for (size_t i = 0; i < w->n_rows; i++)
        if (w->rows[i].key == key && !strcmp(w->rows[i].table, table))
            return 1;
    return 0;
}

static enum fusor_status copy_bucket(struct rewriter *w,
                                     const struct file_table *t,
                                     struct file_bucket *b,
                                     struct fusor_error *err)
{
    size_t size = (size_t)file_row_bytes(t), n = b->n_rows * size, to = 0;
    uint32_t left = 0;

    FUSOR_TRY(room(w, n, err));
    FUSOR_TRY(fs_pread(w->from->fd, w->buffer, n, w->in, w->from->path, err));
    if (hash_bytes(w->buffer, n, 0) != b->hash)
        return fusor_fail(err, FUSOR_EDATA,
                          "%s is damaged: the checksum of table %s does not "
                          "fit",
                          w->from->path, t->name);
    w->in += n;
    for (size_t at = 0; at < n; at += size) {
        if (is_unwanted(w, t->name, w->buffer + at))
            continue;
        memmove(w->buffer + to, w->buffer + at, size);
        to += size;
        left++;
    }
    w->removed += b->n_rows - left;
    b->n_rows = left;
    b->hash = hash_bytes(w->buffer, to, 0);
    return put(w, w->buffer, to, err);
}

/* The place in the new table of contents of something in the old one. */
static void *mine(const struct rewriter *w, const void *old)
{
    return w->toc + ((const unsigned char *)old - w->from->toc);
}

static enum fusor_status copy_table(struct rewriter *w, uint32_t i,
                                    struct fusor_error *err)
{
    const struct file_table *old = w->from->tables[i];
    struct file_table *t = mine(w, old);
    struct file_bucket *b = mine(w, w->from->buckets[i]);
    uint64_t before = w->removed;

    FUSOR_TRY(copy_to(w, old->offset, err));
    t->offset = w->out;
    for (uint32_t k = 0; k < old->n_buckets; k++)
        FUSOR_TRY(copy_bucket(w, old, &b[k], err));
    t->n_rows -= w->removed - before;
    return FUSOR_OK;
}

/* The blocks behind the tables move with what was taken out before them. */
static enum fusor_status copy_blocks(struct rewriter *w,
                                     struct fusor_error *err)
{
    const struct file_head *h = &w->from->head;
    uint64_t moved = w->in - w->out, begin = w->in;

    for (uint32_t i = 0; i < h->n_blocks; i++) {
        struct file_block *b = mine(w, &w->from->blocks[i]);

        if (b->offset < begin)
            return fusor_fail(err, FUSOR_EDATA,
                              "%s is damaged: a block stands among its tables",
                              w->from->path);
        b->offset -= moved;
    }
    return copy_to(w, h->toc_offset, err);
}

static enum fusor_status write_all(struct rewriter *w,
                                   struct checkpoint_part *part,
                                   struct fusor_error *err)
{
    struct file_head h = w->from->head;

    w->in = w->out = sizeof(h);
    for (uint32_t i = 0; i < h.n_tables; i++)
        FUSOR_TRY(copy_table(w, i, err));
    FUSOR_TRY(copy_blocks(w, err));
    h.toc_offset = w->out;
    h.toc_hash = hash_bytes(w->toc, (size_t)h.toc_bytes, 0);
    h.head_hash = hash_bytes(&h, offsetof(struct file_head, head_hash), 0);
    part->bytes = h.toc_offset + h.toc_bytes;
    part->hash = h.head_hash;
    FUSOR_TRY(put(w, w->toc, (size_t)h.toc_bytes, err));
    FUSOR_TRY(fs_pwrite(w->fd, &h, sizeof(h), 0, w->path, err));
    return fsync(w->fd) ? fusor_fail(err, FUSOR_EIO, "cannot fsync %s: %s",
                                     w->path, strerror(errno))
                        : FUSOR_OK;
}

static enum fusor_status rewrite(struct rewriter *w, const char *dir,
                                 struct checkpoint_part *part,
                                 struct fusor_error *err)
{
    const char *name = strrchr(w->from->path, '/');
    enum fusor_status rc;

    snprintf(part->name, sizeof(part->name), "%.31s",
             name ? name + 1 : w->from->path);
    fs_join(w->path, dir, part->name);
    w->toc = mem_alloc_raw((size_t)w->from->head.toc_bytes, 1);
    if (!w->toc)
        return mem_fail(err, w->path, (size_t)w->from->head.toc_bytes);
    memcpy(w->toc, w->from->toc, (size_t)w->from->head.toc_bytes);
    w->fd = open(w->path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
    rc = w->fd < 0 ? fusor_fail(err, FUSOR_EIO, "cannot create %s: %s", w->path,
                                strerror(errno))
                   : write_all(w, part, err);
    if (w->fd >= 0)
        close(w->fd);
    mem_free(w->toc);
    mem_free(w->buffer);
    return rc;
}

static enum fusor_status exchange(const char *a, const char *b,
                                  struct fusor_error *err)
{
    if (renameat2(AT_FDCWD, a, AT_FDCWD, b, RENAME_EXCHANGE))
        return fusor_fail(err, FUSOR_EIO, "cannot exchange %s and %s: %s", a, b,
                          strerror(errno));
    return FUSOR_OK;
}

/* All files, then the manifest, below ROOT/.forget. */
static enum fusor_status write_folder(const struct checkpoint *cp,
                                      const char *scratch, const char *name,
                                      const struct checkpoint_row *rows,
                                      size_t n, uint64_t *removed,
                                      struct fusor_error *err)
{
    struct checkpoint_part *parts = mem_alloc(cp->n, sizeof(*parts));
    enum fusor_status rc = FUSOR_OK;
    char dir[FS_PATH_MAX];

    if (!parts)
        return mem_fail(err, "checkpoint", cp->n * sizeof(*parts));
    rc = fs_mkdirs(fs_join(dir, scratch, name), err);
    for (size_t i = 0; rc == FUSOR_OK && i < cp->n; i++) {
        struct rewriter w = {
            .from = &cp->files[i], .rows = rows, .n_rows = n, .fd = -1};

        rc = rewrite(&w, dir, &parts[i], err);
        *removed += w.removed;
    }
    if (rc == FUSOR_OK)
        rc = checkpoint_write_manifest(scratch, name, &cp->info, parts, cp->n,
                                       err);
    mem_free(parts);
    return rc;
}

enum fusor_status checkpoint_forget(const char *root, const char *name,
                                    const struct checkpoint_row *rows, size_t n,
                                    uint64_t *removed, struct fusor_error *err)
{
    char dir[FS_PATH_MAX], scratch[FS_PATH_MAX], fresh[FS_PATH_MAX];
    struct checkpoint *cp = NULL;
    enum fusor_status rc;

    *removed = 0;
    fs_join(dir, root, name);
    fs_join(fresh, fs_join(scratch, root, SCRATCH), name);
    FUSOR_TRY(checkpoint_open(dir, &cp, err));
    rc = fs_remove_tree(scratch, err);
    if (rc == FUSOR_OK)
        rc = write_folder(cp, scratch, name, rows, n, removed, err);
    checkpoint_close(cp);
    if (rc == FUSOR_OK && *removed)
        rc = exchange(fresh, dir, err);
    if (rc == FUSOR_OK)
        rc = fs_sync_dir(root, err);
    if (rc == FUSOR_OK)
        return fs_remove_tree(scratch, err);
    fs_remove_tree(scratch, NULL);
    *removed = 0;
    return rc;
}
