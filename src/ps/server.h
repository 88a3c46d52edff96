/* One shard behind messages: takes keys, gives values when the clock allows,
 * takes gradients, applies them, acknowledges. Where the rows of a pull are is
 * remembered for its push (store/ticket.h); a push whose ticket is gone is
 * answered NEED_KEYS once its identity is known to be new. It owns no socket
 * and no thread: its owner feeds it messages; what it sends goes through the
 * messenger.
 *
 * At staleness 0 pushes are kept until every lease has sent its part of the
 * unit, then one optimizer step is made for all of them in the order of the
 * tree of micro-batches. Otherwise each push is one unit and one step.
 * Units are counted from 0 in every epoch; the optimizer's clock goes on.
 *
 * A push of several chunks is applied out of the memory they arrived in, when
 * all of them are here and not as they come: its worker may die in between, and
 * whoever has the lease next computes other gradients, from newer values, so it
 * could neither finish the half that was begun nor take it back.
 *
 * Halves of messages, answers and pushes count towards one pool of twice the
 * messenger's max_bytes wherever they lie (chunks in memory of the transport
 * too, lent ones in their owner's). Every answer tells its process how much of
 * it that one may have outstanding (credit.h); those that keep to it find room.
 * What one that does not can make a shard hold is bounded all the same: 16
 * announced steps and one push a lease (lane.h), their rows within the shard's
 * memory cap, chunks in the transport's pipe (a full one holds its sender up),
 * and of the pool three quarters at most for what waits for one peer that does
 * not read. A chunk, push or answer that finds no room is dropped and counted;
 * the client sends it again, after 200 ms to 2 s: of a request of several
 * chunks only what is not here (WIRE_ASK).
 *
 * Threads: one. */
#ifndef PS_SERVER_H
#define PS_SERVER_H

#include "coord/command.h"
#include "coord/member.h"
#include "store/shard.h"
#include "transport/messenger.h"

struct server;

struct server_config {
    struct shard *shard; // stays the caller's
    const struct param_spec *params;
    struct messenger *messenger;
    uint64_t job;
    uint32_t number; // of this shard
    int staleness;
    int read_early;          // as soon as the bound allows, even if the
                             // reader's own last gradients are missing
    uint32_t n_workers;      // compute threads of the whole job
    uint32_t n_processes;    // they are in; 0: not known
    struct profile *profile; // told the phases of this thread, or NULL
    uint32_t micro_batches;  // of a unit: a push for others than its lease's is
                             // malformed; 0: not known, not checked
};

struct server_counters {
    uint64_t pulls, pushes, duplicates, refused, malformed;
    uint64_t no_room;   // dropped because the pool was full; they come again
    uint64_t need_keys; // pushes whose ticket was gone
    uint64_t asked;     // which chunks of a request are here
    /* Of pulls to train on; of rows_asked, those whose values the reader held
     * itself, and the bytes that were not sent for that. */
    uint64_t rows_asked, rows_held, bytes_held;
    uint64_t staleness_count[64]; // units between values read and gradient
                                  // applied; the last bin holds all above
};

enum fusor_status server_create(const struct server_config *config,
                                struct server **out, struct fusor_error *err);
void server_destroy(struct server *s);

/** Take one message of a worker; those of others are ignored. A malformed one
 * is counted and dropped.
 * @return a failure of the shard itself: the job cannot go on */
enum fusor_status server_on_message(struct server *s, const struct message *msg,
                                    struct fusor_error *err);
/** Which blocks the next epochs leave as they are: shard_set_frozen().
 * @param frozen [n_blocks] copied; NULL: none */
void server_set_frozen(struct server *s, const unsigned char *frozen);
/** An epoch begins: leases start over, the optimizer's clock is set. */
enum fusor_status server_begin(struct server *s, const struct command *c,
                               struct fusor_error *err);
/** An epoch ends: every unit must be applied; rows under a table-wide l2 are
 * brought up to the clock.
 * @return FUSOR_ECLUSTER: a unit is missing */
enum fusor_status server_cut(struct server *s, struct fusor_error *err);
/** What the server waits for, for pings. */
struct member_progress server_progress(const struct server *s);
/** What was asked of each bucket to train on, since creation: [BUCKET_COUNT].
 */
const struct bucket_load *server_load(const struct server *s);
struct server_counters server_counters(const struct server *s);

#endif
