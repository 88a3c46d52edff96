/* How judgements become parts. */
#include "data/protocol.h"

#include "harness.h"

#include "base/mem.h"

#define N_QUERIES 50
#define N_ROWS 200

static struct fusor_error err;

struct example {
    struct split_facts facts;
    uint32_t query[N_ROWS];
    struct split_result result;
};

/* Queries 1 to N_QUERIES; only the even ones have rows. */
static struct example *example(void)
{
    struct example *e = mem_alloc(1, sizeof(*e));
    struct vocab *queries = vocab_create(&err);
    char text[16];

    REQUIRE(e != NULL && queries != NULL);
    for (int i = 1; i <= N_QUERIES; i++)
        vocab_add(queries, text, (size_t)sprintf(text, "q%d", i));
    for (uint32_t row = 0; row < N_ROWS; row++)
        e->query[row] = 2 + 2 * (row * 7 % (N_QUERIES / 2));
    e->facts = (struct split_facts){.n = N_ROWS,
                                    .query = e->query,
                                    .queries = queries,
                                    .input = "",
                                    .candidates = "",
                                    .seed = 3,
                                    .train = 0.6,
                                    .valid = 0.2};
    e->result.part = mem_alloc(N_ROWS, 1);
    REQUIRE(e->result.part != NULL);
    return e;
}

static void done(struct example *e)
{
    struct vocab *queries = (struct vocab *)(uintptr_t)e->facts.queries;

    split_result_clear(&e->result);
    vocab_destroy(queries);
    mem_free(e);
}

static enum fusor_status assign(struct example *e)
{
    const struct protocol_ops *p = protocol_find("qrels", &err);

    REQUIRE(p != NULL);
    CHECK(p->flags & PROTOCOL_RANKS_QUERIES);
    return p->assign(&e->facts, &e->result, &err);
}

static void shares_are_of_judged_queries(void)
{
    struct example *e = example();
    int part_of[N_QUERIES + 1], n[3] = {0};

    REQUIRE(assign(e) == FUSOR_OK);
    for (int q = 0; q <= N_QUERIES; q++)
        part_of[q] = -1;
    for (int row = 0; row < N_ROWS; row++) {
        uint32_t q = e->query[row];

        CHECK(part_of[q] < 0 || part_of[q] == e->result.part[row]);
        n[e->result.part[row]] += part_of[q] < 0;
        part_of[q] = e->result.part[row];
    }
    CHECK(n[ROW_TRAIN] == 15 && n[ROW_VALID] == 5 && n[ROW_TEST] == 5);
    done(e);
}

static void another_seed_splits_otherwise(void)
{
    struct example *a = example(), *b = example();
    int differ = 0;

    b->facts.seed = 4;
    REQUIRE(assign(a) == FUSOR_OK && assign(b) == FUSOR_OK);
    for (int row = 0; row < N_ROWS; row++)
        differ += a->result.part[row] != b->result.part[row];
    CHECK(differ > 0);
    done(a);
    done(b);
}

static void parts_of_files_stay(void)
{
    struct example *e = example();

    for (int row = 0; row < N_ROWS; row++)
        e->result.part[row] = (uint8_t)(row % 3);
    REQUIRE(assign(e) == FUSOR_OK);
    for (int row = 0; row < N_ROWS; row++)
        CHECK(e->result.part[row] == row % 3);
    done(e);
}

static void no_memory_is_told(void)
{
    struct example *e = example();

    mem_fail_after(1);
    CHECK(assign(e) == FUSOR_ENOMEM);
    mem_fail_after(0);
    done(e);
}

int main(void)
{
    static const struct test_case cases[] = {
        {"shares are of queries that have judgements",
         shares_are_of_judged_queries},
        {"another seed splits otherwise", another_seed_splits_otherwise},
        {"parts that files gave stay", parts_of_files_stay},
        {"no memory is told", no_memory_is_told},
    };
    return TEST_RUN("data.protocol_qrels", cases);
}
