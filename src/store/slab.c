/* A shard's shared memory: memfd_create(2), one reservation, growth by
 * ftruncate(2) and mmap(MAP_FIXED). Knows nothing of rows. */
#define _GNU_SOURCE /* memfd_create, madvise */
#include "store/slab.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/str.h"

#ifndef MADV_COLLAPSE
#define MADV_COLLAPSE 25 /* Linux 6.1, asm-generic/mman-common.h */
#endif
#define HUGE_FAILURES_MAX 8 /* then stop asking: the kernel will not */

_Static_assert(sizeof(struct slab_head) + SLAB_HEAD_OFFSET <= ((size_t)2 << 20),
               "the head must fit extent 0");

enum fusor_status budget_take(struct budget *b, uint64_t bytes,
                              const char *what, struct fusor_error *err)
{
    char want[16], used[16], cap[16];

    if (b->cap && (bytes > b->cap || b->used > b->cap - bytes))
        return fusor_fail(err, FUSOR_ENOMEM,
                          "shard %u: %s needs %s more, %s of %s are used: "
                          "raise memory.per_server or use more servers",
                          b->shard, what, str_bytes((double)bytes, want),
                          str_bytes((double)b->used, used),
                          str_bytes((double)b->cap, cap));
    b->used += bytes;
    return FUSOR_OK;
}

void budget_give(struct budget *b, uint64_t bytes)
{
    b->used -= bytes;
}

static enum fusor_status reserve(struct slab *s, struct fusor_error *err)
{
    uint64_t extents = SLAB_EXTENTS_MAX;
    uint64_t gap;

    if (s->budget->cap && s->budget->cap / SLAB_EXTENT_BYTES < extents)
        extents = s->budget->cap / SLAB_EXTENT_BYTES + 1;
    s->max_extents = extents;
    s->reserved_bytes = (size_t)((extents + 1) * SLAB_EXTENT_BYTES);
    s->reserved = mmap(NULL, s->reserved_bytes, PROT_NONE,
                       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (s->reserved == MAP_FAILED) {
        s->reserved = NULL;
        return fusor_fail(err, FUSOR_ENOMEM,
                          "slab: no address space for %zu bytes: %s",
                          s->reserved_bytes, strerror(errno));
    }
    gap = (uint64_t)(uintptr_t)s->reserved % SLAB_EXTENT_BYTES;
    s->base =
        (unsigned char *)s->reserved + (gap ? SLAB_EXTENT_BYTES - gap : 0);
    return FUSOR_OK;
}

static enum fusor_status map(struct slab *s, uint64_t offset, uint64_t bytes,
                             struct fusor_error *err)
{
    if (mmap(s->base + offset, (size_t)bytes, PROT_READ | PROT_WRITE,
             MAP_SHARED | MAP_FIXED, s->fd, (off_t)offset) == MAP_FAILED)
        return fusor_fail(err, FUSOR_ENOMEM, "slab: mmap of %llu bytes: %s",
                          (unsigned long long)bytes, strerror(errno));
    affinity_prefer_memory(s->near, s->base + offset, (size_t)bytes);
    return FUSOR_OK;
}

static enum fusor_status start_new(struct slab *s, struct fusor_error *err)
{
    struct slab_mark mark = {SLAB_MAGIC, SLAB_VERSION, 0};

    FUSOR_TRY(
        budget_take(s->budget, SLAB_EXTENT_BYTES, "the slab's head", err));
    s->fd = memfd_create("fusor-shard", MFD_CLOEXEC);
    if (s->fd < 0)
        return fusor_fail(err, FUSOR_EIO, "slab: memfd_create: %s",
                          strerror(errno));
    if (ftruncate(s->fd, (off_t)SLAB_EXTENT_BYTES))
        return fusor_fail(err, FUSOR_ENOMEM, "slab: ftruncate: %s",
                          strerror(errno));
    FUSOR_TRY(map(s, 0, SLAB_EXTENT_BYTES, err));
    s->head = (struct slab_head *)(void *)(s->base + SLAB_HEAD_OFFSET);
    s->head->n_extents = 1;
    s->head->owner[0] = SLAB_HEAD;
    memcpy(s->base, &mark, sizeof(mark));
    return FUSOR_OK;
}

static enum fusor_status go_on(struct slab *s, struct fusor_error *err)
{
    struct slab_mark mark;
    struct stat st;
    uint64_t n;

    if (fstat(s->fd, &st) || (uint64_t)st.st_size < SLAB_EXTENT_BYTES)
        return fusor_fail(err, FUSOR_EDATA,
                          "slab: the descriptor handed over holds no slab");
    FUSOR_TRY(map(s, 0, SLAB_EXTENT_BYTES, err));
    memcpy(&mark, s->base, sizeof(mark));
    if (memcmp(mark.magic, SLAB_MAGIC, sizeof(mark.magic)) != 0)
        return fusor_fail(err, FUSOR_EDATA,
                          "slab: the descriptor handed over holds no slab");
    if (mark.version != SLAB_VERSION || mark.features)
        return fusor_fail(err, FUSOR_EDATA,
                          "slab: version %u, features %x; this program knows "
                          "version %d",
                          mark.version, mark.features, SLAB_VERSION);
    s->head = (struct slab_head *)(void *)(s->base + SLAB_HEAD_OFFSET);
    n = s->head->n_extents;
    if (n < 1 || n > s->max_extents ||
        n * SLAB_EXTENT_BYTES > (uint64_t)st.st_size)
        return fusor_fail(err, FUSOR_EDATA, "slab: %llu extents in %lld bytes",
                          (unsigned long long)n, (long long)st.st_size);
    FUSOR_TRY(budget_take(s->budget, n * SLAB_EXTENT_BYTES, "the slab", err));
    return map(s, 0, n * SLAB_EXTENT_BYTES, err);
}

enum fusor_status slab_init(struct slab *s, int fd, int huge,
                            const struct affinity_place *near,
                            struct budget *budget, struct fusor_error *err)
{
    enum fusor_status rc;

    memset(s, 0, sizeof(*s));
    s->fd = fd;
    s->huge = huge;
    s->near = near;
    s->budget = budget;
    rc = reserve(s, err);
    if (rc == FUSOR_OK)
        rc = fd < 0 ? start_new(s, err) : go_on(s, err);
    if (rc != FUSOR_OK) {
        if (fd >= 0)
            s->fd = -1; // still the caller's
        slab_clear(s);
    }
    return rc;
}

void slab_clear(struct slab *s)
{
    if (s->reserved)
        munmap(s->reserved, s->reserved_bytes);
    if (s->reserved && s->fd >= 0)
        close(s->fd);
    memset(s, 0, sizeof(*s));
    s->fd = -1;
}

enum fusor_status slab_extend(struct slab *s, unsigned owner, uint64_t n,
                              uint64_t *offset, struct fusor_error *err)
{
    uint64_t at = s->head->n_extents * SLAB_EXTENT_BYTES;
    uint64_t bytes = n * SLAB_EXTENT_BYTES;
    enum fusor_status rc;

    FUSOR_TRY(budget_take(s->budget, bytes, "the next rows", err));
    if (n > s->max_extents - s->head->n_extents) {
        budget_give(s->budget, bytes);
        return fusor_fail(err, FUSOR_ENOMEM,
                          "shard %u: a shard holds at most 64 GiB: use more "
                          "shards",
                          s->budget->shard);
    }
    if (ftruncate(s->fd, (off_t)(at + bytes)))
        rc = fusor_fail(err, FUSOR_ENOMEM, "slab: ftruncate to %llu bytes: %s",
                        (unsigned long long)(at + bytes), strerror(errno));
    else
        rc = map(s, at, bytes, err);
    if (rc != FUSOR_OK) {
        budget_give(s->budget, bytes);
        return rc;
    }
    for (uint64_t i = 0; i < n; i++)
        s->head->owner[s->head->n_extents + i] = (uint16_t)owner;
    s->head->n_extents += n;
    *offset = at;
    return FUSOR_OK;
}

void slab_collapse(struct slab *s, uint64_t offset)
{
    unsigned char *p = s->base + offset;

    if (!s->huge || s->huge_failures >= HUGE_FAILURES_MAX)
        return;
    s->huge_wanted++;
    *(volatile unsigned char *)p = *p; // an empty range cannot be collapsed
    if (madvise(p, SLAB_EXTENT_BYTES, MADV_COLLAPSE)) {
        s->huge_failures++;
        return;
    }
    s->huge_got++;
    s->huge_failures = 0;
}
