/* The rows of each query, in the order of the file. */
#include "base/mem.h"
#include "data/protocol/all.h"

enum fusor_status by_query_make(const struct split_facts *f, struct by_query *g,
                                struct fusor_error *err)
{
    size_t n = vocab_size(f->queries);
    uint64_t *next;

    g->start = mem_alloc(n + 2, sizeof(*g->start));
    g->rows = mem_alloc(f->n, sizeof(*g->rows));
    if (!g->start || !g->rows)
        return mem_fail(err, "leave one out", (n + f->n) * sizeof(*g->rows));
    next = g->start + 1; // filling moves each start to its end
    for (uint64_t row = 0; row < f->n; row++)
        next[f->query[row] + 1]++;
    for (size_t q = 1; q <= n; q++)
        next[q] += next[q - 1];
    for (uint64_t row = 0; row < f->n; row++)
        g->rows[next[f->query[row]]++] = row;
    return FUSOR_OK;
}

void by_query_clear(struct by_query *g)
{
    mem_free(g->start);
    mem_free(g->rows);
}
