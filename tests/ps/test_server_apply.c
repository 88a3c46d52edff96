/* Tests of ps/server_apply: a push that came in pieces, whose rows lie across
 * their ends, or in memory of another process, comes to the bits of the same
 * push in one place. */
#define _GNU_SOURCE /* MAP_ANONYMOUS */
#include "ps/server.h"

#include <string.h>
#include <sys/mman.h>

#include "base/mem.h"
#include "base/rng.h"
#include "harness.h"
#include "transport/sim.h"

#define JOB 4
#define WIDTH 1001
#define ROWS 500
#define DENSE 200003

static struct table_spec tables[2] = {{.name = "wide", .width = WIDTH},
                                      {.name = "thin", .width = 1}};
static struct block_spec block = {.name = "w", .size = DENSE};
static struct param_spec params = {.n_tables = 2,
                                   .tables = tables,
                                   .n_blocks = 1,
                                   .blocks = &block,
                                   .n_dense = DENSE};
static struct optim_spec optims[2];
static struct sim *sim;
static struct messenger *messenger;
static struct shard *shard;
static struct server *server;
static struct payload_buffer *payload, *pieces[32];
static uint32_t n_pieces;
static uint64_t n_nodes = 2;

static void open_server(int staleness)
{
    struct shard_config shard_config = {.params = &params,
                                        .table_optim = optims,
                                        .block_optim = optims,
                                        .n_shards = 1,
                                        .fd = -1};
    struct server_config config = {
        .params = &params, .job = JOB, .staleness = staleness, .n_workers = 1};
    struct command c = {.kind = COMMAND_BEGIN, .n_units = 9, .lr_factor = 1};
    struct transport *t;

    for (int i = 0; i < 2; i++)
        optim_spec_default(OPTIM_ADAM, &optims[i]);
    REQUIRE(!sim_create(1, &sim, NULL));
    REQUIRE(!sim_endpoint(sim, (struct peer){PEER_SHARD, 0, 1}, &t, NULL));
    REQUIRE(!messenger_create(t, 64 << 20, &messenger, NULL));
    REQUIRE(!shard_create(&shard_config, &shard, NULL));
    config.shard = shard;
    config.messenger = messenger;
    REQUIRE(!server_create(&config, &server, NULL));
    REQUIRE(!server_begin(server, &c, NULL));
}

static void close_server(void)
{
    server_destroy(server);
    shard_destroy(shard);
    messenger_destroy(messenger);
    sim_destroy(sim);
    CHECK(mem_used() == 0);
}

static void put_random(struct rng *r, struct payload_writer *w, size_t n)
{
    float *x = payload_reserve_f32s(w, n);

    REQUIRE(x != NULL);
    for (size_t i = 0; i < n; i++)
        x[i] = (float)rng_normal(r);
}

/* Push number `index`, with keys, in one place and cut. */
static void make_push(uint64_t index)
{
    struct rng r = rng_stream(8, RNG_TEST, index, 0);
    struct payload_writer w;

    REQUIRE(!payload_buffer_take(messenger_pool(messenger), 8 << 20, &payload,
                                 NULL));
    payload_writer_init_buffer(&w, payload);
    payload_put_u64(&w, n_nodes);
    for (uint64_t i = 0; i < n_nodes; i++) {
        payload_put_u64(&w, i);
        payload_put_u64(&w, 1);
        put_random(&r, &w, DENSE);
        for (int t = 0; t < 2; t++) {
            uint64_t *keys = payload_reserve_u64s(&w, ROWS);

            for (uint64_t k = 0; k < ROWS; k++)
                keys[k] = k + i * 100; // some of both nodes
            put_random(&r, &w, ROWS * tables[t].width);
        }
    }
    REQUIRE(!payload_writer_finish(&w, payload, NULL));
    for (size_t at = 0; at < payload->size; at += WIRE_CHUNK_BYTES) {
        size_t left = payload->size - at;
        struct payload_buffer **b = &pieces[n_pieces++];

        left = left < WIRE_CHUNK_BYTES ? left : WIRE_CHUNK_BYTES;
        REQUIRE(!payload_buffer_take(messenger_pool(messenger), left, b, NULL));
        memcpy((*b)->data, payload->data + at, left);
        (*b)->size = left;
    }
    CHECK(n_pieces > 2);
}

static void drop_push(void)
{
    payload_buffer_unref(payload);
    while (n_pieces)
        payload_buffer_unref(pieces[--n_pieces]);
}

enum how { WHOLE, CUT, LENT };

static void unmap(void *data, void *hint)
{
    munmap(data, *(size_t *)hint);
}

/* The payload in memory that may only be read, as another process lends it. */
static struct payload_buffer *lend(size_t *size)
{
    struct payload_buffer *b;
    void *at = mmap(NULL, payload->size, PROT_READ | PROT_WRITE,
                    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    REQUIRE(at != MAP_FAILED);
    *size = payload->size;
    memcpy(at, payload->data, *size);
    REQUIRE(!mprotect(at, *size, PROT_READ));
    REQUIRE(!payload_buffer_borrow(messenger_pool(messenger), at, *size, unmap,
                                   size, &b, NULL));
    return b;
}

static void push(uint64_t index, enum how how)
{
    struct payload_buffer *lent = NULL;
    size_t size;
    struct message msg = {.from = {PEER_WORKER, 0, 1},
                          .header = {.kind = WIRE_PUSH,
                                     .job = JOB,
                                     .index = index,
                                     .clock = index,
                                     .term = 1,
                                     .request = index + 1}};

    make_push(index);
    msg.size = payload->size;
    if (how == CUT) {
        msg.pieces = pieces;
        msg.n_pieces = n_pieces;
    } else {
        lent = how == LENT ? lend(&size) : payload_buffer_ref(payload);
        msg.data = lent->data;
        msg.buffer = lent;
    }
    CHECK(!server_on_message(server, &msg, NULL));
    CHECK(!lent || atomic_load(&lent->refs) == (how == LENT ? 1 : 2));
    payload_buffer_unref(lent);
    drop_push();
}

/* All values after a few pushes. */
static float *run(int staleness, enum how how)
{
    size_t n = (ROWS + 100) * (WIDTH + 1), at = 0;
    float *out = mem_alloc(n + DENSE, sizeof(float));

    open_server(staleness);
    for (uint64_t i = 0; i < 2; i++)
        push(i, how);
    CHECK(server_counters(server).pushes == 2);
    for (uint32_t t = 0; t < 2; t++)
        for (uint64_t key = 0; key < ROWS + 100; key++) {
            uint32_t ref;

            REQUIRE(
                !shard_resolve(shard, t, &key, 1, RESOLVE_PEEK, 0, &ref, NULL));
            if (ref) // a second node brings more keys
                memcpy(out + at, shard_row_values(shard_base(shard), ref),
                       tables[t].width * sizeof(float));
            at += tables[t].width;
        }
    memcpy(out + n, shard_dense(shard), DENSE * sizeof(float));
    server_destroy(server);
    shard_destroy(shard);
    messenger_destroy(messenger);
    sim_destroy(sim);
    return out;
}

static void pieces_come_to_the_bits_of_the_whole(void)
{
    size_t n = (ROWS + 100) * (WIDTH + 1) + DENSE;

    for (n_nodes = 1; n_nodes <= 2; n_nodes++)
        for (int staleness = -1; staleness <= 1; staleness++) {
            float *whole = run(staleness, WHOLE), *cut = run(staleness, CUT);

            CHECK(!memcmp(whole, cut, n * sizeof(float)));
            CHECK(whole[0] != 0 && whole[n - 1] != 0);
            mem_free(whole);
            mem_free(cut);
        }
    CHECK(mem_used() == 0);
}

/* Two nodes are combined, which writes: into a copy. */
static void a_lent_push_is_only_read(void)
{
    size_t n = (ROWS + 100) * (WIDTH + 1) + DENSE;

    for (n_nodes = 1; n_nodes <= 2; n_nodes++) {
        float *whole = run(0, WHOLE), *lent = run(0, LENT);

        CHECK(!memcmp(whole, lent, n * sizeof(float)));
        mem_free(whole);
        mem_free(lent);
    }
    n_nodes = 2;
    CHECK(mem_used() == 0);
}

static void a_damaged_push_in_pieces_is_dropped(void)
{
    struct message msg = {
        .from = {PEER_WORKER, 0, 1},
        .header = {.kind = WIRE_PUSH, .job = JOB, .term = 1, .request = 1}};
    uint64_t many = (uint64_t)1 << 40;

    open_server(0);
    make_push(0);
    msg.pieces = pieces;
    msg.n_pieces = n_pieces;
    msg.size = payload->size - 8;
    CHECK(!server_on_message(server, &msg, NULL));
    msg.size = payload->size;
    memcpy(pieces[0]->data + 24, &many, 8); // floats of the dense section
    CHECK(!server_on_message(server, &msg, NULL));
    CHECK(server_counters(server).malformed == 2 &&
          server_counters(server).pushes == 0);
    CHECK(atomic_load(&pieces[0]->refs) == 1); // nothing holds them
    drop_push();
    push(0, CUT); // the true one can still come
    CHECK(server_counters(server).pushes == 1);
    close_server();
}

int main(void)
{
    static const struct test_case cases[] = {
        {"pieces come to the bits of the whole",
         pieces_come_to_the_bits_of_the_whole},
        {"a lent push is only read", a_lent_push_is_only_read},
        {"a damaged push in pieces is dropped",
         a_damaged_push_in_pieces_is_dropped},
    };

    return TEST_RUN("ps.server_apply", cases);
}
