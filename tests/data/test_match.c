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
                  (struct match_text){item, 5}, NULL, &out);
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
    CHECK_CLOSE(value("explained"), 10.0 / 13, 1e-6); // but the 3
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
                  (struct match_text){other, 3}, NULL, &out);
    CHECK_CLOSE(out, 0.7, 1e-6);
    m = one("place");
    match_compute(&m, (struct match_text){query, 4},
                  (struct match_text){other, 3}, NULL, &out);
    CHECK_CLOSE(out, 1.0 / 3, 1e-6);
    m = one("rarest");
    match_compute(&m, (struct match_text){query, 4},
                  (struct match_text){other, 3}, NULL, &out);
    CHECK(out == 0);
}

static void places_are_weighed(void)
{
    CHECK_CLOSE(value("tail"), 6.0 / 10, 1e-6); // places 1, 2, 3 of 4
    CHECK_CLOSE(value("longest"), 2.0 / 4, 1e-6);
    CHECK_CLOSE(value("window"), 3.0 / 4, 1e-6); // 2 5 3 1
    CHECK_CLOSE(value("head"), 0, 1e-6);
    CHECK_CLOSE(value("spread"), 0, 1e-6);
    CHECK_CLOSE(value("rarity"), (1 + 2 + 5) / 30.0, 1e-6);
    CHECK_CLOSE(value("commonest"), 0.1, 1e-6);
    /* Query 1, 2, 5 and item 2 * 2, 5, 3, 1 by idf. */
    CHECK_CLOSE(value("cosine"), (1 + 8 + 25) / sqrt(30.0 * (16 + 25 + 9 + 1)),
                1e-6);
}

/* Two words in pieces, 1 2 3 and 4 5; 5 is a number. */
static const uint8_t kind[] = {0, MATCH_BEGINS, 0,
                               0, MATCH_BEGINS, MATCH_NUMBER};
static const uint32_t pieces[] = {1, 2, 3, 4, 5}, title[] = {4, 3, 1, 2, 0};

static double word_value(const char *name)
{
    struct match m = one(name);
    float out;

    m.kind = kind;
    match_compute(&m, (struct match_text){pieces, 5},
                  (struct match_text){title, 5}, NULL, &out);
    return (double)out;
}

static void words_of_pieces_fit_by_dice(void)
{
    double first = 2 * 2.0 / (3 + 3), last = 2 * 1.0 / (2 + 2);
    double idf_first = (1 + 2 + 3) / 3.0, idf_last = (4 + 5) / 2.0;

    CHECK_CLOSE(word_value("word_fit"), (first + last) / 2, 1e-6);
    CHECK_CLOSE(word_value("word_idf"),
                (idf_first * first + idf_last * last) / (idf_first + idf_last),
                1e-6);
    CHECK_CLOSE(word_value("word_worst"), last, 1e-6);
    CHECK_CLOSE(word_value("word_last"), last, 1e-6);
    CHECK_CLOSE(word_value("word_hits"), 1, 1e-6);
    CHECK_CLOSE(word_value("word_place"), 1.0 / 2, 1e-6);
    CHECK_CLOSE(word_value("words"), log(3), 1e-6);
    CHECK_CLOSE(word_value("numbers"), -1, 1e-6);
    CHECK_CLOSE(value("word_fit"), 2 * 3.0 / (4 + 5), 1e-6); // one word
}

static double field_value(const char *name, const struct match_field *field)
{
    static const uint32_t other[] = {5, 3};
    struct match m = one(name);
    float out;

    match_compute(&m, (struct match_text){query, 4},
                  (struct match_text){other, 2}, field, &out);
    return (double)out;
}

static void other_items_set_the_measure(void)
{
    struct match_field field = {.most = 8};

    field.above[10] = 3; // 5 of 8 is level 10
    field.above[MATCH_LEVELS] = 2;
    CHECK_CLOSE(field_value("best", &field), 5.0 / 8, 1e-6);
    CHECK_CLOSE(field_value("ahead", &field), log(4), 1e-6);
    CHECK_CLOSE(field_value("rivals", &field), log(3), 1e-6);
    CHECK(field_value("best", NULL) == 0);
    field = (struct match_field){0};
    CHECK(field_value("best", &field) == 0);
    CHECK(field_value("ahead", &field) == 0);
    CHECK(match_level(8, 8) == MATCH_LEVELS && match_level(4, 8) == 8 &&
          match_level(0, 0) == 0);
}

/* Items with term 5 have term 3 too; the item has 3 but not 5. */
static double kin_value(const char *name, const struct match_field *field)
{
    static const struct match_kin kin[6] = {
        [5] = {.n = 1, .terms = {3}, .values = {2}, .square = 4}};
    static const uint32_t two[] = {1, 5}, other[] = {1, 3};
    struct match m = one(name);
    float out;

    m.kin = kin;
    match_compute(&m, (struct match_text){two, 2},
                  (struct match_text){other, 2}, field, &out);
    return (double)out;
}

static void items_like_those_that_have_a_term_fit(void)
{
    double fit = 3 / sqrt(1 + 9);
    struct match_kin like = {
        .n = 1, .terms = {3}, .values = {1}, .square = 1, .weight = 2};
    struct match_field field = {.most = 6, .kin = &like};

    CHECK_CLOSE(kin_value("kin", NULL), (1 + 5 * fit) / 6, 1e-6);
    CHECK_CLOSE(kin_value("kin_worst", NULL), fit, 1e-6);
    CHECK_CLOSE(kin_value("kin_last", NULL), fit, 1e-6);
    CHECK_CLOSE(kin_value("like", &field), fit, 1e-6); // level 2: is not in it
    CHECK_CLOSE(kin_value("unity", &field), 0.5, 1e-6);
    CHECK(kin_value("like", NULL) == 0);
    like.weight = 0;
    CHECK(kin_value("unity", &field) == 0);
    CHECK(match_level_weight(12) <= 0);
    CHECK_CLOSE(match_level_weight(MATCH_LEVELS), 4, 1e-12);
}

static void empty_texts_give_numbers(void)
{
    for (int f = 0; match_features[f]; f++) {
        struct match m = one(match_features[f]);
        float out = 7;

        match_compute(&m, (struct match_text){NULL, 0},
                      (struct match_text){item, 5}, NULL, &out);
        CHECK(out == 0);
        match_compute(&m, (struct match_text){query, 4},
                      (struct match_text){NULL, 0}, NULL, &out);
        CHECK(isfinite(out));
        match_compute(&m, (struct match_text){query, 1},
                      (struct match_text){item, 1}, NULL, &out);
        CHECK(isfinite(out));
    }
}

int main(void)
{
    static const struct test_case cases[] = {
        {"terms are counted", terms_are_counted},
        {"places and neighbours are seen", places_and_neighbours_are_seen},
        {"what the item lacks is weighed", what_lacks_is_weighed},
        {"places in both texts are weighed", places_are_weighed},
        {"words of pieces fit by their Dice coefficient",
         words_of_pieces_fit_by_dice},
        {"what other items have sets the measure", other_items_set_the_measure},
        {"items like those that have a term fit",
         items_like_those_that_have_a_term_fit},
        {"empty texts give numbers", empty_texts_give_numbers},
    };
    return TEST_RUN("data.match", cases);
}
