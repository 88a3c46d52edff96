/* Queries and items of few rows, and splits by date, from raw rows to the
 * prepared folder. */
#include "preparing.h"

static const char schema[] = "time: t\n"
                             "fields:\n"
                             "  user: {side: query, type: categorical}\n"
                             "  item: {side: item, type: categorical}\n";

/* a, b with x, y: two rows each. c has two rows, but z one: then c has one. */
static const char rows[] = "user,item,t\n"
                           "a,x,2015-01-01\n"
                           "a,y,2015-02-01\n"
                           "b,x,2015-03-01\n"
                           "b,y,2016-01-01\n"
                           "c,x,2016-02-01\n"
                           "c,z,2016-03-01\n";

static void rare_ids_go_until_none_is_left(void)
{
    struct vocab *users, *items;

    must(prepare_csv(rows, schema, "min_query_rows: 2\nmin_item_rows: 2\n"));
    CHECK(report.bad[BAD_RARE] == 2 && report.rows_kept == 4);
    CHECK(report.rows[0] == 4);
    users = open_vocab("user.vocab");
    items = open_vocab("item.vocab");
    CHECK(vocab_size(users) == 3 && vocab_size(items) == 3);
    CHECK(vocab_find(users, "c", 1) == VOCAB_UNKNOWN);
    CHECK(vocab_find(items, "z", 1) == VOCAB_UNKNOWN);
    CHECK(vocab_find(users, "b", 1) == 2);
    vocab_destroy(users);
    vocab_destroy(items);
}

static void one_side_alone_is_looked_at_once(void)
{
    must(prepare_csv(rows, schema, "min_item_rows: 3\n"));
    CHECK(report.rows_kept == 3 && report.n_items == 1);
    must(prepare_csv(rows, schema, ""));
    CHECK(report.rows_kept == 6 && report.bad[BAD_RARE] == 0);
}

static void candidates_keep_their_items(void)
{
    char options[FS_PATH_MAX + 64];
    struct vocab *items;

    snprintf(options, sizeof(options),
             "min_item_rows: 2\nprotocol: loo-given\nvalidation: false\n"
             "candidates: \"%s\"\n",
             test_write("negatives", "a y z q\n"));
    must(prepare_csv(rows, schema, options));
    items = open_vocab("item.vocab");
    CHECK(vocab_find(items, "z", 1) != VOCAB_UNKNOWN);
    CHECK(vocab_find(items, "q", 1) != VOCAB_UNKNOWN);
    CHECK(report.rows[2] == 1 && report.rows_kept == 5);
    vocab_destroy(items);
}

/* z went with its rows: it is drawn for nobody. */
static void what_went_is_not_drawn(void)
{
    static const char *const protocols[] = {"loo-given", "loo-sampled",
                                            "loo-popular"};

    for (int i = 0; i < 3; i++) {
        char options[128];
        struct vocab *items;

        snprintf(options, sizeof(options),
                 "min_item_rows: 2\nprotocol: %s\nnegatives: 9\n",
                 protocols[i]);
        must(prepare_csv(rows, schema, options));
        items = open_vocab("item.vocab");
        CHECK(vocab_size(items) == 3);
        vocab_destroy(items);
    }
}

static void nothing_left_is_an_error(void)
{
    CHECK(prepare_csv(rows, schema, "min_query_rows: 9\n") == FUSOR_EDATA);
    CHECK(strstr(err.text, "min_query_rows") != NULL);
    CHECK(prepare_csv("a,b\n1,2\n", "fields: {a: {type: categorical}}\n",
                      "min_item_rows: 2\n") == FUSOR_EUSAGE);
}

static void parts_begin_at_dates(void)
{
    must(prepare_csv(rows, schema,
                     "protocol: time-split\nsplit_at: \"2015-03-01,"
                     "2016-02-01\"\n"));
    CHECK(report.rows[0] == 2 && report.rows[1] == 2 && report.rows[2] == 2);
    must(prepare_csv(rows, schema,
                     "protocol: time-split\nsplit_at: 2016-01-01\n"));
    CHECK(report.rows[0] == 3 && report.rows[1] == 0 && report.rows[2] == 3);
}

static void wrong_dates_are_refused(void)
{
    static const char *const wrong[] = {
        "protocol: time-split\nsplit_at: tomorrow\n",
        "protocol: time-split\nsplit_at: \"2016-01-01,2015-01-01\"\n",
        "protocol: time-split\nsplit_at: \"2016-01-01,\"\n",
        "protocol: loo-full\nsplit_at: 2016-01-01\n",
        "protocol: time-split\nsplit_at: 2001-01-01\n"};

    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        CHECK(prepare_csv(rows, schema, wrong[i]) == FUSOR_EUSAGE);
        CHECK(strstr(err.text, "split_at") != NULL);
    }
    CHECK(prepare_csv("c,y\nx,1\n",
                      "label: y\nfields: {c: {type: categorical, hash: true}}"
                      "\n",
                      "protocol: time-split\nsplit_at: 2016-01-01\n") ==
          FUSOR_EUSAGE);
    CHECK(strstr(err.text, "no time") != NULL);
}

int main(void)
{
    static const struct test_case cases[] = {
        {"rare users and items go until none is left",
         rare_ids_go_until_none_is_left},
        {"one side alone is looked at once", one_side_alone_is_looked_at_once},
        {"candidates keep their items", candidates_keep_their_items},
        {"what went is not drawn", what_went_is_not_drawn},
        {"nothing left is an error", nothing_left_is_an_error},
        {"parts begin at dates", parts_begin_at_dates},
        {"wrong dates are refused", wrong_dates_are_refused},
    };

    return TEST_RUN("data.prepare_rare", cases);
}
