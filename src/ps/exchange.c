/* Keeps the list of requests under way, matches answers, sends again. */
#include "ps/exchange.h"

#include <string.h>

#include "base/mem.h"
#include "coord/deadline.h"
#include "ps/exchange_private.h"
#include "ps/payloads.h"

struct exchange *exchange_create(uint32_t n_shards, struct fusor_error *err)
{
    size_t size =
        sizeof(struct exchange) + n_shards * sizeof(struct exchange_leg);
    struct exchange *x = mem_alloc(1, size);

    if (!x)
        mem_fail(err, "exchange", size);
    return x;
}

/* The array of its answer's pieces is kept. */
static void leg_reset(struct exchange_leg *leg)
{
    struct body reply;

    payload_buffer_unref(leg->out);
    payload_buffer_unref(leg->keys);
    body_drop(&leg->reply);
    reply = leg->reply;
    memset(leg, 0, sizeof(*leg));
    leg->reply = reply;
}

void exchange_reset(struct exchange *x, uint32_t n_shards)
{
    int given = 0;

    for (uint32_t i = 0; i < n_shards; i++) {
        given |= exchange_give_back(x, i);
        leg_reset(&x->legs[i]);
    }
    exchange_forget_replies(x);
    if (given)
        account_call(x->account);
    memset(x, 0, sizeof(*x));
}

void exchange_use_up(struct exchange *x, uint32_t n_shards)
{
    for (uint32_t i = 0; i < n_shards; i++) {
        body_drop(&x->legs[i].reply);
        exchange_give_bytes_back(x, i);
    }
    exchange_forget_replies(x);
    if (x->account)
        account_call(x->account);
}

void exchange_destroy(struct exchange *x, uint32_t n_shards)
{
    if (!x)
        return;
    exchange_reset(x, n_shards);
    for (uint32_t i = 0; i < n_shards; i++)
        body_clear(&x->legs[i].reply);
    mem_free(x);
}

enum fusor_status exchange_core_create(struct messenger *m, uint64_t job,
                                       uint32_t n_shards, uint32_t incarnation,
                                       unsigned n_workers,
                                       struct exchange_core **out,
                                       struct fusor_error *err)
{
    struct exchange_core *c = mem_alloc(1, sizeof(*c));

    if (!c)
        return mem_fail(err, "exchanges", sizeof(*c));
    if (account_init(&c->account, m, n_shards, n_workers, err) != FUSOR_OK) {
        mem_free(c);
        return FUSOR_ENOMEM;
    }
    c->messenger = m;
    c->clock = messenger_clock(m);
    c->job = job;
    c->n_shards = n_shards;
    c->incarnation = incarnation;
    c->active_last = &c->active;
    c->done_last = &c->done;
    *out = c;
    return FUSOR_OK;
}

static void destroy_list(struct exchange *x, uint32_t n_shards)
{
    struct exchange *next;

    for (; x; x = next) {
        next = x->next;
        exchange_destroy(x, n_shards);
    }
}

void exchange_core_destroy(struct exchange_core *c)
{
    if (!c)
        return;
    destroy_list(c->active, c->n_shards);
    destroy_list(c->done, c->n_shards);
    account_clear(&c->account);
    mem_free(c);
}

static struct wire_header leg_header(const struct exchange *x, uint32_t shard)
{
    struct wire_header h = x->header;

    h.shard = shard;
    h.attempt = x->legs[shard].attempt;
    return h;
}

/* It is out: when is it sent again? */
static void leg_sent(const struct exchange_core *c, struct exchange_leg *leg)
{
    leg->attempt++;
    leg->backoff_ms =
        leg->backoff_ms ? leg->backoff_ms * 2 : DEADLINE_RESEND_MS;
    if (leg->backoff_ms > DEADLINE_RESEND_MAX_MS)
        leg->backoff_ms = DEADLINE_RESEND_MAX_MS;
    leg->resend_ms = clock_now_ms(c->clock) + leg->backoff_ms;
}

static void send_leg(struct exchange_core *c, struct exchange *x,
                     uint32_t shard)
{
    struct exchange_leg *leg = &x->legs[shard];
    struct peer to = {.kind = PEER_SHARD, .number = shard};
    struct wire_header h = leg_header(x, shard);

    messenger_send(c->messenger, to, &h, leg->out, NULL);
    leg_sent(c, leg);
}

static void offer_leg(struct exchange_core *c, struct exchange *x,
                      uint32_t shard)
{
    if (!exchange_may_go(c, x, shard) && exchange_hold(c, x, shard))
        return;
    exchange_charge(c, x, shard);
    send_leg(c, x, shard);
}

/* Pushes before keys ahead. */
static void offer_held(struct exchange_core *c, enum wire_kind kind)
{
    for (struct exchange *x = c->active; x; x = x->next)
        for (uint32_t i = 0; x->header.kind == kind && i < c->n_shards; i++) {
            if (!x->legs[i].held || !exchange_may_go(c, x, i))
                continue;
            exchange_let_go(c, x, i);
            exchange_charge(c, x, i);
            send_leg(c, x, i);
        }
}

static void offer_all_held(struct exchange_core *c)
{
    if (atomic_load(&c->account.n_held) == 0)
        return;
    offer_held(c, WIRE_PUSH);
    offer_held(c, WIRE_KEYS);
}

/* One that is due again: what came in several chunks is not sent whole, but the
 * shard is asked which it has (WIRE_ASK, header.b the kind, header.a the size),
 * behind whatever is still leaving. */
static void resend_leg(struct exchange_core *c, struct exchange *x,
                       uint32_t shard)
{
    struct exchange_leg *leg = &x->legs[shard];
    struct peer to = {.kind = PEER_SHARD, .number = shard};
    struct wire_header h = leg_header(x, shard);

    if (!leg->out || leg->out->size <= WIRE_CHUNK_BYTES) {
        send_leg(c, x, shard);
        return;
    }
    h.a = leg->out->size;
    h.b = h.kind;
    h.kind = WIRE_ASK;
    h.attempt = --leg->attempt; // the one whose chunks may be there
    if (!messenger_is_leaving(c->messenger, to, h.request))
        messenger_send(c->messenger, to, &h, NULL, NULL);
    leg_sent(c, leg);
}

/* The shard says which chunks it has, or that it has none of that attempt. */
static void send_missing(struct exchange_core *c, struct exchange *x,
                         const struct message *msg)
{
    uint32_t shard = msg->from.number;
    struct exchange_leg *leg = &x->legs[shard];
    struct peer to = {.kind = PEER_SHARD, .number = shard};
    struct wire_header h = leg_header(x, shard);
    uint64_t had[WIRE_CHUNKS_MAX / 64];

    if (msg->header.attempt + 1 != leg->attempt ||
        messenger_is_leaving(c->messenger, to, h.request))
        return; // said of an older one
    if (msg->size != sizeof(had)) {
        send_leg(c, x, shard);
        return;
    }
    memcpy(had, msg->data, sizeof(had));
    h.attempt--;
    messenger_send_missing(c->messenger, to, &h, leg->out, had);
    leg->resend_ms = clock_now_ms(c->clock) + leg->backoff_ms;
}

static void name_request(struct exchange_core *c, struct exchange *x)
{
    x->header.job = c->job;
    x->header.request = ++c->next_request;
    x->header.incarnation = c->incarnation;
}

static void make_active(struct exchange_core *c, struct exchange *x)
{
    x->n_open = c->n_shards;
    x->refusals = exchange_refusals(c);
    x->status = FUSOR_OK;
    x->next = NULL;
    *c->active_last = x;
    c->active_last = &x->next;
}

void exchange_core_submit(struct exchange_core *c, struct exchange *x)
{
    name_request(c, x);
    make_active(c, x);
    for (uint32_t i = 0; i < c->n_shards; i++)
        offer_leg(c, x, i);
}

enum fusor_status exchange_core_begin(struct exchange_core *c,
                                      struct exchange *x,
                                      struct fusor_error *err)
{
    name_request(c, x);
    for (uint32_t i = 0; i < c->n_shards; i++)
        if (!exchange_may_go(c, x, i))
            return fusor_fail(err, FUSOR_EAGAIN, "shard %u: no credit", i);
    for (uint32_t i = 0; i < c->n_shards; i++) {
        struct peer to = {.kind = PEER_SHARD, .number = i};
        struct wire_header h = leg_header(x, i);

        FUSOR_TRY(messenger_stream_begin(&x->legs[i].stream, to, &h,
                                         x->legs[i].out, err));
    }
    return FUSOR_OK;
}

void exchange_core_written(struct exchange_core *c, struct exchange *x,
                           uint32_t shard, size_t bytes)
{
    messenger_stream_advance(c->messenger, &x->legs[shard].stream, bytes);
}

void exchange_core_end(struct exchange_core *c, struct exchange *x)
{
    make_active(c, x);
    for (uint32_t i = 0; i < c->n_shards; i++) {
        exchange_charge(c, x, i);
        messenger_stream_end(c->messenger, &x->legs[i].stream, NULL);
        leg_sent(c, &x->legs[i]);
    }
}

static void finish(struct exchange_core *c, struct exchange **at)
{
    struct exchange *x = *at;

    *at = x->next;
    if (c->active_last == &x->next)
        c->active_last = at;
    x->next = NULL;
    *c->done_last = x;
    c->done_last = &x->next;
}

/* The shard has forgotten where the rows of a push are. Only the newest attempt
 * counts: one answer, one more try. */
static void renew_ticket(struct exchange_core *c, struct exchange *x,
                         uint32_t shard, uint32_t attempt)
{
    struct exchange_leg *leg = &x->legs[shard];
    struct peer to = {.kind = PEER_SHARD, .number = shard};
    struct wire_header h = x->header;

    if (!leg->keys || attempt + 1 != leg->attempt)
        return;
    h.kind = WIRE_KEYS;
    h.flags = PS_RENEW | x->keys_flags;
    h.shard = shard;
    h.samples = 0;
    h.attempt = attempt;
    messenger_send(c->messenger, to, &h, leg->keys, NULL);
    leg->backoff_ms = 0;
    send_leg(c, x, shard);
}

static int is_answer(const struct exchange *x, const struct wire_header *h)
{
    if (h->request != x->header.request)
        return 0;
    if (h->kind == WIRE_MISSING)
        return 1;
    if (x->header.kind == WIRE_KEYS)
        return h->kind == WIRE_VALUES;
    return h->kind == WIRE_ACK || h->kind == WIRE_REFUSED ||
           h->kind == WIRE_NEED_KEYS;
}

void exchange_core_on_message(struct exchange_core *c,
                              const struct message *msg)
{
    struct exchange **at = &c->active;
    struct exchange_leg *leg;

    if (msg->from.kind != PEER_SHARD || msg->from.number >= c->n_shards ||
        msg->header.job != c->job)
        return;
    account_hear(&c->account, msg->from.number, msg->header.credit);
    while (*at && !is_answer(*at, &msg->header))
        at = &(*at)->next;
    if (!*at || (*at)->legs[msg->from.number].answered)
        return; // the answer to something sent twice
    leg = &(*at)->legs[msg->from.number];
    if (leg->held)
        return; // it was never asked
    if (msg->header.kind == WIRE_NEED_KEYS) {
        renew_ticket(c, *at, msg->from.number, msg->header.attempt);
        return;
    }
    if (msg->header.kind == WIRE_MISSING) {
        send_missing(c, *at, msg);
        return;
    }
    if (msg->header.kind == WIRE_VALUES) {
        leg->held_ns = msg->header.a;
        if (body_keep(&leg->reply, c->messenger, msg, BODY_READ, NULL) !=
            FUSOR_OK) {
            c->no_room++; // now: it is asked for again
            return;
        }
        leg->clock = msg->header.clock;
        if (msg->size > WIRE_CHUNK_BYTES / 8)
            c->account.lines[msg->from.number].lends =
                msg->buffer && msg->buffer->read_only;
        messenger_let_go(c->messenger); // it is to go as soon as it is used
    }
    if (msg->header.kind == WIRE_REFUSED)
        (*at)->status = FUSOR_ECLOSED;
    leg->answered = 1;
    if (msg->header.kind != WIRE_VALUES)
        exchange_give_back(*at, msg->from.number);
    if (--(*at)->n_open == 0)
        finish(c, at);
    offer_all_held(c);
}

/* Sent, and not yet answered. */
static int is_out(const struct exchange_leg *leg)
{
    return !leg->answered && !leg->held;
}

/* @return 1: something was due */
static int resend_due(struct exchange_core *c, struct exchange *x, int64_t now)
{
    int due = 0;

    for (uint32_t i = 0; i < c->n_shards; i++) {
        if (!is_out(&x->legs[i]) || now < x->legs[i].resend_ms)
            continue;
        resend_leg(c, x, i);
        due = 1;
    }
    return due;
}

void exchange_core_tick(struct exchange_core *c)
{
    int64_t now = clock_now_ms(c->clock);

    offer_all_held(c);
    for (struct exchange **at = &c->active, *x; (x = *at) != NULL;) {
        if (resend_due(c, x, now) && !exchange_fits(c, x)) {
            x->status = FUSOR_ENOMEM;
            finish(c, at);
        } else {
            at = &x->next;
        }
    }
}

int exchange_core_timeout_ms(const struct exchange_core *c)
{
    int64_t due = INT64_MAX, now = clock_now_ms(c->clock);

    for (const struct exchange *x = c->active; x; x = x->next)
        for (uint32_t i = 0; i < c->n_shards; i++)
            if (is_out(&x->legs[i]) && x->legs[i].resend_ms < due)
                due = x->legs[i].resend_ms;
    if (due == INT64_MAX)
        return DEADLINE_PING_MS;
    return due > now ? (int)(due - now) : 0;
}

struct exchange *exchange_core_take_done(struct exchange_core *c)
{
    struct exchange *x = c->done;

    if (!x)
        return NULL;
    c->done = x->next;
    if (!c->done)
        c->done_last = &c->done;
    x->next = NULL;
    return x;
}

int exchange_core_waits(const struct exchange_core *c, enum wire_kind *kind,
                        uint32_t *shard, int *held)
{
    const struct exchange *x = c->active; // the oldest comes first

    if (!x)
        return 0;
    *kind = x->header.kind;
    for (*shard = 0; *shard + 1 < c->n_shards; ++*shard)
        if (!x->legs[*shard].answered)
            break;
    *held = x->legs[*shard].held;
    return 1;
}

struct exchange_counters exchange_core_counters(const struct exchange_core *c)
{
    return c->counters;
}
