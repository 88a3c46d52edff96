/* Opening prepared folders: splits, fields, labels, seen items, and what is
 * refused. */
#include "data/dataset.h"

#include "data/prepared.h"

/* Users 1 to 3; user 3's only train event is the last one. Times tie at 20. */
static const struct event train[] = {{1, 1, 5, 10, 0}, {1, 2, 3, 20, 1},
                                     {2, 3, 1, 20, 0}, {1, 4, 4, 20, 1},
                                     {2, 1, 2, 40, 0}, {3, 2, 5, 50, 1}};
static const struct event valid[] = {{1, 5, 4, 60, 0}, {2, 2, 3, 60, 0}};
static const struct event test[] = {{1, 3, 5, 70, 0}, {0, 1, 2, 5, 0}};

static struct prepared split_folder(void)
{
    struct prepared p = {.n_users = 4,
                         .n_items = 6,
                         .train = train,
                         .n_train = 6,
                         .valid = valid,
                         .n_valid = 2,
                         .test = test,
                         .n_test = 2};

    prepared_write(&p, "split");
    return p;
}

static struct prepared fold_folder(void)
{
    struct prepared p = {
        .n_users = 4, .n_items = 6, .train = train, .n_train = 6, .n_folds = 2};

    prepared_write(&p, "folds");
    return p;
}

static enum fusor_status open_with(const char *dir, int64_t fold,
                                   const char *fields, const char *label,
                                   struct dataset **out,
                                   struct fusor_error *err)
{
    struct dataset_options o = {.dir = dir, .fold = fold, .exclude_seen = 1};
    struct yaml *f = fields ? prepared_yaml(fields) : NULL;
    struct yaml *l = label ? prepared_yaml(label) : NULL;
    enum fusor_status rc = dataset_open(&o, f ? yaml_root(f) : NULL,
                                        l ? yaml_root(l) : NULL, out, err);

    yaml_destroy(f);
    yaml_destroy(l);
    return rc;
}

static struct dataset *open_good(const char *dir, int64_t fold,
                                 const char *fields, const char *label)
{
    struct fusor_error err = {0};
    struct dataset *ds = NULL;

    if (open_with(dir, fold, fields, label, &ds, &err) != FUSOR_OK)
        fprintf(stderr, "%s\n", err.text);
    REQUIRE(ds != NULL);
    return ds;
}

static void parts_become_splits(void)
{
    struct prepared p = split_folder();
    struct dataset *ds = open_good(p.dir, -1, NULL, NULL);
    const struct field_spec *fields;
    size_t n;

    CHECK(dataset_rows(ds, SPLIT_TRAIN) == 6);
    CHECK(dataset_rows(ds, SPLIT_VALID) == 2);
    CHECK(dataset_rows(ds, SPLIT_TEST) == 2);
    CHECK(dataset_n_queries(ds) == 4 && dataset_n_items(ds) == 6);
    CHECK(dataset_query(ds, SPLIT_TRAIN, 2) == 2);
    CHECK(dataset_item(ds, SPLIT_VALID, 0) == 5);
    CHECK(dataset_label(ds, 0, SPLIT_TEST, 0) == 5);
    CHECK(dataset_time(ds, SPLIT_TEST, 0) == 70);
    CHECK(dataset_weight(ds, SPLIT_TRAIN, 0) == 1);
    CHECK(dataset_sample_id(ds, SPLIT_TRAIN, 5) == 5);
    fields = dataset_fields(ds, &n);
    CHECK(n == N_FIELDS && !strcmp(fields[F_GENRES].name, "genres"));
    CHECK(dataset_query_static(ds));
    CHECK(dataset_check_protocol(ds, "loo-full", NULL) == FUSOR_OK);
    CHECK(dataset_check_protocol(ds, NULL, NULL) == FUSOR_OK);
    CHECK(dataset_check_protocol(ds, "qrels", NULL) == FUSOR_EUSAGE);
    dataset_close(ds);
}

static void a_fold_is_tested_and_the_others_train(void)
{
    struct prepared p = fold_folder();
    struct dataset *ds = open_good(p.dir, 1, NULL, "{map: scale}");
    double min, max;

    CHECK(dataset_rows(ds, SPLIT_TRAIN) == 3);
    CHECK(dataset_rows(ds, SPLIT_TEST) == 3);
    CHECK(dataset_sample_id(ds, SPLIT_TRAIN, 2) == 4);
    CHECK(dataset_sample_id(ds, SPLIT_TEST, 0) == 1);
    dataset_label_range(ds, 0, &min, &max);
    CHECK(min == 0 && max == 1);
    /* train labels of fold 1: 5, 1, 2; test label 3 */
    CHECK(dataset_label(ds, 0, SPLIT_TEST, 0) == 0.5f);
    dataset_close(ds);
}

static void valid_rows_are_carved_out_of_train_rows(void)
{
    static struct event many[1000];
    struct prepared p = {
        .n_users = 4, .n_items = 6, .train = many, .n_train = 1000};
    struct dataset_options o = {.fold = -1, .valid = 0.2, .seed = 3};
    struct dataset *a = NULL, *b = NULL;
    char taken[1000] = {0};
    uint64_t n;

    for (int i = 0; i < 1000; i++)
        many[i] = (struct event){1, 1, 1, i, 0};
    prepared_write(&p, "carve");
    o.dir = p.dir;
    REQUIRE(dataset_open(&o, NULL, NULL, &a, NULL) == FUSOR_OK);
    REQUIRE(dataset_open(&o, NULL, NULL, &b, NULL) == FUSOR_OK);
    n = dataset_rows(a, SPLIT_VALID);
    CHECK(n > 150 && n < 250); // 200 +- 4 standard deviations of 12.6
    CHECK(n + dataset_rows(a, SPLIT_TRAIN) == 1000);
    CHECK(dataset_rows(b, SPLIT_VALID) == n);
    for (uint64_t i = 0; i < n; i++) {
        CHECK(dataset_sample_id(a, SPLIT_VALID, i) ==
              dataset_sample_id(b, SPLIT_VALID, i));
        taken[dataset_sample_id(a, SPLIT_VALID, i)]++;
    }
    for (uint64_t i = 0; i < 1000 - n; i++)
        taken[dataset_sample_id(a, SPLIT_TRAIN, i)]++;
    for (int i = 0; i < 1000; i++)
        CHECK(taken[i] == 1);
    dataset_close(a);
    dataset_close(b);
}

static void a_job_restricts_moves_and_derives_fields(void)
{
    struct prepared p = split_folder();
    struct dataset *ds =
        open_good(p.dir, -1,
                  "item: {side: item, type: categorical}\n"
                  "user: {side: query, min_count: 2}\n"
                  "history: {side: query, type: sequence, of: item, max: 2}\n"
                  "rated: {side: query, type: bag, of: item}\n"
                  "price: {side: row, transform: [log1p, zscore]}\n",
                  NULL);
    const struct field_spec *f;
    size_t n;

    f = dataset_fields(ds, &n);
    REQUIRE(n == 5);
    CHECK(!strcmp(f[0].name, "item") && f[0].side == SIDE_ITEM);
    CHECK(f[2].type == FIELD_SEQUENCE && f[2].side == SIDE_QUERY);
    CHECK(f[2].max_values == 2);
    CHECK(f[2].cardinality == 6 && f[2].vocab == f[0].vocab);
    CHECK(f[3].type == FIELD_BAG);
    CHECK(f[3].max_values == 3); // user 1 has three train events
    CHECK(f[4].side == SIDE_ROW);
    CHECK(!dataset_query_static(ds));
    dataset_close(ds);
    ds = open_good(p.dir, -1,
                   "rated: {type: bag, of: item}\nuser: {}\nage:", NULL);
    CHECK(dataset_query_static(ds));
    dataset_close(ds);
    ds = open_good(p.dir, -1, "hour: {side: query}", NULL);
    CHECK(!dataset_query_static(ds));
    dataset_close(ds);
}

static void seen_items_grow_for_test_rows(void)
{
    struct prepared p = split_folder();
    struct dataset *ds = open_good(p.dir, -1, NULL, NULL);
    const uint32_t *items;
    uint32_t n;

    items = dataset_seen(ds, SPLIT_VALID, 1, &n);
    CHECK(n == 3 && items[0] == 1 && items[1] == 2 && items[2] == 4);
    items = dataset_seen(ds, SPLIT_TEST, 1, &n);
    CHECK(n == 4 && items[3] == 5);
    dataset_seen(ds, SPLIT_TEST, VOCAB_UNKNOWN, &n);
    CHECK(n == 0);
    dataset_close(ds);
}

/* Row i of the test part gets items 1 .. i + 1, and last_item. */
static void write_candidates(const struct prepared *p, uint32_t last_item)
{
    static const struct column_spec spec[] = {
        {"candidates", COLUMN_LIST, 1, 0}};
    struct part_writer *w;
    char path[FS_PATH_MAX];

    REQUIRE(part_create(fs_join(path, p->dir, "candidates.part"), spec, 1, &w,
                        NULL) == FUSOR_OK);
    for (uint32_t i = 0; i < p->n_test; i++) {
        uint32_t items[] = {1, 2, 3};

        items[i + 1] = last_item;
        part_add_list(w, 0, items, NULL, i + 2, NULL);
    }
    REQUIRE(part_finish(w, NULL) == FUSOR_OK);
}

static void given_candidates_belong_to_test_rows(void)
{
    struct prepared p = split_folder();
    struct dataset *ds = open_good(p.dir, -1, NULL, NULL);
    const uint32_t *items;
    uint32_t n = 7;

    CHECK(dataset_candidates(ds, 0, &n) == NULL && n == 0);
    dataset_close(ds);
    write_candidates(&p, 5);
    ds = open_good(p.dir, -1, NULL, NULL);
    items = dataset_candidates(ds, 1, &n);
    REQUIRE(n == 3);
    CHECK(items[0] == 1 && items[1] == 2 && items[2] == 5);
    dataset_close(ds);
    ds = NULL;
    write_candidates(&p, 6); // items are below 6
    CHECK(open_with(p.dir, -1, NULL, NULL, &ds, NULL) == FUSOR_EDATA);
}

static void vocabularies_open_when_asked(void)
{
    struct prepared p = split_folder();
    struct dataset *ds = open_good(p.dir, -1, NULL, NULL);
    const struct vocab *v = NULL, *again = NULL;
    const char *text;
    size_t n;

    REQUIRE(dataset_vocab(ds, "item", &v, NULL) == FUSOR_OK);
    CHECK(vocab_size(v) == 6);
    CHECK(dataset_vocab(ds, "item", &again, NULL) == FUSOR_OK && again == v);
    CHECK(dataset_vocab(ds, "nosuch", &v, NULL) != FUSOR_OK);
    REQUIRE(dataset_item_name(ds, 3, &text, &n, NULL) == FUSOR_OK);
    CHECK(n == 6 && !memcmp(text, "item 3", 6));
    REQUIRE(dataset_item_name(ds, 99, &text, &n, NULL) == FUSOR_OK);
    CHECK(n == 0 && !*text);
    dataset_close(ds);
}

struct refusal {
    const char *fields, *label, *says;
};

static void what_is_not_there_is_refused_with_its_place(void)
{
    static const struct refusal refusals[] = {
        {"itm: {}", NULL, "did you mean \"item\""},
        {"user: {type: text}", NULL, "prepared as categorical"},
        {"user: {sied: query}", NULL, "sied"},
        {"user: {side: item}", NULL, "cannot stand on side item"},
        {"item: {side: query}", NULL, "cannot stand on side query"},
        {"hour: {side: item}", NULL, "cannot stand on side item"},
        {"user: {side: left}", NULL, "unknown side"},
        {"h: {type: sequence, of: itm}", NULL, "did you mean \"item\""},
        {"h: {type: sequence, of: price}", NULL, "not one id a row"},
        {"h: {type: text, of: item}", NULL, "sequence or bag"},
        {"h: {type: bag, of: item, side: item}", NULL, "side query or row"},
        {"h: {type: bag, of: item, max: 0}", NULL, "max is 0"},
        {"user: 3", NULL, "expected {type: ...}"},
        {"user: {admit: {count: 8}}", NULL, "is said of a table"},
        {"user: {oov: shared}", NULL, "one unknown value"},
        {"user: {like: item}", NULL, "one vocab"},
        {"user: {optional: true}", NULL, "leave it away"},
        {"price: {from: hour}", NULL, "no field is made of another"},
        {"price: {transform: zscroe}", NULL, "transform: expected"},
        {"I: {repeat: 1..3}", NULL, "I1"},
        {"I: {repeat: 3..1}", NULL, "repeat: expected"},
        {"[user]", NULL, "fields: expected"},
        {NULL, "{field: stars}", "holds the label \"rating\""},
        {NULL, "{map: binary}", "map: threshold"}};
    struct prepared p = split_folder();

    for (size_t i = 0; i < sizeof(refusals) / sizeof(refusals[0]); i++) {
        const struct refusal *r = &refusals[i];
        struct fusor_error err = {0};
        struct dataset *ds = NULL;

        CHECK(open_with(p.dir, -1, r->fields, r->label, &ds, &err) != FUSOR_OK);
        if (!strstr(err.text, r->says))
            fprintf(stderr, "want \"%s\" in: %s\n", r->says, err.text);
        CHECK(strstr(err.text, r->says) != NULL);
        CHECK(ds == NULL);
    }
}

static void folds_are_asked_for_and_in_range(void)
{
    struct prepared p = fold_folder();
    struct fusor_error err = {0};
    struct dataset *ds = NULL;

    CHECK(open_with(p.dir, -1, NULL, NULL, &ds, &err) == FUSOR_EUSAGE);
    CHECK(strstr(err.text, "folds 0 to 1") != NULL);
    CHECK(open_with(p.dir, 2, NULL, NULL, &ds, &err) == FUSOR_EUSAGE);
    p = split_folder();
    CHECK(open_with(p.dir, 0, NULL, NULL, &ds, &err) == FUSOR_EUSAGE);
}

static void a_folder_that_contradicts_itself_is_bad_data(void)
{
    struct prepared p = split_folder();
    static const struct event stranger[] = {{9, 1, 1, 1, 0}};
    struct fusor_error err = {0};
    struct dataset *ds = NULL;
    char path[FS_PATH_MAX];

    p.n_train = 5; // the part still holds six
    prepared_schema(&p);
    CHECK(open_with(p.dir, -1, NULL, NULL, &ds, &err) == FUSOR_EDATA);
    p.train = stranger;
    p.n_train = 1;
    prepared_write(&p, "split");
    CHECK(open_with(p.dir, -1, NULL, NULL, &ds, &err) == FUSOR_EDATA);
    CHECK(strstr(err.text, "id 9, expected below 4") != NULL);
    p = split_folder();
    fs_remove_tree(fs_join(path, p.dir, "item.part"), NULL);
    CHECK(open_with(p.dir, -1, NULL, NULL, &ds, &err) == FUSOR_EDATA);
    CHECK(open_with("/nonexistent", -1, NULL, NULL, &ds, &err) != FUSOR_OK);
}

static void valid_is_refused_beside_a_valid_part(void)
{
    struct prepared p = split_folder();
    struct dataset_options o = {.dir = p.dir, .fold = -1, .valid = 0.1};
    struct dataset *ds = NULL;

    CHECK(dataset_open(&o, NULL, NULL, &ds, NULL) == FUSOR_EUSAGE);
    o.valid = 1.5;
    CHECK(dataset_open(&o, NULL, NULL, &ds, NULL) == FUSOR_EUSAGE);
}

static void the_data_section_is_read(void)
{
    struct yaml *y = prepared_yaml("{prepared: parts/x, protocol: loo-full, "
                                   "exclude: seen, valid: 5%, fold: 2}");
    struct dataset_options o;
    const char *protocol;

    REQUIRE(dataset_options_read(yaml_root(y), &o, &protocol, NULL) ==
            FUSOR_OK);
    CHECK(!strcmp(o.dir, "parts/x") && !strcmp(protocol, "loo-full"));
    CHECK(o.exclude_seen && o.fold == 2);
    CHECK_CLOSE(o.valid, 0.05, 1e-12);
    yaml_destroy(y);
    y = prepared_yaml("{files: [a], exclude: seen}");
    CHECK(dataset_options_read(yaml_root(y), &o, &protocol, NULL) ==
          FUSOR_EUSAGE);
    yaml_destroy(y);
    y = prepared_yaml("{prepared: a, exclude: bad}");
    CHECK(dataset_options_read(yaml_root(y), &o, &protocol, NULL) ==
          FUSOR_EUSAGE);
    yaml_destroy(y);
}

static void every_failed_allocation_is_an_error(void)
{
    struct prepared p = split_folder();
    struct yaml *y = prepared_yaml("user: {}\nprice: {transform: minmax}\n"
                                   "h: {type: sequence, of: item}\n"
                                   "genres:\n");
    struct dataset_options o = {.dir = p.dir, .fold = -1, .exclude_seen = 1};
    size_t used = mem_used();
    int failures = 0;

    for (long k = 1;; k++) {
        struct dataset *ds = NULL;
        enum fusor_status rc;

        mem_fail_after(k);
        rc = dataset_open(&o, yaml_root(y), NULL, &ds, NULL);
        mem_fail_after(0);
        dataset_close(ds);
        CHECK(mem_used() == used);
        if (rc == FUSOR_OK)
            break;
        CHECK(rc == FUSOR_ENOMEM);
        failures++;
    }
    CHECK(failures > 20);
    yaml_destroy(y);
}

int main(void)
{
    static const struct test_case cases[] = {
        {"parts become splits", parts_become_splits},
        {"a fold is tested and the others train",
         a_fold_is_tested_and_the_others_train},
        {"valid rows are carved out of train rows",
         valid_rows_are_carved_out_of_train_rows},
        {"a job restricts, moves and derives fields",
         a_job_restricts_moves_and_derives_fields},
        {"seen items grow for test rows", seen_items_grow_for_test_rows},
        {"given candidates belong to test rows",
         given_candidates_belong_to_test_rows},
        {"vocabularies open when asked", vocabularies_open_when_asked},
        {"what is not there is refused with its place",
         what_is_not_there_is_refused_with_its_place},
        {"folds are asked for and in range", folds_are_asked_for_and_in_range},
        {"a folder that contradicts itself is bad data",
         a_folder_that_contradicts_itself_is_bad_data},
        {"valid is refused beside a valid part",
         valid_is_refused_beside_a_valid_part},
        {"the data section is read", the_data_section_is_read},
        {"every failed allocation is an error",
         every_failed_allocation_is_an_error},
    };

    return TEST_RUN("data.dataset", cases);
}
