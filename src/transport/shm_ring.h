/* One direction of a pair of endpoints in shared memory: a ring of bytes with
 * one sender and one receiver, in two processes that do not trust each other's
 * indices. Records are whole and lie in one piece, so that a payload is written
 * once and read in place.
 *
 * A record is [u32 header bytes][u32 payload bytes][header][payload], padded to
 * 64 bytes; a payload of 1 KiB or more begins at a multiple of 64, a smaller
 * one of 8. What does not fit before the end begins at 0 again, behind a mark.
 * Each side keeps its own index in private memory and publishes it; what the
 * other side published is checked. A process that dies leaves either a record
 * that was published whole or none.
 *
 * Private to the layer. Threads: one a side. */
#ifndef TRANSPORT_SHM_RING_H
#define TRANSPORT_SHM_RING_H

#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

#include "transport/transport.h"

#define SHM_LINE 64 /* bytes of a cache line */
/* Two records of the largest size and the rest that wrapping wastes. */
#define SHM_RING_MIN ((uint64_t)4 << 20)
#define SHM_RING_MAX ((uint64_t)256 << 20)

#define SHM_LOANS 256 /* under way in one direction */

/* What both sides see of a ring, besides its bytes. */
struct shm_control {
    _Alignas(SHM_LINE) _Atomic uint64_t head;   // bytes ever written: sender's
    _Alignas(SHM_LINE) _Atomic uint64_t tail;   // bytes let go: receiver's
    _Alignas(SHM_LINE) _Atomic uint32_t asleep; // the receiver waits: wake it
    _Atomic uint32_t full; // the sender waits for room: wake it
    _Alignas(SHM_LINE) _Atomic uint8_t returned[SHM_LOANS]; // the receiver is
                                                            // done with these
};

/* What a record says of a payload that is lent. */
struct shm_loan_note {
    uint64_t at, size; // in the sender's memory
    uint64_t id;       // below SHM_LOANS
};

struct shm_sender {
    struct shm_control *control;
    uint8_t *bytes;
    uint64_t capacity; // a power of two, SHM_RING_MIN to SHM_RING_MAX
    uint64_t head;
    uint64_t tail; // as last seen
};

struct shm_receiver {
    struct shm_control *control;
    const uint8_t *bytes;
    uint64_t capacity;
    uint64_t tail; // of what was handed out, let go by the next release
    uint64_t next; // behind what was handed out
};

struct shm_record {
    uint8_t header[WIRE_HEADER_MAX]; // a copy: it cannot change under us
    size_t header_size;
    const void *payload; // in the ring, until the release
    size_t payload_size;
    int is_loan;
    struct shm_loan_note loan; // a copy
};

/** Write one message. Sizes are within message_check().
 * @return FUSOR_OK; FUSOR_EAGAIN: no room, and the receiver will see that we
 * wait; FUSOR_EPROTO: the receiver's index makes no sense */
enum fusor_status shm_sender_put(struct shm_sender *s, const void *header,
                                 size_t header_size,
                                 const struct payload *payload);
/** Write a message whose payload is lent. @return as shm_sender_put() */
enum fusor_status shm_sender_put_loan(struct shm_sender *s, const void *header,
                                      size_t header_size,
                                      const struct shm_loan_note *loan);
/** Must the receiver be woken for what was put? Says so once a sleep. */
int shm_sender_must_wake(struct shm_sender *s);
/** Has room come back since a put found none? */
int shm_sender_has_room(const struct shm_sender *s);

/** Read the next message; the one before must have been released.
 * @return FUSOR_OK; FUSOR_EAGAIN: none there; FUSOR_EPROTO: what is there is no
 * record */
enum fusor_status shm_receiver_take(struct shm_receiver *r,
                                    struct shm_record *out);
/** Give back the room of what was taken.
 * @return 1: the sender waits for room and must be woken */
int shm_receiver_release(struct shm_receiver *r);
int shm_receiver_is_empty(const struct shm_receiver *r);

#endif
