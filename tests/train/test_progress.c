/* The line on stderr, read back from a file in its place. */
#include "train/progress.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/fs.h"
#include "base/mem.h"

#include "harness.h"

/* Everything p says, as text to be freed. */
static char *said(struct progress *p, void (*talk)(struct progress *))
{
    const char *path = test_write("stderr", "");
    int old = dup(STDERR_FILENO);
    char *text = NULL;
    size_t n;

    REQUIRE(freopen(path, "w", stderr) != NULL);
    talk(p);
    fflush(stderr);
    dup2(old, STDERR_FILENO);
    close(old);
    REQUIRE(fs_read(path, 1 << 16, &text, &n, NULL) == FUSOR_OK);
    return text;
}

static void talk(struct progress *p)
{
    progress_begin(p, "stage 1 epoch 3/10", 400);
    progress_show(p, 100, 50, ""); // too early
    p->next = 0;
    progress_show(p, 0, 0, ""); // nothing done yet
    progress_show(p, 100, 50, "auc 0.7");
    progress_show(p, 200, 50, "");
    progress_end(p);
    progress_say(p, "epoch %d", 3);
}

static void a_file_gets_whole_lines(void)
{
    struct progress p;
    char *text;

    progress_init(&p, 0);
    p.terminal = 0;
    text = said(&p, talk);
    CHECK(strstr(text, "stage 1 epoch 3/10  25 %") != NULL);
    CHECK(strstr(text, "loss 0.50000  auc 0.7  ETA") != NULL);
    CHECK(strstr(text, "50 %") == NULL); // less than 30 s later
    CHECK(strchr(text, '\r') == NULL && strstr(text, "\nepoch 3\n") != NULL);
    mem_free(text);
}

static void a_terminal_gets_one_line_rewritten(void)
{
    struct progress p;
    char *text;

    progress_init(&p, 0);
    p.terminal = 1;
    text = said(&p, talk);
    CHECK(strstr(text, "\r\033[Kstage 1") != NULL);
    CHECK(strstr(text, "\r\033[Kepoch 3\n") != NULL); // taken away before it
    mem_free(text);
}

static void quiet_says_nothing(void)
{
    struct progress p;
    char *text;

    progress_init(&p, 1);
    text = said(&p, talk);
    CHECK(text[0] == '\0');
    mem_free(text);
}

int main(void)
{
    static const struct test_case cases[] = {
        {"a file gets whole lines", a_file_gets_whole_lines},
        {"a terminal gets one line rewritten",
         a_terminal_gets_one_line_rewritten},
        {"quiet says nothing", quiet_says_nothing},
    };

    return TEST_RUN("train.progress", cases);
}
