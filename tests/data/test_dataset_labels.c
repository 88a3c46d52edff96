/* Several labels: columns, maps, missing values, what no model may read. */
#include "harness.h"

#include "data/batcher.h"
#include "data/dataset.h"
#include "data/prepared.h"

static const struct event train[] = {
    {1, 1, 5, 10, 0}, {1, 2, 2, 20, 0}, {2, 1, 1, 30, 0}, {2, 3, 4, 40, 0}};

#define BOTH \
    "{rating: {map: threshold, at: 4}, buy: {field: bought, map: binary}}"

static struct prepared folder(void)
{
    struct prepared p = {
        .n_users = 3, .n_items = 4, .train = train, .n_train = 4, .bought = 1};

    prepared_write(&p, "labels");
    return p;
}

static enum fusor_status open_labels(const char *dir, const char *fields,
                                     const char *labels, int outline,
                                     struct dataset **out,
                                     struct fusor_error *err)
{
    struct yaml *l = prepared_yaml(labels);
    struct yaml *f = fields ? prepared_yaml(fields) : NULL;
    struct dataset_options o = {
        .dir = dir, .fold = -1, .outline = outline, .labels = yaml_root(l)};
    enum fusor_status rc =
        dataset_open(&o, f ? yaml_root(f) : NULL, NULL, out, err);

    yaml_destroy(f);
    yaml_destroy(l);
    return rc;
}

static void every_row_gets_all_its_labels(void)
{
    static const uint32_t rows[] = {3, 0, 1};
    struct prepared p = folder();
    struct dataset *ds;
    struct batcher *b;
    struct batch batch;
    double lo, hi;

    REQUIRE(open_labels(p.dir, NULL, BOTH, 0, &ds, NULL) == FUSOR_OK);
    REQUIRE(dataset_n_labels(ds) == 2);
    CHECK(!strcmp(dataset_label_name(ds, 1), "buy"));
    CHECK(!strcmp(dataset_label_spec(ds, 1)->field, "bought"));
    REQUIRE(batcher_create(ds, 4, &b, NULL) == FUSOR_OK);
    REQUIRE(batcher_fill(b, SPLIT_TRAIN, rows, 3, &batch, NULL) == FUSOR_OK);
    REQUIRE(batch.n_labels == 2 && batch.labels[0] == batch.label);
    CHECK(batch.labels[0][0] == 1 && batch.labels[0][1] == 1 &&
          batch.labels[0][2] == 0);
    CHECK(batch.labels[1][0] == 1 && batch.labels[1][2] == 0);
    CHECK(isnan(batch.labels[1][1])); // item 1
    CHECK(isnan(dataset_label(ds, 1, SPLIT_TRAIN, 2)));
    dataset_label_range(ds, 1, &lo, &hi);
    CHECK(lo == 0 && hi == 1);
    batcher_destroy(b);
    dataset_close(ds);
}

static void sampled_items_have_no_label(void)
{
    static const uint32_t rows[] = {0, 0}, items[] = {BATCHER_OWN_ITEM, 3};
    struct prepared p = folder();
    struct dataset *ds;
    struct batcher *b;
    struct batch batch;

    REQUIRE(open_labels(p.dir, NULL, BOTH, 0, &ds, NULL) == FUSOR_OK);
    REQUIRE(batcher_create(ds, 2, &b, NULL) == FUSOR_OK);
    REQUIRE(batcher_fill_items(b, SPLIT_TRAIN, rows, items, 2, &batch, NULL) ==
            FUSOR_OK);
    CHECK(batch.labels[0][0] == 1 && isnan(batch.labels[1][0]));
    CHECK(batch.labels[0][1] == 0 && batch.labels[1][1] == 0);
    batcher_destroy(b);
    dataset_close(ds);
}

/* One field under two maps is two labels; a streamed part keeps them. */
static void labels_are_no_fields(void)
{
    struct prepared p = folder();
    struct dataset *ds;
    size_t n;

    REQUIRE(open_labels(p.dir, NULL, BOTH, 0, &ds, NULL) == FUSOR_OK);
    CHECK(field_find(dataset_fields(ds, &n), 6, "bought") < 0 && n == N_FIELDS);
    dataset_close(ds);
    REQUIRE(open_labels(p.dir, NULL, BOTH, 1, &ds, NULL) == FUSOR_OK);
    dataset_fields(ds, &n);
    CHECK(n == N_FIELDS);
    dataset_close(ds);
    REQUIRE(open_labels(p.dir, NULL,
                        "{a: {field: rating}, b: {field: rating, map: scale}}",
                        0, &ds, NULL) == FUSOR_OK);
    dataset_fields(ds, &n);
    CHECK(n == N_FIELDS + 1);
    CHECK(dataset_label(ds, 0, SPLIT_TRAIN, 1) == 2);
    CHECK(dataset_label(ds, 1, SPLIT_TRAIN, 1) == .25f);
    dataset_close(ds);
}

static void what_is_no_label_is_refused(void)
{
    static const struct {
        const char *fields, *labels, *answer;
        enum fusor_status rc;
    } wrong[] = {
        {NULL, "{}", "1 to 8", FUSOR_EUSAGE},
        {NULL, "[rating]", "1 to 8", FUSOR_EUSAGE},
        {NULL, "{bougt: {}}", "did you mean \"bought\"", FUSOR_EUSAGE},
        {NULL, "{buy: {field: hour}}", "no label", FUSOR_EUSAGE},
        {NULL, "{buy: {field: price}}", "no label", FUSOR_EUSAGE},
        {NULL, "{buy: {feld: bought}}", "did you mean \"field\"", FUSOR_EUSAGE},
        {NULL, "{buy: bought}", "expected {field", FUSOR_EUSAGE},
        {NULL, "{\"a:b\": {field: bought}}", "is no name", FUSOR_EUSAGE},
        {NULL, "{rating: {map: binary}}", "map binary needs 0 or 1",
         FUSOR_EDATA},
        {"{user: {}, bought: {}}", BOTH, "would know the answer", FUSOR_EUSAGE},
    };
    struct prepared p = folder();

    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        struct dataset *ds = NULL;
        struct fusor_error err = {0};

        CHECK(open_labels(p.dir, wrong[i].fields, wrong[i].labels, 0, &ds,
                          &err) == wrong[i].rc);
        if (!strstr(err.text, wrong[i].answer))
            fprintf(stderr, "%s -> %s\n", wrong[i].labels, err.text);
        CHECK(strstr(err.text, wrong[i].answer) != NULL);
    }
}

static void a_label_that_nobody_has_is_refused(void)
{
    static const struct event only[] = {{1, 1, 5, 10, 0}, {2, 1, 3, 20, 0}};
    struct prepared p = {
        .n_users = 3, .n_items = 4, .train = only, .n_train = 2, .bought = 1};
    struct dataset *ds;
    struct fusor_error err;

    prepared_write(&p, "nobody");
    CHECK(open_labels(p.dir, NULL, BOTH, 0, &ds, &err) == FUSOR_EDATA);
    CHECK(strstr(err.text, "no train row has a value of \"bought\"") != NULL);
}

int main(void)
{
    static const struct test_case cases[] = {
        {"every row gets all its labels", every_row_gets_all_its_labels},
        {"sampled items have no label", sampled_items_have_no_label},
        {"labels are no fields", labels_are_no_fields},
        {"what is no label is refused", what_is_no_label_is_refused},
        {"a label that nobody has is refused",
         a_label_that_nobody_has_is_refused},
    };

    return TEST_RUN("data.dataset_labels", cases);
}
