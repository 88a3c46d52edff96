/* Frames in and out. A message is [header][payload], behind the routing id on a
 * ROUTER. The handling of borrowed memory follows flux-core's msg_zsock.c:
 * whoever gave it is told once, by the network thread or by us. */
#include "transport/zmq_endpoint.h"

#include <errno.h>
#include <string.h>

#include "base/mem.h"

#define COPY_BELOW 1024 /* a copy costs less than a hold */
#define TAKE_FROM 16384 /* smaller ones share libzmq's read buffer of 8 KiB */
#define ROUTING_MAGIC 'F'
#define ROUTING_VERSION 1

/* Memory lent to libzmq. armed: the message was taken, so its end is the end
 * of the loan; otherwise the caller still owns the payload. */
struct zmq_hold {
    struct payload payload;
    atomic_int armed;
};

void zmq_routing_write(uint8_t out[ROUTING_BYTES], uint64_t job, struct peer p)
{
    out[0] = ROUTING_MAGIC; // not 0: libzmq keeps that for its own ids
    out[1] = ROUTING_VERSION;
    out[2] = (uint8_t)p.kind;
    out[3] = 0;
    memcpy(out + 4, &p.number, 4);
    memcpy(out + 8, &p.incarnation, 4);
    memcpy(out + 12, &job, 8);
}

/* @return 0, or -1: not one of ours */
static int routing_read(zmq_msg_t *frame, uint64_t job, struct peer *p)
{
    const uint8_t *b = zmq_msg_data(frame);
    uint64_t its_job;

    if (zmq_msg_size(frame) != ROUTING_BYTES || b[0] != ROUTING_MAGIC ||
        b[1] != ROUTING_VERSION || b[2] < PEER_COORDINATOR ||
        b[2] > PEER_WORKER || b[3])
        return -1;
    memcpy(&its_job, b + 12, 8);
    if (its_job != job)
        return -1;
    p->kind = (enum peer_kind)b[2];
    memcpy(&p->number, b + 4, 4);
    memcpy(&p->incarnation, b + 8, 4);
    return 0;
}

/* Called by libzmq, in any thread, when it is done with the bytes. */
static void hold_end(void *data, void *hint)
{
    struct zmq_hold *h = hint;

    if (atomic_load_explicit(&h->armed, memory_order_acquire))
        h->payload.release(data, h->payload.hint);
    mem_free(h);
}

static int payload_is_lent(const struct payload *p)
{
    return p && p->release && p->size >= COPY_BELOW;
}

/* Make the payload frame; *hold is set when it borrows.
 * @return 0, or -1: no memory */
static int payload_frame(zmq_msg_t *frame, const struct payload *p,
                         struct zmq_hold **hold)
{
    size_t size = p ? p->size : 0;

    *hold = NULL;
    if (!payload_is_lent(p)) {
        if (zmq_msg_init_size(frame, size))
            return -1;
        if (size)
            memcpy(zmq_msg_data(frame), p->data, size);
        return 0;
    }
    *hold = mem_alloc_raw(1, sizeof(**hold));
    if (!*hold)
        return -1;
    (*hold)->payload = *p;
    atomic_init(&(*hold)->armed, 0);
    if (zmq_msg_init_data(frame, (void *)(uintptr_t)p->data, size, hold_end,
                          *hold)) {
        mem_free(*hold);
        return -1;
    }
    return 0;
}

static int send_first(void *socket, const void *data, size_t size)
{
    int events;
    size_t n = sizeof(events);

    if (zmq_send(socket, data, size, ZMQ_SNDMORE | ZMQ_DONTWAIT) >= 0)
        return 0;
    if (zmq_errno() != EAGAIN)
        return -1;
    /* libzmq looks for room given back only now and then; asking for events
     * makes it look. */
    zmq_getsockopt(socket, ZMQ_EVENTS, &events, &n);
    return zmq_send(socket, data, size, ZMQ_SNDMORE | ZMQ_DONTWAIT) < 0 ? -1
                                                                        : 0;
}

static int send_all(void *socket, const uint8_t *routing, const void *header,
                    size_t header_size, zmq_msg_t *payload)
{
    if (routing && send_first(socket, routing, ROUTING_BYTES))
        return -1;
    if (!routing && send_first(socket, header, header_size))
        return -1;
    if (routing &&
        zmq_send(socket, header, header_size, ZMQ_SNDMORE | ZMQ_DONTWAIT) < 0)
        return -1;
    return zmq_msg_send(payload, socket, ZMQ_DONTWAIT) < 0 ? -1 : 0;
}

static enum fusor_status send_fail(int code, struct fusor_error *err)
{
    if (code == EAGAIN || code == EINTR)
        return fusor_fail(err, FUSOR_EAGAIN, "zmq: the pipe is full");
    if (code == EHOSTUNREACH)
        return fusor_fail(err, FUSOR_ECLOSED, "zmq: the peer has gone");
    return fusor_fail(err, FUSOR_ECLUSTER, "zmq: send: %s", zmq_strerror(code));
}

enum fusor_status zmq_frames_send(void *socket,
                                  const uint8_t routing[ROUTING_BYTES],
                                  const void *header, size_t header_size,
                                  const struct payload *payload,
                                  struct fusor_error *err)
{
    struct zmq_hold *hold;
    zmq_msg_t frame;

    if (payload_frame(&frame, payload, &hold))
        return mem_fail(err, "zmq: message", payload ? payload->size : 0);
    /* Armed before it goes: afterwards the network thread may be done. */
    if (hold)
        atomic_store_explicit(&hold->armed, 1, memory_order_release);
    if (send_all(socket, routing, header, header_size, &frame)) {
        int code = zmq_errno();

        if (hold)
            atomic_store_explicit(&hold->armed, 0, memory_order_release);
        zmq_msg_close(&frame);
        return send_fail(code, err);
    }
    if (!hold && payload && payload->release)
        payload->release((void *)(uintptr_t)payload->data, payload->hint);
    return FUSOR_OK;
}

/* Read the rest of a message into nothing. */
static void skip_rest(void *socket)
{
    int more = 1;

    while (more) {
        zmq_msg_t frame;

        zmq_msg_init(&frame);
        if (zmq_msg_recv(&frame, socket, ZMQ_DONTWAIT) < 0 &&
            zmq_errno() != EINTR)
            more = 0;
        else
            more = zmq_msg_more(&frame);
        zmq_msg_close(&frame);
    }
}

/* Read the n frames of a message; they must be all of it.
 * @return FUSOR_EPROTO when there are fewer or more (all are read) */
static enum fusor_status read_frames(void *socket, zmq_msg_t *const frames[],
                                     int n)
{
    for (int i = 0; i < n; i++) {
        while (zmq_msg_recv(frames[i], socket, ZMQ_DONTWAIT) < 0)
            if (zmq_errno() != EINTR || i == 0)
                return i == 0 ? FUSOR_EAGAIN : FUSOR_EPROTO;
        if (!zmq_msg_more(frames[i]) && i < n - 1)
            return FUSOR_EPROTO;
    }
    if (!zmq_msg_more(frames[n - 1]))
        return FUSOR_OK;
    skip_rest(socket);
    return FUSOR_EPROTO;
}

static int sizes_fit(zmq_msg_t frames[2])
{
    size_t header = zmq_msg_size(&frames[0]);

    return header > 0 && header <= WIRE_HEADER_MAX &&
           zmq_msg_size(&frames[1]) <= TRANSPORT_PAYLOAD_MAX;
}

/* Where the payload stands, at a multiple of 8. Only messages that share
 * libzmq's 8 KiB read buffer ever stand elsewhere. */
static const void *payload_aligned(struct zmq_endpoint *e)
{
    void *data = zmq_msg_data(&e->frames[1]);
    size_t size = zmq_msg_size(&e->frames[1]);

    if (((uintptr_t)data & 7) == 0)
        return data;
    memcpy(e->aligned, data, size);
    return e->aligned;
}

static enum fusor_status malformed(struct zmq_endpoint *e, const char *who,
                                   struct fusor_error *err)
{
    e->stats.malformed++;
    return fusor_fail(err, FUSOR_EPROTO,
                      "zmq: %s sent a message that is no [header][payload]: "
                      "it is not heard any more",
                      who);
}

/* Whom the message read from the router is from, and may it be heard? */
static enum fusor_status judge_sender(struct zmq_endpoint *e,
                                      zmq_msg_t *routing, int is_whole,
                                      struct delivery *d,
                                      struct fusor_error *err)
{
    char who[32];

    d->from = (struct peer){0};
    if (routing_read(routing, e->job, &d->from)) {
        if (!is_whole)
            return malformed(e, "a stranger", err);
        e->stats.ignored++;
        return FUSOR_ECLOSED;
    }
    if (peer_table_hear(&e->peers, d->from) != FUSOR_OK) {
        e->stats.ignored++;
        return FUSOR_ECLOSED;
    }
    if (is_whole)
        return FUSOR_OK;
    peer_table_cut(&e->peers, d->from);
    return malformed(e, peer_text(d->from, who), err);
}

static enum fusor_status receive_router(struct zmq_endpoint *e,
                                        struct delivery *d,
                                        struct fusor_error *err)
{
    zmq_msg_t routing;
    zmq_msg_t *const frames[] = {&routing, &e->frames[0], &e->frames[1]};
    enum fusor_status rc;

    zmq_msg_init(&routing);
    rc = read_frames(e->router, frames, 3);
    if (rc != FUSOR_EAGAIN)
        rc = judge_sender(e, &routing, rc == FUSOR_OK && sizes_fit(e->frames),
                          d, err);
    zmq_msg_close(&routing);
    return rc;
}

static enum fusor_status receive_dealer(struct zmq_endpoint *e,
                                        const struct zmq_dealer *dealer,
                                        struct delivery *d,
                                        struct fusor_error *err)
{
    zmq_msg_t *const frames[] = {&e->frames[0], &e->frames[1]};
    const struct peer_entry *entry = peer_table_find(&e->peers, dealer->peer);
    enum fusor_status rc = read_frames(dealer->socket, frames, 2);

    if (rc == FUSOR_EAGAIN)
        return rc;
    d->from = dealer->peer;
    if (!entry || entry->cut) {
        e->stats.ignored++;
        return FUSOR_ECLOSED;
    }
    if (rc == FUSOR_OK && sizes_fit(e->frames))
        return FUSOR_OK;
    peer_table_cut(&e->peers, dealer->peer);
    return malformed(e, dealer->address, err);
}

enum fusor_status zmq_frames_receive(struct zmq_endpoint *e,
                                     const struct zmq_dealer *dealer,
                                     struct delivery *d,
                                     struct fusor_error *err)
{
    enum fusor_status rc =
        dealer ? receive_dealer(e, dealer, d, err) : receive_router(e, d, err);

    if (rc != FUSOR_OK)
        return rc;
    e->stats.received++;
    d->header = zmq_msg_data(&e->frames[0]);
    d->header_size = zmq_msg_size(&e->frames[0]);
    d->payload = payload_aligned(e);
    d->payload_size = zmq_msg_size(&e->frames[1]);
    return FUSOR_OK;
}

static void taken_free(void *data, void *hint)
{
    zmq_msg_t *m = hint;

    (void)data;
    zmq_msg_close(m);
    mem_free(m);
}

int zmq_frame_take(struct zmq_endpoint *e, struct payload *out)
{
    zmq_msg_t *from = &e->frames[1], *m;

    if (zmq_msg_size(from) < TAKE_FROM ||
        ((uintptr_t)zmq_msg_data(from) & 7) != 0)
        return -1;
    m = mem_alloc_raw(1, sizeof(*m));
    if (!m)
        return -1;
    zmq_msg_init(m);
    zmq_msg_move(m, from);
    *out = (struct payload){.data = zmq_msg_data(m),
                            .size = zmq_msg_size(m),
                            .release = taken_free,
                            .hint = m};
    return 0;
}
