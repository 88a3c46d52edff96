/* What the parts of the cluster of sim_cluster.h share. */
#ifndef TESTS_PS_SIM_CLUSTER_PRIVATE_H
#define TESTS_PS_SIM_CLUSTER_PRIVATE_H

#include "base/rng.h"
#include "coord/coordinator.h"
#include "ps/client_private.h"
#include "ps/server_private.h"
#include "sim_cluster.h"

#define JOB 77

enum phase { IDLE, TRAIN, DRAIN, LEFT };

struct node {
    struct peer peer;
    struct transport *transport;
    struct messenger *messenger;
    struct member *member;    // NULL: the coordinator
    struct server *server;    // shard
    struct shard *shard;      // shard
    struct client *client;    // worker
    struct toy_step *ring;    // worker: [depth + 1]
    struct lease lease;       // worker
    struct command command;   // under way
    uint64_t announced, done; // steps of the lease
    uint64_t steps;           // of the whole run
    const float *dense;
    int valued;      // the gradients of step `done` are being made
    int64_t busy_ns; // until when
    enum phase phase;
    enum fusor_status status; // why it left
};

struct test_script {
    struct script base;
    const struct sim_cluster_config *config;
    const struct toy *toy;
    unsigned next; // command, counted from 0
    uint32_t results;
};

struct cluster {
    const struct sim_cluster_config *config;
    const struct toy *toy;
    struct sim *sim;
    struct rng rng;
    struct test_script script;
    struct coordinator *coordinator;
    struct node nodes[1 + SIM_SHARDS_MAX + SIM_WORKERS_MAX];
    unsigned n_nodes;
    struct sim_cluster_result *result;
};

/** The network, the coordinator, shards and workers of c's config; what was
 * made is given back by sim_cluster_tear_down() whether this fails or not. */
enum fusor_status sim_cluster_build(struct cluster *c);
void sim_cluster_tear_down(struct cluster *c);

#endif
