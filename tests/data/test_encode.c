#include "harness.h"

#include <stdio.h>

#include "data/encode.h"

static void hexadecimal_digits_are_read_in_both_cases(void)
{
    uint64_t x = 0;

    CHECK(!encode_hex("68fd1e64", 8, &x) && x == 0x68fd1e64u);
    CHECK(!encode_hex("AbCdEf09", 8, &x) && x == 0xabcdef09u);
    CHECK(!encode_hex("0", 1, &x) && x == 0);
    CHECK(!encode_hex("fff", 3, &x) && x == 0xfff);
    CHECK(!encode_hex("123456789abcdef0", 16, &x) && x == 0x123456789abcdef0u);
    CHECK(!encode_hex("1ffffffff", 9, &x) && x == 0x1ffffffffu);
}

static void every_other_byte_is_refused(void)
{
    uint64_t x;

    for (int c = 0; c < 256; c++) {
        char text[3] = {'1', (char)c, '2'};
        int hex = (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f') ||
                  (c >= 'A' && c <= 'F');

        CHECK(encode_hex(text, 3, &x) == (hex ? 0 : -1));
        CHECK(encode_hex(text + 1, 1, &x) == (hex ? 0 : -1));
    }
    CHECK(encode_hex("", 0, &x) == -1);
    CHECK(encode_hex("12345678901234567", 17, &x) == -1);
}

static void all_numbers_come_back(void)
{
    char text[20];
    uint64_t x;

    for (uint64_t v = 1; v < UINT64_MAX / 7; v = v * 5 + 3) {
        int n = snprintf(text, sizeof(text), "%llx", (unsigned long long)v);

        CHECK(!encode_hex(text, (size_t)n, &x) && x == v);
    }
}

static void buckets_are_whole_numbers_then_squares_of_logarithms(void)
{
    CHECK(encode_bucket(-1e9) == 1);
    CHECK(encode_bucket(-3) == 1);
    CHECK(encode_bucket(0) == 4);
    CHECK(encode_bucket(2) == 6);
    CHECK(encode_bucket(2.5) == 6);
    CHECK(encode_bucket(3) == 7);   // log2(3)^2 = 2.51
    CHECK(encode_bucket(4) == 9);   // 4
    CHECK(encode_bucket(16) == 21); // 16
    CHECK(encode_bucket(65536) == 5 + 256);
    CHECK(encode_bucket(3.4e38) <= ENCODE_BUCKETS);
    CHECK(encode_bucket(1e300) == ENCODE_BUCKETS);
}

int main(void)
{
    static const struct test_case cases[] = {
        {"hexadecimal digits are read in both cases",
         hexadecimal_digits_are_read_in_both_cases},
        {"every other byte is refused", every_other_byte_is_refused},
        {"all numbers come back", all_numbers_come_back},
        {"buckets are whole numbers, then squares of logarithms",
         buckets_are_whole_numbers_then_squares_of_logarithms},
    };
    return TEST_RUN("data.encode", cases);
}
