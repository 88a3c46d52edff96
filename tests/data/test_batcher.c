/* Micro-batches: values, queries, histories, pairs. */
#include "data/batcher.h"

#include "data/prepared.h"

static const struct event train[] = {{1, 1, 5, 10, 0}, {1, 2, 3, 20, 1},
                                     {2, 3, 1, 20, 0}, {1, 4, 4, 20, 1},
                                     {2, 1, 2, -1, 0}, {0, 2, 5, 50, 1}};
static const struct event test[] = {
    {1, 3, 5, 15, 0}, {0, 1, 2, 90, 0}, {3, 5, 4, 90, 0}};

static struct dataset *open_folder(const struct prepared *p, int64_t fold,
                                   const char *fields)
{
    struct dataset_options o = {.dir = p->dir, .fold = fold};
    struct yaml *f = fields ? prepared_yaml(fields) : NULL;
    struct fusor_error err = {0};
    struct dataset *ds = NULL;

    if (dataset_open(&o, f ? yaml_root(f) : NULL, NULL, &ds, &err) != FUSOR_OK)
        fprintf(stderr, "%s\n", err.text);
    REQUIRE(ds != NULL);
    yaml_destroy(f);
    return ds;
}

static struct dataset *open_small(const char *fields)
{
    struct prepared p = {.n_users = 4,
                         .n_items = 6,
                         .train = train,
                         .n_train = 6,
                         .test = test,
                         .n_test = 3};

    prepared_write(&p, "batch");
    return open_folder(&p, -1, fields);
}

static struct batcher *make(const struct dataset *ds, uint32_t capacity)
{
    struct batcher *b = NULL;

    REQUIRE(batcher_create(ds, capacity, &b, NULL) == FUSOR_OK);
    return b;
}

static void values_come_from_rows_and_tables(void)
{
    static const uint32_t rows[] = {4, 0, 5};
    struct dataset *ds = open_small(NULL);
    struct batcher *b = make(ds, 8);
    const struct batch_field *f;
    struct batch out;

    REQUIRE(batcher_fill(b, SPLIT_TRAIN, rows, 3, &out, NULL) == FUSOR_OK);
    f = out.fields;
    CHECK(out.n == 3 && out.n_queries == 3 && out.n_fields == N_FIELDS);
    CHECK(f[F_USER].ids[0] == 2 && f[F_USER].ids[1] == 1);
    CHECK(f[F_USER].ids[2] == VOCAB_UNKNOWN);
    CHECK(f[F_AGE].dense[0] == 20 && f[F_AGE].dense[1] == 10);
    CHECK(f[F_AGE].dense[2] == 0); // NaN in the table: missing
    CHECK(f[F_ITEM].ids[0] == 1 && f[F_ITEM].ids[2] == 2);
    CHECK(f[F_GENRES].offsets[1] == 2 && f[F_GENRES].offsets[3] == 6);
    CHECK(f[F_GENRES].n_values == 6);
    CHECK(f[F_GENRES].ids[4] == 2 && f[F_GENRES].ids[5] == 3);
    CHECK(f[F_GENRES].weights[4] == 0.5f && f[F_GENRES].weights[5] == 2);
    CHECK(f[F_PRICE].dense[2] == 4);
    CHECK(f[F_HOUR].ids[0] == BATCH_NO_ID);
    CHECK(f[F_HOUR].ids[1] == 10);
    CHECK(out.label[0] == 2 && out.weight == NULL);
    CHECK(out.sample_id[0] == 4 && out.sample_id[2] == 5);
    batcher_destroy(b);
    dataset_close(ds);
}

static void labels_are_mapped_and_weights_follow(void)
{
    static const uint32_t rows[] = {2, 0};
    struct prepared p = {.n_users = 4,
                         .n_items = 6,
                         .train = train,
                         .n_train = 6,
                         .weighted = 1,
                         .no_time = 1};
    struct dataset_options o = {.fold = -1};
    struct yaml *label = prepared_yaml("{map: scale}");
    struct dataset *ds = NULL;
    struct batcher *b;
    struct batch out;

    prepared_write(&p, "weights");
    o.dir = p.dir;
    REQUIRE(dataset_open(&o, NULL, yaml_root(label), &ds, NULL) == FUSOR_OK);
    b = make(ds, 2);
    REQUIRE(batcher_fill(b, SPLIT_TRAIN, rows, 2, &out, NULL) == FUSOR_OK);
    CHECK(out.label[0] == 0 && out.label[1] == 1);
    REQUIRE(out.weight != NULL);
    CHECK(out.weight[0] == 3 && out.weight[1] == 1);
    CHECK(dataset_weight(ds, SPLIT_TRAIN, 2) == 3);
    CHECK(dataset_time(ds, SPLIT_TRAIN, 2) == 0);
    batcher_destroy(b);
    dataset_close(ds);
    yaml_destroy(label);
}

static void adjacent_rows_of_a_query_are_one_query(void)
{
    static const uint32_t rows[] = {0, 1, 3, 2, 4, 0};
    static const uint32_t want[] = {0, 0, 0, 1, 1, 2};
    struct dataset *ds = open_small("user: {}\nrated: {type: bag, of: item}");
    struct batcher *b = make(ds, 6);
    struct batch out;

    REQUIRE(batcher_fill(b, SPLIT_TRAIN, rows, 6, &out, NULL) == FUSOR_OK);
    CHECK(out.n_queries == 3);
    CHECK(!memcmp(out.query_of, want, sizeof(want)));
    CHECK(out.query_n[0] == 3 && out.query_n[1] == 2 && out.query_n[2] == 1);
    CHECK(out.fields[0].ids[1] == 2 && out.fields[0].n_values == 3);
    /* items of user 1: 1, 2, 4; of user 2: 1 (time -1), 3 */
    CHECK(out.fields[1].offsets[1] == 3 && out.fields[1].offsets[2] == 5);
    CHECK(out.fields[1].ids[0] == 1 && out.fields[1].ids[2] == 4);
    CHECK(out.fields[1].n_values == 8);
    batcher_destroy(b);
    dataset_close(ds);
}

static void unknown_users_are_not_one_query(void)
{
    static const struct event strangers[] = {
        {0, 2, 5, 50, 1}, {0, 3, 1, 60, 1}, {1, 1, 5, 10, 0}};
    static const uint32_t rows[] = {0, 1, 1};
    struct prepared p = {
        .n_users = 4, .n_items = 6, .train = strangers, .n_train = 3};
    struct dataset *ds;
    struct batcher *b;
    struct batch out;

    prepared_write(&p, "strangers");
    ds = open_folder(&p, -1, "user: {}\nrated: {type: bag, of: item}");
    b = make(ds, 6);
    REQUIRE(batcher_fill(b, SPLIT_TRAIN, rows, 3, &out, NULL) == FUSOR_OK);
    CHECK(out.n_queries == 2); // the two of one row are
    CHECK(out.query_of[1] == 1 && out.query_n[1] == 2);
    CHECK(out.fields[1].n_values == 0); // strangers share no items
    batcher_destroy(b);
    dataset_close(ds);
}

static void samples_of_one_row_share_its_history(void)
{
    static const uint32_t rows[] = {3, 3, 3, 1, 3};
    static const uint32_t items[] = {BATCHER_OWN_ITEM, 5, 1, 2, 5};
    static const uint32_t want[] = {0, 0, 0, 1, 2};
    struct dataset *ds =
        open_small("item: {}\nhistory: {type: sequence, of: item}");
    struct batcher *b = make(ds, 5);
    const struct batch_field *f;
    struct batch out;

    REQUIRE(batcher_fill_items(b, SPLIT_TRAIN, rows, items, 5, &out, NULL) ==
            FUSOR_OK);
    f = &out.fields[1];
    CHECK(!dataset_query_static(ds) && out.n_queries == 3);
    CHECK(!memcmp(out.query_of, want, sizeof(want)));
    CHECK(out.query_n[0] == 3 && out.query_n[1] == 1 && out.query_n[2] == 1);
    CHECK(f->n_values == 5 && f->offsets[1] == 2 && f->offsets[2] == 3);
    CHECK(f->ids[0] == 1 && f->ids[1] == 2 && f->ids[2] == 1);
    batcher_destroy(b);
    dataset_close(ds);
}

static void a_history_holds_earlier_train_events_only(void)
{
    static const uint32_t rows[] = {0, 1, 3, 2};
    static const uint32_t asked[] = {0, 1, 2};
    struct dataset *ds =
        open_small("history: {type: sequence, of: item, max: 2}");
    struct batcher *b = make(ds, 6);
    const struct batch_field *f;
    struct batch out;

    REQUIRE(batcher_fill(b, SPLIT_TRAIN, rows, 4, &out, NULL) == FUSOR_OK);
    f = out.fields;
    CHECK(out.n_queries == 4); // not query-static
    CHECK(f->offsets[1] == 0); // the first event of user 1
    CHECK(f->offsets[2] == 1 && f->ids[0] == 1);
    CHECK(f->offsets[3] == 3 && f->ids[1] == 1 && f->ids[2] == 2);
    CHECK(f->offsets[4] == 4 && f->ids[3] == 1);
    REQUIRE(batcher_fill(b, SPLIT_TEST, asked, 3, &out, NULL) == FUSOR_OK);
    CHECK(f->offsets[1] == 1 && f->ids[0] == 1); // only what was before 15
    CHECK(f->offsets[3] == 1);                   // stranger; user without any
    batcher_destroy(b);
    dataset_close(ds);
}

static void a_full_history_keeps_the_last_events(void)
{
    static const uint32_t rows[] = {3}; // before it: items 1, 2
    struct dataset *ds = open_small("last: {type: sequence, of: item, max: 1}\n"
                                    "hours: {type: sequence, of: hour}");
    struct batcher *b = make(ds, 1);
    struct batch out;

    REQUIRE(batcher_fill(b, SPLIT_TRAIN, rows, 1, &out, NULL) == FUSOR_OK);
    CHECK(out.fields[0].n_values == 1 && out.fields[0].ids[0] == 2);
    CHECK(out.fields[1].n_values == 2 && out.fields[1].ids[0] == 10);
    batcher_destroy(b);
    dataset_close(ds);
}

static void the_prepared_transform_holds_unless_the_job_says(void)
{
    static const char *const fields[] = {NULL, "price: {transform: none}",
                                         "price: {transform: log1p}"};
    static const double want[] = {3.0 / 15, 4, 1.6094379124341003}; // log 5
    static const uint32_t rows[] = {1};                             // item 2
    struct prepared p = {.n_users = 4,
                         .n_items = 6,
                         .train = train,
                         .n_train = 6,
                         .transform = "[minmax]"};

    prepared_write(&p, "transform");
    for (int i = 0; i < 3; i++) {
        struct dataset *ds = open_folder(&p, -1, fields[i]);
        struct batcher *b = make(ds, 1);
        struct batch out;

        REQUIRE(batcher_fill(b, SPLIT_TRAIN, rows, 1, &out, NULL) == FUSOR_OK);
        /* train items are 1 to 4, their prices 1 to 16 */
        CHECK_CLOSE(out.fields[i ? 0 : F_PRICE].dense[0], want[i], 1e-6);
        batcher_destroy(b);
        dataset_close(ds);
    }
}

static void a_missing_key_is_the_unknown_one(void)
{
    static const struct event odd[] = {
        {UINT32_MAX, UINT32_MAX, 1, 1, 0}, {1, 2, 1, 2, 0}, {1, 4, 1, 3, 0}};
    static const uint32_t rows[] = {0, 1, 2};
    struct prepared p = {
        .n_users = 4, .n_items = 6, .train = odd, .n_train = 3};
    struct dataset *ds;
    struct batcher *b;
    const struct batch_field *f;
    struct batch out;

    prepared_write(&p, "missing");
    ds = open_folder(&p, -1,
                     "user: {}\nitem: {}\nprice: {transform: minmax}\n"
                     "age: {}\nrated: {type: bag, of: item}");
    b = make(ds, 3);
    REQUIRE(batcher_fill(b, SPLIT_TRAIN, rows, 3, &out, NULL) == FUSOR_OK);
    f = out.fields;
    CHECK(out.n_queries == 2);
    CHECK(f[0].ids[0] == BATCH_NO_ID && f[1].ids[0] == BATCH_NO_ID);
    CHECK_CLOSE(f[2].dense[0], (0.0 - 4) / 12, 1e-6); // prices 4 and 16 train
    CHECK(f[2].dense[1] == 0 && f[2].dense[2] == 1);
    CHECK(f[3].dense[0] == 0 && f[4].offsets[1] == 0);
    CHECK(dataset_query(ds, SPLIT_TRAIN, 0) == VOCAB_UNKNOWN);
    CHECK(dataset_item(ds, SPLIT_TRAIN, 0) == VOCAB_UNKNOWN);
    batcher_destroy(b);
    dataset_close(ds);
}

static void pairs_are_one_query_with_many_items(void)
{
    static const uint32_t items[] = {5, 1, 0};
    struct batcher_query as_of = {.split = SPLIT_TEST, .row = 0};
    struct batcher_query user = {.row = BATCHER_NO_ROW, .query = 1};
    struct dataset *ds = open_small("user: {}\nitem: {}\nprice: {}\nhour: {}\n"
                                    "history: {type: sequence, of: item}\n"
                                    "rated: {type: bag, of: item}\n");
    struct batcher *b = make(ds, 4);
    const struct batch_field *f;
    struct batch out;

    REQUIRE(batcher_fill_pairs(b, &as_of, items, 3, &out, NULL) == FUSOR_OK);
    f = out.fields;
    CHECK(out.n == 3 && out.n_queries == 1 && out.query_n[0] == 3);
    CHECK(out.query_of[2] == 0 && out.label[1] == 0 && !out.weight);
    CHECK(f[0].ids[0] == 1 && f[0].n_values == 1);
    CHECK(f[1].ids[0] == 5 && f[1].ids[2] == 0);
    CHECK(f[2].dense[0] == 25 && f[2].dense[1] == 1);
    CHECK(f[3].ids[0] == 15 && f[3].ids[2] == 15);
    CHECK(f[4].n_values == 1 && f[4].ids[0] == 1); // as of time 15
    CHECK(f[5].n_values == 3);
    REQUIRE(batcher_fill_pairs(b, &user, items, 2, &out, NULL) == FUSOR_OK);
    CHECK(out.n == 2 && f[0].ids[0] == 1);
    CHECK(f[3].ids[0] == BATCH_NO_ID);
    CHECK(f[4].n_values == 3 && f[4].ids[2] == 4); // all of the train part
    batcher_destroy(b);
    dataset_close(ds);
}

static void what_does_not_fit_is_refused(void)
{
    static const uint32_t rows[] = {0, 1, 2}, outside[] = {6}, items[] = {6};
    struct batcher_query q = {.split = SPLIT_TEST, .row = 0},
                         bad_row = {.split = SPLIT_TEST, .row = 3};
    struct batcher_query bad_user = {
        .split = SPLIT_TEST, .row = BATCHER_NO_ROW, .query = 4};
    struct dataset *ds = open_small(NULL);
    struct batcher *b = make(ds, 2);
    struct batch out;

    CHECK(batcher_fill(b, SPLIT_TRAIN, rows, 3, &out, NULL) == FUSOR_EINVAL);
    CHECK(batcher_fill(b, SPLIT_TRAIN, outside, 1, &out, NULL) == FUSOR_EINVAL);
    CHECK(batcher_fill(b, SPLIT_VALID, rows, 1, &out, NULL) == FUSOR_EINVAL);
    CHECK(batcher_fill_pairs(b, &q, items, 1, &out, NULL) == FUSOR_EINVAL);
    CHECK(batcher_fill_pairs(b, &q, rows, 3, &out, NULL) == FUSOR_EINVAL);
    CHECK(batcher_fill_pairs(b, &bad_row, rows, 1, &out, NULL) == FUSOR_EINVAL);
    CHECK(batcher_fill_pairs(b, &bad_user, rows, 1, &out, NULL) ==
          FUSOR_EINVAL);
    REQUIRE(batcher_fill(b, SPLIT_TRAIN, rows, 0, &out, NULL) == FUSOR_OK);
    CHECK(out.n == 0 && out.n_queries == 0);
    batcher_destroy(b);
    CHECK(batcher_create(ds, 0, &b, NULL) == FUSOR_EINVAL);
    dataset_close(ds);
}

static void two_batches_live_at_once_and_buffers_settle(void)
{
    static const uint32_t rows[] = {0, 1, 3};
    struct dataset *ds = open_small("rated: {side: row, type: bag, of: item}");
    struct batcher *a = make(ds, 3), *b = make(ds, 3);
    struct batch first, second;

    REQUIRE(batcher_fill(a, SPLIT_TRAIN, rows, 3, &first, NULL) == FUSOR_OK);
    REQUIRE(batcher_fill(b, SPLIT_TRAIN, rows, 1, &second, NULL) == FUSOR_OK);
    CHECK(first.n == 3 && first.fields[0].n_values == 9);
    CHECK(second.n == 1 && second.fields[0].n_values == 3);
    CHECK(batcher_growths(a) == 1); // room for 3 values was not enough
    for (int i = 0; i < 10; i++)
        REQUIRE(batcher_fill(a, SPLIT_TRAIN, rows, 3, &first, NULL) ==
                FUSOR_OK);
    CHECK(batcher_growths(a) == 1);
    batcher_destroy(a);
    batcher_destroy(b);
    dataset_close(ds);
}

static void every_failed_allocation_is_an_error(void)
{
    static const uint32_t rows[] = {0, 1, 3};
    struct dataset *ds = open_small("rated: {side: row, type: bag, of: item}\n"
                                    "genres: {}\nprice: {}\nhour: {}");
    size_t used = mem_used();

    for (long k = 1;; k++) {
        struct batcher *b = NULL;
        enum fusor_status rc;
        struct batch out;

        mem_fail_after(k);
        rc = batcher_create(ds, 3, &b, NULL);
        if (rc == FUSOR_OK)
            rc = batcher_fill(b, SPLIT_TRAIN, rows, 3, &out, NULL);
        mem_fail_after(0);
        batcher_destroy(b);
        CHECK(mem_used() == used);
        if (rc == FUSOR_OK)
            break;
        CHECK(rc == FUSOR_ENOMEM);
    }
    dataset_close(ds);
}

static void a_row_takes_another_item_as_a_negative(void)
{
    static const uint32_t rows[] = {0, 0, 2, 2};
    static const uint32_t items[] = {BATCHER_OWN_ITEM, 5, 4, BATCHER_OWN_ITEM};
    static const uint32_t wrong[] = {6};
    struct dataset *ds = open_small(NULL);
    struct batcher *b = make(ds, 4);
    const struct batch_field *f;
    struct fusor_error err;
    struct batch out;

    REQUIRE(batcher_fill_items(b, SPLIT_TRAIN, rows, items, 4, &out, NULL) ==
            FUSOR_OK);
    f = out.fields;
    CHECK(out.n == 4);
    CHECK(f[F_ITEM].ids[0] == 1 && f[F_ITEM].ids[1] == 5);
    CHECK(f[F_ITEM].ids[2] == 4 && f[F_ITEM].ids[3] == 3);
    CHECK(out.label[0] == 5 && out.label[1] == 0);
    CHECK(out.label[2] == 0 && out.label[3] == 1);
    /* the item's table follows it, the rest is the row's */
    CHECK(f[F_PRICE].dense[1] == 25 && f[F_PRICE].dense[2] == 16);
    CHECK(f[F_GENRES].ids[2] == 5 && f[F_GENRES].ids[4] == 4);
    CHECK(f[F_HOUR].ids[1] == 10 && f[F_HOUR].ids[2] == 20);
    CHECK(f[F_AGE].dense[out.query_of[1]] == 10);
    CHECK(out.sample_id[1] == 0 && out.sample_id[2] == 2);
    CHECK(batcher_fill_items(b, SPLIT_TRAIN, rows, wrong, 1, &out, &err) ==
          FUSOR_EINVAL);
    CHECK(strstr(err.text, "item 6") != NULL);
    batcher_destroy(b);
    dataset_close(ds);
}

int main(void)
{
    static const struct test_case cases[] = {
        {"values come from rows and tables", values_come_from_rows_and_tables},
        {"labels are mapped and weights follow",
         labels_are_mapped_and_weights_follow},
        {"adjacent rows of a query are one query",
         adjacent_rows_of_a_query_are_one_query},
        {"unknown users are not one query", unknown_users_are_not_one_query},
        {"samples of one row share its history",
         samples_of_one_row_share_its_history},
        {"a history holds earlier train events only",
         a_history_holds_earlier_train_events_only},
        {"a full history keeps the last events",
         a_full_history_keeps_the_last_events},
        {"the prepared transform holds unless the job says",
         the_prepared_transform_holds_unless_the_job_says},
        {"a missing key is the unknown one", a_missing_key_is_the_unknown_one},
        {"pairs are one query with many items",
         pairs_are_one_query_with_many_items},
        {"a row takes another item as a negative",
         a_row_takes_another_item_as_a_negative},
        {"what does not fit is refused", what_does_not_fit_is_refused},
        {"two batches live at once and buffers settle",
         two_batches_live_at_once_and_buffers_settle},
        {"every failed allocation is an error",
         every_failed_allocation_is_an_error},
    };

    return TEST_RUN("data.batcher", cases);
}
