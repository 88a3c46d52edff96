/* CURVE (ZeroMQ RFC 26) and the thread that answers who may come in (ZAP, RFC
 * 27): the public keys given when the endpoint was made, nobody else. */
#include "transport/zmq_endpoint.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>

#include "base/mem.h"

#define ZAP_ADDRESS "inproc://zeromq.zap.01"
#define ZAP_DOMAIN "fusor"
#define ZAP_FRAMES 7 /* version, id, domain, address, identity, CURVE, key */
#define ZAP_FRAME_MAX 256

struct zmq_gate {
    void *socket; // the thread's, once it runs
    pthread_t thread;
    size_t n_allowed;
    uint8_t (*allowed)[KEY_BYTES];
    atomic_ullong refused;
};

struct zap_request {
    uint8_t frames[ZAP_FRAMES][ZAP_FRAME_MAX];
    int sizes[ZAP_FRAMES];
    int n;
};

static int frame_is(const struct zap_request *r, int i, const char *text)
{
    size_t n = strlen(text);

    return r->sizes[i] == (int)n && !memcmp(r->frames[i], text, n);
}

/* @return 0, or -1: the context is going down */
static int zap_read(void *socket, struct zap_request *r)
{
    int more = 1;

    r->n = 0;
    while (more) {
        uint8_t beyond[ZAP_FRAME_MAX];
        uint8_t *to = r->n < ZAP_FRAMES ? r->frames[r->n] : beyond;
        size_t size = sizeof(more);
        int n = zmq_recv(socket, to, ZAP_FRAME_MAX, 0);

        if (n < 0 && zmq_errno() == EINTR)
            continue;
        if (n < 0)
            return -1;
        if (r->n < ZAP_FRAMES)
            r->sizes[r->n] = n;
        r->n++;
        if (zmq_getsockopt(socket, ZMQ_RCVMORE, &more, &size))
            return -1;
    }
    return 0;
}

static int zap_allows(const struct zmq_gate *g, const struct zap_request *r)
{
    if (r->n != ZAP_FRAMES || !frame_is(r, 0, "1.0") ||
        !frame_is(r, 2, ZAP_DOMAIN) || !frame_is(r, 5, "CURVE") ||
        r->sizes[6] != KEY_BYTES)
        return 0;
    for (size_t i = 0; i < g->n_allowed; i++)
        if (!memcmp(g->allowed[i], r->frames[6], KEY_BYTES))
            return 1;
    return 0;
}

static int zap_answer(void *socket, const struct zap_request *r, int yes)
{
    int id_size = r->n > 1 && r->sizes[1] <= ZAP_FRAME_MAX ? r->sizes[1] : 0;
    struct {
        const void *data;
        size_t size;
    } frames[] = {
        {"1.0", 3},
        {r->frames[1], (size_t)id_size},
        {yes ? "200" : "400", 3},
        {yes ? "OK" : "unknown key", yes ? 2 : 11},
        {"", 0},
        {"", 0},
    };
    int n = sizeof(frames) / sizeof(frames[0]);

    for (int i = 0; i < n; i++)
        while (zmq_send(socket, frames[i].data, frames[i].size,
                        i < n - 1 ? ZMQ_SNDMORE : 0) < 0)
            if (zmq_errno() != EINTR)
                return -1;
    return 0;
}

static void *gate_run(void *arg)
{
    struct zmq_gate *g = arg;
    struct zap_request r;

    while (!zap_read(g->socket, &r)) {
        int yes = zap_allows(g, &r);

        if (!yes)
            atomic_fetch_add(&g->refused, 1);
        if (zap_answer(g->socket, &r, yes))
            break;
    }
    zmq_close(g->socket);
    return NULL;
}

static enum fusor_status gate_fill(struct zmq_gate *g,
                                   const char *const *allowed, size_t n,
                                   struct fusor_error *err)
{
    g->allowed = mem_alloc(n, KEY_BYTES);
    if (!g->allowed)
        return mem_fail(err, "zmq: keys", n * KEY_BYTES);
    for (size_t i = 0; i < n; i++)
        if (strlen(allowed[i]) != TRANSPORT_KEY_SIZE - 1 ||
            !zmq_z85_decode(g->allowed[i], allowed[i]))
            return fusor_fail(err, FUSOR_EINVAL,
                              "zmq: allowed key %zu is not a Z85 key of %d "
                              "characters",
                              i, TRANSPORT_KEY_SIZE - 1);
    g->n_allowed = n;
    return FUSOR_OK;
}

/* Signals are for the process's own threads. */
static int thread_start(struct zmq_gate *g)
{
    sigset_t all, before;
    int rc;

    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    rc = pthread_create(&g->thread, NULL, gate_run, g);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return rc;
}

static enum fusor_status gate_start(struct zmq_gate *g, void *context,
                                    struct fusor_error *err)
{
    int zero = 0, rc;

    g->socket = zmq_socket(context, ZMQ_REP);
    if (!g->socket ||
        zmq_setsockopt(g->socket, ZMQ_LINGER, &zero, sizeof(zero)) ||
        zmq_bind(g->socket, ZAP_ADDRESS))
        return fusor_fail(err, FUSOR_ECLUSTER, "zmq: key check: %s",
                          zmq_strerror(zmq_errno()));
    rc = thread_start(g);
    if (rc)
        return fusor_fail(err, FUSOR_ECLUSTER,
                          "zmq: cannot start a thread for the key check: %s",
                          strerror(rc));
    return FUSOR_OK;
}

enum fusor_status zmq_gate_open(void *context, const char *const *allowed,
                                size_t n_allowed, struct zmq_gate **out,
                                struct fusor_error *err)
{
    struct zmq_gate *g = mem_alloc(1, sizeof(*g));
    enum fusor_status rc;

    if (!g)
        return mem_fail(err, "zmq: key check", sizeof(*g));
    rc = gate_fill(g, allowed, n_allowed, err);
    if (rc == FUSOR_OK)
        rc = gate_start(g, context, err);
    if (rc != FUSOR_OK) {
        if (g->socket)
            zmq_close(g->socket);
        mem_free(g->allowed);
        mem_free(g);
        return rc;
    }
    *out = g;
    return FUSOR_OK;
}

uint64_t zmq_gate_refused(const struct zmq_gate *g)
{
    return g ? atomic_load(&g->refused) : 0;
}

void zmq_gate_close(struct zmq_gate *g)
{
    if (!g)
        return;
    pthread_join(g->thread, NULL);
    mem_free(g->allowed);
    mem_free(g);
}

static enum fusor_status key_fail(struct fusor_error *err)
{
    return fusor_fail(err, FUSOR_EINVAL,
                      "zmq: a key is refused (%s): keys are Z85 text of %d "
                      "characters from transport_zmq_keypair",
                      zmq_strerror(zmq_errno()), TRANSPORT_KEY_SIZE - 1);
}

enum fusor_status zmq_curve_server(void *socket,
                                   const struct transport_keypair *keys,
                                   struct fusor_error *err)
{
    int one = 1;

    if (zmq_setsockopt(socket, ZMQ_CURVE_SERVER, &one, sizeof(one)) ||
        zmq_setsockopt(socket, ZMQ_CURVE_SECRETKEY, keys->secret_key,
                       TRANSPORT_KEY_SIZE) ||
        zmq_setsockopt(socket, ZMQ_ZAP_DOMAIN, ZAP_DOMAIN, strlen(ZAP_DOMAIN)))
        return key_fail(err);
    return FUSOR_OK;
}

enum fusor_status zmq_curve_client(void *socket,
                                   const struct transport_keypair *keys,
                                   const char *server_key,
                                   struct fusor_error *err)
{
    if (zmq_setsockopt(socket, ZMQ_CURVE_SERVERKEY, server_key,
                       TRANSPORT_KEY_SIZE) ||
        zmq_setsockopt(socket, ZMQ_CURVE_PUBLICKEY, keys->public_key,
                       TRANSPORT_KEY_SIZE) ||
        zmq_setsockopt(socket, ZMQ_CURVE_SECRETKEY, keys->secret_key,
                       TRANSPORT_KEY_SIZE))
        return key_fail(err);
    return FUSOR_OK;
}

enum fusor_status transport_zmq_keypair(struct transport_keypair *out,
                                        struct fusor_error *err)
{
    if (zmq_curve_keypair(out->public_key, out->secret_key))
        return fusor_fail(err, FUSOR_ECLUSTER,
                          "zmq: cannot make keys: %s: install a libzmq with "
                          "CURVE or turn security off",
                          zmq_strerror(zmq_errno()));
    return FUSOR_OK;
}
