/* Results as bytes. */
#include "train/result.h"

#include <math.h>
#include <string.h>

#include "harness.h"

static void an_epoch_result_survives_the_wire(void)
{
    struct epoch_result r = {.samples = 7,
                             .loss = -5,
                             .busy_ns = 1ull << 60,
                             .wait_ns = 3,
                             .profile = {{9, 8}, 1, 2, 3},
                             .n_towers = 2,
                             .weighed = 9,
                             .weights = {11, -13}},
                        back;
    struct strbuf text = {0};
    struct fusor_error err;

    epoch_result_encode(&r, &text);
    epoch_result_encode(&r, &text); // replaces
    REQUIRE(epoch_result_decode(text.s, text.len, &back, NULL) == FUSOR_OK);
    CHECK(memcmp(&r, &back, sizeof(r)) == 0);
    CHECK(epoch_result_decode(text.s, text.len - 1, &back, &err) ==
          FUSOR_EPROTO);
    CHECK(strstr(err.text, "bytes instead of") != NULL);
    CHECK(epoch_result_decode(text.s, 8, &back, &err) == FUSOR_EPROTO);
    strbuf_clear(&text);
}

static void sums_stay_inside_their_range(void)
{
    struct epoch_result a = {.samples = 1,
                             .loss = INT64_MAX - 1,
                             .busy_ns = 2,
                             .wait_ns = 3,
                             .profile = {{9, 8}, 1, 2, 3}},
                        b = {.samples = 4,
                             .loss = 5,
                             .busy_ns = 6,
                             .wait_ns = 7,
                             .profile = {{1, 0, 2}, 4, 5, 6}};
    int64_t low = INT64_MIN + 1;

    epoch_result_add(&a, &b);
    CHECK(a.samples == 5 && a.busy_ns == 8 && a.wait_ns == 10);
    CHECK(a.loss == INT64_MAX);
    CHECK(a.profile.ns[0] == 10 && a.profile.ns[1] == 8);
    CHECK(a.profile.ns[2] == 2 && a.profile.steps == 5);
    CHECK(a.profile.sent == 7 && a.profile.received == 9);
    result_add_loss(&low, -2);
    CHECK(low == INT64_MIN);
}

static void weights_add_up_over_samples(void)
{
    static const double first[2] = {1.5, 0.5}, second[2] = {1, -3},
                        wild[2] = {INFINITY, 0};
    struct epoch_result a = {0}, b = {0};

    epoch_result_weigh(&a, first, 2, 2);
    epoch_result_weigh(&b, second, 2, 1);
    epoch_result_add(&a, &b);
    epoch_result_add(&b, &(struct epoch_result){.samples = 1}); // no weights
    CHECK(a.weighed == 3 && a.n_towers == 2);
    CHECK((double)a.weights[0] == 2.5 * RESULT_LOSS_ONE);
    CHECK((double)a.weights[1] == -2.5 * RESULT_LOSS_ONE);
    CHECK(b.weighed == 1 && b.n_towers == 2);
    epoch_result_weigh(&b, wild, 2, 1);
    CHECK((double)b.weights[0] == RESULT_LOSS_ONE);
}

static void a_cut_result_survives_the_wire_and_adds_up(void)
{
    struct cut_result r = {1, 2, 3, 4, 5, 6, {5, 0, 6}, {{7}, 8, 0, 0}};
    struct cut_result back, sum = {0};
    struct strbuf text = {0};

    r.staleness_count[CUT_STALENESS_MAX - 1] = 9;
    cut_result_encode(&r, &text);
    REQUIRE(cut_result_decode(text.s, text.len, &back, NULL) == FUSOR_OK);
    CHECK(memcmp(&r, &back, sizeof(r)) == 0);
    CHECK(cut_result_decode(text.s, 8, &back, NULL) == FUSOR_EPROTO);
    cut_result_add(&sum, &r);
    cut_result_add(&sum, &r);
    CHECK(sum.rows == 2 && sum.duplicates == 8);
    CHECK(sum.staleness_count[2] == 12);
    CHECK(sum.profile.ns[0] == 14 && sum.profile.steps == 16);
    CHECK(sum.staleness_count[CUT_STALENESS_MAX - 1] == 18);
    strbuf_clear(&text);
}

static void counts_are_taken_since_the_cut_before(void)
{
    struct cut_result before = {10, 5, 50, 2, 1, 0, {7, 7}, {{5}, 5, 5, 5}};
    struct cut_result now = {12, 8, 1, 2, 4, 0, {9, 7, 1}, {{6}, 4, 0, 0}};
    struct cut_result since = cut_result_since(&now, &before);

    CHECK(since.rows == 12 && since.pulls == 3 && since.duplicates == 0);
    CHECK(since.evicted == 3);
    CHECK(since.pushes == 1); // the shard was started anew
    CHECK(since.staleness_count[0] == 2 && since.staleness_count[1] == 0);
    CHECK(since.staleness_count[2] == 1);
    CHECK(since.profile.ns[0] == 6 && since.profile.steps == 4);
}

int main(void)
{
    static const struct test_case cases[] = {
        {"an epoch's result survives the wire",
         an_epoch_result_survives_the_wire},
        {"weights add up over samples", weights_add_up_over_samples},
        {"sums stay inside their range", sums_stay_inside_their_range},
        {"a cut's result survives the wire and adds up",
         a_cut_result_survives_the_wire_and_adds_up},
        {"counts are taken since the cut before",
         counts_are_taken_since_the_cut_before},
    };

    return TEST_RUN("train.result", cases);
}
