/* Log lines in a file. */
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/fs.h"
#include "base/mem.h"
#define LOG_MODULE "test"
#include "base/log.h"

#include "harness.h"

static char *read_log(const char *path)
{
    char *text = NULL;
    size_t n;

    REQUIRE(fs_read(path, 1 << 20, &text, &n, NULL) == FUSOR_OK);
    return text;
}

static void lines_reach_the_file(void)
{
    const char *path = test_write("a.log", "old\n");
    int h, m, s, ms, n = 0;
    char *text;

    REQUIRE(log_open(path, NULL) == FUSOR_OK);
    log_set_role("worker 1");
    log_set_level(LOG_ERROR);
    log_info("%d units", 5);
    log_debug("never seen");
    log_close();
    log_warn("after the file");
    text = read_log(path);
    CHECK(strncmp(text, "old\n", 4) == 0);
    CHECK(sscanf(text + 4, "%2d:%2d:%2d.%3d%n", &h, &m, &s, &ms, &n) == 4);
    CHECK(strcmp(text + 4 + n, " worker 1 info test: 5 units\n") == 0);
    mem_free(text);
}

static void debug_reaches_the_file_when_asked(void)
{
    const char *path = test_write("b.log", "");
    char *text;

    REQUIRE(log_open(path, NULL) == FUSOR_OK);
    log_set_level(LOG_DEBUG);
    log_debug("seen");
    log_set_level(LOG_INFO);
    log_close();
    text = read_log(path);
    CHECK(strstr(text, " debug test: seen\n") != NULL);
    mem_free(text);
}

static void a_long_line_is_cut(void)
{
    const char *path = test_write("c.log", "");
    char big[3000], *text;

    memset(big, 'x', sizeof(big) - 1);
    big[sizeof(big) - 1] = '\0';
    REQUIRE(log_open(path, NULL) == FUSOR_OK);
    log_set_level(LOG_ERROR);
    log_set_role(big);
    log_info("%s", big);
    log_set_level(LOG_INFO);
    log_close();
    text = read_log(path);
    CHECK(strlen(text) > 900 && strlen(text) <= 1024);
    CHECK(strchr(text, '\n') == text + strlen(text) - 1);
    mem_free(text);
}

static void a_person_is_spared_the_time(void)
{
    const char *path = test_write("d.log", "");
    char terminal[FS_PATH_MAX], *text;
    int before = dup(STDERR_FILENO), fd;

    fs_join(terminal, test_tmpdir(), "terminal");
    fd = open(terminal, O_WRONLY | O_CREAT | O_TRUNC, 0600);
    REQUIRE(before >= 0 && fd >= 0 && log_open(path, NULL) == FUSOR_OK);
    log_set_role("coordinator");
    log_set_plain("fusor");
    dup2(fd, STDERR_FILENO);
    log_error("disk %d is full", 3);
    log_debug("never seen");
    dup2(before, STDERR_FILENO);
    log_set_plain(NULL);
    log_close();
    close(before);
    close(fd);
    text = read_log(terminal);
    CHECK(strcmp(text, "fusor: disk 3 is full\n") == 0);
    mem_free(text);
    text = read_log(path);
    CHECK(strstr(text, " coordinator error test: disk 3 is full\n") != NULL);
    mem_free(text);
}

static void a_bad_path_is_an_error(void)
{
    struct fusor_error err = {0};
    char path[FS_PATH_MAX];

    fs_join(path, test_tmpdir(), "no/such/folder/x.log");
    CHECK(log_open(path, &err) == FUSOR_EIO);
    CHECK(strstr(err.text, path) != NULL);
}

int main(void)
{
    static const struct test_case cases[] = {
        {"a line has time, role, level, module and text", lines_reach_the_file},
        {"debug lines reach the file when asked for",
         debug_reaches_the_file_when_asked},
        {"a line that is too long is cut and still ends", a_long_line_is_cut},
        {"a person is spared the time", a_person_is_spared_the_time},
        {"a file that cannot be made is an error", a_bad_path_is_an_error},
    };

    return TEST_RUN("base.log", cases);
}
