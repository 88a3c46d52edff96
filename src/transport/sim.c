/* The simulated network: virtual time, a heap of messages under way, faults
 * drawn from the seed. After the fixture of canonical/raft (a cluster in one
 * process); what an endpoint does is in sim_endpoint.c. */
#include "transport/sim_network.h"

#include <string.h>

#include "base/mem.h"

#define DELAY_MIN_NS 50000
#define DELAY_MAX_NS 500000
#define CAPACITY 256

static int due_before(const struct sim_message *a, const struct sim_message *b)
{
    if (a->due_ns != b->due_ns)
        return a->due_ns < b->due_ns;
    return a->seq < b->seq;
}

static void heap_sink(struct sim *sim, size_t i)
{
    struct sim_message **h = sim->heap;

    for (;;) {
        size_t child = 2 * i + 1;
        struct sim_message *m = h[i];

        if (child >= sim->n_heap)
            return;
        if (child + 1 < sim->n_heap && due_before(h[child + 1], h[child]))
            child++;
        if (!due_before(h[child], m))
            return;
        h[i] = h[child];
        h[child] = m;
        i = child;
    }
}

static void heap_push(struct sim *sim, struct sim_message *m)
{
    size_t i = sim->n_heap++;

    while (i && due_before(m, sim->heap[(i - 1) / 2])) {
        sim->heap[i] = sim->heap[(i - 1) / 2];
        i = (i - 1) / 2;
    }
    sim->heap[i] = m;
}

static struct sim_message *heap_pop(struct sim *sim)
{
    struct sim_message *m = sim->heap[0];

    sim->heap[0] = sim->heap[--sim->n_heap];
    if (sim->n_heap)
        heap_sink(sim, 0);
    return m;
}

static int peer_same(struct peer a, struct peer b)
{
    return a.kind == b.kind && a.number == b.number;
}

static struct sim_cut_link *cut_find(const struct sim *sim, struct peer a,
                                     struct peer b)
{
    for (size_t i = 0; i < sim->n_cuts; i++) {
        struct sim_cut_link *c = &sim->cuts[i];

        if ((peer_same(c->a, a) && peer_same(c->b, b)) ||
            (peer_same(c->a, b) && peer_same(c->b, a)))
            return c;
    }
    return NULL;
}

static int link_is_cut(const struct sim *sim, struct peer a, struct peer b)
{
    const struct sim_cut_link *c = cut_find(sim, a, b);

    return c && sim->now_ns < c->until_ns;
}

static int64_t sim_clock_now(void *self)
{
    return ((const struct sim *)self)->now_ns;
}

void sim_message_free(struct sim_message *m)
{
    if (m->link)
        m->link->unreceived--;
    if (m->payload.release)
        m->payload.release((void *)(uintptr_t)m->payload.data, m->payload.hint);
    mem_free(m);
}

static void release_copy(void *data, void *hint)
{
    (void)hint;
    mem_free(data);
}

/* Read the sender's bytes, as late as the network may, and let go of them.
 * @return 0, or -1: no memory, and nothing changed */
static int payload_own(struct payload *p)
{
    void *copy;

    if (p->release == release_copy)
        return 0;
    copy = mem_alloc_raw(p->size, 1);
    if (!copy)
        return -1;
    if (p->size)
        memcpy(copy, p->data, p->size);
    if (p->release)
        p->release((void *)(uintptr_t)p->data, p->hint);
    *p = (struct payload){copy, p->size, release_copy, NULL};
    return 0;
}

struct sim_endpoint *sim_find(const struct sim *sim, struct peer p)
{
    for (size_t i = 0; i < sim->n_endpoints; i++)
        if (sim->endpoints[i]->alive && peer_same(sim->endpoints[i]->self, p))
            return sim->endpoints[i];
    return NULL;
}

enum fusor_status sim_post(struct sim *sim, struct sim_message *m,
                           struct fusor_error *err)
{
    uint64_t spread = (uint64_t)(sim->delay_max_ns - sim->delay_min_ns) + 1;
    int64_t due =
        sim->now_ns + sim->delay_min_ns + (int64_t)rng_below(&sim->rng, spread);

    if (mem_reserve((void **)&sim->heap, sim->n_heap, &sim->cap_heap,
                    sizeof(struct sim_message *)) ||
        (!m->payload.release && payload_own(&m->payload)))
        return mem_fail(err, "sim", m->payload.size);
    m->due_ns = due > m->link->last_due_ns ? due : m->link->last_due_ns;
    m->link->last_due_ns = m->due_ns;
    m->link->unreceived++;
    m->seq = sim->next_seq++;
    m->lost = rng_double(&sim->rng) < sim->loss || !m->to ||
              link_is_cut(sim, m->from->self, m->to->self);
    heap_push(sim, m);
    sim->stats.sent++;
    return FUSOR_OK;
}

struct sim_endpoint *sim_deliver(struct sim *sim)
{
    struct sim_message *m = heap_pop(sim);

    sim->now_ns = m->due_ns > sim->now_ns ? m->due_ns : sim->now_ns;
    if (m->lost || link_is_cut(sim, m->from->self, m->to->self) ||
        payload_own(&m->payload)) {
        sim->stats.lost++;
        sim_message_free(m);
        return NULL;
    }
    sim->stats.delivered++;
    m->next = NULL;
    if (m->to->last)
        m->to->last->next = m;
    else
        m->to->first = m;
    m->to->last = m;
    return m->to;
}

/* Lose all that is under way from or to e. */
static void heap_purge(struct sim *sim, const struct sim_endpoint *e)
{
    size_t kept = 0;

    for (size_t i = 0; i < sim->n_heap; i++) {
        struct sim_message *m = sim->heap[i];

        if (m->from == e || m->to == e) {
            sim->stats.lost++;
            sim_message_free(m);
        } else {
            sim->heap[kept++] = m;
        }
    }
    sim->n_heap = kept;
    for (size_t i = kept / 2; i-- > 0;)
        heap_sink(sim, i);
}

/* Messages of e that have arrived elsewhere lose their tie to its links. */
static void inbox_untie(struct sim_endpoint *at, const struct sim_endpoint *e)
{
    for (struct sim_message *m = at->first; m; m = m->next)
        if (m->from == e)
            m->link = NULL;
    if (at->held && at->held->from == e)
        at->held->link = NULL;
}

void sim_kill(struct sim_endpoint *e)
{
    struct sim *sim = e->sim;

    if (!e->alive)
        return;
    e->alive = 0;
    e->timer_ns = SIM_NEVER;
    heap_purge(sim, e);
    while (e->first) {
        struct sim_message *m = e->first;

        e->first = m->next;
        sim_message_free(m);
    }
    e->last = NULL;
    for (size_t i = 0; i < sim->n_endpoints; i++)
        inbox_untie(sim->endpoints[i], e);
}

enum fusor_status sim_create(uint64_t seed, struct sim **out,
                             struct fusor_error *err)
{
    struct sim *sim = mem_alloc(1, sizeof(*sim));

    if (!sim)
        return mem_fail(err, "sim", sizeof(*sim));
    sim->seed = seed;
    sim->rng = rng_stream(seed, RNG_NETWORK, 0, 0);
    sim->clock = (struct clock_source){sim_clock_now, sim};
    sim->delay_min_ns = DELAY_MIN_NS;
    sim->delay_max_ns = DELAY_MAX_NS;
    sim->capacity = CAPACITY;
    *out = sim;
    return FUSOR_OK;
}

void sim_destroy(struct sim *sim)
{
    if (!sim)
        return;
    while (sim->n_endpoints)
        transport_destroy(&sim->endpoints[sim->n_endpoints - 1]->base);
    peer_table_clear(&sim->born);
    mem_free(sim->cuts);
    mem_free(sim->endpoints);
    mem_free(sim->heap);
    mem_free(sim);
}

void sim_set_delay(struct sim *sim, int64_t min_ns, int64_t max_ns)
{
    sim->delay_min_ns = min_ns;
    sim->delay_max_ns = max_ns > min_ns ? max_ns : min_ns;
}

void sim_set_loss(struct sim *sim, double probability)
{
    sim->loss = probability;
}

void sim_set_capacity(struct sim *sim, unsigned messages)
{
    sim->capacity = messages;
}

void sim_crash(struct sim *sim, struct peer who)
{
    struct sim_endpoint *e = sim_find(sim, who);

    if (e)
        sim_kill(e);
}

enum fusor_status sim_cut(struct sim *sim, struct peer a, struct peer b,
                          int64_t for_ns, struct fusor_error *err)
{
    struct sim_cut_link *c = cut_find(sim, a, b);

    if (!c) {
        if (mem_reserve((void **)&sim->cuts, sim->n_cuts, &sim->cap_cuts,
                        sizeof(*sim->cuts)))
            return mem_fail(err, "sim: cuts", sizeof(*sim->cuts));
        c = &sim->cuts[sim->n_cuts++];
        *c = (struct sim_cut_link){.a = a, .b = b};
    }
    c->until_ns =
        for_ns > SIM_NEVER - sim->now_ns ? SIM_NEVER : sim->now_ns + for_ns;
    return FUSOR_OK;
}

/* The endpoint whose timer goes off first, or NULL. */
static struct sim_endpoint *timer_first(const struct sim *sim)
{
    struct sim_endpoint *first = NULL;

    for (size_t i = 0; i < sim->n_endpoints; i++) {
        struct sim_endpoint *e = sim->endpoints[i];

        if (e->timer_ns != SIM_NEVER &&
            (!first || e->timer_ns < first->timer_ns))
            first = e;
    }
    return first;
}

int64_t sim_next_wakeup(const struct sim *sim)
{
    const struct sim_endpoint *e = timer_first(sim);
    int64_t at = e ? e->timer_ns : SIM_NEVER;

    if (sim->n_heap && sim->heap[0]->due_ns < at)
        at = sim->heap[0]->due_ns;
    return at;
}

struct transport *sim_step(struct sim *sim)
{
    struct sim_endpoint *e;

    for (;;) {
        struct sim_endpoint *timed = timer_first(sim);

        if (!sim->n_heap || (timed && timed->timer_ns < sim->heap[0]->due_ns)) {
            if (!timed)
                return NULL;
            if (timed->timer_ns > sim->now_ns)
                sim->now_ns = timed->timer_ns;
            timed->timer_ns = SIM_NEVER;
            return &timed->base;
        }
        e = sim_deliver(sim);
        if (e)
            return &e->base;
    }
}

void sim_advance(struct sim *sim, int64_t to_ns)
{
    while (sim->n_heap && sim->heap[0]->due_ns <= to_ns)
        sim_deliver(sim);
    if (to_ns > sim->now_ns)
        sim->now_ns = to_ns;
}

int64_t sim_now_ns(const struct sim *sim)
{
    return sim->now_ns;
}

const struct clock_source *sim_clock(const struct sim *sim)
{
    return &sim->clock;
}

struct sim_stats sim_stats(const struct sim *sim)
{
    struct sim_stats s = sim->stats;

    s.in_flight = sim->n_heap;
    return s;
}
