/* Reads what candidates are, and finds them. */
#include "train/shortlist.h"

#include <math.h>
#include <string.h>

#include "base/hash.h"
#include "base/mem.h"
#include "model/metric/top.h"
#include "train/ranker.h"

/* {two: 200} */
static enum fusor_status read_part(struct yaml_node *node,
                                   const struct model *m, struct shortlist *s,
                                   struct fusor_error *err)
{
    struct shortlist_part *p = &s->parts[s->n];
    struct fusor_error why;
    int64_t k;

    if (node->kind != YAML_MAP || node->n != 1)
        return yaml_fail(node, err,
                         "candidates: want {TOWER: N}, the N best of a tower");
    if (s->n == SHORTLIST_PARTS_MAX)
        return yaml_fail(node, err, "candidates: more than %d towers",
                         SHORTLIST_PARTS_MAX);
    if (model_find_tower(m, node->keys[0], &p->tower, &why) != FUSOR_OK)
        return yaml_fail(node, err, "candidates: %s", why.text);
    FUSOR_TRY(yaml_to_i64(node->items[0], &k, err));
    if (k < 1 || k > FOUND_MAX)
        return yaml_fail(node->items[0], err,
                         "candidates: %s is 1..%d, not %lld", node->keys[0],
                         FOUND_MAX, (long long)k);
    if (model_fuses_vectors(m))
        return yaml_fail(node, err,
                         "candidates: towers have no scores, because the "
                         "fusion is over vectors");
    for (uint32_t i = 0; i < s->n; i++)
        if (s->parts[i].tower == p->tower)
            return yaml_fail(node, err, "candidates: %s is listed twice",
                             node->keys[0]);
    p->k = (uint32_t)k;
    s->n++;
    return FUSOR_OK;
}

static enum fusor_status read_parts(struct yaml_node *node,
                                    const struct model *m, struct shortlist *s,
                                    struct fusor_error *err)
{
    struct yaml_node *list =
        node->kind == YAML_MAP ? yaml_get(node, "union") : NULL;

    if (!list)
        return read_part(node, m, s, err);
    if (node->n != 1 || list->kind != YAML_LIST || list->n == 0)
        return yaml_fail(list, err,
                         "candidates: union is a list of {TOWER: N}, and "
                         "stands alone");
    for (size_t i = 0; i < list->n; i++)
        FUSOR_TRY(read_part(list->items[i], m, s, err));
    return FUSOR_OK;
}

static enum fusor_status make_finder(struct shortlist *s,
                                     const struct dataset *ds,
                                     const struct model *m,
                                     struct fusor_error *err)
{
    unsigned char wanted[64] = {0}; // more than a model has towers
    int any = 0;

    for (uint32_t i = 0; i < s->n; i++)
        any |= wanted[s->parts[i].tower] =
            (unsigned char)finder_takes(m, s->parts[i].tower);
    return any ? finder_create_for(ds, m, wanted, &s->finder, err) : FUSOR_OK;
}

enum fusor_status shortlist_create(struct yaml_node *node,
                                   const struct dataset *ds,
                                   const struct model *m,
                                   struct shortlist **out,
                                   struct fusor_error *err)
{
    struct shortlist *s;
    enum fusor_status rc;

    *out = NULL;
    if (!node || (node->kind == YAML_SCALAR && !strcmp(node->text, "all")))
        return FUSOR_OK;
    if (dataset_n_items(ds) == 0 || dataset_n_queries(ds) == 0)
        return yaml_fail(node, err,
                         "candidates: the data have no query or no item key");
    if (dataset_schema(ds)->candidates_hash)
        return yaml_fail(node, err,
                         "candidates: the protocol of the prepared folder "
                         "gives each test row its own: remove this setting");
    s = mem_alloc(1, sizeof(*s));
    if (!s)
        return mem_fail(err, "candidates", sizeof(*s));
    s->n_items = dataset_n_items(ds);
    rc = read_parts(node, m, s, err);
    if (rc == FUSOR_OK)
        rc = make_finder(s, ds, m, err);
    if (rc != FUSOR_OK) {
        shortlist_destroy(s);
        return rc;
    }
    *out = s;
    return FUSOR_OK;
}

void shortlist_destroy(struct shortlist *s)
{
    if (!s)
        return;
    finder_destroy(s->finder);
    mem_free(s);
}

uint32_t shortlist_room(const struct shortlist *s)
{
    uint64_t most = 0;

    for (uint32_t i = 0; i < s->n; i++)
        most += s->parts[i].k < s->n_items ? s->parts[i].k : s->n_items;
    return (uint32_t)most;
}

int shortlist_wants(const struct shortlist *s, uint32_t tower)
{
    for (uint32_t i = 0; s && i < s->n; i++)
        if (s->parts[i].tower == tower)
            return !s->finder || !finder_has(s->finder, tower);
    return 0;
}

void shortlist_describe(const struct shortlist *s, const struct model *m,
                        struct strbuf *out)
{
    for (uint32_t i = 0; i < s->n; i++)
        strbuf_addf(out, "%s%u by %s", i ? ", " : "", s->parts[i].k,
                    model_tower_name(m, s->parts[i].tower));
}

uint64_t shortlist_hash(const struct shortlist *s, const struct model *m)
{
    struct strbuf text = {0};
    uint64_t hash;

    if (!s)
        return 0;
    shortlist_describe(s, m, &text);
    hash = text.failed ? 1 : hash_bytes(text.s, text.len, s->n_items);
    strbuf_clear(&text);
    return hash;
}

/* The terms of the query's texts: given, or of its id. */
static enum fusor_status
find_words(const struct shortlist *s, const struct shortlist_part *p,
           const struct dataset *ds, const struct batcher_query *query,
           uint32_t *out, uint32_t *n, struct fusor_error *err)
{
    struct batcher_text own = {.field = finder_text(s->finder, p->tower)};
    const struct batcher_text *texts = query->texts;
    uint32_t n_texts = query->n_texts, id = query->query;

    if (n_texts == 0) {
        if (query->row != BATCHER_NO_ROW)
            id = dataset_query(ds, query->split, query->row);
        own.terms = dataset_list(ds, own.field, id, &own.n);
        texts = &own;
        n_texts = 1;
    }
    return finder_find_by(s->finder, p->tower, texts, n_texts, p->k, out, n,
                          err);
}

enum fusor_status shortlist_best(struct ranker *ranker,
                                 const struct batcher_query *query,
                                 uint32_t tower, uint32_t k, uint32_t *out,
                                 uint32_t *n, struct fusor_error *err)
{
    size_t n_items = ranker->n_items;
    float *scores = mem_alloc_raw(n_items, sizeof(*scores));
    uint32_t *items = mem_alloc_raw(n_items, sizeof(*items));
    struct metric_top top = {0};
    enum fusor_status rc = FUSOR_OK;

    if (!scores || !items)
        rc = mem_fail(err, "candidates", n_items * sizeof(*scores));
    if (rc == FUSOR_OK)
        rc = metric_top_init(&top, k < n_items ? k : (uint32_t)n_items, err);
    if (rc == FUSOR_OK)
        rc = ranker_tower(ranker, query, tower, scores, err);
    for (uint32_t i = 0; rc == FUSOR_OK && i < n_items; i++) {
        items[i] = i;
        if (isnan(scores[i]))
            scores[i] = -INFINITY; // it has no score of this one
    }
    if (rc == FUSOR_OK) {
        metric_top_fill(&top, scores, items, n_items);
        memcpy(out, top.items, top.n * sizeof(*out));
        *n = top.n;
    }
    metric_top_clear(&top);
    mem_free(scores);
    mem_free(items);
    return rc;
}

enum fusor_status shortlist_find(const struct shortlist *s, struct ranker *k,
                                 const struct batcher_query *query,
                                 uint32_t *out, uint32_t *n,
                                 struct fusor_error *err)
{
    uint32_t at = 0, some;

    for (uint32_t i = 0; i < s->n; i++) {
        const struct shortlist_part *p = &s->parts[i];

        some = 0;
        if (s->finder && finder_has(s->finder, p->tower))
            FUSOR_TRY(find_words(s, p, k->worker->workload->data, query,
                                 out + at, &some, err));
        else
            FUSOR_TRY(
                shortlist_best(k, query, p->tower, p->k, out + at, &some, err));
        at += some;
    }
    *n = found_sort(out, at);
    return FUSOR_OK;
}
