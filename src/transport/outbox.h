/* What waits for room in a pipe: one list of messages per peer, so that the
 * order of a pair is kept and nobody waits for another peer's pipe. A request
 * (header.request not 0) that is kept again while its first copy waits takes
 * that copy's place, so a list holds no more than its senders have outstanding;
 * besides it is bounded in messages and in bytes. Private to the layer.
 *
 * Owner: one messenger. Threads: the messenger's. */
#ifndef TRANSPORT_OUTBOX_H
#define TRANSPORT_OUTBOX_H

#include <stddef.h>

#include "transport/transport.h"
#include "wire/chunk.h"

#define OUTBOX_MAX 8192 /* messages for one peer */

struct outbox; // one peer's; there while something waits for it

struct outboxes {
    size_t max_bytes;     // of the buffers that wait for one peer
    struct outbox *first; // NULL: nothing waits for anybody
};

/** Let go of everything that waits. */
void outboxes_clear(struct outboxes *o);

/** Keep a message behind what waits for this incarnation of the peer. One that
 * waits alone may have any size.
 * @param source its body gets a reference of ours; chunks before source->next
 * are out already
 * @return FUSOR_ECLUSTER: a bound is met; FUSOR_ENOMEM; nothing is kept then */
enum fusor_status outboxes_keep(struct outboxes *o, struct peer to,
                                const struct chunk_source *source,
                                struct fusor_error *err);
/** Offer everything to the transport, each peer's in order, until its pipe is
 * full again. What a peer that has gone was to get is dropped. */
void outboxes_flush(struct outboxes *o, struct transport *t);
/** Let go of what waits for this incarnation of a peer. */
void outboxes_drop(struct outboxes *o, struct peer to);

/** Does anything wait for this incarnation of a peer? */
int outboxes_hold(const struct outboxes *o, struct peer to);
/** Does this request, or part of it? */
int outboxes_hold_request(const struct outboxes *o, struct peer to,
                          uint64_t request);

#endif
