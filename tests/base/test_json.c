/* The JSON writer, and that YAML reads what it writes. */
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "base/rng.h"
#include "base/yaml.h"

#include "harness.h"

static void write_sample(struct json *j)
{
    json_begin_object(j, NULL);
    json_string(j, "name", "a \"b\"\n");
    json_begin_array(j, "list");
    json_int(j, NULL, -5);
    json_uint(j, NULL, UINT64_MAX);
    json_begin_object(j, NULL);
    json_end_object(j);
    json_begin_array(j, NULL);
    json_end_array(j);
    json_end_array(j);
    json_bool(j, "yes", 1);
    json_raw(j, "raw", "[1,2]");
    json_end_object(j);
}

static void commas_are_its_business(void)
{
    struct json j = {0};

    write_sample(&j);
    CHECK(strcmp(j.text.s, "{\"name\":\"a \\\"b\\\"\\n\",\"list\":[-5,"
                           "18446744073709551615,{},[]],\"yes\":true,"
                           "\"raw\":[1,2]}") == 0);
    json_clear(&j);
    CHECK(j.text.s == NULL && j.level == 0);
}

static void pretty_is_indented(void)
{
    struct json j = {.pretty = 1};

    json_begin_object(&j, NULL);
    json_begin_array(&j, "a");
    json_int(&j, NULL, 1);
    json_int(&j, NULL, 2);
    json_end_array(&j);
    json_begin_object(&j, "b");
    json_end_object(&j);
    json_end_object(&j);
    CHECK(strcmp(j.text.s, "{\n  \"a\": [\n    1,\n    2\n  ],\n"
                           "  \"b\": {}\n}") == 0);
    json_clear(&j);
}

static void outer_values_are_lines(void)
{
    struct json j = {0};

    json_int(&j, NULL, 1);
    json_begin_object(&j, NULL);
    json_end_object(&j);
    json_int(&j, NULL, 2);
    CHECK(strcmp(j.text.s, "1\n{}\n2") == 0);
    json_clear(&j);
}

static void check_number(double x, const char *want)
{
    struct json j = {0};

    json_number(&j, NULL, x);
    CHECK(strcmp(j.text.s, want) == 0);
    json_clear(&j);
}

static void numbers_are_short(void)
{
    check_number(0.5, "0.5");
    check_number(0.1, "0.1");
    check_number((double)0.1f, "0.100000001");
    check_number(1.0 / 3, "0.3333333333333333");
    check_number(4294967296.0, "4294967296");
    check_number(-3, "-3");
    check_number(1e300, "1e+300");
    check_number((double)NAN, "null");
    check_number((double)-INFINITY, "null");
}

static void numbers_come_back(void)
{
    struct rng r = rng_stream(1, RNG_TEST, 0, 0);
    int wrong = 0;

    for (int i = 0; i < 5000; i++) {
        struct json j = {0};
        double x = rng_normal(&r) * 1e3;
        float f = (float)rng_normal(&r);
        char *end;

        json_number(&j, NULL, x);
        json_number(&j, NULL, (double)f);
        wrong += strtod(j.text.s, &end) != x;
        wrong += strtof(end, NULL) != f;
        json_clear(&j);
    }
    CHECK(wrong == 0);
}

static void bad_bytes_become_valid(void)
{
    struct json j = {0};

    json_string(&j, NULL, "ok \xc3\xa9 \xf0\x9f\x98\x80 \\");
    CHECK(strcmp(j.text.s, "\"ok \xc3\xa9 \xf0\x9f\x98\x80 \\\\\"") == 0);
    json_clear(&j);
    json_string(&j, NULL, "\xff|\xc3|\xed\xa0\x80|\x01|\xf5");
    CHECK(strcmp(j.text.s, "\"\xef\xbf\xbd|\xef\xbf\xbd|"
                           "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd|\\u0001|"
                           "\xef\xbf\xbd\"") == 0);
    json_clear(&j);
    json_string(&j, NULL, NULL);
    CHECK(strcmp(j.text.s, "null") == 0);
    json_clear(&j);
}

static void yaml_reads_it(void)
{
    struct json j = {0};
    struct yaml *y = NULL;
    struct yaml_node *root;

    for (int pretty = 0; pretty < 2; pretty++) {
        j.pretty = pretty;
        write_sample(&j);
        REQUIRE(!yaml_parse(j.text.s, j.text.len, "x.json", &y, NULL));
        root = yaml_root(y);
        CHECK(strcmp(yaml_get(root, "name")->text, "a \"b\"\n") == 0);
        CHECK(yaml_get(root, "list")->n == 4);
        CHECK(yaml_get(root, "raw")->kind == YAML_LIST);
        yaml_destroy(y);
        json_clear(&j);
    }
}

int main(void)
{
    static const struct test_case cases[] = {
        {"commas and quotes are the writer's business",
         commas_are_its_business},
        {"pretty output is indented", pretty_is_indented},
        {"outer values stand on lines of their own", outer_values_are_lines},
        {"numbers are as short as they can be", numbers_are_short},
        {"numbers come back the same", numbers_come_back},
        {"bytes that are no UTF-8 become valid", bad_bytes_become_valid},
        {"the YAML reader reads it", yaml_reads_it},
    };

    return TEST_RUN("base.json", cases);
}
