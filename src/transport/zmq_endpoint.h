/* What the files of the ZeroMQ transport share. Private to the layer; the only
 * header that includes zmq.h.
 *
 * zmq.c           the transport contract on top
 * zmq_socket.c    sockets, their options, addresses
 * zmq_frame.c     frames in and out, routing ids
 * zmq_security.c  CURVE and the thread that answers who may come in
 * zmq_monitor.c   what libzmq only tells through its events */
#ifndef TRANSPORT_ZMQ_ENDPOINT_H
#define TRANSPORT_ZMQ_ENDPOINT_H

#include <stdatomic.h>

#include <zmq.h>

#include "transport/peers.h"
#include "transport/spin.h"
#include "transport/zmq.h"

#define ROUTING_BYTES 20
#define KEY_BYTES 32

/* A connection we made. */
struct zmq_dealer {
    struct peer peer;
    char address[TRANSPORT_ENDPOINT_MAX]; // without the key
    void *socket;
    void *monitor;
    int refused;            // said aloud already; nothing can be sent
    unsigned broken_shakes; // handshakes in a row that ended without a reason
};

struct zmq_gate;

struct zmq_endpoint {
    struct transport base;
    uint64_t job;
    struct peer self;
    int has_keys;
    struct transport_keypair keys;
    int hwm;
    int flush_ms;
    char address[TRANSPORT_ENDPOINT_MAX]; // where we listen, "" if nowhere
    void *context;
    void *router; // NULL: only connects
    struct zmq_gate *gate;
    struct zmq_dealer **dealers;
    size_t n_dealers, cap_dealers;
    unsigned n_monitors; // ever made, for their names
    int wake_fd;
    int also_fd; // 0: none
    atomic_int woken;
    struct spin spin;
    /* [0] wake_fd; [1 + 2i] socket and [2 + 2i] monitor of dealer i; then the
     * router; then, not counted by n_items, also_fd. revents stay set until a
     * socket has been read empty. */
    zmq_pollitem_t *items;
    size_t n_items, cap_items;
    size_t next_item; // where to look first, so that all get their turn
    struct peer_table peers;
    zmq_msg_t frames[2]; // what the last receive gave out
    void *aligned;       // a payload that did not stand at a multiple of 8
    struct transport_zmq_stats stats;
};

static inline struct zmq_endpoint *zmq_endpoint_of(const struct transport *t)
{
    return (struct zmq_endpoint *)(uintptr_t)t; // base is the first member
}

/* zmq_socket.c */
enum fusor_status zmq_router_open(struct zmq_endpoint *e,
                                  const struct transport_zmq_options *o,
                                  struct fusor_error *err);
/** Connect to "address" or "address KEY". */
enum fusor_status zmq_dealer_open(struct zmq_endpoint *e, struct peer to,
                                  const char *endpoint, struct zmq_dealer **out,
                                  struct fusor_error *err);
void zmq_dealer_close(struct zmq_dealer *d);

/* zmq_frame.c */
void zmq_routing_write(uint8_t out[ROUTING_BYTES], uint64_t job, struct peer p);
/** Send one message; routing NULL on a DEALER. As transport send(). */
enum fusor_status zmq_frames_send(void *socket,
                                  const uint8_t routing[ROUTING_BYTES],
                                  const void *header, size_t header_size,
                                  const struct payload *payload,
                                  struct fusor_error *err);
/** Look for one message on the router or, with dealer, on that socket.
 * @return FUSOR_OK: frames and *d filled; FUSOR_EAGAIN: none there;
 * FUSOR_EPROTO: malformed; FUSOR_ECLOSED: one that is not to be heard */
enum fusor_status zmq_frames_receive(struct zmq_endpoint *e,
                                     const struct zmq_dealer *dealer,
                                     struct delivery *d,
                                     struct fusor_error *err);

/** Take the payload frame given out last. @return as transport take() */
int zmq_frame_take(struct zmq_endpoint *e, struct payload *out);

/* zmq_security.c */
/** Start answering who may come in. Before any bind. */
enum fusor_status zmq_gate_open(void *context, const char *const *allowed,
                                size_t n_allowed, struct zmq_gate **out,
                                struct fusor_error *err);
uint64_t zmq_gate_refused(const struct zmq_gate *g);
/** Ends after the context was shut down; NULL is fine. */
void zmq_gate_close(struct zmq_gate *g);
enum fusor_status zmq_curve_server(void *socket,
                                   const struct transport_keypair *keys,
                                   struct fusor_error *err);
enum fusor_status zmq_curve_client(void *socket,
                                   const struct transport_keypair *keys,
                                   const char *server_key,
                                   struct fusor_error *err);

/* zmq_monitor.c */
enum fusor_status zmq_monitor_open(struct zmq_endpoint *e, void *socket,
                                   void **monitor, struct fusor_error *err);
/** Read one event.
 * @return FUSOR_OK: read; FUSOR_EAGAIN: none; FUSOR_ECLUSTER: we are refused
 * (said once a dealer) */
enum fusor_status zmq_monitor_read(struct zmq_dealer *d,
                                   struct fusor_error *err);

#endif
