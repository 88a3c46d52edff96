#include "harness.h"

#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "data/source.h"

static struct fusor_error err;

static void a_schema_says_it_all(void)
{
    struct source_spec *s = mem_alloc(1, sizeof(*s));
    const char *path =
        test_write("all.yaml", "label: {column: rating, range: [1, 5]}\n"
                               "weight: w\n"
                               "time: ts\n"
                               "header: [u, i, rating, w, ts]\n"
                               "separator: \";\"\n"
                               "quotes: false\n"
                               "item_file: items.csv\n"
                               "names: title\n"
                               "fields:\n"
                               "  user: {side: query, type: categorical, "
                               "column: u}\n"
                               "  item: {side: item, type: categorical}\n"
                               "  tags: {side: item, type: multi, "
                               "separator: \",\", min_count: 3}\n"
                               "  C: {repeat: 1..3, type: categorical, "
                               "hash: 1M}\n"
                               "  x: {type: dense, transform: [{fill: 0}, "
                               "log1p], range: [0, 9]}\n");

    REQUIRE(s != NULL);
    if (source_spec_read(path, s, &err) != FUSOR_OK) {
        puts(err.text);
        REQUIRE(0);
    }
    CHECK(!strcmp(s->label, "rating") && s->label_has_range);
    CHECK(s->label_low == 1 && s->label_high == 5);
    CHECK(!strcmp(s->weight, "w") && !strcmp(s->time, "ts"));
    CHECK(s->n_header == 5 && !strcmp(s->header[4], "ts"));
    CHECK(!strcmp(s->separator, ";") && s->quotes == 0);
    CHECK(!strcmp(s->item_file, "items.csv") && !strcmp(s->names, "title"));
    REQUIRE(s->n_fields == 7);
    CHECK(source_spec_key(s, SIDE_QUERY) == 0);
    CHECK(source_spec_key(s, SIDE_ITEM) == 1);
    CHECK(!strcmp(s->fields[0].column, "u"));
    CHECK(!strcmp(s->fields[2].separator, ",") && s->fields[2].min_count == 3);
    CHECK(!strcmp(s->fields[4].name, "C2") && s->fields[4].hashed);
    CHECK(s->fields[4].hash_size == 1000000);
    CHECK(!strcmp(s->fields[6].transform, "[{fill: 0}, log1p]"));
    CHECK(s->fields[6].has_range && s->fields[6].high == 9);
    source_spec_clear(s);
    mem_free(s);
}

static void mistakes_are_named(void)
{
    static const struct {
        const char *text, *says;
    } cases[] = {
        {"label: y\n", "fields"},
        {"fields: {}\n", "fields"},
        {"feilds: {a: {type: dense}}\n", "fields"},
        {"fields: {a: {type: dence}}\n", "dense"},
        {"fields: {a: {tpye: dense}}\n", "type"},
        {"fields: {label: {type: dense}}\n", "label"},
        {"fields: {../a: {type: dense}}\n", "../a"},
        {"fields: {a: {type: multi, hash: true}}\n", "32-bit"},
        {"fields: {a: {type: dense, side: item}}\n", "key"},
        {"fields: {a: {type: dense, transform: zscor}}\n", "zscor"},
        {"fields: {a: {type: dense, range: [3, 1]}}\n", "range"},
        {"fields: {a: {type: dense, repeat: 5..1}}\n", "repeat"},
        {"fields:\n  a: {type: categorical, side: item, key: true}\n"
         "  b: {type: categorical, side: item, key: true}\n",
         "exactly one"},
    };
    struct source_spec *s = mem_alloc(1, sizeof(*s));

    REQUIRE(s != NULL);
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        enum fusor_status rc =
            source_spec_read(test_write("bad.yaml", cases[i].text), s, &err);

        CHECK(rc != FUSOR_OK);
        if (!strstr(err.text, cases[i].says)) {
            printf("%s: %s\n", cases[i].says, err.text);
            CHECK(0);
        }
    }
    mem_free(s);
}

int main(void)
{
    static const struct test_case cases[] = {
        {"a schema says it all", a_schema_says_it_all},
        {"mistakes are named", mistakes_are_named},
    };
    return TEST_RUN("data.source", cases);
}
