/* Pooled reference-counted buffers. Sizes come in classes a quarter of a power
 * of two apart, so at most a fifth of a buffer is unused; idle buffers wait in
 * one list a class because fresh pages cost several times the copy. */
#include "wire/payload.h"

#include <assert.h>
#include <pthread.h>

#include "base/mem.h"

#define CLASS_SMALLEST 4096
#define N_CLASSES 88 /* the largest holds 7 * 4096 * 2^19 = 14 GiB */

struct payload_pool {
    pthread_mutex_t lock;
    struct payload_buffer *idle[N_CLASSES];
    size_t bytes; // in use and idle
    size_t max_bytes;
    size_t n_live; // taken and not yet back
    int closed;
};

static size_t class_bytes(unsigned c)
{
    return ((size_t)CLASS_SMALLEST << (c / 4)) / 4 * (4 + c % 4);
}

/* The smallest class that holds capacity; N_CLASSES when none does. */
static unsigned class_of(size_t capacity)
{
    unsigned c = 0;

    while (c < N_CLASSES && class_bytes(c) < capacity)
        c++;
    return c;
}

static void buffer_free(struct payload_pool *pool, struct payload_buffer *b)
{
    pool->bytes -= b->capacity;
    mem_free(b->data);
    mem_free(b);
}

/* Free idle buffers, the largest first, until want more bytes fit. */
static int pool_make_room(struct payload_pool *pool, size_t want)
{
    for (unsigned c = N_CLASSES; c-- > 0;)
        while (pool->idle[c] && pool->bytes + want > pool->max_bytes) {
            struct payload_buffer *b = pool->idle[c];

            pool->idle[c] = b->next;
            buffer_free(pool, b);
        }
    return pool->bytes + want <= pool->max_bytes;
}

static void pool_free(struct payload_pool *pool)
{
    pthread_mutex_destroy(&pool->lock);
    mem_free(pool);
}

enum fusor_status payload_pool_create(size_t max_bytes,
                                      struct payload_pool **out,
                                      struct fusor_error *err)
{
    struct payload_pool *pool = mem_alloc(1, sizeof(*pool));

    if (!pool)
        return mem_fail(err, "payload pool", sizeof(*pool));
    pthread_mutex_init(&pool->lock, NULL);
    pool->max_bytes = max_bytes;
    *out = pool;
    return FUSOR_OK;
}

void payload_pool_destroy(struct payload_pool *pool)
{
    int last;

    if (!pool)
        return;
    pthread_mutex_lock(&pool->lock);
    for (unsigned c = 0; c < N_CLASSES; c++)
        while (pool->idle[c]) {
            struct payload_buffer *b = pool->idle[c];

            pool->idle[c] = b->next;
            buffer_free(pool, b);
        }
    pool->closed = 1;
    last = pool->n_live == 0;
    pthread_mutex_unlock(&pool->lock);
    if (last)
        pool_free(pool);
}

size_t payload_pool_bytes(struct payload_pool *pool)
{
    size_t bytes;

    pthread_mutex_lock(&pool->lock);
    bytes = pool->bytes;
    pthread_mutex_unlock(&pool->lock);
    return bytes;
}

/* A new buffer of class c, counted by the caller. */
static struct payload_buffer *buffer_create(struct payload_pool *pool,
                                            unsigned c)
{
    struct payload_buffer *b = mem_alloc(1, sizeof(*b));

    if (!b)
        return NULL;
    b->capacity = class_bytes(c);
    b->data = mem_alloc_raw(b->capacity, 1);
    if (!b->data) {
        mem_free(b);
        return NULL;
    }
    b->pool = pool;
    b->size_class = c;
    return b;
}

static struct payload_buffer *pool_pop(struct payload_pool *pool, unsigned c)
{
    struct payload_buffer *b = pool->idle[c];

    if (b)
        pool->idle[c] = b->next;
    else if (pool_make_room(pool, class_bytes(c)))
        b = buffer_create(pool, c);
    else
        return NULL;
    return b;
}

enum fusor_status payload_buffer_take(struct payload_pool *pool,
                                      size_t capacity,
                                      struct payload_buffer **out,
                                      struct fusor_error *err)
{
    unsigned c = class_of(capacity);
    struct payload_buffer *b = NULL;
    size_t held;

    pthread_mutex_lock(&pool->lock);
    if (c < N_CLASSES) {
        int fresh = !pool->idle[c];

        b = pool_pop(pool, c);
        if (b) {
            pool->bytes += fresh ? b->capacity : 0;
            pool->n_live++;
        }
    }
    held = pool->bytes;
    pthread_mutex_unlock(&pool->lock);
    if (!b)
        return fusor_fail(err, FUSOR_ENOMEM,
                          "payload pool: no room for %zu bytes (%zu of %zu "
                          "held): raise its share of the memory cap",
                          capacity, held, pool->max_bytes);
    atomic_init(&b->refs, 1);
    b->size = 0;
    b->next = NULL;
    *out = b;
    return FUSOR_OK;
}

struct payload_buffer *payload_buffer_ref(struct payload_buffer *b)
{
    atomic_fetch_add_explicit(&b->refs, 1, memory_order_relaxed);
    return b;
}

void payload_buffer_unref(struct payload_buffer *b)
{
    struct payload_pool *pool;
    unsigned before;
    int last;

    if (!b)
        return;
    before = atomic_fetch_sub_explicit(&b->refs, 1, memory_order_acq_rel);
    assert(before > 0);
    if (before > 1)
        return;
    pool = b->pool;
    pthread_mutex_lock(&pool->lock);
    pool->n_live--;
    last = pool->closed && pool->n_live == 0;
    if (pool->closed) {
        buffer_free(pool, b);
    } else {
        b->next = pool->idle[b->size_class];
        pool->idle[b->size_class] = b;
    }
    pthread_mutex_unlock(&pool->lock);
    if (last)
        pool_free(pool);
}

void payload_buffer_release(void *data, void *hint)
{
    (void)data;
    payload_buffer_unref(hint);
}
