/* The networks that the transport contract is examined over. */
#ifndef TESTS_CONTRACT_NETWORKS_H
#define TESTS_CONTRACT_NETWORKS_H

#include "transport/transport.h"

#define NETWORK_CAPACITY 8 /* messages, where a network counts them */

/* A way to make endpoints that can reach each other. */
struct network {
    const char *suite;
    void (*open)(void);
    void (*close)(void);
    struct transport *(*serve)(struct peer self);
    struct transport *(*join)(struct peer self);
    const char *(*endpoint)(struct transport *server); // the newest
    int one_server; // it has a single address
};

extern const struct network networks[];
extern const size_t n_networks;

#endif
