/* A process of the job as the coordinator's partner: says hello, pings with its
 * progress, takes each command once, sends its result until it is acknowledged,
 * and notices when the coordinator has fallen silent. A state machine: the
 * owner feeds it messages and time.
 *
 * Threads: one, the owner of the messenger. */
#ifndef COORD_MEMBER_H
#define COORD_MEMBER_H

#include "coord/command.h"
#include "transport/messenger.h"

/* What a process is waiting for, told with every ping. */
enum wait_reason {
    WAIT_NOTHING, // computing, or idle between commands
    WAIT_VALUES,  // pulls not yet answered: staleness or a slow shard
    WAIT_ACKS,    // pushes not yet acknowledged
    WAIT_CREDIT,  // requests held back: the shard is to hold no more (ps)
    WAIT_PUSHES,  // a shard: workers owe a part of the unit
    WAIT_DISK
};
const char *wait_reason_text(enum wait_reason reason);

struct member_progress {
    uint64_t samples; // of the command under way
    double loss_sum;
    uint64_t steps; // anything that rises while work is done
    enum wait_reason reason;
    uint32_t waits_for; // number of the shard or worker
};

struct member;

struct member_config {
    struct peer self;
    uint64_t job;
    struct messenger *messenger; // stays the caller's
};

enum fusor_status member_create(const struct member_config *config,
                                struct member **out, struct fusor_error *err);
void member_destroy(struct member *m);

/** Take a message from the coordinator; those of others are ignored.
 * @param command set when a new command has come
 * @return 1: *command is to be done; 0: handled here;
 * -1: the job has failed elsewhere: leave with *err */
int member_on_message(struct member *m, const struct message *msg,
                      struct command *command, struct fusor_error *err);

/** Send what is due. Time in which the owner did not call it is no silence of
 * the coordinator's.
 * @return FUSOR_ECLUSTER: the coordinator has been silent too long */
enum fusor_status member_tick(struct member *m, struct fusor_error *err);
/** Milliseconds until member_tick() has something to do. */
int member_timeout_ms(const struct member *m);

void member_set_progress(struct member *m, struct member_progress progress);
/** The command is done; data is its result, copied. */
enum fusor_status member_finish(struct member *m, const void *data, size_t size,
                                struct fusor_error *err);
/** Tell the coordinator that this process cannot go on. */
void member_fail(struct member *m, const struct fusor_error *why);
/** Was the last result acknowledged? Also true some seconds after FINISH when
 * the coordinator has left. */
int member_is_idle(const struct member *m);

#endif
