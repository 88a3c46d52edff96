/* A cache of row blocks with least recently used eviction and one thread that
 * reads ahead. */
#include "data/stream.h"

#include <pthread.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"

#define BLOCK_BYTES ((size_t)4 << 20)
#define SLOTS (3 * STREAM_WINDOW) /* in use, being read, just left behind */
#define NONE UINT32_MAX

enum slot_state { SLOT_EMPTY, SLOT_READING, SLOT_READY };

struct slot {
    enum slot_state state;
    uint32_t block;
    uint32_t holders;
    uint64_t used; // tick of the last use
    unsigned char *bytes;
};

struct stream {
    const struct part *part;
    struct stream_column *columns;
    size_t n_columns;
    uint32_t block_rows, n_blocks, n_slots;
    size_t block_bytes;
    unsigned char *memory;
    pthread_t thread;
    int has_thread;

    pthread_mutex_t lock; // guards everything below, and slots
    pthread_cond_t ready; // a slot changed
    pthread_cond_t work;  // for the thread: the reader got on, or stop
    struct slot *slots;
    uint32_t *slot_of;  // [n_blocks] or NONE
    uint32_t *order;    // [n_order] the announced one
    uint32_t *place;    // [n_blocks] first place of a block in it
    size_t n_order, at; // where the reader is
    uint64_t tick;
    int stop;
    uint64_t waited_ns; // atomic
};

uint32_t stream_block_rows(size_t row_bytes)
{
    uint32_t rows = 16384;

    while (rows > 256 && rows * row_bytes > BLOCK_BYTES)
        rows /= 2;
    return rows;
}

static uint64_t rows_of(const struct stream *s, uint32_t block)
{
    uint64_t first = (uint64_t)block * s->block_rows;
    uint64_t left = part_rows(s->part) - first;

    return left < s->block_rows ? left : s->block_rows;
}

static int ids_are_below(enum column_type type, const void *ids, uint64_t n,
                         uint64_t limit)
{
    const uint32_t *narrow = ids;
    const uint64_t *wide = ids;
    int good = 1;

    for (uint64_t i = 0; type == COLUMN_U32 && i < n; i++)
        good &= narrow[i] < limit || narrow[i] == UINT32_MAX;
    for (uint64_t i = 0; type == COLUMN_U64 && i < n; i++)
        good &= wide[i] < limit || wide[i] == UINT64_MAX;
    return good;
}

static enum fusor_status read_column(const struct stream *s,
                                     const struct stream_column *c,
                                     uint32_t block, unsigned char *to,
                                     struct fusor_error *err)
{
    const struct column_spec *spec = &part_column(s->part, c->column)->spec;
    uint64_t n = rows_of(s, block);
    struct dense_values values;

    FUSOR_TRY(part_read(s->part, c->column, (uint64_t)block * s->block_rows, n,
                        to, err));
    if (c->limit && !ids_are_below(spec->type, to, n, c->limit))
        return fusor_fail(err, FUSOR_EDATA,
                          "column \"%s\", rows from %llu: an id is not below "
                          "%llu: run fusor prepare again",
                          spec->name, (unsigned long long)block * s->block_rows,
                          (unsigned long long)c->limit);
    if (c->dense) {
        values = (struct dense_values){(float *)(void *)to, n, NULL};
        dense_apply(c->dense, &values, 1, spec->width);
    }
    return FUSOR_OK;
}

static enum fusor_status read_block(const struct stream *s, uint32_t block,
                                    unsigned char *to, struct fusor_error *err)
{
    for (size_t i = 0; i < s->n_columns; i++)
        FUSOR_TRY(read_column(s, &s->columns[i], block,
                              to + s->columns[i].offset, err));
    return FUSOR_OK;
}

/* With the lock: a slot for a block that has none. @return NULL: all taken */
static struct slot *take_slot(struct stream *s, uint32_t block)
{
    struct slot *best = NULL;

    for (uint32_t i = 0; i < s->n_slots; i++) {
        struct slot *t = &s->slots[i];

        if (t->state == SLOT_READING || t->holders)
            continue;
        if (!best || t->used < best->used)
            best = t;
    }
    if (!best)
        return NULL;
    if (best->state == SLOT_READY)
        s->slot_of[best->block] = NONE;
    best->state = SLOT_READING;
    best->block = block;
    best->used = ++s->tick;
    s->slot_of[block] = (uint32_t)(best - s->slots);
    return best;
}

/* With the lock, which is given up while the block is read. */
static enum fusor_status fill_slot(struct stream *s, struct slot *t,
                                   struct fusor_error *err)
{
    enum fusor_status rc;

    pthread_mutex_unlock(&s->lock);
    rc = read_block(s, t->block, t->bytes, err);
    pthread_mutex_lock(&s->lock);
    t->state = rc == FUSOR_OK ? SLOT_READY : SLOT_EMPTY;
    if (rc != FUSOR_OK) {
        s->slot_of[t->block] = NONE;
        t->used = 0;
    }
    pthread_cond_broadcast(&s->ready);
    return rc;
}

/* The next block of the order that is worth reading now, or NONE. Two windows
 * from where the reader is: the one in use and the next. */
static uint32_t next_wanted(const struct stream *s)
{
    size_t end = s->at + 2 * STREAM_WINDOW;

    for (size_t i = s->at; i < end && i < s->n_order; i++)
        if (s->slot_of[s->order[i]] == NONE)
            return s->order[i];
    return NONE;
}

static void *read_ahead(void *arg)
{
    struct stream *s = arg;

    pthread_mutex_lock(&s->lock);
    while (!s->stop) {
        uint32_t block = next_wanted(s);
        struct slot *t = block == NONE ? NULL : take_slot(s, block);

        /* Who needs a block that cannot be read says so. */
        if (!t || fill_slot(s, t, NULL) != FUSOR_OK)
            pthread_cond_wait(&s->work, &s->lock);
    }
    pthread_mutex_unlock(&s->lock);
    return NULL;
}

static enum fusor_status make_slots(struct stream *s, struct fusor_error *err)
{
    s->n_slots = s->n_blocks < SLOTS ? s->n_blocks : SLOTS;
    if (s->n_slots < STREAM_WINDOW)
        s->n_slots = STREAM_WINDOW;
    s->slots = mem_alloc(s->n_slots, sizeof(*s->slots));
    s->memory = mem_alloc_raw(s->n_slots, s->block_bytes);
    s->slot_of = mem_alloc_raw(s->n_blocks, sizeof(*s->slot_of));
    s->place = mem_alloc(s->n_blocks, sizeof(*s->place));
    s->order = mem_alloc(s->n_blocks, sizeof(*s->order));
    if (!s->slots || !s->memory || !s->slot_of || !s->place || !s->order)
        return mem_fail(err, "blocks of rows", stream_bytes(s));
    for (uint32_t i = 0; i < s->n_slots; i++)
        s->slots[i].bytes = s->memory + i * s->block_bytes;
    s->n_order = s->n_blocks;
    for (uint32_t i = 0; i < s->n_blocks; i++) {
        s->slot_of[i] = NONE;
        s->place[i] = s->order[i] = i;
    }
    return FUSOR_OK;
}

static enum fusor_status set_columns(struct stream *s,
                                     struct stream_column *columns, size_t n,
                                     struct fusor_error *err)
{
    s->columns = mem_alloc(n, sizeof(*columns));
    if (!s->columns)
        return mem_fail(err, "blocks of rows", n * sizeof(*columns));
    for (size_t i = 0; i < n; i++) {
        columns[i].offset = s->block_bytes;
        s->block_bytes +=
            part_row_bytes(s->part, columns[i].column) * (size_t)s->block_rows;
        s->block_bytes = (s->block_bytes + 63) / 64 * 64;
        s->columns[s->n_columns++] = columns[i];
    }
    return FUSOR_OK;
}

enum fusor_status stream_create(const struct part *p,
                                struct stream_column *columns, size_t n,
                                uint32_t block_rows, struct stream **out,
                                struct fusor_error *err)
{
    struct stream *s = mem_alloc(1, sizeof(*s));
    enum fusor_status rc;

    if (!s)
        return mem_fail(err, "blocks of rows", sizeof(*s));
    pthread_mutex_init(&s->lock, NULL);
    pthread_cond_init(&s->ready, NULL);
    pthread_cond_init(&s->work, NULL);
    s->part = p;
    s->block_rows = block_rows;
    s->n_blocks = (uint32_t)((part_rows(p) + block_rows - 1) / block_rows);
    rc = set_columns(s, columns, n, err);
    if (rc == FUSOR_OK)
        rc = make_slots(s, err);
    if (rc == FUSOR_OK) {
        s->has_thread = !pthread_create(&s->thread, NULL, read_ahead, s);
        if (!s->has_thread)
            rc = fusor_fail(err, FUSOR_ENOMEM,
                            "no thread to read ahead: too many processes?");
    }
    if (rc == FUSOR_OK)
        *out = s;
    else
        stream_destroy(s);
    return rc;
}

void stream_destroy(struct stream *s)
{
    if (!s)
        return;
    pthread_mutex_lock(&s->lock);
    s->stop = 1;
    pthread_cond_broadcast(&s->work);
    pthread_mutex_unlock(&s->lock);
    if (s->has_thread)
        pthread_join(s->thread, NULL);
    pthread_cond_destroy(&s->work);
    pthread_cond_destroy(&s->ready);
    pthread_mutex_destroy(&s->lock);
    mem_free(s->order);
    mem_free(s->place);
    mem_free(s->slot_of);
    mem_free(s->memory);
    mem_free(s->slots);
    mem_free(s->columns);
    mem_free(s);
}

uint32_t stream_blocks(const struct stream *s)
{
    return s->n_blocks;
}

size_t stream_bytes(const struct stream *s)
{
    return s->n_slots * s->block_bytes + (size_t)s->n_blocks * 12;
}

enum fusor_status stream_announce(struct stream *s, const uint32_t *blocks,
                                  size_t n, struct fusor_error *err)
{
    uint32_t *order = mem_alloc_raw(n, sizeof(*order));

    if (!order)
        return mem_fail(err, "order of blocks", n * sizeof(*order));
    memcpy(order, blocks, n * sizeof(*order));
    pthread_mutex_lock(&s->lock);
    mem_free(s->order);
    s->order = order;
    s->n_order = n;
    s->at = 0;
    for (size_t i = n; i-- > 0;)
        s->place[order[i]] = (uint32_t)i;
    pthread_cond_signal(&s->work);
    pthread_mutex_unlock(&s->lock);
    return FUSOR_OK;
}

/* With the lock: the reader wants this block. He may still be in an order that
 * another has replaced, so only a block not yet here, or one near, tells where
 * he is. */
static void follow(struct stream *s, uint32_t block, int miss)
{
    size_t place = s->place[block];

    if (place <= s->at && !miss)
        return;
    if (!miss && place > s->at + 2 * STREAM_WINDOW)
        return;
    /* Blocks of the window before the one at hand are wanted no more. */
    s->at = place > STREAM_WINDOW ? place - place % STREAM_WINDOW : 0;
    pthread_cond_signal(&s->work);
}

/* With the lock. @return the slot with the block, or NULL with *err */
static struct slot *wait_for(struct stream *s, uint32_t block,
                             struct fusor_error *err)
{
    double start = clock_seconds();
    struct slot *t = NULL;

    for (;;) {
        uint32_t i = s->slot_of[block];

        t = i == NONE ? take_slot(s, block) : &s->slots[i];
        if (t && i == NONE && fill_slot(s, t, err) != FUSOR_OK) {
            t = NULL;
            break;
        }
        if (t && t->state == SLOT_READY)
            break;
        pthread_cond_wait(&s->ready, &s->lock);
    }
    __atomic_fetch_add(&s->waited_ns,
                       (uint64_t)((clock_seconds() - start) * 1e9),
                       __ATOMIC_RELAXED);
    return t;
}

const unsigned char *stream_hold(struct stream *s, uint32_t block,
                                 struct fusor_error *err)
{
    struct slot *t;

    pthread_mutex_lock(&s->lock);
    if (s->slot_of[block] != NONE &&
        s->slots[s->slot_of[block]].state == SLOT_READY) {
        t = &s->slots[s->slot_of[block]];
        follow(s, block, 0);
    } else {
        follow(s, block, s->slot_of[block] == NONE);
        t = wait_for(s, block, err);
    }
    if (t) {
        t->holders++;
        t->used = ++s->tick;
    }
    pthread_mutex_unlock(&s->lock);
    return t ? t->bytes : NULL;
}

void stream_release(struct stream *s, uint32_t block)
{
    pthread_mutex_lock(&s->lock);
    if (--s->slots[s->slot_of[block]].holders == 0)
        pthread_cond_broadcast(&s->ready);
    pthread_mutex_unlock(&s->lock);
}

uint64_t stream_waited_ns(const struct stream *s)
{
    return __atomic_load_n(&s->waited_ns, __ATOMIC_RELAXED);
}
