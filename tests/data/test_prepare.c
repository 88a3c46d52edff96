/* Prepared folders: what stands in their parts, vocabularies and schema. */
#include "preparing.h"

#include <math.h>

static const char movie_schema[] = "label: {column: rating, range: [1, 5]}\n"
                                   "time: ts\n"
                                   "fields:\n"
                                   "  user: {side: query, type: categorical}\n"
                                   "  item: {side: item, type: categorical}\n"
                                   "  device: {type: categorical}\n"
                                   "  x: {type: dense, range: [0, 1000]}\n"
                                   "  tags: {type: multi}\n";

static const char header[] = "user,item,rating,ts,device,x,tags\n";

static void columns_hold_what_the_rows_said(void)
{
    struct strbuf rows = {0};
    const struct column_view *tags;
    struct vocab *v;
    struct part *p;

    strbuf_addf(&rows, "%s%s", header,
                "ann,i9,4,100,phone,1.5,a|b\n"
                "bob,i7,5,101,,,\n"
                "ann,i7,1.5,2001-09-09,tv,3,b|b|c\n");
    must(prepare_csv(rows.s, movie_schema, "protocol: none\n"));
    strbuf_clear(&rows);
    p = open_part("train.part");
    CHECK(part_rows(p) == 3 && part_columns(p) == 7);
    CHECK(!memcmp(part_find(p, "user")->u32, (uint32_t[]){1, 2, 1}, 12));
    CHECK(!memcmp(part_find(p, "item")->u32, (uint32_t[]){1, 2, 2}, 12));
    CHECK(!memcmp(part_find(p, "device")->u32, (uint32_t[]){1, UINT32_MAX, 2},
                  12));
    CHECK(!memcmp(part_find(p, "label")->f32, (float[]){4, 5, 1.5f}, 12));
    CHECK(part_find(p, "time")->i64[2] == 999993600);
    CHECK(part_find(p, "x")->f32[0] == 1.5f);
    CHECK(isnan(part_find(p, "x")->f32[1]));
    tags = part_find(p, "tags");
    CHECK(!memcmp(tags->u64, (uint64_t[]){0, 2, 2, 4}, 32));
    CHECK(!memcmp(tags->u32, (uint32_t[]){1, 2, 2, 3}, 16)); // a set
    v = open_vocab("user.vocab");
    CHECK(!strcmp(vocab_text(v, 2, NULL), "bob"));
    vocab_destroy(v);
    part_close(p);
    CHECK(!exists("valid.part") && !exists("rows.part"));
    CHECK(!exists("item.names") && !exists("candidates.part"));
}

static void bad_rows_are_counted_by_cause(void)
{
    struct strbuf rows = {0};
    struct vocab *v;
    struct part *p;

    strbuf_addf(&rows, "%s%s", header,
                "ann,i1,4,1,tv,1,a\n"
                ",i2,4,1,tv,1,a\n"        // 3: no user
                "bad,i3,four,1,tv,1,a\n"  // 4: label
                "bad,i4,9,1,tv,1,a\n"     // 5: label out of range
                "bad,i5,4,1,tv,-1,a\n"    // 6: x out of range
                "bad,i6,4,1,tv,1\n"       // 7: a column short
                "bad,i7,4,soon,tv,1,a\n"  // 8: time
                "bad,i8,,1,tv,1,a\n"      // 9: no label
                "bad,i9,4,1,\"tv,1,a\n"); // 10: open quote
    must(prepare_csv(rows.s, movie_schema, "protocol: none\n"));
    CHECK(report.rows_read == 9 && report.rows_kept == 1);
    CHECK(report.bad[BAD_MISSING] == 2);
    CHECK(report.bad[BAD_NUMBER] == 2);
    CHECK(report.bad[BAD_RANGE] == 2);
    CHECK(report.bad[BAD_COLUMNS] == 1);
    CHECK(report.bad[BAD_FORMAT] == 1);
    CHECK(report.n_examples == 8);
    CHECK(strstr(report.examples[0], "in.csv:3:1: missing value") != NULL);
    CHECK(strstr(report.examples[1], "in.csv:4:8: not a number") != NULL);
    CHECK(strstr(report.examples[3], "in.csv:6:15: out of range") != NULL);
    p = open_part("train.part");
    CHECK(part_rows(p) == 1);
    part_close(p);
    v = open_vocab("item.vocab"); // bad rows leave no ids behind
    CHECK(vocab_size(v) == 2);
    vocab_destroy(v);
    CHECK(prepare_csv(rows.s, movie_schema, "max_bad: 7\n") == FUSOR_EDATA);
    CHECK(strstr(err.text, "in.csv:3:1") != NULL);
    must(prepare_csv(rows.s, movie_schema, "max_bad: 8\n"));
    strbuf_clear(&rows);
}

static void duplicates_keep_the_last(void)
{
    struct strbuf rows = {0};
    struct part *p;

    strbuf_addf(&rows, "%s%s", header,
                "ann,i1,1,5,tv,1,\n"
                "bob,i1,2,6,tv,1,\n"
                "ann,i1,3,7,tv,1,\n"
                "bob,i1,4,2,tv,1,\n"); // later in the file, earlier in time
    must(prepare_csv(rows.s, movie_schema, "dedupe: true\nmax_bad: 0\n"));
    strbuf_clear(&rows);
    CHECK(report.bad[BAD_DUPLICATE] == 2 && report.rows_kept == 2);
    CHECK(strstr(report.examples[0], "in.csv:2:") != NULL);
    CHECK(strstr(report.examples[1], "in.csv:5:") != NULL);
    p = open_part("train.part");
    CHECK(part_rows(p) == 2);
    CHECK(!memcmp(part_find(p, "label")->f32, (float[]){2, 3}, 8));
    part_close(p);
}

/* Ten users with ten rows each; x and the device of a test row are unlike any
 * train row's. */
static void add_user_rows(struct strbuf *rows)
{
    strbuf_add(rows, header);
    for (int r = 0; r < 10; r++)
        for (int u = 0; u < 10; u++)
            strbuf_addf(rows, "u%d,i%d,%d,%d,%s,%d,%s\n", u, r, r == 9 ? 5 : 3,
                        r,
                        r == 9 ? "future"
                        : u    ? "tv"
                               : "rare",
                        r == 9 ? 1000 : r % 2, r == 9 ? "new" : "old");
}

static void statistics_come_from_train_rows_only(void)
{
    struct strbuf rows = {0};
    struct schema *s;
    struct vocab *v;
    struct part *p;
    int x;

    add_user_rows(&rows);
    must(prepare_csv(rows.s, movie_schema,
                     "protocol: loo-full\nmin_count: 9\n"));
    strbuf_clear(&rows);
    s = open_schema();
    CHECK(s->n_train == 80 && s->n_valid == 10 && s->n_test == 10);
    CHECK(!strcmp(s->protocol, "loo-full") && s->protocol_version == 1);
    x = schema_find(s, "x");
    REQUIRE(x >= 0);
    CHECK(s->fields[x].min == 0 && s->fields[x].max == 1); // no 1000
    CHECK_CLOSE(s->fields[x].mean, 0.5, 1e-12);
    CHECK_CLOSE(s->fields[x].std, 0.5, 1e-12);
    CHECK(s->label_min == 3 && s->label_max == 3);
    CHECK(s->n_queries == 11 && s->n_items == 11);
    // "rare" is there 8 times, "future" and "new" in test rows only.
    CHECK(s->fields[schema_find(s, "device")].spec.cardinality == 2);
    CHECK(s->fields[schema_find(s, "tags")].spec.cardinality == 2);
    mem_free(s);
    v = open_vocab("device.vocab");
    CHECK(vocab_find(v, "tv", 2) == 1 && vocab_find(v, "future", 6) == 0);
    vocab_destroy(v);
    v = open_vocab("item.vocab"); // keys keep all ids
    CHECK(vocab_size(v) == 11);
    vocab_destroy(v);
    p = open_part("test.part");
    for (int r = 0; r < 10; r++) {
        CHECK(part_find(p, "device")->u32[r] == VOCAB_UNKNOWN);
        CHECK(part_find(p, "x")->f32[r] == 1000); // raw
    }
    part_close(p);
}

static void folds_are_a_column(void)
{
    struct strbuf rows = {0};
    struct schema *s;
    struct part *p;
    int n[4] = {0}, x;

    add_user_rows(&rows);
    must(prepare_csv(rows.s, movie_schema,
                     "protocol: kfold-random\nfolds: 4\n"));
    strbuf_clear(&rows);
    p = open_part("rows.part");
    CHECK(part_rows(p) == 100);
    for (int r = 0; r < 100; r++) {
        CHECK(part_find(p, "time")->i64[r] == r / 10); // row order
        n[part_find(p, "fold")->u8[r] % 4]++;
    }
    CHECK(n[0] == 25 && n[1] == 25 && n[2] == 25 && n[3] == 25);
    part_close(p);
    CHECK(!exists("train.part"));
    s = open_schema();
    x = schema_find(s, "x");
    CHECK(s->n_folds == 4 && s->n_train == 100);
    CHECK(s->fields[x].max == 0 && s->fields[x].std == 1); // not given
    mem_free(s);
}

static void old_parts_do_not_stay(void)
{
    struct strbuf rows = {0};

    add_user_rows(&rows);
    must(prepare_csv(rows.s, movie_schema, "protocol: loo-given\n"));
    CHECK(exists("valid.part") && exists("candidates.part"));
    must(prepare_csv(rows.s, movie_schema, "protocol: kfold-random\n"));
    CHECK(exists("rows.part") && !exists("valid.part"));
    CHECK(!exists("candidates.part") && !exists("train.part"));
    // A run that fails before it writes leaves the folder as it was.
    CHECK(prepare_csv("user\n", movie_schema, "") != FUSOR_OK);
    CHECK(exists("schema.yaml") && exists("rows.part"));
    strbuf_clear(&rows);
}

static void given_candidates_become_a_part(void)
{
    struct strbuf rows = {0};
    const struct column_view *c;
    struct schema *s;
    struct vocab *v;
    struct part *p, *test;

    add_user_rows(&rows);
    test_write("neg", "u3 i2 n1 n2\nu1 i777 i1 i2 n1\n");
    strbuf_clear(&rows);
    add_user_rows(&rows);
    {
        struct strbuf options = {0};

        strbuf_addf(&options, "protocol: loo-given\ncandidates: \"%s/neg\"\n",
                    test_tmpdir());
        must(prepare_csv(rows.s, movie_schema, options.s));
        strbuf_clear(&options);
    }
    strbuf_clear(&rows);
    CHECK(report.added == 1 && report.rows[2] == 2);
    test = open_part("test.part");
    p = open_part("candidates.part");
    v = open_vocab("item.vocab");
    c = part_find(p, "candidates");
    REQUIRE(c && part_rows(p) == 2 && part_rows(test) == 2);
    CHECK(!memcmp(part_find(p, "user")->u32, part_find(test, "user")->u32, 8));
    CHECK(!strcmp(vocab_text(v, part_find(test, "item")->u32[0], NULL), "i2"));
    CHECK(
        !strcmp(vocab_text(v, part_find(test, "item")->u32[1], NULL), "i777"));
    CHECK(!memcmp(c->u64, (uint64_t[]){0, 2, 5}, 24));
    CHECK(!strcmp(vocab_text(v, c->u32[1], NULL), "n2"));
    CHECK(!strcmp(vocab_text(v, c->u32[2], NULL), "i1"));
    s = open_schema();
    CHECK(s->candidates_hash != 0 && s->n_items == 10 + 3 + 1);
    mem_free(s);
    vocab_destroy(v);
    part_close(p);
    part_close(test);
}

static void wrong_options_are_named(void)
{
    static const char no_keys[] = "label: y\nfields: {a: {type: dense}}\n";

    CHECK(prepare_csv("a,y\n1,2\n", no_keys, "protocol: loo-full\n") ==
          FUSOR_EUSAGE);
    CHECK(strstr(err.text, "side: query") != NULL);
    CHECK(prepare_csv("a,y\n1,2\n", no_keys, "protocol: given\n") ==
          FUSOR_EUSAGE);
    CHECK(prepare_csv("a,z\n1,2\n", no_keys, "") == FUSOR_EUSAGE);
    CHECK(strstr(err.text, "no column \"y\"; there is: a, z") != NULL);
    CHECK(prepare_csv("a,y\n1,2\n", no_keys,
                      "train_share: 0.9\nvalid_share: 0.2\n") == FUSOR_EUSAGE);
    CHECK(prepare_csv("a,y\n", no_keys, "") == FUSOR_EDATA);
    CHECK(strstr(err.text, "no good row") != NULL);
    CHECK(prepare("input: /nonexistent/x.csv\n") == FUSOR_EIO);
}

static void no_memory_is_an_error(void)
{
    struct strbuf rows = {0};
    size_t before;
    int failures = 0;

    add_user_rows(&rows);
    before = mem_used();
    for (long n = 1; n < 180; n++) {
        struct prepare_options o = {.input = test_write("in.csv", rows.s),
                                    .schema =
                                        test_write("in.yaml", movie_schema),
                                    .format = "csv",
                                    .valid = "",
                                    .test = "",
                                    .fields = "",
                                    .out = out,
                                    .protocol = "loo-given",
                                    .candidates = "",
                                    .valid_last = "",
                                    .label = "",
                                    .hash = "",
                                    .negatives = 3,
                                    .validation = 1,
                                    .min_count = 1,
                                    .max_values = 8,
                                    .dedupe = 1,
                                    .max_bad = 1};
        enum fusor_status rc;

        mem_fail_after(n);
        rc = prepare_run(&o, &report, &err);
        mem_fail_after(0);
        failures += rc != FUSOR_OK;
        CHECK(mem_used() == before);
    }
    CHECK(failures > 150); // nearly every allocation was tried
    strbuf_clear(&rows);
}

static void the_report_reads_well(void)
{
    struct strbuf text = {0};

    must(prepare_csv("a,y\n1,2\nx,1\n",
                     "label: y\nfields: {a: {type: dense}}\n", ""));
    prepare_report_print(&report, &text);
    CHECK(strstr(text.s, "csv: 2 rows read, 1 kept") != NULL);
    CHECK(strstr(text.s, "left out: 1 (not a number)") != NULL);
    CHECK(strstr(text.s, "in.csv:3:1: not a number: a") != NULL);
    strbuf_clear(&text);
}

int main(void)
{
    static const struct test_case cases[] = {
        {"columns hold what the rows said", columns_hold_what_the_rows_said},
        {"bad rows are counted by cause", bad_rows_are_counted_by_cause},
        {"duplicates keep the last", duplicates_keep_the_last},
        {"statistics come from train rows only",
         statistics_come_from_train_rows_only},
        {"folds are a column, in row order", folds_are_a_column},
        {"parts of an older run do not stay", old_parts_do_not_stay},
        {"given candidates become a part", given_candidates_become_a_part},
        {"wrong options are named", wrong_options_are_named},
        {"no memory is an error and no leak", no_memory_is_an_error},
        {"the report reads well", the_report_reads_well},
    };
    return TEST_RUN("data.prepare", cases);
}
