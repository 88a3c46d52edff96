/* How the processes of a benchmark reach one another: as those of a job on one
 * host do (shared memory), by ZeroMQ over TCP on loopback, the way to other
 * hosts, or by shared memory at endpoints that listen to both, as where a job
 * spans hosts. Owner and threads: see transport/transport.h. */
#ifndef CLI_BENCH_TRANSPORT_H
#define CLI_BENCH_TRANSPORT_H

#include "transport/mux.h"

#define BENCH_JOB 0xbe9c4 /* the id of a benchmark's messages */

enum bench_transport { BENCH_SHM, BENCH_ZMQ, BENCH_MUX };

/** "shm", "zmq", "mux"; ends with NULL. */
extern const char *const bench_transport_names[];

/* Where a server listens. */
struct bench_address {
    int tcp_fd; // the listening socket
    char tcp[TRANSPORT_ENDPOINT_MAX];
    char shm[SHM_TEXT_MAX];
};

/** Choose addresses for a server.
 * @param out close tcp_fd when the server has its copy
 * @return FUSOR_ECLUSTER: no socket */
enum fusor_status bench_address_open(uint32_t server, struct bench_address *out,
                                     struct fusor_error *err);
/** The text a client connects to. */
const char *bench_address_text(const struct bench_address *a,
                               enum bench_transport kind);
/** Make an endpoint of either kind.
 * @param bind NULL: it only connects */
enum fusor_status bench_transport_create(enum bench_transport kind,
                                         struct peer self,
                                         const struct bench_address *bind,
                                         struct transport **out,
                                         struct fusor_error *err);

#endif
