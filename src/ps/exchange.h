/* Requests under way from one worker process to the shards: a step's keys, or
 * its gradients, to all shards at once, each sent again until it is answered.
 * Of a request of several chunks only those are sent again that the shard does
 * not have: it is asked first, which also costs little when it has them all and
 * only the answer takes its time.
 * A shard that has forgotten the ticket of a push says so, and gets the keys of
 * its step and then the push once more.
 * What would pass the credit of its shard is held back until it may go
 * (ps/credit.h), each shard's part for itself.
 * A state machine without threads or sockets: unit tests drive it over the
 * simulated network, client.c from the network thread.
 *
 * Threads: one, but exchange_reset() and exchange_use_up() of what has come
 * back: any. */
#ifndef PS_EXCHANGE_H
#define PS_EXCHANGE_H

#include "ps/body.h"

struct exchange_leg {            // one shard's part
    struct payload_buffer *out;  // the request
    struct payload_buffer *keys; // of a push with a ticket: what the KEYS of
                                 // its step carried, in case the shard has
                                 // forgotten them; or NULL
    struct body reply;           // VALUES
    uint64_t held_ns;            // VALUES: so long the shard kept them back
                                 // because the clock did not allow them
    uint64_t clock;              // of a reply: the values hold all units below
    int answered;
    size_t causes; // bytes that the shard needs to answer or apply it
    uint64_t cost; // what it counts against the credit,
    int counts;    // while it does
    int held;      // back, for want of credit
    uint32_t attempt;
    int64_t resend_ms, backoff_ms;
    struct messenger_stream stream; // while it leaves as it is written
};

struct account;

struct exchange {
    struct wire_header
        header;          // kind, lease, term, index, clock, flags, samples
    unsigned worker;     // in this process: who waits for it
    uint32_t keys_flags; // a push's: PS_HELD where its legs' keys have it
    uint32_t n_open;     // legs not yet answered
    uint64_t refusals;   // of the process, then
    uint64_t expects;    // bytes of answers, while the account has them
    int ahead;           // as those of a step ahead
    uint64_t let_go; // profile_ticks() when the last leg held back left, or 0
    struct account *account;  // of the core that has charged it
    enum fusor_status status; // FUSOR_OK; FUSOR_ECLOSED: refused;
                              // FUSOR_ENOMEM: its answers never fit here
    int returned;             // set by the worker once it has it back
    struct exchange *next;
    struct exchange_leg legs[]; // [n_shards]
};

struct exchange *exchange_create(uint32_t n_shards, struct fusor_error *err);
void exchange_destroy(struct exchange *x, uint32_t n_shards);
/** Ready for the next use; drops what its legs hold and gives credit back.
 * Before its core ends. */
void exchange_reset(struct exchange *x, uint32_t n_shards);

/** The answers have been used: let go of them and give their bytes back. What
 * is next of the lease goes when the push has left, or it could take the room
 * that the push needs: exchange_reset(). */
void exchange_use_up(struct exchange *x, uint32_t n_shards);
/** What the answers take. */
uint64_t exchange_reply_bytes(const struct exchange *x, uint32_t n_shards);

struct exchange_core;

/** @param incarnation of this process
 * @param n_workers of exchanges: 0 .. n_workers - 1 */
enum fusor_status exchange_core_create(struct messenger *m, uint64_t job,
                                       uint32_t n_shards, uint32_t incarnation,
                                       unsigned n_workers,
                                       struct exchange_core **out,
                                       struct fusor_error *err);
void exchange_core_destroy(struct exchange_core *c);
/** Send it; the exchange is the core's until it comes back as done. */
void exchange_core_submit(struct exchange_core *c, struct exchange *x);
/** The same for one whose requests are still to be written: each leg has a
 * buffer of the size that it will have. exchange_core_written() lets go what is
 * there of a leg, exchange_core_end() the rest. Nothing else is asked of the
 * core in between.
 * @return FUSOR_EINVAL: a request is too large; FUSOR_EAGAIN: one lacks credit,
 * write them first; the exchange is the caller's */
enum fusor_status exchange_core_begin(struct exchange_core *c,
                                      struct exchange *x,
                                      struct fusor_error *err);
/** The first `bytes` of a leg will not change any more. */
void exchange_core_written(struct exchange_core *c, struct exchange *x,
                           uint32_t shard, size_t bytes);
/** All is written; the exchange is the core's until it comes back as done. */
void exchange_core_end(struct exchange_core *c, struct exchange *x);
/** Take a shard's answer. */
void exchange_core_on_message(struct exchange_core *c,
                              const struct message *msg);
/** Send what was held back and may go now, and again what is due; what never
 * finds room is done. */
void exchange_core_tick(struct exchange_core *c);
int exchange_core_timeout_ms(const struct exchange_core *c);
/** The next exchange that is answered by all shards, or has failed; or NULL. */
struct exchange *exchange_core_take_done(struct exchange_core *c);
/** Which shard is waited for longest, and for what (a KEYS or PUSH exchange).
 * @param held the request waits for the shard's credit
 * @return 0 when nothing is under way */
int exchange_core_waits(const struct exchange_core *c, enum wire_kind *kind,
                        uint32_t *shard, int *held);

struct exchange_counters {
    uint64_t held_back; // requests to a shard, for want of credit
    uint64_t bytes_held_back;
};
struct exchange_counters exchange_core_counters(const struct exchange_core *c);

#endif
