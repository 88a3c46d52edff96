/* Hashes: the integer mixer that places keys, and checksums (xxHash's only
 * home). Stable across versions: both are written to disk and wire. */
#ifndef BASE_HASH_H
#define BASE_HASH_H

#include <stddef.h>
#include <stdint.h>

/** Mix all bits of x (the finaliser of SplitMix64, Steele et al. 2014). */
static inline uint64_t hash_mix(uint64_t x)
{
    x ^= x >> 30;
    x *= 0xbf58476d1ce4e5b9u;
    x ^= x >> 27;
    x *= 0x94d049bb133111ebu;
    return x ^ (x >> 31);
}

/** Where (table, key) lives: its top bits give the bucket, its low bits the
 * place in an index. */
static inline uint64_t hash_key(uint32_t table, uint64_t key)
{
    return hash_mix(key + 0x9e3779b97f4a7c15u * (table + 1));
}

/** XXH3, 64 bits. */
uint64_t hash_bytes(const void *p, size_t n, uint64_t seed);

/** XXH3 over several pieces. */
struct hash_stream;
struct hash_stream *hash_stream_create(void); // NULL: no memory
void hash_stream_add(struct hash_stream *h, const void *p, size_t n);
uint64_t hash_stream_value(const struct hash_stream *h);
void hash_stream_destroy(struct hash_stream *h);

#endif
