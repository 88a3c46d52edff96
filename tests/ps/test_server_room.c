/* Tests of ps/server_room: at staleness 0 pushes of a unit are kept until all
 * are there. What cannot fit ends the job, what only waits does not. */
#include "ps/server.h"

#include <string.h>

#include "base/log.h"
#include "base/mem.h"
#include "harness.h"
#include "ps/payloads.h"
#include "transport/sim.h"

#define JOB 4
#define WORKERS 3
#define FLOATS 100000
#define PUSH ((size_t)448 << 10)  /* what a push of those takes */
#define POOL ((size_t)1200 << 10) /* two of them */

static struct block_spec block = {.name = "w", .size = FLOATS};
static struct param_spec params = {
    .n_blocks = 1, .blocks = &block, .n_dense = FLOATS};
static struct optim_spec optim;
static struct sim *sim;
static struct messenger *messenger;
static struct shard *shard;
static struct server *server;
static _Alignas(8) unsigned char payload[FLOATS * sizeof(float) + 64];
static struct fusor_error err;

static void open_server(int staleness)
{
    struct shard_config shard_config = {.params = &params,
                                        .table_optim = &optim,
                                        .block_optim = &optim,
                                        .n_shards = 1,
                                        .fd = -1};
    struct server_config config = {.params = &params,
                                   .job = JOB,
                                   .staleness = staleness,
                                   .n_workers = WORKERS,
                                   .micro_batches = 4};
    struct transport *t;

    optim_spec_default(OPTIM_SGD, &optim);
    REQUIRE(!sim_create(1, &sim, NULL));
    REQUIRE(!sim_endpoint(sim, (struct peer){PEER_SHARD, 0, 1}, &t, NULL));
    REQUIRE(!messenger_create(t, POOL / 2, &messenger, NULL));
    REQUIRE(!shard_create(&shard_config, &shard, NULL));
    config.shard = shard;
    config.messenger = messenger;
    REQUIRE(!server_create(&config, &server, NULL));
}

static void close_server(void)
{
    server_destroy(server);
    shard_destroy(shard);
    messenger_destroy(messenger);
    sim_destroy(sim);
    CHECK(mem_used() == 0);
}

static enum fusor_status begin(uint64_t n_units)
{
    struct command c = {
        .kind = COMMAND_BEGIN, .n_units = n_units, .lr_factor = 1};

    return server_begin(server, &c, &err);
}

static enum fusor_status hear(struct wire_header h, uint32_t lease,
                              const void *data, size_t size)
{
    struct message msg = {.from = {PEER_WORKER, lease, 1},
                          .header = h,
                          .data = data,
                          .size = size};

    msg.header.job = JOB;
    msg.header.lease = lease;
    msg.header.term = 1;
    err = (struct fusor_error){0};
    return server_on_message(server, &msg, &err);
}

static enum fusor_status push(uint32_t lease)
{
    struct payload_writer w;

    payload_writer_init(&w, payload, sizeof(payload));
    payload_put_u64(&w, 1);
    payload_put_u64(&w, lease);
    payload_put_u64(&w, lease == WORKERS - 1 ? 2 : 1);
    REQUIRE(payload_reserve_f32s(&w, FLOATS) != NULL);
    return hear((struct wire_header){.kind = WIRE_PUSH, .request = 5}, lease,
                payload, w.used);
}

static enum fusor_status ask(uint32_t lease, uint64_t size)
{
    return hear(
        (struct wire_header){
            .kind = WIRE_ASK, .request = 5, .a = size, .b = WIRE_PUSH},
        lease, NULL, 0);
}

static void a_push_that_never_fits_ends_the_job(void)
{
    open_server(0);
    CHECK(begin(1) == FUSOR_OK);
    CHECK(push(0) == FUSOR_OK && push(1) == FUSOR_OK);
    CHECK(server_counters(server).no_room == 0);
    CHECK(push(2) == FUSOR_ENOMEM);
    CHECK(strstr(err.text, "cluster.message_memory") != NULL);
    close_server();
}

/* The sums of those whose chunks find no room, too. */
static void chunks_that_never_fit_end_the_job(void)
{
    open_server(0);
    CHECK(begin(1) == FUSOR_OK);
    CHECK(ask(0, PUSH) == FUSOR_OK); // on its way: nothing is here
    CHECK(push(1) == FUSOR_OK);
    CHECK(ask(2, 100 << 10) == FUSOR_OK);
    CHECK(ask(2, PUSH) == FUSOR_ENOMEM);
    close_server();
    open_server(-1); // applied as they come
    CHECK(begin(3) == FUSOR_OK);
    CHECK(ask(0, PUSH) == FUSOR_OK && ask(1, PUSH) == FUSOR_OK &&
          ask(2, PUSH) == FUSOR_OK);
    close_server();
}

/* All that a lease lacked is forgotten when its push is there. */
static void what_waits_for_others_room_comes_again(void)
{
    struct payload_buffer *others;

    open_server(0);
    CHECK(begin(1) == FUSOR_OK);
    CHECK(push(0) == FUSOR_OK);
    REQUIRE(!payload_buffer_take(messenger_pool(messenger), POOL / 2, &others,
                                 NULL));
    CHECK(push(1) == FUSOR_OK);
    CHECK(server_counters(server).no_room == 1 &&
          server_counters(server).pushes == 0);
    payload_buffer_unref(others);
    CHECK(push(1) == FUSOR_OK);
    CHECK(ask(2, 200 << 10) == FUSOR_OK); // beside two, not three
    close_server();
}

static void values_that_never_fit_end_the_job(void)
{
    struct wire_header keys = {
        .kind = WIRE_KEYS, .request = 4, .flags = PS_WANT_DENSE};

    open_server(0);
    CHECK(begin(1) == FUSOR_OK);
    CHECK(hear(keys, 2, NULL, 0) == FUSOR_OK);
    CHECK(server_counters(server).pulls == 1);
    CHECK(push(0) == FUSOR_OK && push(1) == FUSOR_OK);
    keys.request = 6; // the answer was lost
    CHECK(hear(keys, 2, NULL, 0) == FUSOR_ENOMEM);
    CHECK(strstr(err.text, "cluster.message_memory") != NULL);
    keys.flags |= PS_PEEK; // which no unit waits for
    CHECK(hear(keys, 2, NULL, 0) == FUSOR_OK);
    close_server();
}

static void dense_floats_that_never_fit_end_it_at_once(void)
{
    open_server(0);
    CHECK(begin(2) == FUSOR_ENOMEM);
    CHECK(strstr(err.text, "cluster.message_memory") != NULL);
    close_server();
    open_server(2);
    CHECK(begin(2) == FUSOR_OK);
    close_server();
}

int main(void)
{
    static const struct test_case cases[] = {
        {"a push that never fits ends the job",
         a_push_that_never_fits_ends_the_job},
        {"chunks that never fit end the job",
         chunks_that_never_fit_end_the_job},
        {"what waits for others' room comes again",
         what_waits_for_others_room_comes_again},
        {"values that never fit end the job",
         values_that_never_fit_end_the_job},
        {"dense floats that never fit end it at once",
         dense_floats_that_never_fit_end_it_at_once},
    };

    log_set_level(LOG_ERROR);
    return TEST_RUN("ps.server_room", cases);
}
