/* Hexadecimal numbers, eight digits at a time in one word; buckets of counts.
 */
#include "data/encode.h"

#include <math.h>
#include <string.h>

#define EACH(byte) (0x0101010101010101u * (byte))

/* Value of eight digits, the first in the lowest byte. Each byte is examined
 * by adding so that its top bit tells the comparison.
 * @return 0, or -1 */
static int hex_word(uint64_t x, uint64_t *out)
{
    uint64_t small = x | EACH(0x20);
    uint64_t digit = (x + EACH(0x80 - '0')) & ~(x + EACH(0x7f - '9'));
    uint64_t letter = (small + EACH(0x80 - 'a')) & ~(small + EACH(0x7f - 'f'));

    if ((x & EACH(0x80)) || ((digit | letter) & EACH(0x80)) != EACH(0x80))
        return -1;
    x = (x & EACH(0x0f)) + 9 * ((x >> 6) & EACH(0x01));
    x = __builtin_bswap64(x); // the last digit is the lowest
    x = (x | x >> 4) & 0x00ff00ff00ff00ffu;
    x = (x | x >> 8) & 0x0000ffff0000ffffu;
    *out = (x | x >> 16) & 0xffffffffu;
    return 0;
}

/* Up to eight digits, with zeros in front. */
static int hex_short(const char *text, size_t n, uint64_t *out)
{
    char digits[8] = "00000000";
    uint64_t x;

    memcpy(digits + 8 - n, text, n);
    memcpy(&x, digits, 8);
    return hex_word(x, out);
}

int encode_hex(const char *text, size_t n, uint64_t *out)
{
    uint64_t high = 0, low;

    if (n < 1 || n > 16)
        return -1;
    if (n > 8 && hex_short(text, n - 8, &high))
        return -1;
    if (n > 8) {
        text += n - 8;
        n = 8;
    }
    if (hex_short(text, n, &low))
        return -1;
    *out = high << 32 | low;
    return 0;
}

uint32_t encode_bucket(double x)
{
    double log;

    if (x < 3)
        return x < -3 ? 1 : (uint32_t)(floor(x) + 4);
    log = log2(x);
    return (uint32_t)fmin(5 + floor(log * log), ENCODE_BUCKETS);
}
