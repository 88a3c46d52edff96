/* Ways to make endpoints: the simulated network, ZeroMQ over TCP and ipc,
 * shared memory, and the mux of both with the peers on either side of it. */
#include "networks.h"

#include <stdio.h>
#include <unistd.h>

#include "harness.h"
#include "transport/mux.h"
#include "transport/sim.h"

static struct sim *sim;

static void sim_open(void)
{
    REQUIRE(sim_create(11, &sim, NULL) == FUSOR_OK);
    sim_set_capacity(sim, NETWORK_CAPACITY);
}

static void sim_close(void)
{
    sim_destroy(sim);
}

static struct transport *sim_make(struct peer self)
{
    struct transport *t;

    REQUIRE(sim_endpoint(sim, self, &t, NULL) == FUSOR_OK);
    return t;
}

static const char *sim_name(struct transport *t)
{
    (void)t;
    return "sim";
}

static void zmq_open_close(void)
{
}

static struct transport *zmq_make(struct peer self, const char *bind)
{
    struct transport_zmq_options o = {.job = 99,
                                      .self = self,
                                      .bind = bind,
                                      .listen_fd = -1,
                                      .hwm = NETWORK_CAPACITY};
    struct transport *t;

    REQUIRE(transport_zmq_create(&o, &t, NULL) == FUSOR_OK);
    return t;
}

static struct transport *tcp_serve(struct peer self)
{
    return zmq_make(self, "tcp://127.0.0.1:*");
}

static struct transport *ipc_serve(struct peer self)
{
    char address[TRANSPORT_ENDPOINT_MAX];

    snprintf(address, sizeof(address), "ipc://%s/s", test_tmpdir());
    return zmq_make(self, address);
}

static struct transport *zmq_join(struct peer self)
{
    return zmq_make(self, NULL);
}

static const char *zmq_name(struct transport *t)
{
    return transport_zmq_endpoint(t);
}

/* Text of a server in shared memory: its own of this process. */
static const char *shm_text(struct peer p)
{
    static char text[SHM_TEXT_MAX];

    snprintf(text, sizeof(text), "shm:fusor-test-%d-%d-%u 0123abcd",
             (int)getpid(), (int)p.kind, p.number);
    return text;
}

static struct peer served; // the newest server: the one asked about

static struct transport *shm_make(struct peer self, const char *bind)
{
    struct transport_shm_options o = {.job = 99, .self = self, .bind = bind};
    struct transport *t;

    REQUIRE(transport_shm_create(&o, &t, NULL) == FUSOR_OK);
    return t;
}

static struct transport *shm_serve(struct peer self)
{
    served = self;
    return shm_make(self, shm_text(self));
}

static struct transport *shm_join(struct peer self)
{
    return shm_make(self, NULL);
}

static const char *shm_name(struct transport *t)
{
    (void)t;
    return shm_text(served);
}

static struct transport *mux_make(struct peer self, const char *shm,
                                  const char *zmq)
{
    struct transport_shm_options near = {.job = 99, .self = self, .bind = shm};
    struct transport_zmq_options far = {.job = 99,
                                        .self = self,
                                        .bind = zmq,
                                        .listen_fd = -1,
                                        .hwm = NETWORK_CAPACITY};
    struct transport *t;

    REQUIRE(transport_mux_create(&near, &far, &t, NULL) == FUSOR_OK);
    return t;
}

static struct transport *mux_serve(struct peer self)
{
    served = self;
    return mux_make(self, shm_text(self), "tcp://127.0.0.1:*");
}

static struct transport *mux_join(struct peer self)
{
    return mux_make(self, NULL, NULL);
}

static const char *mux_far_name(struct transport *t)
{
    return transport_mux_zmq_endpoint(t);
}

const struct network networks[] = {
    {"contract.transport.sim", sim_open, sim_close, sim_make, sim_make,
     sim_name, 0},
    {"contract.transport.tcp", zmq_open_close, zmq_open_close, tcp_serve,
     zmq_join, zmq_name, 0},
    {"contract.transport.ipc", zmq_open_close, zmq_open_close, ipc_serve,
     zmq_join, zmq_name, 1},
    {"contract.transport.shm", zmq_open_close, zmq_open_close, shm_serve,
     shm_join, shm_name, 0},
    {"contract.transport.mux.near", zmq_open_close, zmq_open_close, mux_serve,
     mux_join, shm_name, 0},
    {"contract.transport.mux.far", zmq_open_close, zmq_open_close, mux_serve,
     mux_join, mux_far_name, 0},
};

const size_t n_networks = sizeof(networks) / sizeof(networks[0]);
