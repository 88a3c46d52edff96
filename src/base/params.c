/* Initial values of rows and blocks: each float from its own place in a stream
 * named by what it belongs to, so any cut over shards gives the same values. */
#include "base/params.h"

#include "base/rng.h"

static float draw(uint64_t stream_key, enum param_init init, float scale,
                  uint64_t at)
{
    struct rng r = {stream_key, 2 * at};

    if (init == INIT_NORMAL)
        return scale * (float)rng_normal(&r);
    return scale * (2.0f * rng_float(&r) - 1.0f);
}

void param_init_fill(uint64_t seed, uint32_t what, enum param_init init,
                     float scale, uint64_t key, uint64_t offset, float *out,
                     size_t n)
{
    struct rng stream;

    if (init == INIT_ZERO || init == INIT_ONE) {
        for (size_t i = 0; i < n; i++)
            out[i] = init == INIT_ONE ? 1.0f : 0.0f;
        return;
    }
    stream = rng_stream(seed, RNG_INIT, what, key);
    for (size_t i = 0; i < n; i++)
        out[i] = draw(stream.key, init, scale, offset + i);
}
