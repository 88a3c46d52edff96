/* Rows of floats, each written by whoever comes first: a byte a row says empty,
 * being written, or there. */
#include "data/match_memo.h"

#include <stdatomic.h>
#include <string.h>

#include "base/mem.h"

enum { EMPTY, BEING_WRITTEN, THERE };

struct mark {
    _Atomic unsigned char is;
};

struct match_memo {
    uint32_t width;
    float *values;      // [n_rows, width]
    struct mark *marks; // [n_rows]
};

uint64_t match_memo_bytes(uint64_t n_rows, uint32_t width)
{
    return n_rows * ((uint64_t)width * sizeof(float) + 1);
}

enum fusor_status match_memo_create(uint64_t n_rows, uint32_t width,
                                    struct match_memo **out,
                                    struct fusor_error *err)
{
    struct match_memo *m = mem_alloc(1, sizeof(*m));

    if (m) {
        m->width = width;
        m->values = mem_alloc((size_t)n_rows, width * sizeof(*m->values));
        m->marks = mem_alloc((size_t)n_rows, sizeof(*m->marks));
    }
    if (!m || !m->values || !m->marks) {
        match_memo_destroy(m);
        return mem_fail(err, "matches",
                        (size_t)match_memo_bytes(n_rows, width));
    }
    *out = m;
    return FUSOR_OK;
}

void match_memo_destroy(struct match_memo *m)
{
    if (!m)
        return;
    mem_free(m->values);
    mem_free(m->marks);
    mem_free(m);
}

int match_memo_find(const struct match_memo *m, uint32_t row, float *out)
{
    if (atomic_load_explicit(&m->marks[row].is, memory_order_acquire) != THERE)
        return 0;
    memcpy(out, m->values + (size_t)row * m->width, m->width * sizeof(*out));
    return 1;
}

void match_memo_keep(struct match_memo *m, uint32_t row, const float *values)
{
    unsigned char empty = EMPTY;

    if (!atomic_compare_exchange_strong_explicit(
            &m->marks[row].is, &empty, BEING_WRITTEN, memory_order_relaxed,
            memory_order_relaxed))
        return;
    memcpy(m->values + (size_t)row * m->width, values,
           m->width * sizeof(*values));
    atomic_store_explicit(&m->marks[row].is, THERE, memory_order_release);
}
