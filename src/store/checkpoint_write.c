/* Writing a shard's file: rows bucket by bucket in one pass over a counting
 * sort of references, through one buffer; the head is written last. */
#define _GNU_SOURCE /* O_CLOEXEC */
#include "store/checkpoint.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/hash.h"
#include "base/mem.h"
#include "base/str.h"
#include "store/checkpoint_format.h"
#include "store/shard_private.h"

#define BUFFER_BYTES ((size_t)1 << 20)
#define AHEAD 8 /* rows a prefetch runs in front */

struct writer {
    const struct shard *s;
    char path[FS_PATH_MAX];
    int fd;
    unsigned char *buffer;
    size_t used, cap;
    uint64_t offset; // of buffer[0] in the file
    struct strbuf toc;
};

static enum fusor_status flush(struct writer *w, struct fusor_error *err)
{
    FUSOR_TRY(fs_pwrite(w->fd, w->buffer, w->used, w->offset, w->path, err));
    w->offset += w->used;
    w->used = 0;
    return FUSOR_OK;
}

/* n bytes of the buffer that the caller fills at once. */
static enum fusor_status take(struct writer *w, size_t n, unsigned char **out,
                              struct fusor_error *err)
{
    if (w->used + n > w->cap)
        FUSOR_TRY(flush(w, err));
    if (n > w->cap) {
        mem_free(w->buffer);
        w->cap = 0;
        w->buffer = mem_alloc_raw(n, 1);
        if (!w->buffer)
            return mem_fail(err, "checkpoint buffer", n);
        w->cap = n;
    }
    *out = w->buffer + w->used;
    w->used += n;
    return FUSOR_OK;
}

static void toc_add(struct writer *w, const void *p, size_t n)
{
    strbuf_add_n(&w->toc, p, n);
}

static unsigned char *pack_row(const struct table *t, uint32_t ref,
                               unsigned char *to)
{
    struct row *r = table_row(t, ref);
    struct file_row head = {r->key, r->seen, r->seen};
    size_t state = t->state_width * sizeof(float);
    size_t values = t->width * (t->spec->dtype == ROW_BF16 ? sizeof(uint16_t)
                                                           : sizeof(float));

    if (t->has_clock)
        head.last_clock = r->last_clock;
    memcpy(to, &head, sizeof(head));
    to += sizeof(head);
    if (values)
        memcpy(to, row_halves(t, r), values);
    if (state)
        memcpy(to + values, row_state(t, r), state);
    return to + values + state;
}

/* How the file names a table, or its stubs. */
static struct file_table describe(const struct table *t)
{
    struct file_table entry = {.width = t->width,
                               .state_width = t->state_width,
                               .kind = FILE_KIND_STUBS,
                               .dtype = ROW_F32,
                               .n_rows = table_n_rows(t)};

    if (t->optim) {
        entry.kind = (uint16_t)t->optim->spec.kind;
        entry.dtype = (uint16_t)t->spec->dtype;
    }
    memcpy(entry.name, t->spec->name, sizeof(entry.name));
    return entry;
}

static enum fusor_status write_bucket(struct writer *w, const struct table *t,
                                      uint32_t bucket, const uint32_t *refs,
                                      uint32_t n, struct fusor_error *err)
{
    struct file_table shape = describe(t);
    size_t bytes = n * (size_t)file_row_bytes(&shape);
    struct file_bucket entry = {bucket, n, 0};
    unsigned char *first, *to;

    FUSOR_TRY(take(w, bytes, &first, err));
    to = first;
    for (uint32_t i = 0; i < n; i++) {
        if (i + AHEAD < n)
            __builtin_prefetch(table_row(t, refs[i + AHEAD]));
        to = pack_row(t, refs[i], to);
    }
    entry.hash = hash_bytes(first, bytes, 0);
    toc_add(w, &entry, sizeof(entry));
    return FUSOR_OK;
}

/* References sorted by bucket: starts [BUCKET_COUNT + 1] into refs. */
static uint32_t *sort_refs(const struct table *t, uint64_t *starts)
{
    uint64_t next[BUCKET_COUNT];
    uint32_t *refs = mem_alloc_raw((size_t)table_n_rows(t), sizeof(*refs));

    memset(starts, 0, (BUCKET_COUNT + 1) * sizeof(*starts));
    for (uint64_t i = 0; refs && i < *t->n_slots; i++) {
        const struct row *r = table_row(t, table_ref_at(t, i));

        if (r->seen != ROW_FREE)
            starts[bucket_of_key(t->number, r->key) + 1]++;
    }
    for (unsigned b = 0; b < BUCKET_COUNT; b++) {
        starts[b + 1] += starts[b];
        next[b] = starts[b];
    }
    for (uint64_t i = 0; refs && i < *t->n_slots; i++) {
        uint32_t ref = table_ref_at(t, i);
        const struct row *r = table_row(t, ref);

        if (r->seen != ROW_FREE)
            refs[next[bucket_of_key(t->number, r->key)]++] = ref;
    }
    return refs;
}

static enum fusor_status write_table(struct writer *w, const struct table *t,
                                     struct fusor_error *err)
{
    struct file_table entry = describe(t);
    uint64_t starts[BUCKET_COUNT + 1];
    uint32_t *refs = sort_refs(t, starts);
    enum fusor_status rc = FUSOR_OK;

    if (!refs)
        return mem_fail(err, "checkpoint",
                        (size_t)entry.n_rows * sizeof(*refs));
    entry.offset = w->offset + w->used;
    for (unsigned b = 0; b < BUCKET_COUNT; b++)
        entry.n_buckets += starts[b + 1] > starts[b];
    toc_add(w, &entry, sizeof(entry));
    for (unsigned b = 0; rc == FUSOR_OK && b < BUCKET_COUNT; b++)
        if (starts[b + 1] > starts[b])
            rc = write_bucket(w, t, b, refs + starts[b],
                              (uint32_t)(starts[b + 1] - starts[b]), err);
    mem_free(refs);
    return rc;
}

static enum fusor_status write_segment(struct writer *w, size_t i,
                                       struct file_block *entry,
                                       struct fusor_error *err)
{
    const struct shard *s = w->s;
    const struct block_segment *seg = &s->segments[i];
    const struct block_spec *block = &s->params->blocks[seg->block];
    size_t n = (size_t)seg->n, state_n = shard_segment_state_size(s, i);
    unsigned char *to;

    *entry = (struct file_block){
        .kind = (uint32_t)s->block_optim[seg->block].spec.kind,
        .block_size = block->size,
        .in_block = seg->in_block,
        .n = n,
        .state_n = state_n};
    memcpy(entry->name, block->name, sizeof(entry->name));
    FUSOR_TRY(take(w, (n + state_n) * sizeof(float), &to, err));
    entry->offset = w->offset + (uint64_t)(to - w->buffer);
    memcpy(to, s->segment_values[i], n * sizeof(float));
    memcpy(to + n * sizeof(float), s->segment_state[i],
           state_n * sizeof(float));
    entry->hash = hash_bytes(to, (n + state_n) * sizeof(float), 0);
    return FUSOR_OK;
}

static enum fusor_status write_body(struct writer *w, struct fusor_error *err)
{
    const struct shard *s = w->s;
    const struct slab_head *head = s->slab.head;

    w->offset = sizeof(struct file_head);
    toc_add(w, head->spans, (size_t)head->n_spans * sizeof(*head->spans));
    for (uint32_t t = 0; t < s->params->n_tables; t++) {
        FUSOR_TRY(write_table(w, &s->tables[t], err));
        if (table_has_stubs(&s->tables[t]))
            FUSOR_TRY(write_table(w, &s->stubs[t], err));
    }
    for (size_t i = 0; i < s->n_segments; i++) {
        struct file_block entry;

        FUSOR_TRY(write_segment(w, i, &entry, err));
        toc_add(w, &entry, sizeof(entry));
    }
    if (w->toc.failed)
        return mem_fail(err, "checkpoint", w->toc.cap);
    return flush(w, err);
}

static enum fusor_status write_head(struct writer *w,
                                    struct checkpoint_part *part,
                                    struct fusor_error *err)
{
    const struct shard *s = w->s;
    const struct slab_head *head = s->slab.head;
    struct file_head h = {.magic = FILE_MAGIC,
                          .version = FILE_VERSION,
                          .job_id = head->job_id,
                          .epoch = head->epoch,
                          .clock = head->clock,
                          .samples_done = head->samples_done,
                          .units_per_epoch = head->units_per_epoch,
                          .shard = s->number,
                          .n_shards = s->n_shards,
                          .n_tables = s->params->n_tables,
                          .n_blocks = (uint32_t)s->n_segments,
                          .n_spans = (uint32_t)head->n_spans,
                          .toc_offset = w->offset,
                          .toc_bytes = w->toc.len};

    for (uint32_t t = 0; t < s->params->n_tables; t++)
        h.n_tables += (uint32_t)table_has_stubs(&s->tables[t]);
    h.toc_hash = hash_bytes(w->toc.s, w->toc.len, 0);
    h.head_hash = hash_bytes(&h, offsetof(struct file_head, head_hash), 0);
    part->bytes = h.toc_offset + h.toc_bytes;
    part->hash = h.head_hash;
    FUSOR_TRY(fs_pwrite(w->fd, w->toc.s, w->toc.len, w->offset, w->path, err));
    return fs_pwrite(w->fd, &h, sizeof(h), 0, w->path, err);
}

static enum fusor_status make_durable(struct writer *w, const char *dir,
                                      const char *final_path,
                                      struct fusor_error *err)
{
    if (fsync(w->fd))
        return fusor_fail(err, FUSOR_EIO, "cannot fsync %s: %s", w->path,
                          strerror(errno));
    FUSOR_TRY(fs_rename(w->path, final_path, err));
    return fs_sync_dir(dir, err);
}

enum fusor_status checkpoint_write_shard(const struct shard *s, const char *dir,
                                         struct checkpoint_part *part,
                                         struct fusor_error *err)
{
    struct writer w = {.s = s, .fd = -1, .cap = BUFFER_BYTES};
    char final_path[FS_PATH_MAX], name[48];
    enum fusor_status rc;

    snprintf(part->name, sizeof(part->name), "shard-%04u.bin", s->number);
    snprintf(name, sizeof(name), "%s.part", part->name);
    fs_join(final_path, dir, part->name);
    fs_join(w.path, dir, name);
    w.buffer = mem_alloc_raw(w.cap, 1);
    if (!w.buffer)
        return mem_fail(err, "checkpoint buffer", w.cap);
    w.fd = open(w.path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
    if (w.fd < 0) {
        rc = fusor_fail(err, FUSOR_EIO, "cannot create %s: %s", w.path,
                        strerror(errno));
        goto out;
    }
    rc = write_body(&w, err);
    if (rc == FUSOR_OK)
        rc = write_head(&w, part, err);
    if (rc == FUSOR_OK)
        rc = make_durable(&w, dir, final_path, err);
    if (rc != FUSOR_OK)
        unlink(w.path);
    close(w.fd);
out:
    strbuf_clear(&w.toc);
    mem_free(w.buffer);
    return rc;
}
