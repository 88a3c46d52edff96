/* Inverted indices of the bm25 towers, and the lists they find. */
#include "train/found.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "index/inverted.h"
#include "train/build_text.h"

struct finder {
    uint32_t n, n_documents;
    struct inverted **indices; // [n]
    uint32_t *texts;           // [n] field of the query
    uint32_t *towers;          // [n]
};

static enum fusor_status add_tower(struct finder *f, const struct dataset *ds,
                                   uint32_t tower, const struct built *spec,
                                   struct fusor_error *err)
{
    struct csr m = {0};
    enum fusor_status rc = build_bm25_weights(ds, spec, NULL, &m, err);

    if (rc == FUSOR_OK)
        rc = inverted_create(&m, &f->indices[f->n], err);
    if (rc == FUSOR_OK) {
        f->towers[f->n] = tower;
        f->texts[f->n++] = spec->text;
        f->n_documents = spec->n_items;
    }
    csr_clear(&m);
    return rc;
}

int finder_takes(const struct model *m, uint32_t tower)
{
    const struct built *b = model_built(m, tower);

    return b && b->method == BUILT_BM25;
}

enum fusor_status finder_create_for(const struct dataset *ds,
                                    const struct model *m,
                                    const unsigned char *wanted,
                                    struct finder **out,
                                    struct fusor_error *err)
{
    uint32_t n_towers = model_n_towers(m);
    struct finder *f = mem_alloc(1, sizeof(*f));
    enum fusor_status rc = FUSOR_OK;

    if (!f)
        return mem_fail(err, "search", sizeof(*f));
    f->indices = mem_alloc(n_towers, sizeof(struct inverted *));
    f->texts = mem_alloc(n_towers, sizeof(*f->texts));
    f->towers = mem_alloc(n_towers, sizeof(*f->towers));
    if (!f->indices || !f->texts || !f->towers)
        rc = mem_fail(err, "search", n_towers * sizeof(*f->texts));
    for (uint32_t t = 0; rc == FUSOR_OK && t < n_towers; t++) {
        const struct built *spec = model_built(m, t);

        if (finder_takes(m, t) && (!wanted || wanted[t]))
            rc = add_tower(f, ds, t, spec, err);
    }
    if (rc == FUSOR_OK && f->n == 0)
        rc = fusor_fail(err, FUSOR_EUSAGE,
                        "no tower of the job is a bm25, which finds documents "
                        "by their words");
    if (rc != FUSOR_OK) {
        finder_destroy(f);
        return rc;
    }
    *out = f;
    return FUSOR_OK;
}

enum fusor_status finder_create(const struct dataset *ds, const struct model *m,
                                struct finder **out, struct fusor_error *err)
{
    return finder_create_for(ds, m, NULL, out, err);
}

void finder_destroy(struct finder *f)
{
    if (!f)
        return;
    for (uint32_t i = 0; i < f->n; i++)
        inverted_destroy(f->indices[i]);
    mem_free(f->indices);
    mem_free(f->texts);
    mem_free(f->towers);
    mem_free(f);
}

/* Which of its indices is the tower's; n: none. */
static uint32_t index_of(const struct finder *f, uint32_t tower)
{
    uint32_t i = 0;

    while (i < f->n && f->towers[i] != tower)
        i++;
    return i;
}

int finder_has(const struct finder *f, uint32_t tower)
{
    return index_of(f, tower) < f->n;
}

uint32_t finder_text(const struct finder *f, uint32_t tower)
{
    return f->texts[index_of(f, tower)];
}

uint32_t finder_room(const struct finder *f, uint32_t k)
{
    uint64_t most = (uint64_t)k * f->n;

    return most < f->n_documents ? (uint32_t)most : f->n_documents;
}

static int compare(const void *a, const void *b)
{
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

    return (x > y) - (x < y);
}

uint32_t found_sort(uint32_t *ids, uint32_t n)
{
    uint32_t to = 0;

    if (n)
        qsort(ids, n, sizeof(*ids), compare);
    for (uint32_t i = 0; i < n; i++)
        if (i == 0 || ids[i] != ids[i - 1])
            ids[to++] = ids[i];
    return to;
}

static const struct batcher_text *text_of(const struct batcher_text *texts,
                                          uint32_t n, uint32_t field)
{
    static const struct batcher_text empty;

    for (uint32_t i = 0; i < n; i++)
        if (texts[i].field == field)
            return &texts[i];
    return &empty;
}

enum fusor_status finder_find_by(const struct finder *f, uint32_t tower,
                                 const struct batcher_text *texts, uint32_t n,
                                 uint32_t k, uint32_t *out, uint32_t *found,
                                 struct fusor_error *err)
{
    uint32_t most = k < f->n_documents ? k : f->n_documents;
    uint32_t i = index_of(f, tower), n_hits = 0;
    const struct batcher_text *t = text_of(texts, n, f->texts[i]);
    struct inverted_hit *hits = mem_alloc_raw(most, sizeof(*hits));
    enum fusor_status rc;

    if (!hits)
        return mem_fail(err, "search", most * sizeof(*hits));
    rc = inverted_top(f->indices[i], t->terms, t->n, most, hits, &n_hits, err);
    for (uint32_t h = 0; rc == FUSOR_OK && h < n_hits; h++)
        out[h] = hits[h].document;
    *found = rc == FUSOR_OK ? n_hits : 0;
    mem_free(hits);
    return rc;
}

enum fusor_status finder_find(const struct finder *f,
                              const struct batcher_text *texts, uint32_t n,
                              uint32_t k, uint32_t *out, uint32_t *found,
                              struct fusor_error *err)
{
    uint32_t most = k < f->n_documents ? k : f->n_documents, n_all = 0;
    uint32_t *all = mem_alloc_raw((size_t)most * f->n, sizeof(*all));
    enum fusor_status rc = FUSOR_OK;

    if (!all)
        return mem_fail(err, "search", (size_t)most * f->n * sizeof(*all));
    for (uint32_t i = 0; rc == FUSOR_OK && i < f->n; i++) {
        uint32_t some = 0;

        rc = finder_find_by(f, f->towers[i], texts, n, most, all + n_all, &some,
                            err);
        n_all += some;
    }
    *found = 0;
    if (rc == FUSOR_OK) {
        *found = found_sort(all, n_all);
        memcpy(out, all, *found * sizeof(*out));
    }
    mem_free(all);
    return rc;
}

enum fusor_status found_create_empty(uint64_t n_queries, struct found **out,
                                     struct fusor_error *err)
{
    struct found *f = mem_alloc(1, sizeof(*f));

    if (!f)
        return mem_fail(err, "negatives", sizeof(*f));
    f->n_queries = n_queries;
    f->first = mem_alloc(n_queries + 1, sizeof(*f->first));
    f->n = mem_alloc(n_queries + 1, sizeof(*f->n));
    if (!f->first || !f->n) {
        found_destroy(f);
        return mem_fail(err, "negatives", n_queries * sizeof(*f->first));
    }
    *out = f;
    return FUSOR_OK;
}

enum fusor_status found_add(struct found *f, uint32_t query,
                            const uint32_t *documents, uint32_t n,
                            struct fusor_error *err)
{
    while (f->used + n > f->room) {
        uint64_t more = f->room ? 2 * f->room : 4096;
        void *grown =
            mem_grow(f->documents, f->room, more, sizeof(*f->documents));

        if (!grown)
            return mem_fail(err, "negatives", more * sizeof(*f->documents));
        f->documents = grown;
        f->room = more;
    }
    if (n)
        memcpy(f->documents + f->used, documents, n * sizeof(*documents));
    f->first[query] = f->used;
    f->n[query] = n;
    f->used += n;
    return FUSOR_OK;
}

/* Ranks from .. to of every tower, together.
 * @param all [towers * to] */
static enum fusor_status add_query(struct found *to, const struct finder *f,
                                   const struct dataset *ds, uint32_t query,
                                   uint32_t from, uint32_t last, uint32_t *all,
                                   struct fusor_error *err)
{
    uint32_t n_all = 0;

    for (uint32_t i = 0; i < f->n; i++) {
        struct batcher_text text = {.field = f->texts[i]};
        uint32_t some, *at = all + n_all;

        text.terms = dataset_list(ds, text.field, query, &text.n);
        FUSOR_TRY(
            finder_find_by(f, f->towers[i], &text, 1, last, at, &some, err));
        if (some < from)
            continue;
        some -= from - 1;
        memmove(at, at + from - 1, some * sizeof(*at));
        n_all += some;
    }
    return found_add(to, query, all, found_sort(all, n_all), err);
}

static enum fusor_status mark_queries(const struct dataset *ds,
                                      unsigned char **out,
                                      struct fusor_error *err)
{
    *out = mem_alloc(dataset_n_queries(ds), 1);
    if (!*out)
        return mem_fail(err, "negatives", dataset_n_queries(ds));
    for (int s = SPLIT_TRAIN; s <= SPLIT_VALID; s++)
        for (uint64_t i = 0; i < dataset_rows(ds, (enum split)s); i++)
            (*out)[dataset_query(ds, (enum split)s, i)] = 1;
    return FUSOR_OK;
}

enum fusor_status found_create(const struct finder *f, const struct dataset *ds,
                               uint32_t from, uint32_t to, struct found **out,
                               struct fusor_error *err)
{
    uint32_t last = to < f->n_documents ? to : f->n_documents;
    uint32_t *all = mem_alloc_raw((size_t)f->n * last, sizeof(*all));
    unsigned char *wanted = NULL;
    struct found *found = NULL;
    enum fusor_status rc;

    rc = all ? mark_queries(ds, &wanted, err)
             : mem_fail(err, "negatives", (size_t)f->n * last * sizeof(*all));
    if (rc == FUSOR_OK)
        rc = found_create_empty(dataset_n_queries(ds), &found, err);
    for (uint32_t q = VOCAB_UNKNOWN + 1;
         rc == FUSOR_OK && q < dataset_n_queries(ds); q++)
        if (wanted[q])
            rc = add_query(found, f, ds, q, from, last, all, err);
    mem_free(wanted);
    mem_free(all);
    if (rc != FUSOR_OK) {
        found_destroy(found);
        return rc;
    }
    *out = found;
    return FUSOR_OK;
}

void found_destroy(struct found *f)
{
    if (!f)
        return;
    mem_free(f->first);
    mem_free(f->n);
    mem_free(f->documents);
    mem_free(f);
}
