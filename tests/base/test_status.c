/* Status codes and the growing error line. */
#include <string.h>

#include "fusor/status.h"

#include "harness.h"

static void fail_records(void)
{
    struct fusor_error err = {0};

    CHECK(fusor_fail(&err, FUSOR_EIO, "%s: line %d", "a.txt", 7) == FUSOR_EIO);
    CHECK(err.status == FUSOR_EIO);
    CHECK(strcmp(err.text, "a.txt: line 7") == 0);
}

static void null_error_is_fine(void)
{
    CHECK(fusor_fail(NULL, FUSOR_EDATA, "x") == FUSOR_EDATA);
    CHECK(fusor_wrap(NULL, FUSOR_EDATA, "x") == FUSOR_EDATA);
}

static void wrap_reads_outermost_first(void)
{
    struct fusor_error err = {0};

    fusor_fail(&err, FUSOR_EIO, "cause");
    CHECK(fusor_wrap(&err, FUSOR_EIO, "step %d", 3) == FUSOR_EIO);
    fusor_wrap(&err, FUSOR_EIO, "train");
    CHECK(strcmp(err.text, "train: step 3: cause") == 0);
}

static void wrap_of_ok_changes_nothing(void)
{
    struct fusor_error err = {0};

    CHECK(fusor_wrap(&err, FUSOR_OK, "train") == FUSOR_OK);
    CHECK(err.text[0] == '\0');
}

static void long_text_is_cut(void)
{
    struct fusor_error err = {0};
    char text[600];

    memset(text, 'x', sizeof(text) - 1);
    text[sizeof(text) - 1] = '\0';
    fusor_fail(&err, FUSOR_EIO, "%s", text);
    CHECK(strlen(err.text) == sizeof(err.text) - 1);
    fusor_wrap(&err, FUSOR_EIO, "ctx");
    CHECK(strncmp(err.text, "ctx: xxx", 8) == 0);
    CHECK(strlen(err.text) < sizeof(err.text));
    fusor_wrap(&err, FUSOR_EIO, "%s", text);
    CHECK(strlen(err.text) == sizeof(err.text) - 1);
}

static void every_status_has_words_and_a_code(void)
{
    static const struct {
        enum fusor_status status;
        int code;
    } want[] = {
        {FUSOR_OK, 0},    {FUSOR_EUSAGE, 2},   {FUSOR_EDATA, 3},
        {FUSOR_EIO, 4},   {FUSOR_ECLUSTER, 5}, {FUSOR_EDIVERGED, 6},
        {FUSOR_ELOST, 7}, {FUSOR_ERESUME, 75},
    };

    for (size_t i = 0; i < sizeof(want) / sizeof(want[0]); i++) {
        CHECK(fusor_exit_code(want[i].status) == want[i].code);
        CHECK(strlen(fusor_status_text(want[i].status)) > 0);
    }
    CHECK(strcmp(fusor_status_text((enum fusor_status)999), "unknown status") ==
          0);
    CHECK(fusor_exit_code((enum fusor_status)999) != 0);
}

int main(void)
{
    static const struct test_case cases[] = {
        {"a failure records status and text", fail_records},
        {"nobody needs to want the error", null_error_is_fine},
        {"context reads from the outermost to the cause",
         wrap_reads_outermost_first},
        {"wrapping success changes nothing", wrap_of_ok_changes_nothing},
        {"a text that is too long is cut, not overrun", long_text_is_cut},
        {"every status has words and an exit code",
         every_status_has_words_and_a_code},
    };

    return TEST_RUN("base.status", cases);
}
