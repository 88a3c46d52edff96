/* Dropout masks from counter-based streams: 16 bits a value. */
#include "model/layer/dropout.h"

#include "base/rng.h"
#include "model/layer/kernel.h"

void dropout_mask(const struct dropout *d, uint64_t seed,
                  const struct model_step *s, uint32_t width, float *mask)
{
    uint32_t limit = (uint32_t)(d->rate * 65536.0f);
    float keep = 65536.0f / (float)(65536 - limit);

    for (uint32_t i = 0; i < s->batch->n; i++) {
        struct rng stream =
            rng_stream(seed, RNG_DROPOUT, (s->epoch << 16) + d->number,
                       s->batch->sample_id[i]);
        float *row = mask + (size_t)i * width;
        uint64_t bits = 0;

        for (uint32_t k = 0; k < width; k++, bits >>= 16) {
            if (k % 4 == 0)
                bits = rng_u64(&stream);
            row[k] = (bits & 0xffff) < limit ? 0.0f : keep;
        }
    }
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
