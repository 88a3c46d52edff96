/* Sums of texts and their largest terms; cosines with a text. */
#include "data/match_kin.h"

#include <math.h>

#include "base/mem.h"

enum fusor_status kin_sum_make(uint32_t n_terms, struct kin_sum *s,
                               struct fusor_error *err)
{
    *s = (struct kin_sum){.sum = mem_alloc(n_terms, sizeof(*s->sum)),
                          .which = mem_alloc(n_terms, sizeof(*s->which))};
    if (s->sum && s->which)
        return FUSOR_OK;
    kin_sum_release(s);
    return mem_fail(err, "sums of texts", n_terms * 8ul);
}

void kin_sum_release(struct kin_sum *s)
{
    mem_free(s->sum);
    mem_free(s->which);
    *s = (struct kin_sum){0};
}

void kin_sum_add(struct kin_sum *s, const struct match *m,
                 struct match_text item, double length, double weight)
{
    if (!(weight > 0) || !(length > 0))
        return;
    s->weight += weight;
    for (uint32_t i = 0; i < item.n; i++) {
        uint32_t term = item.terms[i];
        float more = (float)(weight * match_idf(m, term) / length);

        if (!(more > 0))
            continue;
        if (!(s->sum[term] > 0))
            s->which[s->n++] = term;
        s->sum[term] += more;
    }
}

/* Keep the term where its value has its place in a falling order. */
static void keep(struct match_kin *out, uint32_t term, float value)
{
    uint32_t at = out->n;

    if (at == MATCH_KIN && value <= out->values[at - 1])
        return;
    at = at == MATCH_KIN ? at - 1 : out->n++;
    for (; at > 0 && value > out->values[at - 1]; at--) {
        out->values[at] = out->values[at - 1];
        out->terms[at] = out->terms[at - 1];
    }
    out->values[at] = value;
    out->terms[at] = term;
}

static void sort_by_term(struct match_kin *kin)
{
    for (uint32_t i = 1; i < kin->n; i++) {
        uint32_t term = kin->terms[i], at = i;
        float value = kin->values[i];

        for (; at > 0 && kin->terms[at - 1] > term; at--) {
            kin->terms[at] = kin->terms[at - 1];
            kin->values[at] = kin->values[at - 1];
        }
        kin->terms[at] = term;
        kin->values[at] = value;
    }
}

void kin_sum_take(struct kin_sum *s, uint32_t without, struct match_kin *out)
{
    double square = 0;

    out->n = 0;
    for (uint32_t i = 0; i < s->n; i++) {
        uint32_t term = s->which[i];
        float value = s->sum[term];

        s->sum[term] = 0;
        if (term == without)
            continue;
        square += (double)value * (double)value;
        keep(out, term, value);
    }
    sort_by_term(out);
    out->square = (float)square;
    out->weight = (float)s->weight;
    s->n = 0;
    s->weight = 0;
}

static double value_of(const struct match_kin *kin, uint32_t term)
{
    uint32_t from = 0, to = kin->n;

    while (from < to) {
        uint32_t middle = (from + to) / 2;

        if (kin->terms[middle] == term)
            return (double)kin->values[middle];
        if (kin->terms[middle] < term)
            from = middle + 1;
        else
            to = middle;
    }
    return 0;
}

double match_kin_cosine(const struct match *m, const struct match_kin *kin,
                        struct match_text item, double length, double own)
{
    double dot = 0, square = (double)kin->square;

    for (uint32_t i = 0; i < item.n && length > 0; i++)
        dot += value_of(kin, item.terms[i]) * match_idf(m, item.terms[i]);
    dot /= length > 0 ? length : 1;
    square += own * (own - 2 * dot);
    if (dot <= own || square <= 1e-4 * (double)kin->square)
        return 0;
    return fmin((dot - own) / sqrt(square), 1);
}
