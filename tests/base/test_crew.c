/* Every piece once, whatever the number of threads; a failure comes back. */
#include "base/crew.h"

#include "harness.h"

#include <string.h>

#include "base/mem.h"

#define PIECES 1000

struct count {
    int times[PIECES];
    unsigned n_threads;
    int strange; // a thread number out of range
    uint64_t bad;
};

static enum fusor_status count_piece(void *context, unsigned thread,
                                     uint64_t piece, struct fusor_error *err)
{
    struct count *c = context;

    if (thread >= c->n_threads)
        c->strange = 1;
    if (piece == c->bad)
        return fusor_fail(err, FUSOR_EDATA, "piece %d", (int)piece);
    c->times[piece]++;
    return FUSOR_OK;
}

static void every_piece_is_done_once(void)
{
    for (unsigned n = 0; n <= 8; n++) {
        struct count c = {.n_threads = n ? n : 1, .bad = PIECES};
        atomic_ullong done = 0;
        struct crew crew = {n, &done};
        int wrong = 0;

        REQUIRE(crew_run(&crew, PIECES, count_piece, &c, NULL) == FUSOR_OK);
        for (int i = 0; i < PIECES; i++)
            wrong += c.times[i] != 1;
        CHECK(wrong == 0);
        CHECK(!c.strange);
        CHECK(atomic_load(&done) == PIECES);
    }
}

static void nothing_to_do_is_fine(void)
{
    struct crew crew = {4, NULL};
    struct count c = {.n_threads = 4, .bad = PIECES};

    CHECK(crew_run(&crew, 0, count_piece, &c, NULL) == FUSOR_OK);
    CHECK(c.times[0] == 0);
}

static void a_failure_comes_back_and_ends_the_rest(void)
{
    for (unsigned n = 1; n <= 4; n++) {
        struct count c = {.n_threads = n, .bad = 3};
        struct crew crew = {n, NULL};
        struct fusor_error err;

        CHECK(crew_run(&crew, PIECES, count_piece, &c, &err) == FUSOR_EDATA);
        CHECK(strcmp(err.text, "piece 3") == 0);
        CHECK(c.times[3] == 0);
    }
}

static void no_memory_is_an_error(void)
{
    struct crew crew = {2, NULL};
    struct count c = {.n_threads = 2, .bad = PIECES};

    mem_fail_after(1);
    CHECK(crew_run(&crew, PIECES, count_piece, &c, NULL) == FUSOR_ENOMEM);
    mem_fail_after(0);
}

int main(void)
{
    static const struct test_case cases[] = {
        {"every piece is done once", every_piece_is_done_once},
        {"nothing to do is fine", nothing_to_do_is_fine},
        {"a failure comes back and ends the rest",
         a_failure_comes_back_and_ends_the_rest},
        {"no memory is an error", no_memory_is_an_error},
    };
    return TEST_RUN("base.crew", cases);
}
