/* Finds separators 64 bytes at a time as bits of one word (Langdale and Lemire,
 * "Parsing Gigabytes of JSON per Second", 2019, section 3.1); SSE2 is part of
 * every x86-64. */
#include "data/scan.h"

#ifdef __SSE2__
#include <emmintrin.h>
#endif

static void add_byte(struct scan *s, const char *text, size_t i, char separator)
{
    if (text[i] == '\n')
        s->lines[s->n_lines++] = (uint32_t)s->n_ends;
    if (text[i] == '\n' || text[i] == separator)
        s->ends[s->n_ends++] = (uint32_t)i;
    s->high |= (text[i] & 0x80) != 0;
}

static void start(struct scan *s)
{
    s->n_ends = s->n_lines = 0;
    s->high = 0;
}

void scan_cells_plain(const char *text, size_t n, char separator,
                      struct scan *out)
{
    start(out);
    for (size_t i = 0; i < n; i++)
        add_byte(out, text, i, separator);
}

#ifdef __SSE2__
struct bits {
    uint64_t ends, newlines, high;
};

static struct bits bits_of(const char *text, char separator)
{
    const __m128i tab = _mm_set1_epi8(separator), feed = _mm_set1_epi8('\n');
    struct bits b = {0, 0, 0};

    for (int i = 0; i < 4; i++) {
        __m128i x = _mm_loadu_si128((const __m128i *)(text + 16 * i));
        uint64_t t = (unsigned)_mm_movemask_epi8(_mm_cmpeq_epi8(x, tab));
        uint64_t f = (unsigned)_mm_movemask_epi8(_mm_cmpeq_epi8(x, feed));

        b.ends |= (t | f) << (16 * i);
        b.newlines |= f << (16 * i);
        b.high |= (uint64_t)(unsigned)_mm_movemask_epi8(x) << (16 * i);
    }
    return b;
}

static void add_bits(struct scan *s, struct bits b, size_t at)
{
    uint32_t *to = s->ends + s->n_ends;

    for (; b.newlines; b.newlines &= b.newlines - 1) {
        uint64_t before = (b.newlines & -b.newlines) - 1;

        s->lines[s->n_lines++] =
            (uint32_t)s->n_ends +
            (uint32_t)__builtin_popcountll(b.ends & before);
    }
    s->n_ends += (size_t)__builtin_popcountll(b.ends);
    for (; b.ends; b.ends &= b.ends - 1)
        *to++ = (uint32_t)at + (uint32_t)__builtin_ctzll(b.ends);
    s->high |= b.high != 0;
}
#endif

void scan_cells(const char *text, size_t n, char separator, struct scan *out)
{
    size_t i = 0;

    start(out);
#ifdef __SSE2__
    for (; i + 64 <= n; i += 64)
        add_bits(out, bits_of(text + i, separator), i);
#endif
    for (; i < n; i++)
        add_byte(out, text, i, separator);
}
