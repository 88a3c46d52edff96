/* Texts that tower dot reads through a network: gradients, the same vector as
 * the tower of that network makes, independence of other documents, what is
 * refused. */
#include "harness.h"

#include <string.h>

#include "contract/golden.h"
#include "model/fixture.h"
#include "model/rank.h"

#define HEAD "{loss: mse, tables: {item: 4"
#define TABLES HEAD ", token: {dim: 4, by_field: true}}, "
#define TWO(query, item)                                           \
    TABLES "towers: {t: {type: dot, query: " query ", item: " item \
           ", table: token}}}"

static void begin(struct fixture *f, const char *job)
{
    if (fixture_init(f, job) != FUSOR_OK) {
        fprintf(stderr, "%s\n", f->err.text);
        REQUIRE(0);
    }
}

static const char *const jobs[] = {
    TWO("{sequence: seq, pool: gru, table: item}",
        "{text: title, pool: cnn, activation: tanh, filters: 3}"),
    TWO("[user, {sequence: seq, pool: transformer, table: item, ff: 8, "
        "activation: gelu}]",
        "[item, {text: [title], pool: lstm, max: 3}, {multi: genres}]"),
    TWO("{sequence: seq, pool: rnn, table: item}", "{text: title, pool: mean}"),
};
#define N_JOBS (sizeof(jobs) / sizeof(jobs[0]))

static void gradients_are_differences(void)
{
    struct fixture f;

    for (size_t i = 0; i < N_JOBS; i++) {
        begin(&f, jobs[i]);
        CHECK(golden_differences(&f) < GOLDEN_DIFFERENCE);
        f.step.training = 1;
        CHECK(golden_differences(&f) < GOLDEN_DIFFERENCE);
        fixture_clear(&f);
    }
}

/* The same towers beside a loss that reads them as a vector. */
static void gradients_are_differences_as_vectors(void)
{
    struct fixture f;

    begin(&f, TABLES
          "towers: {t: {type: dot, query: {sequence: seq, pool: gru, table: "
          "item}, item: {text: title, pool: cnn, table: token, activation: "
          "tanh}, global_bias: true}}, fusion: {type: weighted, over: "
          "vectors}}");
    CHECK(golden_differences(&f) < GOLDEN_DIFFERENCE);
    fixture_clear(&f);
}

/* Tower cnn is examined against golden values; here its parameters are the
 * same numbers. */
static void a_text_has_the_vector_of_its_tower(void)
{
    static const char *const pairs[][2] = {
        {HEAD "}, "
              "towers: {t: {type: cnn, query: seq, item: item, table: item, "
              "filters: 3}}}",
         HEAD "}, "
              "towers: {t: {type: dot, query: {sequence: seq, pool: cnn, "
              "filters: 3}, item: item, table: item}}}"},
        {HEAD "}, "
              "towers: {t: {type: gru, query: seq, item: item, table: item, "
              "l2: 0.1}}}",
         HEAD "}, "
              "towers: {t: {type: dot, query: {sequence: seq, pool: gru}, "
              "item: item, table: item, l2: 0.1}}}"},
    };

    for (size_t k = 0; k < 2; k++) {
        struct fixture one, two;

        begin(&one, pairs[k][0]);
        begin(&two, pairs[k][1]);
        one.step.training = two.step.training = 1;
        CHECK_CLOSE(fixture_pass(&one), fixture_pass(&two), 1e-6);
        for (uint32_t i = 0; i < 6; i++)
            CHECK_CLOSE((double)one.scores[i], (double)two.scores[i], 1e-5);
        for (uint32_t e = 0; e < 4; e++)
            CHECK_CLOSE((double)fixture_grad(&one, "item", 2)[e],
                        (double)fixture_grad(&two, "item", 2)[e], 1e-5);
        fixture_clear(&one);
        fixture_clear(&two);
    }
}

static void a_document_does_not_depend_on_others(void)
{
    struct fixture f;
    float all[6];

    begin(&f, jobs[0]);
    REQUIRE(model_forward(f.run, &f.step, all, NULL, NULL) == FUSOR_OK);
    for (uint32_t n = 1; n < 6; n++) {
        f.batch.n = n;
        f.batch.n_queries = n > 3 ? 2 : 1;
        REQUIRE(model_forward(f.run, &f.step, f.scores, NULL, NULL) ==
                FUSOR_OK);
        CHECK(!memcmp(f.scores, all, n * sizeof(float)));
    }
    fixture_clear(&f);
}

/* One query against vectors of documents that were made before. */
static void it_ranks_in_the_bits_of_a_pass(void)
{
    static const uint32_t which[] = {2, 0, 1};
    struct model_items *items = NULL;
    struct fixture f;
    float all[6], ranked[3];

    begin(&f, jobs[0]);
    REQUIRE(model_ranks(f.model));
    REQUIRE(model_items_create(f.model, NULL, 6, 6, &items, NULL) == FUSOR_OK);
    model_items_fill(items, f.run, &f.step, 0);
    REQUIRE(model_forward(f.run, &f.step, all, NULL, NULL) == FUSOR_OK);
    model_rank(f.run, &f.step, items, which, 3, ranked);
    for (uint32_t i = 0; i < 3; i++) // samples 0, 1, 2 are of one query
        CHECK(ranked[i] == all[which[i]]);
    model_items_destroy(items);
    fixture_clear(&f);
}

static void refuses(const char *job, const char *why)
{
    struct fixture f;

    CHECK(fixture_init(&f, job) == FUSOR_EUSAGE);
    CHECK(strstr(f.err.text, why) != NULL);
    if (!strstr(f.err.text, why))
        fprintf(stderr, "%s\n", f.err.text);
    fixture_clear(&f);
}

static void what_makes_no_sense_is_refused(void)
{
    refuses(TWO("user", "{text: title, pool: cnn, filter: 3}"), "filters");
    refuses(TWO("user", "{text: title, pool: cnn, mask: 0.2}"), "mask");
    refuses(TWO("user", "{text: title, pool: transformer, mask: 0.2}"), "mask");
    refuses(TWO("user", "{text: [], pool: cnn}"), "no field");
    refuses(TWO("user", "{text: [], pool: mean}"), "empty");
    refuses(TWO("user", "{pool: cnn}"), "no field");
    refuses(TWO("user", "{text: [title, title], pool: cnn}"), "has a network");
    refuses(TWO("user", "{text: genres, pool: cnn}"), "genres is multi");
    refuses(TWO("user", "{text: titel, pool: cnn}"), "title");
    refuses(TWO("user", "{text: title, pool: cnnn}"), "pool");
    refuses(TWO("user", "[[item]]"), "a list inside a list");
    refuses("{tables: {item: 4, token: 3}, loss: mse, towers: {t: {type: dot, "
            "query: {sequence: seq, pool: cnn, table: item}, item: {text: "
            "title, pool: cnn, table: token}}}}",
            "token has dim 3");
}

int main(void)
{
    static const struct test_case cases[] = {
        {"gradients are differences", gradients_are_differences},
        {"gradients are differences as vectors",
         gradients_are_differences_as_vectors},
        {"a text has the vector of its tower",
         a_text_has_the_vector_of_its_tower},
        {"a document does not depend on others",
         a_document_does_not_depend_on_others},
        {"it ranks in the bits of a pass", it_ranks_in_the_bits_of_a_pass},
        {"what makes no sense is refused", what_makes_no_sense_is_refused},
    };

    return TEST_RUN("model.dot_text", cases);
}
