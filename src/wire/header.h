/* The small header in front of every message: a plain struct here, bytes on
 * the wire: magic, version, two bytes of feature bits (little-endian; none
 * defined yet, so any set bit is refused), then one flat protobuf message
 * (proto/fusor.proto). Decoding is strict: one header has exactly one encoding,
 * anything else is FUSOR_EPROTO. Nothing here allocates.
 *
 * Threads: any; no state. */
#ifndef WIRE_HEADER_H
#define WIRE_HEADER_H

#include <stddef.h>
#include <stdint.h>

#include "fusor/status.h"

#define WIRE_MAGIC 0xF5
#define WIRE_VERSION 2
#define WIRE_PREFIX_BYTES 4
#define WIRE_HEADER_MAX 256                /* bytes of an encoded header */
#define WIRE_CHUNK_BYTES ((size_t)1 << 20) /* every chunk but the last */
#define WIRE_CHUNKS_MAX 4096u
#define WIRE_TOTAL_MAX ((uint64_t)WIRE_CHUNKS_MAX * WIRE_CHUNK_BYTES)

/* name, text in logs. Values are the wire's: append only. */
#define WIRE_KIND_LIST(X)     \
    X(HELLO, "hello")         \
    X(PING, "ping")           \
    X(PONG, "pong")           \
    X(COMMAND, "command")     \
    X(RESULT, "result")       \
    X(KEYS, "keys")           \
    X(VALUES, "values")       \
    X(PUSH, "push")           \
    X(ACK, "ack")             \
    X(REFUSED, "refused")     \
    X(FAIL, "fail")           \
    X(NEED_KEYS, "need_keys") \
    X(ASK, "ask")             \
    X(MISSING, "missing")

enum wire_kind {
    WIRE_NONE, // never on the wire
#define WIRE_KIND_ENUM(name, text) WIRE_##name,
    WIRE_KIND_LIST(WIRE_KIND_ENUM)
#undef WIRE_KIND_ENUM
        WIRE_KIND_END
};

/* What a kind does not use is 0 and costs no bytes. */
struct wire_header {
    enum wire_kind kind;
    uint32_t epoch;
    uint64_t job;
    uint32_t lease, term; // push identity: (job, epoch, lease, index)
    uint64_t index;
    uint64_t clock;
    uint32_t worker, shard;
    uint32_t incarnation; // of the sender
    uint32_t attempt;     // rises when the same request is sent again
    uint64_t request;     // chosen by who asks, echoed by who answers
    uint32_t chunk;       // this one, below n_chunks
    uint32_t n_chunks;    // of the logical message; 0 is sent as 1
    uint64_t total_bytes; // payload of the logical message
    uint32_t status;      // enum fusor_status
    uint32_t samples;
    uint32_t flags;  // kind-specific
    uint64_t a, b;   // kind-specific
    uint64_t credit; // of a shard's answer: bytes (ps/credit.h); 0: not said
};

/** "push", "hello"; "?" for an unknown kind. Never NULL. */
const char *wire_kind_name(enum wire_kind kind);

/** Write h as bytes. h must be valid in the sense of decode (our own bug
 * otherwise).
 * @return bytes written, at most WIRE_HEADER_MAX */
size_t wire_header_encode(const struct wire_header *h,
                          uint8_t out[WIRE_HEADER_MAX]);

/** Read a header that came from outside.
 * @return FUSOR_OK, or FUSOR_EPROTO with *h untouched: size, magic, version,
 * unknown feature, field or kind, chunk not below n_chunks, n_chunks that does
 * not fit total_bytes, total above WIRE_TOTAL_MAX, status that is none, any
 * byte too many */
enum fusor_status wire_header_decode(const void *bytes, size_t size,
                                     struct wire_header *h,
                                     struct fusor_error *err);

#endif
