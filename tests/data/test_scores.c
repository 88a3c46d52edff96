/* Score files: pairs and rows, with and without names of columns, and what is
 * wrong with them. */
#include "data/scores.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/fs.h"
#include "base/mem.h"
#include "harness.h"

static struct vocab *users, *items;
static char path[FS_PATH_MAX];

static struct vocab *make_vocab(const char *prefix, uint32_t n)
{
    struct vocab *v = vocab_create(NULL);
    char text[32];

    REQUIRE(v != NULL);
    for (uint32_t i = 1; i <= n; i++) {
        snprintf(text, sizeof(text), "%s%u", prefix, i);
        vocab_add(v, text, strlen(text));
    }
    return v;
}

static enum fusor_status read_text(const char *text,
                                   const struct scores_source *more,
                                   struct scores **out, struct fusor_error *err)
{
    struct scores_source s = {.n_rows = 10};

    if (more)
        s = *more;
    if (!users) {
        users = make_vocab("u", 300);
        items = make_vocab("i", 300);
    }
    s.path = fs_join(path, test_tmpdir(), "scores.tsv");
    s.query = "who";
    s.item = "what";
    s.queries = s.n_rows == 7 ? NULL : users;
    s.items = items;
    REQUIRE(fs_write_atomic(path, text, strlen(text), NULL) == FUSOR_OK);
    *out = NULL;
    return scores_read(&s, out, err);
}

static void pairs_are_found_by_their_ids(void)
{
    static const char *const forms[] = {
        "u1\ti2\t0.5\nu3\ti1\t-2\nu9\tnobody\t1\nx\ti1\t1\n",
        "u1,i2,0.5\nu3,i1,-2\nu9,nobody,1\nx,i1,1\n",
        "user,item,score\r\nu1,\"i2\",0.5\r\nu3,i1,-2\r\nu9,nobody,1\r\n"
        "x,i1,1\r\n",
        "what\tscore\twho\ni2\t0.5\tu1\ni1\t-2\tu3\nnobody\t1\tu9\n"
        "i1\t1\tx\n",
        "row\tuser\titem\tmf\tfused\n0\tu1\ti2\t7\t0.5\n"
        "1\tu3\ti1\t7\t-2\n2\tu2\ti1\t7\t\n3\tu9\tnobody\t7\t1\n"
        "4\tx\ti1\t7\t1\n",
    };

    for (size_t k = 0; k < sizeof(forms) / sizeof(forms[0]); k++) {
        struct fusor_error err = {0};
        struct scores *s;

        if (read_text(forms[k], NULL, &s, &err) != FUSOR_OK)
            fprintf(stderr, "form %zu: %s\n", k, err.text);
        REQUIRE(s != NULL);
        CHECK(!scores_by_row(s));
        CHECK(scores_count(s) == 2 && scores_unknown(s) == 2);
        CHECK(scores_of_pair(s, 1, 2) == 0.5f);
        CHECK(scores_of_pair(s, 3, 1) == -2);
        CHECK(isnan(scores_of_pair(s, 2, 1)) && isnan(scores_of_pair(s, 0, 1)));
        CHECK(isnan(scores_of_pair(s, UINT32_MAX, 1)));
        CHECK(isnan(scores_of_row(s, 0)));
        scores_destroy(s);
    }
}

static void a_column_can_be_named(void)
{
    struct scores_source named = {.n_rows = 10, .column = "mf"};
    struct fusor_error err;
    struct scores *s;

    REQUIRE(read_text("row\tuser\titem\tmf\tfused\n0\tu1\ti2\t7\t9\n", &named,
                      &s, NULL) == FUSOR_OK);
    CHECK(scores_of_pair(s, 1, 2) == 7);
    scores_destroy(s);
    CHECK(read_text("user,item,score\nu1,i2,7\n", &named, &s, &err) ==
          FUSOR_EUSAGE);
    CHECK(strstr(err.text, "no column \"mf\"") != NULL);
}

static void rows_are_found_by_number(void)
{
    static const char *const forms[] = {"0\t1.5\n9\t-1\n4\t0\n",
                                        "row,score\n0,1.5\n9,-1\n4,0\n3,\n"};

    for (size_t k = 0; k < 2; k++) {
        struct scores *s;

        REQUIRE(read_text(forms[k], NULL, &s, NULL) == FUSOR_OK);
        CHECK(scores_by_row(s) && scores_count(s) == 3);
        CHECK(scores_of_row(s, 0) == 1.5f && scores_of_row(s, 9) == -1);
        CHECK(scores_of_row(s, 4) == 0 && isnan(scores_of_row(s, 3)));
        CHECK(isnan(scores_of_row(s, 10)) && isnan(scores_of_pair(s, 1, 1)));
        scores_destroy(s);
    }
}

/* sigmoid(score) is the probability again. */
static void probabilities_become_logits(void)
{
    struct scores_source p = {.n_rows = 10, .probabilities = 1};
    struct fusor_error err;
    struct scores *s;

    REQUIRE(read_text("0\t0.25\n1\t1\n2\t0\n", &p, &s, NULL) == FUSOR_OK);
    CHECK_CLOSE(scores_of_row(s, 0), -1.0986122886681098, 1e-6); // -log 3
    CHECK(scores_of_row(s, 1) > 13 && isfinite(scores_of_row(s, 1)));
    CHECK(scores_of_row(s, 2) < -13 && isfinite(scores_of_row(s, 2)));
    scores_destroy(s);
    CHECK(read_text("0\t1.25\n", &p, &s, &err) == FUSOR_EDATA);
    CHECK(strstr(err.text, "not a probability") != NULL);
}

static void many_pairs_are_kept_apart(void)
{
    struct strbuf text = {0};
    struct scores *s;

    for (int u = 1; u <= 300; u++)
        for (int i = 1; i <= 40; i++)
            strbuf_addf(&text, "u%d\ti%d\t%d\n", u, 7 * i, 1000 * u + i);
    REQUIRE(read_text(text.s, NULL, &s, NULL) == FUSOR_OK);
    strbuf_clear(&text);
    CHECK(scores_count(s) == 12000);
    for (uint32_t u = 1; u <= 300; u++)
        for (uint32_t i = 1; i <= 40; i++)
            CHECK(scores_of_pair(s, u, 7 * i) == (float)(1000 * u + i));
    CHECK(isnan(scores_of_pair(s, 5, 8)));
    scores_destroy(s);
}

static void what_is_wrong_is_said_with_its_line(void)
{
    static const char *const wrong[][2] = {
        {"u1\ti1\t1\nu1\ti2\tnan\n", ":2: \"nan\" is not a finite number"},
        {"u1\ti1\tinf\n", "not a finite number"},
        {"u1\ti1\t1\nu1\ti2\t1e39\n", "not a finite number"},
        {"u1\ti1\t1\nu2\ti1\t1\nu1\ti1\t2\n",
         ":3: who \"u1\" and what \"i1\" have a score already"},
        {"0\t1\n0\t2\n", ":2: row 0 has a score already"},
        {"0\t1\n10\t2\n", ":2: row \"10\", but the part has rows 0 to 9"},
        {"0\t1\nx\t2\n", ":2: row \"x\""},
        {"0\t1\n1.5\t2\n", ":2: row \"1.5\""},
        {"u1\ti1\t1\nu1\ti2\n", ":2"},
        {"u1\ti1\t1\t2\n", "4 cells"},
        {"nobody\ti1\t1\n", "no score in it is of a user"},
        {"user,item,score\n", "no score in it"},
        {"user,score\nu1,2\n", "no columns user and item"},
        {"", "empty"},
    };

    for (size_t k = 0; k < sizeof(wrong) / sizeof(wrong[0]); k++) {
        struct fusor_error err = {0};
        struct scores *s;
        enum fusor_status rc = read_text(wrong[k][0], NULL, &s, &err);

        if (rc == FUSOR_OK || !strstr(err.text, wrong[k][1]))
            fprintf(stderr, "%zu: %s\n", k, err.text);
        CHECK(rc == FUSOR_EDATA || rc == FUSOR_EUSAGE);
        CHECK(strstr(err.text, wrong[k][1]) != NULL);
        CHECK(s == NULL);
    }
}

static void pairs_need_names(void)
{
    struct scores_source unnamed = {.n_rows = 7}; // read_text() leaves them out
    struct fusor_error err;
    struct scores *s;

    CHECK(read_text("u1\ti1\t1\n", &unnamed, &s, &err) == FUSOR_EUSAGE);
    CHECK(strstr(err.text, "key them by row") != NULL);
    REQUIRE(read_text("row\tuser\titem\tscore\n6\tu1\ti1\t1\n", &unnamed, &s,
                      NULL) == FUSOR_OK);
    CHECK(scores_of_row(s, 6) == 1);
    scores_destroy(s);
}

static void every_failed_allocation_is_an_error(void)
{
    struct strbuf text = {0};
    struct scores *s;
    size_t used;

    for (int i = 1; i <= 300; i++)
        for (int u = 1; u < 4; u++)
            strbuf_addf(&text, "u%d\ti%d\t1\n", u, i);
    REQUIRE(read_text(text.s, NULL, &s, NULL) == FUSOR_OK);
    scores_destroy(s);
    used = mem_used();
    for (long k = 1;; k++) {
        enum fusor_status rc;
        struct scores_source source = {.path = path,
                                       .query = "user",
                                       .item = "item",
                                       .queries = users,
                                       .items = items};

        mem_fail_after(k);
        rc = scores_read(&source, &s, NULL);
        mem_fail_after(0);
        if (rc == FUSOR_OK)
            break;
        CHECK(rc == FUSOR_ENOMEM);
        CHECK(mem_used() == used);
    }
    scores_destroy(s);
    strbuf_clear(&text);
}

int main(void)
{
    static const struct test_case cases[] = {
        {"pairs are found by their ids", pairs_are_found_by_their_ids},
        {"a column can be named", a_column_can_be_named},
        {"rows are found by number", rows_are_found_by_number},
        {"probabilities become logits", probabilities_become_logits},
        {"many pairs are kept apart", many_pairs_are_kept_apart},
        {"what is wrong is said with its line",
         what_is_wrong_is_said_with_its_line},
        {"pairs need names", pairs_need_names},
        {"every failed allocation is an error",
         every_failed_allocation_is_an_error},
    };

    return TEST_RUN("data.scores", cases);
}
