/* A small folder of documents, queries and judgements, and a job over it. */
#ifndef TESTS_TRAIN_TEXTS_H
#define TESTS_TRAIN_TEXTS_H

#include <stdio.h>

#include "data/prepare.h"
#include "harness.h"
#include "train/fixture.h"

#define TEXTS_DOCUMENTS 5
#define TEXTS_FIELDS                                                        \
    "fields: {words: {side: query}, d: {side: item}, title: {side: item}, " \
    "body: {side: item}}\n"
#define TEXTS_BM25(more)                                                     \
    "  bm25: {type: bm25, query: words, item: d, fields: [title, body]" more \
    "}\n"
#define TEXTS_LSA(more)                                                        \
    "  lsa: {type: lsa, query: words, item: d, fields: [title, body]" more "}" \
    "\n"

/* Five documents of words a to f. */
static inline const char *texts_prepared(void)
{
    static char dir[FS_PATH_MAX];
    static struct prepare_report report;
    struct prepare_options o;
    struct strbuf text = {0};
    struct yaml *y = NULL;

    test_write("docs.csv", "d,title,body\n"
                           "d1,a b,a c c d\n"
                           "d2,b,e f a b b b\n"
                           "d3,,c d e\n"
                           "d4,f f f,f\n"
                           "d5,a,b c d e\n");
    fs_join(dir, test_tmpdir(), "texts");
    strbuf_addf(&text, "out: \"%s\"\ninput: \"%s\"\nschema: \"%s\"\n", dir,
                test_write("in.csv", "q,words,d,score\n"
                                     "q1,a c,d1,1\nq2,f,d4,1\nq3,b e,d2,1\n"),
                test_write("in.yaml",
                           "label: score\ncatalogue: true\n"
                           "item_file: docs.csv\n"
                           "fields:\n"
                           "  q: {side: query, type: categorical}\n"
                           "  words: {side: query, type: text, vocab: w}\n"
                           "  d: {side: item, type: categorical}\n"
                           "  title: {side: item, type: text, vocab: w}\n"
                           "  body: {side: item, type: text, vocab: w}\n"));
    REQUIRE(yaml_parse(text.s, text.len, "options", &y, NULL) == FUSOR_OK);
    REQUIRE(option_read(prepare_option_specs, yaml_root(y), "prepare", &o,
                        NULL) == FUSOR_OK);
    REQUIRE(prepare_run(&o, &report, NULL) == FUSOR_OK);
    yaml_destroy(y);
    strbuf_clear(&text);
    return dir;
}

/* @param names of the towers */
static inline struct workload *texts_open(const char *towers, const char *names,
                                          struct yaml **job)
{
    char text[2048];

    snprintf(text, sizeof(text),
             "data: {prepared: %s}\n" TEXTS_FIELDS
             "towers:\n%sfusion: {type: weighted}\nstages: [{build: [%s]}]\n",
             texts_prepared(), towers, names);
    *job = fixture_yaml(text);
    return fixture_workload(*job);
}

static inline void texts_close(struct workload *w, struct yaml *job)
{
    workload_destroy(w);
    yaml_destroy(job);
}

#endif
