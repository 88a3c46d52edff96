/* Finding, setting and reading values of a tree. */
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "base/yaml.h"

#include "harness.h"

static struct yaml *parse(const char *text)
{
    struct yaml *y = NULL;

    REQUIRE(!yaml_parse(text, strlen(text), "job.yaml", &y, NULL));
    return y;
}

static const char *text_at(struct yaml *y, const char *path)
{
    struct yaml_node *n = yaml_path(yaml_root(y), path);

    return n && n->kind == YAML_SCALAR ? n->text : "(none)";
}

static void paths_are_walked(void)
{
    struct yaml *y = parse("a: {b: {c: 1}, bb: 2}\n");

    CHECK(strcmp(text_at(y, "a.b.c"), "1") == 0);
    CHECK(strcmp(text_at(y, "a.bb"), "2") == 0);
    CHECK(yaml_path(yaml_root(y), "a.b.d") == NULL);
    CHECK(yaml_path(yaml_root(y), "a.bb.c") == NULL);
    CHECK(yaml_path(yaml_root(y), "a.") == NULL);
    CHECK(yaml_get(NULL, "a") == NULL);
    CHECK(yaml_get(yaml_path(yaml_root(y), "a.bb"), "x") == NULL);
    yaml_destroy(y);
}

static void set_replaces_and_makes(void)
{
    struct yaml *y = parse("a: 1\nn:\n");
    struct yaml_node *n;

    CHECK(!yaml_set(y, "a", "2", "--set", NULL));
    CHECK(!yaml_set(y, "b.c.d", "[1, {e: f}]", "--set", NULL));
    CHECK(!yaml_set(y, "b.c.g", "", "FUSOR_B_C_G", NULL));
    CHECK(!yaml_set(y, "n.x", "'q'", "--set", NULL));
    CHECK(strcmp(text_at(y, "a"), "2") == 0);
    n = yaml_path(yaml_root(y), "b.c.d");
    REQUIRE(n && n->kind == YAML_LIST && n->n == 2);
    CHECK(n->line == 0 && strcmp(n->file, "--set") == 0);
    CHECK(strcmp(text_at(y, "b.c.g"), "") == 0);
    CHECK(strcmp(text_at(y, "n.x"), "q") == 0);
    CHECK(yaml_root(y)->n == 3);
    yaml_destroy(y);
}

static void set_reaches_items_of_lists(void)
{
    struct yaml *y = parse("s: [{a: 1}, {b: 2}, 3]\n");
    struct yaml_node *list;

    CHECK(!yaml_set(y, "s.1.b", "4", "--set", NULL));
    CHECK(!yaml_set(y, "s.0.c.d", "5", "--set", NULL));
    CHECK(!yaml_set(y, "s.2", "[6]", "--set", NULL));
    list = yaml_path(yaml_root(y), "s");
    REQUIRE(list && list->kind == YAML_LIST && list->n == 3);
    CHECK(strcmp(yaml_get(list->items[1], "b")->text, "4") == 0);
    CHECK(strcmp(yaml_get(list->items[0], "a")->text, "1") == 0);
    CHECK(strcmp(yaml_path(list->items[0], "c.d")->text, "5") == 0);
    CHECK(list->items[2]->kind == YAML_LIST);
    yaml_destroy(y);
}

/* Does setting fail with this text and change nothing? */
static int refused(struct yaml *y, const char *path, const char *value,
                   const char *want)
{
    struct fusor_error err = {0};
    size_t n = yaml_root(y)->n;

    if (yaml_set(y, path, value, "--set", &err) != FUSOR_EUSAGE)
        return 0;
    if (strcmp(err.text, want)) {
        fprintf(stderr, "got \"%s\"\n", err.text);
        return 0;
    }
    return yaml_root(y)->n == n;
}

static void wrong_sets_are_refused(void)
{
    struct yaml *y = parse("a: 1\nl: [1]\n");

    CHECK(refused(y, "a.b", "1",
                  "--set: cannot set a.b: job.yaml:1:4 is no map"));
    CHECK(refused(y, "l.0.b", "1",
                  "--set: cannot set l.0.b: job.yaml:2:5 is no map"));
    CHECK(refused(y, "l.1", "1",
                  "--set: cannot set l.1: the list at job.yaml:2:4 has 1 "
                  "items, numbered from 0"));
    CHECK(refused(y, "l.x.y", "1",
                  "--set: cannot set l.x.y: the list at job.yaml:2:4 has 1 "
                  "items, numbered from 0"));
    CHECK(refused(y, "", "1", "--set: \"\" is no setting; write a.b=value"));
    CHECK(refused(y, "a..b", "1",
                  "--set: \"a..b\" is no setting; write a.b=value"));
    CHECK(
        refused(y, "b.", "1", "--set: \"b.\" is no setting; write a.b=value"));
    CHECK(refused(y, "x", "{a: 1, a: 2}", "--set: \"a\" is given twice"));
    CHECK(refused(y, "x.y", "[1",
                  "--set: not YAML: did not find expected ',' or ']' while "
                  "parsing a flow sequence"));
    CHECK(strcmp(text_at(y, "a"), "1") == 0);
    yaml_destroy(y);
}

static void lost_memory_changes_nothing(void)
{
    char big[20000];
    struct yaml *y = parse("a: 1\n");
    enum fusor_status rc;
    long n = 0;

    memset(big, 'x', sizeof(big) - 1); // more than a chunk, so it must allocate
    big[sizeof(big) - 1] = '\0';
    do {
        mem_fail_after(++n);
        rc = yaml_set(y, "b.c", big, "--set", NULL);
        mem_fail_after(0);
        CHECK(yaml_root(y)->n == (rc == FUSOR_OK ? 2u : 1u));
    } while (rc == FUSOR_ENOMEM && n < 50);
    CHECK(rc == FUSOR_OK && n > 1);
    yaml_destroy(y);
}

static void errors_say_where(void)
{
    struct yaml_node at = {.file = "job.yaml", .line = 12, .column = 3};
    struct fusor_error err = {0};

    CHECK(yaml_fail(&at, &err, "bad %d", 5) == FUSOR_EUSAGE);
    CHECK(strcmp(err.text, "job.yaml:12:3: bad 5") == 0);
    at.key_line = 11;
    at.key_column = 1;
    yaml_fail_key(&at, &err, "x");
    CHECK(strcmp(err.text, "job.yaml:11:1: x") == 0);
    at.line = 0;
    at.file = "FUSOR_LR";
    yaml_fail(&at, &err, "x");
    CHECK(strcmp(err.text, "FUSOR_LR: x") == 0);
    yaml_fail(NULL, &err, "x");
    CHECK(strcmp(err.text, "x") == 0);
    CHECK(yaml_fail(&at, NULL, "x") == FUSOR_EUSAGE);
}

static void scalars_have_types(void)
{
    struct yaml *y = parse("t: some text\nd: 1e-3\ni: -5\ns: 2M\nb: Yes\n"
                           "f: off\nq: '12'\n");
    struct yaml_node *r = yaml_root(y);
    const char *t = NULL;
    uint64_t s = 0;
    int64_t i = 0;
    double d = 0;
    int b = 0, f = 1;

    CHECK(!yaml_to_text(yaml_get(r, "t"), &t, NULL) && !strcmp(t, "some text"));
    CHECK(!yaml_to_double(yaml_get(r, "d"), &d, NULL) && d == 1e-3);
    CHECK(!yaml_to_i64(yaml_get(r, "i"), &i, NULL) && i == -5);
    CHECK(!yaml_to_size(yaml_get(r, "s"), &s, NULL) && s == 2000000);
    CHECK(!yaml_to_bool(yaml_get(r, "b"), &b, NULL) && b == 1);
    CHECK(!yaml_to_bool(yaml_get(r, "f"), &f, NULL) && f == 0);
    CHECK(!yaml_to_text(yaml_get(r, "q"), &t, NULL) && !strcmp(t, "12"));
    yaml_destroy(y);
}

static void wrong_types_say_what_stands_there(void)
{
    struct yaml *y = parse("w: word\nq: '12'\nl: [1]\nm: {}\nn:\n");
    struct yaml_node *r = yaml_root(y);
    struct fusor_error err = {0};
    double d = 7;
    int64_t i = 7;
    uint64_t s = 7;
    int b = 7;
    const char *t = "kept";

    CHECK(yaml_to_double(yaml_get(r, "w"), &d, &err) == FUSOR_EUSAGE);
    CHECK(!strcmp(err.text, "job.yaml:1:4: expected a number, found \"word\""));
    CHECK(yaml_to_i64(yaml_get(r, "q"), &i, &err) == FUSOR_EUSAGE);
    CHECK(!strcmp(err.text, "job.yaml:2:4: expected a whole number, found the "
                            "text \"12\""));
    CHECK(yaml_to_size(yaml_get(r, "l"), &s, &err) == FUSOR_EUSAGE);
    CHECK(!strcmp(err.text, "job.yaml:3:4: expected a count such as 4096, 2M "
                            "or 24GiB, found a list"));
    CHECK(yaml_to_bool(yaml_get(r, "m"), &b, &err) == FUSOR_EUSAGE);
    CHECK(
        !strcmp(err.text, "job.yaml:4:4: expected true or false, found a map"));
    CHECK(yaml_to_text(yaml_get(r, "n"), &t, &err) == FUSOR_EUSAGE);
    CHECK(strstr(err.text, "expected a text, found nothing") != NULL);
    CHECK(d == 7 && i == 7 && s == 7 && b == 7 && !strcmp(t, "kept"));
    yaml_destroy(y);
}

int main(void)
{
    static const struct test_case cases[] = {
        {"a dotted path is walked", paths_are_walked},
        {"setting replaces and makes maps on the way", set_replaces_and_makes},
        {"set reaches items of lists", set_reaches_items_of_lists},
        {"a wrong setting is refused and changes nothing",
         wrong_sets_are_refused},
        {"lost memory changes nothing", lost_memory_changes_nothing},
        {"errors say where", errors_say_where},
        {"scalars are read as types", scalars_have_types},
        {"a wrong type says what stands there",
         wrong_types_say_what_stands_there},
    };

    return TEST_RUN("base.yaml_tree", cases);
}
