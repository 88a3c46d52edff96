/* Tests of train/load: what shards count survives the wire and the disk. */
#include "train/load.h"

#include <stdio.h>
#include <string.h>

#include "harness.h"

static struct load a, b, sum;

static void make(void)
{
    memset(&a, 0, sizeof(a));
    memset(&b, 0, sizeof(b));
    memset(&sum, 0, sizeof(sum));
    a.rows_asked = 100;
    a.rows_held = 7;
    a.bytes_held = 999;
    a.buckets[0] = (struct bucket_load){60, 6000};
    a.buckets[BUCKET_COUNT - 1] = (struct bucket_load){40, 1ull << 40};
    b.rows_asked = 3;
    b.buckets[17] = (struct bucket_load){3, 12};
}

static void loads_of_shards_add_up_behind_another_result(void)
{
    struct strbuf text = {0};
    uint64_t cost = 0;
    size_t before = 0;

    make();
    strbuf_add(&text, "in front");
    load_encode(&a, &text);
    REQUIRE(!load_add_encoded(&sum, text.s, text.len, &cost, &before, NULL));
    CHECK(before == 8);
    CHECK(cost == bucket_load_cost(&a.buckets[0]) +
                      bucket_load_cost(&a.buckets[BUCKET_COUNT - 1]));
    strbuf_clear(&text);
    load_encode(&b, &text);
    REQUIRE(!load_add_encoded(&sum, text.s, text.len, NULL, &before, NULL));
    CHECK(before == 0 && sum.rows_asked == 103 && sum.rows_held == 7);
    CHECK(sum.bytes_held == 999 && sum.buckets[17].bytes == 12);
    CHECK(sum.buckets[0].rows == 60);
    strbuf_clear(&text);
}

static void what_is_no_load_is_refused(void)
{
    struct strbuf text = {0};
    size_t before;

    make();
    load_encode(&a, &text);
    for (size_t n = 0; n < text.len; n++)
        if (load_add_encoded(&sum, text.s, n, NULL, &before, NULL) == FUSOR_OK)
            CHECK(before < n); // its last word looks like a small number
    text.s[text.len - 1] = 1;
    CHECK(load_add_encoded(&sum, text.s, text.len, NULL, &before, NULL) ==
          FUSOR_EPROTO);
    strbuf_clear(&text);
}

static void imbalance_is_the_largest_over_the_mean(void)
{
    uint64_t even[] = {5, 5, 5}, odd[] = {0, 9, 0}, none[] = {0, 0};

    CHECK_CLOSE(load_imbalance(even, 3), 1, 1e-12);
    CHECK_CLOSE(load_imbalance(odd, 3), 3, 1e-12);
    CHECK_CLOSE(load_imbalance(none, 2), 1, 1e-12);
}

static void a_file_is_written_and_read(void)
{
    const char *dir = test_tmpdir();
    struct fusor_error err;

    make();
    CHECK(load_read(dir, &sum, &err) == FUSOR_EUSAGE);
    CHECK(strstr(err.text, "load.json") != NULL);
    REQUIRE(!load_write(dir, &a, 1.5, &err));
    REQUIRE(!load_read(dir, &sum, &err));
    CHECK(!memcmp(sum.buckets, a.buckets, sizeof(a.buckets)));
}

static void a_damaged_file_is_named(void)
{
    const char *texts[] = {"{}", "{\"version\": 2}",
                           "{\"version\": 1, \"rows\": [1]}",
                           "{\"version\": 1, \"rows\": 3}", "["};
    char dir[512];
    struct fusor_error err;

    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        const char *path = test_write(LOAD_FILE, texts[i]);

        snprintf(dir, sizeof(dir), "%.*s", (int)(strrchr(path, '/') - path),
                 path);
        CHECK(load_read(dir, &sum, &err) == FUSOR_EUSAGE);
        CHECK(strstr(err.text, LOAD_FILE) != NULL);
    }
}

int main(void)
{
    static const struct test_case cases[] = {
        {"loads of shards add up behind another result",
         loads_of_shards_add_up_behind_another_result},
        {"what is no load is refused", what_is_no_load_is_refused},
        {"imbalance is the largest over the mean",
         imbalance_is_the_largest_over_the_mean},
        {"a file is written and read", a_file_is_written_and_read},
        {"a damaged file is named", a_damaged_file_is_named},
    };

    return TEST_RUN("train.load", cases);
}
