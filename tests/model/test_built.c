/* Built towers as readers of rows: what each layout of a row scores, what they
 * ask a stage for, what is refused. The rows themselves: tests/train. */
#include "model/built.h"

#include <stdio.h>
#include <string.h>

#include "harness.h"
#include "model/fixture.h"

#define TOWER(settings) "{loss: mse, towers: {t: {" settings "}}}"
#define EASE TOWER("type: ease, item: item, history: hist, lambda: 3")
#define KNN TOWER("type: knn, item: item, history: hist, neighbours: 3")
#define UU TOWER("type: knn, by: query, query: user, item: item")
#define IALS TOWER("type: ials, query: user, item: item, dim: 11")
#define CONTENT                                                          \
    TOWER("type: content, item: item, history: hist, fields: [genres], " \
          "neighbours: 3")
/* Sums of at most 11 products below 1, rounded at 6e-8. */
#define TOLERANCE 2e-6

static void begin(struct fixture *f, const char *job)
{
    if (fixture_init(f, job) != FUSOR_OK) {
        fprintf(stderr, "%s\n", f->err.text);
        REQUIRE(0);
    }
}

static void score(struct fixture *f, const float *want)
{
    REQUIRE(model_forward(f->run, &f->step, f->scores, NULL, NULL) == FUSOR_OK);
    for (int i = 0; i < 6; i++)
        CHECK_CLOSE(f->scores[i], want[i], TOLERANCE);
}

/* The samples' items are 2 5 2, 6 1, 5; their queries had 2 5 1 6, nothing, and
 * 3 2. An item's own weight does not count. */
static void dense_rows_are_summed_over_the_history(void)
{
    struct fixture f;
    const struct built *b;
    const float *two, *five;

    begin(&f, EASE);
    b = model_built(f.model, 0);
    REQUIRE(b && b->n_tables == 1);
    CHECK(b->method == BUILT_EASE && b->n_items == 7 && b->most == 0);
    CHECK(b->rows[0] == 7 && b->width[0] == 7 && b->lambda == 3);
    two = fixture_row(&f, "t.weights", 2);
    five = fixture_row(&f, "t.weights", 5);
    REQUIRE(two && five);
    score(&f, (float[]){two[5] + two[1] + two[6], five[2] + five[1] + five[6],
                        two[5] + two[1] + two[6], 0, 0, five[3] + five[2]});
    fixture_clear(&f);
}

/* A list ends at id 0; who is not in the history and the item itself count
 * nothing. */
static void lists_are_matched_with_the_history(const char *job)
{
    static const float two[] = {5, 6, 3, 0.5f, 0.25f, 1};
    static const float five[] = {5, 2, 0, 9, 0.75f, 7};
    struct fixture f;

    begin(&f, job);
    CHECK(model_built(f.model, 0)->most == 3);
    CHECK(model_built(f.model, 0)->width[0] == 6);
    memcpy(fixture_row(&f, "t.neighbours", 2), two, sizeof(two));
    memcpy(fixture_row(&f, "t.neighbours", 5), five, sizeof(five));
    score(&f, (float[]){0.75f, 0.75f, 0.75f, 0, 0, 0.75f});
    score(&f, (float[]){0.75f, 0.75f, 0.75f, 0, 0, 0.75f}); // marks are gone
    fixture_clear(&f);
}

static void lists_of_neighbours(void)
{
    lists_are_matched_with_the_history(KNN);
}

static void lists_of_similar_items(void)
{
    lists_are_matched_with_the_history(CONTENT);
}

static void a_querys_row_holds_its_scores(void)
{
    static const uint64_t user[] = {3, 3, 3, 1, 1, 4};
    static const int item[] = {2, 5, 2, 6, 1, 5};
    struct fixture f;
    float want[6];

    begin(&f, UU);
    CHECK(model_built(f.model, 0)->by_query);
    CHECK(model_built(f.model, 0)->n_queries == 5);
    for (int i = 0; i < 6; i++)
        want[i] = fixture_row(&f, "t.scores", user[i])[item[i]];
    score(&f, want);
    fixture_clear(&f);
}

static void factors_meet(void)
{
    static const uint64_t user[] = {3, 3, 3, 1, 1, 4};
    static const uint64_t item[] = {2, 5, 2, 6, 1, 5};
    struct fixture f;
    float want[6] = {0};

    begin(&f, IALS);
    CHECK(model_built(f.model, 0)->n_tables == 2);
    for (int i = 0; i < 6; i++)
        for (int k = 0; k < 11; k++)
            want[i] += fixture_row(&f, "t.queries", user[i])[k] *
                       fixture_row(&f, "t.items", item[i])[k];
    score(&f, want);
    fixture_clear(&f);
}

/* There is nothing to train: neither parts nor gradients. */
static void built_towers_are_not_trained(void)
{
    static const char *const jobs[] = {EASE, KNN, UU, IALS, CONTENT};

    for (size_t i = 0; i < sizeof(jobs) / sizeof(jobs[0]); i++) {
        struct fixture f;
        uint32_t n;

        begin(&f, jobs[i]);
        model_lookups(f.model, &n);
        REQUIRE(model_set_trained(f.model, NULL, NULL) == FUSOR_OK);
        for (uint32_t l = 0; l < n; l++)
            CHECK(!model_lookup_is_trained(f.model, l));
        fixture_pass(&f);
        for (uint32_t t = 0; t < model_params(f.model)->n_tables; t++)
            for (uint32_t u = 0; u < f.tables[t].n; u++)
                for (uint32_t e = 0; e < model_params(f.model)->tables[t].width;
                     e++)
                    CHECK(f.tables[t].grads[u][e] == 0);
        fixture_clear(&f);
    }
}

static void refuses(const char *job, const char *why)
{
    struct fixture f;

    CHECK(fixture_init(&f, job) == FUSOR_EUSAGE);
    CHECK(strstr(f.err.text, why) != NULL);
    fixture_clear(&f);
}

static void what_cannot_be_built_is_refused(void)
{
    refuses(TOWER("type: ease, item: item"), "no history");
    refuses(TOWER("type: ease, history: hist"), "no item");
    refuses(TOWER("type: ease, item: price, history: hist"), "categorical");
    refuses(TOWER("type: ease, item: item, history: genres"), "bag");
    refuses(TOWER("type: ease, item: item, history: hist, lambada: 3"),
            "did you mean");
    refuses(TOWER("type: knn, item: item, history: hist, query: user"),
            "by: query");
    refuses(TOWER("type: knn, by: query, query: user, item: item, history: "
                  "hist"),
            "delete history");
    refuses(TOWER("type: content, item: item, history: hist"), "fields");
    refuses(TOWER("type: content, item: item, history: hist, fields: [user]"),
            "not of the item");
    refuses(TOWER("type: ials, query: user, item: item, steps: 4"),
            "solver: cg");
    refuses(TOWER("type: ials, query: user, item: item, solver: gc"), "cg");
    refuses(TOWER("type: ials, query: genres, item: item"), "categorical");
    refuses("{loss: mse, towers: {t: {type: ease, item: item, history: hist}}, "
            "fusion: {type: concat, over: vectors}}",
            "no vector");
}

int main(void)
{
    static const struct test_case cases[] = {
        {"dense rows are summed over the history",
         dense_rows_are_summed_over_the_history},
        {"lists of neighbours are matched with the history",
         lists_of_neighbours},
        {"lists of similar items are matched with the history",
         lists_of_similar_items},
        {"a query's row holds its scores", a_querys_row_holds_its_scores},
        {"factors meet", factors_meet},
        {"built towers are not trained", built_towers_are_not_trained},
        {"what cannot be built is refused", what_cannot_be_built_is_refused},
    };

    return TEST_RUN("model.built", cases);
}
