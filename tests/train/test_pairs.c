/* Pairs of an item's own texts: which items make them, what a batch of them
 * holds, and what no stage can be told. */
#include "train/pairs.h"

#include <string.h>

#include "harness.h"
#include "train/texts.h"

static const struct batch_field *
field_of(const struct workload *w, const struct batch *b, const char *name)
{
    size_t n;
    const struct field_spec *f = dataset_fields(w->data, &n);

    return &b->fields[field_find(f, n, name)];
}

/* Does row i of a text hold the terms of the item's text? */
static int holds(const struct workload *w, const struct batch_field *f,
                 uint32_t i, const char *text, uint32_t item)
{
    size_t n_fields;
    const struct field_spec *specs = dataset_fields(w->data, &n_fields);
    uint32_t n, most = f->offsets[i + 1] - f->offsets[i];
    const uint32_t *terms = dataset_list(
        w->data, (size_t)field_find(specs, n_fields, text), item, &n);

    if (n < most || most == 0)
        return 0;
    for (uint32_t k = 0; k < most; k++)
        if (f->ids[f->offsets[i] + k] != terms[k])
            return 0;
    return 1;
}

#define TWO                                                               \
    "  two: {type: dot, query: {text: words, pool: mean}, table: token, " \
    "item: {text: [title, body], pool: mean}}\n"

static struct workload *open_job(const char *stage, struct yaml **job,
                                 struct fusor_error *err)
{
    struct workload *w = NULL;
    char text[2048];

    snprintf(text, sizeof(text),
             "data: {prepared: %s}\nlabel: {map: threshold, at: 0.5}\n" //
             TEXTS_FIELDS "tables: {token: 3}\ntowers:\n" TWO           //
             "fusion: {type: weighted}\nstages:\n  - {train: [two], %s}\n",
             texts_prepared(), stage);
    *job = fixture_yaml(text);
    (void)workload_create(*job, &w, err);
    return w;
}

static void an_item_is_asked_for_by_its_title(void)
{
    struct fusor_error err = {0};
    struct yaml *job;
    struct workload *w =
        open_job("pairs: title_to_body, loss: full_softmax", &job, &err);
    const struct text_pairs *p;
    struct batcher *b;
    struct batch batch;
    struct plan plan;
    uint32_t places[4] = {0, 1, 2, 3};

    REQUIRE(w != NULL);
    p = w->objectives.stages[0].pairs;
    REQUIRE(p != NULL);
    REQUIRE(p->n == 4); // d3 has no title
    REQUIRE(workload_plan(w, 0, &plan, NULL) == FUSOR_OK);
    CHECK(plan.n_rows == 4 && plan.kind == PLAN_RANDOM);
    text_pairs_items(p, places, 4);
    CHECK(places[0] == p->items[0] && places[3] == p->items[3]);
    REQUIRE(batcher_create(w->data, 4, &b, NULL) == FUSOR_OK);
    REQUIRE(batcher_fill_texts(b, &p->fields, places, 4, &batch, NULL) ==
            FUSOR_OK);
    CHECK(batch.n == 4 && batch.n_queries == 4 && batch.weight == NULL);
    for (uint32_t i = 0; i < 4; i++) {
        CHECK(batch.label[i] == 1 && batch.sample_id[i] == places[i]);
        CHECK(batch.query_of[i] == i);
        CHECK(holds(w, field_of(w, &batch, "words"), i, "title", places[i]));
        CHECK(holds(w, field_of(w, &batch, "body"), i, "body", places[i]));
    }
    CHECK(field_of(w, &batch, "title")->offsets[4] == 0); // the answer's half
    CHECK(field_of(w, &batch, "title")->n_values == 0);
    CHECK(batcher_fill_texts(b, &p->fields, places, 5, &batch, &err) ==
          FUSOR_EINVAL);
    places[0] = 99;
    CHECK(batcher_fill_texts(b, &p->fields, places, 1, &batch, &err) ==
          FUSOR_EINVAL);
    batcher_destroy(b);
    workload_destroy(w);
    yaml_destroy(job);
}

/* A body may be longer than any query. */
static void a_long_text_is_whole(void)
{
    struct fusor_error err = {0};
    struct yaml *job;
    struct workload *w =
        open_job("pairs: body_to_title, loss: full_softmax", &job, &err);
    const struct text_pairs *p;
    const struct batch_field *words;
    struct batcher *b;
    struct batch batch;
    uint32_t item;

    REQUIRE(w != NULL);
    p = w->objectives.stages[0].pairs;
    item = p->items[0];
    REQUIRE(batcher_create(w->data, 4, &b, NULL) == FUSOR_OK);
    REQUIRE(batcher_fill_texts(b, &p->fields, &item, 1, &batch, NULL) ==
            FUSOR_OK);
    words = field_of(w, &batch, "words");
    CHECK(words->offsets[1] == 4); // queries have two words at most
    CHECK(holds(w, words, 0, "body", item));
    CHECK(field_of(w, &batch, "body")->n_values == 0);
    batcher_destroy(b);
    workload_destroy(w);
    yaml_destroy(job);
}

/* Candidates of such a stage show their second text alone. */
static void candidates_show_the_same_text(void)
{
    struct fusor_error err = {0};
    struct yaml *job;
    struct workload *w =
        open_job("pairs: title_to_body, loss: full_softmax", &job, &err);
    struct batcher_query nobody = {.row = BATCHER_NO_ROW};
    uint32_t items[2] = {1, 2};
    struct batcher *b;
    struct batch batch;

    REQUIRE(w != NULL);
    REQUIRE(batcher_create(w->data, 4, &b, NULL) == FUSOR_OK);
    REQUIRE(batcher_fill_pairs(b, &nobody, items, 2, &batch, NULL) == FUSOR_OK);
    CHECK(field_of(w, &batch, "title")->n_values > 0);
    nobody.pairs = &w->objectives.stages[0].pairs->fields;
    REQUIRE(batcher_fill_pairs(b, &nobody, items, 2, &batch, NULL) == FUSOR_OK);
    CHECK(field_of(w, &batch, "title")->n_values == 0);
    CHECK(field_of(w, &batch, "title")->offsets[2] == 0);
    CHECK(holds(w, field_of(w, &batch, "body"), 1, "body", items[1]));
    batcher_destroy(b);
    workload_destroy(w);
    yaml_destroy(job);
}

static void other_pairs_are_refused(void)
{
    static const char *const wrong[][2] = {
        {"pairs: title_to_bodi, loss: full_softmax", "title_to_body"},
        {"pairs: title_to_title, loss: full_softmax", "of two texts"},
        {"pairs: words_to_body, loss: full_softmax", "of the item"},
        {"pairs: titles, loss: full_softmax", "must be judged"},
        {"pairs: title_to_body, loss: bpr", "loss over candidates"},
        {"pairs: title_to_body, loss: full_softmax, rows: validation",
         "leave rows away"},
    };
    struct fusor_error err = {0};
    struct yaml *job;
    struct workload *w =
        open_job("pairs: judged, loss: full_softmax", &job, &err);

    REQUIRE(w != NULL);
    CHECK(w->objectives.stages[0].pairs == NULL);
    workload_destroy(w);
    yaml_destroy(job);
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        w = open_job(wrong[i][0], &job, &err);
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
        {"an item is asked for by its title",
         an_item_is_asked_for_by_its_title},
        {"a long text is whole", a_long_text_is_whole},
        {"candidates show the same text", candidates_show_the_same_text},
        {"other pairs are refused", other_pairs_are_refused},
    };

    return TEST_RUN("train.pairs", cases);
}
