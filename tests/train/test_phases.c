/* Shares of phases, for files and people. */
#include "train/phases.h"

#include <string.h>

#include "harness.h"

static struct profile_total some(void)
{
    struct profile_total t = {.steps = 10, .sent = 11, .received = 12};

    t.ns[PROFILE_GATHER] = 250000;
    t.ns[PROFILE_WAIT_RULE] = 700000;
    t.ns[profile_tower(PROFILE_FORWARD, 0)] = 50000;
    return t;
}

static void shares_come_largest_first(void)
{
    struct profile_total t = some();
    struct json j = {0};

    json_begin_object(&j, NULL);
    phases_json(&j, "profile", NULL, &t);
    json_end_object(&j);
    CHECK(strstr(j.text.s, "\"wait for staleness\"") <
          strstr(j.text.s, "\"gather\""));
    CHECK(strstr(j.text.s, "0.25") != NULL);
    CHECK(strstr(j.text.s, "\"forward tower 1\"") != NULL);
    CHECK(strstr(j.text.s, "\"loss function\"") == NULL); // took no time
    json_clear(&j);
}

static void counts_stand_beside_them(void)
{
    struct profile_total t = some();
    struct json j = {0};

    json_begin_object(&j, NULL);
    phases_counts_json(&j, NULL, &t);
    json_end_object(&j);
    CHECK(strstr(j.text.s, "sent_bytes") && strstr(j.text.s, "waited_s"));
    CHECK(strstr(j.text.s, "0.0007") != NULL);
    CHECK(phases_waited_ns(&t) == 700000);
    json_clear(&j);
}

static void nothing_is_said_of_nothing(void)
{
    struct profile_total t = {.steps = 0};
    struct strbuf text = {0};
    struct json j = {0};

    json_begin_object(&j, NULL);
    phases_json(&j, "profile", NULL, &t);
    json_end_object(&j);
    CHECK(strstr(j.text.s, "profile") == NULL);
    phases_top(NULL, &t, 5, &text);
    CHECK(text.len == 0);
    json_clear(&j);
    strbuf_clear(&text);
}

static void people_get_a_line_and_a_table(void)
{
    struct profile_total t = some();
    struct strbuf text = {0};

    phases_top(NULL, &t, 2, &text);
    CHECK(strcmp(text.s, "wait for staleness 70 %, gather 25 %") == 0);
    strbuf_clear(&text);
    phases_table(NULL, &t, &text);
    CHECK(strstr(text.s, "us a step") && strstr(text.s, "forward tower 1"));
    CHECK(strstr(text.s, "70.0") && strstr(text.s, "25.0"));
    strbuf_clear(&text);
}

int main(void)
{
    static const struct test_case cases[] = {
        {"shares come largest first", shares_come_largest_first},
        {"counts stand beside them", counts_stand_beside_them},
        {"nothing is said of nothing", nothing_is_said_of_nothing},
        {"people get a line and a table", people_get_a_line_and_a_table},
    };

    return TEST_RUN("train.phases", cases);
}
