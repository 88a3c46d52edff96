/* Values kept in half the room: bfloat16, the upper half of a float (8 bits of
 * exponent, 7 of fraction). Rounding after an update is stochastic, so that
 * steps smaller than half of the last bit are not lost but made with the right
 * probability (Gupta et al. 2015, section 3); its random bits are a function of
 * the stream the caller names, never of who computes. Plain, AVX2 and AVX-512
 * loops give the same bits.
 *
 * A NaN stays a NaN, an infinity an infinity.
 *
 * Threads: any. */
#ifndef OPTIM_BF16_H
#define OPTIM_BF16_H

#include <stddef.h>
#include <stdint.h>

struct bf16_ops {
    /** out[i] = the float that in[i] stands for. */
    void (*widen)(const uint16_t *in, float *out, size_t n);
    /** Round to one of the two neighbours, each with the probability that makes
     * the mean right; what is a bfloat16 already stays.
     * @param stream names the random bits: equal streams, equal results */
    void (*round)(const float *in, uint16_t *out, size_t n, uint64_t stream);
    /** Round to the nearest, ties to even. */
    void (*nearest)(const float *in, uint16_t *out, size_t n);
};

/** The loops of this CPU (cpu_level()). */
const struct bf16_ops *bf16_ops(void);

#endif
