/* The receiving half of the transport in shared memory: who is looked at when,
 * and how a wait neither misses a message nor spins for long. */
#include <sys/epoll.h>

#include "transport/shm_endpoint.h"

#define LOOKS 256 /* receives between two looks at the sockets */
#define EVENTS 16
#define IGNORED_MOST 64 /* messages skipped after the time is up */

static void conn_release(struct shm_conn *c)
{
    if (shm_receiver_release(&c->in))
        shm_conn_ring(c);
}

void shm_receive_end(struct shm_endpoint *e)
{
    if (e->held && !e->held->shut)
        conn_release(e->held);
    e->held = NULL;
}

static int wake_take(struct shm_endpoint *e)
{
    return atomic_load_explicit(&e->woken, memory_order_relaxed) &&
           atomic_exchange(&e->woken, 0);
}

static int is_readable(const struct shm_conn *c)
{
    return !c->shut && c->segment.base;
}

/* May its message be heard? Learns where to answer. */
static int judge_sender(struct shm_endpoint *e, struct shm_conn *c)
{
    struct peer_entry *entry;

    if (!c->ours && peer_table_hear(&e->peers, c->peer) != FUSOR_OK)
        return 0;
    entry = peer_table_find(&e->peers, c->peer);
    if (!entry || entry->cut)
        return 0;
    if (!entry->connected)
        entry->link = c;
    return 1;
}

/* The next record, and what it lends.
 * @return as shm_receiver_take() */
static enum fusor_status conn_take(struct shm_endpoint *e, struct shm_conn *c,
                                   struct payload *loan)
{
    enum fusor_status rc = shm_receiver_take(&c->in, &e->record);

    *loan = (struct payload){0};
    /* The answer came before it, and names the memory that a loan lies in. */
    if (rc == FUSOR_OK && c->state == SHM_GREETING)
        (void)shm_conn_hear(e, c, NULL);
    if (rc != FUSOR_OK || !e->record.is_loan)
        return rc;
    if (shm_loan_take(c->home, &e->record.loan, loan))
        return FUSOR_EPROTO;
    e->record.payload = loan->data;
    e->record.payload_size = loan->size;
    return FUSOR_OK;
}

/* Look for one message of one peer.
 * @return FUSOR_ECLOSED: one that is not to be heard */
static enum fusor_status conn_look(struct shm_endpoint *e, struct shm_conn *c,
                                   struct delivery *d, struct fusor_error *err)
{
    enum fusor_status rc;
    struct payload loan;

    if (!is_readable(c))
        return FUSOR_EAGAIN;
    if (c->lent.n)
        shm_lent_look(c);
    rc = conn_take(e, c, &loan);
    if (rc == FUSOR_EAGAIN)
        return rc;
    d->from = c->peer;
    d->loan = loan;
    if (!judge_sender(e, c)) {
        if (loan.release)
            loan.release((void *)(uintptr_t)loan.data, loan.hint);
        d->loan = (struct payload){0};
        if (rc == FUSOR_OK)
            conn_release(c);
        else
            shm_conn_shut(c);
        e->stats.ignored++;
        return FUSOR_ECLOSED;
    }
    if (rc != FUSOR_OK)
        return shm_malformed(e, c, FUSOR_EPROTO, err);
    e->held = c;
    e->stats.received++;
    d->header = e->record.header;
    d->header_size = e->record.header_size;
    d->payload = e->record.payload;
    d->payload_size = e->record.payload_size;
    return FUSOR_OK;
}

/* Look at all peers once round, from where the last look ended. */
static enum fusor_status conns_look(struct shm_endpoint *e, struct delivery *d,
                                    struct fusor_error *err)
{
    for (size_t n = e->n_conns; n > 0; n--) {
        size_t i = e->next_conn;
        enum fusor_status rc = conn_look(e, e->conns[i], d, err);

        e->next_conn = i + 1 >= e->n_conns ? 0 : i + 1;
        if (rc != FUSOR_EAGAIN)
            return rc;
    }
    return FUSOR_EAGAIN;
}

/* Connections that begin, end, or begin again. */
static void upkeep(struct shm_endpoint *e)
{
    int64_t now = 0;

    for (size_t i = 0; i < e->n_conns; i++) {
        struct shm_conn *c = e->conns[i];

        if (c->state == SHM_OPEN || c->state == SHM_GREETING)
            continue;
        if (c->state == SHM_GONE &&
            (!is_readable(c) || shm_receiver_is_empty(&c->in)) &&
            shm_conn_renew(e, c)) {
            i--;
            continue;
        }
        now = now ? now : clock_now_ms(&clock_real);
        shm_conn_dial(e, c, now);
    }
}

static struct shm_conn *conn_find(struct shm_endpoint *e, uint64_t id)
{
    for (size_t i = 0; i < e->n_conns; i++)
        if (e->conns[i]->id == id)
            return e->conns[i];
    return NULL;
}

/* Wait for the bell or a socket, and see to the sockets.
 * @return FUSOR_OK; FUSOR_ECLUSTER: a server refuses us */
static enum fusor_status sockets_look(struct shm_endpoint *e, int timeout_ms,
                                      struct fusor_error *err)
{
    struct epoll_event events[EVENTS];
    int n = epoll_wait(e->epoll_fd, events, EVENTS, timeout_ms);
    enum fusor_status rc = FUSOR_OK;

    e->looks = 0;
    for (int i = 0; i < n && rc == FUSOR_OK; i++) {
        uint64_t id = events[i].data.u64;
        struct shm_conn *c;

        if (id == SHM_ID_LISTENER)
            shm_conns_accept(e);
        else if (id != SHM_ID_BELL && (c = conn_find(e, id)) != NULL)
            rc = shm_conn_hear(e, c, err);
    }
    upkeep(e);
    return rc;
}

int transport_shm_has_room(struct transport *t)
{
    struct shm_endpoint *e = shm_endpoint_of(t);
    int found = 0;

    for (size_t i = 0; i < e->n_conns; i++) {
        struct shm_conn *c = e->conns[i];

        if (!c->starved || (is_readable(c) && !shm_sender_has_room(&c->out)))
            continue;
        c->starved = 0;
        found = 1;
    }
    return found;
}

int transport_shm_has_message(const struct transport *t)
{
    const struct shm_endpoint *e = shm_endpoint_of(t);

    for (size_t i = 0; i < e->n_conns; i++)
        if (is_readable(e->conns[i]) &&
            !shm_receiver_is_empty(&e->conns[i]->in))
            return 1;
    return 0;
}

/* Before a wait. @return 1: a message or a wake has come */
static int look_longer(struct shm_endpoint *e)
{
    if (!spin_begin(&e->spin))
        return 0;
    do {
        if (!transport_shm_has_message(&e->base) && !atomic_load(&e->woken))
            continue;
        spin_hit(&e->spin);
        return 1;
    } while (spin_again(&e->spin));
    return 0;
}

/* What a wait would miss. */
static int something_waits(const struct shm_endpoint *e)
{
    for (size_t i = 0; i < e->n_conns; i++) {
        const struct shm_conn *c = e->conns[i];

        if (is_readable(c) && (!shm_receiver_is_empty(&c->in) ||
                               (c->starved && shm_sender_has_room(&c->out))))
            return 1;
    }
    return 0;
}

/* When the next connection is due. */
static int time_left(const struct shm_endpoint *e, int timeout_ms)
{
    int64_t now = 0;

    for (size_t i = 0; i < e->n_conns; i++) {
        const struct shm_conn *c = e->conns[i];
        int64_t left;

        if (c->shut || c->state == SHM_OPEN || c->state == SHM_GREETING)
            continue;
        now = now ? now : clock_now_ms(&clock_real);
        left = c->try_ms > now ? c->try_ms - now : 0;
        if (timeout_ms < 0 || left < timeout_ms)
            timeout_ms = (int)left;
    }
    return timeout_ms;
}

static void set_asleep(struct shm_endpoint *e, uint32_t asleep)
{
    for (size_t i = 0; i < e->n_conns; i++)
        if (is_readable(e->conns[i]))
            atomic_store(&e->conns[i]->in.control->asleep, asleep);
}

int transport_shm_sleep(struct transport *t, int timeout_ms)
{
    struct shm_endpoint *e = shm_endpoint_of(t);

    set_asleep(e, 1);
    return something_waits(e) ? 0 : time_left(e, timeout_ms);
}

void transport_shm_awake(struct transport *t)
{
    set_asleep(shm_endpoint_of(t), 0);
}

static enum fusor_status wait_once(struct shm_endpoint *e, int timeout_ms,
                                   struct fusor_error *err)
{
    int wait_ms =
        timeout_ms ? transport_shm_sleep(&e->base, timeout_ms) : timeout_ms;
    enum fusor_status rc = sockets_look(e, wait_ms, err);

    if (timeout_ms)
        transport_shm_awake(&e->base);
    return rc;
}

/* One wait of a receive that has found nothing.
 * @return FUSOR_OK: look again; FUSOR_EAGAIN: woken, or room has come back */
static enum fusor_status wait_more(struct shm_endpoint *e, int timeout_ms,
                                   struct fusor_error *err)
{
    if (timeout_ms && transport_shm_has_room(&e->base))
        return FUSOR_EAGAIN;
    FUSOR_TRY(wait_once(e, timeout_ms, err));
    return wake_take(e) ? FUSOR_EAGAIN : FUSOR_OK;
}

enum fusor_status shm_endpoint_receive(struct transport *t, struct delivery *d,
                                       int timeout_ms, struct fusor_error *err)
{
    struct shm_endpoint *e = shm_endpoint_of(t);
    int64_t end = 0;
    int left = timeout_ms, over = 0, ignored = 0;

    shm_receive_end(e);
    if (wake_take(e))
        return FUSOR_EAGAIN;
    if (++e->looks >= LOOKS)
        FUSOR_TRY(sockets_look(e, 0, err));
    for (;;) {
        enum fusor_status rc = conns_look(e, d, err);

        if (rc == FUSOR_ECLOSED && (!over || ignored++ < IGNORED_MOST))
            continue;
        if (rc != FUSOR_EAGAIN && rc != FUSOR_ECLOSED)
            return rc;
        if (over)
            return FUSOR_EAGAIN;
        if (timeout_ms > 0) {
            int64_t now = clock_now_ms(&clock_real);

            end = end ? end : now + timeout_ms;
            left = end > now ? (int)(end - now) : 0;
        }
        over = !left;
        if (left && look_longer(e)) {
            if (wake_take(e))
                return FUSOR_EAGAIN;
            continue;
        }
        FUSOR_TRY(wait_more(e, left, err));
    }
}
