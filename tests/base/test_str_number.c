/* Numbers from text, against the C library's own reading. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/rng.h"
#include "base/str.h"

#include "harness.h"

static int same_bits(double a, double b)
{
    return memcmp(&a, &b, sizeof(a)) == 0;
}

/* Does text read as strtod reads it? */
static int agrees(const char *text)
{
    double got = -1;

    if (str_to_double(text, &got) || !same_bits(got, strtod(text, NULL))) {
        fprintf(stderr, "%s: got %.17g\n", text, got);
        return 0;
    }
    return 1;
}

static void chosen_floats(void)
{
    static const char *const texts[] = {
        "0",
        "-0",
        "-0.0",
        "0.1",
        ".5",
        "5.",
        "+7",
        "1e22",
        "1e23",
        "1e-22",
        "123456789012345678",
        "9007199254740993",
        "9007199254740992e22",
        "0.30000000000000004",
        "1.7976931348623157e308",
        "4.9e-324",
        "1e-400",
        "2.2250738585072011e-308",
        "000000000000000000000000001.5",
        "0.000000000000000000000000000000000000000000001",
        "100000000000000000000000000000000000000000000",
        "1.00000000000000011102230246251565404236316680908203125",
        "1.00000000000000011102230246251565404236316680908203124",
        "8.5e-1",
        "1E5",
        "0e999999999999",
        "3.4028234664e38"};

    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
        CHECK(agrees(texts[i]));
}

/* Up to 25 digits with a point anywhere and exponents around the edges of the
 * fast path. */
static void random_floats(void)
{
    struct rng r = rng_stream(1, RNG_TEST, 0, 0);
    int wrong = 0;

    for (int i = 0; i < 100000; i++) {
        int n = 1 + (int)rng_below(&r, 25), point = (int)rng_below(&r, 26);
        char text[64], *p = text;

        if (rng_below(&r, 2))
            *p++ = '-';
        for (int k = 0; k < n; k++) {
            if (k == point)
                *p++ = '.';
            *p++ = (char)('0' + rng_below(&r, 10));
        }
        *p = '\0';
        if (rng_below(&r, 2))
            sprintf(p, "e%d", (int)rng_below(&r, 61) - 30);
        wrong += !agrees(text);
    }
    CHECK(wrong == 0);
}

static void printed_doubles_come_back(void)
{
    struct rng r = rng_stream(2, RNG_TEST, 0, 0);
    char text[32];
    int wrong = 0;

    for (int i = 0; i < 50000; i++) {
        uint64_t bits = rng_u64(&r);
        double x, y = 0;

        memcpy(&x, &bits, sizeof(x));
        if (!isfinite(x))
            continue;
        wrong += str_to_double(str_double(x, text), &y) != 0;
        wrong += !same_bits(x, y);
    }
    CHECK(wrong == 0);
    CHECK(strcmp(str_double(0.1, text), "0.1") == 0);
    CHECK(strcmp(str_double(1e-3, text), "0.001") == 0);
    CHECK(strcmp(str_double(4294967296.0, text), "4294967296") == 0);
}

static void no_floats(void)
{
    static const char *const texts[] = {
        "",      "-",      ".",   "-.",  "e5",   "1e",  "1e+",
        "1.2.3", "1x",     " 1",  "1 ",  "inf",  "nan", "0x10",
        "1e400", "-1e999", "--1", "1,5", "1e5.", "+-1", "infinity"};
    double x = 42;

    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
        CHECK(str_to_double(texts[i], &x) == -1);
    CHECK(x == 42);
}

static void length_bounds_the_text(void)
{
    char text[1200];
    double x = 0;
    uint64_t u = 0;

    CHECK(str_parse_float("12.5,7", 4, &x) == 0 && x == 12.5);
    CHECK(str_parse_float("12.5", 0, &x) == -1);
    CHECK(str_parse_u64("12345", 3, &u) == 0 && u == 123);
    memset(text, '1', sizeof(text));
    CHECK(str_parse_float(text, 300, &x) == 0);
    CHECK_CLOSE(x / 1e299, 1.1111111111111112, 1e-15);
    CHECK(str_parse_float(text, sizeof(text), &x) == -1);
}

static void whole_numbers(void)
{
    uint64_t u = 0;
    int64_t i = 0;

    CHECK(!str_to_u64("18446744073709551615", &u) && u == UINT64_MAX);
    CHECK(str_to_u64("18446744073709551616", &u) == -1);
    CHECK(str_to_u64("99999999999999999999", &u) == -1);
    CHECK(str_to_u64("-1", &u) == -1 && str_to_u64("", &u) == -1);
    CHECK(str_to_u64("1 ", &u) == -1 && str_to_u64("+1", &u) == -1);
    CHECK(!str_to_i64("-9223372036854775808", &i) && i == INT64_MIN);
    CHECK(!str_to_i64("9223372036854775807", &i) && i == INT64_MAX);
    CHECK(!str_to_i64("+5", &i) && i == 5);
    CHECK(str_to_i64("9223372036854775808", &i) == -1);
    CHECK(str_to_i64("-9223372036854775809", &i) == -1);
    CHECK(str_to_i64("-", &i) == -1 && str_to_i64("--5", &i) == -1);
}

static void sizes_have_units(void)
{
    static const struct {
        const char *text;
        uint64_t want;
    } good[] = {
        {"0", 0},
        {"4096", 4096},
        {"512k", 512000},
        {"2M", 2000000},
        {"64KiB", 65536},
        {"24GiB", (uint64_t)24 << 30},
        {"1.5GB", 1500000000},
        {"0.5KiB", 512},
        {"1e6", 1000000},
        {"1.5e3", 1500},
        {"2e3k", 2000000},
        {"100B", 100},
        {"18446744073709551615", UINT64_MAX},
    };
    static const char *const bad[] = {"",
                                      "k",
                                      "-1",
                                      "1.5",
                                      "2 M",
                                      "2X",
                                      "2MiBx",
                                      "1e",
                                      ".",
                                      "nan",
                                      "1e30",
                                      "99999999999T",
                                      "18446744073709551616"};
    uint64_t u = 0;

    for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++)
        CHECK(str_to_size(good[i].text, &u) == 0 && u == good[i].want);
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        CHECK(str_to_size(bad[i], &u) == -1);
}

int main(void)
{
    static const struct test_case cases[] = {
        {"chosen floats read as strtod reads them", chosen_floats},
        {"random floats read as strtod reads them", random_floats},
        {"a printed double comes back bit for bit", printed_doubles_come_back},
        {"what is no number is refused", no_floats},
        {"the length bounds what is read", length_bounds_the_text},
        {"whole numbers are read up to their limits", whole_numbers},
        {"sizes have units", sizes_have_units},
    };

    return TEST_RUN("base.str_number", cases);
}
