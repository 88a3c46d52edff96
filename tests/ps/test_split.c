/* Tests of ps/split: every key goes to its owner, places are dense. */
#include "ps/split.h"

#include "base/mem.h"
#include "base/rng.h"
#include "harness.h"

static void every_key_goes_to_its_owner(void)
{
    static uint64_t list[3000];
    struct step_keys keys = {.keys = list};
    struct rng r = rng_stream(2, RNG_TEST, 0, 0);
    uint16_t map[BUCKET_COUNT];
    struct table_split s;

    for (uint32_t n_shards = 1; n_shards < 9; n_shards++) {
        REQUIRE(!table_split_init(&s, n_shards, NULL));
        bucket_map_default(n_shards, map);
        for (int round = 0; round < 20; round++) {
            uint32_t seen[9] = {0};

            keys.n = (uint32_t)rng_below(&r, 3000);
            for (uint32_t i = 0; i < keys.n; i++)
                list[i] = rng_u64(&r);
            REQUIRE(!table_split_keys(&s, 3, &keys, map, n_shards, NULL));
            CHECK(s.n == keys.n);
            for (uint32_t i = 0; i < keys.n; i++) {
                CHECK(s.shard[i] == map[bucket_of_key(3, list[i])]);
                CHECK(s.place[i] == seen[s.shard[i]]++);
            }
            for (uint32_t o = 0; o < n_shards; o++)
                CHECK(s.n_of[o] == seen[o]);
        }
        table_split_clear(&s);
    }
}

static void memory_that_is_out_is_reported(void)
{
    uint64_t list[1] = {1};
    struct step_keys keys = {1, list};
    uint16_t map[BUCKET_COUNT] = {0};
    struct table_split s;

    mem_fail_after(1);
    CHECK(table_split_init(&s, 2, NULL) == FUSOR_ENOMEM);
    REQUIRE(!table_split_init(&s, 2, NULL));
    for (long nth = 1; nth <= 2; nth++) {
        mem_fail_after(nth);
        CHECK(table_split_keys(&s, 0, &keys, map, 2, NULL) == FUSOR_ENOMEM);
    }
    mem_fail_after(0);
    CHECK(table_split_keys(&s, 0, &keys, map, 2, NULL) == FUSOR_OK);
    table_split_clear(&s);
    CHECK(mem_used() == 0);
}

int main(void)
{
    static const struct test_case cases[] = {
        {"every key goes to its owner", every_key_goes_to_its_owner},
        {"memory that is out is reported", memory_that_is_out_is_reported},
    };

    return TEST_RUN("ps.split", cases);
}
