/* Making sockets: options, addresses, inherited listeners. ZMQ_HEARTBEAT_* is
 * never set: with a receiver at its high-water mark it aborts the process
 * (libzmq #3937); dead peers are noticed by TCP and by the job's own pings. */
#include "transport/zmq_endpoint.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/mem.h"

#define RECONNECT_FIRST_MS 20
#define RECONNECT_MOST_MS 500
#define BACKLOG 1024
#define FRAME_SLACK 4096 /* libzmq counts CURVE's own bytes, too */
/* A dead host is given up after 30 s: twice the job's "suspect" deadline, and
 * long enough for a receiver that stands still during a checkpoint. */
#define TCP_GIVE_UP_MS 30000
#define TCP_IDLE_S 10
#define TCP_PROBE_S 5
#define TCP_PROBES 4

struct int_option {
    int name;
    int value;
};

static int options_set(void *socket, const struct int_option *o, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (zmq_setsockopt(socket, o[i].name, &o[i].value, sizeof(int)))
            return -1;
    return 0;
}

static int common_set(const struct zmq_endpoint *e, void *socket)
{
    const struct int_option o[] = {
        {ZMQ_LINGER, e->flush_ms},
        {ZMQ_SNDHWM, e->hwm},
        {ZMQ_RCVHWM, e->hwm},
        {ZMQ_BACKLOG, BACKLOG},
        {ZMQ_TCP_MAXRT, TCP_GIVE_UP_MS},
        {ZMQ_TCP_KEEPALIVE, 1},
        {ZMQ_TCP_KEEPALIVE_IDLE, TCP_IDLE_S},
        {ZMQ_TCP_KEEPALIVE_INTVL, TCP_PROBE_S},
        {ZMQ_TCP_KEEPALIVE_CNT, TCP_PROBES},
    };
    int64_t most = (int64_t)TRANSPORT_PAYLOAD_MAX + FRAME_SLACK;

    if (options_set(socket, o, sizeof(o) / sizeof(o[0])))
        return -1;
    return zmq_setsockopt(socket, ZMQ_MAXMSGSIZE, &most, sizeof(most));
}

static enum fusor_status option_fail(const char *what, struct fusor_error *err)
{
    return fusor_fail(err, FUSOR_ECLUSTER, "%s: %s", what,
                      zmq_strerror(zmq_errno()));
}

static enum fusor_status bind_fail(const char *address, struct fusor_error *err)
{
    int code = zmq_errno();
    const char *cure = "check the address";

    if (code == EADDRINUSE)
        cure = "choose another port (0: any free one) or end the process that "
               "holds it (ss -ltnp)";
    else if (code == EADDRNOTAVAIL || code == ENODEV)
        cure = "no interface of this host has this address: give one of its "
               "own";
    return fusor_fail(err, FUSOR_ECLUSTER, "cannot listen on %s: %s: %s",
                      address, zmq_strerror(code), cure);
}

/* Let libzmq take over a copy of a listening socket; it closes what it is
 * given. Writes where that socket listens. */
static enum fusor_status adopt_listener(void *socket, int listen_fd, int *copy,
                                        char address[TRANSPORT_ENDPOINT_MAX],
                                        struct fusor_error *err)
{
    struct sockaddr_in at = {0};
    socklen_t size = sizeof(at);
    char host[INET_ADDRSTRLEN];

    if (getsockname(listen_fd, (struct sockaddr *)&at, &size) ||
        at.sin_family != AF_INET)
        return fusor_fail(err, FUSOR_EINVAL,
                          "descriptor %d is no listening TCP socket",
                          listen_fd);
    inet_ntop(AF_INET, &at.sin_addr, host, sizeof(host));
    snprintf(address, TRANSPORT_ENDPOINT_MAX, "tcp://%s:%u", host,
             ntohs(at.sin_port));
    *copy = fcntl(listen_fd, F_DUPFD_CLOEXEC, 0);
    if (*copy < 0)
        return fusor_fail(err, FUSOR_ECLUSTER, "cannot copy descriptor %d: %s",
                          listen_fd, strerror(errno));
    if (zmq_setsockopt(socket, ZMQ_USE_FD, copy, sizeof(*copy)))
        return option_fail("zmq: inherited listener", err);
    return FUSOR_OK;
}

/* Only this user's processes may come in over ipc. */
static int ipc_guard(void *socket)
{
    uid_t uid = getuid();

    return zmq_setsockopt(socket, ZMQ_IPC_FILTER_UID, &uid, sizeof(uid));
}

static enum fusor_status router_bind(struct zmq_endpoint *e,
                                     const struct transport_zmq_options *o,
                                     struct fusor_error *err)
{
    char address[TRANSPORT_ENDPOINT_MAX];
    size_t size = sizeof(e->address);
    int copy = -1;

    if (o->listen_fd >= 0) {
        enum fusor_status rc =
            adopt_listener(e->router, o->listen_fd, &copy, address, err);

        if (rc != FUSOR_OK) {
            if (copy >= 0)
                close(copy);
            return rc;
        }
    } else {
        snprintf(address, sizeof(address), "%s", o->bind);
    }
    if (!strncmp(address, "ipc://", 6) && ipc_guard(e->router))
        return option_fail("zmq: ipc filter", err);
    if (zmq_bind(e->router, address)) {
        enum fusor_status rc = bind_fail(address, err);

        if (copy >= 0)
            close(copy);
        return rc;
    }
    if (zmq_getsockopt(e->router, ZMQ_LAST_ENDPOINT, e->address, &size))
        return option_fail("zmq: endpoint", err);
    return FUSOR_OK;
}

enum fusor_status zmq_router_open(struct zmq_endpoint *e,
                                  const struct transport_zmq_options *o,
                                  struct fusor_error *err)
{
    static const struct int_option router[] = {{ZMQ_ROUTER_MANDATORY, 1},
                                               {ZMQ_ROUTER_HANDOVER, 1}};

    e->router = zmq_socket(e->context, ZMQ_ROUTER);
    if (!e->router || common_set(e, e->router) ||
        options_set(e->router, router, 2))
        return option_fail("zmq: router", err);
    if (e->has_keys)
        FUSOR_TRY(zmq_curve_server(e->router, &e->keys, err));
    return router_bind(e, o, err);
}

/* "address KEY" -> address, key ("" when there is none). */
static enum fusor_status endpoint_split(const char *endpoint,
                                        char address[TRANSPORT_ENDPOINT_MAX],
                                        char key[TRANSPORT_KEY_SIZE],
                                        struct fusor_error *err)
{
    size_t n = strcspn(endpoint, " ");
    const char *rest = endpoint + n;

    rest += strspn(rest, " ");
    if (!n || n >= TRANSPORT_ENDPOINT_MAX ||
        (*rest && strlen(rest) != TRANSPORT_KEY_SIZE - 1))
        return fusor_fail(err, FUSOR_EINVAL,
                          "endpoint \"%.80s\" is not \"address\" or "
                          "\"address KEY\" with a key of %d characters",
                          endpoint, TRANSPORT_KEY_SIZE - 1);
    memcpy(address, endpoint, n);
    address[n] = '\0';
    snprintf(key, TRANSPORT_KEY_SIZE, "%s", rest);
    return FUSOR_OK;
}

static enum fusor_status dealer_secure(const struct zmq_endpoint *e,
                                       const struct zmq_dealer *d,
                                       const char *key, struct fusor_error *err)
{
    if (!e->has_keys && !*key)
        return FUSOR_OK;
    if (!e->has_keys || !*key)
        return fusor_fail(err, FUSOR_EINVAL, "%s: %s", d->address,
                          *key ? "has a key, but this process has none"
                               : "has no key, but this process has one");
    return zmq_curve_client(d->socket, &e->keys, key, err);
}

static enum fusor_status dealer_start(struct zmq_endpoint *e,
                                      struct zmq_dealer *d, const char *key,
                                      struct fusor_error *err)
{
    static const struct int_option dealer[] = {
        {ZMQ_RECONNECT_IVL, RECONNECT_FIRST_MS},
        {ZMQ_RECONNECT_IVL_MAX, RECONNECT_MOST_MS},
        /* Requests wait (bounded) for a server that is still starting. */
        {ZMQ_IMMEDIATE, 0},
    };
    uint8_t routing[ROUTING_BYTES];

    d->socket = zmq_socket(e->context, ZMQ_DEALER);
    zmq_routing_write(routing, e->job, e->self);
    if (!d->socket || common_set(e, d->socket) ||
        options_set(d->socket, dealer, 3) ||
        zmq_setsockopt(d->socket, ZMQ_ROUTING_ID, routing, sizeof(routing)))
        return option_fail("zmq: dealer", err);
    FUSOR_TRY(dealer_secure(e, d, key, err));
    FUSOR_TRY(zmq_monitor_open(e, d->socket, &d->monitor, err));
    if (zmq_connect(d->socket, d->address))
        return fusor_fail(err, FUSOR_EINVAL, "cannot connect to %s: %s",
                          d->address, zmq_strerror(zmq_errno()));
    return FUSOR_OK;
}

enum fusor_status zmq_dealer_open(struct zmq_endpoint *e, struct peer to,
                                  const char *endpoint, struct zmq_dealer **out,
                                  struct fusor_error *err)
{
    char key[TRANSPORT_KEY_SIZE];
    struct zmq_dealer *d = mem_alloc(1, sizeof(*d));
    enum fusor_status rc;

    if (!d)
        return mem_fail(err, "zmq: dealer", sizeof(*d));
    d->peer = to;
    rc = endpoint_split(endpoint, d->address, key, err);
    if (rc == FUSOR_OK)
        rc = dealer_start(e, d, key, err);
    if (rc != FUSOR_OK) {
        zmq_dealer_close(d);
        return rc;
    }
    *out = d;
    return FUSOR_OK;
}

void zmq_dealer_close(struct zmq_dealer *d)
{
    if (!d)
        return;
    if (d->monitor)
        zmq_close(d->monitor);
    if (d->socket)
        zmq_close(d->socket);
    mem_free(d);
}

static int listen_socket(struct sockaddr_in *at)
{
    socklen_t size = sizeof(*at);
    int one = 1;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    if (fd < 0)
        return -1;
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
    if (bind(fd, (struct sockaddr *)at, size) || listen(fd, BACKLOG) ||
        getsockname(fd, (struct sockaddr *)at, &size)) {
        int code = errno;

        close(fd);
        errno = code;
        return -1;
    }
    return fd;
}

enum fusor_status transport_zmq_listen(const char *host, unsigned port, int *fd,
                                       char endpoint[TRANSPORT_ENDPOINT_MAX],
                                       struct fusor_error *err)
{
    struct sockaddr_in at = {.sin_family = AF_INET};
    char text[INET_ADDRSTRLEN];
    int made;

    if (port > 65535 ||
        inet_pton(AF_INET, host ? host : "127.0.0.1", &at.sin_addr) != 1)
        return fusor_fail(err, FUSOR_EINVAL,
                          "cannot listen on %s, port %u: not an IPv4 address "
                          "and a port up to 65535",
                          host ? host : "127.0.0.1", port);
    at.sin_port = htons((uint16_t)port);
    inet_ntop(AF_INET, &at.sin_addr, text, sizeof(text));
    made = listen_socket(&at);
    if (made < 0) {
        snprintf(endpoint, TRANSPORT_ENDPOINT_MAX, "tcp://%s:%u", text, port);
        return bind_fail(endpoint, err);
    }
    snprintf(endpoint, TRANSPORT_ENDPOINT_MAX, "tcp://%s:%u", text,
             ntohs(at.sin_port));
    *fd = made;
    return FUSOR_OK;
}
