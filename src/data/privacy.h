/* Names of people kept out of a prepared folder: ids become HMAC-SHA-256 (RFC
 * 2104, FIPS 180-4) under a key of the user's, cut to 128 bits and written as
 * 32 hexadecimal digits. Without the key nobody can tell which id a hash is
 * of, nor try ids until one fits; with it the same id gives the same hash in
 * every folder. Two of 10^9 ids collide with probability 10^-21.
 *
 * The key itself is written nowhere; the schema keeps 32 bits that tell a wrong
 * key from the right one.
 *
 * Threads: a key is read-only once it is read. */
#ifndef DATA_PRIVACY_H
#define DATA_PRIVACY_H

#include <stddef.h>

#include "data/privacy_sha256.h"
#include "fusor/status.h"

#define PRIVACY_DIGITS 32 /* of a hash, without the terminator */
#define PRIVACY_CHECK_DIGITS 8

struct privacy_key {
    struct sha256 inner, outer; // after the key's block
};

/** Make a key of a text, or of the contents of FILE when it is "@FILE" (without
 * the newline at its end).
 * @return FUSOR_EUSAGE: it is empty; FUSOR_EIO */
enum fusor_status privacy_key_read(const char *text, struct privacy_key *out,
                                   struct fusor_error *err);
/** The hash of an id, NUL-terminated. */
void privacy_hash(const struct privacy_key *key, const char *text, size_t n,
                  char out[PRIVACY_DIGITS + 1]);
/** What the schema keeps of the key. */
void privacy_check(const struct privacy_key *key,
                   char out[PRIVACY_CHECK_DIGITS + 1]);

/** The text under which a folder's vocabulary has a raw id.
 * @param text KEY or @FILE as the user gave it, or "" or NULL: none
 * @param check the schema's; "": ids are as in the raw data
 * @param out the hash, or "" when ids are not hashed
 * @return FUSOR_EUSAGE: the folder needs a key, has none, or has another */
enum fusor_status privacy_lookup(const char *text, const char *check,
                                 const char *id, size_t n,
                                 char out[PRIVACY_DIGITS + 1],
                                 struct fusor_error *err);

#endif
