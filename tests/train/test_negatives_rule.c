/* What `negatives` may say, of the job and of a stage, and what each stage then
 * draws from. */
#include <string.h>

#include "harness.h"
#include "train/fixture.h"
#include "train/found.h"
#include "train/options_text.h"
#include "train/texts.h"

static void a_stage_says_it_over_the_job(void)
{
    struct train_options o;
    struct yaml *y;

    REQUIRE(
        options_text("train: {negatives: 8, negatives_from: popularity}\n"
                     "stages: [{train: [a]}, {train: [a], negatives: 3},\n"
                     "  {train: [a], negatives: {from: b, rank: 10..200}},\n"
                     "  {build: [b]}]",
                     &y, &o, NULL) == FUSOR_OK);
    CHECK(o.stages[0].negatives.n == 8 && !o.stages[0].negatives.own);
    CHECK(!strcmp(o.stages[0].negatives.from, "popularity"));
    CHECK(o.stages[0].negatives.first == 1);
    CHECK(o.stages[0].negatives.last == 200);
    CHECK(!negatives_rule_searches(&o.stages[0].negatives));
    CHECK(o.stages[1].negatives.n == 3 && o.stages[1].negatives.own);
    CHECK(!strcmp(o.stages[1].negatives.from, "popularity"));
    CHECK(o.stages[2].negatives.n == 8);
    CHECK(!strcmp(o.stages[2].negatives.from, "b"));
    CHECK(o.stages[2].negatives.first == 10);
    CHECK(o.stages[2].negatives.last == 200);
    CHECK(negatives_rule_searches(&o.stages[2].negatives));
    yaml_destroy(y);
    REQUIRE(options_text("train: {negatives: 1, negatives_from: search, "
                         "negatives_rank: 5..9}",
                         &y, &o, NULL) == FUSOR_OK);
    CHECK(o.stages[0].negatives.first == 5 && o.stages[0].negatives.last == 9);
    yaml_destroy(y);
}

static void a_wrong_rule_names_its_place(void)
{
    static const struct wrong_options wrong[] = {
        {"train: {negatives: 1001}", "1000"},
        {"train: {negatives_from: search, negatives_rank: few}", "10..200"},
        {"train: {negatives_from: search, negatives_rank: 9..2}", "10..200"},
        {"stages: [{train: [a], negatives: -1}]", "0..1000"},
        {"stages: [{train: [a], negatives: many}]", "many"},
        {"stages: [{train: [a], negatives: {m: 3}}]", "there is: n, from"},
        {"stages: [{train: [a], negatives: {n: 3, rank: 4..9}}]",
         "drawn from uniform"},
        {"stages: [{train: [a], negatives: {from: b, rank: 0..9}}]", "10..200"},
        {"stages: [{train: [a], negatives: {from: b, rank: 1..}}]", "10..200"},
        {"stages: [{train: [a], negatives: {from: b, rank: 1..200000}}]",
         "to 100000"},
    };

    options_refused(wrong, sizeof(wrong) / sizeof(wrong[0]));
}

/* Two bm25 towers, a trained one, and the last stages of the job. */
static struct workload *open_job(const char *stages, struct yaml **job,
                                 struct fusor_error *why)
{
    char text[2048];
    struct workload *w = NULL;

    snprintf(
        text, sizeof(text),
        "data: {prepared: %s}\nlabel: {map: threshold, at: 0.5}\n" //
        TEXTS_FIELDS "tables: {token: 3}\ntowers:\n"               //
        TEXTS_BM25(
            "") "  more: {type: bm25, query: words, item: d, fields: [title]}\n"
                "  two: {type: dot, query: {text: words, pool: mean}, table: "
                "token, item: {text: body, pool: mean}}\n"
                "fusion: {type: weighted, over: scores, weights: free}\n"
                "loss: bpr\nstages:\n  - {build: [bm25, more]}\n%s",
        texts_prepared(), stages);
    *job = fixture_yaml(text);
    (void)workload_create(*job, &w, why);
    return w;
}

static void stages_draw_from_what_they_name(void)
{
    struct fusor_error err = {0};
    struct yaml *job;
    struct workload *w = open_job(
        "  - {train: [two], negatives: {from: bm25, rank: 2..3}}\n"
        "  - {train: [two], negatives: {from: search}}\n"
        "  - {train: [two], negatives: {from: bm25, rank: 2..3, n: 2}}\n"
        "  - {train: [two], negatives: {from: two, rank: 1..4, n: 2}}\n",
        &job, &err);
    const struct objective *o;

    if (!w)
        fprintf(stderr, "%s\n", err.text);
    REQUIRE(w != NULL);
    o = w->objectives.stages;
    CHECK(o[1].negatives.per_row == 1 && o[1].negatives.found != NULL);
    CHECK(o[2].negatives.found != o[1].negatives.found);
    CHECK(o[3].negatives.found == o[1].negatives.found); // once for both
    CHECK(o[3].negatives.per_row == 2);
    CHECK(o[4].negatives.mined && o[4].negatives.found == NULL);
    CHECK(o[4].negatives.tower == 2 && o[4].negatives.last == 4);
    workload_destroy(w);
    yaml_destroy(job);
}

static void what_no_stage_can_draw_is_refused(void)
{
    static const char *const wrong[][2] = {
        {"  - {train: [two], negatives: {from: bm52}}\n", "did you mean bm25?"},
        {"  - {train: [two], negatives: {from: two}}\n", "ranks at random"},
        {"  - {train: [two]}\n"
         "  - {train: [fusion], rows: out_of_fold(2), negatives: {from: "
         "two}}\n",
         "before two has seen all rows"},
        {"  - {train: [two], loss: full_softmax, negatives: {from: bm25}}\n",
         "items of its own"},
    };

    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        struct fusor_error err = {0};
        struct yaml *job;
        struct workload *w = open_job(wrong[i][0], &job, &err);

        CHECK(w == NULL && err.status == FUSOR_EUSAGE);
        if (!strstr(err.text, wrong[i][1]))
            fprintf(stderr, "%s\n", err.text);
        CHECK(strstr(err.text, wrong[i][1]) != NULL);
        workload_destroy(w);
        yaml_destroy(job);
    }
}

int main(void)
{
    static const struct test_case cases[] = {
        {"a stage says it over the job", a_stage_says_it_over_the_job},
        {"a wrong rule names its place", a_wrong_rule_names_its_place},
        {"stages draw from what they name", stages_draw_from_what_they_name},
        {"what no stage can draw is refused",
         what_no_stage_can_draw_is_refused},
    };

    return TEST_RUN("train.negatives_rule", cases);
}
