/* Random numbers as pure functions of what they are for: (seed, purpose, a, b)
 * names a stream, the counter walks it. Never drawn from a rank, a thread or
 * the time, so any number of workers sees the same numbers.
 *
 * Each output is the SplitMix64 finaliser applied twice over a keyed counter.
 */
#ifndef BASE_RNG_H
#define BASE_RNG_H

#include <math.h>
#include <stdint.h>

#include "base/hash.h"

enum rng_purpose {
    RNG_INIT = 1, // a = table or block, b = key or offset
    RNG_SHUFFLE,  // a = epoch
    RNG_DROPOUT,  // a = epoch and layer, b = sample id
    RNG_NEGATIVE, // a = epoch, b = sample id
    RNG_SPLIT,    // a = 0, b = row or group
    RNG_GENERATE, // made data
    RNG_BOOTSTRAP,
    RNG_TEST,
    RNG_NETWORK, // the simulated network
    RNG_JOB,     // ids
    RNG_ROUND,   // a = table, b = purpose: of bf16 rows, walked by clock
    RNG_ADMIT,   // the same: does a key get a row?
    RNG_WIRE,    // a = unit and micro-batch, b = table and key
    RNG_MASK,    // a = epoch and tower, b = sample id
    RNG_AUGMENT, // a = epoch, b = sample id
    RNG_NOISE    // a = epoch and unit, b = table and key, or block
};

__extension__ typedef unsigned __int128 rng_u128;

struct rng {
    uint64_t key;
    uint64_t counter;
};

static inline struct rng rng_stream(uint64_t seed, enum rng_purpose purpose,
                                    uint64_t a, uint64_t b)
{
    uint64_t k = hash_mix(seed + 0x9e3779b97f4a7c15u * (uint64_t)purpose);

    k = hash_mix(k ^ (a * 0xd1342543de82ef95u + 1));
    k = hash_mix(k ^ (b * 0xaf251af3b0f025b5u + 2));
    return (struct rng){k, 0};
}

static inline uint64_t rng_u64(struct rng *r)
{
    return hash_mix(r->key + hash_mix(0x9e3779b97f4a7c15u * ++r->counter));
}

/** Uniform in [0, 1), 24 bits. */
static inline float rng_float(struct rng *r)
{
    return (float)(rng_u64(r) >> 40) * 0x1p-24f;
}

/** Uniform in [0, 1), 53 bits. */
static inline double rng_double(struct rng *r)
{
    return (double)(rng_u64(r) >> 11) * 0x1p-53;
}

/** Uniform in [0, n); n > 0 (Lemire 2019, without the rejection step: bias
 * below n / 2^64). */
static inline uint64_t rng_below(struct rng *r, uint64_t n)
{
    return (uint64_t)(((rng_u128)rng_u64(r) * n) >> 64);
}

/** Standard normal (Box and Muller 1958). */
static inline double rng_normal(struct rng *r)
{
    double u = 1.0 - rng_double(r), v = rng_double(r);

    return sqrt(-2.0 * log(u)) * cos(6.283185307179586 * v);
}

/* A permutation of [0, n) that needs no memory: a 4-round Feistel network over
 * the next even number of bits, walked until the value falls below n (Black
 * and Rogaway 2002). */
struct rng_permutation {
    uint64_t n;
    uint64_t key[4];
    unsigned half_bits;
};

struct rng_permutation rng_permutation_make(uint64_t n, struct rng stream);
uint64_t rng_permute(const struct rng_permutation *p, uint64_t i);

#endif
