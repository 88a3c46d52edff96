/* Records of several processes, to files and back. */
#include "train/shares.h"

#include <stdio.h>
#include <string.h>

#include "base/fs.h"
#include "base/mem.h"
#include "harness.h"

static struct shares files = {.folder = "found",
                              .suffix = ".test",
                              .magic = "fusorTST",
                              .what = "things",
                              .job = 7,
                              .shape = {2, 3},
                              .entry = 4};

struct collector {
    struct shares_sink sink;
    char text[64];
};

static enum fusor_status take(struct shares_sink *self, const char *path,
                              const char *record, struct fusor_error *err)
{
    struct collector *c = (struct collector *)(void *)self;

    if (!strncmp(record, "bad!", 4))
        return fusor_fail(err, FUSOR_EDATA, "%s: a bad record", path);
    strncat(c->text, record, 4);
    return FUSOR_OK;
}

static enum fusor_status read_all(uint32_t number, char text[64],
                                  struct fusor_error *err)
{
    struct collector c = {.sink = {take}};
    enum fusor_status rc =
        shares_read(&files, test_tmpdir(), number, &c.sink, err);

    snprintf(text, 64, "%s", c.text);
    return rc;
}

static void put(uint32_t number, uint32_t first, const char *a, const char *b)
{
    struct strbuf parts[2] = {{0}};
    const struct strbuf *list[2] = {&parts[0], &parts[1]};

    strbuf_add(&parts[0], a);
    strbuf_add(&parts[1], b);
    REQUIRE(shares_write(&files, test_tmpdir(), number, first, list, 2, NULL) ==
            FUSOR_OK);
    strbuf_clear(&parts[0]);
    strbuf_clear(&parts[1]);
}

static void what_was_written_is_read(void)
{
    char text[64], path[FS_PATH_MAX];

    REQUIRE(shares_clear(&files, test_tmpdir(), 1, NULL) == FUSOR_OK);
    put(1, 0, "onesTWOs", "last");
    put(1, 12, "more", "");
    put(2, 0, "else", "");
    REQUIRE(read_all(1, text, NULL) == FUSOR_OK);
    CHECK(strcmp(text, "onesTWOslastmore") == 0);
    REQUIRE(read_all(SHARES_ALL, text, NULL) == FUSOR_OK);
    CHECK(strcmp(text, "onesTWOslastmoreelse") == 0);
    test_write("found/01-note.txt", "no file of theirs");
    REQUIRE(read_all(1, text, NULL) == FUSOR_OK);
    REQUIRE(shares_clear(&files, test_tmpdir(), 1, NULL) == FUSOR_OK);
    CHECK(!fs_exists(fs_join(path, test_tmpdir(), "found/01-00012.test")));
    REQUIRE(read_all(SHARES_ALL, text, NULL) == FUSOR_OK);
    CHECK(strcmp(text, "else") == 0);
}

static void refuse(const char *why)
{
    struct fusor_error err = {0};
    char text[64];

    CHECK(read_all(3, text, &err) == FUSOR_EDATA);
    CHECK(strstr(err.text, "03-00000.test") != NULL);
    CHECK(strstr(err.text, why) != NULL);
}

static void other_files_are_refused_by_name(void)
{
    struct fusor_error err = {0};
    char path[FS_PATH_MAX], *data, text[64];
    size_t size;

    put(3, 0, "ones", "bad!");
    refuse("a bad record");
    put(3, 0, "ones", "twos");
    files.job = 8;
    refuse("things of another job");
    files.job = 7;
    files.shape[1] = 4;
    refuse("things of another job");
    files.shape[1] = 3;
    files.magic = "fusorELS";
    refuse("no things that this program reads");
    files.magic = "fusorTST";
    fs_join(path, test_tmpdir(), "found/03-00000.test");
    REQUIRE(fs_read(path, 4096, &data, &size, NULL) == FUSOR_OK);
    CHECK(size == 40 + 8 + 8);
    REQUIRE(fs_write_atomic(path, data, 20, NULL) == FUSOR_OK);
    refuse("cut short at 20 bytes");
    REQUIRE(fs_write_atomic(path, data, size - 4, NULL) == FUSOR_OK);
    refuse("damaged");
    data[42] ^= 1;
    REQUIRE(fs_write_atomic(path, data, size, NULL) == FUSOR_OK);
    refuse("damaged");
    mem_free(data);
    files.folder = "nowhere";
    CHECK(read_all(3, text, &err) == FUSOR_EIO);
    files.folder = "found";
}

int main(void)
{
    static const struct test_case cases[] = {
        {"what was written is read", what_was_written_is_read},
        {"other files are refused by name", other_files_are_refused_by_name},
    };

    return TEST_RUN("train.shares", cases);
}
