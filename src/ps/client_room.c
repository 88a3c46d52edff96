/* Room in a worker process for what it sends: each compute thread keeps what
 * may wait, a second push, within its part of the pool; what it needs to go on
 * takes whatever is left, and waits for the other threads' if that is too
 * little. */
#include <string.h>
#include <time.h>

#include "coord/deadline.h"
#include "ps/client_private.h"
#include "ps/room.h"

#define LOOK_MS 50 /* a payload that was sent may be free later */
#define GIVE_UP_MS (DEADLINE_HANG_MS / 2) /* before others call it a hang */

uint64_t client_push_bytes(const struct client *c, const struct exchange *x)
{
    uint64_t sum = 0;

    for (uint32_t s = 0; s < c->config.n_shards; s++)
        sum += x->legs[s].out->capacity;
    return sum;
}

enum fusor_status client_check_part(const struct client *c, const char *what,
                                    uint32_t shard, uint64_t size,
                                    struct fusor_error *err)
{
    struct messenger *m = c->config.messenger;
    struct room_facts f = {.memory = messenger_most(m), .need = size};

    if (room_fits(&f))
        return FUSOR_OK;
    return room_fail_message(&f, what, shard,
                             payload_pool_bound(messenger_pool(m)), err);
}

enum fusor_status client_check_parts(const struct client *c, const char *what,
                                     const size_t *sizes,
                                     struct fusor_error *err)
{
    for (uint32_t s = 0; s < c->config.n_shards; s++)
        FUSOR_TRY(client_check_part(c, what, s, sizes[s], err));
    return FUSOR_OK;
}

enum fusor_status client_fail_step(const struct client *c, const char *what,
                                   uint64_t need, struct fusor_error *err)
{
    struct payload_pool *pool = messenger_pool(c->config.messenger);
    struct room_facts f = {.memory = payload_pool_bound(pool),
                           .kept = payload_pool_bytes(pool),
                           .need = need};

    return room_fail_step(&f, what, err);
}

static enum fusor_status take_all(struct client *c, struct exchange *x,
                                  const size_t *sizes)
{
    struct payload_pool *pool = messenger_pool(c->config.messenger);
    enum fusor_status rc = FUSOR_OK;
    uint32_t s;

    for (s = 0; s < c->config.n_shards && rc == FUSOR_OK; s++)
        rc = payload_buffer_take(pool, sizes[s], &x->legs[s].out, NULL);
    for (uint32_t k = 0; rc != FUSOR_OK && k + 1 < s; k++) {
        payload_buffer_unref(x->legs[k].out);
        x->legs[k].out = NULL;
    }
    return rc;
}

/* Will any other compute thread give something back before this one goes on?
 * Not one that lacks room itself, nor, at staleness 0, one whose push is of the
 * unit that waits for this one's. */
static int others_may_give(const struct client *c,
                           const struct client_worker *w)
{
    for (unsigned i = 0; i < c->config.n_workers; i++) {
        const struct client_worker *o = &c->workers[i];
        int waits =
            c->config.staleness == 0 && atomic_load(&o->owed) > w->index;

        if (o != w && !waits && !atomic_load(&o->lacks))
            return 1;
    }
    return 0;
}

static void wait_a_moment(struct client_room *r)
{
    struct timespec until;

    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_nsec += LOOK_MS * 1000000L;
    until.tv_sec += until.tv_nsec / 1000000000L;
    until.tv_nsec %= 1000000000L;
    pthread_cond_timedwait(&r->changed, &r->mutex, &until);
}

static enum fusor_status wait_for_room(struct client *c,
                                       struct client_worker *w,
                                       struct exchange *x, const size_t *sizes,
                                       const char *what, uint64_t need,
                                       struct fusor_error *err)
{
    int64_t end = clock_now_ms(&clock_real) + GIVE_UP_MS;
    enum fusor_status rc = FUSOR_OK;

    pthread_mutex_lock(&c->room.mutex);
    atomic_store(&w->lacks, 1);
    atomic_fetch_add(&c->room.n_lacking, 1);
    pthread_cond_broadcast(&c->room.changed); // who waits for this one?
    while (rc == FUSOR_OK && take_all(c, x, sizes) != FUSOR_OK) {
        if (atomic_load(&c->stopped))
            rc = client_stopped(c, err);
        else if (!others_may_give(c, w) || clock_now_ms(&clock_real) > end)
            rc = client_fail_step(c, what, need, err);
        else
            wait_a_moment(&c->room);
    }
    atomic_store(&w->lacks, 0);
    atomic_fetch_sub(&c->room.n_lacking, 1);
    pthread_mutex_unlock(&c->room.mutex);
    return rc;
}

enum fusor_status client_take_parts(struct client *c, struct client_worker *w,
                                    struct exchange *x, const size_t *sizes,
                                    const char *what, struct fusor_error *err)
{
    uint64_t need = 0, part;

    for (uint32_t s = 0; s < c->config.n_shards; s++)
        need += payload_buffer_cost(sizes[s]);
    part = payload_pool_bound(messenger_pool(c->config.messenger)) /
           c->config.n_workers;
    while (w->pushes_open && w->push_bytes + need > part)
        FUSOR_TRY(client_wait_acks(c, w, w->pushes_open - 1, err));
    while (take_all(c, x, sizes) != FUSOR_OK) {
        if (!w->pushes_open)
            return wait_for_room(c, w, x, sizes, what, need, err);
        FUSOR_TRY(client_wait_acks(c, w, w->pushes_open - 1, err));
    }
    return FUSOR_OK;
}

void client_room_changed(struct client *c)
{
    if (atomic_load(&c->room.n_lacking) == 0)
        return;
    pthread_mutex_lock(&c->room.mutex);
    pthread_cond_broadcast(&c->room.changed);
    pthread_mutex_unlock(&c->room.mutex);
}

enum fusor_status client_room_init(struct client_room *r,
                                   struct fusor_error *err)
{
    pthread_condattr_t attr;
    int rc = pthread_condattr_init(&attr);

    if (rc)
        return fusor_fail(err, FUSOR_ENOMEM, "room: %s", strerror(rc));
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    rc = pthread_cond_init(&r->changed, &attr);
    pthread_condattr_destroy(&attr);
    if (rc)
        return fusor_fail(err, FUSOR_ENOMEM, "room: %s", strerror(rc));
    pthread_mutex_init(&r->mutex, NULL);
    r->made = 1;
    return FUSOR_OK;
}

void client_room_clear(struct client_room *r)
{
    if (!r->made)
        return;
    pthread_cond_destroy(&r->changed);
    pthread_mutex_destroy(&r->mutex);
}
