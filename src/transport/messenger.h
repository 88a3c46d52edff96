/* Whole messages over a transport: a header and a payload of any size up to a
 * cap. Payloads are lent whole to a peer that can read our memory, who gives
 * them back when the last reference to them is dropped; for others they are cut
 * into chunks of at most 1 MiB, put together on the other side within a budget,
 * and never copied on the way out. What a full pipe does
 * not take waits here, in order per peer; a request (header.request not 0) that
 * is sent again while its first copy waits takes that copy's place. So the
 * queue is bounded by what senders have outstanding, and a message over its
 * bound is refused: 8192 messages or three quarters of the pool wait for one
 * peer, so that one that does not read leaves room for the others.
 *
 * Threads: one at a time (as with the endpoint), except messenger_wake(). */
#ifndef TRANSPORT_MESSENGER_H
#define TRANSPORT_MESSENGER_H

#include "transport/transport.h"
#include "wire/chunk.h"
#include "wire/header.h"
#include "wire/payload.h"

/* What messages may take of memory in a process of a job that says nothing: a
 * bound, not an allocation. The same as text, for the setting's default. */
#define MESSENGER_MEMORY ((uint64_t)2 << 30)
#define MESSENGER_MEMORY_TEXT "2GiB"

struct messenger;

struct message {
    struct peer from;
    struct wire_header header;
    const void *data; // whole payload, until the next receive; or see pieces
    size_t size;
    /* What data lies in when it came in several chunks, or was lent
     * (read_only): a reference may be taken; or NULL. */
    struct payload_buffer *buffer;
    /* Of a kind that is kept in pieces, when it came in several: chunk i, to
     * which references may be taken. data is NULL then. */
    struct payload_buffer *const *pieces; // [n_pieces] until the next receive
    uint32_t n_pieces;
};

/** The payload of a message, wherever it lies. */
static inline struct payload_view message_view(const struct message *m)
{
    return (struct payload_view){.data = m->data,
                                 .pieces = m->pieces,
                                 .n_pieces = m->n_pieces,
                                 .size = m->size};
}

/** @param max_bytes most a message, and all halves of messages of one peer, may
 * hold; those of all peers and what waits for one half as much again, the pool
 * twice as much: half of the MESSENGER_MEMORY there is
 * @param t stays the caller's and outlives the messenger */
enum fusor_status messenger_create(struct transport *t, size_t max_bytes,
                                   struct messenger **out,
                                   struct fusor_error *err);
void messenger_destroy(struct messenger *m);
/** From now on messages of this kind that come in several chunks are not put
 * together: their chunks stay in the memory they arrived in. */
void messenger_keep_pieces(struct messenger *m, enum wire_kind kind);

/** Send, now or as soon as the pipe takes it.
 * @param payload NULL: none; a reference is taken, the caller keeps its own
 * @return FUSOR_ECLOSED: the peer is unknown or gone */
enum fusor_status messenger_send(struct messenger *m, struct peer to,
                                 const struct wire_header *header,
                                 struct payload_buffer *payload,
                                 struct fusor_error *err);
/** The same for a few bytes, copied. Small answers and failures. */
enum fusor_status messenger_send_bytes(struct messenger *m, struct peer to,
                                       const struct wire_header *header,
                                       const void *data, size_t size,
                                       struct fusor_error *err);
/** Would it leave now without being copied by who sends it? */
int messenger_lends(struct messenger *m, struct peer to,
                    struct payload_buffer *payload);
/* A message that leaves while it is being written, a chunk as soon as it is
 * full; whoever receives sees it when it is whole. One that is never ended is
 * dropped there, or replaced by its next attempt. */
struct messenger_stream {
    struct peer to;
    struct chunk_source source;
};

/** @param payload its size is what it will be; the caller's, as in send
 * @return FUSOR_EINVAL: too large */
enum fusor_status messenger_stream_begin(struct messenger_stream *s,
                                         struct peer to,
                                         const struct wire_header *header,
                                         struct payload_buffer *payload,
                                         struct fusor_error *err);
/** The first `written` bytes will not change any more: send what is full of
 * them, unless the pipe is. */
void messenger_stream_advance(struct messenger *m, struct messenger_stream *s,
                              size_t written);
/** All is written. @return as messenger_send() */
enum fusor_status messenger_stream_end(struct messenger *m,
                                       struct messenger_stream *s,
                                       struct fusor_error *err);
/** Does a request to this peer wait for room in the pipe, or part of it? */
int messenger_is_leaving(struct messenger *m, struct peer to, uint64_t request);
/** What is here of a message of a peer that is not yet whole:
 * assembler_holds(). */
int messenger_holds(const struct messenger *m, struct peer from,
                    uint64_t request, enum wire_kind kind, uint32_t attempt,
                    uint64_t had[WIRE_CHUNKS_MAX / 64]);
/** Send the chunks of a message that the peer lacks, as far as the pipe takes
 * them; the rest is to be asked for again.
 * @param header with the attempt whose other chunks the peer has
 * @param had a bit each of those */
void messenger_send_missing(struct messenger *m, struct peer to,
                            const struct wire_header *header,
                            struct payload_buffer *payload,
                            const uint64_t had[WIRE_CHUNKS_MAX / 64]);
/** Wait for one whole message; sends what waits while it does.
 * @param timeout_ms 0: only look; < 0: until one comes or a wake
 * @return FUSOR_OK, FUSOR_EAGAIN (timeout, woken, or a look after 1 ms at a
 * pipe that was full), or a failure of the transport */
enum fusor_status messenger_receive(struct messenger *m, struct message *out,
                                    int timeout_ms, struct fusor_error *err);
/** The message given out last is not needed any more, before the next receive:
 * who wants what it lies in longer holds references. */
void messenger_let_go(struct messenger *m);
/** Let the next receive give this message, the last one received, once more:
 * another thread is to see it. */
void messenger_put_back(struct messenger *m, const struct message *msg);
/** Does anything wait for room in a pipe? Then receive again after 1 ms. */
int messenger_is_waiting(const struct messenger *m);
/** Forget what waits for a peer that has gone and the halves of messages that
 * this incarnation of it left. */
void messenger_drop_peer(struct messenger *m, struct peer peer);
const struct clock_source *messenger_clock(struct messenger *m);
/** Make a receive that waits return FUSOR_EAGAIN. Threads: any. */
void messenger_wake(struct messenger *m);
/** Most bytes of a message: larger ones are dropped as malformed. */
size_t messenger_most(const struct messenger *m);
/** Where to take payloads from; its buffers outlive the messenger. */
struct payload_pool *messenger_pool(struct messenger *m);
/** Chunks dropped for want of room; their senders find out by themselves. */
uint64_t messenger_refused(const struct messenger *m);
/** Messages dropped because they were malformed. */
uint64_t messenger_malformed(const struct messenger *m);

#endif
