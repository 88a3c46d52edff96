/* Neighbours against the formulas over a dense matrix. */
#include "index/similar.h"

#include "harness.h"

#include "base/mem.h"
#include "base/rng.h"

#define ROWS 12
#define COLS 9

static float dense[ROWS][COLS];
static struct csr rows, by_col;

static void set_up(void)
{
    struct rng r = rng_stream(7, RNG_TEST, 2, 0);
    struct csr_entry e[ROWS * COLS];
    uint64_t n = 0;

    for (uint32_t i = 0; i < ROWS; i++)
        for (uint32_t c = 0; c < COLS; c++) {
            dense[i][c] = rng_below(&r, 3) ? (float)(1 + rng_below(&r, 5)) : 0;
            if (i == 4)
                dense[i][c] = 0; // shares nothing with anybody
            if (dense[i][c] != 0)
                e[n++] = (struct csr_entry){i, c, dense[i][c]};
        }
    REQUIRE(csr_build(e, n, ROWS, COLS, 0, &rows, NULL) == FUSOR_OK);
    REQUIRE(csr_transpose(&rows, &by_col, NULL) == FUSOR_OK);
}

static void tear_down(void)
{
    csr_clear(&rows);
    csr_clear(&by_col);
}

static double cosine(uint32_t a, uint32_t b, double shrink)
{
    double xy = 0, xx = 0, yy = 0;

    for (int c = 0; c < COLS; c++) {
        xy += dense[a][c] * dense[b][c];
        xx += dense[a][c] * dense[a][c];
        yy += dense[b][c] * dense[b][c];
    }
    return xy == 0 ? 0 : xy / (sqrt(xx * yy) + shrink);
}

/* Two passes: means first. */
static double pearson(uint32_t a, uint32_t b, double shrink)
{
    double n = 0, mx = 0, my = 0, xy = 0, xx = 0, yy = 0;

    for (int c = 0; c < COLS; c++) {
        if (dense[a][c] == 0 || dense[b][c] == 0)
            continue;
        n++;
        mx += dense[a][c];
        my += dense[b][c];
    }
    for (int c = 0; c < COLS; c++) {
        if (dense[a][c] == 0 || dense[b][c] == 0)
            continue;
        xy += (dense[a][c] - mx / n) * (dense[b][c] - my / n);
        xx += (dense[a][c] - mx / n) * (dense[a][c] - mx / n);
        yy += (dense[b][c] - my / n) * (dense[b][c] - my / n);
    }
    return n < 2 || xx == 0 || yy == 0 ? 0
                                       : xy / sqrt(xx * yy) * n / (n + shrink);
}

static void check_kind(enum similar_kind kind,
                       double (*want)(uint32_t, uint32_t, double))
{
    struct similar s = {&rows, &by_col, kind, 2.5, NULL, 0};
    struct similar_scratch *x;
    float out[ROWS];

    set_up();
    REQUIRE(similar_init(&s, NULL) == FUSOR_OK);
    REQUIRE(similar_scratch_create(&s, &x, NULL) == FUSOR_OK);
    for (uint32_t a = 0; a < ROWS; a++) {
        similar_all(&s, x, a, out);
        CHECK(out[a] == 0);
        for (uint32_t b = 0; b < ROWS; b++)
            if (a != b)
                CHECK_CLOSE(out[b], want(a, b, 2.5), 1e-6);
    }
    similar_scratch_destroy(x);
    similar_clear(&s);
    tear_down();
}

static void cosine_is_as_written(void)
{
    check_kind(SIMILAR_COSINE, cosine);
}

static void pearson_is_as_written(void)
{
    check_kind(SIMILAR_PEARSON, pearson);
}

/* How many of all are better than id, equal ones of smaller number counting. */
static uint32_t better(const float *all, uint32_t id)
{
    uint32_t n = 0;

    for (uint32_t b = 0; b < ROWS; b++)
        n += all[b] > all[id] || (all[b] == all[id] && b < id);
    return n;
}

static void the_best_are_those_of_all(void)
{
    struct similar s = {&rows, &by_col, SIMILAR_PEARSON, 0, NULL, 0};
    struct similar_scratch *x;
    float all[ROWS], weights[ROWS];
    uint32_t ids[ROWS];

    set_up();
    REQUIRE(similar_init(&s, NULL) == FUSOR_OK);
    REQUIRE(similar_scratch_create(&s, &x, NULL) == FUSOR_OK);
    for (uint32_t most = 0; most <= ROWS; most++)
        for (uint32_t a = 0; a < ROWS; a++) {
            uint32_t n = similar_top(&s, x, a, most, ids, weights);
            uint32_t positive = 0;

            similar_all(&s, x, a, all);
            for (uint32_t b = 0; b < ROWS; b++)
                positive += all[b] > 0;
            CHECK(n == (positive < most ? positive : most));
            for (uint32_t i = 0; i < n; i++) {
                CHECK(weights[i] == all[ids[i]]);
                CHECK(weights[i] > 0);
                CHECK(better(all, ids[i]) < most);
                CHECK(i == 0 || ids[i] > ids[i - 1]);
            }
        }
    similar_scratch_destroy(x);
    similar_clear(&s);
    tear_down();
}

static void no_memory_is_an_error(void)
{
    struct similar s = {&rows, &by_col, SIMILAR_COSINE, 0, NULL, 0};
    struct similar_scratch *x;
    size_t before;

    set_up();
    REQUIRE(similar_init(&s, NULL) == FUSOR_OK);
    before = mem_used();
    for (long n = 1; n <= 4; n++) {
        mem_fail_after(n);
        CHECK(similar_scratch_create(&s, &x, NULL) == FUSOR_ENOMEM);
        CHECK(mem_used() == before);
    }
    mem_fail_after(0);
    similar_clear(&s);
    tear_down();
}

int main(void)
{
    static const struct test_case cases[] = {
        {"cosine is as written", cosine_is_as_written},
        {"pearson is as written", pearson_is_as_written},
        {"the best are those of all", the_best_are_those_of_all},
        {"no memory is an error", no_memory_is_an_error},
    };
    return TEST_RUN("index.similar", cases);
}
