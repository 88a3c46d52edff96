/* What sim.c (the network: time, events, faults) and sim_endpoint.c (the
 * transport on top) share. Private to the layer. */
#ifndef TRANSPORT_SIM_NETWORK_H
#define TRANSPORT_SIM_NETWORK_H

#include <stdatomic.h>

#include "base/rng.h"
#include "transport/peers.h"
#include "transport/sim.h"

/* One direction of a pair, kept by the sender. */
struct sim_link {
    int64_t last_due_ns; // so that order is kept
    unsigned unreceived;
};

struct sim_message {
    struct sim_message *next; // in an inbox
    int64_t due_ns;
    uint64_t seq; // breaks ties by order of sending
    struct sim_endpoint *from;
    struct sim_endpoint *to;
    struct peer sender;
    struct sim_link *link; // NULL once the sender is gone
    int lost;
    uint8_t header[WIRE_HEADER_MAX];
    size_t header_size;
    struct payload payload; // the sender's until it arrives, then our copy
};

struct sim_endpoint {
    struct transport base;
    struct sim *sim;
    struct peer self;
    int alive;
    struct peer_table peers;
    struct sim_message *first, *last; // arrived, not yet received
    struct sim_message *held;         // what the last receive gave out
    int64_t timer_ns;
    atomic_int woken;
};

struct sim_cut_link {
    struct peer a, b;
    int64_t until_ns;
};

struct sim {
    uint64_t seed;
    struct rng rng;
    int64_t now_ns;
    struct clock_source clock;
    int64_t delay_min_ns, delay_max_ns;
    double loss;
    unsigned capacity;
    struct sim_message **heap; // earliest first
    size_t n_heap, cap_heap;
    uint64_t next_seq;
    struct sim_endpoint **endpoints; // in order of birth
    size_t n_endpoints, cap_endpoints;
    struct sim_cut_link *cuts;
    size_t n_cuts, cap_cuts;
    struct peer_table born; // newest incarnation ever of each peer
    struct sim_stats stats;
};

/** The living endpoint of this kind and number, or NULL. */
struct sim_endpoint *sim_find(const struct sim *sim, struct peer p);
/** Take a message on its way: draws delay and loss. Owns m on success. */
enum fusor_status sim_post(struct sim *sim, struct sim_message *m,
                           struct fusor_error *err);
/** Let the earliest message arrive or be lost.
 * @return where it arrived, or NULL */
struct sim_endpoint *sim_deliver(struct sim *sim);
/** Forget a message, releasing its payload. */
void sim_message_free(struct sim_message *m);
/** Remove an endpoint from the network without freeing it. */
void sim_kill(struct sim_endpoint *e);

#endif
