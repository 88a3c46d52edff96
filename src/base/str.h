/* Text: a growing buffer, parsing of numbers with units, and the nearest of
 * several names for "did you mean". */
#ifndef BASE_STR_H
#define BASE_STR_H

#include <stddef.h>
#include <stdint.h>

#include "fusor/status.h"

/* Always NUL-terminated once something was added. A failed allocation sets
 * failed and drops the text; callers look once, at the end. */
struct strbuf {
    char *s;
    size_t len;
    size_t cap;
    int failed;
};

void strbuf_add(struct strbuf *b, const char *s);
void strbuf_add_n(struct strbuf *b, const char *s, size_t n);
void strbuf_addf(struct strbuf *b, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
void strbuf_clear(struct strbuf *b);

/** The whole text as a number.
 * @return 0, or -1 when it is not one (empty, trailing text, out of range) */
int str_to_double(const char *s, double *out);
int str_to_i64(const char *s, int64_t *out);
int str_to_u64(const char *s, uint64_t *out);
/** A count with an optional unit: 2M, 512k (powers of 1000), 24GiB, 64KiB,
 * 1.5GB; never negative. */
int str_to_size(const char *s, uint64_t *out);
/** The n bytes at s (no terminator needed) as a number: the readers' path.
 * Same grammar as strtod without hex, inf, nan and blanks around; correctly
 * rounded.
 * @return 0, or -1: none, above the largest double, over 1100 characters */
int str_parse_float(const char *s, size_t n, double *out);
int str_parse_u64(const char *s, size_t n, uint64_t *out);

/** The shortest text that reads back as value (a finite one); writes to
 * out[32]. */
const char *str_double(double value, char out[32]);

/** The nearest of names (NULL-terminated) to word by edit distance.
 * @return NULL when none is near enough to be meant */
const char *str_nearest(const char *word, const char *const *names);

/** "1.2 k", "3.4 M" for people; writes to out[16]. */
const char *str_count(double n, char out[16]);
/** "1.5 GiB" for people. */
const char *str_bytes(double n, char out[16]);
/** "1:05" / "2:03:07" from seconds. */
const char *str_duration(double seconds, char out[16]);

/** Does name match pattern, where * stands for any run of characters? */
int str_matches(const char *pattern, const char *name);

#endif
