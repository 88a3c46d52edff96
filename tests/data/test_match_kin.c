/* Sums of texts against what one counts by hand. */
#include "data/match_kin.h"

#include "harness.h"

#include <math.h>

#include "base/mem.h"

static const float idf[] = {0, 1, 2, 3, 4, 5};
static const uint32_t first[] = {1, 2}, second[] = {2, 2, 0};
static const struct match_text a = {first, 2}, b = {second, 3};
static struct fusor_error err;

static struct match some(void)
{
    return (struct match){.idf = idf, .n_terms = 6};
}

static void texts_are_added_by_direction(void)
{
    struct match m = some();
    struct kin_sum s;
    struct match_kin kin;
    double two = 2 / sqrt(5) + 1;

    REQUIRE(kin_sum_make(6, &s, &err) == FUSOR_OK);
    kin_sum_add(&s, &m, a, sqrt(5), 1);
    kin_sum_add(&s, &m, b, 4, 1);
    kin_sum_add(&s, &m, a, sqrt(5), 0);
    kin_sum_take(&s, 0, &kin);
    CHECK(kin.n == 2 && kin.terms[0] == 1 && kin.terms[1] == 2);
    CHECK_CLOSE(kin.values[0], 1 / sqrt(5), 1e-6);
    CHECK_CLOSE(kin.values[1], two, 1e-6);
    CHECK_CLOSE(kin.square, 0.2 + two * two, 1e-5);
    CHECK_CLOSE(kin.weight, 2, 1e-6);
    CHECK_CLOSE(match_kin_cosine(&m, &kin, a, sqrt(5), 0),
                (0.2 + 2 / sqrt(5) * two) / sqrt(0.2 + two * two), 1e-5);
    /* Less itself there is b. */
    CHECK_CLOSE(match_kin_cosine(&m, &kin, a, sqrt(5), 1), 2 / sqrt(5), 1e-5);
    kin_sum_release(&s);
}

static void a_sum_begins_anew(void)
{
    struct match m = some();
    struct kin_sum s;
    struct match_kin kin;

    REQUIRE(kin_sum_make(6, &s, &err) == FUSOR_OK);
    kin_sum_add(&s, &m, a, sqrt(5), 3);
    kin_sum_take(&s, 2, &kin);
    CHECK(kin.n == 1 && kin.terms[0] == 1);
    CHECK_CLOSE(kin.square, 9.0 / 5, 1e-5);
    kin_sum_take(&s, 0, &kin);
    CHECK(kin.n == 0 && kin.weight <= 0);
    CHECK(match_kin_cosine(&m, &kin, a, sqrt(5), 0) <= 0);
    kin_sum_add(&s, &m, a, sqrt(5), 3);
    kin_sum_take(&s, 0, &kin);
    CHECK(match_kin_cosine(&m, &kin, a, sqrt(5), 3) <= 0); // only itself
    CHECK(match_kin_cosine(&m, &kin, (struct match_text){NULL, 0}, 0, 0) <= 0);
    kin_sum_release(&s);
}

/* 40 texts of one term each, terms 10 to 14 twice. */
static void the_largest_terms_stay(void)
{
    float many[48];
    struct match m = {.idf = many, .n_terms = 48};
    struct kin_sum s;
    struct match_kin kin;

    for (uint32_t t = 0; t < 48; t++)
        many[t] = t ? 1 : 0;
    REQUIRE(kin_sum_make(48, &s, &err) == FUSOR_OK);
    for (uint32_t t = 40; t >= 1; t--)
        kin_sum_add(&s, &m, (struct match_text){&t, 1}, 1,
                    t >= 10 && t < 15 ? 2 : 1);
    kin_sum_take(&s, 0, &kin);
    CHECK(kin.n == MATCH_KIN);
    CHECK_CLOSE(kin.square, 35 + 5 * 4, 1e-4);
    CHECK(kin.terms[0] == 9); // of equal ones the first: 40 to 15, 9
    for (uint32_t i = 1; i < kin.n; i++)
        CHECK(kin.terms[i] == 9 + i);
    CHECK_CLOSE(kin.values[1], 2, 1e-6);
    kin_sum_release(&s);
}

static void no_memory_is_reported(void)
{
    struct kin_sum s;

    mem_fail_after(2);
    CHECK(kin_sum_make(6, &s, &err) == FUSOR_ENOMEM);
    mem_fail_after(0);
    CHECK(s.sum == NULL && s.which == NULL);
}

int main(void)
{
    static const struct test_case cases[] = {
        {"texts are added by their direction", texts_are_added_by_direction},
        {"a sum begins anew once taken", a_sum_begins_anew},
        {"the largest terms stay", the_largest_terms_stay},
        {"no memory is reported", no_memory_is_reported},
    };
    return TEST_RUN("data.match_kin", cases);
}
