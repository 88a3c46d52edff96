/* Moving messages between the processes of a job. One contract, four makers:
 * zmq (sockets), shm (memory shared by processes of one host), mux (both, each
 * peer through one of them) and sim (a seeded network with virtual time in one
 * process). Shard, client and coordinator are state machines that see only
 * this.
 *
 * A message is a small encoded header (wire/header.h) and one payload of bytes.
 * Peers are named by struct peer; an endpoint talks to a peer only after
 * transport_connect() (client side) or after the peer spoke first (server
 * side). Delivery is at most once and in order per pair while both live;
 * anything may be lost when a peer dies or a link is cut, so requests carry ids
 * and are sent again. Nothing is ever queued without bound: a full pipe gives
 * EAGAIN.
 *
 * Threads: one at a time, which a lock between them must see to (libzmq asks
 * for the fence), except transport_wake(). */
#ifndef TRANSPORT_TRANSPORT_H
#define TRANSPORT_TRANSPORT_H

#include <stddef.h>
#include <stdint.h>

#include "base/clock.h"
#include "fusor/status.h"
#include "wire/header.h"

#define TRANSPORT_PAYLOAD_MAX WIRE_CHUNK_BYTES

/* The role processes of a job. number: server shard, worker process. */
enum peer_kind { PEER_COORDINATOR = 1, PEER_SHARD, PEER_WORKER };

struct peer {
    enum peer_kind kind;
    uint32_t number;
    uint32_t incarnation; // to send to: 0 is the newest known
};

/** One number that names a peer and its incarnation (of which 24 bits count),
 * e.g. for assembler_add(). */
static inline uint64_t peer_key(struct peer p)
{
    return (uint64_t)p.kind << 56 | (uint64_t)(p.incarnation & 0xffffff) << 32 |
           p.number;
}

/* A payload with its owner: release() is called exactly once, when the last
 * holder (which may be the network thread) is done with data. */
struct payload {
    const void *data;
    size_t size;
    void (*release)(void *data, void *hint); // NULL: copied at once
    void *hint;
};

struct transport {
    const struct transport_ops *ops;
};

/* Memory that peers of this host may map and read, the caller's. */
struct shared_memory {
    int fd; // sealed: its size cannot change
    const void *base;
    size_t size;
    size_t most; // bytes of it that may be lent to one peer at a time
};

/* What arrives. Valid until the next receive on this endpoint. payload stands
 * at a multiple of 8. */
struct delivery {
    struct peer from; // a peer we connected to: as named in connect()
    const void *header;
    size_t header_size;
    const void *payload;
    size_t payload_size;
    /* Lent: a whole message, valid until release() is called, which the
     * receiver does exactly once, from any thread, even after this endpoint's
     * end. Only to be read. release NULL: as said above. */
    struct payload loan;
};

struct transport_ops {
    /** Name a peer to talk to and where it is; again for a known peer: moves
     * there, and what was under way is lost. Does not wait for the peer, which
     * may come later, go and come back.
     * @param endpoint text as its listener gave it; copied */
    enum fusor_status (*connect)(struct transport *t, struct peer to,
                                 const char *endpoint, struct fusor_error *err);
    /** On FUSOR_OK the payload is taken; on EAGAIN (pipe full) or ECLOSED
     * (unknown or gone) and EINVAL (too large) it stays the caller's.
     * Room in a full pipe shows while its sender receives.
     * @param payload NULL: none. Blocks: never. */
    enum fusor_status (*send)(struct transport *t, struct peer to,
                              const void *header, size_t header_size,
                              const struct payload *payload,
                              struct fusor_error *err);
    /** From now on payloads in this memory can be lent. Before any connect; it
     * outlives the endpoint. NULL: this transport copies always. */
    void (*share)(struct transport *t, const struct shared_memory *memory);
    /** Could this payload be lent to this peer now? NULL: never. */
    int (*may_lend)(struct transport *t, struct peer to,
                    const struct payload *payload);
    /** Send a message of any size whose payload the peer reads where it is;
     * payload->release is called when it is done, or gone.
     * @return as send, and FUSOR_EUSAGE: may_lend() says no */
    enum fusor_status (*lend)(struct transport *t, struct peer to,
                              const void *header, size_t header_size,
                              const struct payload *payload,
                              struct fusor_error *err);
    /** Does a payload to this peer leave out of its own memory, without the
     * sender's time? NULL: no, it is copied. */
    int (*refers)(struct transport *t, struct peer to);
    /** Wait for one message.
     * @param timeout_ms 0: only look; < 0: until one comes or a wake
     * @return FUSOR_OK, EAGAIN (timeout or woken), EPROTO (a malformed message
     * was dropped; its sender, d->from, is cut off; go on receiving), ECLUSTER
     * (security refused us), ECLOSED (this endpoint itself is dead: sim).
     * Old incarnations of a peer that has a newer one are not heard. */
    enum fusor_status (*receive)(struct transport *t, struct delivery *d,
                                 int timeout_ms, struct fusor_error *err);
    /** Keep the payload of the last delivery, which is then the caller's alone
     * to write to: out->release() frees it, from any thread, even after this
     * endpoint's end. Once a delivery. NULL: this transport cannot.
     * @return 0, or -1: not this one, it has to be copied */
    int (*take)(struct transport *t, struct payload *out);
    /** Ignore a peer that spoke to us (its incarnation, 0: the newest) from
     * now on: what it sent was no sense. Sends to it give ECLOSED. */
    void (*cut)(struct transport *t, struct peer who);
    /** Make a receive that waits, or the next one, return EAGAIN. Threads:
     * any, while the endpoint lives. */
    void (*wake)(struct transport *t);
    /** Payloads not yet sent are released. NULL is fine in
     * transport_destroy(). */
    void (*destroy)(struct transport *t);
    const struct clock_source *(*clock)(struct transport *t);
};

static inline enum fusor_status transport_connect(struct transport *t,
                                                  struct peer to,
                                                  const char *endpoint,
                                                  struct fusor_error *err)
{
    return t->ops->connect(t, to, endpoint, err);
}

static inline enum fusor_status
transport_send(struct transport *t, struct peer to, const void *header,
               size_t header_size, const struct payload *payload,
               struct fusor_error *err)
{
    return t->ops->send(t, to, header, header_size, payload, err);
}

static inline void transport_share(struct transport *t,
                                   const struct shared_memory *memory)
{
    if (t->ops->share)
        t->ops->share(t, memory);
}

static inline int transport_may_lend(struct transport *t, struct peer to,
                                     const struct payload *payload)
{
    return t->ops->may_lend && t->ops->may_lend(t, to, payload);
}

static inline int transport_refers(struct transport *t, struct peer to)
{
    return t->ops->refers && t->ops->refers(t, to);
}

static inline enum fusor_status transport_receive(struct transport *t,
                                                  struct delivery *d,
                                                  int timeout_ms,
                                                  struct fusor_error *err)
{
    return t->ops->receive(t, d, timeout_ms, err);
}

static inline int transport_take(struct transport *t, struct payload *out)
{
    return t->ops->take ? t->ops->take(t, out) : -1;
}

static inline void transport_cut(struct transport *t, struct peer who)
{
    t->ops->cut(t, who);
}

static inline void transport_wake(struct transport *t)
{
    t->ops->wake(t);
}

static inline void transport_destroy(struct transport *t)
{
    if (t)
        t->ops->destroy(t);
}

static inline const struct clock_source *transport_clock(struct transport *t)
{
    return t->ops->clock(t);
}

#endif
