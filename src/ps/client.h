/* The parameter store of a worker process whose shards are elsewhere: the
 * param_store contract for its compute threads, and the pump that its network
 * thread turns.
 *
 * A compute thread cuts its keys and gradients by shard, writes them into
 * payloads and hands them to the network thread through a queue; answers come
 * back through a queue of its own. While a single compute thread waits, the
 * network thread lends it the endpoint (lead.h): it sends small requests and
 * fetches answers itself, and no thread is switched to. Values stay where they
 * arrived: rows point into the replies. A push is kept until every shard
 * acknowledged it.
 *
 * Threads: param_store calls from each worker's thread; client_pump_* from the
 * network thread. */
#ifndef PS_CLIENT_H
#define PS_CLIENT_H

#include "coord/lease.h"
#include "coord/member.h"
#include "ps/exchange.h"
#include "store/bucket.h"
#include "transport/messenger.h"
#include "wire/encoding.h"

struct client;

struct client_config {
    const struct param_spec *params;
    const unsigned char *whole_blocks; // [n_blocks] as the shards have it
    struct messenger *messenger;
    uint64_t job;
    uint32_t incarnation;
    uint32_t n_shards;
    const uint16_t *bucket_map; // [BUCKET_COUNT] copied; NULL: the default one
    unsigned n_workers;         // compute threads of this process
    enum encoding encoding;     // of values to train on and of gradients
    /* Values of hot rows kept from step to step: to evaluate always, as nothing
     * changes meanwhile; to train where they may lack the reader's own
     * gradients (read_early), as every row that is read is then trained. */
    uint64_t cache_bytes; // of each compute thread; 0: none are kept
    uint64_t cache_age;   // units they may lack; 0: as staleness says
    int staleness, read_early;
    int wait_ms; // a wait longer than this fails; 0: DEADLINE_HANG_MS
};

enum fusor_status client_create(const struct client_config *config,
                                struct client **out, struct fusor_error *err);
/** The contract; destroy it through client_destroy(). */
struct param_store *client_store(struct client *c);
void client_destroy(struct client *c);

/** Tell which lease a worker holds from now on, before its first step. */
void client_set_lease(struct client *c, unsigned worker,
                      const struct lease *lease, uint64_t epoch);

/** Values have changed in a way that no clock tells: forget those kept. Between
 * a command and the next, when no thread is in a call. */
void client_forget_rows(struct client *c);

/** Network thread, first in every turn: while exactly one compute thread waits,
 * or did a moment ago, let it use the messenger and core. Whatever uses the
 * messenger besides a client_ function must not run meanwhile; what came for it
 * is given by the next receive.
 * @return as messenger_receive(), not EAGAIN: a compute thread's failed */
enum fusor_status client_pump_rest(struct client *c, struct fusor_error *err);
/** Network thread: take what compute threads handed over and send it. */
void client_pump_submissions(struct client *c);
/** Network thread: take a shard's answer. */
void client_pump_message(struct client *c, const struct message *msg);
/** Network thread: resend what is due. @return ms until the next time */
int client_pump_tick(struct client *c);
/** Network thread: what is waited for, for pings. */
void client_pump_waits(const struct client *c, struct member_progress *out);
/** Network thread, or nobody's: requests held back so far. */
struct exchange_counters client_counters(const struct client *c);
/** Any thread: the job has failed, let every wait return. */
void client_stop(struct client *c, const struct fusor_error *why);

#endif
