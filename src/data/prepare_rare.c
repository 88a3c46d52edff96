/* Rows of queries and items that have too few rows are dropped until none is
 * left: the k-core of the bipartite graph, which does not depend on the order
 * (Seidman 1983; "5-core" in He and McAuley 2016). Their ids leave no trace. */
#include <string.h>

#include "base/mem.h"
#include "data/prepare_private.h"

struct rare_side {
    const uint32_t *ids; // of the rows
    uint32_t *rows;      // [n] of each id
    uint32_t n;
    uint64_t least;
};

static enum fusor_status count_side(struct prep *p, int side,
                                    struct rare_side *s,
                                    struct fusor_error *err)
{
    const struct prep_facts *f = &p->facts;

    s->least = side ? p->options->min_item_rows : p->options->min_query_rows;
    s->ids = side ? f->item : f->query;
    if (!s->ids)
        return FUSOR_OK;
    s->n = vocab_size(prep_key_vocab(p, side));
    s->rows = mem_alloc(s->n, sizeof(*s->rows));
    if (!s->rows)
        return mem_fail(err, "rare ids", s->n * sizeof(*s->rows));
    for (uint64_t row = 0; row < f->n; row++)
        s->rows[s->ids[row]] += f->part[row] != ROW_DROPPED;
    return FUSOR_OK;
}

static int is_rare(const struct rare_side *s, uint64_t row)
{
    return s->ids && s->rows[s->ids[row]] < s->least;
}

/* @return how many were dropped */
static uint64_t drop_once(struct prep_facts *f, struct rare_side sides[2])
{
    uint64_t n = 0;

    for (uint64_t row = 0; row < f->n; row++) {
        if (f->part[row] == ROW_DROPPED ||
            !(is_rare(&sides[0], row) || is_rare(&sides[1], row)))
            continue;
        f->part[row] = ROW_DROPPED;
        for (int i = 0; i < 2; i++)
            if (sides[i].ids)
                sides[i].rows[sides[i].ids[row]]--;
        n++;
    }
    return n;
}

/* Ids without a row get no place in the vocabulary. */
static enum fusor_status note_gone(struct prep *p, int side,
                                   const struct rare_side *s,
                                   struct fusor_error *err)
{
    struct prep_vocab *v;

    if (!s->ids)
        return FUSOR_OK;
    v = &p->vocabs[p->fields[p->sides[side].key].vocab];
    if (!v->gone) { // else both sides have one vocabulary
        v->gone = mem_alloc(s->n, 1);
        if (!v->gone)
            return mem_fail(err, "rare ids", s->n);
        memset(v->gone, 1, s->n);
        v->n_gone = s->n;
    }
    for (uint32_t id = 1; id < s->n; id++)
        v->gone[id] &= s->rows[id] == 0;
    return FUSOR_OK;
}

enum fusor_status prep_drop_rare(struct prep *p, struct fusor_error *err)
{
    struct rare_side sides[2] = {{.n = 0}, {.n = 0}};
    uint64_t dropped, left = p->facts.n;
    enum fusor_status rc;

    if (p->options->min_query_rows <= 1 && p->options->min_item_rows <= 1)
        return FUSOR_OK;
    rc = count_side(p, 0, &sides[0], err);
    if (rc == FUSOR_OK)
        rc = count_side(p, 1, &sides[1], err);
    while (rc == FUSOR_OK && (dropped = drop_once(&p->facts, sides)))
        p->report->bad[BAD_RARE] += dropped;
    for (int i = 0; i < 2 && rc == FUSOR_OK; i++)
        rc = note_gone(p, i, &sides[i], err);
    for (int i = 0; i < BAD_CAUSES; i++)
        left -= i == BAD_RARE || i == BAD_DUPLICATE ? p->report->bad[i] : 0;
    if (rc == FUSOR_OK && left == 0)
        rc = fusor_fail(err, FUSOR_EDATA,
                        "no row is left: no user has %llu rows with items of "
                        "%llu: lower min_query_rows or min_item_rows",
                        (unsigned long long)p->options->min_query_rows,
                        (unsigned long long)p->options->min_item_rows);
    mem_free(sides[0].rows);
    mem_free(sides[1].rows);
    return rc;
}

void prep_keep_candidates(struct prep *p)
{
    struct prep_vocab *v;

    if (p->sides[1].key < 0)
        return;
    v = &p->vocabs[p->fields[p->sides[1].key].vocab];
    for (size_t i = 0; i < p->split.n_candidates; i++)
        if (p->split.candidates[i] < v->n_gone)
            v->gone[p->split.candidates[i]] = 0;
    for (size_t i = 0; i < p->split.n_added; i++)
        if (p->split.added[i].item < v->n_gone)
            v->gone[p->split.added[i].item] = 0;
}
