/* Transforms of dense columns. */
#include "data/dense.h"

#include <math.h>
#include <string.h>

#include "harness.h"

static enum fusor_status read_transform(const char *text,
                                        struct dense_transform *t,
                                        struct fusor_error *err)
{
    struct yaml *y = NULL;
    enum fusor_status rc;

    REQUIRE(yaml_parse(text, strlen(text), "job.yaml", &y, err) == FUSOR_OK);
    rc = dense_read(yaml_root(y), t, err);
    yaml_destroy(y);
    return rc;
}

static void apply(const char *text, float *v, uint64_t n, const uint8_t *train,
                  uint32_t width)
{
    struct dense_values values = {v, n, train};
    struct dense_transform t;

    REQUIRE(read_transform(text, &t, NULL) == FUSOR_OK);
    dense_apply(&t, &values, 1, width);
}

static void statistics_are_of_the_train_rows(void)
{
    static const uint8_t train[] = {1, 1, 0, 1};
    float v[] = {1, 3, 100, 5}, z[] = {1, 3, 100, 5};

    apply("minmax", v, 4, train, 1);
    CHECK(v[0] == 0 && v[1] == 0.5f && v[3] == 1);
    CHECK_CLOSE(v[2], 99.0 / 4, 1e-6);
    apply("zscore", z, 4, train, 1);
    CHECK_CLOSE(z[0], -2 / sqrt(8.0 / 3), 1e-6); // variance (4 + 0 + 4) / 3
    CHECK(z[1] == 0);
}

static void steps_follow_each_other(void)
{
    static const uint8_t train[] = {1, 1, 1, 1};
    float v[] = {NAN, -2, 0, 1e9f};

    apply("[{fill: 3}, log1p, {clip: [0, 16]}]", v, 4, train, 1);
    CHECK_CLOSE(v[0], log(4), 1e-6);
    CHECK(v[1] == 0); // below 0 counts as 0
    CHECK(v[2] == 0);
    CHECK(v[3] == 16); // log(1e9 + 1) = 20.7
}

static void missing_values_become_zero_at_the_end(void)
{
    static const uint8_t train[] = {1, 1, 1};
    float v[] = {NAN, 2, 6}, plain[] = {NAN, INFINITY, 6};

    apply("zscore", v, 3, train, 1);
    CHECK(v[0] == 0 && v[1] == -1 && v[2] == 1);
    apply("none", plain, 3, train, 1);
    CHECK(plain[0] == 0 && plain[1] == 0 && plain[2] == 6);
}

static void a_constant_component_becomes_zero_alone(void)
{
    static const uint8_t train[] = {1, 1};
    float v[] = {7, 1, 7, 3}; // [2, 2]

    apply("minmax", v, 2, train, 2);
    CHECK(v[0] == 0 && v[2] == 0);
    CHECK(v[1] == 0 && v[3] == 1);
}

static void wrong_transforms_name_the_place(void)
{
    static const char *const wrong[] = {
        "zscroe",
        "{fill: x}",
        "fill",
        "{log1p: 2}",
        "{clip: [1]}",
        "{clip: [3, 1]}",
        "[[log1p]]",
        "{clip: 3}",
        "[log1p, log1p, log1p, log1p, log1p, log1p, log1p, log1p, log1p]"};

    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        struct fusor_error err = {0};
        struct dense_transform t;

        CHECK(read_transform(wrong[i], &t, &err) == FUSOR_EUSAGE);
        CHECK(strncmp(err.text, "job.yaml:1:", 11) == 0);
    }
}

int main(void)
{
    static const struct test_case cases[] = {
        {"statistics are of the train rows", statistics_are_of_the_train_rows},
        {"steps follow each other", steps_follow_each_other},
        {"missing values become zero at the end",
         missing_values_become_zero_at_the_end},
        {"a constant component becomes zero alone",
         a_constant_component_becomes_zero_alone},
        {"wrong transforms name the place", wrong_transforms_name_the_place},
    };

    return TEST_RUN("data.dense", cases);
}
