/* Hand-made messages to a small server. */
#include "hand.h"

#include <string.h>

#include "harness.h"

static struct table_spec table = {.name = "t", .width = 1};
static struct block_spec blocks[2] = {{.name = "w", .size = 2},
                                      {.name = "b", .offset = 2, .size = 1}};
const struct param_spec hand_params = {.n_tables = 1,
                                       .tables = &table,
                                       .n_blocks = 2,
                                       .blocks = blocks,
                                       .n_dense = 3};
struct message hand_answer;
float hand_values[16];
size_t hand_n_values;

void hand_open(int staleness)
{
    struct optim_spec optims[2];
    struct shard_config shard_config = {.params = &hand_params,
                                        .table_optim = optims,
                                        .block_optim = optims,
                                        .n_shards = 1,
                                        .fd = -1};
    struct server_config config = {.params = &hand_params,
                                   .job = HAND_JOB,
                                   .staleness = staleness,
                                   .n_workers = HAND_WORKERS,
                                   .micro_batches = 4};

    for (int i = 0; i < 2; i++) {
        optim_spec_default(OPTIM_SGD, &optims[i]);
        optims[i].lr = 1;
    }
    ends_open(1, 1, HAND_WORKERS, 1 << 20);
    REQUIRE(!shard_create(&shard_config, &shard, NULL));
    config.shard = shard;
    config.messenger = shards[0];
    REQUIRE(!server_create(&config, &server, NULL));
}

void hand_begin(uint64_t epoch, uint64_t clock, uint64_t n_units)
{
    struct command c = {.kind = COMMAND_BEGIN,
                        .epoch = epoch,
                        .clock = clock,
                        .n_units = n_units,
                        .lr_factor = 1};

    REQUIRE(!server_begin(server, &c, NULL));
}

/* One section of values. */
static void read_values(struct payload_reader *r, float *out)
{
    const float *v = payload_get_f32s(r, &hand_n_values);

    if (hand_n_values)
        memcpy(out, v, hand_n_values * sizeof(float));
}

enum wire_kind hand_heard(uint32_t worker)
{
    struct payload_reader r;

    if (one_shard_hear(worker, &hand_answer) != FUSOR_OK)
        return WIRE_NONE;
    if (hand_answer.header.kind != WIRE_VALUES)
        return hand_answer.header.kind;
    payload_reader_init(&r, hand_answer.data, hand_answer.size);
    read_values(&r, hand_values);
    read_values(&r, hand_values + 10);
    CHECK(payload_reader_finish(&r, "values", NULL) == FUSOR_OK);
    return WIRE_VALUES;
}

struct wire_header hand_header(enum wire_kind kind, uint32_t lease,
                               uint64_t unit, uint64_t request)
{
    return (struct wire_header){.kind = kind,
                                .job = HAND_JOB,
                                .lease = lease,
                                .term = 1,
                                .clock = unit,
                                .request = request,
                                .flags = kind == WIRE_KEYS ? PS_WANT_DENSE : 0,
                                .samples = 10};
}

struct wire_header hand_push_of(uint32_t lease, uint64_t index, uint64_t unit,
                                uint64_t request)
{
    struct wire_header h = hand_header(WIRE_PUSH, lease, unit, request);

    h.index = index;
    return h;
}

void hand_keys(uint32_t worker, struct wire_header h)
{
    static const uint64_t keys[2] = {5, 6};
    _Alignas(8) uint8_t room[64];
    struct payload_writer w;

    payload_writer_init(&w, room, sizeof(room));
    payload_put_u64s(&w, keys, 2);
    one_shard_tell(worker, &h, room, w.used);
}

void hand_push(uint32_t worker, struct wire_header h, uint64_t micro)
{
    static const uint64_t keys[1] = {5};
    static const float minus[3] = {-1, -1, -1};
    _Alignas(8) uint8_t room[256];
    struct payload_writer w;

    payload_writer_init(&w, room, sizeof(room));
    payload_put_u64(&w, 1);
    payload_put_u64(&w, micro);
    payload_put_u64(&w, 1);
    payload_put_f32s(&w, minus, 3);
    payload_put_u64s(&w, keys, 1);
    payload_put_f32s(&w, minus, 1);
    one_shard_tell(worker, &h, room, w.used);
}
