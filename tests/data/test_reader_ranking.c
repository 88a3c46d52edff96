/* The readers of interactions without numbers: sasrec, s3rec and its side
 * table, ncf. */
#include "reading.h"

#include "data/guess.h"

static const char *format_of(const char *path)
{
    const struct reader_ops *ops;

    return reader_find(path, &ops, &err) == FUSOR_OK ? ops->name : "none";
}

static void sasrec_has_a_pair_a_line(void)
{
    struct source *s = opened(
        "auto", test_write("pairs.txt", "1 10\n1 11\n\n2 10\n7 3\n"), "");

    REQUIRE(s != NULL);
    CHECK(s->spec.n_fields == 2 && s->spec.label[0] == '\0');
    CHECK(s->spec.fields[0].is_key && s->spec.fields[1].is_key);
    CHECK(s->spec.fields[0].side == SIDE_QUERY);
    CHECK_NEXT(s->rows[0], "1|10");
    CHECK_NEXT(s->rows[0], "1|11");
    CHECK_NEXT(s->rows[0], "2|10");
    CHECK_NEXT(s->rows[0], "7|3");
    CHECK_NEXT(s->rows[0], "end");
    done(s);
}

static void sasrec_counts_its_columns(void)
{
    struct source *s = opened(
        "sasrec", test_write("p.txt", "ann 1 2\nbob\n\xff 3\n cy\t4 \n"), "");

    REQUIRE(s != NULL);
    CHECK_NEXT(s->rows[0], "1@7: wrong number of columns");
    CHECK_NEXT(s->rows[0], "2@4: wrong number of columns");
    CHECK_NEXT(s->rows[0], "3@1: bytes that are no UTF-8");
    CHECK_NEXT(s->rows[0], "cy|4");
    CHECK_NEXT(s->rows[0], "end");
    done(s);
}

static void s3rec_has_a_user_a_line(void)
{
    struct source *s = opened(
        "s3rec", test_write("Goods.txt", "1 5 6 5\n2 6\n3\n4 8 9\n"), "");

    REQUIRE(s != NULL);
    CHECK(s->item == NULL && s->spec.n_fields == 2);
    CHECK_NEXT(s->rows[0], "1|5");
    CHECK_NEXT(s->rows[0], "1|6");
    CHECK_NEXT(s->rows[0], "1|5");
    CHECK_NEXT(s->rows[0], "2|6");
    CHECK_NEXT(s->rows[0], "3@2: no items");
    CHECK_NEXT(s->rows[0], "4|8");
    CHECK_NEXT(s->rows[0], "4|9");
    CHECK_NEXT(s->rows[0], "end");
    done(s);
}

static void s3rec_finds_the_attributes_of_items(void)
{
    struct source *s;

    folder("s3");
    test_write("s3/G_item2attributes.json",
               "{\"5\": [1, 2], \"6\":[],\n \"8\": [\"a|b\", \"c d\"]}\n");
    s = opened("auto", test_write("s3/G.txt", "1 5 6\n2 6\n3 8 5\n"), "");
    REQUIRE(s != NULL && s->item != NULL);
    CHECK(s->spec.n_fields == 3 && s->spec.fields[2].type == FIELD_MULTI);
    CHECK(s->spec.fields[2].side == SIDE_ITEM);
    CHECK_NEXT(s->item, "5|1\n2");
    CHECK_NEXT(s->item, "6|");
    CHECK_NEXT(s->item, "8|a|b\nc d");
    CHECK_NEXT(s->item, "end");
    done(s);
}

static void attributes_fail_at_their_byte(void)
{
    static const char *const bad[] = {
        "",
        "[1]",
        "{\"5\": 1}",
        "{\"5\": [1 2]}",
        "{\"5\": [[1]]}",
        "{\"5\": [1]",
        "{\"5\": [\"a\\n\"]}",
        "{\"5\": [\"\"]}",
        "{\"5\" [1]}",
        "{\"5\": [1] \"6\": [2]}",
        "{\"5\": [1]} x",
        "{\"5\": [\"open]}",
    };

    folder("bad");
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        struct table_row row = {0};
        enum fusor_status rc = FUSOR_OK;
        struct source *s;
        int end = 0;

        test_write("bad/G_item2attributes.json", bad[i]);
        s = opened("s3rec", test_write("bad/G.txt", "1 5 6\n"), "");
        REQUIRE(s != NULL);
        while (rc == FUSOR_OK && !end)
            rc = table_next(s->item, &row, &end, &err);
        CHECK(rc == FUSOR_EDATA && strstr(err.text, "byte ") != NULL);
        CHECK(strstr(err.text, "G_item2attributes.json") != NULL);
        done(s);
    }
    test_write("bad/G_item2attributes.json", "{\"\xff\": [1]}");
    CHECK(!opened("s3rec", test_write("bad/G.txt", "1 5 6\n"), ""));
    CHECK(err.status == FUSOR_EDATA && strstr(err.text, "UTF-8"));
}

static void sequences_and_libfm_are_told_apart(void)
{
    CHECK(!strcmp(format_of(test_write("x", "1 5 6\n2 6 7\n3 6\n")), "s3rec"));
    CHECK(!strcmp(format_of(test_write("x", "1 5\n1 6\n")), "sasrec"));
    CHECK(
        !strcmp(format_of(test_write("x", "0 5 6\n1 6 7\n0 6 9\n")), "libfm"));
    CHECK(!strcmp(format_of(test_write("x", "1 5:1 6:1\n2 6:1 7:1\n3 6:1\n")),
                  "libfm"));
    CHECK(
        !strcmp(format_of(test_write("x", "1.5 5 6\n2.5 6\n3 6\n")), "libfm"));
}

static void ncf_finds_its_candidates(void)
{
    struct source *s;

    folder("ncf");
    test_write("ncf/m.test.negative", "(0,7)\t1\t2\n");
    s = opened("auto",
               test_write("ncf/m.train.rating", "0\t32\t4\t978824330\n0\t34\n"),
               "");
    REQUIRE(s != NULL);
    CHECK(!strcmp(s->spec.label, "rating") && !strcmp(s->spec.time, "time"));
    CHECK(strstr(s->candidates, "ncf/m.test.negative") != NULL);
    CHECK_NEXT(s->rows[0], "0|32|4|978824330");
    CHECK_NEXT(s->rows[0], "2@3: wrong number of columns");
    CHECK_NEXT(s->rows[0], "end");
    done(s);
    s = opened("auto", test_write("ncf/n.train.rating", "0\t32\t4\n"), "");
    REQUIRE(s != NULL);
    CHECK(s->candidates[0] == '\0' && s->spec.time[0] == '\0');
    CHECK_NEXT(s->rows[0], "0|32|4");
    done(s);
    CHECK(!opened("ncf", test_write("ncf/o.train.rating", "0 32 4\n"), ""));
    CHECK(err.status == FUSOR_EDATA && strstr(err.text, "tab separated"));
}

static void there_is_nothing_to_guess(void)
{
    const char *path = test_write("q.txt", "1 5 6\n2 6 7\n3 6\n");
    struct strbuf text = {0};

    CHECK(guess_schema(path, 0, &text, &err) == FUSOR_EUSAGE);
    CHECK(strstr(err.text, "s3rec") != NULL && strstr(err.text, "no schema"));
    strbuf_clear(&text);
}

int main(void)
{
    static const struct test_case cases[] = {
        {"sasrec has a pair a line", sasrec_has_a_pair_a_line},
        {"sasrec counts its columns", sasrec_counts_its_columns},
        {"s3rec has a user a line", s3rec_has_a_user_a_line},
        {"s3rec finds the attributes of items",
         s3rec_finds_the_attributes_of_items},
        {"attributes that are wrong fail at their byte",
         attributes_fail_at_their_byte},
        {"sequences and libfm are told apart",
         sequences_and_libfm_are_told_apart},
        {"ncf finds its candidates", ncf_finds_its_candidates},
        {"there is nothing to guess in such files", there_is_nothing_to_guess},
    };

    return TEST_RUN("data.reader_ranking", cases);
}
