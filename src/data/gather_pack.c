/* Packed fields of a micro-batch: every line of a row once, for all the fields
 * in it. */
#include <string.h>

#include "data/gather.h"

#define BLOCK 32 /* rows, of which the next ones are fetched meanwhile */

/* Where the rows of a block begin; those without a row: the missing one. */
static void find_rows(const struct packed *p, const struct packed_group *g,
                      const uint32_t *row, uint32_t n, const uint32_t **at)
{
    for (uint32_t i = 0; i < n; i++) {
        uint64_t r = row[i] == NO_ROW ? p->n_rows : row[i];

        at[i] = g->words + r * g->stride;
        __builtin_prefetch(at[i]);
        __builtin_prefetch(at[i] + g->stride - 1);
    }
}

static void take_f32(const uint32_t *const *at, uint32_t word, uint32_t n,
                     float *out)
{
    for (uint32_t i = 0; i < n; i++)
        memcpy(&out[i], at[i] + word, sizeof(*out));
}

static void take_u32(const uint32_t *const *at, uint32_t word, uint32_t n,
                     uint64_t *out)
{
    for (uint32_t i = 0; i < n; i++) {
        uint32_t id = at[i][word];

        out[i] = id == UINT32_MAX ? BATCH_NO_ID : id;
    }
}

static void take_u64(const uint32_t *const *at, uint32_t word, uint32_t n,
                     uint64_t *out)
{
    for (uint32_t i = 0; i < n; i++)
        memcpy(&out[i], at[i] + word, sizeof(*out));
}

/* Samples i .. i + n - 1. */
static void take_block(const struct packed_group *g, int query_side,
                       const uint32_t *const *at, uint32_t i, uint32_t n,
                       struct field_buffer *buffers)
{
    uint32_t word = 0;

    for (uint32_t k = 0; k < g->n; k++) {
        const struct packed_field *f = &g->fields[k];
        struct field_buffer *b = &buffers[f->field];

        if (f->query_side != query_side)
            ;
        else if (f->kind == PACKED_F32)
            take_f32(at, word, n, b->dense + i);
        else if (f->kind == PACKED_U32)
            take_u32(at, word, n, b->ids + i);
        else
            take_u64(at, word, n, b->ids + i);
        word += f->kind == PACKED_U64 ? 2 : 1;
    }
}

static int has_side(const struct packed_group *g, int query_side)
{
    for (uint32_t k = 0; k < g->n; k++)
        if (g->fields[k].query_side == query_side)
            return 1;
    return 0;
}

void gather_packed(const struct packed *p, const struct side *s, int query_side,
                   struct field_buffer *buffers)
{
    for (uint32_t k = 0; p && k < p->n_groups; k++) {
        const struct packed_group *g = &p->groups[k];
        const uint32_t *at[2][BLOCK];
        uint32_t n = s->n < BLOCK ? s->n : BLOCK;

        if (!has_side(g, query_side))
            continue;
        find_rows(p, g, s->row, n, at[0]);
        for (uint32_t i = 0, b = 0; i < s->n; i += BLOCK, b ^= 1) {
            uint32_t now = n, left = s->n - i - n;

            n = left < BLOCK ? left : BLOCK;
            find_rows(p, g, s->row + i + now, n, at[b ^ 1]);
            take_block(g, query_side, at[b], i, now, buffers);
        }
    }
}
