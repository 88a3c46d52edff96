/* A compute thread at the endpoint: what it may send and receive while the
 * network thread rests. */
#include "coord/deadline.h"
#include "ps/client_private.h"

#define IDLE_MS 2             /* without a use: the network thread is back */
#define REST_MOST_MS 50       /* then it looks at its other duties */
#define SUBMIT_MOST (1 << 16) /* bytes worth more than a thread switch */

void client_deliver_done(struct client *c, struct client_worker *leader)
{
    struct exchange *x;

    while ((x = exchange_core_take_done(c->core)) != NULL) {
        struct client_worker *w = &c->workers[x->worker];

        if (w == leader) {
            struct exchange **at = &w->fetched;

            while (*at)
                at = &(*at)->next;
            *at = x;
            continue;
        }
        atomic_fetch_add(&w->delivered, 1);
        if (queue_put(w->inbox, x) == 0)
            continue;
        x->next = c->stranded; // everything stops, but its worker may look at
        c->stranded = x;       // it until it has noticed
    }
}

static struct exchange *take_fetched(struct client_worker *w)
{
    struct exchange *x = w->fetched;

    if (x) {
        w->fetched = x->next;
        x->next = NULL;
    }
    return x;
}

/* What is lent costs nothing to send, however large. */
static int is_cheap(const struct client *c, const struct exchange *x)
{
    size_t copied = 0;

    for (uint32_t s = 0; s < c->config.n_shards; s++) {
        struct peer to = {.kind = PEER_SHARD, .number = s};
        struct payload_buffer *out = x->legs[s].out;

        if (!messenger_lends(c->config.messenger, to, out))
            copied += out->size;
    }
    return copied <= SUBMIT_MOST;
}

int client_lead_submit(struct client *c, struct exchange *x)
{
    if (!lead_try(&c->lead))
        return 0;
    if (!is_cheap(c, x)) {
        lead_leave(&c->lead, 0);
        return 0;
    }
    client_pump_submissions(c);
    exchange_core_submit(c->core, x);
    lead_leave(&c->lead, messenger_is_waiting(c->config.messenger));
    return 1;
}

int client_lead_begin(struct client *c, struct exchange *x)
{
    if (!lead_try(&c->lead)) {
        if (lead_want(&c->lead))
            messenger_wake(c->config.messenger);
        return 0;
    }
    client_pump_submissions(c); // they were first
    if (exchange_core_begin(c->core, x, NULL) == FUSOR_OK)
        return 1;
    lead_leave(&c->lead, 0);
    return 0;
}

void client_lead_end(struct client *c, struct exchange *x)
{
    exchange_core_end(c->core, x);
    lead_leave(&c->lead, messenger_is_waiting(c->config.messenger));
}

/* One receive as leader.
 * @return 1: the network thread is to take over */
static int lead_once(struct client *c, struct client_worker *w, int64_t end)
{
    struct messenger *m = c->config.messenger;
    int64_t left = end - clock_now_ms(messenger_clock(m));
    int wait;
    struct fusor_error err = {0};
    struct message msg;
    enum fusor_status rc;

    exchange_core_tick(c->core);
    client_deliver_done(c, w);
    if (w->fetched)
        return 0; // it has failed
    wait = exchange_core_timeout_ms(c->core);
    if (left < wait)
        wait = left > 0 ? (int)left : 0;
    rc = messenger_receive(m, &msg, wait, &err);
    if (rc == FUSOR_OK && msg.from.kind != PEER_SHARD) {
        messenger_put_back(m, &msg);
        return 1;
    }
    if (rc == FUSOR_OK) {
        exchange_core_on_message(c->core, &msg);
        client_deliver_done(c, w);
        return messenger_is_waiting(m);
    }
    if (rc != FUSOR_EAGAIN) {
        err.status = rc;
        c->lost = err;
    }
    return 1; // woken: for the network thread
}

static int others_wait(const struct client *c, const struct client_worker *w)
{
    for (unsigned i = 0; i < c->config.n_workers; i++)
        if (&c->workers[i] != w && atomic_load(&c->workers[i].waits))
            return 1;
    return 0;
}

static int inbox_has_more(const struct client_worker *w)
{
    return atomic_load(&w->delivered) != w->taken;
}

/* Lead until something of this worker's is there or the network thread is
 * wanted. */
static void lead(struct client *c, struct client_worker *w, int64_t end)
{
    int call = 0;

    client_pump_submissions(c);
    while (!w->fetched && !inbox_has_more(w) && !call)
        call = lead_once(c, w, end);
    lead_leave(&c->lead, call);
    /* Who began to wait while this thread led has seen that it could not. */
    if (!call && others_wait(c, w))
        lead_call(&c->lead);
}

/* @return what the network thread delivered, or NULL: the token, the time is
 * over or all stops (*over) */
static struct exchange *take_delivered(struct client *c,
                                       struct client_worker *w, int64_t end,
                                       int *over)
{
    int64_t left = end - clock_now_ms(messenger_clock(c->config.messenger));
    void *item = queue_take(w->inbox, left > 0 ? (int)left : 0);

    *over = !item;
    if (item == &w->token) {
        atomic_store(&w->token_is_out, 0);
        return NULL;
    }
    if (item)
        w->taken++;
    return item;
}

static struct exchange *wait_for_one(struct client *c, struct client_worker *w)
{
    int64_t end =
        clock_now_ms(messenger_clock(c->config.messenger)) + c->config.wait_ms;
    struct exchange *x = NULL;
    int over = 0;

    while (!x && !over) {
        if (!inbox_has_more(w) && !atomic_load(&c->stopped) &&
            lead_try(&c->lead)) {
            lead(c, w, end);
            x = take_fetched(w);
        } else {
            x = take_delivered(c, w, end, &over);
        }
    }
    return x;
}

struct exchange *client_lead_wait(struct client *c, struct client_worker *w)
{
    struct exchange *x = take_fetched(w);

    if (x)
        return x;
    atomic_store(&w->waits, 1);
    x = wait_for_one(c, w);
    atomic_store(&w->waits, 0);
    return x;
}

/* The network thread's side. */

static unsigned count_waiters(struct client *c, struct client_worker **last)
{
    unsigned n = 0;

    for (unsigned i = 0; i < c->config.n_workers; i++) {
        if (!atomic_load(&c->workers[i].waits))
            continue;
        *last = &c->workers[i];
        n++;
    }
    return n;
}

static void nudge(void *messenger)
{
    messenger_wake(messenger);
}

enum fusor_status client_pump_rest(struct client *c, struct fusor_error *err)
{
    struct messenger *m = c->config.messenger;
    struct client_worker *w = NULL;
    int wanted = lead_heard(&c->lead);
    unsigned n;

    client_pump_submissions(c);
    n = count_waiters(c, &w);
    if (messenger_is_waiting(m) || n > 1 ||
        (n == 0 && !c->resting && !wanted)) {
        c->resting = 0;
        return FUSOR_OK;
    }
    if (n == 1 && !atomic_exchange(&w->token_is_out, 1))
        queue_put(w->inbox, &w->token);
    c->resting = lead_rest(&c->lead, IDLE_MS, REST_MOST_MS, nudge, m);
    if (c->lost.status == FUSOR_OK)
        return FUSOR_OK;
    *err = c->lost;
    return err->status;
}
