/* Metric sets as bytes: round trips, and bytes that lie. */
#include "harness.h"

#include <string.h>

#include "base/hash.h"
#include "base/mem.h"
#include "base/rng.h"
#include "model/metric/bytes.h"
#include "model/metric/metric.h"

#define N_SET 7

static const uint64_t counts[50];
static const struct metric_items all_items = {.n = 50, .counts = counts};

static struct metric_set *full_set(int exact, size_t n)
{
    static const char *const names[] = {"auc",    "rmse", "ndcg@5", "gauc",
                                        "pr_auc", "ece",  "gini@3"};
    struct rng r = rng_stream(5, RNG_TEST, n, 0);
    struct metric_options o = {.exact = exact, .score_hi = 2};
    struct metric_spec specs[N_SET];
    struct metric_set *set = NULL;
    float scores[50], labels[50], weights[50];
    uint32_t items[50];

    for (size_t i = 0; i < N_SET; i++)
        REQUIRE(metric_parse(names[i], &specs[i], NULL) == FUSOR_OK);
    REQUIRE(metric_set_create(specs, N_SET, &o, &set, NULL) == FUSOR_OK);
    for (size_t i = 0; i < n; i++) {
        scores[i] = rng_float(&r);
        items[i] = (uint32_t)i;
        labels[i] = rng_below(&r, 2) ? 1 : 0;
        weights[i] = rng_float(&r);
    }
    REQUIRE(metric_set_rows(set, scores, labels, weights, n, NULL) == FUSOR_OK);
    metric_set_items(set, &all_items);
    REQUIRE(metric_set_shown(set, 1, scores, labels, items, n, NULL, NULL) ==
            FUSOR_OK);
    return set;
}

static void a_set_comes_back(void)
{
    for (int exact = 0; exact < 2; exact++) {
        for (size_t n = 0; n <= 50; n += 25) {
            struct metric_set *set = full_set(exact, n), *back = NULL;
            struct metric_result want[N_SET], got[N_SET];
            struct strbuf bytes = {0}, again = {0};

            REQUIRE(metric_set_serialise(set, &bytes, NULL) == FUSOR_OK);
            REQUIRE(metric_set_deserialise(bytes.s, bytes.len, &back, NULL) ==
                    FUSOR_OK);
            REQUIRE(metric_set_serialise(back, &again, NULL) == FUSOR_OK);
            CHECK(again.len == bytes.len);
            CHECK(!memcmp(again.s, bytes.s, bytes.len));
            CHECK(metric_set_results(set, want, NULL) == FUSOR_OK);
            CHECK(metric_set_results(back, got, NULL) == FUSOR_OK);
            for (int i = 0; i < N_SET; i++) {
                CHECK(!memcmp(&got[i].value, &want[i].value, sizeof(double)));
                CHECK(!strcmp(got[i].name, want[i].name));
                CHECK(got[i].n == want[i].n);
            }
            CHECK(metric_set_merge(back, set, NULL) == FUSOR_OK);
            strbuf_clear(&bytes);
            strbuf_clear(&again);
            metric_set_destroy(set);
            metric_set_destroy(back);
        }
    }
}

static struct metric_set *sliced_set(uint32_t number, float score)
{
    struct metric_set *set = full_set(0, 10), *slice = NULL;
    float scores[2] = {score, .5f}, labels[2] = {1, 0};

    REQUIRE(metric_set_slice(set, number, &slice, NULL) == FUSOR_OK);
    REQUIRE(metric_set_rows(slice, scores, labels, NULL, 2, NULL) == FUSOR_OK);
    return set;
}

static void slices_merge_and_travel(void)
{
    struct metric_set *a = sliced_set(3, .75f), *b = sliced_set(3, .25f);
    struct metric_set *c = sliced_set(1, .75f), *back = NULL;
    struct strbuf bytes = {0};
    struct metric_result r[N_SET];

    REQUIRE(metric_set_merge(a, b, NULL) == FUSOR_OK);
    REQUIRE(metric_set_merge(a, c, NULL) == FUSOR_OK);
    REQUIRE(metric_set_serialise(a, &bytes, NULL) == FUSOR_OK);
    REQUIRE(metric_set_deserialise(bytes.s, bytes.len, &back, NULL) ==
            FUSOR_OK);
    CHECK(!metric_set_sliced(back, 0) && !metric_set_sliced(back, 2) &&
          !metric_set_sliced(back, 4));
    REQUIRE(metric_set_sliced(back, 1) && metric_set_sliced(back, 3));
    metric_set_results(metric_set_sliced(back, 1), r, NULL);
    CHECK(r[0].value == 1 && r[0].n == 2);
    metric_set_results(metric_set_sliced(back, 3), r, NULL);
    CHECK(r[0].value == .5 && r[0].n == 4 && r[0].error < 1e-14);
    strbuf_clear(&bytes);
    metric_set_destroy(a);
    metric_set_destroy(b);
    metric_set_destroy(c);
    metric_set_destroy(back);
}

static void wrong_slices_are_refused(void)
{
    struct metric_set *set = sliced_set(2, .5f), *slice = NULL, *back = NULL;
    struct strbuf bytes = {0};
    struct fusor_error err;

    CHECK(metric_set_slice(set, METRIC_SLICES_MAX, &slice, &err) ==
          FUSOR_EINVAL);
    REQUIRE(metric_set_slice(set, 2, &slice, NULL) == FUSOR_OK);
    REQUIRE(metric_set_slice(slice, 1, &slice, NULL) == FUSOR_OK);
    REQUIRE(metric_set_serialise(set, &bytes, NULL) == FUSOR_OK);
    CHECK(metric_set_deserialise(bytes.s, bytes.len, &back, &err) ==
          FUSOR_EPROTO); // a slice of a slice
    strbuf_clear(&bytes);
    metric_set_destroy(set);
}

static void plain_rows_take_few_bytes(void)
{
    struct metric_spec auc;
    struct metric_set *set = NULL;
    struct strbuf bytes = {0};
    float score = .5f, label = 1;

    REQUIRE(metric_parse("auc", &auc, NULL) == FUSOR_OK);
    REQUIRE(metric_set_create(&auc, 1, NULL, &set, NULL) == FUSOR_OK);
    for (int i = 0; i < 100; i++)
        metric_set_rows(set, &score, &label, NULL, 1, NULL);
    REQUIRE(metric_set_serialise(set, &bytes, NULL) == FUSOR_OK);
    CHECK(bytes.len < 84);
    strbuf_clear(&bytes);
    metric_set_destroy(set);
}

static void any_flipped_or_missing_byte_is_found(void)
{
    struct metric_set *set = full_set(1, 20), *back = NULL;
    struct strbuf bytes = {0};
    struct fusor_error err;

    REQUIRE(metric_set_serialise(set, &bytes, NULL) == FUSOR_OK);
    for (size_t i = 0; i < bytes.len; i++) {
        bytes.s[i] ^= 0x10;
        CHECK(metric_set_deserialise(bytes.s, bytes.len, &back, &err) ==
              FUSOR_EPROTO);
        bytes.s[i] ^= 0x10;
        CHECK(metric_set_deserialise(bytes.s, i, &back, &err) == FUSOR_EPROTO);
    }
    CHECK(back == NULL);
    strbuf_clear(&bytes);
    metric_set_destroy(set);
}

/* Put the right checksum under changed bytes. */
static void sign(struct strbuf *b)
{
    uint64_t sum = hash_bytes(b->s, b->len - 8, 0);

    for (int i = 0; i < 8; i++)
        b->s[b->len - 8 + (size_t)i] = (char)(unsigned char)(sum >> 8 * i);
}

/* A liar can compute a checksum: whatever the bytes, an answer comes back,
 * results are within reach and no memory is lost. */
static void signed_lies_do_no_harm(void)
{
    size_t before = mem_used();

    for (int exact = 0; exact < 2; exact++) {
        struct metric_set *set = full_set(exact, 20);
        struct rng r = rng_stream(1, RNG_TEST, 9, (uint64_t)exact);
        struct strbuf bytes = {0};
        int refused = 0;

        REQUIRE(metric_set_serialise(set, &bytes, NULL) == FUSOR_OK);
        for (int t = 0; t < (exact ? 400 : 60); t++) {
            size_t at = rng_below(&r, bytes.len - 8);
            char old = bytes.s[at];
            struct metric_set *back = NULL;
            struct metric_result got[METRIC_SET_MAX];

            bytes.s[at] = (char)(unsigned char)rng_below(&r, 256);
            sign(&bytes);
            if (metric_set_deserialise(bytes.s, bytes.len, &back, NULL))
                refused++;
            else
                CHECK(metric_set_results(back, got, NULL) == FUSOR_OK);
            metric_set_destroy(back);
            bytes.s[at] = old;
        }
        CHECK(refused > 10);
        strbuf_clear(&bytes);
        metric_set_destroy(set);
    }
    CHECK(mem_used() == before);
}

static void extra_bytes_are_refused(void)
{
    struct metric_set *set = full_set(0, 5), *back = NULL;
    struct strbuf bytes = {0};

    REQUIRE(metric_set_serialise(set, &bytes, NULL) == FUSOR_OK);
    strbuf_add(&bytes, "12345678");
    sign(&bytes);
    CHECK(metric_set_deserialise(bytes.s, bytes.len, &back, NULL) ==
          FUSOR_EPROTO);
    CHECK(metric_set_deserialise(bytes.s, 0, &back, NULL) == FUSOR_EPROTO);
    strbuf_clear(&bytes);
    metric_set_destroy(set);
}

static void numbers_come_back(void)
{
    static const uint64_t values[] = {0, 1, 127, 128, 1u << 31, UINT64_MAX};
    struct strbuf b = {0};
    struct bytes in;

    for (size_t i = 0; i < 6; i++)
        bytes_put_varint(&b, values[i]);
    bytes_put_i128(&b, -((metric_i128)5 << 80));
    bytes_put_double(&b, -0.1);
    in = (struct bytes){(const unsigned char *)b.s, b.len, 0};
    for (size_t i = 0; i < 6; i++)
        CHECK(bytes_get_varint(&in) == values[i]);
    CHECK(bytes_get_i128(&in) == -((metric_i128)5 << 80));
    CHECK(bytes_get_double(&in) == -0.1);
    CHECK(!in.bad && in.left == 0);
    CHECK(bytes_get(&in, 1) == 0 && in.bad);
    strbuf_clear(&b);
    in = (struct bytes){(const unsigned char *)"\xff\xff\xff\xff\xff\xff\xff"
                                               "\xff\xff\x02",
                        10, 0};
    CHECK(bytes_get_varint(&in) == 0 && in.bad); // 65 bits
}

int main(void)
{
    static const struct test_case cases[] = {
        {"a set comes back", a_set_comes_back},
        {"slices merge and travel", slices_merge_and_travel},
        {"wrong slices are refused", wrong_slices_are_refused},
        {"plain rows take few bytes", plain_rows_take_few_bytes},
        {"any flipped or missing byte is found",
         any_flipped_or_missing_byte_is_found},
        {"signed lies do no harm", signed_lies_do_no_harm},
        {"extra bytes are refused", extra_bytes_are_refused},
        {"numbers come back", numbers_come_back},
    };

    return TEST_RUN("model.metric_wire", cases);
}
