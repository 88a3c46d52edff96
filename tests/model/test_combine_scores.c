/* Score files: what is read, what is refused with its place, and joins. */
#include "harness.h"

#include <string.h>

#include "base/mem.h"
#include "base/str.h"
#include "model/combine/scores.h"

static struct score_table parse(const char *name, const char *text)
{
    struct score_table t = {0};
    struct fusor_error err;

    REQUIRE(score_table_parse(name, text, strlen(text), &t, &err) == FUSOR_OK);
    return t;
}

static void three_kinds_are_read(void)
{
    struct score_table pairs = parse("p", "u\ti\t.5\r\nu\tj\t-2e1");
    struct score_table rows = parse("r", "7\t1\nx y\t2\n");
    struct score_table lines = parse("l", "1\n2\n3");

    CHECK(pairs.n_fields == 3 && pairs.n == 2);
    CHECK(pairs.rows[0].score == .5 && pairs.rows[1].score == -20);
    CHECK(pairs.rows[0].key_len == 3 && pairs.rows[0].user_len == 1);
    CHECK(rows.n_fields == 2 && rows.n == 2 && rows.rows[1].key_len == 3);
    CHECK(lines.n_fields == 1 && lines.n == 3 && lines.rows[2].score == 3);
    score_table_clear(&pairs);
    score_table_clear(&rows);
    score_table_clear(&lines);
}

static void faults_are_named_with_their_place(void)
{
    static const struct {
        const char *text, *answer;
    } wrong[] = {
        {"", "f: no scores"},
        {"1\nx\n", "f:2: \"x\" is not a finite"},
        {"a\t1\n\na\t2\n", "f:2: fields"},
        {"a\t1\nb\t2\t3\n", "f:2: fields"},
        {"a\tb\tc\t4\n", "f:1: fields"},
        {"a\tnan\n", "f:1: \"nan\""},
        {"a\t1e999\n", "not a finite"},
        {"a\t\n", "f:1: \"\""},
        {"u\ti\t1\nu\tj\t1\nu\ti\t2\n", "f:3: \"u\ti\" has a score already, in "
                                        "line 1"},
    };

    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        struct score_table t = {0};
        struct fusor_error err = {0};

        CHECK(score_table_parse("f", wrong[i].text, strlen(wrong[i].text), &t,
                                &err) == FUSOR_EDATA);
        CHECK(strstr(err.text, wrong[i].answer) != NULL);
        CHECK(t.rows == NULL);
    }
}

static void files_are_joined_by_key(void)
{
    struct score_table t[2] = {parse("a", "u\ti\t1\nu\tj\t2\nv\ti\t3\n"),
                               parse("b", "v\ti\t30\nu\ti\t10\nu\tj\t20\n")};
    struct score_table want = parse("w", "v\ti\t1\nu\tj\t0\n");
    struct score_join j;

    REQUIRE(scores_join(t, 2, NULL, SCORE_MISSING_ERROR, &j, NULL) == FUSOR_OK);
    CHECK(j.n == 3 && j.m == 2 && j.n_queries == 2);
    CHECK(j.scores[0] == 1 && j.scores[1] == 10);
    CHECK(j.scores[4] == 3 && j.scores[5] == 30);
    CHECK(j.query[0] == 0 && j.query[1] == 0 && j.query[2] == 1);
    score_join_clear(&j);
    REQUIRE(scores_join(t, 2, &want, SCORE_MISSING_ERROR, &j, NULL) ==
            FUSOR_OK);
    CHECK(j.n == 2 && j.rows[0].score == 1);
    CHECK(j.scores[0] == 3 && j.scores[1] == 30 && j.scores[3] == 20);
    score_join_clear(&j);
    score_table_clear(&t[0]);
    score_table_clear(&t[1]);
    score_table_clear(&want);
}

static void missing_pairs_are_errors_zeros_or_drops(void)
{
    struct score_table t[2] = {parse("a", "u\ti\t1\nu\tj\t2\n"),
                               parse("b", "u\tj\t20\n")};
    struct score_table one[2] = {parse("a", "u\ti\t1\n"),
                                 parse("b", "u\tj\t20\n")};
    struct score_join j;
    struct fusor_error err;

    CHECK(scores_join(t, 2, NULL, SCORE_MISSING_ERROR, &j, &err) ==
          FUSOR_EDATA);
    CHECK(strstr(err.text, "b has no score for (u, i), which is at a:1") !=
          NULL);
    CHECK(scores_join(t, 2, &t[0], SCORE_MISSING_ERROR, &j, &err) ==
          FUSOR_EDATA);
    REQUIRE(scores_join(t, 2, NULL, SCORE_MISSING_ZERO, &j, &err) == FUSOR_OK);
    CHECK(j.m == 2 && j.scores[1] == 0 && j.n_missing[1] == 1);
    score_join_clear(&j);
    REQUIRE(scores_join(t, 2, NULL, SCORE_MISSING_DROP, &j, &err) == FUSOR_OK);
    CHECK(j.m == 1 && j.tower[0] == 0 && j.n == 2 && j.scores[1] == 2);
    score_join_clear(&j);
    CHECK(scores_join(one, 2, NULL, SCORE_MISSING_DROP, &j, &err) ==
          FUSOR_EDATA);
    for (int i = 0; i < 2; i++) {
        score_table_clear(&t[i]);
        score_table_clear(&one[i]);
    }
}

static void lines_are_joined_by_place(void)
{
    struct score_table t[2] = {parse("a", "1\n2\n"), parse("b", "3\n4\n5\n")};
    struct score_table keyed = parse("k", "1\t2\n");
    struct score_join j;
    struct fusor_error err;

    CHECK(scores_join(t, 2, NULL, SCORE_MISSING_ERROR, &j, &err) ==
          FUSOR_EDATA);
    CHECK(strstr(err.text, "a has no score for line 3, which is at b:3") !=
          NULL);
    REQUIRE(scores_join(t, 2, &t[0], SCORE_MISSING_ERROR, &j, &err) ==
            FUSOR_OK);
    CHECK(j.n == 2 && j.scores[3] == 4 && j.query == NULL);
    score_join_clear(&j);
    CHECK(scores_join(t, 2, &keyed, SCORE_MISSING_ERROR, &j, &err) ==
          FUSOR_EDATA);
    CHECK(strstr(err.text, "k has 2 fields") != NULL);
    CHECK(scores_join(t, 0, NULL, SCORE_MISSING_ERROR, &j, &err) ==
          FUSOR_EINVAL);
    score_table_clear(&t[0]);
    score_table_clear(&t[1]);
    score_table_clear(&keyed);
}

static void ways_to_treat_missing_are_read(void)
{
    enum score_missing m;
    struct fusor_error err;

    CHECK(score_missing_parse("drop_tower", &m, NULL) == FUSOR_OK);
    CHECK(m == SCORE_MISSING_DROP);
    CHECK(score_missing_parse("drop_towr", &m, &err) == FUSOR_EUSAGE);
    CHECK(strstr(err.text, "did you mean drop_tower") != NULL);
}

static void many_keys_and_little_memory(void)
{
    size_t before = mem_used();
    struct strbuf text = {0};
    struct score_table t = {0};
    struct score_join j = {0};
    long n = 1;

    for (int i = 0; i < 3000; i++)
        strbuf_addf(&text, "user%d\titem%d\t%d\n", i % 50, i, i);
    before = mem_used();
    for (;; n++) {
        enum fusor_status rc;

        mem_fail_after(n);
        rc = score_table_parse("t", text.s, text.len, &t, NULL);
        if (rc == FUSOR_OK)
            rc = scores_join(&t, 1, NULL, SCORE_MISSING_ERROR, &j, NULL);
        mem_fail_after(0);
        if (rc == FUSOR_OK)
            break;
        score_table_clear(&t);
        CHECK(rc == FUSOR_ENOMEM && mem_used() == before);
        REQUIRE(n < 100);
    }
    CHECK(j.n == 3000 && j.n_queries == 50 && j.scores[2999] == 2999);
    score_join_clear(&j);
    score_table_clear(&t);
    CHECK(mem_used() == before);
    strbuf_clear(&text);
}

int main(void)
{
    static const struct test_case cases[] = {
        {"three kinds are read", three_kinds_are_read},
        {"faults are named with their place",
         faults_are_named_with_their_place},
        {"files are joined by key", files_are_joined_by_key},
        {"missing pairs are errors, zeros or drops",
         missing_pairs_are_errors_zeros_or_drops},
        {"lines are joined by place", lines_are_joined_by_place},
        {"ways to treat missing pairs are read",
         ways_to_treat_missing_are_read},
        {"many keys and little memory", many_keys_and_little_memory},
    };

    return TEST_RUN("model.combine_scores", cases);
}
