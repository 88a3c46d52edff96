/* What the words of queries find, against all scores. */
#include "train/found.h"

#include "base/mem.h"
#include "harness.h"
#include "train/negatives.h"
#include "train/texts.h"

static struct fusor_error err;

static struct batcher_text text_of(const struct workload *w, uint32_t query)
{
    struct batcher_text t = {.field = 0};

    t.terms = dataset_list(w->data, 0, query, &t.n);
    return t;
}

/* How many documents have a word of the query's text. */
static uint32_t count_matches(const struct workload *w,
                              const struct batcher_text *t,
                              unsigned char has[TEXTS_DOCUMENTS + 1])
{
    uint32_t n = 0;

    for (uint32_t d = 1; d <= TEXTS_DOCUMENTS; d++) {
        has[d] = 0;
        for (size_t field = 2; field <= 3; field++) {
            uint32_t n_terms;
            const uint32_t *terms = dataset_list(w->data, field, d, &n_terms);

            for (uint32_t k = 0; k < n_terms; k++)
                for (uint32_t j = 0; j < t->n; j++)
                    has[d] |= terms[k] == t->terms[j];
        }
        n += has[d];
    }
    return n;
}

static void all_that_match_are_found(void)
{
    struct yaml *job;
    struct workload *w = texts_open(TEXTS_BM25(""), "bm25", &job);
    uint32_t found[TEXTS_DOCUMENTS], n;
    unsigned char has[TEXTS_DOCUMENTS + 1];
    struct finder *f;

    REQUIRE(finder_create(w->data, w->model, &f, &err) == FUSOR_OK);
    CHECK(finder_room(f, 3) == 3);
    CHECK(finder_room(f, 1000) == TEXTS_DOCUMENTS + 1);
    for (uint32_t q = 1; q <= 3; q++) {
        struct batcher_text t = text_of(w, q);

        REQUIRE(finder_find(f, &t, 1, 1000, found, &n, &err) == FUSOR_OK);
        CHECK(n == count_matches(w, &t, has));
        for (uint32_t i = 0; i < n; i++)
            CHECK(has[found[i]] && (i == 0 || found[i] > found[i - 1]));
        REQUIRE(finder_find(f, &t, 1, 1, found, &n, &err) == FUSOR_OK);
        CHECK(n == 1 && has[found[0]]);
    }
    REQUIRE(finder_find(f, NULL, 0, 5, found, &n, &err) == FUSOR_OK);
    CHECK(n == 0); // no words
    finder_destroy(f);
    texts_close(w, job);
}

static void towers_find_together(void)
{
    struct yaml *job;
    struct workload *w =
        texts_open(TEXTS_BM25("") "  t: {type: bm25, query: words, item: d, "
                                  "fields: [title]}\n",
                   "bm25, t", &job);
    uint32_t found[TEXTS_DOCUMENTS], n;
    struct batcher_text t = text_of(w, 2);
    struct finder *f;

    REQUIRE(finder_create(w->data, w->model, &f, &err) == FUSOR_OK);
    CHECK(finder_room(f, 2) == 4);
    REQUIRE(finder_find(f, &t, 1, 1, found, &n, &err) == FUSOR_OK);
    CHECK(n >= 1 && n <= 2); // each its best, which may be the same
    finder_destroy(f);
    texts_close(w, job);
}

static void negatives_are_drawn_from_them(void)
{
    struct yaml *job;
    struct workload *w = texts_open(TEXTS_BM25(""), "bm25", &job);
    struct negatives how = {.per_row = 40, .from = NEGATIVES_FOUND};
    uint32_t row = 0, rows[41], items[41], n, query;
    unsigned char has[TEXTS_DOCUMENTS + 1];
    struct batcher_text t;
    struct finder *f;
    struct found *found;

    REQUIRE(finder_create(w->data, w->model, &f, &err) == FUSOR_OK);
    REQUIRE(found_create(f, w->data, 1, 5, &found, &err) == FUSOR_OK);
    how.found = found;
    query = dataset_query(w->data, SPLIT_TRAIN, row);
    t = text_of(w, query);
    count_matches(w, &t, has);
    n = negatives_expand(&how, w->data, SPLIT_TRAIN, 1, 1, &row, 1, rows,
                         items);
    CHECK(n == 41 && items[0] == BATCHER_OWN_ITEM);
    for (uint32_t i = 1; i < n; i++)
        CHECK(items[i] >= 1 && items[i] <= TEXTS_DOCUMENTS && has[items[i]]);
    found_destroy(found);
    finder_destroy(f);
    texts_close(w, job);
}

static void ranks_before_the_first_are_left_out(void)
{
    struct yaml *job;
    struct workload *w = texts_open(TEXTS_BM25(""), "bm25", &job);
    struct found *all, *late;
    uint32_t query = 1, best[TEXTS_DOCUMENTS], n;
    struct batcher_text t = text_of(w, query);
    struct finder *f;

    REQUIRE(finder_create(w->data, w->model, &f, &err) == FUSOR_OK);
    REQUIRE(finder_find_by(f, 0, &t, 1, TEXTS_DOCUMENTS, best, &n, &err) ==
            FUSOR_OK);
    REQUIRE(n >= 2);
    REQUIRE(found_create(f, w->data, 1, 2, &all, &err) == FUSOR_OK);
    REQUIRE(found_create(f, w->data, 2, 2, &late, &err) == FUSOR_OK);
    CHECK(all->n[query] == 2 && late->n[query] == 1);
    CHECK(late->documents[late->first[query]] == best[1]);
    CHECK(all->documents[all->first[query]] +
              all->documents[all->first[query] + 1] ==
          best[0] + best[1]);
    CHECK(all->n[VOCAB_UNKNOWN] == 0);
    found_destroy(late);
    REQUIRE(found_create(f, w->data, 1000, 1000, &late, &err) == FUSOR_OK);
    CHECK(late->n[query] == 0); // fewer are found
    found_destroy(late);
    found_destroy(all);
    finder_destroy(f);
    texts_close(w, job);
}

static void a_model_without_bm25_finds_nothing(void)
{
    struct yaml *job;
    struct workload *w = texts_open(TEXTS_LSA(", dim: 2"), "lsa", &job);
    struct finder *f;

    CHECK(finder_create(w->data, w->model, &f, &err) == FUSOR_EUSAGE);
    finder_destroy(NULL);
    found_destroy(NULL);
    texts_close(w, job);
}

static void no_memory_is_told(void)
{
    struct yaml *job;
    struct workload *w = texts_open(TEXTS_BM25(""), "bm25", &job);
    enum fusor_status rc = FUSOR_ENOMEM;
    long n;

    for (n = 1; rc != FUSOR_OK && n < 200; n++) {
        struct finder *f = NULL;
        struct found *found = NULL;

        mem_fail_after(n);
        rc = finder_create(w->data, w->model, &f, &err);
        if (rc == FUSOR_OK)
            rc = found_create(f, w->data, 1, 3, &found, &err);
        mem_fail_after(0);
        CHECK(rc == FUSOR_OK || rc == FUSOR_ENOMEM);
        found_destroy(found);
        finder_destroy(f);
    }
    CHECK(rc == FUSOR_OK && n > 10);
    texts_close(w, job);
}

int main(void)
{
    static const struct test_case cases[] = {
        {"all documents that match are found", all_that_match_are_found},
        {"towers find together", towers_find_together},
        {"negatives are drawn from what was found",
         negatives_are_drawn_from_them},
        {"ranks before the first are left out",
         ranks_before_the_first_are_left_out},
        {"a model without bm25 finds nothing",
         a_model_without_bm25_finds_nothing},
        {"no memory is told", no_memory_is_told},
    };
    return TEST_RUN("train.found", cases);
}
