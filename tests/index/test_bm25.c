/* BM25 against its formula, term by term. */
#include "index/bm25.h"

#include "harness.h"

#include "base/mem.h"

#define DOCS 5 /* document 0 is nobody's */
#define TERMS 4

static const float titles[DOCS][TERMS] = {
    {9, 9, 9, 9}, {0, 1, 0, 0}, {1, 0, 2, 0}, {0, 0, 0, 0}, {0, 1, 1, 0}};
static const float bodies[DOCS][TERMS] = {
    {9, 9, 9, 9}, {2, 3, 0, 1}, {0, 0, 1, 0}, {4, 1, 0, 0}, {1, 2, 5, 0}};

static struct csr counts[2];
static double weights[2] = {1, 1};
static float idf[TERMS];

static void make(const float m[DOCS][TERMS], struct csr *out)
{
    struct csr_entry e[DOCS * TERMS];
    uint64_t n = 0;

    for (uint32_t d = 1; d < DOCS; d++)
        for (uint32_t t = 0; t < TERMS; t++)
            if (m[d][t] > 0)
                e[n++] = (struct csr_entry){d, t, m[d][t]};
    REQUIRE(csr_build(e, n, DOCS, TERMS, 0, out, NULL) == FUSOR_OK);
}

static double at(const struct csr *m, uint32_t row, uint32_t col)
{
    for (uint64_t k = m->offsets[row]; k < m->offsets[row + 1]; k++)
        if (m->cols[k] == col)
            return m->values[k];
    return 0;
}

static double length(const float m[DOCS][TERMS], int d)
{
    return m[d][0] + m[d][1] + m[d][2] + m[d][3];
}

static double mean(const float m[DOCS][TERMS])
{
    return (length(m, 1) + length(m, 2) + length(m, 3) + length(m, 4)) / 4;
}

static double want_idf(int t)
{
    int df = 0;

    for (int d = 1; d < DOCS; d++)
        df += titles[d][t] > 0 || bodies[d][t] > 0;
    return log(1 + (4 - df + 0.5) / (df + 0.5));
}

static void check(enum bm25_form form, double k1, double b)
{
    struct bm25 p = {form, k1, b, 2, counts, weights};
    double mean_all = weights[0] * mean(titles) + weights[1] * mean(bodies);
    struct csr got;

    make(titles, &counts[0]);
    make(bodies, &counts[1]);
    REQUIRE(bm25_weigh(&p, idf, &got, NULL) == FUSOR_OK);
    for (int d = 1; d < DOCS; d++)
        for (int t = 1; t < TERMS; t++) {
            double x = weights[0] * titles[d][t], y = weights[1] * bodies[d][t];
            double norm = k1, tf;

            if (form == BM25_FIELDS) {
                x /= 1 - b + b * length(titles, d) / mean(titles);
                y /= 1 - b + b * length(bodies, d) / mean(bodies);
            } else {
                norm *= 1 - b +
                        b *
                            (weights[0] * length(titles, d) +
                             weights[1] * length(bodies, d)) /
                            mean_all;
            }
            tf = x + y;
            CHECK_CLOSE(at(&got, (uint32_t)d, (uint32_t)t),
                        tf > 0 ? want_idf(t) * (k1 + 1) * tf / (tf + norm) : 0,
                        1e-6);
        }
    for (int t = 1; t < TERMS; t++)
        CHECK_CLOSE(idf[t], want_idf(t), 1e-6);
    CHECK(got.offsets[1] == 0); // nobody's document
    for (uint64_t k = 0; k < got.offsets[DOCS]; k++)
        CHECK(got.cols[k] != 0); // nor an unknown word
    csr_clear(&got);
    csr_clear(&counts[0]);
    csr_clear(&counts[1]);
}

static void flat_texts_are_one(void)
{
    check(BM25_FLAT, 0.9, 0.4);
    check(BM25_FLAT, 1.2, 0);
    check(BM25_FLAT, 2, 1);
}

static void fields_have_lengths_of_their_own(void)
{
    check(BM25_FIELDS, 0.9, 0.4);
    check(BM25_FIELDS, 1.5, 0.9);
}

static void a_field_can_weigh_more(void)
{
    weights[0] = 2.5;
    weights[1] = 0.5;
    check(BM25_FLAT, 0.9, 0.4);
    check(BM25_FIELDS, 0.9, 0.4);
    weights[0] = weights[1] = 1;
}

static void nothing_gives_nothing(void)
{
    struct csr empty, got;
    struct bm25 p = {BM25_FLAT, 1, 0.5, 1, &empty, weights};

    REQUIRE(csr_build(NULL, 0, 3, TERMS, 0, &empty, NULL) == FUSOR_OK);
    REQUIRE(bm25_weigh(&p, idf, &got, NULL) == FUSOR_OK);
    CHECK(got.offsets[3] == 0);
    csr_clear(&got);
    for (long n = 1; n < 8; n++) {
        mem_fail_after(n);
        if (bm25_weigh(&p, idf, &got, NULL) == FUSOR_OK)
            csr_clear(&got);
    }
    mem_fail_after(0);
    csr_clear(&empty);
}

int main(void)
{
    static const struct test_case cases[] = {
        {"flat: all fields are one text", flat_texts_are_one},
        {"fields: each has a length of its own",
         fields_have_lengths_of_their_own},
        {"a field can weigh more", a_field_can_weigh_more},
        {"no text gives no worths", nothing_gives_nothing},
    };
    return TEST_RUN("index.bm25", cases);
}
