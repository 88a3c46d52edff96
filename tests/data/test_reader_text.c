/* Tables of JSON lines, and folders of documents, queries and judgements. */
#include "harness.h"

#include "data/reader/jsonl.h"
#include "reading.h"

static const char *const members[] = {"_id", "text"};
static const char *const columns[] = {"key", "text"};

static struct table *lines(const char *text)
{
    struct table *t = NULL;

    REQUIRE(jsonl_open(test_write("t.jsonl", text), members, columns, 2, &t,
                       &err) == FUSOR_OK);
    return t;
}

static void members_become_columns(void)
{
    struct table *t =
        lines("{\"_id\": \"a\", \"other\": [1, {\"x\": null}, \"]\"], "
              "\"text\": \"b\"}\n"
              "\n"
              " {\"text\":\"say \\\"hi\\\"\\n\\u00e9\\ud83d\\ude00\" , "
              "\"_id\":17} \n"
              "{\"_id\": true, \"text\": null}\n"
              "{}\n"
              "{\"_id\": \"x\", \"text\": {\"deep\": 1}}");

    CHECK_NEXT(t, "a|b");
    CHECK_NEXT(t, "17|say \"hi\"\n\xc3\xa9\xf0\x9f\x98\x80");
    CHECK_NEXT(t, "true|");
    CHECK_NEXT(t, "|");
    CHECK_NEXT(t, "x|");
    CHECK_NEXT(t, "end");
    CHECK(table_column(t, "key") == 0 && table_column(t, "_id") < 0);
    table_close(t);
}

static void what_is_no_json_is_a_fault(void)
{
    struct table *t = lines("{\"_id\": \"a\", \"text\": \"b\"\n"
                            "[1]\n"
                            "{\"_id\" \"a\"}\n"
                            "{\"_id\": \"\\x\"}\n"
                            "{\"_id\": \"\\u00g0\"}\n"
                            "{\"_id\": \"a\"} more\n"
                            "{\"_id\": }\n"
                            "{\"_id\": \"caf\xe9\"}\n"
                            "{\"_id\": \"\\ud83d\"}\n"
                            "{\"_id\": \"\\u0000\"}\n");

    CHECK_NEXT(t, "1@25: no JSON object");
    CHECK_NEXT(t, "2@1: no JSON object");
    CHECK_NEXT(t, "3@8: no JSON object");
    CHECK_NEXT(t, "4@12: no JSON object");
    CHECK_NEXT(t, "5@12: no JSON object");
    CHECK_NEXT(t, "6@14: no JSON object");
    CHECK_NEXT(t, "7@9: no JSON object");
    CHECK_NEXT(t, "8@1: bytes that are no UTF-8");
    CHECK_NEXT(t, "\xef\xbf\xbd|"); // half a pair
    CHECK_NEXT(t, "\xef\xbf\xbd|"); // no NUL gets into a text
    CHECK_NEXT(t, "end");
    table_close(t);
}

static void deep_values_end_somewhere(void)
{
    char text[400];
    struct table *t;

    memset(text, '[', sizeof(text));
    memcpy(text, "{\"a\":", 5);
    text[sizeof(text) - 1] = '\0';
    t = lines(text);
    CHECK_NEXT(t, "1@70: no JSON object");
    table_close(t);
}

#define CORPUS                                                     \
    "{\"_id\": \"d1\", \"title\": \"One\", \"text\": \"first\"}\n" \
    "{\"_id\": \"d2\", \"title\": \"\", \"text\": \"second\", "    \
    "\"metadata\": {}}\n"
#define QUERIES "{\"_id\": \"q1\", \"text\": \"what?\"}\n"
#define QRELS "query-id\tcorpus-id\tscore\nq1\td1\t1\n"

/* @param name of a file below the folder */
static void put(const char *dir, const char *name, const char *text)
{
    char path[FS_PATH_MAX];

    REQUIRE(fs_write_atomic(fs_join(path, dir, name), text, strlen(text),
                            &err) == FUSOR_OK);
}

static void a_folder_of_documents_is_recognised(void)
{
    const char *dir = folder("beir");
    struct source *s;

    folder("beir/qrels");
    dir = folder("beir");
    put(dir, "corpus.jsonl", CORPUS);
    put(dir, "queries.jsonl", QUERIES);
    CHECK(opened("auto", dir, "") == NULL);
    CHECK(err.status == FUSOR_EIO && strstr(err.text, "no judgements"));
    put(dir, "qrels/dev.tsv", QRELS);
    put(dir, "qrels/test.tsv", QRELS);
    s = opened("auto", dir, "");
    REQUIRE(s != NULL);
    CHECK_NEXT(s->item, "d1|first|One");
    CHECK_NEXT(s->query, "q1|what?|");
    CHECK_NEXT(s->rows[0], "q1|d1|1"); // the first that is there
    CHECK(s->rows[1] == NULL);
    CHECK_NEXT(s->rows[2], "q1|d1|1");
    CHECK(s->spec.catalogue && s->spec.n_fields == 8);
    CHECK(strcmp(s->spec.label, "score") == 0);
    done(s);
}

static void a_schema_of_ones_own_wins(void)
{
    struct source *s = opened(
        "beir", folder("beir"),
        test_write("s.yaml", "fields: {q: {side: query, type: categorical, "
                             "column: query-id}}\n"));

    REQUIRE(s != NULL);
    CHECK(s->spec.n_fields == 1 && !s->spec.catalogue);
    done(s);
}

static void files_that_lack_are_named(void)
{
    CHECK(opened("beir", folder("empty"), "") == NULL);
    CHECK(err.status == FUSOR_EIO && strstr(err.text, "no corpus.jsonl"));
}

int main(void)
{
    static const struct test_case cases[] = {
        {"members become columns", members_become_columns},
        {"what is no JSON object is a fault at its byte",
         what_is_no_json_is_a_fault},
        {"values in values end somewhere", deep_values_end_somewhere},
        {"a folder of documents is recognised",
         a_folder_of_documents_is_recognised},
        {"a schema of one's own wins", a_schema_of_ones_own_wins},
        {"files that lack are named", files_that_lack_are_named},
    };
    return TEST_RUN("data.reader_text", cases);
}
