#include "harness.h"

#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "data/guess.h"
#include "data/source.h"

static struct fusor_error err;

static char *rows_text(void)
{
    struct strbuf b = {0};

    strbuf_add(&b, "userId,item,rating,timestamp,device,price,tags,review,"
                   "row id,label\n");
    for (int i = 0; i < 200; i++)
        strbuf_addf(&b,
                    "u%d,%d,%d,%d,%s,%s%d.5,a|t%d,It was the %d best thing,"
                    "%d,x%d\n",
                    i % 7, i % 30, i % 5 + 1, 1000000 + i,
                    i % 3 ? "phone" : "tv", i % 4 ? "" : "-", i, i % 9, i, i,
                    i % 4);
    return b.s;
}

static void a_guess_is_a_schema(void)
{
    static const char *const lines[] = {
        "label: rating",
        "time: timestamp",
        "userId: {side: query, type: categorical}  # 7 distinct",
        "item: {side: item, type: categorical}",
        "device: {type: categorical}  # 2 distinct",
        "price: {type: dense",
        "tags: {type: multi",
        "review: {type: text",
        "# row_id: {column: \"row id\"",
        "c10: {column: label, type: categorical}"};
    struct source_spec *s = mem_alloc(1, sizeof(*s));
    struct strbuf b = {0};
    char *rows = rows_text();

    REQUIRE(s && rows);
    REQUIRE(guess_schema(test_write("g.csv", rows), 0, &b, &err) == FUSOR_OK);
    for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
        if (!strstr(b.s, lines[i])) {
            printf("no \"%s\" in\n%s", lines[i], b.s);
            CHECK(0);
        }
    }
    // It can be used as it is.
    if (source_spec_read(test_write("g.yaml", b.s), s, &err) != FUSOR_OK) {
        puts(err.text);
        REQUIRE(0);
    }
    CHECK(s->n_fields == 7 && !strcmp(s->label, "rating"));
    source_spec_clear(s);
    mem_free(s);
    mem_free(rows);
    strbuf_clear(&b);
}

static void missing_values_are_counted(void)
{
    struct strbuf b = {0};

    REQUIRE(guess_schema(test_write("m.tsv", "a\tb\n1.5\t\n2.5\tx\n3.5\ty\n"
                                             "4.5\tx\n"),
                         0, &b, &err) == FUSOR_OK);
    CHECK(strstr(b.s, "a: {type: dense") != NULL);
    CHECK(strstr(b.s, "2 distinct, 25 % missing") != NULL);
    strbuf_clear(&b);
}

static void nothing_to_guess_is_an_error(void)
{
    struct strbuf b = {0};

    CHECK(guess_schema(test_write("e.csv", ""), 0, &b, &err) == FUSOR_EDATA);
    CHECK(guess_schema(test_write("e.csv", "a,b\n"), 0, &b, &err) ==
          FUSOR_EDATA);
    CHECK(strstr(err.text, "e.csv") != NULL);
    CHECK(guess_schema("/nonexistent", 0, &b, &err) == FUSOR_EIO);
    strbuf_clear(&b);
}

int main(void)
{
    static const struct test_case cases[] = {
        {"a guess is a schema", a_guess_is_a_schema},
        {"missing values are counted", missing_values_are_counted},
        {"nothing to guess is an error", nothing_to_guess_is_an_error},
    };
    return TEST_RUN("data.guess", cases);
}
