/* Which legs count against the credit of their shard, and which wait for it:
 * the facts for ps/credit.c, and what follows from its verdicts. */
#include "base/profile.h"
#include "ps/exchange_private.h"

static int is_pull(const struct exchange *x)
{
    return x->header.kind == WIRE_KEYS;
}

static uint64_t cost_of(const struct exchange_leg *leg)
{
    return (leg->out ? payload_buffer_cost(leg->out->size) : 0) + leg->causes;
}

/* Is it the oldest of its lease at this shard, and is one before it held back?
 */
static void look_around(const struct exchange_core *c, const struct exchange *x,
                        uint32_t shard, struct credit_facts *f)
{
    f->oldest = !is_pull(x) || !account_has_pull(&c->account, shard, x->worker);
    for (const struct exchange *y = c->active; y; y = y->next) {
        if (y == x || y->worker != x->worker || y->legs[shard].answered ||
            !credit_is_older(&y->header, &x->header))
            continue;
        f->oldest = 0;
        f->behind |= y->legs[shard].held;
    }
}

/* What its answers take in this process: those of near shards are lent. */
static uint64_t expected_bytes(const struct exchange_core *c,
                               const struct exchange *x)
{
    uint64_t sum = 0;

    for (uint32_t s = 0; s < c->n_shards; s++)
        if (!c->account.lines[s].lends)
            sum += x->legs[s].causes;
    return sum;
}

/* Would its answers leave too little room in this process? All parts of an
 * exchange are let in together, so that no two wait for each other with half of
 * theirs. One that is alone in hand always fits or never. What is ahead does
 * not count against what is in hand, for it may be answered only after that. */
static int crowds(const struct exchange_core *c, const struct exchange *x,
                  int ahead)
{
    uint64_t there = atomic_load(&c->account.replies[ahead]), more;

    if (!is_pull(x) || x->expects || (!ahead && !there))
        return 0;
    more = expected_bytes(c, x);
    return more && there + more > c->account.replies_most;
}

int exchange_may_go(const struct exchange_core *c, const struct exchange *x,
                    uint32_t shard)
{
    const struct account_line *line = &c->account.lines[shard];
    struct credit_facts f = {.heard = line->heard,
                             .credit = line->credit,
                             .used = atomic_load(&line->used),
                             .cost = cost_of(&x->legs[shard]),
                             .crowds = crowds(c, x, 0) || crowds(c, x, 1)};

    if (atomic_load(&c->account.n_held) == 0 && credit_judge(&f) == CREDIT_GO)
        return 1; // nobody is before it, oldest or not
    look_around(c, x, shard, &f);
    f.crowds = crowds(c, x, !f.oldest);
    return credit_judge(&f) == CREDIT_GO;
}

void exchange_charge(struct exchange_core *c, struct exchange *x,
                     uint32_t shard)
{
    struct exchange_leg *leg = &x->legs[shard];

    x->account = &c->account;
    leg->counts = 1;
    leg->cost = cost_of(leg);
    account_charge(&c->account, shard, leg->cost);
    if (!is_pull(x))
        return;
    if (!x->expects) {
        struct credit_facts f = {0};

        look_around(c, x, shard, &f);
        x->ahead = !f.oldest;
        x->expects = expected_bytes(c, x);
        account_expect(&c->account, x->ahead, x->expects);
    }
    account_begin_pull(&c->account, shard, x->worker);
}

void exchange_give_bytes_back(struct exchange *x, uint32_t shard)
{
    struct exchange_leg *leg = &x->legs[shard];

    if (!leg->counts)
        return;
    account_give_back(x->account, shard, leg->cost);
    leg->cost = 0;
}

int exchange_give_back(struct exchange *x, uint32_t shard)
{
    struct exchange_leg *leg = &x->legs[shard];

    if (!leg->counts)
        return 0;
    exchange_give_bytes_back(x, shard);
    leg->counts = 0;
    if (is_pull(x))
        account_end_pull(x->account, shard, x->worker);
    return 1;
}

void exchange_forget_replies(struct exchange *x)
{
    if (x->expects)
        account_use_up(x->account, x->ahead, x->expects);
    x->expects = 0;
}

int exchange_hold(struct exchange_core *c, struct exchange *x, uint32_t shard)
{
    struct exchange_leg *leg = &x->legs[shard];

    atomic_fetch_add(&c->account.n_held, 1);
    if (exchange_may_go(c, x, shard)) { // room came meanwhile
        atomic_fetch_sub(&c->account.n_held, 1);
        return 0;
    }
    leg->held = 1;
    if (c->account.lines[shard].heard) { // else it has said none yet
        c->counters.held_back++;
        c->counters.bytes_held_back += cost_of(leg);
    }
    return 1;
}

void exchange_let_go(struct exchange_core *c, struct exchange *x,
                     uint32_t shard)
{
    x->legs[shard].held = 0;
    x->let_go = profile_ticks();
    atomic_fetch_sub(&c->account.n_held, 1);
}
