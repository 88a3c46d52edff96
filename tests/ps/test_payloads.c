/* Tests of ps/payloads: a push is read back; no mutation of one reads beyond
 * its end or gives nodes that are none. */
#include "ps/payloads.h"

#include <string.h>

#include "base/mem.h"
#include "base/rng.h"
#include "harness.h"
#include "store/tree.h"

#define DENSE 6
#define ROOM 4096
#define FUZZ 100000

static struct table_spec tables[2] = {{.width = 2}, {.width = 1}};
static struct param_spec params = {.n_tables = 2, .tables = tables};
static int ticket; // the push has one
static struct push_rows rows[PARAM_MAX_NODES * 2];
static _Alignas(8) uint8_t room[ROOM];

static void put_node(struct payload_writer *w, uint64_t lo, uint64_t span,
                     int dense, size_t n)
{
    static const float grads[64] = {1, 2, 3};
    static const uint64_t keys[32] = {7, 8, 9};
    static const uint32_t places[32] = {2, 0, 1};

    payload_put_u64(w, lo);
    payload_put_u64(w, span);
    payload_put_f32s(w, grads, dense ? DENSE : 0);
    for (int t = 0; t < 2; t++) {
        if (ticket)
            payload_put_u32s(w, places, lo == 8 ? 0 : n); // 0: all
        else
            payload_put_u64s(w, keys, n);
        payload_put_f32s(w, grads, n * tables[t].width);
    }
}

static size_t sample(void)
{
    struct payload_writer w;

    payload_writer_init(&w, room, sizeof(room));
    payload_put_u64(&w, 3);
    put_node(&w, 0, 2, 1, 3);
    put_node(&w, 2, 1, 0, 0);
    put_node(&w, 8, 8, 1, 5);
    return w.used;
}

static enum fusor_status read_at(const void *at, size_t size,
                                 struct push_view *v)
{
    struct payload_view in = {.data = at, .size = size};

    v->tables = rows;
    return push_view_read(&params, &in, ticket, ENCODING_F32, DENSE, v, NULL);
}

static enum fusor_status read_it(size_t size, struct push_view *v)
{
    return read_at(room, size, v);
}

/* Element i of what begins at `at`. */
static float float_of(const struct push_view *v, size_t at, uint32_t i)
{
    float x;

    payload_view_copy(&v->of, at + i * sizeof(x), sizeof(x), &x);
    return x;
}

static uint64_t key_of(const struct push_view *v, size_t at, uint32_t i)
{
    uint64_t x;

    payload_view_copy(&v->of, at + i * sizeof(x), sizeof(x), &x);
    return x;
}

static uint32_t place_of(const struct push_view *v, size_t at, uint32_t i)
{
    uint32_t x;

    payload_view_copy(&v->of, at + i * sizeof(x), sizeof(x), &x);
    return x;
}

static void a_push_reads_back(void)
{
    struct push_view v;

    REQUIRE(read_it(sample(), &v) == FUSOR_OK);
    CHECK(v.n_nodes == 3 && v.nodes[2].lo == 8 && v.nodes[2].span == 8);
    CHECK(v.nodes[0].has_dense && !v.nodes[1].has_dense &&
          float_of(&v, v.nodes[0].dense, 1) == 2);
    CHECK(v.nodes[0].tables[0].n == 3 && v.nodes[1].tables[1].n == 0);
    CHECK(key_of(&v, v.nodes[2].tables[1].names, 2) == 9 &&
          float_of(&v, v.nodes[2].tables[0].grads, 2) == 3);
}

static void a_push_with_a_ticket_reads_back(void)
{
    struct push_view v;

    ticket = 1;
    REQUIRE(read_it(sample(), &v) == FUSOR_OK);
    CHECK(v.nodes[0].tables[0].n == 3 && !v.nodes[0].tables[0].all &&
          place_of(&v, v.nodes[0].tables[0].names, 2) == 1);
    CHECK(v.nodes[1].tables[0].n == 0);
    CHECK(v.nodes[2].tables[1].n == 5 && v.nodes[2].tables[1].all &&
          float_of(&v, v.nodes[2].tables[0].grads, 2) == 3);
    ticket = 0;
}

/* One node, then what follows it. */
static enum fusor_status read_nodes(const uint64_t (*nodes)[2], unsigned n)
{
    struct payload_writer w;
    struct push_view v;

    payload_writer_init(&w, room, sizeof(room));
    payload_put_u64(&w, n);
    for (unsigned i = 0; i < n; i++)
        put_node(&w, nodes[i][0], nodes[i][1], 0, 1);
    return read_it(w.used, &v);
}

static void nodes_must_be_of_the_tree_and_ascend(void)
{
    static const uint64_t good[][2] = {{0, 1}, {1, 1}, {2, 2}, {8, 8}};
    static const uint64_t bad[][2][2] = {
        {{0, 3}, {4, 1}},
        {{1, 2}, {4, 1}},
        {{0, 0}, {4, 1}},
        {{0, 1}, {16, 1}},
        {{0, 16}, {8, 8}},
        {{4, 4}, {0, 4}},
        {{0, 1}, {0, 1}},
        {{0, 1}, {8, 16}},
        {{0, 1}, {UINT64_MAX, 1}},
        {{0, 1}, {1, UINT64_MAX}},
        {{0, 1}, {UINT64_C(1) << 32, 1}},
    };

    CHECK(read_nodes(good, 4) == FUSOR_OK);
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        CHECK(read_nodes(bad[i], 2) == FUSOR_EPROTO);
}

static void every_shortening_is_refused(void)
{
    size_t size = sample();
    struct push_view v;

    for (size_t n = 0; n < size; n++)
        CHECK(read_it(n, &v) == FUSOR_EPROTO);
    CHECK(read_it(size + 8, &v) == FUSOR_EPROTO);
}

static void every_shortening_with_a_ticket_is_refused(void)
{
    ticket = 1;
    every_shortening_is_refused();
    ticket = 0;
}

/* Touch all that a view shows: the sanitizer watches. */
static double touch(const struct push_view *v)
{
    double sum = 0;
    uint64_t end = 0;

    for (uint32_t i = 0; i < v->n_nodes; i++) {
        const struct push_node *n = &v->nodes[i];

        CHECK(n->lo >= end && n->lo + n->span <= TREE_LEAVES_MAX);
        end = n->lo + n->span;
        for (uint32_t j = 0; n->has_dense && j < DENSE; j++)
            sum += (double)float_of(v, n->dense, j);
        for (int t = 0; t < 2; t++)
            for (uint32_t r = 0; r < n->tables[t].n; r++)
                sum += (!ticket ? (double)key_of(v, n->tables[t].names, r)
                        : !n->tables[t].all ? place_of(v, n->tables[t].names, r)
                                            : 0) +
                       (double)float_of(v, n->tables[t].grads,
                                        r * tables[t].width);
    }
    return sum;
}

static void mutate(void)
{
    struct rng r = rng_stream(3, RNG_TEST, 0, 0);
    size_t size = sample();
    uint8_t *good = mem_alloc(size, 1);
    struct push_view v = {.tables = rows};
    volatile double sink = 0;
    unsigned n_good = 0;

    memcpy(good, room, size);
    for (int i = 0; i < FUZZ; i++) {
        size_t n = rng_below(&r, 4) ? size : (size_t)rng_below(&r, size + 1);
        uint8_t *copy = mem_alloc(n, 1); // its own block: an overrun shows

        memcpy(copy, good, n);
        for (uint64_t k = rng_below(&r, 4); n >= 8 && k > 0; k--) {
            size_t at = (size_t)rng_below(&r, n / 8) * 8;

            if (rng_below(&r, 2))
                copy[at] = (uint8_t)rng_below(&r, 20);
            else
                copy[at + rng_below(&r, 8)] ^=
                    (uint8_t)(1 + rng_below(&r, 255));
        }
        if (read_at(copy, n, &v) == FUSOR_OK) {
            sink += touch(&v);
            n_good++;
        }
        mem_free(copy);
    }
    CHECK(n_good > FUZZ / 10 && n_good < FUZZ);
    mem_free(good);
    (void)sink;
}

static void mutations_are_read_within_their_bounds(void)
{
    for (ticket = 0; ticket < 2; ticket++)
        mutate();
    ticket = 0;
}

int main(void)
{
    static const struct test_case cases[] = {
        {"a push reads back", a_push_reads_back},
        {"a push with a ticket reads back", a_push_with_a_ticket_reads_back},
        {"nodes must be of the tree and ascend",
         nodes_must_be_of_the_tree_and_ascend},
        {"every shortening is refused", every_shortening_is_refused},
        {"every shortening with a ticket is refused",
         every_shortening_with_a_ticket_is_refused},
        {"mutations are read within their bounds",
         mutations_are_read_within_their_bounds},
    };

    return TEST_RUN("ps.payloads", cases);
}
