/* The coordinator: one process beside rank 0 that runs the job's script over
 * all shards and worker processes, one command at a time, and watches over
 * them. A command goes to everyone it concerns, is sent again until taken, and
 * is over when every result is in; then the script says what comes next.
 *
 * A state machine: the owner feeds it messages and time. Threads: one. */
#ifndef COORD_COORDINATOR_H
#define COORD_COORDINATOR_H

#include "base/str.h"
#include "coord/command.h"
#include "coord/member.h"
#include "transport/messenger.h"

struct coordinator;

struct coordinator_config {
    uint64_t job;
    uint32_t n_shards;
    uint32_t n_workers; // worker processes
    /* [n_shards] and [n_workers] "rank 2 on node17", for messages; NULL:
     * numbers only. Stay the caller's. */
    const char *const *shard_places;
    const char *const *worker_places;
    int64_t hang_ms; // 0: DEADLINE_HANG_MS
    struct messenger *messenger;
    struct script *script;
};

enum fusor_status coordinator_create(const struct coordinator_config *config,
                                     struct coordinator **out,
                                     struct fusor_error *err);
void coordinator_destroy(struct coordinator *c);

/** Take one message.
 * @return FUSOR_OK, or why the job has failed: everyone was told */
enum fusor_status coordinator_on_message(struct coordinator *c,
                                         const struct message *msg,
                                         struct fusor_error *err);
/** Send what is due, notice who is silent. Time in which the owner did not
 * call it is no one's silence.
 * @return FUSOR_OK, or why the job has failed: everyone was told. From then on
 * every call returns the same, and tells it again to whoever still speaks */
enum fusor_status coordinator_tick(struct coordinator *c,
                                   struct fusor_error *err);
int coordinator_timeout_ms(const struct coordinator *c);
/** Has FINISH been done by everyone? */
int coordinator_is_done(const struct coordinator *c);
/** Tell everyone that the job ends for this reason, unless it has failed for
 * another before. */
void coordinator_fail(struct coordinator *c, const struct fusor_error *why);
/** Who waits for whom, for what, since when: one line; "" when all work. */
void coordinator_waits(const struct coordinator *c, struct strbuf *out);

#endif
