/* Numbers from text. Floats take the exact path of Clinger (1990, "How to read
 * floating point numbers accurately", fast case): a mantissa below 2^53 and a
 * power of ten up to 10^22 are both exact doubles, so one operation rounds
 * once. All others go to strtod on a bounded copy. */
#include "base/str.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FLOAT_TEXT_MAX                                    \
    1100 /* > 768 digits decide any double, plus the rest \
          */

struct decimal {
    uint64_t mantissa; // of the first 19 significant digits
    int64_t exp10;
    unsigned digits; // significant ones seen
    int negative;
};

static int is_digit(char c)
{
    return c >= '0' && c <= '9';
}

/* Digits into d.
 * @return the first character that is none */
static const char *scan_digits(struct decimal *d, const char *s,
                               const char *end, int after_point)
{
    for (; s < end && is_digit(*s); s++) {
        if (d->digits < 19) {
            d->mantissa = d->mantissa * 10 + (uint64_t)(*s - '0');
            d->exp10 -= after_point;
        } else {
            d->exp10 += !after_point;
        }
        d->digits += d->mantissa != 0; // leading zeros are free
    }
    return s;
}

static const char *scan_exponent(struct decimal *d, const char *s,
                                 const char *end)
{
    int64_t e = 0;
    int negative = 0;

    if (s < end && (*s == '-' || *s == '+'))
        negative = *s++ == '-';
    if (s == end || !is_digit(*s))
        return NULL;
    for (; s < end && is_digit(*s); s++)
        if (e < 100000)
            e = e * 10 + (*s - '0');
    d->exp10 += negative ? -e : e;
    return s;
}

/* @return 0 when all of s is a number */
static int scan_decimal(struct decimal *d, const char *s, const char *end)
{
    const char *start;
    size_t n;

    memset(d, 0, sizeof(*d));
    if (s < end && (*s == '-' || *s == '+'))
        d->negative = *s++ == '-';
    start = s;
    s = scan_digits(d, s, end, 0);
    n = (size_t)(s - start);
    if (s < end && *s == '.') {
        start = ++s;
        s = scan_digits(d, s, end, 1);
        n += (size_t)(s - start);
    }
    if (n == 0)
        return -1;
    if (s < end && (*s == 'e' || *s == 'E'))
        s = scan_exponent(d, s + 1, end);
    return s == end ? 0 : -1;
}

static int parse_slowly(const char *s, size_t n, double *out)
{
    char copy[FLOAT_TEXT_MAX + 1];
    double value;

    if (n > FLOAT_TEXT_MAX)
        return -1;
    memcpy(copy, s, n);
    copy[n] = '\0';
    value = strtod(copy, NULL);
    if (!isfinite(value))
        return -1;
    *out = value;
    return 0;
}

int str_parse_float(const char *s, size_t n, double *out)
{
    static const double tens[] = {
        1e0,  1e1,  1e2,  1e3,  1e4,  1e5,  1e6,  1e7,  1e8,  1e9,  1e10, 1e11,
        1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22};
    struct decimal d;
    double value;

    if (scan_decimal(&d, s, s + n))
        return -1;
    if (d.mantissa == 0) {
        *out = d.negative ? -0.0 : 0.0;
        return 0;
    }
    if (d.digits > 19 || d.mantissa > (uint64_t)1 << 53 || d.exp10 < -22 ||
        d.exp10 > 22)
        return parse_slowly(s, n, out);
    value = (double)d.mantissa;
    value = d.exp10 < 0 ? value / tens[-d.exp10] : value * tens[d.exp10];
    *out = d.negative ? -value : value;
    return 0;
}

int str_parse_u64(const char *s, size_t n, uint64_t *out)
{
    uint64_t value = 0;

    if (n == 0)
        return -1;
    for (size_t i = 0; i < n; i++) {
        if (!is_digit(s[i]) || __builtin_mul_overflow(value, 10u, &value) ||
            __builtin_add_overflow(value, (uint64_t)(s[i] - '0'), &value))
            return -1;
    }
    *out = value;
    return 0;
}

int str_to_double(const char *s, double *out)
{
    return str_parse_float(s, strlen(s), out);
}

const char *str_double(double value, char out[32])
{
    if (fabs(value) < 0x1p53 && value == floor(value)) {
        snprintf(out, 32, "%.0f", value);
        return out;
    }
    snprintf(out, 32, "%.9g", value);
    for (int digits = 15; digits <= 17 && strtod(out, NULL) != value; digits++)
        snprintf(out, 32, "%.*g", digits, value);
    return out;
}

int str_to_u64(const char *s, uint64_t *out)
{
    return str_parse_u64(s, strlen(s), out);
}

int str_to_i64(const char *s, int64_t *out)
{
    int negative = *s == '-';
    uint64_t u;

    if (*s == '-' || *s == '+')
        s++;
    if (str_to_u64(s, &u) || u > (uint64_t)INT64_MAX + (uint64_t)negative)
        return -1;
    *out = negative ? (int64_t)(0 - u) : (int64_t)u;
    return 0;
}

/* @return what one of this unit is, or 0 when there is no such unit */
static uint64_t unit_factor(const char *unit)
{
    static const struct {
        const char *name;
        uint64_t factor;
    } units[] = {
        {"", 1},
        {"B", 1},
        {"k", 1000},
        {"K", 1000},
        {"kB", 1000},
        {"KB", 1000},
        {"M", 1000000},
        {"MB", 1000000},
        {"G", 1000000000},
        {"GB", 1000000000},
        {"T", 1000000000000},
        {"TB", 1000000000000},
        {"KiB", 1024},
        {"MiB", (uint64_t)1 << 20},
        {"GiB", (uint64_t)1 << 30},
        {"TiB", (uint64_t)1 << 40},
    };

    for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++)
        if (!strcmp(units[i].name, unit))
            return units[i].factor;
    return 0;
}

int str_to_size(const char *s, uint64_t *out)
{
    size_t n = strspn(s, "0123456789.");
    uint64_t factor, whole;
    double value;

    if ((s[n] == 'e' || s[n] == 'E') && n > 0) { // 1e6
        n += 1 + (s[n + 1] == '+' || s[n + 1] == '-');
        n += strspn(s + n, "0123456789");
    }
    factor = unit_factor(s + n);
    if (!factor)
        return -1;
    if (!str_parse_u64(s, n, &whole))
        return __builtin_mul_overflow(whole, factor, out) ? -1 : 0;
    if (str_parse_float(s, n, &value))
        return -1;
    value *= (double)factor;
    if (value >= 0x1p64 || (factor == 1 && value != floor(value)))
        return -1; // half a thing
    *out = (uint64_t)(value + 0.5);
    return 0;
}
