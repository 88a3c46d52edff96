/* Sets the cluster of sim_cluster.h up and clears it away. */
#include "sim_cluster_private.h"

#include "base/mem.h"

#define POOL_BYTES ((size_t)64 << 20)

static enum fusor_status add_node(struct cluster *c, enum peer_kind kind,
                                  uint32_t number)
{
    struct node *n = &c->nodes[c->n_nodes];
    struct peer boss = {.kind = PEER_COORDINATOR};
    struct member_config member = {.job = JOB};
    size_t bytes = POOL_BYTES;

    n->peer = (struct peer){kind, number, 1};
    FUSOR_TRY(sim_endpoint(c->sim, n->peer, &n->transport, NULL));
    c->n_nodes++;
    if (kind == PEER_SHARD && c->config->shard_bytes)
        bytes = c->config->shard_bytes;
    FUSOR_TRY(messenger_create(n->transport, bytes, &n->messenger, NULL));
    if (kind == PEER_COORDINATOR)
        return FUSOR_OK;
    FUSOR_TRY(transport_connect(n->transport, boss, "", NULL));
    for (uint32_t s = 0; kind == PEER_WORKER && s < c->config->n_shards; s++)
        FUSOR_TRY(transport_connect(n->transport,
                                    (struct peer){PEER_SHARD, s, 0}, "", NULL));
    member.self = n->peer;
    member.messenger = n->messenger;
    return member_create(&member, &n->member, NULL);
}

static enum fusor_status add_shard(struct cluster *c, uint32_t number)
{
    struct node *n = &c->nodes[c->n_nodes];
    struct shard_config shard = {.params = &c->toy->params,
                                 .table_optim = c->toy->table_optim,
                                 .block_optim = c->toy->block_optim,
                                 .shard = number,
                                 .n_shards = c->config->n_shards,
                                 .fd = -1,
                                 .job_id = JOB};
    struct server_config server = {.params = &c->toy->params,
                                   .job = JOB,
                                   .number = number,
                                   .staleness = c->config->staleness,
                                   .read_early = !c->config->fresh,
                                   .n_workers = c->config->n_workers,
                                   .n_processes = c->config->n_workers,
                                   .micro_batches = c->toy->micros};

    FUSOR_TRY(add_node(c, PEER_SHARD, number));
    FUSOR_TRY(shard_create(&shard, &n->shard, NULL));
    server.shard = n->shard;
    server.messenger = n->messenger;
    return server_create(&server, &n->server, NULL);
}

static enum fusor_status add_worker(struct cluster *c, uint32_t number)
{
    struct node *n = &c->nodes[c->n_nodes];
    struct client_config client = {.params = &c->toy->params,
                                   .job = JOB,
                                   .incarnation = 1,
                                   .n_shards = c->config->n_shards,
                                   .n_workers = 1,
                                   .encoding = c->config->encoding,
                                   .cache_bytes = c->config->cache_bytes,
                                   .cache_age = c->config->cache_age,
                                   .staleness = c->config->staleness,
                                   .read_early = !c->config->fresh};

    FUSOR_TRY(add_node(c, PEER_WORKER, number));
    n->ring = mem_alloc(c->config->depth + 1, sizeof(*n->ring));
    for (unsigned i = 0; i <= c->config->depth; i++)
        FUSOR_TRY(toy_step_init(&n->ring[i], c->toy));
    client.messenger = n->messenger;
    return client_create(&client, &n->client, NULL);
}

enum fusor_status sim_cluster_build(struct cluster *c)
{
    const struct sim_cluster_config *config = c->config;
    struct coordinator_config boss = {.job = JOB,
                                      .n_shards = config->n_shards,
                                      .n_workers = config->n_workers,
                                      .script = &c->script.base};

    FUSOR_TRY(sim_create(config->seed, &c->sim, NULL));
    sim_set_loss(c->sim, config->loss);
    if (config->capacity)
        sim_set_capacity(c->sim, config->capacity);
    if (config->max_delay_ns)
        sim_set_delay(c->sim, 20000, config->max_delay_ns);
    FUSOR_TRY(add_node(c, PEER_COORDINATOR, 0));
    boss.messenger = c->nodes[0].messenger;
    FUSOR_TRY(coordinator_create(&boss, &c->coordinator, NULL));
    for (uint32_t s = 0; s < config->n_shards; s++)
        FUSOR_TRY(add_shard(c, s));
    for (uint32_t w = 0; w < config->n_workers; w++)
        FUSOR_TRY(add_worker(c, w));
    return FUSOR_OK;
}

void sim_cluster_tear_down(struct cluster *c)
{
    coordinator_destroy(c->coordinator);
    for (unsigned i = 0; i < c->n_nodes; i++) {
        struct node *n = &c->nodes[i];

        client_destroy(n->client);
        for (unsigned k = 0; n->ring && k <= c->config->depth; k++)
            toy_step_clear(&n->ring[k]);
        mem_free(n->ring);
        server_destroy(n->server);
        shard_destroy(n->shard);
        member_destroy(n->member);
        messenger_destroy(n->messenger);
    }
    sim_destroy(c->sim);
}
