/* Searches of an inverted index against scoring every document. */
#include "index/inverted.h"

#include "harness.h"

#include <stdlib.h>

#include "base/mem.h"
#include "base/rng.h"

#define DOCS 700 /* a frequent term has several blocks */
#define TERMS 40

static float dense[DOCS][TERMS];
static struct inverted *ix;
static struct fusor_error err;

/* Term t stands in about every (t + 1)-th document; ties are frequent. */
static void set_up(void)
{
    struct rng r = rng_stream(11, RNG_TEST, 1, 0);
    struct csr_entry *e = mem_alloc(DOCS * TERMS, sizeof(*e));
    struct csr m;
    uint64_t n = 0;

    REQUIRE(e != NULL);
    for (uint32_t d = 0; d < DOCS; d++)
        for (uint32_t t = 0; t < TERMS; t++) {
            dense[d][t] =
                rng_below(&r, t + 1) || t == TERMS - 1
                    ? 0
                    : (float)(1 + rng_below(&r, 8)) * 0.25f * (float)(t + 1);
            if (dense[d][t] > 0)
                e[n++] = (struct csr_entry){d, t, dense[d][t]};
        }
    REQUIRE(csr_build(e, n, DOCS, TERMS, 0, &m, &err) == FUSOR_OK);
    REQUIRE(inverted_create(&m, &ix, &err) == FUSOR_OK);
    csr_clear(&m);
    mem_free(e);
}

static int compare(const void *a, const void *b)
{
    const struct inverted_hit *x = a, *y = b;

    if (x->score < y->score || x->score > y->score)
        return x->score < y->score ? 1 : -1;
    return x->document < y->document ? -1 : 1;
}

/* Every document. Scores are multiples of a quarter, so sums are exact. */
static uint32_t brute(const uint32_t *terms, uint32_t n,
                      struct inverted_hit out[DOCS])
{
    uint32_t found = 0;

    for (uint32_t d = 0; d < DOCS; d++) {
        float sum = 0;

        for (uint32_t i = 0; i < n; i++)
            sum += terms[i] < TERMS ? dense[d][terms[i]] : 0;
        if (sum > 0)
            out[found++] = (struct inverted_hit){d, sum};
    }
    qsort(out, found, sizeof(*out), compare);
    return found;
}

static void check(const uint32_t *terms, uint32_t n, uint32_t k)
{
    static struct inverted_hit want[DOCS], got[DOCS];
    uint32_t n_want = brute(terms, n, want), n_got;

    REQUIRE(inverted_top(ix, terms, n, k, got, &n_got, &err) == FUSOR_OK);
    CHECK(n_got == (n_want < k ? n_want : k));
    for (uint32_t i = 0; i < n_got; i++) {
        CHECK(got[i].document == want[i].document);
        CHECK_CLOSE(got[i].score, want[i].score, 1e-6);
    }
}

static void the_best_are_found(void)
{
    struct rng r = rng_stream(12, RNG_TEST, 2, 0);

    set_up();
    for (int i = 0; i < 300; i++) {
        uint32_t terms[8], n = 1 + (uint32_t)rng_below(&r, 8);

        for (uint32_t t = 0; t < n; t++)
            terms[t] = (uint32_t)rng_below(&r, TERMS);
        check(terms, n, 1 + (uint32_t)rng_below(&r, 30));
    }
    inverted_destroy(ix);
}

static void odd_queries_are_answered(void)
{
    static const uint32_t repeated[] = {3, 7, 3, 3}, unknown[] = {TERMS, 9999},
                          nowhere[] = {TERMS - 1}, all[] = {0, 1, 2, 3};

    set_up();
    check(repeated, 4, 10);
    check(unknown, 2, 10);
    check(nowhere, 1, 10);
    check(NULL, 0, 10);
    check(all, 4, DOCS); // more than there are
    check(all, 4, 0);
    inverted_destroy(ix);
}

static void no_memory_is_told(void)
{
    struct csr_entry e = {1, 1, 2};
    uint32_t term = 1, found;
    struct inverted_hit hit;
    enum fusor_status rc;
    struct csr m;

    REQUIRE(csr_build(&e, 1, 2, 2, 0, &m, &err) == FUSOR_OK);
    for (long n = 1; n < 12; n++) {
        mem_fail_after(n);
        ix = NULL;
        rc = inverted_create(&m, &ix, &err);
        if (rc == FUSOR_OK)
            rc = inverted_top(ix, &term, 1, 1, &hit, &found, &err);
        CHECK(rc == FUSOR_OK || rc == FUSOR_ENOMEM);
        CHECK(rc != FUSOR_OK || (found == 1 && hit.document == 1));
        inverted_destroy(ix);
    }
    mem_fail_after(0);
    csr_clear(&m);
}

int main(void)
{
    static const struct test_case cases[] = {
        {"the best documents are found, ties by number", the_best_are_found},
        {"odd queries are answered", odd_queries_are_answered},
        {"no memory is told", no_memory_is_told},
    };
    return TEST_RUN("index.inverted", cases);
}
