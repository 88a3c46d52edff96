/* Other versions of a sequence: what may change, how often, the same for all
 * who ask. */
#include "data/augment.h"

#include <string.h>

#include "base/batch.h"
#include "harness.h"

#define N 10

static void fill(uint64_t *ids)
{
    for (uint64_t i = 0; i < N; i++)
        ids[i] = 100 + i;
}

static void a_crop_is_a_run(void)
{
    struct augment a = {.crop = 0.65, .probability = 1, .seed = 3};
    uint32_t begins = 0;

    for (uint64_t sample = 0; sample < 200; sample++) {
        uint64_t ids[N];

        fill(ids);
        CHECK(augment_events(&a, 1, sample, ids, N) == 6); // 6.5 down
        CHECK(augment_length(&a, 1, sample, N) == 6);
        for (int i = 1; i < 6; i++)
            CHECK(ids[i] == ids[i - 1] + 1);
        begins |= 1u << (ids[0] - 100);
    }
    CHECK(begins == 0x1f); // any of 0 to 4
    a.crop = 0.01;
    CHECK(augment_length(&a, 0, 0, N) == 1);
    CHECK(augment_length(&a, 0, 0, 0) == 0);
}

static void a_mask_hides_its_share_anywhere(void)
{
    struct augment a = {.mask = 0.3, .probability = 1, .seed = 3};
    uint32_t hidden[N] = {0};

    for (uint64_t sample = 0; sample < 1000; sample++) {
        uint64_t ids[N];
        uint32_t n = 0;

        fill(ids);
        CHECK(augment_events(&a, 1, sample, ids, N) == N);
        for (uint32_t i = 0; i < N; i++) {
            CHECK(ids[i] == 100 + i || ids[i] == VOCAB_UNKNOWN);
            n += ids[i] == VOCAB_UNKNOWN;
            hidden[i] += ids[i] == VOCAB_UNKNOWN;
        }
        CHECK(n == 3);
    }
    for (int i = 0; i < N; i++) // 300 expected, a deviation is 14.5
        CHECK(hidden[i] > 240 && hidden[i] < 360);
}

static void reordering_moves_a_run_only(void)
{
    struct augment a = {.reorder = 0.5, .probability = 1, .seed = 3};
    uint32_t moved = 0;

    for (uint64_t sample = 0; sample < 200; sample++) {
        uint64_t ids[N];
        uint32_t seen = 0, first = N, last = 0;

        fill(ids);
        CHECK(augment_events(&a, 1, sample, ids, N) == N);
        for (uint32_t i = 0; i < N; i++) {
            seen |= 1u << (ids[i] - 100);
            if (ids[i] == 100 + i)
                continue;
            first = i < first ? i : first;
            last = i;
        }
        CHECK(seen == 0x3ff);
        CHECK(first == N || last - first < 5);
        moved += first < N;
    }
    CHECK(moved > 180); // of 120 orders one is the same
}

/* 2000 samples, half of them changed, a third of those each way: 333 of each,
 * a deviation is 17. */
static void one_of_them_with_its_probability(void)
{
    struct augment a = {0.5, 0.5, 0.8, 0.5, 7};
    uint32_t crops = 0, masks = 0, orders = 0, other = 0;

    for (uint64_t sample = 0; sample < 2000; sample++) {
        uint64_t ids[N], again[N], next[N];
        uint32_t n, hidden = 0, moved = 0;

        fill(ids);
        fill(again);
        fill(next);
        n = augment_events(&a, 4, sample, ids, N);
        CHECK(augment_length(&a, 4, sample, N) == n);
        CHECK(augment_events(&a, 4, sample, again, N) == n);
        CHECK(memcmp(ids, again, n * sizeof(*ids)) == 0);
        other += augment_events(&a, 5, sample, next, N) != n ||
                 memcmp(ids, next, n * sizeof(*ids)) != 0;
        for (uint32_t i = 0; i < n; i++) {
            hidden += ids[i] == VOCAB_UNKNOWN;
            moved += ids[i] != 100 + i;
        }
        crops += n < N;
        masks += n == N && hidden > 0;
        orders += n == N && hidden == 0 && moved > 0;
    }
    CHECK(crops > 265 && crops < 402);
    CHECK(masks > 265 && masks < 402);
    CHECK(orders > 265 && orders < 402);
    CHECK(other > 1000); // another epoch, another version
}

static void nothing_is_asked_nothing_is_done(void)
{
    struct augment a = {.crop = 0.5, .seed = 7};
    uint64_t ids[N], want[N];

    fill(ids);
    fill(want);
    for (uint64_t sample = 0; sample < 50; sample++)
        CHECK(augment_events(&a, 0, sample, ids, N) == N);
    CHECK(memcmp(ids, want, sizeof(ids)) == 0);
}

int main(void)
{
    static const struct test_case cases[] = {
        {"a crop is a run", a_crop_is_a_run},
        {"a mask hides its share anywhere", a_mask_hides_its_share_anywhere},
        {"reordering moves a run only", reordering_moves_a_run_only},
        {"one of them with its probability", one_of_them_with_its_probability},
        {"nothing is asked, nothing is done", nothing_is_asked_nothing_is_done},
    };

    return TEST_RUN("data.augment", cases);
}
