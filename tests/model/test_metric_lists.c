/* Lists of the best items and their metrics, by hand. */
#include "harness.h"

#include <string.h>

#include "model/metric/metric.h"
#include "model/metric/top.h"

static void a_list_holds_the_best_once(void)
{
    static const float s[] = {.5f, .9f, .9f, NAN, .1f, .7f, 2, -INFINITY, .9f};
    static const uint32_t items[] = {4, 7, 3, 5, 8, 4, 0, 9, 7};
    static const uint32_t want[] = {3, 7, 4, 8};
    struct metric_top top;

    for (uint32_t k = 1; k <= 6; k++) {
        uint32_t n = k < 4 ? k : 4;

        REQUIRE(metric_top_init(&top, k, NULL) == FUSOR_OK);
        metric_top_fill(&top, s, items, 9);
        CHECK(top.n == n);
        CHECK(!memcmp(top.items, want, n * sizeof(*want)));
        metric_top_fill(&top, s, items, 0);
        CHECK(top.n == 0);
        metric_top_clear(&top);
    }
    REQUIRE(metric_top_init(&top, 0, NULL) == FUSOR_OK);
    metric_top_fill(&top, s, items, 9);
    CHECK(top.n == 0);
}

static void an_item_moves_up_to_its_best_score(void)
{
    static const float s[] = {1, 2, 3, 4};
    static const uint32_t items[] = {5, 6, 7, 5}, want[] = {5, 7, 6};
    struct metric_top top;

    REQUIRE(metric_top_init(&top, 3, NULL) == FUSOR_OK);
    metric_top_fill(&top, s, items, 4);
    CHECK(top.n == 3 && !memcmp(top.items, want, sizeof(want)));
    metric_top_clear(&top);
}

/* Items 1 .. 4: {1 2}, {2 3}, {}, {}; seen 4, 2, 0 and 2 times. */
static const uint64_t counts[] = {0, 4, 2, 0, 2};
static const size_t begin[] = {0, 0, 2, 4, 4, 4};
static const uint64_t values[] = {1, 2, 2, 3};
static const float vectors[] = {0, 0, 3, 4, -4, 3, 0, 0, 6, 8};
static const struct metric_items by_set = {5,      counts, 8, begin,
                                           values, NULL,   0};
static const struct metric_items by_vector = {5,    counts,  8, NULL,
                                              NULL, vectors, 2};

static void items_have_information_and_distances(void)
{
    CHECK(metric_items_information(&by_set, 1) == 1);
    CHECK(metric_items_information(&by_set, 2) == 2);
    CHECK(metric_items_information(&by_set, 3) == 3); // as if seen once
    CHECK_CLOSE(metric_items_distance(&by_set, 1, 2), 2. / 3, 1e-15);
    CHECK(metric_items_distance(&by_set, 1, 1) == 0);
    CHECK(metric_items_distance(&by_set, 1, 3) == 1);
    CHECK(metric_items_distance(&by_set, 3, 4) == 0);
    CHECK_CLOSE(metric_items_distance(&by_vector, 1, 2), 1, 1e-15);
    CHECK_CLOSE(metric_items_distance(&by_vector, 1, 4), 0, 1e-15);
    CHECK(metric_items_distance(&by_vector, 1, 3) == 1);
    CHECK(metric_items_distance(&by_vector, 3, 3) == 0);
}

static const char *const names[] = {"coverage@2", "gini@2", "novelty@2",
                                    "diversity@2", "hr@1"};

static struct metric_set *make_set(void)
{
    struct metric_spec specs[5];
    struct metric_set *set = NULL;

    for (int i = 0; i < 5; i++)
        REQUIRE(metric_parse(names[i], &specs[i], NULL) == FUSOR_OK);
    REQUIRE(metric_set_create(specs, 5, NULL, &set, NULL) == FUSOR_OK);
    metric_set_items(set, &by_set);
    return set;
}

static void show(struct metric_set *set, uint32_t a, uint32_t b, double *own)
{
    static const float s[] = {2, 1}, y[] = {0, 0};
    uint32_t items[] = {a, b};

    REQUIRE(metric_set_shown(set, 1, s, y, items, 2, own, NULL) == FUSOR_OK);
}

static void small_cases_are_as_counted(void)
{
    struct metric_set *set = make_set();
    struct metric_result r[5];
    double own[5];

    REQUIRE(metric_set_results(set, r, NULL) == FUSOR_OK);
    for (int i = 0; i < 5; i++)
        CHECK(!r[i].defined && isnan(r[i].value));
    show(set, 1, 2, own);
    CHECK(isnan(own[0]) && isnan(own[1]) && own[2] == 1.5);
    CHECK_CLOSE(own[3], 2. / 3, 1e-15);
    show(set, 1, 0, own); // a list of one item
    CHECK(own[2] == 1 && isnan(own[3]));
    show(set, 0, 0, own); // an empty one
    CHECK(isnan(own[2]) && isnan(own[3]));
    REQUIRE(metric_set_results(set, r, NULL) == FUSOR_OK);
    CHECK(r[0].value == .5 && r[0].n == 2 && r[0].n_skipped == 1);
    /* Shown 0, 0, 1, 2 times: (1 * 1 + 3 * 2) / (4 * 3). */
    CHECK_CLOSE(r[1].value, 7. / 12, 1e-15);
    CHECK_CLOSE(r[2].value, 1.25, 1e-11);
    CHECK(r[3].n == 1 && r[3].n_skipped == 2);
    CHECK(r[4].n == 0 && r[4].n_skipped == 3); // none has a positive
    metric_set_destroy(set);
}

static void lists_without_items_are_refused(void)
{
    static const float s[] = {2, 1}, y[] = {0, 0};
    static const uint32_t wrong[] = {1, 5};
    struct metric_set *set = make_set();
    struct fusor_error err;

    CHECK(metric_set_group(set, 1, s, y, 2, NULL, &err) == FUSOR_EUSAGE);
    CHECK(strstr(err.text, "need to know the items") != NULL);
    CHECK(metric_set_shown(set, 1, s, y, wrong, 2, NULL, &err) == FUSOR_EDATA);
    CHECK(strstr(err.text, "candidate 1 is item 5 of 5") != NULL);
    metric_set_items(set, NULL);
    CHECK(metric_set_shown(set, 1, s, y, wrong, 1, NULL, &err) == FUSOR_EUSAGE);
    metric_set_destroy(set);
}

static void sets_of_lists_merge_and_travel(void)
{
    struct metric_set *a = make_set(), *b = make_set(), *back = NULL;
    struct metric_set *one = make_set();
    struct strbuf x = {0}, y = {0};

    show(a, 1, 2, NULL);
    show(b, 4, 1, NULL);
    show(b, 3, 4, NULL);
    show(one, 3, 4, NULL);
    show(one, 4, 1, NULL);
    show(one, 1, 2, NULL);
    REQUIRE(metric_set_merge(a, b, NULL) == FUSOR_OK);
    REQUIRE(metric_set_serialise(a, &x, NULL) == FUSOR_OK);
    REQUIRE(metric_set_serialise(one, &y, NULL) == FUSOR_OK);
    CHECK(x.len == y.len && !memcmp(x.s, y.s, x.len));
    REQUIRE(metric_set_deserialise(x.s, x.len, &back, NULL) == FUSOR_OK);
    strbuf_clear(&y);
    REQUIRE(metric_set_serialise(back, &y, NULL) == FUSOR_OK);
    CHECK(x.len == y.len && !memcmp(x.s, y.s, x.len));
    strbuf_clear(&x);
    strbuf_clear(&y);
    metric_set_destroy(a);
    metric_set_destroy(b);
    metric_set_destroy(one);
    metric_set_destroy(back);
}

static void other_catalogues_do_not_merge(void)
{
    static const struct metric_items more = {4,      counts, 8, begin,
                                             values, NULL,   0};
    struct metric_set *a = make_set(), *b = make_set();
    struct fusor_error err;

    metric_set_items(b, &more);
    show(a, 1, 2, NULL);
    show(b, 1, 2, NULL);
    CHECK(metric_set_merge(a, b, &err) == FUSOR_EDATA);
    CHECK(strstr(err.text, "of 5 and of 4 items") != NULL);
    metric_set_destroy(a);
    metric_set_destroy(b);
}

static void fields_are_read_from_names(void)
{
    struct metric_spec spec;
    struct fusor_error err;

    REQUIRE(metric_parse("diversity@05/genres", &spec, NULL) == FUSOR_OK);
    CHECK(!strcmp(spec.name, "diversity@5/genres") && spec.k == 5);
    CHECK(!strcmp(spec.field, "genres") && metric_takes_field(&spec));
    CHECK(metric_over_lists(&spec) && metric_over_groups(&spec));
    CHECK(metric_has_units(&spec));
    CHECK(metric_parse("diversity@5/", &spec, &err) == FUSOR_EUSAGE);
    CHECK(strstr(err.text, "no field after") != NULL);
    CHECK(metric_parse("novelty@5/genres", &spec, &err) == FUSOR_EUSAGE);
    CHECK(strstr(err.text, "takes no /field") != NULL);
    CHECK(metric_parse("coverage@1001", &spec, &err) == FUSOR_EUSAGE);
    CHECK(strstr(err.text, "from 1 to 1000") != NULL);
    REQUIRE(metric_parse("coverage@1000", &spec, NULL) == FUSOR_OK);
    CHECK(!metric_has_units(&spec) && metric_over_groups(&spec));
}

int main(void)
{
    static const struct test_case cases[] = {
        {"a list holds the best, once", a_list_holds_the_best_once},
        {"an item moves up to its best score",
         an_item_moves_up_to_its_best_score},
        {"items have information and distances",
         items_have_information_and_distances},
        {"small cases are as counted", small_cases_are_as_counted},
        {"lists without items are refused", lists_without_items_are_refused},
        {"sets of lists merge and travel", sets_of_lists_merge_and_travel},
        {"other catalogues do not merge", other_catalogues_do_not_merge},
        {"fields are read from names", fields_are_read_from_names},
    };

    return TEST_RUN("model.metric_lists", cases);
}
