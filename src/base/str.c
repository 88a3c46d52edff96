/* Text: the growing buffer, matching of names, counts for people. Parsing of
 * numbers is in str_number.c. */
#include "base/str.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/mem.h"

static void strbuf_fail(struct strbuf *b)
{
    mem_free(b->s);
    memset(b, 0, sizeof(*b));
    b->failed = 1;
}

/* Room for n more characters and the NUL.
 * @return 0, or -1 when the buffer has failed */
static int strbuf_reserve(struct strbuf *b, size_t n)
{
    size_t want = b->cap ? b->cap : 64;
    char *fresh;

    if (b->failed)
        return -1;
    if (n < b->cap - b->len)
        return 0;
    if (n > SIZE_MAX / 4 - b->len) {
        strbuf_fail(b);
        return -1;
    }
    while (want - b->len <= n)
        want *= 2;
    fresh = mem_grow(b->s, b->cap, want, 1);
    if (!fresh) {
        strbuf_fail(b);
        return -1;
    }
    b->s = fresh;
    b->cap = want;
    return 0;
}

void strbuf_add_n(struct strbuf *b, const char *s, size_t n)
{
    if (strbuf_reserve(b, n))
        return;
    if (n)
        memcpy(b->s + b->len, s, n);
    b->len += n;
    b->s[b->len] = '\0';
}

void strbuf_add(struct strbuf *b, const char *s)
{
    strbuf_add_n(b, s, strlen(s));
}

void strbuf_addf(struct strbuf *b, const char *format, ...)
{
    va_list ap, again;
    int n;

    va_start(ap, format);
    va_copy(again, ap);
    n = vsnprintf(NULL, 0, format, ap);
    va_end(ap);
    if (n >= 0 && !strbuf_reserve(b, (size_t)n)) {
        vsnprintf(b->s + b->len, (size_t)n + 1, format, again);
        b->len += (size_t)n;
    }
    va_end(again);
}

void strbuf_clear(struct strbuf *b)
{
    mem_free(b->s);
    memset(b, 0, sizeof(*b));
}

#define NEAR_MAX 64 /* longer words are no names of ours */

static size_t least(size_t a, size_t b)
{
    return a < b ? a : b;
}

/* Edit distance with neighbours swapped as one edit ("optimal string
 * alignment", Damerau 1964); three rows of the table are kept. */
static size_t edit_distance(const char *a, size_t na, const char *b, size_t nb)
{
    size_t rows[3][NEAR_MAX + 1];
    size_t *two_up = rows[0], *up = rows[1], *row = rows[2], *spare;

    for (size_t j = 0; j <= nb; j++)
        up[j] = j;
    for (size_t i = 1; i <= na; i++) {
        row[0] = i;
        for (size_t j = 1; j <= nb; j++) {
            row[j] = least(up[j], row[j - 1]) + 1;
            row[j] = least(row[j], up[j - 1] + (a[i - 1] != b[j - 1]));
            if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
                row[j] = least(row[j], two_up[j - 2] + 1);
        }
        spare = two_up;
        two_up = up;
        up = row;
        row = spare;
    }
    return up[nb];
}

const char *str_nearest(const char *word, const char *const *names)
{
    size_t n = strlen(word), best = (n + 1) / 3;
    const char *found = NULL;

    if (n > NEAR_MAX)
        return NULL;
    for (; *names; names++) {
        size_t m = strlen(*names), d;

        if (m > NEAR_MAX)
            continue;
        d = edit_distance(word, n, *names, m);
        if (d < best || (d == best && !found && d < n)) {
            best = d;
            found = *names;
        }
    }
    return found;
}

/* value with the first unit that leaves fewer than four digits. */
static const char *with_unit(double value, double step,
                             const char *const *units, char out[16])
{
    double limit = step - 0.05; // what "%.1f" would round up to the step

    while (fabs(value) >= limit && units[1]) {
        value /= step;
        units++;
    }
    if (!isfinite(value) || fabs(value) >= 1e7)
        snprintf(out, 16, "%.3g%s", value, *units);
    else if (value == floor(value) && **units != ' ')
        snprintf(out, 16, "%.0f%s", value, *units);
    else
        snprintf(out, 16, "%.1f%s", value, *units);
    return out;
}

const char *str_count(double n, char out[16])
{
    static const char *const units[] = {"", " k", " M", " G", " T", NULL};

    return with_unit(n, 1000, units, out);
}

const char *str_bytes(double n, char out[16])
{
    static const char *const units[] = {"",     " KiB", " MiB",
                                        " GiB", " TiB", NULL};

    with_unit(n, 1024, units, out);
    if (!strchr(out, ' '))
        strcat(out, " B"); // at most 7 characters stand before it
    return out;
}

const char *str_duration(double seconds, char out[16])
{
    unsigned s;

    if (!(seconds >= 0 && seconds < 1e9)) {
        snprintf(out, 16, "?");
        return out;
    }
    s = (unsigned)(seconds + 0.5);
    if (s < 3600)
        snprintf(out, 16, "%u:%02u", s / 60, s % 60);
    else
        snprintf(out, 16, "%u:%02u:%02u", s / 3600, s / 60 % 60, s % 60);
    return out;
}

int str_matches(const char *pattern, const char *name)
{
    const char *star = NULL, *retry = NULL;

    while (*name) {
        if (*pattern == '*') {
            star = ++pattern;
            retry = name;
        } else if (*pattern == *name) {
            pattern++;
            name++;
        } else if (star) {
            pattern = star;
            name = ++retry;
        } else {
            return 0;
        }
    }
    while (*pattern == '*')
        pattern++;
    return !*pattern;
}
