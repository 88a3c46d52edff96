#include "harness.h"

#include "base/fs.h"
#include "base/mem.h"
#include "data/stage.h"

static struct fusor_error err;

static const struct column_spec specs[] = {
    {"x", COLUMN_F32, 2, 0}, {"t", COLUMN_LIST, 1, 1}, {"u", COLUMN_U32, 1, 0}};

static void check_rows(struct stage *s, uint32_t n_rows)
{
    uint32_t n, row = 0;
    int wrong = 0;

    REQUIRE(stage_rewind(s, &err) == FUSOR_OK);
    for (;;) {
        const float *x;
        const uint32_t *ends;
        struct stage_column *t;

        REQUIRE(stage_next(s, &n, &err) == FUSOR_OK);
        if (n == 0)
            break;
        x = stage_column(s, 0)->fixed;
        t = stage_column(s, 1);
        ends = t->fixed;
        for (uint32_t r = 0; r < n; r++, row++) {
            uint32_t at = r ? ends[r - 1] : 0;

            wrong += x[2 * r + 1] != (float)row;
            wrong += ends[r] - at != row % 3;
            wrong += row % 3 == 2 && t->values[at + 1] != row + 1;
            wrong += row % 3 == 2 && t->weights[at + 1] != 0.5f;
            wrong += ((uint32_t *)stage_column(s, 2)->fixed)[r] != row;
        }
    }
    CHECK(row == n_rows);
    CHECK(wrong == 0);
}

static void rows_come_back_twice(void)
{
    static const uint32_t sizes[] = {0, 1, STAGE_GROUP_ROWS,
                                     2 * STAGE_GROUP_ROWS + 7};
    char path[FS_PATH_MAX];

    fs_join(path, test_tmpdir(), "s");
    for (int i = 0; i < 4; i++) {
        struct stage *s;

        REQUIRE(stage_create(path, specs, 3, &s, &err) == FUSOR_OK);
        for (uint32_t row = 0; row < sizes[i]; row++) {
            float x[2] = {0, (float)row}, weights[2] = {0.25f, 0.5f};
            uint32_t list[2] = {row, row + 1};

            stage_put(s, 0, x);
            REQUIRE(!stage_put_list(s, 1, list, weights, row % 3, &err));
            stage_put(s, 2, &row);
            REQUIRE(stage_end_row(s, &err) == FUSOR_OK);
        }
        CHECK(stage_rows(s) == sizes[i]);
        check_rows(s, sizes[i]);
        check_rows(s, sizes[i]);
        stage_destroy(s);
    }
    CHECK(!fs_exists("s.stage"));
}

static void no_memory_is_an_error(void)
{
    size_t before = mem_used();
    char path[FS_PATH_MAX];
    struct stage *s;

    fs_join(path, test_tmpdir(), "s");
    for (long n = 1; n <= 5; n++) {
        mem_fail_after(n);
        CHECK(stage_create(path, specs, 3, &s, &err) == FUSOR_ENOMEM);
        mem_fail_after(0);
        CHECK(mem_used() == before);
    }
    CHECK(stage_create("/nonexistent/s", specs, 3, &s, &err) == FUSOR_EIO);
    stage_destroy(NULL);
}

int main(void)
{
    static const struct test_case cases[] = {
        {"rows come back, twice", rows_come_back_twice},
        {"no memory is an error and no leak", no_memory_is_an_error},
    };
    return TEST_RUN("data.stage", cases);
}
