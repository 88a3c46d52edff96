/* Pooled reference-counted buffers, the larger ones shared if asked for. Sizes
 * come in classes a quarter of a power of two apart, so at most a fifth of a
 * buffer is unused; idle buffers wait in one list a class because fresh pages
 * cost several times the copy. */
#include "wire/payload.h"

#include <assert.h>
#include <pthread.h>

#include "base/mem.h"
#include "wire/payload_region.h"

#define CLASS_SMALLEST 4096
#define SHARED_FROM ((size_t)16384) /* smaller ones are copied faster */
#define REGION_TIMES 16 /* of the bound: classes do not share their places */
#define N_CLASSES 88    /* the largest holds 7 * 4096 * 2^19 = 14 GiB */

struct payload_pool {
    pthread_mutex_t lock;
    struct payload_buffer *idle[N_CLASSES];
    struct payload_buffer *bare[N_CLASSES]; // in the region, without pages
    struct payload_buffer *shells;          // of borrowed memory, idle
    struct payload_region region;
    size_t region_used;
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

static void list_add(struct payload_buffer **list, struct payload_buffer *b)
{
    b->next = *list;
    *list = b;
}

static struct payload_buffer *list_take(struct payload_buffer **list)
{
    struct payload_buffer *b = *list;

    if (b)
        *list = b->next;
    return b;
}

/* Not with the pool's memory: what lies in the region goes with it. */
static void buffer_drop(struct payload_pool *pool, struct payload_buffer *b)
{
    if (!payload_region_has(&pool->region, b->data) && !b->give_back)
        mem_free(b->data);
    mem_free(b);
}

static void buffer_free(struct payload_pool *pool, struct payload_buffer *b)
{
    pool->bytes -= b->capacity;
    if (pool->closed || !payload_region_has(&pool->region, b->data)) {
        buffer_drop(pool, b);
        return;
    }
    payload_region_drop(&pool->region, b->data, b->capacity);
    list_add(&pool->bare[b->size_class], b);
}

/* Free idle buffers, the largest first, until want more bytes fit. */
static int pool_make_room(struct payload_pool *pool, size_t want)
{
    for (unsigned c = N_CLASSES; c-- > 0;)
        while (pool->idle[c] && pool->bytes + want > pool->max_bytes)
            buffer_free(pool, list_take(&pool->idle[c]));
    return pool->bytes + want <= pool->max_bytes;
}

static void pool_free(struct payload_pool *pool)
{
    payload_region_clear(&pool->region);
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

enum fusor_status payload_pool_share(struct payload_pool *pool,
                                     struct payload_region *out,
                                     struct fusor_error *err)
{
    FUSOR_TRY(payload_region_make(REGION_TIMES * pool->max_bytes, &pool->region,
                                  err));
    *out = pool->region;
    return FUSOR_OK;
}

void payload_pool_destroy(struct payload_pool *pool)
{
    int last;

    if (!pool)
        return;
    pthread_mutex_lock(&pool->lock);
    pool->closed = 1;
    for (unsigned c = 0; c < N_CLASSES; c++) {
        while (pool->idle[c])
            buffer_free(pool, list_take(&pool->idle[c]));
        while (pool->bare[c])
            buffer_drop(pool, list_take(&pool->bare[c]));
    }
    while (pool->shells)
        buffer_drop(pool, list_take(&pool->shells));
    last = pool->n_live == 0;
    pthread_mutex_unlock(&pool->lock);
    if (last)
        pool_free(pool);
}

size_t payload_pool_bound(const struct payload_pool *pool)
{
    return pool->max_bytes;
}

size_t payload_buffer_cost(size_t size)
{
    unsigned c = class_of(size);

    return c < N_CLASSES ? class_bytes(c) : size;
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
    struct payload_buffer *b = list_take(&pool->bare[c]);

    if (b)
        return b;
    b = mem_alloc(1, sizeof(*b));
    if (!b)
        return NULL;
    b->capacity = class_bytes(c);
    if (b->capacity >= SHARED_FROM)
        b->data = payload_region_place(&pool->region, &pool->region_used,
                                       b->capacity);
    if (!b->data)
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
    struct payload_buffer *b = list_take(&pool->idle[c]);

    if (b)
        return b;
    if (pool_make_room(pool, class_bytes(c)))
        b = buffer_create(pool, c);
    else
        return NULL;
    return b;
}

static enum fusor_status no_room(struct payload_pool *pool, size_t want,
                                 struct fusor_error *err)
{
    return fusor_fail(err, FUSOR_ENOMEM,
                      "messages: no room for %zu bytes (%zu of %zu in use): "
                      "raise cluster.message_memory",
                      want, payload_pool_bytes(pool), pool->max_bytes);
}

enum fusor_status payload_buffer_take(struct payload_pool *pool,
                                      size_t capacity,
                                      struct payload_buffer **out,
                                      struct fusor_error *err)
{
    unsigned c = class_of(capacity);
    struct payload_buffer *b = NULL;

    pthread_mutex_lock(&pool->lock);
    if (c < N_CLASSES) {
        int fresh = !pool->idle[c];

        b = pool_pop(pool, c);
        if (b) {
            pool->bytes += fresh ? b->capacity : 0;
            pool->n_live++;
        }
    }
    pthread_mutex_unlock(&pool->lock);
    if (!b)
        return no_room(pool, capacity, err);
    atomic_init(&b->refs, 1);
    b->size = 0;
    b->next = NULL;
    *out = b;
    return FUSOR_OK;
}

/* @param counted bytes it takes of the bound */
static enum fusor_status shell_take(struct payload_pool *pool,
                                    const struct payload_buffer *is,
                                    size_t counted, struct payload_buffer **out,
                                    struct fusor_error *err)
{
    struct payload_buffer *b = NULL;
    int fits;

    pthread_mutex_lock(&pool->lock);
    fits = counted == 0 || pool_make_room(pool, counted);
    if (fits)
        b = list_take(&pool->shells);
    if (fits && !b)
        b = mem_alloc(1, sizeof(*b));
    if (b) {
        pool->n_live++;
        pool->bytes += counted;
    }
    pthread_mutex_unlock(&pool->lock);
    if (!fits)
        return no_room(pool, counted, err);
    if (!b)
        return mem_fail(err, "borrowed payload", sizeof(*b));
    *b = *is;
    b->pool = pool;
    b->capacity = counted;
    atomic_init(&b->refs, 1);
    *out = b;
    return FUSOR_OK;
}

enum fusor_status payload_buffer_borrow(struct payload_pool *pool,
                                        const void *data, size_t size,
                                        void (*give_back)(void *, void *),
                                        void *hint, struct payload_buffer **out,
                                        struct fusor_error *err)
{
    struct payload_buffer is = {.data = (void *)(uintptr_t)data,
                                .size = size,
                                .give_back = give_back,
                                .hint = hint,
                                .read_only = 1};

    return shell_take(pool, &is, 0, out, err);
}

enum fusor_status payload_buffer_adopt(struct payload_pool *pool, void *data,
                                       size_t size,
                                       void (*give_back)(void *, void *),
                                       void *hint, struct payload_buffer **out,
                                       struct fusor_error *err)
{
    struct payload_buffer is = {
        .data = data, .size = size, .give_back = give_back, .hint = hint};

    return shell_take(pool, &is, size, out, err);
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
    if (b->give_back)
        b->give_back(b->data, b->hint);
    pthread_mutex_lock(&pool->lock);
    pool->n_live--;
    last = pool->closed && pool->n_live == 0;
    if (pool->closed) {
        buffer_free(pool, b);
    } else if (b->give_back) {
        pool->bytes -= b->capacity;
        list_add(&pool->shells, b);
    } else {
        list_add(&pool->idle[b->size_class], b);
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
