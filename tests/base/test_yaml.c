/* From text to a tree, and what is refused. */
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "base/yaml.h"

#include "harness.h"

static struct yaml *parse(const char *text, struct fusor_error *err)
{
    struct yaml *y = NULL;

    if (yaml_parse(text, strlen(text), "job.yaml", &y, err))
        return NULL;
    return y;
}

/* Does text fail with this error? */
static int fails(const char *text, const char *want)
{
    struct fusor_error err = {0};
    size_t before = mem_used();
    struct yaml *y = parse(text, &err);

    if (y || err.status != FUSOR_EUSAGE || mem_used() != before ||
        strcmp(err.text, want)) {
        fprintf(stderr, "got \"%s\"\n", err.text);
        yaml_destroy(y);
        return 0;
    }
    return 1;
}

static void a_job_becomes_a_tree(void)
{
    struct yaml *y = parse("name: demo # comment\n"
                           "train:\n"
                           "  lr: 0.1\n"
                           "  towers: [a, 'b c', {k: v}]\n"
                           "text: |\n"
                           "  one\n"
                           "  two\n",
                           NULL);
    struct yaml_node *root, *lr, *towers;

    REQUIRE(y != NULL);
    root = yaml_root(y);
    CHECK(root->kind == YAML_MAP && root->n == 3);
    CHECK(strcmp(root->keys[1], "train") == 0);
    lr = yaml_path(root, "train.lr");
    REQUIRE(lr != NULL);
    CHECK(strcmp(lr->text, "0.1") == 0 && !lr->quoted && lr->used);
    CHECK(strcmp(lr->file, "job.yaml") == 0 && lr->line == 3);
    CHECK(lr->column == 7 && lr->key_line == 3 && lr->key_column == 3);
    towers = yaml_path(root, "train.towers");
    REQUIRE(towers->kind == YAML_LIST && towers->n == 3);
    CHECK(towers->items[1]->quoted && towers->items[1]->column == 15);
    CHECK(strcmp(yaml_get(towers->items[2], "k")->text, "v") == 0);
    CHECK(strcmp(yaml_get(root, "text")->text, "one\ntwo\n") == 0);
    yaml_destroy(y);
}

static void nothing_is_an_empty_map(void)
{
    static const char *const texts[] = {"", "\n", "# only a comment\n"};

    for (int i = 0; i < 3; i++) {
        struct yaml *y = parse(texts[i], NULL);

        REQUIRE(y != NULL);
        CHECK(yaml_root(y)->kind == YAML_MAP && yaml_root(y)->n == 0);
        yaml_destroy(y);
    }
}

static void json_is_yaml(void)
{
    struct yaml *y = parse("{\"a\":[1,-2.5e3,true,null],\n\t\"b\":"
                           "{\"c\":\"x\\n\\u00e9\\/\"}}",
                           NULL);
    struct yaml_node *a;

    REQUIRE(y != NULL);
    a = yaml_get(yaml_root(y), "a");
    REQUIRE(a && a->n == 4);
    CHECK(strcmp(a->items[1]->text, "-2.5e3") == 0);
    CHECK(!strcmp(yaml_path(yaml_root(y), "b.c")->text, "x\n\xc3\xa9/"));
    yaml_destroy(y);
}

static void aliases_are_copies(void)
{
    struct yaml *y = parse("base: &b {lr: 1, l: [1, 2]}\na: *b\nc: *b\n", NULL);
    struct yaml_node *a, *c;

    REQUIRE(y != NULL);
    a = yaml_path(yaml_root(y), "a.lr");
    c = yaml_path(yaml_root(y), "c");
    REQUIRE(a && c);
    CHECK(a->used && !c->items[0]->used && c->items[1]->n == 2);
    CHECK(c->key_line == 3 && c->line == 1);
    yaml_destroy(y);
}

static void syntax_errors_have_a_place(void)
{
    CHECK(fails("a: b: c\n", "job.yaml:1:5: not YAML: mapping values are not "
                             "allowed in this context"));
    CHECK(fails("a: [1, 2\n", "job.yaml:2:1: not YAML: did not find expected "
                              "',' or ']' while parsing a flow sequence"));
    CHECK(fails("b: 1\na: \"\xff\"\n",
                "job.yaml:2:5: not YAML: invalid leading UTF-8 octet"));
}

static void oddities_are_refused(void)
{
    CHECK(fails("a: 1\nb: 2\na: 3\n", "job.yaml:3:1: \"a\" is given twice: "
                                      "first at line 1, column 1"));
    CHECK(fails("a: !!str 1\n", "job.yaml:1:4: the tag tag:yaml.org,2002:str: "
                                "tags are not read; remove it"));
    CHECK(fails("a: !x [1]\n",
                "job.yaml:1:4: the tag !x: tags are not read; remove it"));
    CHECK(fails("a: 1\n---\nb: 2\n",
                "job.yaml:2:1: a second document begins; only one is read"));
    CHECK(fails("a: *b\n", "job.yaml:1:4: *b: no such anchor before it"));
    CHECK(fails("a: &b [*b]\n", "job.yaml:1:8: *b: no such anchor before it"));
    CHECK(fails("? [x]\n: 1\n", "job.yaml:1:3: a key must be a word"));
    CHECK(
        fails("a: \"x\\0y\"\n", "job.yaml:1:4: a text with a zero byte in it"));
}

static void depth_is_bounded(void)
{
    struct strbuf b = {0};
    struct yaml *y;

    for (int i = 0; i < 63; i++)
        strbuf_add(&b, "[");
    strbuf_add(&b, "1");
    for (int i = 0; i < 63; i++)
        strbuf_add(&b, "]");
    y = parse(b.s, NULL);
    CHECK(y != NULL);
    yaml_destroy(y);
    strbuf_clear(&b);
    for (int i = 0; i < 100000; i++)
        strbuf_add(&b, "[");
    CHECK(fails(b.s, "job.yaml:1:65: nested deeper than 64 levels"));
    strbuf_clear(&b);
}

static void alias_depth_is_bounded(void)
{
    struct fusor_error err = {0};
    struct strbuf b = {0};
    struct yaml *y;

    strbuf_add(&b, "a0: &a0 [x]\n");
    for (int i = 1; i < 70; i++)
        strbuf_addf(&b, "a%d: &a%d [*a%d]\n", i, i, i - 1);
    y = parse(b.s, &err);
    CHECK(y == NULL && strstr(err.text, "nested deeper than 64") != NULL);
    yaml_destroy(y);
    strbuf_clear(&b);
}

/* Nine aliases a level for nine levels: 4e8 values if written out. */
static void a_billion_laughs_cost_an_error(void)
{
    size_t before = mem_used();
    struct fusor_error err = {0};
    struct strbuf b = {0};
    struct yaml *y;

    strbuf_add(&b, "a0: &a0 [x, x, x, x, x, x, x, x, x]\n");
    for (int i = 1; i < 9; i++) {
        strbuf_addf(&b, "a%d: &a%d [", i, i);
        for (int k = 0; k < 9; k++)
            strbuf_addf(&b, "%s*a%d", k ? "," : "", i - 1);
        strbuf_add(&b, "]\n");
    }
    y = parse(b.s, &err);
    CHECK(y == NULL && err.status == FUSOR_EDATA);
    CHECK(strstr(err.text, "more than 1000000 values") != NULL);
    yaml_destroy(y);
    strbuf_clear(&b);
    CHECK(mem_used() == before);
}

static void anchors_are_bounded(void)
{
    struct fusor_error err = {0};
    struct strbuf b = {0};
    struct yaml *y;

    for (int i = 0; i < 1001; i++)
        strbuf_addf(&b, "- &a%d x\n", i);
    y = parse(b.s, &err);
    CHECK(y == NULL && strstr(err.text, ":1001:3: more than 1000 anchors"));
    yaml_destroy(y);
    strbuf_clear(&b);
}

static void many_keys_are_checked_fast(void)
{
    struct strbuf b = {0};
    struct yaml *y;

    for (int i = 0; i < 20000; i++)
        strbuf_addf(&b, "k%d: %d\n", 20000 - i, i);
    y = parse(b.s, NULL);
    REQUIRE(y != NULL);
    CHECK(yaml_root(y)->n == 20000);
    CHECK(strcmp(yaml_root(y)->keys[0], "k20000") == 0);
    yaml_destroy(y);
    strbuf_add(&b, "k7: again\n");
    CHECK(fails(b.s, "job.yaml:20001:1: \"k7\" is given twice: first at line "
                     "19994, column 1"));
    strbuf_clear(&b);
}

static void lost_memory_leaves_nothing(void)
{
    static const char text[] = "a: &x [1, {b: c}]\nd: *x\n";
    size_t before = mem_used();
    long n = 0;
    enum fusor_status rc;
    struct yaml *y = NULL;

    do {
        mem_fail_after(++n);
        rc = yaml_parse(text, sizeof(text) - 1, "j", &y, NULL);
        mem_fail_after(0);
        CHECK(rc == FUSOR_OK || (rc == FUSOR_ENOMEM && mem_used() == before));
    } while (rc == FUSOR_ENOMEM && n < 100);
    CHECK(rc == FUSOR_OK && n > 5);
    yaml_destroy(y);
    yaml_destroy(NULL);
    CHECK(mem_used() == before);
}

static void files_are_read(void)
{
    const char *path = test_write("job.yaml", "a: 1\nb: [\n");
    struct fusor_error err = {0};
    struct yaml *y = NULL;

    CHECK(yaml_read(path, &y, &err) == FUSOR_EUSAGE && y == NULL);
    CHECK(strncmp(err.text, path, strlen(path)) == 0);
    CHECK(strncmp(err.text + strlen(path), ":3:1: ", 6) == 0);
    path = test_write("ok.yaml", "a: 1\n");
    REQUIRE(yaml_read(path, &y, &err) == FUSOR_OK);
    CHECK(strcmp(yaml_get(yaml_root(y), "a")->file, path) == 0);
    yaml_destroy(y);
    CHECK(yaml_read("/no/such/job.yaml", &y, &err) == FUSOR_EIO);
}

int main(void)
{
    static const struct test_case cases[] = {
        {"a job becomes a tree that knows its places", a_job_becomes_a_tree},
        {"an empty file is an empty map", nothing_is_an_empty_map},
        {"JSON is read too", json_is_yaml},
        {"aliases are copies of their own", aliases_are_copies},
        {"a syntax error has a place", syntax_errors_have_a_place},
        {"tags, documents, repeats and odd keys are refused",
         oddities_are_refused},
        {"depth is bounded", depth_is_bounded},
        {"depth through aliases is bounded", alias_depth_is_bounded},
        {"a billion laughs cost an error", a_billion_laughs_cost_an_error},
        {"the number of anchors is bounded", anchors_are_bounded},
        {"many keys are checked for repeats fast", many_keys_are_checked_fast},
        {"lost memory leaves nothing behind", lost_memory_leaves_nothing},
        {"files are read and named in errors", files_are_read},
    };

    return TEST_RUN("base.yaml", cases);
}
