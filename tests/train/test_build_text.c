/* Rows of towers over texts: what BM25 makes of them, and cosines that LSA
 * keeps. */
#include "train/build_text.h"

#include <string.h>

#include "base/mem.h"
#include "harness.h"
#include "train/build.h"
#include "train/texts.h"

static struct fusor_error err;

static uint32_t term(const struct workload *w, const char *word)
{
    const struct vocab *v;

    REQUIRE(dataset_vocab(w->data, "w", &v, &err) == FUSOR_OK);
    return vocab_find(v, word, 1);
}

/* What a row of lists says of a term; -1: it is not there. */
static double worth(const float *row, uint32_t most, uint32_t id)
{
    for (uint32_t k = 0; k < most && row[k] > 0; k++)
        if ((uint32_t)row[k] == id)
            return row[most + k];
    return -1;
}

/* df of a is 3 of 5; d1 has it twice among 6 words, 5 being the mean. */
static void rows_hold_worths(void)
{
    struct yaml *job;
    struct workload *w =
        texts_open(TEXTS_BM25(", scale: query, k1: 2, b: 0.5"), "bm25", &job);
    double idf = log(1 + (5 - 3 + 0.5) / (3 + 0.5));
    double norm = 2 * (0.5 + 0.5 * 6 / 5.0);
    struct crew crew = {1, NULL};
    struct build b;
    uint32_t most;

    REQUIRE(build_compute(w, 0, &crew, &b, &err) == FUSOR_OK);
    REQUIRE(b.n_parts == 2 && b.parts[0].rows == 6);
    most = b.parts[0].width / 2;
    CHECK(b.parts[1].rows == 7 && b.parts[1].width == 1);
    CHECK_CLOSE(worth(b.parts[0].values + b.parts[0].width, most, term(w, "a")),
                idf * 3 * 2 / (2 + norm), 1e-6);
    CHECK(worth(b.parts[0].values + b.parts[0].width, most, term(w, "f")) < 0);
    CHECK(b.parts[0].values[0] == 0); // the unknown document has no terms
    CHECK_CLOSE(b.parts[1].values[term(w, "a")], 3 * idf, 1e-6);
    CHECK(b.parts[1].values[0] == 0);
    build_clear(&b);
    texts_close(w, job);
}

/* d2 has b four times and f, the rarest, once. */
static void only_the_heaviest_stay(void)
{
    struct yaml *job;
    struct workload *w = texts_open(TEXTS_BM25(", terms: 2"), "bm25", &job);
    struct crew crew = {1, NULL};
    struct build b;
    const float *row;

    REQUIRE(build_compute(w, 0, &crew, &b, &err) == FUSOR_OK);
    REQUIRE(b.n_parts == 1 && b.parts[0].width == 4);
    row = b.parts[0].values + (size_t)2 * 4;
    CHECK(worth(row, 2, term(w, "b")) > 0);
    CHECK(worth(row, 2, term(w, "f")) > 0);
    CHECK(worth(row, 2, term(w, "e")) < 0);
    build_clear(&b);
    texts_close(w, job);
}

static void batches_lack_what_was_built(void)
{
    struct yaml *job;
    struct workload *w = texts_open(TEXTS_BM25(""), "bm25", &job);
    const struct field_spec *fields;
    uint32_t n, n_values;
    size_t n_fields;

    fields = dataset_fields(w->data, &n_fields);
    REQUIRE(n_fields == 4 && strcmp(fields[3].name, "body") == 0);
    CHECK(model_reads_field(w->model, 0) && model_reads_field(w->model, 1));
    CHECK(!model_reads_field(w->model, 2) && !model_reads_field(w->model, 3));
    CHECK(dataset_list(w->data, 3, 4, &n_values) != NULL && n_values == 1);
    CHECK(dataset_list(w->data, 0, 1, &n) != NULL && n == 2); // of q1
    CHECK(dataset_list(w->data, 1, 1, &n) == NULL);           // a key
    texts_close(w, job);
}

static double cosine(const float *x, const float *y, uint32_t n)
{
    double xy = 0, xx = 0, yy = 0;

    for (uint32_t i = 0; i < n; i++) {
        xy += (double)x[i] * y[i];
        xx += (double)x[i] * x[i];
        yy += (double)y[i] * y[i];
    }
    return xx > 0 && yy > 0 ? xy / sqrt(xx * yy) : 0;
}

/* With as many dimensions as documents nothing is lost: cosines are those of
 * the weighted words. */
static void all_dimensions_keep_cosines(void)
{
    struct yaml *job;
    struct workload *w = texts_open(TEXTS_LSA(", dim: 5"), "lsa", &job);
    struct crew crew = {1, NULL};
    static const uint32_t fields[] = {2, 3};
    float dense[6][7] = {{0}}, idf[7];
    struct build b;
    struct csr m;

    REQUIRE(build_counts(w->data, fields, 2, 6, 7, &m, &err) == FUSOR_OK);
    csr_idf(&m, idf);
    for (uint32_t d = 0; d < 6; d++)
        for (uint64_t k = m.offsets[d]; k < m.offsets[d + 1]; k++)
            dense[d][m.cols[k]] = (1 + logf(m.values[k])) * idf[m.cols[k]];
    csr_clear(&m);
    REQUIRE(build_compute(w, 0, &crew, &b, &err) == FUSOR_OK);
    REQUIRE(b.n_parts == 2 && b.parts[1].width == 5);
    for (uint32_t i = 1; i < 6; i++)
        for (uint32_t j = 1; j <= i; j++)
            CHECK_CLOSE(cosine(b.parts[1].values + (size_t)i * 5,
                               b.parts[1].values + (size_t)j * 5, 5),
                        cosine(dense[i], dense[j], 7), 1e-4);
    build_clear(&b);
    texts_close(w, job);
}

static void threads_give_the_same_bits(void)
{
    struct yaml *job;
    struct workload *w =
        texts_open(TEXTS_LSA(", dim: 3, sweeps: 2"), "lsa", &job);
    struct crew one = {1, NULL}, three = {3, NULL};
    struct build a, b;

    REQUIRE(build_compute(w, 0, &one, &a, &err) == FUSOR_OK);
    REQUIRE(build_compute(w, 0, &three, &b, &err) == FUSOR_OK);
    for (uint32_t p = 0; p < a.n_parts; p++)
        CHECK(memcmp(a.parts[p].values, b.parts[p].values,
                     (size_t)a.parts[p].rows * a.parts[p].width *
                         sizeof(float)) == 0);
    build_clear(&a);
    build_clear(&b);
    texts_close(w, job);
}

static void too_many_dimensions_are_refused(void)
{
    struct yaml *job;
    struct workload *w = texts_open(TEXTS_LSA(", dim: 6"), "lsa", &job);
    struct crew crew = {1, NULL};
    struct build b;

    CHECK(build_compute(w, 0, &crew, &b, &err) == FUSOR_EDATA);
    CHECK(strstr(err.text, "build lsa: lsa: dim is 6") != NULL);
    CHECK(strstr(err.text, "at most 5 dimensions") != NULL);
    texts_close(w, job);
}

static void no_memory_is_told(void)
{
    struct yaml *job;
    struct workload *w =
        texts_open(TEXTS_BM25("") TEXTS_LSA(", dim: 3"), "bm25, lsa", &job);
    struct crew crew = {1, NULL};
    enum fusor_status rc = FUSOR_ENOMEM;
    struct build b;
    long n;

    for (n = 1; rc != FUSOR_OK && n < 400; n++) {
        mem_fail_after(n);
        rc = build_compute(w, 0, &crew, &b, &err);
        CHECK(rc == FUSOR_OK || rc == FUSOR_ENOMEM);
    }
    mem_fail_after(0);
    CHECK(rc == FUSOR_OK && n > 20);
    build_clear(&b);
    texts_close(w, job);
}

int main(void)
{
    static const struct test_case cases[] = {
        {"rows hold what terms are worth", rows_hold_worths},
        {"only the heaviest terms stay", only_the_heaviest_stay},
        {"batches lack texts that were built", batches_lack_what_was_built},
        {"all dimensions keep cosines", all_dimensions_keep_cosines},
        {"threads give the same bits", threads_give_the_same_bits},
        {"too many dimensions are refused", too_many_dimensions_are_refused},
        {"no memory is told", no_memory_is_told},
    };
    return TEST_RUN("train.build_text", cases);
}
