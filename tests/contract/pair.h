/* A server and a client on the network under examination. */
#ifndef TESTS_CONTRACT_PAIR_H
#define TESTS_CONTRACT_PAIR_H

#include "networks.h"

#define PAIR_PATIENCE_MS 5000

struct test_case;
extern const struct network *net; // under examination
extern struct transport *server, *client;
extern const struct peer shard, worker; // who they are

/** Make both; the client knows the server. */
void pair_open(void);
void pair_close(void);
/** The client speaks first, so that the server may speak to it. */
void pair_greet(void);

/** Send a text as the payload. */
enum fusor_status pair_say(struct transport *t, struct peer to,
                           const char *text);
/** Does this text come next? */
int pair_heard(struct transport *t, struct delivery *d, const char *text);
/** Send, giving a full pipe time to drain: its sender learns of room while it
 * receives. */
void pair_send(struct transport *from, struct peer to, const struct payload *p);

/** Run the cases over every network. @return as test_run() */
int pair_run(const struct test_case *cases, size_t n);
#define PAIR_RUN(cases) pair_run((cases), sizeof(cases) / sizeof((cases)[0]))

#endif
