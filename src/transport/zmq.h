/* The transport over ZeroMQ: one ROUTER when it listens, one DEALER for each
 * peer it connects to; both in one endpoint if need be. Frames are
 * [header][payload]. Anything else costs its sender the endpoint's attention:
 * the message is dropped and counted, receive says FUSOR_EPROTO once, and that
 * routing id is ignored from then on.
 *
 * Security is CURVE when keys are given: the listener lets in only the public
 * keys it was given at its making, and a client names the server's key behind a
 * blank in the endpoint text ("tcp://host:port KEY"). A refused client gets
 * FUSOR_ECLUSTER from receive. Over ipc only processes of the same user get in.
 *
 * Each endpoint has its own ZeroMQ context and network thread. Owner and
 * threads: see transport.h. */
#ifndef TRANSPORT_ZMQ_H
#define TRANSPORT_ZMQ_H

#include <stddef.h>
#include <stdint.h>

#include "transport/transport.h"

#define TRANSPORT_KEY_SIZE 41      /* Z85 text of a CURVE key, with its NUL */
#define TRANSPORT_ENDPOINT_MAX 256 /* text of an endpoint, with its NUL */

struct transport_keypair {
    char public_key[TRANSPORT_KEY_SIZE];
    char secret_key[TRANSPORT_KEY_SIZE];
};

struct transport_zmq_options {
    uint64_t job;     // messages of other jobs are dropped
    struct peer self; // who this endpoint is, incarnation included
    const char *bind; // "tcp://1.2.3.4:5000", port 0 or *: any; "ipc://path";
                      // NULL: this endpoint only connects
    int listen_fd;    // a listening TCP socket for bind, or -1. Borrowed: it
                      // is duplicated, so it outlives the endpoint
    const struct transport_keypair *keys; // NULL: no CURVE
    const char *const *allowed;           // [n_allowed] public keys let in
    size_t n_allowed;
    int hwm;      // messages queued for or from one peer; 0: 64
    int flush_ms; // destroy waits this long for what was sent; 0: not at all
    int also_fd;  // a receive that waits also ends, with EAGAIN, when this
                  // descriptor is readable (borrowed; see mux.h); 0: none
};

struct transport_zmq_stats {
    uint64_t sent, received;
    uint64_t malformed; // messages that were no [header][payload]
    uint64_t ignored;   // from peers cut off, other jobs, old incarnations
    uint64_t refused;   // clients the key check turned away
};

/** Make an endpoint; with bind it listens when this returns. Strings and keys
 * are copied. Memory of messages that were read stays with the process from
 * then on: mem_keep_freed().
 * @return FUSOR_OK; FUSOR_ECLUSTER: the address is in use or not ours (the
 * text names it and the cure); FUSOR_EINVAL; FUSOR_ENOMEM */
enum fusor_status
transport_zmq_create(const struct transport_zmq_options *options,
                     struct transport **out, struct fusor_error *err);
/** The address peers connect to ("" when it does not listen); the endpoint's
 * own. */
const char *transport_zmq_endpoint(const struct transport *t);
/** Threads: the owner's. */
struct transport_zmq_stats transport_zmq_stats(const struct transport *t);

/** Make a fresh CURVE pair.
 * @return FUSOR_ECLUSTER when libzmq was built without CURVE */
enum fusor_status transport_zmq_keypair(struct transport_keypair *out,
                                        struct fusor_error *err);

/** Bind and listen on a TCP address for a supervisor that keeps the socket over
 * the death of the process that serves it.
 * @param host IPv4 address, or NULL for loopback
 * @param port 0: any free one
 * @param fd set to the socket, close-on-exec; the caller's
 * @param endpoint set to "tcp://address:port" */
enum fusor_status transport_zmq_listen(const char *host, unsigned port, int *fd,
                                       char endpoint[TRANSPORT_ENDPOINT_MAX],
                                       struct fusor_error *err);

#endif
