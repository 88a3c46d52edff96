/* SHA-256 (FIPS 180-4). Private to privacy.c: checksums are XXH3 (base/hash.h).
 */
#ifndef DATA_PRIVACY_SHA256_H
#define DATA_PRIVACY_SHA256_H

#include <stddef.h>
#include <stdint.h>

#define SHA256_BYTES 32
#define SHA256_BLOCK 64

struct sha256 {
    uint32_t state[8];
    uint64_t n; // bytes so far
    unsigned char block[SHA256_BLOCK];
};

void sha256_init(struct sha256 *h);
void sha256_add(struct sha256 *h, const void *p, size_t n);
void sha256_end(struct sha256 *h, unsigned char out[SHA256_BYTES]);

#endif
