/* A small cluster for benchmarks: server processes (bench_server.h) and, in
 * this process, the client of a worker with its network thread: the path that
 * keys, values and gradients take in a job over several processes. One worker,
 * one compute thread, staleness 0, no CURVE, nothing kept on disk.
 *
 * Threads: the compute thread's, which makes it and destroys it. */
#ifndef CLI_BENCH_CLUSTER_H
#define CLI_BENCH_CLUSTER_H

#include "cli/bench_server.h"
#include "ps/client.h"

#define BENCH_SERVERS_MAX 64

struct bench_cluster;

struct bench_cluster_config {
    const struct param_spec *params; // outlives the cluster
    const struct optim_spec *table_optim, *block_optim;
    uint32_t n_servers; // 1..BENCH_SERVERS_MAX
    enum bench_transport transport;
    enum encoding encoding;
};

/* Over all servers, and of this process. */
struct bench_usage {
    uint64_t rows;
    uint64_t client_rss_bytes, server_rss_bytes; // the most they ever had
    uint64_t huge_wanted, huge_got;              // the servers' pages of 2 MiB
};

/** Start the servers, then the client. Take large memory afterwards: a server
 * inherits what this process has. */
enum fusor_status bench_cluster_create(const struct bench_cluster_config *c,
                                       struct bench_cluster **out,
                                       struct fusor_error *err);
/** The worker's view; the cluster's. */
struct param_store *bench_cluster_store(struct bench_cluster *b);
/** Seconds of processor time so far, all threads. */
double bench_cluster_client_cpu(const struct bench_cluster *b);
double bench_cluster_server_cpu(const struct bench_cluster *b);
/** End the servers and hear what they used. The store is of no more use.
 * @return the first server's failure, which explains why a call of the store
 * has failed */
enum fusor_status bench_cluster_stop(struct bench_cluster *b,
                                     struct bench_usage *out,
                                     struct fusor_error *err);
/** NULL is fine. */
void bench_cluster_destroy(struct bench_cluster *b);

#endif
