/* The transport between processes of one host: messages in shared memory, one
 * wake at most for each, no network thread. An endpoint that listens has a unix
 * socket of an abstract name; who connects makes an anonymous segment of memory
 * with a ring for each direction (shm_ring.h) and hands it over through that
 * socket, which afterwards only tells when the other side has gone. Nothing of
 * it has a name on a disk; all of it ends with its processes, however they end.
 *
 * Who gets in: processes of the same user (checked by the kernel, on both
 * sides) that know the job and the key in the endpoint's text, "shm:NAME KEY".
 * A refused client gets FUSOR_ECLUSTER from receive. A peer whose ring makes no
 * sense is cut off with FUSOR_EPROTO and its memory let go.
 *
 * Payloads that lie in memory named by transport_share() stay there: the ring
 * carries a note, and the receiver, who has mapped that memory to read, says in
 * a flag when it is done. All others are copied into the ring.
 *
 * A send wakes its receiver only when that one sleeps; a receive that waits
 * looks a little longer (spin.h), then sleeps in epoll_wait(2). A full ring (8
 * MiB a direction, whose pages are touched only as they are needed) gives
 * EAGAIN; room ends its sender's receive with EAGAIN, so that it can try again.
 *
 * Owner and threads: see transport.h. */
#ifndef TRANSPORT_SHM_H
#define TRANSPORT_SHM_H

#include <stddef.h>
#include <stdint.h>

#include "transport/transport.h"

#define SHM_TEXT_MAX 128 /* "shm:NAME KEY" with its NUL */
#define SHM_KEY_MAX 40   /* with its NUL */

struct transport_shm_options {
    uint64_t job;        // who says another is not let in
    struct peer self;    // who this endpoint is, incarnation included
    const char *bind;    // "shm:NAME KEY" or "shm:NAME"; NULL: only connects
    uint64_t ring_bytes; // a direction; a power of two; 0: 8 MiB
};

struct transport_shm_stats {
    uint64_t sent, received;
    uint64_t malformed; // rings that made no sense
    uint64_t ignored;   // from peers cut off and old incarnations
    uint64_t refused;   // clients turned away
};

/** Make an endpoint; with bind it listens when this returns.
 * @return FUSOR_OK; FUSOR_ECLUSTER: the name is in use; FUSOR_EINVAL: no such
 * text or ring_bytes; FUSOR_ENOMEM */
enum fusor_status
transport_shm_create(const struct transport_shm_options *options,
                     struct transport **out, struct fusor_error *err);
/** Threads: the owner's. */
struct transport_shm_stats transport_shm_stats(const struct transport *t);
/** Is this the text of an endpoint in shared memory? */
int transport_shm_is_text(const char *endpoint);

/* For who waits for more than this endpoint (mux.h). */

/** A descriptor that polls readable when receive should look; stays the
 * endpoint's. */
int transport_shm_poll_fd(const struct transport *t);
/** About to wait elsewhere: from now on senders wake the descriptor.
 * @return how long the wait may take: 0: do not, there is something; else
 * timeout_ms or less */
int transport_shm_sleep(struct transport *t, int timeout_ms);
/** The wait is over. */
void transport_shm_awake(struct transport *t);
/** Would a receive find a message? */
int transport_shm_has_message(const struct transport *t);
/** Has room come back in a ring that was full? Says so once. */
int transport_shm_has_room(struct transport *t);
/** Did we connect to this peer or it speak to us here? */
int transport_shm_knows(const struct transport *t, struct peer who);

#endif
