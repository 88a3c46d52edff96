/* Memory: counted, overflow-checked allocation that tests can make fail.
 *
 * Threads: any. */
#ifndef BASE_MEM_H
#define BASE_MEM_H

#include <stddef.h>
#include <stdint.h>

#include "fusor/status.h"

#define MEM_ALIGN 64 /* a cache line and an AVX-512 register */

/** n * size zeroed bytes aligned to MEM_ALIGN. Of a large block the kernel
 * gives only the pages that are touched.
 * @return NULL on overflow, exhaustion or an injected failure; free with
 * mem_free(); n * size == 0 gives a valid pointer */
void *mem_alloc(size_t n, size_t size);

/** Like mem_alloc() but not zeroed. */
void *mem_alloc_raw(size_t n, size_t size);

/** Like mem_alloc_raw(); large ones ask for huge pages, which private memory
 * takes where the kernel gives them when asked. */
void *mem_alloc_huge(size_t n, size_t size);

/** Grow or shrink; the old block stays valid on failure. New bytes are zero.
 * @param old_n elements in p now (0 when p is NULL) */
void *mem_grow(void *p, size_t old_n, size_t n, size_t size);

char *mem_strdup(const char *s);
void mem_free(void *p);

/** From now on blocks below MEM_KEEP_BLOCK that this process frees, libraries
 * included, stay with it, up to `bytes` at the end of each heap, where they
 * would go back to the kernel: a page that is fetched again costs more than
 * copying it. Larger blocks still go back at once. Nothing where the C library
 * has no such setting. */
void mem_keep_freed(size_t bytes);
#define MEM_KEEP_BLOCK ((size_t)4 << 20)

/** Bytes now allocated through this module. */
size_t mem_used(void);

/** Memory of this process that the kernel keeps, as /proc says: its own and,
 * with program files and shared memory, all of it; 0 where it does not say. */
struct mem_resident {
    size_t own, all, most; // most: of all, ever
};
struct mem_resident mem_resident(void);

/** Make the n-th allocation from now fail (1 = the next); 0 turns it off. */
void mem_fail_after(long n);

/** Grow an array that holds n of *cap elements so that one more fits.
 * @return 0, or -1 when memory is out and nothing changed */
int mem_reserve(void **array, size_t n, size_t *cap, size_t size);

/** Report exhaustion in the common words. */
enum fusor_status mem_fail(struct fusor_error *err, const char *what,
                           size_t bytes);

#endif
