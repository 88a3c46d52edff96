/* Rows that are kept once, whoever computes them. */
#include "data/match_memo.h"

#include <pthread.h>

#include "base/mem.h"

#include "harness.h"

#define ROWS 500
#define WIDTH 7

static void what_is_kept_comes_back(void)
{
    static const float a[3] = {1, -2, 0.5f}, b[3] = {4, 5, 6};
    struct match_memo *m = NULL;
    float out[3] = {9, 9, 9};

    REQUIRE(match_memo_create(2, 3, &m, NULL) == FUSOR_OK);
    CHECK(match_memo_bytes(2, 3) == 26);
    CHECK(!match_memo_find(m, 1, out) && out[0] == 9);
    match_memo_keep(m, 1, a);
    match_memo_keep(m, 1, b); // too late
    CHECK(match_memo_find(m, 1, out));
    CHECK(out[0] == a[0] && out[1] == a[1] && out[2] == a[2]);
    CHECK(!match_memo_find(m, 0, out));
    match_memo_destroy(m);
    match_memo_destroy(NULL);
}

static float value_of(uint32_t row, uint32_t i)
{
    return (float)(row * WIDTH + i);
}

struct visit {
    struct match_memo *memo;
    uint32_t step; // rows are visited in another order
    uint32_t wrong, found;
};

static void *visit_all(void *at)
{
    struct visit *v = at;
    float values[WIDTH];

    for (uint32_t k = 0; k < 4 * ROWS; k++) {
        uint32_t row = k * v->step % ROWS;
        int found = match_memo_find(v->memo, row, values);

        v->found += (uint32_t)found;
        for (uint32_t i = 0; i < WIDTH; i++)
            if (!found)
                values[i] = value_of(row, i);
            else
                v->wrong += values[i] != value_of(row, i);
        if (!found)
            match_memo_keep(v->memo, row, values);
    }
    return NULL;
}

static void threads_see_whole_rows(void)
{
    struct visit v[3] = {{.step = 1}, {.step = 3}, {.step = 1}};
    struct match_memo *m = NULL;
    pthread_t threads[3];
    float values[WIDTH];
    uint32_t n = 0;

    REQUIRE(match_memo_create(ROWS, WIDTH, &m, NULL) == FUSOR_OK);
    for (int t = 0; t < 3; t++) {
        v[t].memo = m;
        REQUIRE(pthread_create(&threads[t], NULL, visit_all, &v[t]) == 0);
    }
    for (int t = 0; t < 3; t++) {
        pthread_join(threads[t], NULL);
        CHECK(v[t].wrong == 0 && v[t].found > 0);
    }
    for (uint32_t row = 0; row < ROWS; row++)
        n += (uint32_t)match_memo_find(m, row, values);
    CHECK(n == ROWS);
    match_memo_destroy(m);
}

static void exhausted_memory_is_an_error(void)
{
    size_t used = mem_used();

    for (long n = 1; n <= 3; n++) {
        struct match_memo *m = NULL;

        mem_fail_after(n);
        CHECK(match_memo_create(ROWS, WIDTH, &m, NULL) == FUSOR_ENOMEM && !m);
        mem_fail_after(0);
        CHECK(mem_used() == used);
    }
}

int main(void)
{
    static const struct test_case cases[] = {
        {"what is kept comes back", what_is_kept_comes_back},
        {"threads see whole rows", threads_see_whole_rows},
        {"exhausted memory is an error", exhausted_memory_is_an_error},
    };

    return TEST_RUN("data.match_memo", cases);
}
