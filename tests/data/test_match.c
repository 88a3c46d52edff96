/* Features of two texts against what one counts by hand. */
#include "data/match.h"

#include "harness.h"

#include <string.h>

static const float idf[] = {0, 1, 2, 3, 4, 5};

static struct match one(const char *name)
{
    struct match m = {.idf = idf, .n_terms = 6, .n_features = 1};

    while (match_features[m.features[0]] &&
           strcmp(match_features[m.features[0]], name) != 0)
        m.features[0]++;
    REQUIRE(match_features[m.features[0]] != NULL);
    return m;
}

static const uint32_t query[] = {1, 2, 5, 0}, item[] = {2, 5, 3, 1, 2};

static double value(const char *name)
{
    struct match m = one(name);
    float out;

    match_compute(&m, (struct match_text){query, 4},
                  (struct match_text){item, 5}, &out);
    return (double)out;
}

static void terms_are_counted(void)
{
    CHECK_CLOSE(value("overlap"), 0.75, 1e-6);
    CHECK_CLOSE(value("unknown"), 0.25, 1e-6);
    CHECK_CLOSE(value("idf_overlap"), 1, 1e-6); // the unknown weighs nothing
    CHECK_CLOSE(value("missing"), 0, 1e-6);
    CHECK_CLOSE(value("count"), log(1 + 4), 1e-6);
    CHECK_CLOSE(value("jaccard"), 3.0 / 5, 1e-6);
    CHECK_CLOSE(value("query_length"), log(5), 1e-6);
    CHECK_CLOSE(value("item_length"), log(6), 1e-6);
}

static void places_and_neighbours_are_seen(void)
{
    CHECK_CLOSE(value("bigram"), 2.0 / 3, 1e-6); // 1 2, 2 5
    CHECK_CLOSE(value("order"), 2.0 / 3, 1e-6);
    CHECK_CLOSE(value("first"), 1, 1e-6);
    CHECK_CLOSE(value("last"), 0, 1e-6);
    CHECK_CLOSE(value("rarest"), 1, 1e-6);
    CHECK_CLOSE(value("place"), 1, 1e-6);
}

static void what_lacks_is_weighed(void)
{
    static const uint32_t other[] = {9, 9, 1};
    struct match m = one("missing");
    float out;

    match_compute(&m, (struct match_text){query, 4},
                  (struct match_text){other, 3}, &out);
    CHECK_CLOSE(out, 0.7, 1e-6);
    m = one("place");
    match_compute(&m, (struct match_text){query, 4},
                  (struct match_text){other, 3}, &out);
    CHECK_CLOSE(out, 1.0 / 3, 1e-6);
    m = one("rarest");
    match_compute(&m, (struct match_text){query, 4},
                  (struct match_text){other, 3}, &out);
    CHECK(out == 0);
}

static void empty_texts_give_numbers(void)
{
    for (int f = 0; match_features[f]; f++) {
        struct match m = one(match_features[f]);
        float out = 7;

        match_compute(&m, (struct match_text){NULL, 0},
                      (struct match_text){item, 5}, &out);
        CHECK(out == 0);
        match_compute(&m, (struct match_text){query, 4},
                      (struct match_text){NULL, 0}, &out);
        CHECK(isfinite(out));
        match_compute(&m, (struct match_text){query, 1},
                      (struct match_text){item, 1}, &out);
        CHECK(isfinite(out));
    }
}

int main(void)
{
    static const struct test_case cases[] = {
        {"terms are counted", terms_are_counted},
        {"places and neighbours are seen", places_and_neighbours_are_seen},
        {"what the item lacks is weighed", what_lacks_is_weighed},
        {"empty texts give numbers", empty_texts_give_numbers},
    };
    return TEST_RUN("data.match", cases);
}
