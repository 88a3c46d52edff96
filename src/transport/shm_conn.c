/* The life of a connection. The client makes the memory and may write into it
 * at once; the server finds it there when it takes the hello. Until each has
 * the other's bell, a packet through the socket wakes as well. */
#define _GNU_SOURCE /* accept4 */
#include "transport/shm_endpoint.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/mem.h"

#define MAGIC "FUSSHM2" /* 8 bytes with its NUL; the number is the version */
#define PAUSE_FIRST_MS 5
#define PAUSE_MOST_MS 500
#define KNOCKS 64 /* packets taken at a time */

static void fd_close(int *fd)
{
    if (*fd >= 0)
        close(*fd);
    *fd = -1;
}

static struct shm_conn *conn_new(struct shm_endpoint *e)
{
    struct shm_conn *c;

    if (mem_reserve((void **)&e->conns, e->n_conns, &e->cap_conns,
                    sizeof(struct shm_conn *)))
        return NULL;
    c = mem_alloc(1, sizeof(*c));
    if (!c)
        return NULL;
    c->id = e->next_id++;
    c->fd = c->bell = c->segment_fd = -1;
    c->pause_ms = PAUSE_FIRST_MS;
    shm_lent_init(&c->lent);
    e->conns[e->n_conns++] = c;
    return c;
}

static void conn_remove(struct shm_endpoint *e, struct shm_conn *c)
{
    size_t i = 0;

    while (i < e->n_conns && e->conns[i] != c)
        i++;
    if (i < e->n_conns)
        e->conns[i] = e->conns[--e->n_conns];
    if (e->next_conn >= e->n_conns)
        e->next_conn = 0;
    shm_conn_free(c);
}

/* Let go of the memory of a connection. What was borrowed keeps its part. */
static void conn_leave_home(struct shm_conn *c)
{
    shm_lent_drop(c);
    shm_home_unref(c->home);
    c->home = NULL;
    c->segment = (struct shm_segment){0};
    c->may_lend = 0;
}

/* @param s taken over on success
 * @param first 1: this side made it */
static int conn_enter_home(struct shm_conn *c, struct shm_segment *s, int first)
{
    struct shm_home *h;

    shm_segment_rings(s, first, &c->out, &c->in);
    h = shm_home_make(s, c->in.control);
    if (!h)
        return -1;
    c->home = h;
    c->segment = *s;
    return 0;
}

void shm_conn_free(struct shm_conn *c)
{
    if (!c)
        return;
    fd_close(&c->fd);
    fd_close(&c->bell);
    fd_close(&c->segment_fd);
    conn_leave_home(c);
    mem_free(c);
}

/* Fresh memory for a connection of ours. */
static enum fusor_status conn_furnish(const struct shm_endpoint *e,
                                      struct shm_conn *c,
                                      struct fusor_error *err)
{
    struct shm_segment segment;

    fd_close(&c->segment_fd);
    conn_leave_home(c);
    FUSOR_TRY(shm_segment_make(e->ring_bytes, &segment, &c->segment_fd, err));
    if (conn_enter_home(c, &segment, 1)) {
        shm_segment_unmap(&segment);
        return mem_fail(err, "shm: connection", sizeof(*c->home));
    }
    c->state = SHM_APART;
    return FUSOR_OK;
}

enum fusor_status shm_conn_make(struct shm_endpoint *e, struct peer to,
                                const char *endpoint, struct shm_conn **out,
                                struct fusor_error *err)
{
    struct shm_address address;
    struct shm_conn *c;
    enum fusor_status rc;

    FUSOR_TRY(shm_address_parse(endpoint, &address, err));
    c = conn_new(e);
    if (!c)
        return mem_fail(err, "shm: connection", sizeof(*c));
    c->peer = to;
    c->ours = 1;
    c->address = address;
    rc = conn_furnish(e, c, err);
    if (rc != FUSOR_OK)
        conn_remove(e, c);
    else
        *out = c;
    return rc;
}

static int conn_watch(const struct shm_endpoint *e, const struct shm_conn *c)
{
    struct epoll_event event = {.events = EPOLLIN, .data = {.u64 = c->id}};

    return epoll_ctl(e->epoll_fd, EPOLL_CTL_ADD, c->fd, &event);
}

/* The other side is not there any more, or never was. */
static void conn_lose(struct shm_conn *c)
{
    fd_close(&c->fd);
    fd_close(&c->bell);
    c->state = SHM_GONE;
}

void shm_conn_shut(struct shm_conn *c)
{
    conn_lose(c);
    c->shut = 1;
}

static void conn_later(struct shm_conn *c, int64_t now)
{
    c->try_ms = now + c->pause_ms;
    c->pause_ms *= 2;
    if (c->pause_ms > PAUSE_MOST_MS)
        c->pause_ms = PAUSE_MOST_MS;
}

/* Every packet has as many descriptors. */
static int region_fd(const struct shm_endpoint *e)
{
    return e->shared.size ? e->shared.fd : e->bell;
}

static int say_hello(const struct shm_endpoint *e, const struct shm_conn *c)
{
    struct shm_hello hello = {.magic = MAGIC,
                              .job = e->job,
                              .capacity = c->segment.capacity,
                              .region_bytes = e->shared.size,
                              .kind = (uint32_t)e->self.kind,
                              .number = e->self.number,
                              .incarnation = e->self.incarnation};
    const int fds[] = {c->segment_fd, e->bell, region_fd(e)};

    memcpy(hello.key, c->address.key, sizeof(hello.key));
    return shm_packet_send(c->fd, &hello, sizeof(hello), fds, 3);
}

void shm_conn_dial(struct shm_endpoint *e, struct shm_conn *c, int64_t now)
{
    if (c->state != SHM_APART || c->shut || now < c->try_ms)
        return;
    c->fd = shm_dial(&c->address);
    if (c->fd < 0 || conn_watch(e, c) || say_hello(e, c)) {
        fd_close(&c->fd);
        conn_later(c, now);
        return;
    }
    fd_close(&c->segment_fd);
    c->state = SHM_GREETING;
}

static int accept_one(struct shm_endpoint *e)
{
    int fd = accept4(e->listen_fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

    if (fd >= 0 || (errno != EMFILE && errno != ENFILE))
        return fd;
    /* Turned away rather than left there, where it would keep us awake. */
    fd_close(&e->spare);
    fd = accept4(e->listen_fd, NULL, NULL, SOCK_CLOEXEC);
    fd_close(&fd);
    e->spare = fcntl(e->epoll_fd, F_DUPFD_CLOEXEC, 0);
    return -1;
}

void shm_conns_accept(struct shm_endpoint *e)
{
    int fd;

    while ((fd = accept_one(e)) >= 0) {
        struct shm_conn *c = NULL;

        if (shm_is_ours(fd) && e->n_conns < SHM_CONNS_MAX)
            c = conn_new(e);
        if (!c) {
            close(fd);
            e->stats.refused++;
            continue;
        }
        c->fd = fd;
        c->state = SHM_GREETING;
        if (conn_watch(e, c))
            conn_remove(e, c);
    }
}

static int hello_is_good(const struct shm_endpoint *e,
                         const struct shm_hello *h)
{
    return memcmp(h->magic, MAGIC, sizeof(h->magic)) == 0 && h->job == e->job &&
           h->kind >= PEER_COORDINATOR && h->kind <= PEER_WORKER &&
           memcmp(h->key, e->address.key, sizeof(h->key)) == 0;
}

/* Somebody else's bell must never make us wait. */
static void bell_take(struct shm_conn *c, int bell)
{
    fcntl(bell, F_SETFL, O_NONBLOCK);
    c->bell = bell;
}

/* @return 0 when the segment that came is mapped */
static int enter_segment(struct shm_conn *c, int fd, uint64_t capacity)
{
    struct shm_segment s;

    if (fd < 0 || shm_segment_map(fd, capacity, &s, NULL) != FUSOR_OK)
        return -1;
    if (!conn_enter_home(c, &s, 0))
        return 0;
    shm_segment_unmap(&s);
    return -1;
}

static void refuse(struct shm_endpoint *e, struct shm_conn *c)
{
    struct shm_answer answer = {.magic = MAGIC, .status = 1};

    (void)shm_packet_send(c->fd, &answer, sizeof(answer), NULL, 0);
    e->stats.refused++;
    shm_conn_shut(c);
}

static void welcome(struct shm_endpoint *e, struct shm_conn *c,
                    const struct shm_hello *hello, int region)
{
    struct shm_answer answer = {.magic = MAGIC, .region_bytes = e->shared.size};
    const int fds[] = {e->bell, region_fd(e)};

    c->peer = (struct peer){(enum peer_kind)hello->kind, hello->number,
                            hello->incarnation};
    c->state = SHM_OPEN;
    c->may_lend = e->shared.size != 0;
    answer.borrows = hello->region_bytes &&
                     !shm_home_map(c->home, region, hello->region_bytes);
    /* Who has gone meanwhile shows at the socket; what it wrote counts. */
    (void)shm_packet_send(c->fd, &answer, sizeof(answer), fds, 2);
}

static void hear_hello(struct shm_endpoint *e, struct shm_conn *c)
{
    struct shm_hello hello;
    int fds[3] = {-1, -1, -1};
    int got = shm_packet_take(c->fd, &hello, sizeof(hello), fds, 3);

    if (!got)
        return;
    if (got < 0 || !hello_is_good(e, &hello) ||
        enter_segment(c, fds[0], hello.capacity)) {
        refuse(e, c);
    } else {
        bell_take(c, fds[1]);
        fds[1] = -1;
        welcome(e, c, &hello, fds[2]);
    }
    for (int i = 0; i < 3; i++)
        fd_close(&fds[i]);
}

static enum fusor_status hear_answer(struct shm_conn *c,
                                     struct fusor_error *err)
{
    struct shm_answer answer;
    int fds[2] = {-1, -1}, blind;
    int got = shm_packet_take(c->fd, &answer, sizeof(answer), fds, 2);

    if (!got)
        return FUSOR_OK;
    if (got < 0) {
        conn_lose(c);
        return FUSOR_OK;
    }
    if (answer.status || fds[0] < 0 || memcmp(answer.magic, MAGIC, 8) != 0) {
        fd_close(&fds[0]);
        fd_close(&fds[1]);
        shm_conn_shut(c);
        return fusor_fail(err, FUSOR_ECLUSTER,
                          "%s refuses this process: it serves another job, has "
                          "another key or is another version of fusor",
                          c->address.text);
    }
    blind = answer.region_bytes &&
            shm_home_map(c->home, fds[1], answer.region_bytes);
    fd_close(&fds[1]);
    bell_take(c, fds[0]);
    c->state = SHM_OPEN;
    c->may_lend = answer.borrows != 0;
    if (blind) {
        shm_conn_shut(c);
        return fusor_fail(err, FUSOR_ECLUSTER,
                          "%s lends from %llu bytes of memory that cannot be "
                          "mapped here: raise the limit of address space, or "
                          "set cluster.transport: zmq",
                          c->address.text,
                          (unsigned long long)answer.region_bytes);
    }
    shm_conn_ring(c); // for what was written before
    return FUSOR_OK;
}

static void hear_knocks(struct shm_conn *c)
{
    char knock[8];

    for (int i = 0; i < KNOCKS; i++) {
        ssize_t n = recv(c->fd, knock, sizeof(knock), MSG_DONTWAIT);

        if (n > 0 || (n < 0 && errno == EINTR))
            continue;
        if (n == 0 || errno != EAGAIN)
            conn_lose(c);
        return;
    }
}

enum fusor_status shm_conn_hear(struct shm_endpoint *e, struct shm_conn *c,
                                struct fusor_error *err)
{
    if (c->state == SHM_OPEN)
        hear_knocks(c);
    else if (c->state == SHM_GREETING && c->ours)
        return hear_answer(c, err);
    else if (c->state == SHM_GREETING)
        hear_hello(e, c);
    return FUSOR_OK;
}

void shm_conn_ring(const struct shm_conn *c)
{
    uint64_t one = 1;

    if (c->bell >= 0)
        (void)!write(c->bell, &one, sizeof(one));
    else if (c->fd >= 0)
        (void)!send(c->fd, "k", 1, MSG_DONTWAIT | MSG_NOSIGNAL);
}

int shm_conn_renew(struct shm_endpoint *e, struct shm_conn *c)
{
    int64_t now = clock_now_ms(&clock_real);
    struct peer_entry *entry;

    if (c->ours) {
        if (!c->shut && now >= c->try_ms) {
            conn_later(c, now);
            (void)conn_furnish(e, c, NULL); // no memory: later
        }
        return 0;
    }
    entry = peer_table_find(&e->peers, c->peer);
    if (entry && entry->link == c)
        entry->link = NULL;
    conn_remove(e, c);
    return 1;
}
