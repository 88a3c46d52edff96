/* Writing a tree back. */
#include <stdio.h>
#include <string.h>

#include "base/yaml.h"

#include "harness.h"

/* What text becomes when it is read and printed. */
static void print_of(const char *text, int with_origin, struct strbuf *out)
{
    struct yaml *y = NULL;

    REQUIRE(!yaml_parse(text, strlen(text), "j.yaml", &y, NULL));
    yaml_print(yaml_root(y), with_origin, out);
    yaml_destroy(y);
}

static int prints_as(const char *text, int with_origin, const char *want)
{
    struct strbuf out = {0};
    int same;

    print_of(text, with_origin, &out);
    same = !out.failed && strcmp(out.s, want) == 0;
    if (!same)
        fprintf(stderr, "got:\n%s", out.s ? out.s : "");
    strbuf_clear(&out);
    return same;
}

static void blocks_are_indented(void)
{
    CHECK(prints_as("{a: 1, b: [x, [y, z], {k: v, l: w}], c: {}, d: [], e: }",
                    0,
                    "a: 1\nb:\n  - x\n  - - y\n    - z\n  - k: v\n    l: w\n"
                    "c: {}\nd: []\ne:\n"));
    CHECK(prints_as("[1, 2]", 0, "- 1\n- 2\n"));
    CHECK(prints_as("word", 0, "word\n"));
    CHECK(prints_as("&a", 0, "~\n"));
    CHECK(prints_as("", 0, "{}\n"));
}

static void quotes_stay(void)
{
    CHECK(prints_as(
        "a: '12'\n'b c': \"x\\n\\\"\\t\\\\\\x01\"\n\"\": plain text", 0,
        "a: \"12\"\nb c: \"x\\n\\\"\\t\\\\\\x01\"\n"
        "\"\": plain text\n"));
}

/* What may stand plain in a flow map but not in a block. */
static void odd_texts_get_quotes(void)
{
    CHECK(prints_as("{a: -, b: x:y, c: -1.5, d: +.5e-3}", 0,
                    "a: \"-\"\nb: \"x:y\"\nc: -1.5\nd: +.5e-3\n"));
    CHECK(prints_as("'...'", 0, "\"...\"\n"));
    CHECK(prints_as("\"\\N\\L\\P\\uFEFF\\u00e9\"", 0,
                    "\"\\N\\L\\P\\uFEFF\xc3\xa9\"\n"));
}

static void origins_follow(void)
{
    struct yaml *y = NULL;
    struct strbuf out = {0};

    REQUIRE(!yaml_parse("a:\n  b: 1\n", 10, "j.yaml", &y, NULL));
    REQUIRE(!yaml_set(y, "a.c", "2", "--set", NULL));
    yaml_print(yaml_root(y), 1, &out);
    CHECK(!strcmp(out.s, "a:\n  b: 1  # j.yaml:2\n  c: 2  # --set\n"));
    strbuf_clear(&out);
    yaml_destroy(y);
}

/* Printing what was printed gives the same: nothing is lost on the way. */
static void printing_is_stable(void)
{
    static const char text[] =
        "a: |\n  lines\n  and more\nb: >\n  folded\n  text\n"
        "c: two\n  lines\n\n  with a gap\nd: [[], [[]], {x: {y: [z]}}]\n"
        "'#e': ' lead'\nf: 'it''s'\nnull: ~\ng: \xc3\xa9\n-h: a:b\n";
    struct strbuf once = {0}, twice = {0};

    print_of(text, 0, &once);
    print_of(once.s, 0, &twice);
    CHECK(strcmp(once.s, twice.s) == 0);
    CHECK(strstr(once.s, "c: \"two lines\\nwith a gap\"\n") != NULL);
    strbuf_clear(&once);
    strbuf_clear(&twice);
}

static void texts_are_quoted_if_need_be(void)
{
    struct strbuf out = {0};

    yaml_add_text(&out, "data/ml-1m.csv");
    yaml_add_text(&out, "");
    yaml_add_text(&out, "null");
    yaml_add_text(&out, "-x");
    yaml_add_text(&out, "a b");
    CHECK(strcmp(out.s, "data/ml-1m.csv\"\"\"null\"-xa b") == 0);
    strbuf_clear(&out);
}

int main(void)
{
    static const struct test_case cases[] = {
        {"maps and lists become indented blocks", blocks_are_indented},
        {"quoted texts stay quoted", quotes_stay},
        {"what could be misread gets quotes", odd_texts_get_quotes},
        {"each value tells its origin", origins_follow},
        {"printing what was printed changes nothing", printing_is_stable},
        {"a text is quoted only if need be", texts_are_quoted_if_need_be},
    };

    return TEST_RUN("base.yaml_print", cases);
}
