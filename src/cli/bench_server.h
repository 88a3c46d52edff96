/* A server process for a benchmark: one shard behind the same loop, transport
 * and messages as a server of a job, without coordinator and checkpoints. It
 * lives until it is told to end or until its parent is gone, however that
 * came about: it watches the other end of a socket.
 *
 * Owner: whoever started it. Threads: one; start it before any other thread
 * runs and before much memory is taken, since it is forked. */
#ifndef CLI_BENCH_SERVER_H
#define CLI_BENCH_SERVER_H

#include <sys/types.h>

#include "base/params.h"
#include "cli/bench_transport.h"
#include "optim/optim.h"

struct bench_server_config {
    const struct param_spec *params;
    const struct optim_spec *table_optim; // [n_tables]
    const struct optim_spec *block_optim; // [n_blocks]
    uint32_t number, n_servers;
    enum bench_transport transport;
};

struct bench_server {
    pid_t pid; // 0: not running
    int control;
    struct bench_address address; // tcp_fd is closed
};

/* What a server says when it ends. */
struct bench_server_report {
    struct fusor_error failure; // status FUSOR_OK: none
    uint64_t rows;              // alive
    uint64_t rss_bytes;         // the most it ever had
    uint64_t huge_wanted, huge_got;
};

/** Start one. It answers as soon as its endpoint is connected to.
 * @param others [n_others] servers started before: the new one lets go of
 *        what it inherits of them
 * @return FUSOR_ECLUSTER (no socket), FUSOR_ENOMEM (no process) */
enum fusor_status bench_server_start(const struct bench_server_config *config,
                                     const struct bench_server *others,
                                     uint32_t n_others,
                                     struct bench_server *out,
                                     struct fusor_error *err);
/** Seconds of processor time so far, all its threads. */
double bench_server_cpu_seconds(const struct bench_server *s);
/** End it and wait for it.
 * @param report NULL: not wanted
 * @return FUSOR_OK, its own failure, or FUSOR_ECLUSTER: it died. Not running:
 * FUSOR_OK and nothing is done */
enum fusor_status bench_server_stop(struct bench_server *s,
                                    struct bench_server_report *report,
                                    struct fusor_error *err);

#endif
