/* Tests of ps/client_values: rows read out of answers of several pieces, of all
 * encodings, and answers that are wrong. Two shards of hand-made messages. */
#include <math.h>
#include <string.h>

#include "base/mem.h"
#include "ends.h"
#include "harness.h"
#include "ps/client_private.h"

#define JOB 4
#define SHARDS 2
#define KEYS 120000
#define WIDTH 5 /* rows are cut by the ends of pieces */
#define DENSE 1000
#define MS ((int64_t)1000000)

static struct table_spec tables[2] = {{.name = "few", .width = 3},
                                      {.name = "many", .width = WIDTH}};
static struct block_spec block = {.name = "w", .size = DENSE};
static struct param_spec params = {.n_tables = 2,
                                   .tables = tables,
                                   .n_blocks = 1,
                                   .blocks = &block,
                                   .n_dense = DENSE};
static struct client *client;
static uint64_t few[2] = {7, 9}, many[KEYS];
static const float *row_of[2][KEYS];
static struct step_keys keys[2] = {{.keys = few, .n = 2},
                                   {.keys = many, .n = KEYS}};
static struct step_rows rows[2] = {{.rows = row_of[0]}, {.rows = row_of[1]}};
static int spoil; // answers: a dense float is missing

/* Whole in bf16. */
static float value_of(uint64_t key, uint32_t j)
{
    return (float)(key % 200) - (float)j;
}

static void open_all(enum encoding e)
{
    struct client_config config = {.params = &params,
                                   .job = JOB,
                                   .incarnation = 1,
                                   .n_shards = SHARDS,
                                   .n_workers = 1,
                                   .encoding = e};

    for (uint64_t i = 0; i < KEYS; i++)
        many[i] = i * 3 + 1;
    ends_open(1, SHARDS, 1, 32 << 20);
    config.messenger = workers[0];
    REQUIRE(!client_create(&config, &client, NULL));
}

static void close_all(void)
{
    client_destroy(client);
    ends_close();
    CHECK(mem_used() == 0);
}

static void put_rows(struct payload_writer *w, enum encoding e, uint32_t width,
                     const uint64_t *at, size_t n)
{
    float *all = mem_alloc(n * width + 1, sizeof(*all));
    void *out;

    for (size_t i = 0; i < n; i++)
        for (uint32_t j = 0; j < width; j++)
            all[i * width + j] = value_of(at[i], j);
    if (e == ENCODING_F32) {
        payload_put_f32s(w, all, n * width);
    } else {
        out = payload_reserve_bytes(w, encoding_bytes(e, n, width));
        if (out)
            encoding_write(e, all, n, width, NULL, out, n, 0);
    }
    mem_free(all);
}

static void put_dense(struct payload_writer *w, const struct recode *r,
                      enum encoding e)
{
    size_t n = (size_t)r->dense_size - (spoil && r->dense_size);
    float *all = mem_alloc(DENSE, sizeof(*all));
    void *out;

    for (uint32_t i = 0; i < DENSE; i++)
        all[i] = (float)(i % 100);
    if (e == ENCODING_F32) {
        payload_put_f32s(w, all, n);
    } else {
        out = payload_reserve_bytes(w, recode_dense_bytes(r, e));
        if (out)
            recode_dense_write(r, e, all, out);
    }
    mem_free(all);
}

/* What shard s says to the keys it was sent. */
static void answer(uint32_t s, enum encoding e)
{
    struct recode r = client_recode(client, s);
    struct wire_header h = {.kind = WIRE_VALUES, .job = JOB};
    struct payload_reader in;
    struct payload_buffer *out;
    struct payload_writer w;
    struct message msg;

    REQUIRE(!messenger_receive(shards[s], &msg, 0, NULL));
    h.request = msg.header.request;
    REQUIRE(
        !payload_buffer_take(messenger_pool(shards[s]), 8 << 20, &out, NULL));
    payload_writer_init_buffer(&w, out);
    payload_reader_init(&in, msg.data, msg.size);
    for (uint32_t t = 0; t < 2; t++) {
        size_t n;
        const uint64_t *at = payload_get_u64s(&in, &n);

        put_rows(&w, e, tables[t].width, at, n);
    }
    put_dense(&w, &r, e);
    REQUIRE(!payload_writer_finish(&w, out, NULL));
    REQUIRE(!messenger_send(shards[s], (struct peer){PEER_WORKER, 0, 0}, &h,
                            out, NULL));
    payload_buffer_unref(out);
}

/* @return as values() */
static enum fusor_status pull(enum encoding e, const float **dense,
                              struct fusor_error *err)
{
    struct param_store *store = client_store(client);
    struct client_worker *w = &client->workers[0];
    struct exchange *x;
    struct message msg;

    REQUIRE(!store->ops->announce(store, 0, PULL_TRAIN, 0, keys, NULL));
    client_pump_submissions(client);
    sim_advance(sim, sim_now_ns(sim) + 20 * MS);
    for (uint32_t s = 0; s < SHARDS; s++)
        answer(s, e);
    for (int i = 0; i < 20; i++) {
        sim_advance(sim, sim_now_ns(sim) + MS);
        while (messenger_receive(workers[0], &msg, 0, NULL) == FUSOR_OK)
            client_pump_message(client, &msg);
    }
    x = queue_take(w->inbox, 0);
    REQUIRE(x != NULL);
    REQUIRE(!client_accept(client, w, x, NULL));
    return store->ops->values(store, 0, rows, dense, err);
}

static void check_rows(double tolerance)
{
    double worst = 0;

    for (uint32_t t = 0; t < 2; t++)
        for (uint32_t i = 0; i < keys[t].n; i++)
            for (uint32_t j = 0; j < tables[t].width; j++)
                worst = fmax(worst, fabs((double)row_of[t][i][j] -
                                         value_of(keys[t].keys[i], j)));
    CHECK(worst <= tolerance);
}

static void rows_are_read_where_they_came(void)
{
    const float *dense;
    uint32_t copied = 0;

    open_all(ENCODING_F32);
    for (int step = 0; step < 2; step++) { // the second finds its memory there
        struct announced *a;

        REQUIRE(!pull(ENCODING_F32, &dense, NULL));
        check_rows(0);
        a = client->workers[0].valued;
        for (uint32_t i = 0; i < KEYS; i++)
            copied += row_of[1][i] >= a->joints &&
                      row_of[1][i] < a->joints + a->joints_cap;
        CHECK(a->exchange->legs[0].reply.view.n_pieces > 1);
    }
    /* 2.4 MB over two shards: each answer has one end of a piece inside. */
    CHECK(copied >= 2 && copied <= 4);
    for (size_t i = 0; i < client->n_segments[0]; i++)
        CHECK(dense[client->segments[0][i].offset] ==
              (float)(client->segments[0][i].packed % 100));
    close_all();
}

static void encoded_rows_are_what_they_stand_for(void)
{
    const float *dense;

    open_all(ENCODING_BF16);
    REQUIRE(!pull(ENCODING_BF16, &dense, NULL));
    check_rows(0);
    close_all();
    open_all(ENCODING_INT8);
    REQUIRE(!pull(ENCODING_INT8, &dense, NULL));
    check_rows(205.0 / 127 / 2 * 1.01); // half a step of the largest row
    close_all();
}

static void an_answer_of_another_size_is_refused(void)
{
    struct fusor_error err;
    const float *dense;

    open_all(ENCODING_F32);
    spoil = 1;
    CHECK(pull(ENCODING_F32, &dense, &err) == FUSOR_EPROTO);
    CHECK(strstr(err.text, "shard 0 answered") != NULL);
    spoil = 0;
    close_all();
    open_all(ENCODING_F32);
    CHECK(pull(ENCODING_BF16, &dense, &err) == FUSOR_EPROTO);
    CHECK(strstr(err.text, "floats of table few") != NULL);
    close_all();
    open_all(ENCODING_BF16);
    CHECK(pull(ENCODING_INT8, &dense, &err) == FUSOR_EPROTO);
    close_all();
}

static void no_memory_for_shared_rows_is_reported(void)
{
    struct fusor_error err;
    const float *dense;

    open_all(ENCODING_F32);
    REQUIRE(!pull(ENCODING_F32, &dense, NULL));
    CHECK(client->workers[0].valued->joints_cap > 0);
    client->workers[0].first = 0; // another step's memory: none yet
    mem_free(client->workers[0].ahead[0].joints);
    client->workers[0].ahead[0].joints = NULL;
    client->workers[0].ahead[0].joints_cap = 0;
    mem_fail_after(1);
    CHECK(client_read_values(client, &client->workers[0],
                             &client->workers[0].ahead[0], rows,
                             &err) == FUSOR_ENOMEM);
    mem_fail_after(0);
    close_all();
}

int main(void)
{
    static const struct test_case cases[] = {
        {"rows are read where they came", rows_are_read_where_they_came},
        {"encoded rows are what they stand for",
         encoded_rows_are_what_they_stand_for},
        {"an answer of another size is refused",
         an_answer_of_another_size_is_refused},
        {"no memory for shared rows is reported",
         no_memory_for_shared_rows_is_reported},
    };

    return TEST_RUN("ps.client_values", cases);
}
