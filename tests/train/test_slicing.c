/* Fields to group by: bins, labels, slices of rows, and what is refused. */
#include "train/slicing.h"

#include <stdio.h>
#include <string.h>

#include "data/prepared.h"
#include "train/fixture.h"

#define JOB                                                            \
    "fields: {user: {}, item: {}}\n"                                   \
    "tables: {user: 4, item: 4}\n"                                     \
    "towers: {mf: {type: dot, query: user, item: item, bias: true}}\n" \
    "train: {global_batch: 64, epochs: 1}\n"

struct work {
    struct yaml *job;
    struct workload *w;
};

static struct work open_work(const char *protocol, const char *evaluate)
{
    struct work k;
    char rest[512];

    snprintf(rest, sizeof(rest), JOB "evaluate: %s\n", evaluate);
    k.job = fixture_yaml(fixture_text(fixture_data(protocol), "none", rest));
    k.w = fixture_workload(k.job);
    return k;
}

static enum fusor_status add(struct work *k, const char *field, uint32_t bins,
                             struct fusor_error *err)
{
    return slicing_add(
        k->w, &(struct slicing_wish){.field = field, .bins = bins}, err);
}

static void close_work(struct work *k)
{
    workload_destroy(k->w);
    yaml_destroy(k->job);
}

/* The age of user u is 10 u; the job's model does not read it. */
static void rows_find_their_slices(void)
{
    static const char *const names[] = {"age", "user"};
    struct work k = open_work("time-split", "[mae]");
    const struct event *e;
    struct slicer r;
    uint32_t rows[97];
    uint64_t n;

    for (int i = 0; i < 2; i++)
        REQUIRE(add(&k, names[i], 3, NULL) == FUSOR_OK);
    REQUIRE(k.w->slicing->n == 2 && k.w->slicing->fields[0].n_edges == 2);
    CHECK(k.w->slicing->fields[0].n_slices == 4);
    CHECK(k.w->slicing->fields[1].first == 4);
    CHECK(k.w->slicing->fields[1].n_slices == FIXTURE_USERS);
    REQUIRE(slicer_init(&r, k.w->slicing, 128, NULL) == FUSOR_OK);
    e = fixture_events(SPLIT_VALID, &n);
    for (uint32_t i = 0; i < n; i++)
        rows[i] = i;
    REQUIRE(slicer_find(&r, SPLIT_VALID, rows, (uint32_t)n, NULL) == FUSOR_OK);
    for (uint32_t i = 0; i < n; i++) {
        const float *edges = k.w->slicing->fields[0].edges;
        float age = 10 * (float)e[i].user;

        CHECK(slicer_of(&r, 0, i) ==
              1u + (age >= edges[0]) + (age >= edges[1]));
        CHECK(slicer_of(&r, 1, i) == 4 + e[i].user);
    }
    slicer_clear(&r);
    close_work(&k);
}

/* Edges are train values with a third and two thirds of the rows below. */
static void bins_are_quantiles_of_the_train_rows(void)
{
    static const char *const names[] = {"age"};
    struct work k = open_work("time-split", "[mae]");
    const struct slicing_field *f;
    const struct event *e;
    uint64_t n, below[2] = {0}, upto[2] = {0};

    REQUIRE(add(&k, names[0], 3, NULL) == FUSOR_OK);
    f = &k.w->slicing->fields[0];
    e = fixture_events(SPLIT_TRAIN, &n);
    for (uint64_t i = 0; i < n; i++)
        for (int b = 0; b < 2; b++) {
            below[b] += 10 * (float)e[i].user < f->edges[b];
            upto[b] += 10 * (float)e[i].user <= f->edges[b];
        }
    for (uint64_t b = 0; b < 2; b++)
        CHECK(below[b] <= n * (b + 1) / 3 && n * (b + 1) / 3 < upto[b]);
    close_work(&k);
}

static void slices_have_labels(void)
{
    static const char *const names[] = {"age"};
    struct work k = open_work("time-split", "[mae]");
    static const char *const parts[] = {"unknown", "< ", "[", ">= "};

    REQUIRE(add(&k, names[0], 3, NULL) == FUSOR_OK);
    for (uint32_t i = 0; i < 4; i++) {
        struct strbuf label = {0};

        REQUIRE(slicing_label(&k.w->slicing->fields[0], i, &label, NULL) ==
                FUSOR_OK);
        CHECK(strncmp(label.s, parts[i], strlen(parts[i])) == 0);
        strbuf_clear(&label);
    }
    close_work(&k);
}

static void what_makes_no_groups_is_refused(void)
{
    static const struct {
        const char *before, *name;
        uint32_t bins;
        const char *answer;
    } wrong[] = {
        {NULL, "agee", 4, "did you mean age?"},
        {NULL, "genres", 4, "makes no groups"},
        {"age", "age", 4, "given twice"},
        {NULL, "item", 4, "gauc judges the rows of one query together"},
        {"age", "item", 4, "gauc judges the rows of one query together"},
        {NULL, "age", 1, "2 to 100 bins"},
    };
    struct work k = open_work("time-split", "[gauc]");
    struct slicer r;

    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        struct fusor_error err;

        if (wrong[i].before)
            REQUIRE(add(&k, wrong[i].before, 4, NULL) == FUSOR_OK);
        CHECK(add(&k, wrong[i].name, wrong[i].bins, &err) == FUSOR_EUSAGE);
        CHECK(strstr(err.text, wrong[i].answer) != NULL);
        CHECK((k.w->slicing == NULL) == (wrong[i].before == NULL));
        slicing_forget(k.w);
    }
    REQUIRE(slicer_init(&r, NULL, 4, NULL) == FUSOR_OK);
    CHECK(slicer_find(&r, SPLIT_VALID, NULL, 0, NULL) == FUSOR_OK);
    slicer_clear(&r);
    close_work(&k);
}

static void ranked_rows_may_be_grouped_by_item(void)
{
    static const char *const names[] = {"item"};
    struct work k = open_work("loo-full", "[\"hr@10\"]");

    CHECK(add(&k, names[0], 4, NULL) == FUSOR_OK);
    close_work(&k);
}

int main(void)
{
    static const struct test_case cases[] = {
        {"rows find their slices", rows_find_their_slices},
        {"bins are quantiles of the train rows",
         bins_are_quantiles_of_the_train_rows},
        {"slices have labels", slices_have_labels},
        {"what makes no groups is refused", what_makes_no_groups_is_refused},
        {"ranked rows may be grouped by item",
         ranked_rows_may_be_grouped_by_item},
    };

    return TEST_RUN("train.slicing", cases);
}
