/* xxHash's only home. */
#include "base/hash.h"

#include <xxhash.h>

uint64_t hash_bytes(const void *p, size_t n, uint64_t seed)
{
    return XXH3_64bits_withSeed(p, n, seed);
}

struct hash_stream *hash_stream_create(void)
{
    XXH3_state_t *s = XXH3_createState();

    if (s)
        XXH3_64bits_reset(s);
    return (struct hash_stream *)s;
}

void hash_stream_add(struct hash_stream *h, const void *p, size_t n)
{
    XXH3_64bits_update((XXH3_state_t *)h, p, n);
}

uint64_t hash_stream_value(const struct hash_stream *h)
{
    return XXH3_64bits_digest((const void *)h);
}

void hash_stream_destroy(struct hash_stream *h)
{
    XXH3_freeState((XXH3_state_t *)h);
}
