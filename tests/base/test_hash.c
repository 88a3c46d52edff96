/* Hashes against published values; they are on disk, so they never change. */

#include "base/hash.h"

#include "harness.h"

/* SplitMix64 from seed 0: the first outputs of Vigna's splitmix64.c. */
static void mix_is_splitmix(void)
{
    CHECK(hash_mix(0x9e3779b97f4a7c15u) == 0xe220a8397b1dcdafu);
    CHECK(hash_mix(2 * 0x9e3779b97f4a7c15u) == 0x6e789e6aa1b965f4u);
    CHECK(hash_mix(3 * 0x9e3779b97f4a7c15u) == 0x06c45d188009454fu);
    CHECK(hash_mix(0) == 0);
}

static void key_depends_on_table(void)
{
    CHECK(hash_key(0, 0) == 0xe220a8397b1dcdafu);
    CHECK(hash_key(1, 0) == 0x6e789e6aa1b965f4u);
    CHECK(hash_key(0, 1) != hash_key(0, 0));
}

/* 4096 buckets, 100 keys each on average: a bucket's count is Poisson with
 * deviation 10, and 4096 of them stay within 6 deviations but for a chance of
 * 4096 * 2e-9. */
static void top_bits_spread_keys(void)
{
    static int count[4096];
    int least = 1 << 30, most = 0;

    for (uint64_t k = 0; k < 409600; k++)
        count[hash_key(3, k) >> 52]++;
    for (int i = 0; i < 4096; i++) {
        least = count[i] < least ? count[i] : least;
        most = count[i] > most ? count[i] : most;
    }
    CHECK(least >= 40 && most <= 160);
}

/* XXH3_64bits("") from the xxHash specification's test vectors. */
static void bytes_are_xxh3(void)
{
    CHECK(hash_bytes("", 0, 0) == 0x2d06800538d394c2u);
    CHECK(hash_bytes("a", 1, 0) != hash_bytes("a", 1, 1));
}

static void pieces_equal_the_whole(void)
{
    struct hash_stream *h = hash_stream_create();
    char text[1000];

    REQUIRE(h != NULL);
    for (size_t i = 0; i < sizeof(text); i++)
        text[i] = (char)(i * 7);
    hash_stream_add(h, text, 1);
    hash_stream_add(h, text + 1, 0);
    hash_stream_add(h, text + 1, 998);
    hash_stream_add(h, text + 999, 1);
    CHECK(hash_stream_value(h) == hash_bytes(text, sizeof(text), 0));
    hash_stream_destroy(h);
    hash_stream_destroy(NULL);
}

int main(void)
{
    static const struct test_case cases[] = {
        {"the mixer is SplitMix64's", mix_is_splitmix},
        {"a key's place depends on its table", key_depends_on_table},
        {"the top bits spread keys over buckets", top_bits_spread_keys},
        {"bytes are hashed by XXH3", bytes_are_xxh3},
        {"pieces hash like the whole", pieces_equal_the_whole},
    };

    return TEST_RUN("base.hash", cases);
}
