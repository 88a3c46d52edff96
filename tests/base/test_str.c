/* The growing buffer, nearest names, patterns, counts for people. */
#include <string.h>

#include "base/mem.h"
#include "base/str.h"

#include "harness.h"

static void buffer_grows(void)
{
    size_t before = mem_used();
    struct strbuf b = {0};

    for (int i = 0; i < 1000; i++)
        strbuf_addf(&b, "%d,", i % 10);
    strbuf_add(&b, "end");
    strbuf_add_n(&b, "...", 1);
    REQUIRE(!b.failed);
    CHECK(b.len == 2004 && strlen(b.s) == 2004);
    CHECK(strcmp(b.s + 1998, "9,end.") == 0);
    strbuf_clear(&b);
    CHECK(mem_used() == before && b.s == NULL);
}

static void adding_nothing_terminates(void)
{
    struct strbuf b = {0};

    strbuf_add(&b, "");
    REQUIRE(b.s != NULL);
    CHECK(b.s[0] == '\0');
    strbuf_clear(&b);
}

static void failure_drops_the_text(void)
{
    size_t before = mem_used();
    struct strbuf b = {0};

    strbuf_add(&b, "some text");
    mem_fail_after(1);
    strbuf_addf(&b, "%0200d", 1);
    strbuf_add(&b, "more");
    CHECK(b.failed && b.s == NULL && b.len == 0);
    CHECK(mem_used() == before);
    strbuf_clear(&b);
    CHECK(!b.failed);
}

static void nearest_finds_slips(void)
{
    static const char *const names[] = {"epochs",     "lr",   "optimizer",
                                        "batch_size", "seed", NULL};

    CHECK(strcmp(str_nearest("epoch", names), "epochs") == 0);
    CHECK(strcmp(str_nearest("optimiser", names), "optimizer") == 0);
    CHECK(strcmp(str_nearest("sede", names), "seed") == 0);
    CHECK(strcmp(str_nearest("rl", names), "lr") == 0);
    CHECK(strcmp(str_nearest("batchsize", names), "batch_size") == 0);
    CHECK(strcmp(str_nearest("seed", names), "seed") == 0);
}

static void nearest_gives_up(void)
{
    static const char *const names[] = {"epochs", "lr", NULL};
    char longer[200];

    CHECK(str_nearest("momentum", names) == NULL);
    CHECK(str_nearest("x", names) == NULL);
    CHECK(str_nearest("", names) == NULL);
    memset(longer, 'e', sizeof(longer) - 1);
    longer[sizeof(longer) - 1] = '\0';
    CHECK(str_nearest(longer, names) == NULL);
}

static void people_read_counts(void)
{
    static const struct {
        double n;
        const char *count, *bytes;
    } want[] = {
        {0, "0", "0 B"},
        {999, "999", "999 B"},
        {1234, "1.2 k", "1.2 KiB"},
        {999999, "1.0 M", "976.6 KiB"},
        {3.4e6, "3.4 M", "3.2 MiB"},
        {1610612736, "1.6 G", "1.5 GiB"},
        {12.34, "12.3", "12.3 B"},
        {-2000, "-2.0 k", "-2.0 KiB"},
    };
    char out[16];

    for (size_t i = 0; i < sizeof(want) / sizeof(want[0]); i++) {
        CHECK(strcmp(str_count(want[i].n, out), want[i].count) == 0);
        CHECK(strcmp(str_bytes(want[i].n, out), want[i].bytes) == 0);
    }
    CHECK(strlen(str_count(1e300, out)) < 16);
    CHECK(strlen(str_bytes(-1e300, out)) < 16);
    CHECK(strlen(str_bytes((double)NAN, out)) < 16);
    CHECK(strlen(str_bytes((double)INFINITY, out)) < 16);
}

static void people_read_durations(void)
{
    char out[16];

    CHECK(strcmp(str_duration(0, out), "0:00") == 0);
    CHECK(strcmp(str_duration(65, out), "1:05") == 0);
    CHECK(strcmp(str_duration(59.7, out), "1:00") == 0);
    CHECK(strcmp(str_duration(7387, out), "2:03:07") == 0);
    CHECK(strcmp(str_duration(-1, out), "?") == 0);
    CHECK(strcmp(str_duration((double)NAN, out), "?") == 0);
    CHECK(strcmp(str_duration(1e30, out), "?") == 0);
}

static void patterns_match(void)
{
    CHECK(str_matches("*", "") && str_matches("*", "anything"));
    CHECK(str_matches("user_*", "user_id"));
    CHECK(str_matches("*.w", "tower.0.w"));
    CHECK(str_matches("a*b*c", "aXbXbXc"));
    CHECK(str_matches("**x**", "x") && str_matches("", ""));
    CHECK(!str_matches("a*b*c", "aXbXbX"));
    CHECK(!str_matches("user", "users") && !str_matches("users", "user"));
    CHECK(!str_matches("", "a") && !str_matches("a", ""));
}

int main(void)
{
    static const struct test_case cases[] = {
        {"a buffer grows", buffer_grows},
        {"adding nothing gives an empty text", adding_nothing_terminates},
        {"a failed allocation drops the text", failure_drops_the_text},
        {"the nearest name is found for slips", nearest_finds_slips},
        {"a far word has no nearest name", nearest_gives_up},
        {"counts and bytes are short", people_read_counts},
        {"durations are minutes or hours", people_read_durations},
        {"a star stands for any run", patterns_match},
    };

    return TEST_RUN("base.str", cases);
}
