/* Memory: counted, overflow-checked allocation that tests can make fail, and
 * the arena a worker takes its whole workspace from once.
 *
 * Threads: mem_* any; one arena belongs to one thread. */
#ifndef BASE_MEM_H
#define BASE_MEM_H

#include <stddef.h>
#include <stdint.h>

#include "fusor/status.h"

#define MEM_ALIGN 64 /* a cache line and an AVX-512 register */

/** n * size zeroed bytes aligned to MEM_ALIGN.
 * @return NULL on overflow, exhaustion or an injected failure; free with
 * mem_free(); n * size == 0 gives a valid pointer */
void *mem_alloc(size_t n, size_t size);

/** Like mem_alloc() but not zeroed. */
void *mem_alloc_raw(size_t n, size_t size);

/** Grow or shrink; the old block stays valid on failure. New bytes are zero.
 * @param old_n elements in p now (0 when p is NULL) */
void *mem_grow(void *p, size_t old_n, size_t n, size_t size);

char *mem_strdup(const char *s);
void mem_free(void *p);

/** Bytes now allocated through this module. */
size_t mem_used(void);

/** Make the n-th allocation from now fail (1 = the next); 0 turns it off. */
void mem_fail_after(long n);

/** Grow an array that holds n of *cap elements so that one more fits.
 * @return 0, or -1 when memory is out and nothing changed */
int mem_reserve(void **array, size_t n, size_t *cap, size_t size);

/** Report exhaustion in the common words. */
enum fusor_status mem_fail(struct fusor_error *err, const char *what,
                           size_t bytes);

/* Bump allocator over one block. */
struct arena {
    unsigned char *base;
    size_t size;
    size_t used;
    size_t peak;
};

enum fusor_status arena_init(struct arena *a, size_t size_bytes,
                             struct fusor_error *err);
void arena_clear(struct arena *a);
/** n * size bytes aligned to MEM_ALIGN, not zeroed; NULL when it does not
 * fit. */
void *arena_take(struct arena *a, size_t n, size_t size);
/** Give back everything taken since used was read. */
void arena_rewind(struct arena *a, size_t used);

#endif
