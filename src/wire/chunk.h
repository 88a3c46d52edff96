/* One logical message as 1..n chunks and back. Chunk i carries the bytes from
 * i * WIRE_CHUNK_BYTES on; all but the last are full. Chunks point into the one
 * buffer of the message: nothing is copied.
 *
 * A message that is sent again takes a higher header.attempt; chunks of
 * different attempts are never mixed, because an answer made twice may differ.
 *
 * Threads: one at a time per object. */
#ifndef WIRE_CHUNK_H
#define WIRE_CHUNK_H

#include <stddef.h>
#include <stdint.h>

#include "fusor/status.h"
#include "wire/header.h"
#include "wire/payload.h"

/** Chunks of a payload: at least 1; 0 when it is too large to be sent. */
uint32_t chunk_count(uint64_t total_bytes);

/* A message on its way out, chunk by chunk. The body stays the caller's; it
 * must live until the last chunk is taken (each sent chunk holds its own
 * reference). */
struct chunk_source {
    struct wire_header header;
    struct payload_buffer *body; // NULL: no payload
    uint32_t next;               // first chunk not yet sent
};

struct chunk {
    uint8_t header[WIRE_HEADER_MAX];
    size_t header_size;
    const void *data; // in body
    size_t size;
};

/** @param body its size becomes total_bytes; NULL: 0
 * @return FUSOR_EINVAL when body is larger than WIRE_TOTAL_MAX */
enum fusor_status chunk_source_init(struct chunk_source *s,
                                    const struct wire_header *h,
                                    struct payload_buffer *body,
                                    struct fusor_error *err);
/** Give chunk number s->next without moving on.
 * @return 1, or 0 when all are out */
int chunk_source_peek(const struct chunk_source *s, struct chunk *out);
/** Move on to the next chunk. */
void chunk_source_advance(struct chunk_source *s);

/* A whole message. One that came in a single chunk is borrowed from the
 * delivery. One of several is put together in `buffer`, or, if its kind is kept
 * in pieces, stays in those: chunk i is pieces[i]. */
struct wire_message {
    struct wire_header header; // of the chunk that completed it
    const void *payload;       // NULL: in pieces
    size_t size;
    struct payload_buffer *buffer;  // the caller owns this reference; or NULL
    struct payload_buffer **pieces; // [n_pieces] the assembler's; or NULL
    uint32_t n_pieces;
};

struct assembler;

struct assembler_options {
    struct payload_pool *pool;    // borrowed
    size_t max_bytes;             // of all unfinished messages
    size_t max_bytes_per_sender;  // of one sender's
    unsigned max_open_per_sender; // unfinished messages of one sender
    unsigned max_open;            // unfinished messages in all
    int64_t timeout_ms;           // without a new chunk: abandoned
    uint32_t kept;                // kinds that stay in pieces: 1 << kind
    /* Keep the chunk just added where it is: *out is a buffer of pool's, the
     * assembler's. NULL: chunks are copied.
     * @return FUSOR_OK; FUSOR_EUSAGE: not this one, it is copied; FUSOR_ENOMEM:
     * the pool has no room, the chunk is lost */
    enum fusor_status (*take)(void *context, struct payload_buffer **out);
    void *context;
};

struct assembler_stats {
    uint64_t completed;
    uint64_t duplicates; // chunks had before, or of a finished message
    uint64_t late;       // chunks of an older attempt
    uint64_t restarted;  // messages begun anew by a newer attempt
    uint64_t refused;    // chunks dropped for want of room
    uint64_t abandoned;  // messages given up
    size_t open;         // unfinished now
    size_t open_bytes;
};

enum fusor_status assembler_create(const struct assembler_options *o,
                                   struct assembler **out,
                                   struct fusor_error *err);
void assembler_destroy(struct assembler *a);

/** From now on messages of this kind stay in the pieces they came in. */
void assembler_keep_pieces(struct assembler *a, enum wire_kind kind);
/** The pieces handed out last are not needed any more; who wants them longer
 * holds references. The next message that is whole does the same. */
void assembler_let_go(struct assembler *a);
/** Add one chunk. A message of a single chunk passes through uncopied.
 * @param sender any number that names the sender (peer_key())
 * @return FUSOR_OK: *out is whole; FUSOR_EAGAIN: not yet, or the chunk was
 * dropped (duplicate, late, no room: counted; the sender's resend brings it
 * back); FUSOR_EPROTO: size or header contradict the header or earlier
 * chunks (what was there of the message is dropped) */
enum fusor_status assembler_add(struct assembler *a, uint64_t sender,
                                const struct wire_header *h, const void *data,
                                size_t size, int64_t now_ms,
                                struct wire_message *out,
                                struct fusor_error *err);
/** Which chunks of a message are here that is not yet whole?
 * @param had a bit each
 * @return 0: nothing of this attempt is held; had is untouched */
int assembler_holds(const struct assembler *a, uint64_t sender,
                    uint64_t request, enum wire_kind kind, uint32_t attempt,
                    uint64_t had[WIRE_CHUNKS_MAX / 64]);
/** Give up what had no new chunk for timeout_ms.
 * @return messages given up */
unsigned assembler_expire(struct assembler *a, int64_t now_ms);
/** Drop everything of a sender: it has died. */
void assembler_forget(struct assembler *a, uint64_t sender);
struct assembler_stats assembler_stats(const struct assembler *a);

#endif
