/* Dropout masks from counter-based streams: 16 bits a value, 64 values a round,
 * in an order that runs in lanes. */
#include "model/layer/dropout.h"

#include "base/rng.h"
#include "model/layer/kernel.h"

#define WORDS 16
#define ROUND (4 * WORDS)

/* The next words of the stream, as rng_u64() gives them, cut into the scales
 * of ROUND values: first the lowest 16 bits of every word, then the next. */
KERNEL_BODY void draw_round(uint64_t key, uint64_t counter, uint32_t limit,
                            float keep, float *restrict out)
{
    uint64_t word[WORDS];

    for (uint32_t j = 0; j < WORDS; j++)
        word[j] =
            hash_mix(key + hash_mix(0x9e3779b97f4a7c15u * (counter + j + 1)));
    for (uint32_t part = 0; part < 4; part++)
        for (uint32_t j = 0; j < WORDS; j++) {
            uint32_t bits = (uint32_t)(word[j] >> (16 * part)) & 0xffff;

            out[part * WORDS + j] = bits < limit ? 0.0f : keep;
        }
}

KERNEL_BODY void draw_body(uint64_t key, uint32_t limit, float keep,
                           uint32_t width, float *restrict mask)
{
    float rest[ROUND];
    uint32_t k = 0;

    for (; k + ROUND <= width; k += ROUND)
        draw_round(key, k / 4, limit, keep, mask + k);
    if (k == width)
        return;
    draw_round(key, k / 4, limit, keep, rest);
    for (uint32_t j = 0; k + j < width; j++)
        mask[k + j] = rest[j];
}

KERNEL(draw,
       (uint64_t key, uint32_t limit, float keep, uint32_t width,
        float *restrict mask),
       (key, limit, keep, width, mask))

void dropout_draw(const struct dropout *d, uint64_t seed,
                  const struct model_step *s, uint64_t sample_id, uint32_t n,
                  float *mask)
{
    uint32_t limit = (uint32_t)(d->rate * 65536.0f);
    float keep = 65536.0f / (float)(65536 - limit);
    struct rng stream =
        rng_stream(seed, RNG_DROPOUT, (s->epoch << 16) + d->number, sample_id);

    draw(stream.key, limit, keep, n, mask);
}

void dropout_mask(const struct dropout *d, uint64_t seed,
                  const struct model_step *s, uint32_t width, float *mask)
{
    for (uint32_t i = 0; i < s->batch->n; i++)
        dropout_draw(d, seed, s, s->batch->sample_id[i], width,
                     mask + (size_t)i * width);
}

KERNEL_BODY void apply_body(const float *restrict mask, float *restrict y,
                            size_t n)
{
    for (size_t i = 0; i < n; i++)
        y[i] *= mask[i];
}

KERNEL(apply, (const float *restrict mask, float *restrict y, size_t n),
       (mask, y, n))

void dropout_apply(const float *mask, float *y, size_t n)
{
    apply(mask, y, n);
}
