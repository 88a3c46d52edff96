/* Text as data files hold it: Latin-1 made UTF-8, words, dates. Pure. */
#ifndef DATA_TEXT_H
#define DATA_TEXT_H

#include <stddef.h>
#include <stdint.h>

#include "base/str.h"

/** Is this valid UTF-8 (RFC 3629)? */
int text_is_utf8(const char *s, size_t n);
/** Append s, which is ISO 8859-1, as UTF-8. */
void text_add_latin1(struct strbuf *out, const char *s, size_t n);

/** Find the next word at or after *at: letters, digits, an apostrophe between
 * letters, and every byte of a character beyond ASCII.
 * @param out its lower-case form (ASCII, Latin-1, Greek, Cyrillic letters); at
 *        most 64 bytes, the rest of a longer word is cut
 * @return its length, 0 when there is none left; *at moved behind it */
size_t text_next_word(const char *s, size_t n, size_t *at, char out[64]);

/** Seconds since 1970 (UTC) from a count of seconds (a fraction is dropped),
 * "2017-01-31", or that with "T" or a blank and "10:15" or "10:15:30" and
 * perhaps "Z".
 * @return 0, or -1 when it is none */
int text_to_time(const char *s, size_t n, int64_t *out);

#endif
