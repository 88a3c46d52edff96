/* The JSON writer (RFC 8259). Bytes that are not UTF-8 become U+FFFD, so what
 * comes out is always valid. */
#include "base/json.h"

#include <assert.h>
#include <float.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

static void new_line(struct json *j)
{
    if (j->pretty)
        strbuf_addf(&j->text, "\n%*s", 2 * j->level, "");
}

/* Length of the UTF-8 character at s, 0 when it is none (RFC 3629). */
static size_t utf8_length(const unsigned char *s)
{
    size_t n = *s < 0x80   ? 1
               : *s < 0xc2 ? 0
               : *s < 0xe0 ? 2
               : *s < 0xf0 ? 3
                           : 4;

    if (*s > 0xf4)
        return 0;
    for (size_t i = 1; i < n; i++)
        if ((s[i] & 0xc0) != 0x80)
            return 0;
    if ((*s == 0xe0 && s[1] < 0xa0) || (*s == 0xed && s[1] > 0x9f) ||
        (*s == 0xf0 && s[1] < 0x90) || (*s == 0xf4 && s[1] > 0x8f))
        return 0;
    return n;
}

static void quote(struct strbuf *b, const char *s)
{
    strbuf_add(b, "\"");
    while (*s) {
        unsigned char c = (unsigned char)*s;
        size_t n = utf8_length((const unsigned char *)s);

        if (c == '"' || c == '\\')
            strbuf_addf(b, "\\%c", c);
        else if (c == '\n')
            strbuf_add(b, "\\n");
        else if (c == '\t')
            strbuf_add(b, "\\t");
        else if (c < 0x20 || c == 0x7f)
            strbuf_addf(b, "\\u%04x", c);
        else if (n == 0)
            strbuf_add(b, "\xef\xbf\xbd");
        else
            strbuf_add_n(b, s, n);
        s += n ? n : 1;
    }
    strbuf_add(b, "\"");
}

/* What stands between the item before and this one's value. */
static void before_value(struct json *j, const char *key)
{
    uint64_t bit = (uint64_t)1 << j->level;

    if (j->level == 0) {
        if (j->has_item & bit)
            strbuf_add(&j->text, "\n");
    } else {
        if (j->has_item & bit)
            strbuf_add(&j->text, ",");
        new_line(j);
    }
    j->has_item |= bit;
    if (key) {
        quote(&j->text, key);
        strbuf_add(&j->text, j->pretty ? ": " : ":");
    }
}

static void begin(struct json *j, const char *key, const char *bracket)
{
    assert(j->level < 63);
    before_value(j, key);
    strbuf_add(&j->text, bracket);
    j->level++;
    j->has_item &= ~((uint64_t)1 << j->level);
}

static void end(struct json *j, const char *bracket)
{
    int had_items = (int)(j->has_item >> j->level & 1);

    assert(j->level > 0);
    j->level--;
    if (had_items)
        new_line(j);
    strbuf_add(&j->text, bracket);
}

void json_begin_object(struct json *j, const char *key)
{
    begin(j, key, "{");
}

void json_end_object(struct json *j)
{
    end(j, "}");
}

void json_begin_array(struct json *j, const char *key)
{
    begin(j, key, "[");
}

void json_end_array(struct json *j)
{
    end(j, "]");
}

void json_string(struct json *j, const char *key, const char *value)
{
    before_value(j, key);
    if (value)
        quote(&j->text, value);
    else
        strbuf_add(&j->text, "null");
}

void json_number(struct json *j, const char *key, double value)
{
    char text[32];

    before_value(j, key);
    if (!isfinite(value)) {
        strbuf_add(&j->text, "null");
        return;
    }
    str_double(value, text);
    if (fabs(value) <= (double)FLT_MAX && value != floor(value) &&
        (double)(float)value == value) // a float: nine digits name it
        snprintf(text, sizeof(text), "%.9g", value);
    strbuf_add(&j->text, text);
}

void json_int(struct json *j, const char *key, int64_t value)
{
    before_value(j, key);
    strbuf_addf(&j->text, "%lld", (long long)value);
}

void json_uint(struct json *j, const char *key, uint64_t value)
{
    before_value(j, key);
    strbuf_addf(&j->text, "%llu", (unsigned long long)value);
}

void json_bool(struct json *j, const char *key, int value)
{
    before_value(j, key);
    strbuf_add(&j->text, value ? "true" : "false");
}

void json_raw(struct json *j, const char *key, const char *value)
{
    before_value(j, key);
    strbuf_add(&j->text, value);
}

void json_clear(struct json *j)
{
    strbuf_clear(&j->text);
    j->has_item = 0;
    j->level = 0;
}
