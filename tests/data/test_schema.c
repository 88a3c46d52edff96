#include "harness.h"

#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "data/schema.h"

static struct fusor_error err;

static struct schema *example(void)
{
    struct schema *s = mem_alloc(1, sizeof(*s));

    REQUIRE(s != NULL);
    s->version = SCHEMA_VERSION;
    strcpy(s->protocol, "loo-full");
    s->protocol_version = 3;
    s->n_train = 10;
    s->n_valid = 2;
    s->n_test = 1;
    s->has_time = 1;
    strcpy(s->label, "a \"quoted\"\tname: \\");
    s->label_min = 1;
    s->label_max = 5;
    s->seed = UINT64_MAX;
    s->candidates_hash = UINT64_MAX - 1;
    s->n_fields = 3;
    s->fields[0] = (struct schema_field){
        .spec = {"item", FIELD_CATEGORICAL, SIDE_ITEM, 1, 7, 1, 2},
        .is_key = 1,
        .vocab_name = "item"};
    s->fields[1] = (struct schema_field){
        .spec = {"tags", FIELD_MULTI, SIDE_ITEM, 1, 9, 4, 3},
        .vocab_name = "tags",
        .weighted = 1};
    s->fields[2] =
        (struct schema_field){.spec = {"x", FIELD_DENSE, SIDE_ROW, 2, 0, 1, 0},
                              .min = -0.1,
                              .max = 1e30,
                              .mean = 1.0 / 3,
                              .std = 2,
                              .transform = "[{fill: 0}, log1p]"};
    s->query_key = -1;
    s->item_key = 0;
    s->n_items = 7;
    return s;
}

static void same_after_a_round(void)
{
    struct schema *s = example(), *t = mem_alloc(1, sizeof(*t));

    REQUIRE(t != NULL);
    REQUIRE(schema_write(s, test_tmpdir(), &err) == FUSOR_OK);
    if (schema_read(test_tmpdir(), t, &err) != FUSOR_OK) {
        puts(err.text);
        REQUIRE(0);
    }
    CHECK(!strcmp(t->protocol, s->protocol) && t->protocol_version == 3);
    CHECK(!strcmp(t->label, s->label));
    CHECK(t->n_train == 10 && t->n_valid == 2 && t->n_test == 1);
    CHECK(t->seed == s->seed && t->candidates_hash == s->candidates_hash);
    CHECK(t->has_time == 1 && t->has_weight == 0 && t->n_folds == 0);
    CHECK(t->query_key == -1 && t->item_key == 0 && t->n_items == 7);
    REQUIRE(t->n_fields == 3);
    for (int i = 0; i < 3; i++) {
        CHECK(!strcmp(t->fields[i].spec.name, s->fields[i].spec.name));
        CHECK(t->fields[i].spec.type == s->fields[i].spec.type);
        CHECK(t->fields[i].spec.side == s->fields[i].spec.side);
        CHECK(t->fields[i].spec.width == s->fields[i].spec.width);
        CHECK(t->fields[i].spec.cardinality == s->fields[i].spec.cardinality);
        CHECK(t->fields[i].spec.max_values == s->fields[i].spec.max_values);
        CHECK(t->fields[i].spec.vocab == s->fields[i].spec.vocab);
        CHECK(t->fields[i].weighted == s->fields[i].weighted);
    }
    CHECK(t->fields[2].mean == 1.0 / 3 && t->fields[2].min == -0.1);
    CHECK(!strcmp(t->fields[2].transform, "[{fill: 0}, log1p]"));
    CHECK(schema_find(t, "tags") == 1 && schema_find(t, "no") == -1);
    mem_free(s);
    mem_free(t);
}

static void absent_names_the_cure(void)
{
    struct schema *t = mem_alloc(1, sizeof(*t));

    REQUIRE(t != NULL);
    CHECK(schema_read("/nonexistent", t, &err) == FUSOR_EDATA);
    CHECK(strstr(err.text, "fusor prepare") != NULL);
    mem_free(t);
}

static void damaged_text_is_an_error(void)
{
    static const char *const texts[] = {
        "",
        "fusor_schema: 1\n",
        "fusor_schema: 2\nprotocol: none\nfields: []\n",
        "fusor_schema: 1\nprotocol: none\nfields: 3\n",
        "fusor_schema: 1\nprotocol: none\nfields: [{name: a, type: odd}]\n",
        "fusor_schema: 1\nprotocol: none\n"
        "fields: [{name: ../a, type: dense}]\n",
        "fusor_schema: 1\nprotocol: none\n"
        "fields: [{name: a, type: dense}, {name: a, type: dense}]\n",
        "fusor_schema: 1\nprotocol: none\n"
        "fields: [{name: a, type: categorical, key: true}]\n",
        "fusor_schema: 1\nprotocol: none\nn_folds: -3\nfields: []\n",
        "fusor_schema: 1\nprotocol: none\nseed: x\nfields: []\n",
    };
    struct schema *t = mem_alloc(1, sizeof(*t));

    REQUIRE(t != NULL);
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        test_write("schema.yaml", texts[i]);
        CHECK(schema_read(test_tmpdir(), t, &err) == FUSOR_EDATA);
        CHECK(strstr(err.text, "schema.yaml") != NULL);
    }
    mem_free(t);
}

int main(void)
{
    static const struct test_case cases[] = {
        {"a schema is the same after a round", same_after_a_round},
        {"an absent folder names the cure", absent_names_the_cure},
        {"damaged text is an error that names it", damaged_text_is_an_error},
    };
    return TEST_RUN("data.schema", cases);
}
