/* Counted allocation with injected failure. The size of a block is kept in
 * front of it so that frees can be counted too. */
#define _GNU_SOURCE /* madvise */
#include "base/mem.h"

#include <limits.h>
#include <malloc.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define HUGE_BYTES ((size_t)2 << 20)
/* From here on zeros cost pages when they are touched, and no time before. */
#define LAZY_BYTES ((size_t)1 << 20)

static atomic_size_t used_bytes;
static atomic_long fail_countdown;

struct block_head {
    size_t size;
    unsigned char pad[MEM_ALIGN - sizeof(size_t)];
};

static int injected_failure(void)
{
    if (atomic_load_explicit(&fail_countdown, memory_order_relaxed) <= 0)
        return 0;
    return atomic_fetch_sub(&fail_countdown, 1) == 1;
}

static int product(size_t n, size_t size, size_t *out)
{
    return __builtin_mul_overflow(n, size, out) ||
           *out > SIZE_MAX - 2 * sizeof(struct block_head);
}

struct mem_resident mem_resident(void)
{
    struct mem_resident m = {0, 0, 0};
    FILE *f = fopen("/proc/self/status", "re");
    char line[128];
    size_t kib;

    while (f && fgets(line, sizeof(line), f)) {
        if (sscanf(line, "RssAnon: %zu", &kib) == 1)
            m.own = kib * 1024;
        else if (sscanf(line, "VmRSS: %zu", &kib) == 1)
            m.all = kib * 1024;
        else if (sscanf(line, "VmHWM: %zu", &kib) == 1)
            m.most = kib * 1024;
    }
    if (f)
        fclose(f);
    return m;
}

void *mem_alloc_raw(size_t n, size_t size)
{
    struct block_head *head;
    size_t bytes, whole;

    if (product(n, size, &bytes) || injected_failure())
        return NULL;
    whole = (sizeof(*head) + bytes + MEM_ALIGN - 1) & ~(size_t)(MEM_ALIGN - 1);
    head = aligned_alloc(MEM_ALIGN, whole);
    if (!head)
        return NULL;
    head->size = bytes;
    atomic_fetch_add(&used_bytes, bytes);
    return head + 1;
}

/* Zeros that take no memory until they are touched: whole pages are given back,
 * and come as zeros when somebody wants them. */
static void zero_pages(unsigned char *p, size_t bytes)
{
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    size_t before = (page - (uintptr_t)p % page) % page;
    size_t whole = (bytes - before) / page * page;

    if (madvise(p + before, whole, MADV_DONTNEED)) {
        memset(p, 0, bytes); // locked pages stay as they are
        return;
    }
    memset(p, 0, before);
    memset(p + before + whole, 0, bytes - before - whole);
}

void *mem_alloc(size_t n, size_t size)
{
    void *p = mem_alloc_raw(n, size);

    if (p && n * size >= LAZY_BYTES)
        zero_pages(p, n * size);
    else if (p)
        memset(p, 0, n * size);
    return p;
}

void *mem_alloc_huge(size_t n, size_t size)
{
    unsigned char *p = mem_alloc_raw(n, size);
    size_t bytes = n * size, skip;

    if (!p || bytes < 2 * HUGE_BYTES)
        return p;
    skip = HUGE_BYTES - (uintptr_t)p % HUGE_BYTES;
    madvise(p + skip, (bytes - skip) & ~(HUGE_BYTES - 1), MADV_HUGEPAGE);
    return p;
}

void *mem_grow(void *p, size_t old_n, size_t n, size_t size)
{
    size_t keep = old_n < n ? old_n : n;
    unsigned char *fresh = mem_alloc_raw(n, size);

    if (!fresh)
        return NULL;
    if (p)
        memcpy(fresh, p, keep * size);
    memset(fresh + keep * size, 0, (n - keep) * size);
    mem_free(p);
    return fresh;
}

char *mem_strdup(const char *s)
{
    size_t n = strlen(s) + 1;
    char *copy = mem_alloc_raw(n, 1);

    if (copy)
        memcpy(copy, s, n);
    return copy;
}

void mem_free(void *p)
{
    struct block_head *head;

    if (!p)
        return;
    head = (struct block_head *)p - 1;
    atomic_fetch_sub(&used_bytes, head->size);
    free(head);
}

void mem_keep_freed(size_t bytes)
{
#ifdef __GLIBC__
    /* Setting one of them ends glibc's own adjusting of both. */
    mallopt(M_MMAP_THRESHOLD, (int)MEM_KEEP_BLOCK);
    mallopt(M_TRIM_THRESHOLD, bytes < INT_MAX ? (int)bytes : INT_MAX);
#else
    (void)bytes;
#endif
}

size_t mem_used(void)
{
    return atomic_load(&used_bytes);
}

void mem_fail_after(long n)
{
    atomic_store(&fail_countdown, n);
}

int mem_reserve(void **array, size_t n, size_t *cap, size_t size)
{
    size_t want;
    void *fresh;

    if (n < *cap)
        return 0;
    want = *cap ? *cap * 2 : 16;
    fresh = mem_grow(*array, *cap, want, size);
    if (!fresh)
        return -1;
    *array = fresh;
    *cap = want;
    return 0;
}

enum fusor_status mem_fail(struct fusor_error *err, const char *what,
                           size_t bytes)
{
    return fusor_fail(err, FUSOR_ENOMEM, "%s: no memory for %zu bytes", what,
                      bytes);
}
