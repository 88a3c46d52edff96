/* Rows of floats to and from fewer bytes. Stochastic rounding as in Gupta et
 * al. 2015 (Deep Learning with Limited Numerical Precision, section 3); the
 * noise of element j is a mix of the row's seed and j (the finaliser of Wellons
 * 2018, "lowbias32"), so loops have no order and vectors no lanes of their own.
 */
#include "wire/encoding.h"

#include <string.h>

#include "base/cpu.h"
#include "wire/encoding_int8.h"

struct kernels {
    void (*to_bf16)(const float *x, size_t n, uint16_t *out);
    void (*to_bf16_random)(const float *rows, size_t m, size_t width,
                           const uint64_t *seeds, uint16_t *out);
    void (*to_bf16_fed)(const float *x, float *left, size_t n, uint16_t *out);
    void (*from_bf16)(const uint16_t *in, size_t n, float *x);
    void (*to_int8)(const float *rows, size_t m, size_t width,
                    const uint64_t *seeds, float *scales, int8_t *out);
    void (*from_int8)(const int8_t *in, const float *scales, size_t m,
                      size_t width, float *rows);
    /* The same where width is a multiple of lanes; 0: there are none. */
    size_t lanes;
    void (*to_int8_whole)(const float *rows, size_t m, size_t width,
                          const uint64_t *seeds, float *scales, int8_t *out);
    void (*from_int8_whole)(const int8_t *in, const float *scales, size_t m,
                            size_t width, float *rows);
};

#define LOOP static inline __attribute__((always_inline))

LOOP uint32_t noise(uint64_t seed, uint32_t j)
{
    uint32_t x = (uint32_t)seed ^ (j * 0x9e3779b9u + (uint32_t)(seed >> 32));

    x ^= x >> 16;
    x *= 0x7feb352du;
    x ^= x >> 15;
    x *= 0x846ca68bu;
    return x ^ (x >> 16);
}

LOOP uint32_t bits_of(float x)
{
    uint32_t u;

    memcpy(&u, &x, sizeof(u));
    return u;
}

/* NaN must not be carried over into infinity. */
LOOP uint16_t cut(uint32_t u, uint32_t carry)
{
    uint32_t nan = (u & 0x7fffffffu) > 0x7f800000u;

    return (uint16_t)(nan ? (u >> 16 | 0x40u) : (u + carry) >> 16);
}

LOOP uint16_t to_nearest(float x)
{
    uint32_t u = bits_of(x);

    return cut(u, 0x7fffu + (u >> 16 & 1u)); // ties to even
}

LOOP float from_half(uint16_t half)
{
    uint32_t u = (uint32_t)half << 16;
    float x;

    memcpy(&x, &u, sizeof(x));
    return x;
}

LOOP void to_bf16_loop(const float *restrict x, size_t n,
                       uint16_t *restrict out)
{
    for (size_t i = 0; i < n; i++)
        out[i] = to_nearest(x[i]);
}

LOOP void to_bf16_fed_loop(const float *restrict x, float *restrict left,
                           size_t n, uint16_t *restrict out)
{
    for (size_t i = 0; i < n; i++) {
        float sum = x[i] + left[i];

        out[i] = to_nearest(sum);
        left[i] = sum - from_half(out[i]);
    }
}

LOOP void to_bf16_random_loop(const float *restrict x, size_t n, uint64_t seed,
                              uint16_t *restrict out)
{
    for (size_t i = 0; i < n; i++)
        out[i] = cut(bits_of(x[i]), noise(seed, (uint32_t)i) & 0xffffu);
}

LOOP void from_bf16_loop(const uint16_t *restrict in, size_t n,
                         float *restrict x)
{
    for (size_t i = 0; i < n; i++)
        x[i] = from_half(in[i]);
}

LOOP float to_int8_loop(const float *restrict x, size_t n, uint64_t seed,
                        int random, int8_t *restrict out)
{
    uint32_t most = 0; // as bits: not finite is above all
    float max, inverse;

    for (size_t i = 0; i < n; i++) {
        uint32_t u = bits_of(x[i]) & 0x7fffffffu;

        most = u > most ? u : most;
    }
    memcpy(&max, &most, sizeof(max));
    if (most >= 0x7f800000u || max < ENCODING_SCALE_MIN) {
        memset(out, 0, n);
        return most >= 0x7f800000u ? max - max : 0.0f;
    }
    inverse = 127.0f / max;
    for (size_t i = 0; i < n; i++) {
        float up =
            random ? (float)(noise(seed, (uint32_t)i) >> 8) * 0x1p-24f : 0.5f;
        /* Above zero, so that cutting off is rounding down. */
        int q = (int)(x[i] * inverse + up + 256.0f) - 256;

        q = q > 127 ? 127 : q;
        out[i] = (int8_t)(q < -127 ? -127 : q);
    }
    return max / 127.0f;
}

LOOP void from_int8_loop(const int8_t *restrict in, size_t n, float scale,
                         float *restrict x)
{
    for (size_t i = 0; i < n; i++)
        x[i] = (float)in[i] * scale;
}

/* Rows are short: where the width is a constant, a row is a few vectors and no
 * loop is left. */
#define BY_WIDTH(width, call) \
    do {                      \
        switch (width) {      \
        case 8:               \
            call(8);          \
            break;            \
        case 16:              \
            call(16);         \
            break;            \
        case 32:              \
            call(32);         \
            break;            \
        case 64:              \
            call(64);         \
            break;            \
        default:              \
            call(width);      \
        }                     \
    } while (0)

LOOP void to_bf16_random_rows(const float *rows, size_t m, size_t width,
                              const uint64_t *seeds, uint16_t *out)
{
    for (size_t i = 0; i < m; i++)
        to_bf16_random_loop(rows + i * width, width, seeds[i], out + i * width);
}

LOOP void to_int8_rows(const float *rows, size_t m, size_t width,
                       const uint64_t *seeds, float *scales, int8_t *out)
{
    for (size_t i = 0; i < m && seeds; i++)
        scales[i] =
            to_int8_loop(rows + i * width, width, seeds[i], 1, out + i * width);
    for (size_t i = 0; i < m && !seeds; i++)
        scales[i] =
            to_int8_loop(rows + i * width, width, 0, 0, out + i * width);
}

LOOP void from_int8_rows(const int8_t *in, const float *scales, size_t m,
                         size_t width, float *rows)
{
    for (size_t i = 0; i < m; i++)
        from_int8_loop(in + i * width, width, scales[i], rows + i * width);
}

#define CALL_BF16(w) to_bf16_random_rows(rows, m, w, seeds, out)

#define KERNELS(level, target)                                              \
    target static void to_bf16_##level(const float *x, size_t n,            \
                                       uint16_t *out)                       \
    {                                                                       \
        to_bf16_loop(x, n, out);                                            \
    }                                                                       \
    target static void to_bf16_random_##level(                              \
        const float *rows, size_t m, size_t width, const uint64_t *seeds,   \
        uint16_t *out)                                                      \
    {                                                                       \
        BY_WIDTH(width, CALL_BF16);                                         \
    }                                                                       \
    target static void to_bf16_fed_##level(const float *x, float *left,     \
                                           size_t n, uint16_t *out)         \
    {                                                                       \
        to_bf16_fed_loop(x, left, n, out);                                  \
    }                                                                       \
    target static void from_bf16_##level(const uint16_t *in, size_t n,      \
                                         float *x)                          \
    {                                                                       \
        from_bf16_loop(in, n, x);                                           \
    }                                                                       \
    target static void to_int8_##level(const float *rows, size_t m,         \
                                       size_t width, const uint64_t *seeds, \
                                       float *scales, int8_t *out)          \
    {                                                                       \
        to_int8_rows(rows, m, width, seeds, scales, out);                   \
    }                                                                       \
    target static void from_int8_##level(const int8_t *in,                  \
                                         const float *scales, size_t m,     \
                                         size_t width, float *rows)         \
    {                                                                       \
        from_int8_rows(in, scales, m, width, rows);                         \
    }

#define ROW(level, ...)                                                        \
    {                                                                          \
        to_bf16_##level, to_bf16_random_##level, to_bf16_fed_##level,          \
            from_bf16_##level, to_int8_##level, from_int8_##level, __VA_ARGS__ \
    }
#define NO_LANES 0, NULL, NULL

#if defined(__x86_64__)
KERNELS(plain, )
KERNELS(avx2, __attribute__((target("avx2"))))
KERNELS(avx512, __attribute__((target("avx512f,avx512vl,avx512bw,avx512dq"))))
static const struct kernels kernels[] = {
    [CPU_PLAIN] = ROW(plain, NO_LANES),
    [CPU_AVX2] =
        ROW(avx2, 8, encoding_int8_write_avx2, encoding_int8_read_avx2),
    [CPU_AVX512] =
        ROW(avx512, 16, encoding_int8_write_avx512, encoding_int8_read_avx512)};
#else
KERNELS(plain, )
static const struct kernels kernels[] = {[CPU_PLAIN] = ROW(plain, NO_LANES),
                                         [CPU_AVX2] = ROW(plain, NO_LANES),
                                         [CPU_AVX512] = ROW(plain, NO_LANES)};
#endif

static int is_whole(const struct kernels *k, size_t width)
{
    return k->lanes && width % k->lanes == 0;
}

const char *encoding_name(enum encoding e)
{
    static const char *const names[] = {"f32", "bf16", "int8"};

    return names[e];
}

size_t encoding_bytes(enum encoding e, size_t n, size_t width)
{
    if (e == ENCODING_INT8)
        return n * (sizeof(float) + width);
    return n * width * (e == ENCODING_BF16 ? sizeof(uint16_t) : sizeof(float));
}

int encoding_rows(enum encoding e, size_t bytes, size_t width, size_t *n)
{
    *n = bytes / encoding_bytes(e, 1, width);
    return encoding_bytes(e, *n, width) == bytes ? 0 : -1;
}

void encoding_write(enum encoding e, const float *rows, size_t m, size_t width,
                    const uint64_t *seeds, void *out, size_t n, size_t first)
{
    const struct kernels *k = &kernels[cpu_level()];
    uint16_t *halves = (uint16_t *)out + first * width;
    float *floats = out;

    if (e == ENCODING_BF16 && seeds)
        k->to_bf16_random(rows, m, width, seeds, halves);
    else if (e == ENCODING_BF16)
        k->to_bf16(rows, m * width, halves);
    else if (e == ENCODING_INT8)
        (is_whole(k, width) ? k->to_int8_whole : k->to_int8)(
            rows, m, width, seeds, floats + first,
            (int8_t *)(floats + n) + first * width);
    else
        memcpy(floats + first * width, rows, m * width * sizeof(float));
}

size_t encoding_scale_bytes(enum encoding e, size_t n)
{
    return e == ENCODING_INT8 ? n * sizeof(float) : 0;
}

void encoding_read_apart(enum encoding e, const void *scales,
                         const void *elements, size_t n, size_t width,
                         float *rows)
{
    const struct kernels *k = &kernels[cpu_level()];

    if (e == ENCODING_F32)
        memcpy(rows, elements, n * width * sizeof(float));
    else if (e == ENCODING_BF16)
        k->from_bf16(elements, n * width, rows);
    else
        (is_whole(k, width) ? k->from_int8_whole
                            : k->from_int8)(elements, scales, n, width, rows);
}

/* A piece at a time, so that what is added, and what of it is left over, are
 * in the cache still. */
static void write_fed(enum encoding e, const float *rows, float *left, size_t m,
                      size_t width, void *out, size_t n, size_t first)
{
    size_t piece = ENCODING_FED_MAX / width, row = encoding_bytes(e, 1, width);
    size_t scale = encoding_scale_bytes(e, 1), some;
    uint8_t *scales = out, *elements = scales + n * scale;
    float sums[ENCODING_FED_MAX], sent[ENCODING_FED_MAX];

    for (size_t at = 0; at < m; at += some) {
        const float *x = rows + at * width;
        float *l = left + at * width;

        some = m - at < piece ? m - at : piece;
        for (size_t i = 0; i < some * width; i++)
            sums[i] = x[i] + l[i];
        encoding_write(e, sums, some, width, NULL, out, n, first + at);
        encoding_read_apart(e, scales + (first + at) * scale,
                            elements + (first + at) * (row - scale), some,
                            width, sent);
        for (size_t i = 0; i < some * width; i++)
            l[i] = sums[i] - sent[i];
    }
}

void encoding_write_fed(enum encoding e, const float *rows, float *left,
                        size_t m, size_t width, void *out, size_t n,
                        size_t first)
{
    uint16_t *halves = (uint16_t *)out + first * width;

    if (e == ENCODING_BF16)
        kernels[cpu_level()].to_bf16_fed(rows, left, m * width, halves);
    else
        write_fed(e, rows, left, m, width, out, n, first);
}

void encoding_read(enum encoding e, const void *in, size_t n, size_t width,
                   float *rows)
{
    const uint8_t *bytes = in;

    encoding_read_apart(e, in, bytes + encoding_scale_bytes(e, n), n, width,
                        rows);
}
