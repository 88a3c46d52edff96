/* Sparse matrices against dense ones. */
#include "index/csr.h"

#include "harness.h"

#include "base/mem.h"
#include "base/rng.h"

#define ROWS 7
#define COLS 5
#define N 30

static void draw(struct csr_entry *e)
{
    struct rng r = rng_stream(5, RNG_TEST, 1, 0);

    for (int i = 0; i < N; i++)
        e[i] = (struct csr_entry){(uint32_t)rng_below(&r, ROWS - 1),
                                  (uint32_t)rng_below(&r, COLS),
                                  (float)(1 + rng_below(&r, 9))};
}

static float at(const struct csr *m, uint32_t row, uint32_t col)
{
    for (uint64_t k = m->offsets[row]; k < m->offsets[row + 1]; k++)
        if (m->cols[k] == col)
            return m->values[k];
    return 0;
}

/* Sums or last values of a dense matrix; whole numbers, so exactly. */
static void check_built(int last)
{
    struct csr_entry e[N];
    float dense[ROWS][COLS] = {{0}};
    struct csr m, t;

    draw(e);
    for (int i = 0; i < N; i++)
        dense[e[i].row][e[i].col] =
            last ? e[i].value : dense[e[i].row][e[i].col] + e[i].value;
    REQUIRE(csr_build(e, N, ROWS, COLS, last, &m, NULL) == FUSOR_OK);
    REQUIRE(csr_transpose(&m, &t, NULL) == FUSOR_OK);
    for (uint32_t r = 0; r < ROWS; r++) {
        for (uint64_t k = m.offsets[r]; k + 1 < m.offsets[r + 1]; k++)
            CHECK(m.cols[k] < m.cols[k + 1]);
        for (uint32_t c = 0; c < COLS; c++) {
            CHECK(at(&m, r, c) == dense[r][c]);
            CHECK(at(&t, c, r) == dense[r][c]);
        }
    }
    CHECK(m.offsets[ROWS] == m.offsets[ROWS - 1]); // nobody is in the last
    csr_clear(&m);
    csr_clear(&t);
}

static void equal_places_add_up(void)
{
    check_built(0);
}

static void or_the_last_one_stays(void)
{
    check_built(1);
}

static void nothing_makes_an_empty_matrix(void)
{
    struct csr m, t;

    REQUIRE(csr_build(NULL, 0, 3, 4, 0, &m, NULL) == FUSOR_OK);
    CHECK(m.offsets[3] == 0);
    REQUIRE(csr_transpose(&m, &t, NULL) == FUSOR_OK);
    CHECK(t.n_rows == 4 && t.offsets[4] == 0);
    csr_clear(&m);
    csr_clear(&t);
}

static void what_few_have_weighs_more(void)
{
    static const struct csr_entry e[] = {{0, 0, 2}, {1, 0, 1}, {1, 1, 1}};
    struct csr m;

    REQUIRE(csr_build(e, 3, 2, 2, 0, &m, NULL) == FUSOR_OK);
    REQUIRE(csr_weigh_idf(&m, NULL) == FUSOR_OK);
    CHECK_CLOSE(at(&m, 0, 0), 2, 1e-6); // all have it: log(1) + 1
    CHECK_CLOSE(at(&m, 1, 1), log(1.5) + 1, 1e-6);
    csr_clear(&m);
}

static void no_memory_leaves_nothing(void)
{
    struct csr_entry e[N];
    size_t before = mem_used();
    struct csr m;

    draw(e);
    for (long n = 1; n <= 6; n++) {
        mem_fail_after(n);
        CHECK(csr_build(e, N, ROWS, COLS, 0, &m, NULL) == FUSOR_ENOMEM);
        CHECK(mem_used() == before);
    }
    mem_fail_after(0);
}

int main(void)
{
    static const struct test_case cases[] = {
        {"equal places add up", equal_places_add_up},
        {"or the last one stays", or_the_last_one_stays},
        {"nothing makes an empty matrix", nothing_makes_an_empty_matrix},
        {"what few have weighs more", what_few_have_weighs_more},
        {"no memory leaves nothing", no_memory_leaves_nothing},
    };
    return TEST_RUN("index.csr", cases);
}
