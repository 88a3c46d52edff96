/* Tickets against a model: one shard, two workers of hand-made messages, random
 * pulls, pushes, copies, lost tickets, restarts and changes of the lease's
 * holder; a map says what every row must be. */
#include <string.h>

#include "base/log.h"
#include "base/rng.h"
#include "harness.h"
#include "one_shard.h"
#include "ps/payloads.h"
#include "ps/server_private.h"

#define JOB 4
#define KEYS 40  /* of the table */
#define AHEAD 24 /* pulls not yet pushed: more than there are tickets */
#define UNITS 4000
#define STEPS 3000

struct pull { // a step of the lease, announced and not yet pushed
    uint64_t request;
    uint32_t n;
    uint64_t keys[KEYS];
};

static struct table_spec table = {.name = "t", .width = 1};
static struct param_spec params = {.n_tables = 1, .tables = &table};
static struct optim_spec optim;
static struct rng rng;
static float model[KEYS];
static struct pull pulls[AHEAD];
static unsigned n_pulls;
static uint64_t next_index, next_request, epoch, clock_base;
static uint32_t holder, term; // who speaks for lease 0
static uint64_t n_renewed, n_refused;
static _Alignas(8) uint8_t room[4096];

static void make_server(void)
{
    struct server_config config = {.params = &params,
                                   .shard = shard,
                                   .messenger = shards[0],
                                   .job = JOB,
                                   .staleness = -1,
                                   .read_early = 1,
                                   .n_workers = 1,
                                   .micro_batches = 1};
    struct command c = {.kind = COMMAND_BEGIN,
                        .epoch = epoch,
                        .clock = clock_base,
                        .n_units = UNITS,
                        .lr_factor = 1};

    REQUIRE(!server_create(&config, &server, NULL));
    REQUIRE(!server_begin(server, &c, NULL));
    n_pulls = 0;
    next_index = 0;
}

static void open_all(uint64_t seed)
{
    struct shard_config config = {
        .params = &params, .table_optim = &optim, .n_shards = 1, .fd = -1};

    rng = rng_stream(seed, RNG_TEST, 0, 0);
    memset(model, 0, sizeof(model));
    optim_spec_default(OPTIM_SGD, &optim);
    optim.lr = 1;
    epoch = clock_base = next_request = holder = 0;
    term = 1;
    ends_open(seed, 1, 2, 1 << 20);
    REQUIRE(!shard_create(&config, &shard, NULL));
    make_server();
}

/* @return the kind of the answer, the last one if there are more */
static enum wire_kind tell(uint32_t worker, const struct wire_header *h,
                           size_t size)
{
    enum wire_kind kind = WIRE_NONE;
    struct message msg;

    one_shard_tell(worker, h, room, size);
    while (one_shard_hear(worker, &msg) == FUSOR_OK)
        kind = msg.header.kind;
    return kind;
}

static struct wire_header header(enum wire_kind kind, uint64_t unit)
{
    return (struct wire_header){.kind = kind,
                                .job = JOB,
                                .epoch = (uint32_t)epoch,
                                .term = term,
                                .index = kind == WIRE_PUSH ? unit : 0,
                                .clock = unit,
                                .request = ++next_request};
}

static enum wire_kind send_keys(struct wire_header h, const struct pull *p)
{
    struct payload_writer w;

    payload_writer_init(&w, room, sizeof(room));
    payload_put_u64s(&w, p->keys, p->n);
    return tell(holder, &h, w.used);
}

static void pull_some(void)
{
    struct pull *p = &pulls[n_pulls];
    struct wire_header h;

    if (n_pulls == AHEAD || next_index + n_pulls == UNITS)
        return;
    h = header(WIRE_KEYS, next_index + n_pulls);
    p->n = 0;
    for (uint64_t key = 0; key < KEYS; key++)
        if (rng_below(&rng, 3) == 0)
            p->keys[p->n++] = key;
    p->request = h.request;
    CHECK(send_keys(h, p) == WIRE_VALUES);
    n_pulls++;
}

/* Random rows of a pull, or all of them in order, each with a small integer. */
static size_t write_push(const struct pull *p, int all, float *add)
{
    uint32_t places[KEYS], n = 0;
    struct payload_writer w;
    float grads[KEYS];

    for (uint32_t i = p->n; i-- > 0;)
        if (all || rng_below(&rng, 2))
            places[n++] = i;
    for (uint32_t i = 0; i < n; i++) {
        uint32_t place = all ? i : places[i];

        grads[i] = (float)rng_below(&rng, 7) - 3;
        add[p->keys[place]] -= grads[i];
    }
    payload_writer_init(&w, room, sizeof(room));
    payload_put_u64(&w, 1);
    payload_put_u64(&w, 0);
    payload_put_u64(&w, 1);
    payload_put_f32s(&w, grads, 0);
    payload_put_u32s(&w, places, all ? 0 : n);
    payload_put_f32s(&w, grads, n);
    return w.used;
}

static void push_oldest(int copies)
{
    static _Alignas(8) uint8_t kept[sizeof(room)];
    struct wire_header h, renew;
    float add[KEYS] = {0};
    enum wire_kind kind;
    size_t size;

    if (n_pulls == 0)
        return;
    h = header(WIRE_PUSH, next_index);
    h.a = pulls[0].request;
    size = write_push(&pulls[0], (int)rng_below(&rng, 2), add);
    memcpy(kept, room, size);
    kind = tell(holder, &h, size);
    if (kind == WIRE_NEED_KEYS) {
        n_renewed++;
        renew = h;
        renew.kind = WIRE_KEYS;
        renew.flags = PS_RENEW;
        CHECK(send_keys(renew, &pulls[0]) == WIRE_NONE);
        memcpy(room, kept, size);
        h.attempt++;
        kind = tell(holder, &h, size);
    }
    CHECK(kind == WIRE_ACK);
    for (int i = 0; i < copies; i++) {
        memcpy(room, kept, size);
        h.attempt++;
        CHECK(tell(holder, &h, size) == WIRE_ACK);
    }
    for (int i = 0; i < KEYS; i++)
        model[i] += add[i];
    next_index++;
    memmove(pulls, pulls + 1, --n_pulls * sizeof(pulls[0]));
}

/* Another process gets the lease; the one before does not know. */
static void change_holder(void)
{
    struct wire_header old = header(WIRE_PUSH, next_index);
    float add[KEYS] = {0};
    size_t size;

    if (n_pulls == 0)
        return;
    old.a = pulls[0].request;
    pulls[1 % AHEAD] = pulls[0];
    holder = !holder;
    term++;
    n_pulls = 0;
    pull_some();
    push_oldest(0); // tells the shard of the term
    old.index = old.clock = next_index;
    size = write_push(&pulls[1 % AHEAD], 0, add);
    CHECK(tell(!holder, &old, size) == WIRE_REFUSED);
    n_refused++;
}

static void restart(void)
{
    clock_base += UNITS;
    epoch++;
    server_destroy(server);
    make_server();
    term = 1;
}

static void check_rows(void)
{
    for (uint64_t key = 0; key < KEYS; key++) {
        uint32_t ref;

        REQUIRE(!shard_resolve(shard, 0, &key, 1, RESOLVE_PEEK, 0, &ref, NULL));
        CHECK(*shard_row_values(shard_base(shard), ref) == model[key]);
    }
}

static void any_sequence_does_what_the_model_says(void)
{
    n_renewed = n_refused = 0;
    for (uint64_t seed = 1; seed <= 5; seed++) {
        open_all(seed);
        for (int i = 0; i < STEPS; i++) {
            uint64_t what = rng_below(&rng, 200);

            if (what < 90)
                pull_some();
            else if (what < 180)
                push_oldest(what < 95 ? 2 : 0);
            else if (what < 190)
                ticket_book_close_upto(&server->lanes[0].tickets, UINT64_MAX);
            else if (what < 193)
                change_holder();
            else if (what < 194)
                restart();
            CHECK(ticket_book_open(&server->lanes[0].tickets) <= TICKETS_MAX);
        }
        check_rows();
        CHECK(server_counters(server).malformed == 0);
        one_shard_close();
    }
    CHECK(n_renewed > 100 && n_refused > 20);
}

static void a_ticket_of_another_unit_or_size_is_malformed(void)
{
    static const float one[KEYS] = {1, 1};
    struct payload_writer w;
    struct wire_header h;

    open_all(1);
    pull_some();
    pull_some();
    h = header(WIRE_PUSH, 0);
    h.a = pulls[1].request;
    payload_writer_init(&w, room, sizeof(room));
    payload_put_u64(&w, 0);
    CHECK(tell(0, &h, w.used) == WIRE_NONE); // the ticket of unit 1
    h.a = pulls[0].request;
    payload_writer_init(&w, room, sizeof(room));
    payload_put_u64(&w, 1);
    payload_put_u64(&w, 0);
    payload_put_u64(&w, 1);
    payload_put_f32s(&w, one, 0);
    payload_put_u32s(&w, &pulls[0].n, 1);
    payload_put_f32s(&w, one, 1);
    CHECK(tell(0, &h, w.used) == WIRE_NONE); // one place too far
    payload_writer_init(&w, room, sizeof(room));
    payload_put_u64(&w, 1);
    payload_put_u64(&w, 0);
    payload_put_u64(&w, 1);
    payload_put_f32s(&w, one, 0);
    payload_put_u32s(&w, NULL, 0);
    payload_put_f32s(&w, one, pulls[0].n + 1);
    CHECK(tell(0, &h, w.used) == WIRE_NONE); // "all", and one more
    CHECK(server_counters(server).malformed == 3);
    h = header(WIRE_KEYS, 0);
    h.flags = PS_RENEW; // of no pull
    CHECK(send_keys(h, &pulls[0]) == WIRE_NONE);
    CHECK(server_counters(server).malformed == 4);
    push_oldest(0); // the true one still counts
    check_rows();
    one_shard_close();
}

static void the_memory_of_tickets_counts_and_is_capped(void)
{
    open_all(1);
    shard_budget(shard)->cap = shard_budget(shard)->used + 1;
    {
        struct wire_header h = header(WIRE_KEYS, 0);
        struct pull p = {.n = 1, .keys = {3}};
        struct payload_writer w;
        struct fusor_error err;
        struct message msg = {.from = {PEER_WORKER, 0, 1}, .header = h};

        payload_writer_init(&w, room, sizeof(room));
        payload_put_u64s(&w, p.keys, p.n);
        msg.data = room;
        msg.size = w.used;
        CHECK(server_on_message(server, &msg, &err) == FUSOR_ENOMEM);
        CHECK(strstr(err.text, "memory.per_server") != NULL);
    }
    one_shard_close();
}

int main(void)
{
    static const struct test_case cases[] = {
        {"any sequence does what the model says",
         any_sequence_does_what_the_model_says},
        {"a ticket of another unit or size is malformed",
         a_ticket_of_another_unit_or_size_is_malformed},
        {"the memory of tickets counts and is capped",
         the_memory_of_tickets_counts_and_is_capped},
    };

    log_set_level(LOG_ERROR);
    return TEST_RUN("ps.tickets", cases);
}
