/* Features of a query's and an item's text; the header says which. */
#include "data/match.h"

#include <math.h>

#include "data/match_kin.h"

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
    COSINE,
    LONGEST,
    TAIL,
    WINDOW,
    HEAD,
    SPREAD,
    RARITY,
    COMMONEST,
    NUMBERS,
    BEST,
    AHEAD,
    RIVALS,
    WORD_FIT,
    WORD_IDF,
    WORD_WORST,
    WORD_LAST,
    WORD_HITS,
    WORD_PLACE,
    WORDS,
    EXPLAINED,
    KIN,
    KIN_WORST,
    KIN_LAST,
    LIKE,
    UNITY,
    N_FEATURES
};

const char *const match_features[] = {
    "overlap",   "idf_overlap",  "bigram",      "first",      "last",
    "rarest",    "missing",      "count",       "jaccard",    "place",
    "order",     "query_length", "item_length", "unknown",    "cosine",
    "longest",   "tail",         "window",      "head",       "spread",
    "rarity",    "commonest",    "numbers",     "best",       "ahead",
    "rivals",    "word_fit",     "word_idf",    "word_worst", "word_last",
    "word_hits", "word_place",   "words",       "explained",  "kin",
    "kin_worst", "kin_last",     "like",        "unity",      NULL};

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

double match_idf(const struct match *m, uint32_t term)
{
    return term && term < m->n_terms ? (double)m->idf[term] : 0;
}

static int kind_of(const struct match *m, uint32_t term)
{
    return m->kind && term < m->n_terms ? m->kind[term] : 0;
}

/* Sums over the terms of the query. */
static void add_terms(const struct match *m, struct match_text query,
                      struct match_text item, double f[N_FEATURES])
{
    double idf = 0, found_idf = 0, rarest = -1, both = 0;
    uint32_t first = item.n;

    for (uint32_t i = 0; i < query.n; i++) {
        uint32_t term = query.terms[i], at = find(item, term, 0);
        double weight = match_idf(m, term);
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

/* Length of the longest run of both, the terms known. */
static uint32_t longest_run(struct match_text a, struct match_text b)
{
    uint32_t most = 0;

    for (uint32_t i = 0; i + most < a.n; i++)
        for (uint32_t j = 0; j + most < b.n; j++) {
            uint32_t n = 0;

            while (i + n < a.n && j + n < b.n && a.terms[i + n] &&
                   a.terms[i + n] == b.terms[j + n])
                n++;
            most = n > most ? n : most;
        }
    return most;
}

double match_square(const struct match *m, struct match_text t)
{
    double sum = 0;

    for (uint32_t i = 0; i < t.n; i++) {
        double idf = match_idf(m, t.terms[i]);

        if (find(t, t.terms[i], 0) == i)
            sum += pow(idf * count(t, t.terms[i]), 2);
    }
    return sum;
}

static double cosine(const struct match *m, struct match_text query,
                     struct match_text item)
{
    double norms = match_square(m, query) * match_square(m, item), sum = 0;

    for (uint32_t i = 0; i < query.n; i++)
        sum +=
            pow(match_idf(m, query.terms[i]), 2) * count(item, query.terms[i]);
    return norms > 0 ? sum / sqrt(norms) : 0;
}

/* Where in the item the terms stand, and how rare they are. */
static void add_places(const struct match *m, struct match_text query,
                       struct match_text item, double f[N_FEATURES])
{
    uint32_t from = item.n, to = 0, n = 0, numbers = 0, known = 0;
    uint32_t last = find(item, query.terms[query.n - 1], 0);

    f[COMMONEST] = INFINITY;
    for (uint32_t i = 0; i < query.n; i++) {
        uint32_t term = query.terms[i], at = find(item, term, 0);
        double idf = match_idf(m, term);
        int is = has(item, term);

        if (is) {
            from = at < from ? at : from;
            to = at > to ? at : to;
            n += find(query, term, 0) == i;
            f[TAIL] += i + 1;
        } else if (idf > f[SPREAD]) {
            f[SPREAD] = idf;
        }
        if (kind_of(m, term) & MATCH_NUMBER) {
            numbers++;
            f[NUMBERS] += is ? 1 : -1;
        }
        known += term != 0;
        f[RARITY] += idf;
        if (term && idf < f[COMMONEST])
            f[COMMONEST] = idf;
    }
    f[TAIL] /= query.n * (query.n + 1.0) / 2;
    f[WINDOW] = n ? n / (to - from + 1.0) : 0;
    f[HEAD] = has(item, query.terms[query.n - 1]) ? (last + 1.0) / item.n : 0;
    f[SPREAD] /= 10;
    f[RARITY] /= 10.0 * fmax(known, 1);
    f[COMMONEST] = known ? f[COMMONEST] / 10 : 0;
    f[NUMBERS] /= fmax(numbers, 1);
}

/* The word that begins at `from`. */
static struct match_text word_at(const struct match *m, struct match_text t,
                                 uint32_t from)
{
    uint32_t to = from + 1;

    while (to < t.n && !(kind_of(m, t.terms[to]) & MATCH_BEGINS))
        to++;
    return (struct match_text){t.terms + from, to - from};
}

/* Best Dice coefficient of the word with one of the item's words.
 * @param place that one's, from 1, over their number */
static double fit_word(const struct match *m, struct match_text word,
                       struct match_text item, double *place)
{
    double best = 0;
    uint32_t n = 0, at = 0;

    for (uint32_t from = 0; from < item.n; n++) {
        struct match_text other = word_at(m, item, from);
        double common = 0;

        for (uint32_t i = 0; i < word.n; i++)
            common += has(other, word.terms[i]);
        common *= 2.0 / (word.n + other.n);
        if (common > best) {
            best = common;
            at = n + 1;
        }
        from += other.n;
    }
    *place = n ? (double)at / n : 0;
    return fmin(best, 1);
}

static void add_words(const struct match *m, struct match_text query,
                      struct match_text item, double f[N_FEATURES])
{
    double idf = 0;
    uint32_t n = 0;

    f[WORD_WORST] = 1;
    for (uint32_t from = 0; from < query.n; n++) {
        struct match_text word = word_at(m, query, from);
        double fit = fit_word(m, word, item, &f[WORD_PLACE]), weight = 0;

        for (uint32_t i = 0; i < word.n; i++)
            weight += match_idf(m, word.terms[i]) / word.n;
        f[WORD_FIT] += fit;
        f[WORD_IDF] += weight * fit;
        f[WORD_WORST] = fmin(f[WORD_WORST], fit);
        f[WORD_LAST] = fit;
        f[WORD_HITS] += fit >= 0.5;
        idf += weight;
        from += word.n;
    }
    f[WORD_FIT] /= n;
    f[WORD_IDF] /= idf > 0 ? idf : 1;
    f[WORD_HITS] /= n;
    f[WORDS] = log1p(n);
}

/* The idf of the query's different terms that the item has. */
static double found_idf(const struct match *m, struct match_text query,
                        struct match_text item)
{
    double sum = 0;

    for (uint32_t i = 0; i < query.n; i++)
        if (find(query, query.terms[i], 0) == i && has(item, query.terms[i]))
            sum += match_idf(m, query.terms[i]);
    return sum;
}

uint32_t match_level(double found, double most)
{
    double level = most > 0 ? found / most * MATCH_LEVELS + 1e-3 : 0;

    return level < MATCH_LEVELS ? (uint32_t)level : MATCH_LEVELS;
}

/* Upper levels: 13 sixteenths of the most and more. */
double match_level_weight(uint32_t level)
{
    return level > 12 ? level - 12 : 0;
}

/* Idf of the item's terms that the query has, over that of all. */
static double explained(const struct match *m, struct match_text query,
                        struct match_text item)
{
    double idf = 0, found = 0;

    for (uint32_t i = 0; i < item.n; i++) {
        double weight = match_idf(m, item.terms[i]);

        idf += weight;
        found += has(query, item.terms[i]) ? weight : 0;
    }
    return idf > 0 ? found / idf : 0;
}

static void add_kin(const struct match *m, struct match_text query,
                    struct match_text item, double f[N_FEATURES])
{
    double length = sqrt(match_square(m, item)), idf = 0;

    f[KIN_WORST] = 1;
    for (uint32_t i = 0; i < query.n; i++) {
        uint32_t term = query.terms[i];
        double weight = match_idf(m, term), fit = has(item, term);

        if (fit <= 0 && m->kin && term && term < m->n_terms)
            fit = match_kin_cosine(m, &m->kin[term], item, length, 0);
        f[KIN] += weight * fit;
        f[KIN_WORST] = fmin(f[KIN_WORST], fit);
        f[KIN_LAST] = fit;
        idf += weight;
    }
    f[KIN] /= idf > 0 ? idf : 1;
}

static void add_field(const struct match *m, struct match_text query,
                      struct match_text item, const struct match_field *field,
                      double f[N_FEATURES])
{
    double found = found_idf(m, query, item), most = (double)field->most;
    uint32_t level = match_level(found, most);

    f[BEST] = most > 0 ? fmin(found / most, 1) : 0;
    f[AHEAD] = level < MATCH_LEVELS ? log1p(field->above[level]) : 0;
    f[RIVALS] = log1p(field->above[MATCH_LEVELS]);
    if (field->kin && field->kin->weight > 0) {
        f[LIKE] =
            match_kin_cosine(m, field->kin, item, sqrt(match_square(m, item)),
                             match_level_weight(level));
        f[UNITY] =
            sqrt((double)field->kin->square) / (double)field->kin->weight;
    }
}

/* Is a feature from a to b asked for? */
static int wants(const struct match *m, int a, int b)
{
    for (uint32_t i = 0; i < m->n_features; i++)
        if (m->features[i] >= a && m->features[i] <= b)
            return 1;
    return 0;
}

int match_needs_field(const struct match *m)
{
    return wants(m, BEST, RIVALS) || match_needs_field_kin(m);
}

int match_needs_kin(const struct match *m)
{
    return wants(m, KIN, KIN_LAST);
}

int match_needs_field_kin(const struct match *m)
{
    return wants(m, LIKE, UNITY);
}

void match_compute(const struct match *m, struct match_text query,
                   struct match_text item, const struct match_field *field,
                   float *out)
{
    double f[N_FEATURES] = {0};

    if (query.n) {
        add_terms(m, query, item, f);
        if (wants(m, BIGRAM, BIGRAM) || wants(m, ORDER, ORDER))
            add_pairs(query, item, f);
        if (wants(m, TAIL, NUMBERS))
            add_places(m, query, item, f);
        if (wants(m, WORD_FIT, WORDS))
            add_words(m, query, item, f);
        if (wants(m, EXPLAINED, EXPLAINED))
            f[EXPLAINED] = explained(m, query, item);
        if (match_needs_kin(m))
            add_kin(m, query, item, f);
        if (field && match_needs_field(m))
            add_field(m, query, item, field, f);
        if (wants(m, COSINE, COSINE))
            f[COSINE] = cosine(m, query, item);
        if (wants(m, LONGEST, LONGEST))
            f[LONGEST] = (double)longest_run(query, item) / query.n;
        f[FIRST] = has(item, query.terms[0]);
        f[LAST] = has(item, query.terms[query.n - 1]);
        f[QUERY_LENGTH] = log1p(query.n);
        f[ITEM_LENGTH] = log1p(item.n);
    }
    for (uint32_t i = 0; i < m->n_features; i++)
        out[i] = (float)f[m->features[i]];
}
