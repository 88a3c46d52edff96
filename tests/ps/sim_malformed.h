/* Malformed copies of a worker's messages, each of a kind that a shard can
 * know. */
#ifndef TESTS_PS_SIM_MALFORMED_H
#define TESTS_PS_SIM_MALFORMED_H

#include "base/rng.h"
#include "sim_cluster.h"

/** @return 1: *out is to be freed; 0: nothing can be done to this message */
int sim_malformed_make(struct rng *rng, const struct sim_cluster_config *config,
                       const struct toy *toy, uint32_t shard,
                       const struct message *msg, struct message *out);
void sim_malformed_free(struct message *msg);

#endif
