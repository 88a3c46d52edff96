/* Documents, queries and judgements made a prepared folder. */
#include "preparing.h"

static const char rows[] = "q,d,score\n"
                           "q1,d1,1\n"
                           "q1,d2,2\n"
                           "q2,d9,1\n"
                           "q3,d1,1\n"
                           "q4,d3,0\n";
static const char schema[] =
    "label: score\n"
    "catalogue: true\n"
    "query_file: queries.csv\n"
    "item_file: docs.csv\n"
    "fields:\n"
    "  q: {side: query, type: categorical}\n"
    "  words: {side: query, type: text, column: text, vocab: words,\n"
    "          stem: english}\n"
    "  d: {side: item, type: categorical}\n"
    "  title: {side: item, type: text, vocab: words, stem: english}\n"
    "  runs: {side: item, type: text, column: title, ngram: 3}\n";

static void write_sides(void)
{
    test_write("queries.csv", "q,text\n"
                              "q1,running boats\n"
                              "q2,novel word\n"
                              "q3,\n"
                              "q4,boat\n"
                              "q5,nobody asks\n");
    test_write("docs.csv", "d,title\n"
                           "d1,Boats run\n"
                           "d2,\"a boat, a \"\"boat\"\"\n or two\"\n"
                           "d3,Unjudged\n");
}

static const struct schema_field *field(const struct schema *s,
                                        const char *name)
{
    int i = schema_find(s, name);

    REQUIRE(i >= 0);
    return &s->fields[i];
}

static void a_catalogue_has_all_documents(void)
{
    struct schema *s = mem_alloc(1, sizeof(*s));
    struct vocab *words;

    REQUIRE(s != NULL);
    write_sides();
    must(prepare_csv(rows, schema,
                     "protocol: qrels\ntrain_share: 0.5\nvalid_share: 0\n"));
    CHECK(report.rows_read == 5 && report.rows_kept == 4);
    CHECK(report.bad[BAD_UNKNOWN] == 1);
    CHECK(strstr(report.examples[0], ":4:4: not in the catalogue: d") != NULL);
    CHECK(report.n_queries == 5 && report.n_items == 3);
    must(schema_read(out, s, &err));
    CHECK(field(s, "title")->analysis.stem == ANALYSIS_ENGLISH);
    CHECK(field(s, "title")->analysis.ngram == 0);
    CHECK(field(s, "runs")->analysis.ngram == 3);
    CHECK(field(s, "title")->spec.vocab == field(s, "words")->spec.vocab);
    words = open_vocab("words.vocab");
    CHECK(vocab_find(words, "unjudg", 6) != VOCAB_UNKNOWN);
    CHECK(vocab_find(words, "boat", 4) != VOCAB_UNKNOWN);
    CHECK(vocab_find(words, "boats", 5) == VOCAB_UNKNOWN);
    CHECK(vocab_find(words, "nobodi", 6) == VOCAB_UNKNOWN); // no train query
    vocab_destroy(words);
    mem_free(s);
}

static void whole_queries_are_split(void)
{
    write_sides();
    must(prepare_csv(rows, schema,
                     "protocol: qrels\ntrain_share: 0.34\n"
                     "valid_share: 0.33\n"));
    CHECK(report.rows[0] + report.rows[1] + report.rows[2] == 4);
    // Three queries have judgements of known documents; one has two.
    for (int part = 0; part < 3; part++)
        CHECK(report.rows[part] == 1 || report.rows[part] == 2);
}

static void too_many_unknown_end_it(void)
{
    write_sides();
    CHECK(prepare_csv(rows, schema, "protocol: qrels\nmax_bad: 0\n") ==
          FUSOR_EDATA);
    CHECK(strstr(err.text, "not in the catalogue") != NULL);
}

static void a_document_needs_an_id(void)
{
    write_sides();
    test_write("docs.csv", "d,title\nd1,x\n,y\nd2,z\n");
    must(prepare_csv(rows, schema, "protocol: qrels\n"));
    CHECK(report.bad[BAD_MISSING] == 1);
    CHECK(report.n_items == 2);
}

static void rare_and_catalogue_contradict(void)
{
    write_sides();
    CHECK(prepare_csv(rows, schema, "protocol: qrels\nmin_item_rows: 2\n") ==
          FUSOR_EUSAGE);
    CHECK(strstr(err.text, "catalogue") != NULL);
}

static void stems_are_of_texts(void)
{
    CHECK(prepare_csv("a,b\n1,2\n",
                      "fields: {a: {type: categorical, stem: english}}\n",
                      "") == FUSOR_EUSAGE);
    CHECK(strstr(err.text, "of text fields") != NULL);
    CHECK(prepare_csv("a,b\n1,2\n", "fields: {a: {type: text, ngram: 9}}\n",
                      "") == FUSOR_EUSAGE);
    CHECK(prepare_csv("a,b\n1,2\n", "fields: {a: {type: text, stem: dutch}}\n",
                      "") == FUSOR_EUSAGE);
}

int main(void)
{
    static const struct test_case cases[] = {
        {"a catalogue has all documents, judged or not",
         a_catalogue_has_all_documents},
        {"whole queries are split", whole_queries_are_split},
        {"too many unknown documents end it", too_many_unknown_end_it},
        {"a document needs an id", a_document_needs_an_id},
        {"rare rows and a catalogue contradict each other",
         rare_and_catalogue_contradict},
        {"stems and runs are of texts", stems_are_of_texts},
    };
    return TEST_RUN("data.prepare_text", cases);
}
