/* A role process's (or a shard's) line to the rest of the job: its endpoint,
 * its messenger, and towards the coordinator its membership.
 *
 * Threads: one, except messenger_wake(). */
#ifndef JOB_LINK_H
#define JOB_LINK_H

#include "coord/member.h"
#include "job/boot.h"

struct link {
    const struct boot *boot;
    struct transport *transport;
    struct messenger *messenger;
    struct member *member; // NULL for the coordinator
};

enum link_event {
    LINK_NOTHING,
    LINK_COMMAND, // a new command has come
    LINK_MESSAGE, // a message of a shard or a worker
    LINK_OVER     // the job has ended elsewhere, or the coordinator is gone
};

/** Open the line of self and connect to the coordinator.
 * @param memory most bytes of the messages under way, such as MESSENGER_MEMORY
 * @param bind the own endpoint and listen_fd its listener, or NULL and -1
 * @param boot must stay */
enum fusor_status link_open(const struct boot *boot, struct peer self,
                            const struct boot_endpoint *bind, int listen_fd,
                            uint64_t memory, struct link *out,
                            struct fusor_error *err);
void link_close(struct link *l);
/** Connect to every shard of the job. */
enum fusor_status link_connect_shards(struct link *l, struct fusor_error *err);

/** Wait for one event and send what is due to the coordinator.
 * @param err for LINK_OVER the cause; its text is "" when the coordinator said
 * it and so has told the user */
enum link_event link_step(struct link *l, int timeout_ms, struct message *msg,
                          struct command *command, struct fusor_error *err);
/** Tell the coordinator that this process cannot go on and wait for its word
 * that everyone leaves.
 * @return 1: it was heard (and the user told), 0: no answer in time */
int link_fail(struct link *l, const struct fusor_error *why);

#endif
