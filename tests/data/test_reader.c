#include "harness.h"

#include <string.h>

#include "base/fs.h"
#include "reading.h"

static char path[FS_PATH_MAX];

static const char any_schema[] = "fields: {a: {type: categorical}}\n";

static void csv_follows_rfc_4180(void)
{
    const char *schema = test_write("s.yaml", any_schema);
    struct source *s = opened("auto",
                              test_write("q.csv", "a,b,c\r\n"
                                                  "1,\"two, \"\"2\"\"\",3\r\n"
                                                  "\"line one\nline two\",,\r\n"
                                                  "\r\n"
                                                  "x,y\n"
                                                  "\"open\"x,y,z\n"
                                                  "x,y,z,zz\n"
                                                  "caf\xe9,y,z\n"
                                                  "no \"quote\" here,y,z\n"),
                              schema);

    REQUIRE(s != NULL);
    CHECK_NEXT(s->rows[0], "1|two, \"2\"|3");
    CHECK_NEXT(s->rows[0], "line one\nline two||");
    CHECK_NEXT(s->rows[0], "6@3: wrong number of columns");
    CHECK_NEXT(s->rows[0],
               "7@1: quotes that do not close before the separator");
    CHECK_NEXT(s->rows[0], "8@7: wrong number of columns");
    CHECK_NEXT(s->rows[0], "9@1: bytes that are no UTF-8");
    CHECK_NEXT(s->rows[0], "no \"quote\" here|y|z");
    CHECK_NEXT(s->rows[0], "end");
    done(s);
}

static void tsv_has_no_quotes(void)
{
    const char *schema = test_write("s.yaml", any_schema);
    struct source *s =
        opened("auto", test_write("q.tsv", "a\tb\n\"x\ty\"\n"), schema);

    REQUIRE(s != NULL);
    CHECK_NEXT(s->rows[0], "\"x|y\"");
    CHECK_NEXT(s->rows[0], "end");
    done(s);
}

/* A file named and headed like MovieLens' own. */
static void a_schema_makes_a_ratings_file_csv(void)
{
    const char *schema =
        test_write("s.yaml", "fields: {user: {type: categorical}}\n");
    const char *input =
        test_write("ratings.csv", "user,item,rating,timestamp\n7,8,5,9\n");
    struct source *s = opened("auto", input, schema);

    REQUIRE(s != NULL);
    CHECK(s->query == NULL && s->item == NULL);
    CHECK_NEXT(s->rows[0], "7|8|5|9");
    CHECK_NEXT(s->rows[0], "end");
    done(s);
}

static void csv_without_schema_shows_the_way(void)
{
    CHECK(!opened("csv", test_write("n.csv", "a,b\n1,2\n"), ""));
    CHECK(err.status == FUSOR_EUSAGE && strstr(err.text, "--guess"));
    CHECK(!opened("cvs", "x", ""));
    CHECK(strstr(err.text, "csv") != NULL);
    CHECK(!opened("auto", test_write("n.txt", "hello\n"), ""));
    CHECK(strstr(err.text, "--format") != NULL);
}

static void movielens_100k_is_found_in_a_folder(void)
{
    const char *dir = folder("100k");
    struct source *s;

    test_write("100k/u.data", "1\t2\t3\t881250949\n");
    test_write("100k/u.item",
               "2|Mis\xe9rables, Les (1995)|01-Jan-1995||http://x"
               "|0|1|0|0|0|1|0|0|0|0|0|0|0|0|0|0|0|0|0\n");
    test_write("100k/u.user", "1|24|M|technician|85711\n");
    s = opened("auto", dir, "");
    REQUIRE(s != NULL);
    CHECK_NEXT(s->rows[0], "1|2|3|881250949");
    CHECK_NEXT(s->rows[0], "end");
    CHECK_NEXT(s->item, "2|Mis\xc3\xa9rables, Les (1995)|Action|Comedy");
    CHECK_NEXT(s->query, "1|24|M|technician|85711");
    CHECK(s->spec.n_fields == 7 && !strcmp(s->spec.time, "timestamp"));
    CHECK(!strcmp(s->spec.label, "rating") && !strcmp(s->spec.names, "title"));
    done(s);
}

static void movielens_1m_comes_with_and_without_times(void)
{
    const char *dir = folder("1m");
    struct source *s;

    test_write("1m/movies.dat", "7::A::B (1990)::Drama|War\n8::C::Drama\n");
    test_write("1m/ratings.dat", "1::7::5::978300760\n");
    s = opened("auto", dir, "");
    REQUIRE(s != NULL);
    CHECK_NEXT(s->rows[0], "1|7|5|978300760");
    CHECK_NEXT(s->item, "1@17: wrong number of columns");
    CHECK_NEXT(s->item, "8|C|Drama");
    CHECK(!s->query);
    done(s);
    test_write("1m/ratings.dat", "1::7::5\n1::8\n");
    s = opened("auto", fs_join(path, dir, "ratings.dat"), "");
    REQUIRE(s != NULL);
    CHECK_NEXT(s->rows[0], "1|7|5");
    CHECK_NEXT(s->rows[0], "2@4: wrong number of columns");
    CHECK(s->spec.time[0] == '\0');
    done(s);
}

static void movielens_csv_names_its_columns(void)
{
    struct source *s;
    const char *dir = folder("csv");

    test_write("csv/ratings.csv", "userId,movieId,rating,timestamp\n"
                                  "1,31,2.5,1260759144\n");
    test_write("csv/movies.csv", "movieId,title,genres\n"
                                 "31,\"Net, The (1995)\",Action|Crime\n");
    s = opened("auto", dir, "");
    REQUIRE(s != NULL);
    CHECK_NEXT(s->rows[0], "1|31|2.5|1260759144");
    CHECK_NEXT(s->item, "31|Net, The (1995)|Action|Crime");
    CHECK(!strcmp(s->spec.fields[0].column, "userId"));
    CHECK(!strcmp(s->spec.fields[1].column, "movieId"));
    done(s);
}

static void libfm_is_one_field_without_a_description(void)
{
    struct source *s;

    folder("plainfm");
    s = opened("auto",
               test_write("plainfm/a.libfm", "1 3:0.5 7\n\n-1\n0 12 13:1e-2\n"),
               "");
    REQUIRE(s != NULL);
    CHECK(s->spec.n_fields == 1 && s->spec.fields[0].type == FIELD_MULTI);
    CHECK_NEXT(s->rows[0], "1|3:0.5 7");
    CHECK_NEXT(s->rows[0], "-1|");
    CHECK_NEXT(s->rows[0], "0|12 13:1e-2");
    CHECK_NEXT(s->rows[0], "end");
    done(s);
}

static void libfm_fields_get_their_names(void)
{
    struct source *s;

    folder("fm");
    test_write("fm/fields.tsv", "0\tuser\tann\n1\tuser\tbob\n5\tapp\tmaps\n");
    s = opened("auto",
               test_write("fm/a.libfm", "1 0 5:1\n0 5\n0 0 1\n1 9\n1 0 5:2\n"),
               "");
    REQUIRE(s != NULL);
    CHECK(s->spec.n_fields == 2);
    CHECK(s->spec.fields[0].type == FIELD_CATEGORICAL);
    CHECK(!strcmp(s->spec.fields[1].name, "app"));
    CHECK_NEXT(s->rows[0], "1|ann|maps");
    CHECK_NEXT(s->rows[0], "0||maps");
    CHECK_NEXT(s->rows[0], "3@5: second value of one field");
    CHECK_NEXT(s->rows[0],
               "4@3: feature that the fields file does not describe");
    CHECK_NEXT(s->rows[0], "5@5: value of a categorical feature that is not 1");
    done(s);
    test_write("fm/fields.tsv", "0\tuser\nx\tuser\tbob\n");
    CHECK(!opened("libfm", fs_join(path, test_tmpdir(), "fm/a.libfm"), ""));
    CHECK(err.status == FUSOR_EDATA && strstr(err.text, "fields.tsv:1"));
}

static void libsvm_knows_queries_and_comments(void)
{
    struct source *s = opened("auto",
                              test_write("a.svm", "2 qid:10 1:0.5 3:1 # doc\n"
                                                  "# only talk\n"
                                                  "0 qid:10 1:x\n"),
                              "");

    REQUIRE(s != NULL);
    CHECK(s->spec.n_fields == 2 && s->spec.fields[0].side == SIDE_QUERY);
    CHECK_NEXT(s->rows[0], "2|1:0.5 3:1 |10");
    CHECK_NEXT(s->rows[0], "3@10: not of the form id:number");
    CHECK_NEXT(s->rows[0], "end");
    done(s);
}

/* A line of Criteo's: label, 13 counts, 26 ids, all alike. */
static void add_criteo(struct strbuf *out, const char *label, const char *count,
                       const char *id)
{
    strbuf_add(out, label);
    for (int i = 0; i < 13; i++)
        strbuf_addf(out, "\t%s", count);
    for (int i = 0; i < 26; i++)
        strbuf_addf(out, "\t%s", id);
    strbuf_add(out, "\n");
}

static void criteo_is_found_by_its_shape(void)
{
    struct strbuf text = {0};
    struct table_row row = {0};
    struct source *s;
    int end;

    add_criteo(&text, "1", "5", "68fd1e64");
    add_criteo(&text, "0", "", "");
    strbuf_add(&text, "1\t2\n");
    s = opened("auto", test_write("day_0", text.s), "");
    REQUIRE(s != NULL);
    CHECK(s->spec.n_fields == 13 + 13 + 26 && !strcmp(s->spec.label, "label"));
    CHECK(!strcmp(s->spec.fields[25].name, "D13") &&
          !strcmp(s->spec.fields[25].column, "I13"));
    CHECK(s->spec.fields[51].hash_size == 40000000 &&
          s->spec.fields[51].ids == IDS_MODULO);
    REQUIRE(table_next(s->rows[0], &row, &end, &err) == FUSOR_OK);
    CHECK(!row.fault && row.cells[39].n == 8 && row.cells[13].text[0] == '5');
    REQUIRE(table_next(s->rows[0], &row, &end, &err) == FUSOR_OK);
    CHECK(!row.fault && row.cells[1].n == 0 && row.cells[39].n == 0);
    CHECK_NEXT(s->rows[0], "3@3: wrong number of columns");
    CHECK_NEXT(s->rows[0], "end");
    done(s);
    strbuf_clear(&text);
}

static void an_empty_file_is_an_error(void)
{
    const char *schema = test_write("s.yaml", any_schema);

    CHECK(!opened("csv", test_write("e.csv", ""), schema));
    CHECK(err.status == FUSOR_EDATA && strstr(err.text, "e.csv"));
}

int main(void)
{
    static const struct test_case cases[] = {
        {"CSV follows RFC 4180", csv_follows_rfc_4180},
        {"TSV has no quotes", tsv_has_no_quotes},
        {"a schema makes a ratings file csv",
         a_schema_makes_a_ratings_file_csv},
        {"a format that cannot be read shows the way",
         csv_without_schema_shows_the_way},
        {"MovieLens 100K is found in a folder, Latin-1 titles too",
         movielens_100k_is_found_in_a_folder},
        {"MovieLens 1M comes with and without times",
         movielens_1m_comes_with_and_without_times},
        {"MovieLens CSV names its columns", movielens_csv_names_its_columns},
        {"libFM is one field without a description",
         libfm_is_one_field_without_a_description},
        {"libFM fields get their names", libfm_fields_get_their_names},
        {"libSVM knows queries and comments",
         libsvm_knows_queries_and_comments},
        {"Criteo's logs are found by their shape",
         criteo_is_found_by_its_shape},
        {"an empty file is an error", an_empty_file_is_an_error},
    };
    return TEST_RUN("data.reader", cases);
}
