/* The transport contract in shared memory: opening, connecting, the end. */
#include "transport/shm.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/mem.h"
#include "transport/shm_endpoint.h"

/* A reply of 6.4 MB in one piece took 0.8 ms, with 4 MiB 0.9 to 4 (busy
 * machine); 16 MiB gained nothing. */
#define RING_BYTES (2 * SHM_RING_MIN)

/* A connection that is replaced ends at the next look: what was received
 * through it is valid until then. */
static void conn_retire(struct shm_conn *c)
{
    if (!c)
        return;
    c->ours = 0;
    shm_conn_shut(c);
}

static enum fusor_status endpoint_connect(struct transport *t, struct peer to,
                                          const char *endpoint,
                                          struct fusor_error *err)
{
    struct shm_endpoint *e = shm_endpoint_of(t);
    struct peer_entry *entry;
    struct shm_conn *c;

    FUSOR_TRY(shm_conn_make(e, to, endpoint, &c, err));
    if (peer_table_add(&e->peers, to, &entry, err) != FUSOR_OK) {
        conn_retire(c);
        return FUSOR_ENOMEM;
    }
    if (entry->connected)
        conn_retire(entry->link);
    *entry = (struct peer_entry){.peer = to, .connected = 1, .link = c};
    shm_conn_dial(e, c, clock_now_ms(&clock_real));
    return FUSOR_OK;
}

static void endpoint_cut(struct transport *t, struct peer who)
{
    peer_table_cut(&shm_endpoint_of(t)->peers, who);
}

static void endpoint_wake(struct transport *t)
{
    struct shm_endpoint *e = shm_endpoint_of(t);
    uint64_t one = 1;

    if (!atomic_exchange(&e->woken, 1))
        (void)!write(e->bell, &one, sizeof(one));
}

static void endpoint_destroy(struct transport *t)
{
    struct shm_endpoint *e = shm_endpoint_of(t);
    const int fds[] = {e->listen_fd, e->epoll_fd, e->bell, e->spare};

    shm_receive_end(e);
    for (size_t i = 0; i < e->n_conns; i++)
        shm_conn_free(e->conns[i]);
    for (size_t i = 0; i < sizeof(fds) / sizeof(fds[0]); i++)
        if (fds[i] >= 0)
            close(fds[i]);
    peer_table_clear(&e->peers);
    mem_free(e->conns);
    mem_free(e);
}

static const struct clock_source *endpoint_clock(struct transport *t)
{
    (void)t;
    return &clock_real;
}

static const struct transport_ops endpoint_ops = {
    .connect = endpoint_connect,
    .send = shm_endpoint_send,
    .share = shm_endpoint_share,
    .may_lend = shm_endpoint_may_lend,
    .lend = shm_endpoint_lend,
    .receive = shm_endpoint_receive,
    .cut = endpoint_cut,
    .wake = endpoint_wake,
    .destroy = endpoint_destroy,
    .clock = endpoint_clock,
};

static int watch(const struct shm_endpoint *e, int fd, uint64_t id,
                 uint32_t events)
{
    struct epoll_event event = {.events = events, .data = {.u64 = id}};

    return epoll_ctl(e->epoll_fd, EPOLL_CTL_ADD, fd, &event);
}

static enum fusor_status endpoint_open(struct shm_endpoint *e,
                                       const struct transport_shm_options *o,
                                       struct fusor_error *err)
{
    uint64_t n = e->ring_bytes;

    if (n < SHM_RING_MIN || n > SHM_RING_MAX || (n & (n - 1)))
        return fusor_fail(err, FUSOR_EINVAL,
                          "shm: a ring of %llu bytes: give a power of two from "
                          "4 MiB to 256 MiB",
                          (unsigned long long)n);
    e->bell = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    e->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    if (e->epoll_fd >= 0)
        e->spare = fcntl(e->epoll_fd, F_DUPFD_CLOEXEC, 0);
    /* The bell by its edges: it is never read, only counts up. */
    if (e->bell < 0 || e->epoll_fd < 0 || e->spare < 0 ||
        watch(e, e->bell, SHM_ID_BELL, EPOLLIN | EPOLLET))
        return fusor_fail(err, FUSOR_ECLUSTER, "shm: no endpoint: %s",
                          strerror(errno));
    if (!o->bind)
        return FUSOR_OK;
    FUSOR_TRY(shm_address_parse(o->bind, &e->address, err));
    FUSOR_TRY(shm_listen(&e->address, &e->listen_fd, err));
    if (watch(e, e->listen_fd, SHM_ID_LISTENER, EPOLLIN))
        return fusor_fail(err, FUSOR_ECLUSTER, "shm: %s: %s", e->address.text,
                          strerror(errno));
    return FUSOR_OK;
}

enum fusor_status
transport_shm_create(const struct transport_shm_options *options,
                     struct transport **out, struct fusor_error *err)
{
    struct shm_endpoint *e = mem_alloc(1, sizeof(*e));
    enum fusor_status rc;

    if (!e)
        return mem_fail(err, "shm: endpoint", sizeof(*e));
    e->base.ops = &endpoint_ops;
    e->job = options->job;
    e->self = options->self;
    e->ring_bytes = options->ring_bytes ? options->ring_bytes : RING_BYTES;
    e->bell = e->epoll_fd = e->spare = e->listen_fd = -1;
    e->next_id = SHM_ID_FIRST;
    e->spin.clock = &clock_real;
    rc = endpoint_open(e, options, err);
    if (rc != FUSOR_OK) {
        endpoint_destroy(&e->base);
        return rc;
    }
    *out = &e->base;
    return FUSOR_OK;
}

struct transport_shm_stats transport_shm_stats(const struct transport *t)
{
    return shm_endpoint_of(t)->stats;
}

int transport_shm_poll_fd(const struct transport *t)
{
    return shm_endpoint_of(t)->epoll_fd;
}

int transport_shm_knows(const struct transport *t, struct peer who)
{
    return peer_table_find(&shm_endpoint_of(t)->peers, who) != NULL;
}
