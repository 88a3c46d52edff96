/* Endpoints of a benchmark's processes; see the header. */
#include "cli/bench_transport.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

const char *const bench_transport_names[] = {"shm", "zmq", "mux", NULL};

enum fusor_status bench_address_open(uint32_t server, struct bench_address *out,
                                     struct fusor_error *err)
{
    memset(out, 0, sizeof(*out));
    snprintf(out->shm, sizeof(out->shm), "shm:fusor-bench-%ld-%u",
             (long)getpid(), server);
    return transport_zmq_listen(NULL, 0, &out->tcp_fd, out->tcp, err);
}

const char *bench_address_text(const struct bench_address *a,
                               enum bench_transport kind)
{
    return kind == BENCH_ZMQ ? a->tcp : a->shm;
}

enum fusor_status bench_transport_create(enum bench_transport kind,
                                         struct peer self,
                                         const struct bench_address *bind,
                                         struct transport **out,
                                         struct fusor_error *err)
{
    struct transport_zmq_options zmq = {
        .job = BENCH_JOB,
        .self = self,
        .bind = bind ? bind->tcp : NULL,
        .listen_fd = bind ? bind->tcp_fd : -1,
    };
    struct transport_shm_options shm = {
        .job = BENCH_JOB,
        .self = self,
        .bind = bind ? bind->shm : NULL,
    };

    if (kind == BENCH_ZMQ)
        return transport_zmq_create(&zmq, out, err);
    if (kind == BENCH_SHM)
        return transport_shm_create(&shm, out, err);
    return transport_mux_create(&shm, &zmq, out, err);
}
