/* Postings in blocks and MaxScore with block maxima over them; the header names
 * the papers. */
#include "index/inverted.h"

#include <stdlib.h>

#include "base/mem.h"

#define BLOCK 64 /* postings that share a largest value */
/* Bounds are sums in another order than scores; both err by some 2^-24 of them
 * a term. */
#define SLACK 1.0001f

struct inverted {
    struct csr by_term; // postings; documents ascend
    uint64_t *block_of; // [n_terms] first block of the term
    float *block_max;   // largest value of each block
    float *term_max;    // [n_terms]
};

static uint64_t blocks_of(const struct csr *m, uint32_t term)
{
    return (m->offsets[term + 1] - m->offsets[term] + BLOCK - 1) / BLOCK;
}

static void find_maxima(struct inverted *ix)
{
    const struct csr *m = &ix->by_term;

    for (uint32_t t = 0; t < m->n_rows; t++) {
        float *block = ix->block_max + ix->block_of[t];
        uint64_t first = m->offsets[t];

        for (uint64_t k = first; k < m->offsets[t + 1]; k++) {
            float value = m->values[k], *most = &block[(k - first) / BLOCK];

            *most = value > *most ? value : *most;
            ix->term_max[t] = value > ix->term_max[t] ? value : ix->term_max[t];
        }
    }
}

enum fusor_status inverted_create(const struct csr *m, struct inverted **out,
                                  struct fusor_error *err)
{
    struct inverted *ix = mem_alloc(1, sizeof(*ix));
    uint64_t n = 0;
    enum fusor_status rc;

    if (!ix)
        return mem_fail(err, "inverted index", sizeof(*ix));
    rc = csr_transpose(m, &ix->by_term, err);
    if (rc == FUSOR_OK) {
        ix->block_of = mem_alloc(m->n_cols, sizeof(*ix->block_of));
        ix->term_max = mem_alloc(m->n_cols, sizeof(*ix->term_max));
    }
    for (uint32_t t = 0; ix->block_of && t < m->n_cols; t++) {
        ix->block_of[t] = n;
        n += blocks_of(&ix->by_term, t);
    }
    if (rc == FUSOR_OK)
        ix->block_max = mem_alloc(n, sizeof(*ix->block_max));
    if (rc == FUSOR_OK && (!ix->block_of || !ix->term_max || !ix->block_max))
        rc = mem_fail(err, "inverted index", m->n_cols * 12 + n * 4);
    if (rc != FUSOR_OK) {
        inverted_destroy(ix);
        return rc;
    }
    find_maxima(ix);
    *out = ix;
    return FUSOR_OK;
}

void inverted_destroy(struct inverted *ix)
{
    if (!ix)
        return;
    csr_clear(&ix->by_term);
    mem_free(ix->block_of);
    mem_free(ix->block_max);
    mem_free(ix->term_max);
    mem_free(ix);
}

/* The postings of one term of a query, from the one at hand on. */
struct cursor {
    uint32_t term;
    float times; // that the query names it
    float bound; // of this and all cursors before it
    uint64_t at, end;
};

struct search {
    const struct inverted *ix;
    struct cursor *cursors;    // [n] by ascending largest value
    uint32_t n, needed;        // cursors from `needed` on find documents
    struct inverted_hit *heap; // the worst on top
    uint32_t k, n_heap;
};

static uint32_t document_at(const struct search *s, const struct cursor *c)
{
    return c->at < c->end ? s->ix->by_term.cols[c->at] : UINT32_MAX;
}

static int compare_terms(const void *a, const void *b)
{
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

    return (x > y) - (x < y);
}

static int compare_cursors(const void *a, const void *b)
{
    const struct cursor *x = a, *y = b;

    if (x->bound < y->bound || x->bound > y->bound)
        return x->bound < y->bound ? -1 : 1;
    return (x->term > y->term) - (x->term < y->term);
}

/* A cursor for each distinct term that has postings. */
static void open_cursors(struct search *s, uint32_t *terms, uint32_t n)
{
    const struct csr *m = &s->ix->by_term;
    float sum = 0;

    qsort(terms, n, sizeof(*terms), compare_terms);
    for (uint32_t i = 0; i < n; i++) {
        struct cursor *c = s->n ? &s->cursors[s->n - 1] : NULL;
        uint32_t t = terms[i];

        if (t >= m->n_rows || m->offsets[t] == m->offsets[t + 1])
            continue;
        if (c && c->term == t) {
            c->times += 1;
            continue;
        }
        s->cursors[s->n++] =
            (struct cursor){t, 1, 0, m->offsets[t], m->offsets[t + 1]};
    }
    for (uint32_t i = 0; i < s->n; i++)
        s->cursors[i].bound =
            s->cursors[i].times * s->ix->term_max[s->cursors[i].term];
    if (s->n)
        qsort(s->cursors, s->n, sizeof(*s->cursors), compare_cursors);
    for (uint32_t i = 0; i < s->n; i++) {
        sum += s->cursors[i].bound;
        s->cursors[i].bound = sum * SLACK;
    }
}

/* Does a stand below b in the result? */
static int is_worse(const struct inverted_hit *a, const struct inverted_hit *b)
{
    if (a->score < b->score || a->score > b->score)
        return a->score < b->score;
    return a->document > b->document;
}

static void sift_down(struct search *s, uint32_t at)
{
    for (;;) {
        uint32_t child = 2 * at + 1;
        struct inverted_hit swap = s->heap[at];

        if (child >= s->n_heap)
            return;
        if (child + 1 < s->n_heap &&
            is_worse(&s->heap[child + 1], &s->heap[child]))
            child++;
        if (!is_worse(&s->heap[child], &s->heap[at]))
            return;
        s->heap[at] = s->heap[child];
        s->heap[child] = swap;
        at = child;
    }
}

/* What a score must be above. */
static float threshold(const struct search *s)
{
    return s->n_heap < s->k ? 0 : s->heap[0].score;
}

static void keep(struct search *s, struct inverted_hit hit)
{
    if (s->n_heap < s->k) {
        s->heap[s->n_heap++] = hit;
        for (uint32_t at = s->n_heap / 2; s->n_heap == s->k && at-- > 0;)
            sift_down(s, at);
    } else if (is_worse(&s->heap[0], &hit)) {
        s->heap[0] = hit;
        sift_down(s, 0);
    } else {
        return;
    }
    while (s->needed < s->n && s->cursors[s->needed].bound <= threshold(s))
        s->needed++;
}

/* Move to the first posting that is not before the document: steps that double,
 * then by halves. */
static void seek(const struct search *s, struct cursor *c, uint32_t document)
{
    const uint32_t *docs = s->ix->by_term.cols;
    uint64_t step = 1, low = c->at, high;

    while (low + step < c->end && docs[low + step] < document) {
        low += step;
        step *= 2;
    }
    high = low + step < c->end ? low + step : c->end;
    while (low < high) {
        uint64_t mid = low + (high - low) / 2;

        if (docs[mid] < document)
            low = mid + 1;
        else
            high = mid;
    }
    c->at = low;
}

/* The largest value of the block that the cursor stands in. */
static float block_bound(const struct search *s, const struct cursor *c)
{
    uint64_t first = s->ix->by_term.offsets[c->term];

    return c->times *
           s->ix->block_max[s->ix->block_of[c->term] + (c->at - first) / BLOCK];
}

/* Add what the cursors that find no documents say of one, as long as it may
 * still enter. @return 0: it cannot */
static int add_lookups(struct search *s, uint32_t document, float *score)
{
    for (uint32_t i = s->needed; i-- > 0;) {
        struct cursor *c = &s->cursors[i];
        float others = i ? s->cursors[i - 1].bound : 0;

        if (*score * SLACK + c->bound <= threshold(s))
            return 0;
        seek(s, c, document);
        if (c->at == c->end)
            continue;
        if ((*score + block_bound(s, c)) * SLACK + others <= threshold(s))
            return 0;
        if (document_at(s, c) == document)
            *score += c->times * s->ix->by_term.values[c->at];
    }
    return 1;
}

static void run(struct search *s)
{
    const struct csr *m = &s->ix->by_term;

    for (;;) {
        uint32_t document = UINT32_MAX;
        float score = 0;

        for (uint32_t i = s->needed; i < s->n; i++)
            if (document_at(s, &s->cursors[i]) < document)
                document = document_at(s, &s->cursors[i]);
        if (document == UINT32_MAX)
            return;
        for (uint32_t i = s->needed; i < s->n; i++)
            if (document_at(s, &s->cursors[i]) == document)
                score += s->cursors[i].times * m->values[s->cursors[i].at++];
        if (add_lookups(s, document, &score) && score > 0)
            keep(s, (struct inverted_hit){document, score});
    }
}

static int compare_hits(const void *a, const void *b)
{
    return is_worse(a, b) ? 1 : -1;
}

enum fusor_status inverted_top(const struct inverted *ix, const uint32_t *terms,
                               uint32_t n, uint32_t k, struct inverted_hit *out,
                               uint32_t *found, struct fusor_error *err)
{
    struct search s = {.ix = ix, .heap = out, .k = k};
    uint32_t *sorted = mem_alloc_raw(n, sizeof(*sorted));

    *found = 0;
    s.cursors = mem_alloc_raw(n, sizeof(*s.cursors));
    if (!sorted || !s.cursors) {
        mem_free(sorted);
        mem_free(s.cursors);
        return mem_fail(err, "search", n * sizeof(*s.cursors));
    }
    for (uint32_t i = 0; i < n; i++)
        sorted[i] = terms[i];
    if (n && k) {
        open_cursors(&s, sorted, n);
        run(&s);
    }
    if (s.n_heap)
        qsort(out, s.n_heap, sizeof(*out), compare_hits);
    *found = s.n_heap;
    mem_free(sorted);
    mem_free(s.cursors);
    return FUSOR_OK;
}
