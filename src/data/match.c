/* Features of a query's and an item's text; the header says which. */
#include "data/match.h"

#include <math.h>

enum feature {
    OVERLAP,
    IDF_OVERLAP,
    BIGRAM,
    FIRST,
    LAST,
    RAREST,
    MISSING,
    COUNT,
    JACCARD,
    PLACE,
    ORDER,
    QUERY_LENGTH,
    ITEM_LENGTH,
    UNKNOWN,
    N_FEATURES
};

const char *const match_features[] = {
    "overlap", "idf_overlap",  "bigram",      "first",   "last",
    "rarest",  "missing",      "count",       "jaccard", "place",
    "order",   "query_length", "item_length", "unknown", NULL};

/* Where a term stands first at or after `from`; n: nowhere. */
static uint32_t find(struct match_text t, uint32_t term, uint32_t from)
{
    while (from < t.n && t.terms[from] != term)
        from++;
    return from;
}

static uint32_t count(struct match_text t, uint32_t term)
{
    uint32_t n = 0;

    for (uint32_t i = 0; i < t.n; i++)
        n += t.terms[i] == term;
    return n;
}

static uint32_t distinct(struct match_text t)
{
    uint32_t n = 0;

    for (uint32_t i = 0; i < t.n; i++)
        n += find(t, t.terms[i], 0) == i;
    return n;
}

static int has(struct match_text t, uint32_t term)
{
    return term != 0 && find(t, term, 0) < t.n;
}

/* Do a and b stand in the item side by side, or (apart) one after the other? */
static int has_pair(struct match_text t, uint32_t a, uint32_t b, int apart)
{
    for (uint32_t i = 0; a && b && i + 1 < t.n; i++)
        if (t.terms[i] == a &&
            (apart ? find(t, b, i + 1) < t.n : t.terms[i + 1] == b))
            return 1;
    return 0;
}

static double idf_of(const struct match *m, uint32_t term)
{
    return term && term < m->n_terms ? (double)m->idf[term] : 0;
}

/* Sums over the terms of the query. */
static void add_terms(const struct match *m, struct match_text query,
                      struct match_text item, double f[N_FEATURES])
{
    double idf = 0, found_idf = 0, rarest = -1, both = 0;
    uint32_t first = item.n;

    for (uint32_t i = 0; i < query.n; i++) {
        uint32_t term = query.terms[i], at = find(item, term, 0);
        double weight = idf_of(m, term);
        int is = has(item, term);

        f[OVERLAP] += is;
        f[UNKNOWN] += term == 0;
        f[COUNT] += term ? count(item, term) : 0;
        idf += weight;
        found_idf += is ? weight : 0;
        both += is && find(query, term, 0) == i;
        if (is && at < first)
            first = at;
        if (term && weight > rarest) {
            rarest = weight;
            f[RAREST] = is;
        }
    }
    f[OVERLAP] /= query.n;
    f[UNKNOWN] /= query.n;
    f[IDF_OVERLAP] = idf > 0 ? found_idf / idf : 0;
    f[MISSING] = (idf - found_idf) / 10;
    f[COUNT] = log1p(f[COUNT]);
    f[JACCARD] = both / fmax(distinct(query) + distinct(item) - both, 1);
    f[PLACE] = first < item.n ? 1.0 / (1 + first) : 0;
}

static void add_pairs(struct match_text query, struct match_text item,
                      double f[N_FEATURES])
{
    for (uint32_t i = 0; i + 1 < query.n; i++) {
        uint32_t a = query.terms[i], b = query.terms[i + 1];

        f[BIGRAM] += has_pair(item, a, b, 0);
        f[ORDER] += has_pair(item, a, b, 1);
    }
    if (query.n > 1) {
        f[BIGRAM] /= query.n - 1;
        f[ORDER] /= query.n - 1;
    }
}

void match_compute(const struct match *m, struct match_text query,
                   struct match_text item, float *out)
{
    double f[N_FEATURES] = {0};

    if (query.n) {
        add_terms(m, query, item, f);
        add_pairs(query, item, f);
        f[FIRST] = has(item, query.terms[0]);
        f[LAST] = has(item, query.terms[query.n - 1]);
        f[QUERY_LENGTH] = log1p(query.n);
        f[ITEM_LENGTH] = log1p(item.n);
    }
    for (uint32_t i = 0; i < m->n_features; i++)
        out[i] = (float)f[m->features[i]];
}
