/* Routes between two transports. ZeroMQ's poll does the waiting, because only
 * it knows when a ZeroMQ socket is ready (its descriptor tells by edges that
 * are easily missed); shared memory joins in as one descriptor. */
#include "transport/mux.h"

#include <stdatomic.h>

#include "base/mem.h"
#include "transport/spin.h"

struct mux {
    struct transport base;
    struct transport *shm, *zmq;
    struct transport *last; // gave the last delivery
    atomic_int woken;
    int zmq_next; // which is looked at first: they take turns
    struct spin spin;
};

static struct mux *mux_of(const struct transport *t)
{
    return (struct mux *)(uintptr_t)t; // base is the first member
}

static enum fusor_status mux_connect(struct transport *t, struct peer to,
                                     const char *endpoint,
                                     struct fusor_error *err)
{
    struct mux *m = mux_of(t);

    return transport_connect(transport_shm_is_text(endpoint) ? m->shm : m->zmq,
                             to, endpoint, err);
}

static struct transport *home_of(const struct mux *m, struct peer who)
{
    return transport_shm_knows(m->shm, who) ? m->shm : m->zmq;
}

static enum fusor_status mux_send(struct transport *t, struct peer to,
                                  const void *header, size_t header_size,
                                  const struct payload *payload,
                                  struct fusor_error *err)
{
    return transport_send(home_of(mux_of(t), to), to, header, header_size,
                          payload, err);
}

static void mux_share(struct transport *t, const struct shared_memory *memory)
{
    transport_share(mux_of(t)->shm, memory);
}

static int mux_may_lend(struct transport *t, struct peer to,
                        const struct payload *payload)
{
    return transport_may_lend(home_of(mux_of(t), to), to, payload);
}

static enum fusor_status mux_lend(struct transport *t, struct peer to,
                                  const void *header, size_t header_size,
                                  const struct payload *payload,
                                  struct fusor_error *err)
{
    struct transport *home = home_of(mux_of(t), to);

    if (!home->ops->lend)
        return fusor_fail(err, FUSOR_EUSAGE, "not shared with that peer");
    return home->ops->lend(home, to, header, header_size, payload, err);
}

static int mux_refers(struct transport *t, struct peer to)
{
    return transport_refers(home_of(mux_of(t), to), to);
}

static int mux_take(struct transport *t, struct payload *out)
{
    return transport_take(mux_of(t)->last, out);
}

/* A receive of one of both. */
static enum fusor_status receive_from(struct mux *m, struct transport *t,
                                      struct delivery *d, int timeout_ms,
                                      struct fusor_error *err)
{
    m->last = t;
    return transport_receive(t, d, timeout_ms, err);
}

/* Look at both, without waiting. */
static enum fusor_status look(struct mux *m, struct delivery *d,
                              struct fusor_error *err)
{
    struct transport *const order[] = {m->shm, m->zmq};
    enum fusor_status rc = FUSOR_EAGAIN;

    m->zmq_next = !m->zmq_next;
    for (int i = 0; i < 2 && rc == FUSOR_EAGAIN; i++)
        rc = receive_from(m, order[i ^ m->zmq_next], d, 0, err);
    return rc;
}

/* Before a wait. @return as receive; FUSOR_EAGAIN: sleep */
static enum fusor_status look_longer(struct mux *m, struct delivery *d,
                                     struct fusor_error *err)
{
    enum fusor_status rc = FUSOR_EAGAIN;

    if (!spin_begin(&m->spin))
        return rc;
    while (rc == FUSOR_EAGAIN && !atomic_load(&m->woken) &&
           spin_again(&m->spin))
        if (transport_shm_has_message(m->shm))
            rc = receive_from(m, m->shm, d, 0, err);
    if (rc != FUSOR_EAGAIN)
        spin_hit(&m->spin);
    return rc;
}

/* Wait for either.
 * @return as receive; FUSOR_EAGAIN also when shared memory has something */
static enum fusor_status wait_both(struct mux *m, struct delivery *d,
                                   int timeout_ms, struct fusor_error *err)
{
    int wait_ms = transport_shm_sleep(m->shm, timeout_ms);
    enum fusor_status rc = receive_from(m, m->zmq, d, wait_ms, err);

    transport_shm_awake(m->shm);
    return rc;
}

static enum fusor_status mux_receive(struct transport *t, struct delivery *d,
                                     int timeout_ms, struct fusor_error *err)
{
    struct mux *m = mux_of(t);
    int64_t end = 0;
    int left = timeout_ms;

    for (;;) {
        enum fusor_status rc;

        if (atomic_exchange(&m->woken, 0))
            return FUSOR_EAGAIN;
        rc = look(m, d, err);
        if (rc != FUSOR_EAGAIN || !timeout_ms)
            return rc;
        if (transport_shm_has_room(m->shm))
            return FUSOR_EAGAIN;
        if (timeout_ms > 0) {
            int64_t now = clock_now_ms(&clock_real);

            end = end ? end : now + timeout_ms;
            left = end > now ? (int)(end - now) : 0;
        }
        if (!left)
            return FUSOR_EAGAIN;
        rc = look_longer(m, d, err);
        if (rc != FUSOR_EAGAIN)
            return rc;
        rc = wait_both(m, d, left, err);
        if (rc != FUSOR_EAGAIN)
            return rc;
    }
}

static void mux_cut(struct transport *t, struct peer who)
{
    transport_cut(home_of(mux_of(t), who), who);
}

static void mux_wake(struct transport *t)
{
    struct mux *m = mux_of(t);

    atomic_store(&m->woken, 1);
    transport_wake(m->zmq);
}

static void mux_destroy(struct transport *t)
{
    struct mux *m = mux_of(t);

    transport_destroy(m->zmq); // it waits on a descriptor of the other
    transport_destroy(m->shm);
    mem_free(m);
}

static const struct clock_source *mux_clock(struct transport *t)
{
    (void)t;
    return &clock_real;
}

static const struct transport_ops mux_ops = {
    .connect = mux_connect,
    .send = mux_send,
    .share = mux_share,
    .may_lend = mux_may_lend,
    .lend = mux_lend,
    .refers = mux_refers,
    .receive = mux_receive,
    .take = mux_take,
    .cut = mux_cut,
    .wake = mux_wake,
    .destroy = mux_destroy,
    .clock = mux_clock,
};

enum fusor_status transport_mux_create(const struct transport_shm_options *shm,
                                       const struct transport_zmq_options *zmq,
                                       struct transport **out,
                                       struct fusor_error *err)
{
    struct transport_zmq_options remote = *zmq;
    struct mux *m = mem_alloc(1, sizeof(*m));
    enum fusor_status rc;

    if (!m)
        return mem_fail(err, "mux: endpoint", sizeof(*m));
    m->base.ops = &mux_ops;
    m->spin.clock = &clock_real;
    rc = transport_shm_create(shm, &m->shm, err);
    if (rc == FUSOR_OK) {
        remote.also_fd = transport_shm_poll_fd(m->shm);
        rc = transport_zmq_create(&remote, &m->zmq, err);
    }
    if (rc != FUSOR_OK) {
        mux_destroy(&m->base);
        return rc;
    }
    *out = &m->base;
    return FUSOR_OK;
}

const char *transport_mux_zmq_endpoint(const struct transport *t)
{
    return transport_zmq_endpoint(mux_of(t)->zmq);
}
