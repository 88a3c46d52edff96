/* Tests of ps/cache against a model that remembers everything: what is found is
 * what was kept last, memory stays below the bound, what is hot stays. */
#include "ps/cache.h"

#include <string.h>

#include "base/mem.h"
#include "base/rng.h"
#include "harness.h"

#define KEYS 500
#define WIDTHS 3

static const struct table_spec tables[WIDTHS] = {{.name = "a", .width = 1},
                                                 {.name = "b", .width = 5},
                                                 {.name = "c", .width = 1}};
static const struct param_spec params = {.n_tables = WIDTHS, .tables = tables};

static void fill(float *v, uint32_t table, uint64_t key, uint64_t clock)
{
    for (uint32_t i = 0; i < tables[table].width; i++)
        v[i] = (float)(clock * 1000 + key + i) + (float)table * 0.25f;
}

static void it_gives_what_was_kept_last(void)
{
    static uint64_t kept[WIDTHS][KEYS]; // 1 + clock of the newest offer
    struct rng r = rng_stream(4, RNG_TEST, 0, 0);
    struct cache *c;
    uint64_t found = 0, pinned_key = 0;
    uint32_t pinned = CACHE_NONE;
    float v[5];

    memset(kept, 0, sizeof(kept));
    REQUIRE(!cache_create(&params, 12 << 10, &c, NULL));
    CHECK(cache_bytes(c) <= 12 << 10);
    for (int i = 0; i < 30000; i++) {
        uint32_t t = (uint32_t)rng_below(&r, WIDTHS);
        uint64_t key = rng_below(&r, rng_below(&r, KEYS) + 1); // skewed
        uint64_t clock = (uint64_t)i / 100 + rng_below(&r, 3);
        uint32_t at = cache_find(c, t, key);

        if (at != CACHE_NONE) {
            found++;
            CHECK(kept[t][key] >= 1 + cache_clock(c, t, at));
            fill(v, t, key, cache_clock(c, t, at));
            CHECK(!memcmp(v, cache_row(c, t, at),
                          tables[t].width * sizeof(float)));
        }
        if (at != CACHE_NONE && pinned == CACHE_NONE && t == 1) {
            pinned = at;
            pinned_key = key;
            cache_pin(c, 1, at);
        }
        if (pinned != CACHE_NONE)
            CHECK(cache_find(c, 1, pinned_key) == pinned);
        if (i % 1000 == 0 && pinned != CACHE_NONE) {
            cache_unpin(c, 1, pinned);
            pinned = CACHE_NONE;
        }
        fill(v, t, key, clock);
        cache_keep(c, t, key, clock, v);
        if (kept[t][key] < clock + 1)
            kept[t][key] = clock + 1;
    }
    CHECK(found > 3000);
    cache_destroy(c);
    CHECK(mem_used() == 0);
}

static void an_older_value_changes_nothing(void)
{
    struct cache *c;
    float v[5];
    uint32_t at;

    REQUIRE(!cache_create(&params, 4 << 10, &c, NULL));
    fill(v, 1, 7, 20);
    cache_keep(c, 1, 7, 20, v);
    fill(v, 1, 7, 19);
    cache_keep(c, 1, 7, 19, v);
    at = cache_find(c, 1, 7);
    REQUIRE(at != CACHE_NONE);
    CHECK(cache_clock(c, 1, at) == 20);
    CHECK(cache_row(c, 1, at)[0] == 20007.25f);
    CHECK(cache_find(c, 0, 7) == CACHE_NONE &&
          cache_find(c, 2, 7) == CACHE_NONE);
    cache_forget(c);
    CHECK(cache_find(c, 1, 7) == CACHE_NONE);
    cache_destroy(c);
}

/* A scan of keys used once each must not push out those used again and again.
 */
static void what_is_hot_stays(void)
{
    struct cache *c;
    uint32_t hits = 0, asked = 0;
    uint64_t cold = 1000;
    float v[5] = {0};

    REQUIRE(!cache_create(&params, 8 << 10, &c, NULL));
    for (int round = 0; round < 400; round++) {
        for (uint64_t key = 0; key < 20; key++) {
            asked += round > 20;
            hits += cache_find(c, 1, key) != CACHE_NONE && round > 20;
            cache_keep(c, 1, key, (uint64_t)round, v);
        }
        for (int i = 0; i < 60; i++, cold++)
            if (cache_find(c, 1, cold) == CACHE_NONE)
                cache_keep(c, 1, cold, (uint64_t)round, v);
    }
    CHECK(hits > asked * 9 / 10);
    cache_destroy(c);
}

static void too_little_memory_is_refused(void)
{
    struct cache *c = NULL;
    struct fusor_error err;

    CHECK(cache_create(&params, 100, &c, &err) == FUSOR_EUSAGE);
    for (long nth = 1; nth <= 10; nth++) {
        mem_fail_after(nth);
        CHECK(cache_create(&params, 4 << 10, &c, &err) == FUSOR_ENOMEM);
    }
    mem_fail_after(0);
    CHECK(mem_used() == 0);
}

int main(void)
{
    static const struct test_case cases[] = {
        {"it gives what was kept last", it_gives_what_was_kept_last},
        {"an older value changes nothing", an_older_value_changes_nothing},
        {"what is hot stays", what_is_hot_stays},
        {"too little memory is refused", too_little_memory_is_refused},
    };

    return TEST_RUN("ps.cache", cases);
}
