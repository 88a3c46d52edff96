/* The transport contract on ZeroMQ sockets: who is looked at when, who is sent
 * to through which socket. */
#include "transport/zmq_endpoint.h"

#include <errno.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/mem.h"

#define HWM 64        /* messages; at most 64 MiB a peer and direction */
#define LOOKS_MOST 64 /* ignored messages skipped after the time is up */
#define KEEP_BYTES ((size_t)256 << 20) /* of messages that were read */
#define MAX_SOCKETS 8191 /* two for each server a client connects to */

static void items_fill(struct zmq_endpoint *e)
{
    size_t n = 0;

    e->items[n++] = (zmq_pollitem_t){NULL, e->wake_fd, ZMQ_POLLIN, 0};
    for (size_t i = 0; i < e->n_dealers; i++) {
        struct zmq_dealer *d = e->dealers[i];

        e->items[n++] = (zmq_pollitem_t){d->socket, 0, ZMQ_POLLIN, ZMQ_POLLIN};
        e->items[n++] = (zmq_pollitem_t){d->monitor, 0, ZMQ_POLLIN, ZMQ_POLLIN};
    }
    if (e->router)
        e->items[n++] = (zmq_pollitem_t){e->router, 0, ZMQ_POLLIN, ZMQ_POLLIN};
    e->items[n] = (zmq_pollitem_t){NULL, e->also_fd, ZMQ_POLLIN, 0};
    e->n_items = n;
    e->next_item = 0;
}

/* Room for one more dealer, so that adding it cannot fail half-way. */
static int dealers_reserve(struct zmq_endpoint *e)
{
    size_t want = 2 * (e->n_dealers + 1) + 3;

    while (e->cap_items < want)
        if (mem_reserve((void **)&e->items, e->cap_items, &e->cap_items,
                        sizeof(*e->items)))
            return -1;
    return mem_reserve((void **)&e->dealers, e->n_dealers, &e->cap_dealers,
                       sizeof(struct zmq_dealer *));
}

static void dealer_replace(struct zmq_endpoint *e, struct zmq_dealer *old,
                           struct zmq_dealer *fresh)
{
    size_t i = 0;

    while (i < e->n_dealers && e->dealers[i] != old)
        i++;
    if (i == e->n_dealers)
        e->n_dealers++;
    e->dealers[i] = fresh;
    zmq_dealer_close(old);
}

static enum fusor_status endpoint_connect(struct transport *t, struct peer to,
                                          const char *endpoint,
                                          struct fusor_error *err)
{
    struct zmq_endpoint *e = zmq_endpoint_of(t);
    struct peer_entry *entry;
    struct zmq_dealer *d;

    if (dealers_reserve(e))
        return mem_fail(err, "zmq: peers", sizeof(*d));
    FUSOR_TRY(zmq_dealer_open(e, to, endpoint, &d, err));
    if (peer_table_add(&e->peers, to, &entry, err) != FUSOR_OK) {
        zmq_dealer_close(d);
        return err ? err->status : FUSOR_ENOMEM;
    }
    dealer_replace(e, entry->link, d);
    *entry = (struct peer_entry){.peer = to, .connected = 1, .link = d};
    items_fill(e);
    return FUSOR_OK;
}

static enum fusor_status endpoint_send(struct transport *t, struct peer to,
                                       const void *header, size_t header_size,
                                       const struct payload *payload,
                                       struct fusor_error *err)
{
    struct zmq_endpoint *e = zmq_endpoint_of(t);
    uint8_t routing[ROUTING_BYTES];
    const struct zmq_dealer *d;
    struct peer_entry *entry;
    enum fusor_status rc;
    char who[32];

    FUSOR_TRY(message_check(header_size, payload, err));
    FUSOR_TRY(peer_table_route(&e->peers, to, &entry, err));
    d = entry->link;
    if (d && d->refused)
        return fusor_fail(err, FUSOR_ECLOSED, "refused by %s", d->address);
    zmq_routing_write(routing, e->job, entry->peer);
    rc = zmq_frames_send(d ? d->socket : e->router, d ? NULL : routing, header,
                         header_size, payload, err);
    if (rc != FUSOR_OK)
        return fusor_wrap(err, rc, "to %s", peer_text(to, who));
    e->stats.sent++;
    return FUSOR_OK;
}

/* Look at one item that poll found ready.
 * @return as zmq_frames_receive(), FUSOR_ECLUSTER from a monitor */
static enum fusor_status item_look(struct zmq_endpoint *e, size_t i,
                                   struct delivery *d, struct fusor_error *err)
{
    enum fusor_status rc;

    if (i == 0 || !e->items[i].revents)
        return FUSOR_EAGAIN;
    if (i > 2 * e->n_dealers)
        rc = zmq_frames_receive(e, NULL, d, err);
    else if (i % 2)
        rc = zmq_frames_receive(e, e->dealers[i / 2], d, err);
    else if ((rc = zmq_monitor_read(e->dealers[i / 2 - 1], err)) == FUSOR_OK)
        rc = FUSOR_ECLOSED; // nothing the caller needs to hear
    if (rc == FUSOR_EAGAIN)
        e->items[i].revents = 0;
    return rc;
}

/* Look at all ready items once round, from where the last look ended. */
static enum fusor_status items_look(struct zmq_endpoint *e, struct delivery *d,
                                    struct fusor_error *err)
{
    for (size_t n = e->n_items; n > 0; n--) {
        size_t i = e->next_item;
        enum fusor_status rc = item_look(e, i, d, err);

        e->next_item = i + 1 == e->n_items ? 0 : i + 1;
        if (rc != FUSOR_EAGAIN)
            return rc;
    }
    return FUSOR_EAGAIN;
}

static int wake_take(struct zmq_endpoint *e)
{
    uint64_t n;

    if (!atomic_exchange(&e->woken, 0))
        return 0;
    /* May find nothing when the waker has not written yet: then a later look
     * returns once for nothing. */
    return read(e->wake_fd, &n, sizeof(n)) != 0;
}

/* Before a wait; who waits for more than this endpoint looks longer itself.
 * @return as zmq_poll() */
static int poll_longer(struct zmq_endpoint *e)
{
    int n = 0;

    if (e->also_fd || !spin_begin(&e->spin))
        return 0;
    do
        n = zmq_poll(e->items, (int)e->n_items, 0);
    while (n == 0 && spin_again(&e->spin));
    if (n > 0)
        spin_hit(&e->spin);
    return n;
}

/* Wait for anything.
 * @return FUSOR_OK, or FUSOR_EAGAIN: nothing came in time, a wake or a signal
 */
static enum fusor_status items_wait(struct zmq_endpoint *e, int timeout_ms,
                                    struct fusor_error *err)
{
    int n_items = (int)e->n_items + (e->also_fd != 0);
    int n = timeout_ms ? poll_longer(e) : 0;
    uint64_t woken;

    if (n == 0)
        n = zmq_poll(e->items, n_items, timeout_ms);
    if (n < 0 && zmq_errno() != EINTR)
        return fusor_fail(err, FUSOR_ECLUSTER, "zmq: poll: %s",
                          zmq_strerror(zmq_errno()));
    if (n <= 0)
        return FUSOR_EAGAIN;
    if (e->items[0].revents) {
        atomic_store(&e->woken, 0);
        if (read(e->wake_fd, &woken, sizeof(woken)) > 0)
            return FUSOR_EAGAIN;
    }
    if (e->also_fd && n == 1 && e->items[e->n_items].revents)
        return FUSOR_EAGAIN;
    return FUSOR_OK;
}

static void frames_free(struct zmq_endpoint *e)
{
    zmq_msg_close(&e->frames[0]);
    zmq_msg_close(&e->frames[1]);
    zmq_msg_init(&e->frames[0]);
    zmq_msg_init(&e->frames[1]);
}

static enum fusor_status endpoint_receive(struct transport *t,
                                          struct delivery *d, int timeout_ms,
                                          struct fusor_error *err)
{
    struct zmq_endpoint *e = zmq_endpoint_of(t);
    int64_t end = clock_now_ms(&clock_real) + timeout_ms;
    int wait_ms = timeout_ms, looked = 0;

    for (;;) {
        enum fusor_status rc;

        frames_free(e);
        if (wake_take(e))
            return FUSOR_EAGAIN;
        rc = items_look(e, d, err);
        if (rc != FUSOR_EAGAIN && rc != FUSOR_ECLOSED)
            return rc;
        if (timeout_ms > 0) {
            int64_t left = end - clock_now_ms(&clock_real);

            wait_ms = left > 0 ? (int)left : 0;
        }
        if (looked >= LOOKS_MOST && timeout_ms >= 0 && !wait_ms)
            return FUSOR_EAGAIN;
        looked++;
        if (rc == FUSOR_ECLOSED)
            continue;
        rc = items_wait(e, wait_ms, err);
        if (rc != FUSOR_OK)
            return rc;
        looked = LOOKS_MOST;
    }
}

/* libzmq's own thread reads what is sent. */
static int endpoint_refers(struct transport *t, struct peer to)
{
    (void)t;
    (void)to;
    return 1;
}

static int endpoint_take(struct transport *t, struct payload *out)
{
    return zmq_frame_take(zmq_endpoint_of(t), out);
}

static void endpoint_cut(struct transport *t, struct peer who)
{
    peer_table_cut(&zmq_endpoint_of(t)->peers, who);
}

static void endpoint_wake(struct transport *t)
{
    struct zmq_endpoint *e = zmq_endpoint_of(t);
    uint64_t one = 1;

    if (!atomic_exchange(&e->woken, 1))
        (void)!write(e->wake_fd, &one, sizeof(one));
}

static void endpoint_destroy(struct transport *t)
{
    struct zmq_endpoint *e = zmq_endpoint_of(t);

    zmq_msg_close(&e->frames[0]);
    zmq_msg_close(&e->frames[1]);
    for (size_t i = 0; i < e->n_dealers; i++)
        zmq_dealer_close(e->dealers[i]);
    if (e->router)
        zmq_close(e->router);
    if (e->context) {
        zmq_ctx_shutdown(e->context); // ends the gate's thread
        zmq_gate_close(e->gate);
        while (zmq_ctx_term(e->context) && zmq_errno() == EINTR)
            ;
    }
    if (e->wake_fd >= 0)
        close(e->wake_fd);
    peer_table_clear(&e->peers);
    mem_free(e->dealers);
    mem_free(e->items);
    mem_free(e->aligned);
    mem_free(e);
}

static const struct clock_source *endpoint_clock(struct transport *t)
{
    (void)t;
    return &clock_real;
}

static const struct transport_ops endpoint_ops = {
    .connect = endpoint_connect,
    .send = endpoint_send,
    .refers = endpoint_refers,
    .receive = endpoint_receive,
    .take = endpoint_take,
    .cut = endpoint_cut,
    .wake = endpoint_wake,
    .destroy = endpoint_destroy,
    .clock = endpoint_clock,
};

static void endpoint_fill(struct zmq_endpoint *e,
                          const struct transport_zmq_options *o)
{
    e->base.ops = &endpoint_ops;
    e->job = o->job;
    e->self = o->self;
    e->has_keys = o->keys != NULL;
    if (o->keys)
        e->keys = *o->keys;
    e->hwm = o->hwm > 0 ? o->hwm : HWM;
    e->flush_ms = o->flush_ms > 0 ? o->flush_ms : 0;
    e->also_fd = o->also_fd;
    e->spin.clock = &clock_real;
    zmq_msg_init(&e->frames[0]);
    zmq_msg_init(&e->frames[1]);
}

static enum fusor_status endpoint_open(struct zmq_endpoint *e,
                                       const struct transport_zmq_options *o,
                                       struct fusor_error *err)
{
    int listens = o->bind || o->listen_fd >= 0;

    e->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    e->context = zmq_ctx_new();
    if (e->wake_fd < 0 || !e->context)
        return fusor_fail(err, FUSOR_ECLUSTER, "zmq: no context: %s",
                          strerror(errno));
    zmq_ctx_set(e->context, ZMQ_MAX_SOCKETS, MAX_SOCKETS);
    e->aligned = mem_alloc_raw(TRANSPORT_PAYLOAD_MAX, 1);
    if (!e->aligned || dealers_reserve(e))
        return mem_fail(err, "zmq: endpoint", TRANSPORT_PAYLOAD_MAX);
    if (listens && o->keys)
        FUSOR_TRY(
            zmq_gate_open(e->context, o->allowed, o->n_allowed, &e->gate, err));
    if (listens)
        FUSOR_TRY(zmq_router_open(e, o, err));
    items_fill(e);
    return FUSOR_OK;
}

enum fusor_status
transport_zmq_create(const struct transport_zmq_options *options,
                     struct transport **out, struct fusor_error *err)
{
    struct zmq_endpoint *e = mem_alloc(1, sizeof(*e));
    enum fusor_status rc;

    if (!e)
        return mem_fail(err, "zmq: endpoint", sizeof(*e));
    /* libzmq takes each message from the heap: fetching its pages again was
     * half of what a large push cost its shard. */
    mem_keep_freed(KEEP_BYTES);
    endpoint_fill(e, options);
    e->wake_fd = -1;
    rc = endpoint_open(e, options, err);
    if (rc != FUSOR_OK) {
        endpoint_destroy(&e->base);
        return rc;
    }
    *out = &e->base;
    return FUSOR_OK;
}

const char *transport_zmq_endpoint(const struct transport *t)
{
    return zmq_endpoint_of(t)->address;
}

struct transport_zmq_stats transport_zmq_stats(const struct transport *t)
{
    const struct zmq_endpoint *e = zmq_endpoint_of(t);
    struct transport_zmq_stats s = e->stats;

    s.refused = zmq_gate_refused(e->gate);
    return s;
}
