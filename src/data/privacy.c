/* HMAC-SHA-256 of ids; reference values in the test are RFC 4231's. */
#include "data/privacy.h"

#include <stdio.h>
#include <string.h>

#include "base/fs.h"
#include "base/mem.h"

#define KEY_FILE_MAX ((size_t)1 << 20)

/* RFC 2104: keys longer than a block are hashed first. */
static void make_key(const char *key, size_t n, struct privacy_key *out)
{
    unsigned char block[SHA256_BLOCK] = {0}, pad[SHA256_BLOCK];

    if (n > SHA256_BLOCK) {
        sha256_init(&out->inner);
        sha256_add(&out->inner, key, n);
        sha256_end(&out->inner, block);
    } else {
        memcpy(block, key, n);
    }
    for (int i = 0; i < SHA256_BLOCK; i++)
        pad[i] = block[i] ^ 0x36;
    sha256_init(&out->inner);
    sha256_add(&out->inner, pad, sizeof(pad));
    for (int i = 0; i < SHA256_BLOCK; i++)
        pad[i] = block[i] ^ 0x5c;
    sha256_init(&out->outer);
    sha256_add(&out->outer, pad, sizeof(pad));
}

enum fusor_status privacy_key_read(const char *text, struct privacy_key *out,
                                   struct fusor_error *err)
{
    char *file = NULL;
    size_t n = strlen(text);

    if (text[0] == '@') {
        FUSOR_TRY(fs_read(text + 1, KEY_FILE_MAX, &file, &n, err));
        if (n && file[n - 1] == '\n')
            n--;
        if (n && file[n - 1] == '\r')
            n--;
    }
    if (n == 0) {
        mem_free(file);
        return fusor_fail(err, FUSOR_EUSAGE,
                          "hash_ids: the key is empty: write a secret text, "
                          "or @FILE with one in it");
    }
    make_key(file ? file : text, n, out);
    if (file)
        memset(file, 0, n);
    mem_free(file);
    return FUSOR_OK;
}

void privacy_hash(const struct privacy_key *key, const char *text, size_t n,
                  char out[PRIVACY_DIGITS + 1])
{
    struct sha256 inner = key->inner, outer = key->outer;
    unsigned char hash[SHA256_BYTES];

    sha256_add(&inner, text, n);
    sha256_end(&inner, hash);
    sha256_add(&outer, hash, sizeof(hash));
    sha256_end(&outer, hash);
    for (int i = 0; i < PRIVACY_DIGITS / 2; i++) {
        out[2 * i] = "0123456789abcdef"[hash[i] >> 4];
        out[2 * i + 1] = "0123456789abcdef"[hash[i] & 15];
    }
    out[PRIVACY_DIGITS] = '\0';
}

void privacy_check(const struct privacy_key *key,
                   char out[PRIVACY_CHECK_DIGITS + 1])
{
    static const char what[] = "fusor: is this the key?\n"; // no id has this
    char hash[PRIVACY_DIGITS + 1];

    privacy_hash(key, what, sizeof(what), hash);
    memcpy(out, hash, PRIVACY_CHECK_DIGITS);
    out[PRIVACY_CHECK_DIGITS] = '\0';
}

enum fusor_status privacy_lookup(const char *text, const char *check,
                                 const char *id, size_t n,
                                 char out[PRIVACY_DIGITS + 1],
                                 struct fusor_error *err)
{
    char found[PRIVACY_CHECK_DIGITS + 1];
    struct privacy_key key;

    out[0] = '\0';
    if (!text || !text[0]) {
        if (!check[0])
            return FUSOR_OK;
        return fusor_fail(err, FUSOR_EUSAGE,
                          "the user ids were hashed when they were prepared: "
                          "give the key with --hash-ids KEY or @FILE");
    }
    if (!check[0])
        return fusor_fail(err, FUSOR_EUSAGE,
                          "the user ids were not hashed when they were "
                          "prepared: leave --hash-ids out");
    FUSOR_TRY(privacy_key_read(text, &key, err));
    privacy_check(&key, found);
    if (strcmp(found, check))
        return fusor_fail(err, FUSOR_EUSAGE,
                          "--hash-ids: not the key that the user ids were "
                          "hashed with");
    privacy_hash(&key, id, n, out);
    return FUSOR_OK;
}
