/* Positions, judgements and lines of metrics.jsonl. */
#include "train/journal.h"

#include <string.h>

#include "base/fs.h"
#include "base/mem.h"

#include "harness.h"

static void a_position_reads_back_bit_for_bit(void)
{
    struct course_position p = {.stage = 1,
                                .epoch = 3,
                                .clock = 1ull << 52,
                                .samples_done = 123456789012345,
                                .lr_factor = 0.1 * 0.1 * 0.1,
                                .has_best = 1,
                                .best = -0.1234567890123456789,
                                .best_epoch = 2,
                                .stop_waits = 1,
                                .plateau_waits = 4,
                                .seconds = 1.0 / 3};
    struct course_position back;
    struct strbuf text = {0};

    journal_position_json(&p, &text);
    REQUIRE(journal_position_read(text.s, &back, NULL) == FUSOR_OK);
    CHECK(back.stage == 1 && back.epoch == 3 && back.clock == p.clock);
    CHECK(back.samples_done == p.samples_done);
    CHECK(back.lr_factor == p.lr_factor && back.best == p.best);
    CHECK(back.has_best && back.best_epoch == 2 && back.stop_waits == 1);
    CHECK(back.plateau_waits == 4 && back.seconds == p.seconds);
    strbuf_clear(&text);
    p.has_best = 0;
    journal_position_json(&p, &text);
    REQUIRE(journal_position_read(text.s, &back, NULL) == FUSOR_OK);
    CHECK(!back.has_best);
    strbuf_clear(&text);
}

static void a_damaged_position_is_an_error(void)
{
    struct course_position p = {.stage = 77};
    struct fusor_error err;

    CHECK(journal_position_read("{\"stage\": 1}", &p, &err) == FUSOR_EDATA);
    CHECK(strstr(err.text, "no epoch") != NULL);
    CHECK(journal_position_read("{", &p, &err) != FUSOR_OK);
    CHECK(journal_position_read("{\"stage\": x}", &p, &err) != FUSOR_OK);
    CHECK(p.stage == 77);
}

static void a_better_value_resets_the_waits(void)
{
    struct course_position p = {.epoch = 1};

    CHECK(journal_judge(&p, NAN, 1) == 0 && p.stop_waits == 1);
    CHECK(journal_judge(&p, INFINITY, 0) == 0 && !p.has_best);
    CHECK(journal_judge(&p, 0.5, 1) == 1 && p.stop_waits == 0);
    p.epoch = 2;
    CHECK(journal_judge(&p, 0.5, 1) == 0); // equal is not better
    CHECK(journal_judge(&p, 0.4, 1) == 0);
    CHECK(p.stop_waits == 2 && p.plateau_waits == 2 && p.best_epoch == 1);
    CHECK(journal_judge(&p, 0.4, 0) == 1); // the other direction
    CHECK(p.best == 0.4 && p.best_epoch == 2 && p.plateau_waits == 0);
}

static void a_line_says_what_an_epoch_did(void)
{
    struct course_position p = {.epoch = 2, .clock = 20, .lr_factor = 0.5};
    struct epoch_result e = {
        .samples = 100,
        .loss = (int64_t)(25 * RESULT_LOSS_ONE),
        .busy_ns = 30,
        .wait_ns = 10,
        .profile = {.ns = {[PROFILE_GATHER] = 3, [PROFILE_PUSH] = 1},
                    .steps = 7}};
    struct cut_result cut = {11, 12, 13,        14,
                             15, 16, {3, 0, 2}, {.ns = {[PROFILE_IDLE] = 2}}};
    struct metric_result valid[2] = {{.name = "auc", .defined = 1, .value = 1},
                                     {.name = "gauc", .value = NAN}};
    struct journal_line line = {
        .position = &p, .epoch = &e, .seconds = 2, .cut = &cut};
    char path[FS_PATH_MAX], *text;
    const char *dir = test_tmpdir();
    size_t n;

    REQUIRE(journal_append(dir, &line, NULL) == FUSOR_OK);
    line.cut = NULL;
    line.pairwise = 1;
    line.valid = valid;
    line.n_valid = 2;
    REQUIRE(journal_append(dir, &line, NULL) == FUSOR_OK);
    REQUIRE(fs_read(fs_join(path, dir, "metrics.jsonl"), 1 << 16, &text, &n,
                    NULL) == FUSOR_OK);
    CHECK(strstr(text, "\"loss\": 0.25") || strstr(text, "\"loss\":0.25"));
    CHECK(strstr(text, "\"loss\": 0.5") || strstr(text, "\"loss\":0.5"));
    CHECK(strstr(text, "\"waiting\": 0.25") ||
          strstr(text, "\"waiting\":0.25"));
    CHECK(strstr(text, "[3, 0, 2]") || strstr(text, "[3,0,2]"));
    CHECK(strstr(text, "{\"gather\":0.75,\"push\":0.25}") ||
          strstr(text, "{\"gather\": 0.75, \"push\": 0.25}"));
    CHECK(strstr(text, "\"idle\": 1") || strstr(text, "\"idle\":1"));
    CHECK(strstr(text, "\"steps\": 7") || strstr(text, "\"steps\":7"));
    CHECK(strstr(text, "null") != NULL); // an undefined metric
    CHECK(strchr(text, '\n') + 1 < text + n && text[n - 1] == '\n');
    mem_free(text);
    CHECK(isnan(journal_mean_loss(&(struct epoch_result){0}, 0)));
    CHECK(journal_append("/dev/null/x", &line, NULL) == FUSOR_EIO);
}

static void results_are_told_in_words(void)
{
    struct metric_result r[2] = {{.name = "auc", .defined = 1, .value = 0.75},
                                 {.name = "gauc", .value = NAN}};
    struct strbuf text = {0};

    journal_results_text(r, 2, &text);
    CHECK(strcmp(text.s, "auc 0.75000  gauc undefined") == 0);
    strbuf_clear(&text);
}

int main(void)
{
    static const struct test_case cases[] = {
        {"a position reads back bit for bit",
         a_position_reads_back_bit_for_bit},
        {"a damaged position is an error", a_damaged_position_is_an_error},
        {"a better value resets the waits", a_better_value_resets_the_waits},
        {"a line says what an epoch did", a_line_says_what_an_epoch_did},
        {"results are told in words", results_are_told_in_words},
    };

    return TEST_RUN("train.journal", cases);
}
