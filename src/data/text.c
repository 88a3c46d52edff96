/* Latin-1, UTF-8, words, dates. */
#include "data/text.h"

#include <string.h>

int text_is_utf8(const char *s, size_t n)
{
    const unsigned char *p = (const unsigned char *)s, *end = p + n;

    while (p < end) {
        unsigned c = *p++, more;

        if (c < 0x80)
            continue;
        more = c >= 0xf0 ? 3 : c >= 0xe0 ? 2 : 1;
        if (c < 0xc2 || c > 0xf4 || (size_t)(end - p) < more)
            return 0;
        // Overlong forms, surrogates and what is beyond U+10FFFF.
        if ((c == 0xe0 && *p < 0xa0) || (c == 0xed && *p > 0x9f) ||
            (c == 0xf0 && *p < 0x90) || (c == 0xf4 && *p > 0x8f))
            return 0;
        while (more--)
            if ((*p++ & 0xc0) != 0x80)
                return 0;
    }
    return 1;
}

void text_add_latin1(struct strbuf *out, const char *s, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        unsigned char c = (unsigned char)s[i];
        char two[2] = {(char)(0xc0 | c >> 6), (char)(0x80 | (c & 0x3f))};

        if (c < 0x80)
            strbuf_add_n(out, s + i, 1);
        else
            strbuf_add_n(out, two, 2);
    }
}

static int is_word_byte(unsigned char c)
{
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') ||
           (c >= 'A' && c <= 'Z') || c >= 0x80;
}

/* Lower the two-byte letters whose small forms stand 0x20 (Latin-1, Greek,
 * Cyrillic A-Ya) further on. Others stay as they are. */
static void lower_pair(unsigned char *p)
{
    unsigned code = (unsigned)(p[0] & 0x1f) << 6 | (p[1] & 0x3f);

    if ((code >= 0xc0 && code <= 0xde && code != 0xd7) ||
        (code >= 0x391 && code <= 0x3a9 && code != 0x3a2) ||
        (code >= 0x410 && code <= 0x42f))
        code += 0x20;
    p[0] = (unsigned char)(0xc0 | code >> 6);
    p[1] = (unsigned char)(0x80 | (code & 0x3f));
}

static void lower(char *s, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        unsigned char *p = (unsigned char *)s + i;

        if (*p >= 'A' && *p <= 'Z')
            *p += 'a' - 'A';
        else if (*p >= 0xc2 && *p <= 0xdf && i + 1 < n)
            lower_pair(p), i++;
    }
}

size_t text_next_word(const char *s, size_t n, size_t *at, char out[64])
{
    size_t i = *at, start, len;

    while (i < n && !is_word_byte((unsigned char)s[i]))
        i++;
    start = i;
    while (i < n && (is_word_byte((unsigned char)s[i]) ||
                     (s[i] == '\'' && i > start && i + 1 < n &&
                      is_word_byte((unsigned char)s[i + 1]))))
        i++;
    *at = i;
    len = i - start < 64 ? i - start : 64;
    // No half character at the cut.
    while (len < i - start && len > 0 &&
           ((unsigned char)s[start + len] & 0xc0) == 0x80)
        len--;
    memcpy(out, s + start, len);
    lower(out, len);
    return len;
}

/* Days from 1970-01-01 (Hinnant, "chrono-Compatible Low-Level Date
 * Algorithms", days_from_civil). */
static int64_t days_of(int64_t y, int m, int d)
{
    int64_t era, year_of_era, day_of_year;

    y -= m <= 2;
    era = (y >= 0 ? y : y - 399) / 400;
    year_of_era = y - era * 400;
    day_of_year = (153 * (m + (m > 2 ? -3 : 9)) + 2) / 5 + d - 1;
    return era * 146097 + year_of_era * 365 + year_of_era / 4 -
           year_of_era / 100 + day_of_year - 719468;
}

static int two_digits(const char *s, int low, int high, int *out)
{
    if (s[0] < '0' || s[0] > '9' || s[1] < '0' || s[1] > '9')
        return -1;
    *out = (s[0] - '0') * 10 + s[1] - '0';
    return *out < low || *out > high ? -1 : 0;
}

static int clock_part(const char *s, size_t n, int64_t *seconds)
{
    int hour, minute, second = 0;

    if (n && s[n - 1] == 'Z')
        n--;
    if ((n != 6 && n != 9) || (s[0] != 'T' && s[0] != ' ') || s[3] != ':' ||
        two_digits(s + 1, 0, 23, &hour) || two_digits(s + 4, 0, 59, &minute))
        return -1;
    if (n == 9 && (s[6] != ':' || two_digits(s + 7, 0, 60, &second)))
        return -1;
    *seconds = hour * 3600 + minute * 60 + second;
    return 0;
}

int text_to_time(const char *s, size_t n, int64_t *out)
{
    int century, year, month, day;
    int64_t seconds = 0;
    double number;

    if (!str_parse_float(s, n, &number)) {
        if (number < -9e15 || number > 9e15)
            return -1;
        *out = (int64_t)number;
        return 0;
    }
    if (n < 10 || s[4] != '-' || s[7] != '-' ||
        two_digits(s, 0, 99, &century) || two_digits(s + 2, 0, 99, &year) ||
        two_digits(s + 5, 1, 12, &month) || two_digits(s + 8, 1, 31, &day))
        return -1;
    if (n > 10 && clock_part(s + 10, n - 10, &seconds))
        return -1;
    *out = days_of(century * 100 + year, month, day) * 86400 + seconds;
    return 0;
}
