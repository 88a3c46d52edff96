/* Room in a worker process for its pushes: each compute thread keeps what may
 * wait, a second push, within its part of the pool; what it needs to go on
 * takes whatever is left. */
#include "base/str.h"
#include "ps/client_private.h"
#include "ps/room.h"

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

enum fusor_status client_take_push(struct client *c, struct client_worker *w,
                                   struct exchange *x, const size_t *sizes,
                                   struct fusor_error *err)
{
    int plain = c->config.encoding == ENCODING_F32;
    uint64_t need = 0, part;

    for (uint32_t s = 0; s < c->config.n_shards; s++) {
        if (plain)
            FUSOR_TRY(client_check_part(c, "gradients", s, sizes[s], err));
        need += (plain ? 1 : 2) * payload_buffer_cost(sizes[s]);
    }
    part = payload_pool_bound(messenger_pool(c->config.messenger)) /
           c->config.n_workers;
    while (w->pushes_open && w->push_bytes + need > part)
        FUSOR_TRY(client_wait_acks(c, w, w->pushes_open - 1, err));
    while (take_all(c, x, sizes) != FUSOR_OK) {
        if (!w->pushes_open)
            return client_fail_step(c, "gradients", need, err);
        FUSOR_TRY(client_wait_acks(c, w, w->pushes_open - 1, err));
    }
    profile_enter(client_profile(c, w), PROFILE_PUSH);
    return FUSOR_OK;
}
