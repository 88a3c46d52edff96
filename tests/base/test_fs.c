/* Reading, appending, exact reads and writes. */
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "base/fs.h"
#include "base/mem.h"

#include "harness.h"

static void parts_are_joined(void)
{
    char out[FS_PATH_MAX], big[FS_PATH_MAX];

    CHECK(strcmp(fs_join(out, "a", "b"), "a/b") == 0);
    CHECK(strcmp(fs_join(out, "a/", "b"), "a/b") == 0);
    CHECK(strcmp(fs_join(out, "a", "/b"), "/b") == 0);
    CHECK(strcmp(fs_join(out, "", "b"), "b") == 0);
    CHECK(strcmp(fs_join(out, "a", ""), "a") == 0);
    memset(big, 'x', sizeof(big) - 1);
    big[sizeof(big) - 1] = '\0';
    CHECK(strcmp(fs_join(out, "a", big), "") == 0);
}

static void a_file_is_read_whole(void)
{
    const char *path = test_write("a.txt", "hello\n");
    char *data = NULL;
    size_t n = 0;

    REQUIRE(fs_read(path, 6, &data, &n, NULL) == FUSOR_OK);
    CHECK(n == 6 && strcmp(data, "hello\n") == 0);
    mem_free(data);
    CHECK(fs_size(path) == 6 && fs_exists(path) && !fs_is_dir(path));
    CHECK(fs_is_dir(test_tmpdir()));
}

static void an_empty_file_is_fine(void)
{
    char *data = NULL;
    size_t n = 1;

    REQUIRE(!fs_read(test_write("e.txt", ""), 10, &data, &n, NULL));
    CHECK(n == 0 && data[0] == '\0');
    mem_free(data);
}

static void reading_fails_with_the_path(void)
{
    const char *path = test_write("b.txt", "hello\n");
    size_t before = mem_used(), n = 42;
    struct fusor_error err = {0};
    char *data = NULL, none[FS_PATH_MAX];

    CHECK(fs_read(path, 5, &data, &n, &err) == FUSOR_EDATA);
    CHECK(strstr(err.text, path) && strstr(err.text, "6 bytes"));
    fs_join(none, test_tmpdir(), "none");
    CHECK(fs_read(none, 5, &data, &n, &err) == FUSOR_EIO);
    CHECK(strstr(err.text, none) && strstr(err.text, "No such file"));
    CHECK(fs_read(test_tmpdir(), 5, &data, &n, &err) == FUSOR_EIO);
    mem_fail_after(1);
    CHECK(fs_read(path, 50, &data, &n, &err) == FUSOR_ENOMEM);
    CHECK(data == NULL && n == 42 && mem_used() == before);
    CHECK(fs_size(none) == -1 && !fs_exists(none) && !fs_is_dir(none));
}

static void a_file_without_size_is_read(void)
{
    char *data = NULL;
    size_t n = 0;

    REQUIRE(!fs_read("/proc/self/comm", 100, &data, &n, NULL) && n > 0);
    mem_free(data);
    REQUIRE(!fs_read("/proc/self/maps", 1 << 24, &data, &n, NULL));
    CHECK(strlen(data) == n);
    mem_free(data);
    CHECK(fs_read("/dev/zero", 10000, &data, &n, NULL) == FUSOR_EDATA);
}

static void appends_add_up(void)
{
    char path[FS_PATH_MAX], *data = NULL;
    struct fusor_error err = {0};
    size_t n;

    fs_join(path, test_tmpdir(), "log");
    CHECK(fs_append(path, "one\n", 4, NULL) == FUSOR_OK);
    CHECK(fs_append(path, "two\n", 4, NULL) == FUSOR_OK);
    REQUIRE(fs_read(path, 100, &data, &n, NULL) == FUSOR_OK);
    CHECK(strcmp(data, "one\ntwo\n") == 0);
    mem_free(data);
    CHECK(fs_append(test_tmpdir(), "x", 1, &err) == FUSOR_EIO);
    CHECK(strstr(err.text, test_tmpdir()) != NULL);
}

static void offsets_are_exact(void)
{
    char path[FS_PATH_MAX], back[6] = "";
    struct fusor_error err = {0};
    int fd;

    fs_join(path, test_tmpdir(), "raw");
    fd = open(path, O_RDWR | O_CREAT, 0600);
    REQUIRE(fd >= 0);
    CHECK(fs_pwrite(fd, "hello", 5, 3, path, NULL) == FUSOR_OK);
    CHECK(fs_pread(fd, back, 5, 3, path, NULL) == FUSOR_OK);
    CHECK(strcmp(back, "hello") == 0 && fs_size(path) == 8);
    CHECK(fs_pread(fd, back, 5, 6, path, &err) == FUSOR_EDATA);
    CHECK(strstr(err.text, "ends at byte 8, 3 more expected") != NULL);
    close(fd);
    CHECK(fs_pread(-1, back, 5, 0, path, &err) == FUSOR_EIO);
    CHECK(fs_pwrite(-1, back, 5, 0, path, &err) == FUSOR_EIO);
    CHECK(strstr(err.text, path) != NULL);
}

int main(void)
{
    static const struct test_case cases[] = {
        {"parts of a path are joined", parts_are_joined},
        {"a file is read whole", a_file_is_read_whole},
        {"an empty file is fine", an_empty_file_is_fine},
        {"a failed read names path and cause", reading_fails_with_the_path},
        {"a file that tells no size is read", a_file_without_size_is_read},
        {"appends add up", appends_add_up},
        {"reads and writes at an offset are exact", offsets_are_exact},
    };

    return TEST_RUN("base.fs", cases);
}
