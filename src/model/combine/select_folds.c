/* Deals rows into folds and makes both sides of each. */
#include "model/combine/select_folds.h"

#include <stdlib.h>
#include <string.h>

#include "base/hash.h"
#include "base/mem.h"

struct unit_place {
    uint64_t hash;
    size_t unit;
};

static int by_hash(const void *a, const void *b)
{
    const struct unit_place *x = a, *y = b;

    return (x->hash > y->hash) - (x->hash < y->hash);
}

size_t folds_count_units(const struct recipe_rows *rows)
{
    size_t n = 0;

    if (!rows->query)
        return rows->n;
    for (size_t i = 0; i < rows->n; i++)
        if (rows->query[i] + (size_t)1 > n)
            n = rows->query[i] + (size_t)1;
    return n;
}

/* The fold of each row: units in an order by the seed, dealt in turn. */
static enum fusor_status deal(const struct recipe_rows *rows,
                              const struct select_options *o, uint32_t *fold,
                              struct fusor_error *err)
{
    size_t n = folds_count_units(rows);
    struct unit_place *order;
    uint32_t *of_unit;

    if (n < 2 * (size_t)o->folds)
        return fusor_fail(err, FUSOR_EDATA,
                          "select: %zu %s for %u folds: give at least twice as "
                          "many, or fewer folds",
                          n, rows->query ? "users" : "rows", o->folds);
    order = mem_alloc(n, sizeof(*order));
    of_unit = mem_alloc(n, sizeof(*of_unit));
    if (!order || !of_unit) {
        mem_free(order);
        mem_free(of_unit);
        return mem_fail(err, "folds", n * sizeof(*order));
    }
    for (size_t u = 0; u < n; u++)
        order[u] =
            (struct unit_place){hash_mix(u + 1 + hash_mix(o->seed + 1)), u};
    qsort(order, n, sizeof(*order), by_hash);
    for (size_t i = 0; i < n; i++)
        of_unit[order[i].unit] = (uint32_t)(i % o->folds);
    for (size_t i = 0; i < rows->n; i++)
        fold[i] = of_unit[rows->query ? rows->query[i] : i];
    mem_free(order);
    mem_free(of_unit);
    return FUSOR_OK;
}

static void side_clear(struct side *s)
{
    mem_free(s->scores);
    mem_free(s->targets);
    mem_free(s->query);
    mem_free(s->from);
}

/* Rows in (or not in) a fold, their queries numbered anew. */
static enum fusor_status side_make(const struct recipe_rows *all,
                                   const uint32_t *fold, uint32_t k, int inside,
                                   struct side *s, struct fusor_error *err)
{
    size_t m = all->m, n = 0, n_queries = 0;
    uint32_t *number = mem_alloc(all->n + 1, sizeof(*number));

    s->scores = mem_alloc_raw(all->n * m + 1, sizeof(*s->scores));
    s->targets = mem_alloc_raw(all->n + 1, sizeof(*s->targets));
    s->query = mem_alloc_raw(all->n + 1, sizeof(*s->query));
    s->from = mem_alloc_raw(all->n + 1, sizeof(*s->from));
    if (!number || !s->scores || !s->targets || !s->query || !s->from) {
        mem_free(number);
        return mem_fail(err, "fold", all->n * (m + 3) * sizeof(double));
    }
    for (size_t i = 0; i < all->n; i++) {
        uint32_t q = all->query ? all->query[i] : 0;

        if ((fold[i] == k) != inside)
            continue;
        if (all->query && number[q] == 0)
            number[q] = (uint32_t)++n_queries;
        memcpy(s->scores + n * m, all->scores + i * m, m * sizeof(double));
        s->targets[n] = all->targets[i];
        s->query[n] = all->query ? number[q] - 1 : 0;
        s->from[n++] = i;
    }
    mem_free(number);
    s->rows = (struct recipe_rows){s->scores, s->targets,
                                   all->query ? s->query : NULL, n, m};
    return FUSOR_OK;
}

void folds_clear(struct folds *f)
{
    if (!f)
        return;
    for (uint32_t k = 0; k < f->n; k++) {
        side_clear(&f->fit[k]);
        side_clear(&f->rest[k]);
    }
    mem_free(f->out);
    mem_free(f->part);
    mem_free(f->weights);
    mem_free(f);
}

static enum fusor_status folds_fill(const struct recipe_rows *rows,
                                    const struct select_options *o,
                                    struct folds *f, uint32_t *fold,
                                    struct fusor_error *err)
{
    f->out = mem_alloc(rows->n + 1, sizeof(*f->out));
    f->part = mem_alloc(rows->n + 1, sizeof(*f->part));
    f->weights = mem_alloc(rows->n + 1, sizeof(*f->weights));
    if (!f->out || !f->part || !f->weights || !fold)
        return mem_fail(err, "folds", rows->n * sizeof(*f->out));
    FUSOR_TRY(deal(rows, o, fold, err));
    for (f->n = 0; f->n < o->folds; f->n++) {
        FUSOR_TRY(side_make(rows, fold, f->n, 0, &f->fit[f->n], err));
        FUSOR_TRY(side_make(rows, fold, f->n, 1, &f->rest[f->n], err));
    }
    return FUSOR_OK;
}

enum fusor_status folds_make(const struct recipe_rows *rows,
                             const struct select_options *o, struct folds **out,
                             struct fusor_error *err)
{
    uint32_t *fold;
    enum fusor_status rc;

    *out = NULL;
    if (o->folds < 2 || o->folds > SELECT_FOLDS_MAX)
        return fusor_fail(err, FUSOR_EUSAGE,
                          "select: %u folds: from 2 to %d are possible",
                          o->folds, SELECT_FOLDS_MAX);
    if (!rows->targets)
        return fusor_fail(err, FUSOR_EINVAL, "select: rows without targets");
    *out = mem_alloc(1, sizeof(**out));
    if (!*out)
        return mem_fail(err, "folds", sizeof(**out));
    fold = mem_alloc(rows->n + 1, sizeof(*fold));
    rc = folds_fill(rows, o, *out, fold, err);
    if (rc != FUSOR_OK && (*out)->n < o->folds) { // one half made
        side_clear(&(*out)->fit[(*out)->n]);
        side_clear(&(*out)->rest[(*out)->n]);
    }
    mem_free(fold);
    return rc;
}
