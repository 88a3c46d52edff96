/* Texts and the terms they become. */
#include "data/analysis.h"

#include "harness.h"

#include <stdio.h>
#include <string.h>

#include "base/str.h"

static enum fusor_status add(void *context, const char *term, size_t n,
                             struct fusor_error *err)
{
    struct strbuf *out = context;

    (void)err;
    strbuf_add(out, out->len ? "|" : "");
    strbuf_add_n(out, term, n);
    return FUSOR_OK;
}

static void check(struct analysis a, const char *text, const char *want)
{
    struct strbuf out = {0};

    strbuf_add(&out, "");
    REQUIRE(analysis_run(&a, text, strlen(text), add, &out, NULL) == FUSOR_OK);
    if (strcmp(out.s, want) != 0) {
        printf("got \"%s\", want \"%s\"\n", out.s, want);
        CHECK(0);
    }
    strbuf_clear(&out);
}

static void words_are_folded(void)
{
    struct analysis a = {0};

    check(a, "The Sea, the SEA: 5-HT!", "the|sea|the|sea|5|ht");
    check(a, "\xc3\x89tude's", "\xc3\xa9tude's");
    check(a, " .,; ", "");
    check(a, "", "");
}

static void english_is_stemmed_and_stopped(void)
{
    struct analysis stem = {.stem = ANALYSIS_ENGLISH};
    struct analysis both = {ANALYSIS_ENGLISH, ANALYSIS_ENGLISH, 0};

    check(stem, "the searching of boats", "the|search|of|boat");
    check(both, "The searching of boats", "search|boat");
    check(both, "it is as it was", "");
}

static void runs_of_characters(void)
{
    struct analysis a = {.ngram = 4};

    check(a, "search it", " sea|sear|earc|arch|rch | it ");
    check(a, "I", " i ");
    check(a, "na\xc3\xafve", " na\xc3\xaf|na\xc3\xafv|a\xc3\xafve|\xc3\xafve ");
    a.stop = ANALYSIS_ENGLISH;
    check(a, "it", "");
}

static enum fusor_status refuse(void *context, const char *term, size_t n,
                                struct fusor_error *err)
{
    (void)term;
    (void)n;
    ++*(int *)context;
    return fusor_fail(err, FUSOR_ENOMEM, "no more");
}

static void a_failure_ends_it(void)
{
    struct analysis words = {0}, runs = {.ngram = 3};
    struct fusor_error err;
    int calls = 0;

    CHECK(analysis_run(&words, "one two", 7, refuse, &calls, &err) ==
          FUSOR_ENOMEM);
    CHECK(analysis_run(&runs, "one two", 7, refuse, &calls, &err) ==
          FUSOR_ENOMEM);
    CHECK(calls == 2);
}

int main(void)
{
    static const struct test_case cases[] = {
        {"words are folded and cut at other signs", words_are_folded},
        {"English words lose endings, stop words go",
         english_is_stemmed_and_stopped},
        {"runs of characters stay within words", runs_of_characters},
        {"a failure of the listener ends the text", a_failure_ends_it},
    };
    return TEST_RUN("data.analysis", cases);
}
