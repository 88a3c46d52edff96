#include "cli/verb.h"

#include <string.h>

#include "harness.h"

static void each_is_found(void)
{
    for (const struct verb *const *v = verb_list(); *v; v++)
        CHECK(verb_find((*v)->name, NULL) == *v);
}

static void each_can_run(void)
{
    for (const struct verb *const *v = verb_list(); *v; v++) {
        CHECK(((*v)->run != NULL) + ((*v)->take_over != NULL) +
                  ((*v)->parts != NULL) ==
              1);
        CHECK((*v)->help[0] != '\0');
        CHECK(!(*v)->run || !strcmp((*v)->args.command, (*v)->name));
        CHECK((*v)->args.min_rest <= (*v)->args.max_rest);
        CHECK((*v)->args.max_rest == 0 || (*v)->args.rest != NULL);
    }
}

static void unknown_gives_the_nearest(void)
{
    struct fusor_error err = {0};

    CHECK(verb_find("trian", &err) == NULL);
    CHECK(strstr(err.text, "did you mean \"train\"?") != NULL);
    CHECK(verb_find("rol", &err) == NULL);
    CHECK(strstr(err.text, "\"role\"") == NULL); // hidden
    CHECK(verb_find("zzzzzzzz", &err) == NULL);
    CHECK(strstr(err.text, "fusor help") != NULL);
}

static void parts_are_found_and_run(void)
{
    struct fusor_error err = {0};

    REQUIRE(verb_bench.parts != NULL);
    for (const struct verb *const *p = verb_bench.parts; *p; p++) {
        struct strbuf text = {0};

        REQUIRE(strncmp((*p)->name, "bench ", 6) == 0);
        CHECK(verb_find_part(&verb_bench, (*p)->name + 6, NULL) == *p);
        CHECK((*p)->run != NULL);
        CHECK(!strcmp((*p)->args.command, (*p)->name));
        verb_help(*p, &text);
        CHECK(text.s && strstr(text.s, "Examples:") != NULL);
        strbuf_clear(&text);
        verb_help(&verb_bench, &text);
        CHECK(text.s && strstr(text.s, (*p)->help) != NULL);
        strbuf_clear(&text);
    }
    CHECK(verb_find_part(&verb_bench, "pul", &err) == NULL);
    CHECK(strstr(err.text, "there is no \"pul\"") != NULL);
    CHECK(strstr(err.text, "latency") != NULL);
}

static void help_shows_what_is_not_hidden(void)
{
    struct strbuf text = {0};

    verb_help_all(&text);
    REQUIRE(text.s != NULL);
    for (const struct verb *const *v = verb_list(); *v; v++)
        CHECK((strstr(text.s, (*v)->help) != NULL) == !(*v)->hidden);
    strbuf_clear(&text);
}

static void help_of_each_has_examples(void)
{
    for (const struct verb *const *v = verb_list(); *v; v++) {
        struct strbuf text = {0};

        verb_help(*v, &text);
        REQUIRE(text.s != NULL);
        CHECK(strncmp(text.s, "Usage: fusor ", 13) == 0);
        CHECK((*v)->hidden || strstr(text.s, "Examples:") != NULL);
        strbuf_clear(&text);
    }
}

/* What a registry holds is told where it is chosen from. */
static void help_lists_what_there_is(void)
{
    struct strbuf text = {0};

    verb_help(&verb_prepare, &text);
    CHECK(text.s && strstr(text.s, "\n  kfold-official ") != NULL);
    CHECK(text.s && strstr(text.s, "\n  movielens ") != NULL);
    strbuf_clear(&text);
    verb_help(&verb_fuse, &text);
    CHECK(text.s && strstr(text.s, "\n  least_squares ") != NULL);
    strbuf_clear(&text);
    verb_help(&verb_evaluate, &text);
    CHECK(text.s && strstr(text.s, "\n  ndcg@k ") != NULL);
    strbuf_clear(&text);
}

int main(void)
{
    static const struct test_case cases[] = {
        {"each command is found by its name", each_is_found},
        {"each command can run", each_can_run},
        {"an unknown command gets the nearest name", unknown_gives_the_nearest},
        {"commands of a command are found and can run",
         parts_are_found_and_run},
        {"help lists all but the hidden ones", help_shows_what_is_not_hidden},
        {"the help of each has examples", help_of_each_has_examples},
        {"help lists what there is", help_lists_what_there_is},
    };
    return TEST_RUN("cli.verb", cases);
}
