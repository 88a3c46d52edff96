/* The permutation without memory; the rest of rng is inline. */
#include "base/rng.h"

struct rng_permutation rng_permutation_make(uint64_t n, struct rng stream)
{
    struct rng_permutation p = {.n = n};
    unsigned bits = 2;

    while (bits < 64 && (n - 1) >> bits)
        bits++;
    p.half_bits = (bits + 1) / 2;
    for (int i = 0; i < 4; i++)
        p.key[i] = rng_u64(&stream);
    return p;
}

static uint64_t feistel(const struct rng_permutation *p, uint64_t x)
{
    uint64_t mask = ((uint64_t)1 << p->half_bits) - 1;
    uint64_t left = x >> p->half_bits, right = x & mask;

    for (int i = 0; i < 4; i++) {
        uint64_t next = left ^ (hash_mix(right ^ p->key[i]) & mask);

        left = right;
        right = next;
    }
    return left << p->half_bits | right;
}

uint64_t rng_permute(const struct rng_permutation *p, uint64_t i)
{
    do
        i = feistel(p, i);
    while (i >= p->n);
    return i;
}
