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
        CHECK(((*v)->run != NULL) != ((*v)->take_over != NULL));
        CHECK((*v)->help[0] != '\0');
        CHECK((*v)->take_over || !strcmp((*v)->args.command, (*v)->name));
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

int main(void)
{
    static const struct test_case cases[] = {
        {"each command is found by its name", each_is_found},
        {"each command can run", each_can_run},
        {"an unknown command gets the nearest name", unknown_gives_the_nearest},
        {"help lists all but the hidden ones", help_shows_what_is_not_hidden},
        {"the help of each has examples", help_of_each_has_examples},
    };
    return TEST_RUN("cli.verb", cases);
}
