#include "harness.h"

#include <stdio.h>
#include <string.h>

#include "base/fs.h"
#include "base/mem.h"
#include "base/str.h"
#include "data/input.h"

static struct fusor_error err;

/* "one,1\ntwo,2\n" as gzip -9 and zstd -3 pack it. */
static const unsigned char gz[] = {
    0x1f, 0x8b, 0x08, 0x00, 0x00, 0x00, 0x00, 0x00, 0x02, 0x03, 0xcb,
    0xcf, 0x4b, 0xd5, 0x31, 0xe4, 0x2a, 0x29, 0xcf, 0xd7, 0x31, 0xe2,
    0x02, 0x00, 0xb0, 0xac, 0x5b, 0x19, 0x0c, 0x00, 0x00, 0x00};
static const unsigned char zst[] = {0x28, 0xb5, 0x2f, 0xfd, 0x24, 0x0c, 0x61,
                                    0x00, 0x00, 0x6f, 0x6e, 0x65, 0x2c, 0x31,
                                    0x0a, 0x74, 0x77, 0x6f, 0x2c, 0x32, 0x0a,
                                    0x82, 0x02, 0x42, 0x2f};

static const char *write_bytes(const char *name, const void *p, size_t n)
{
    static char path[FS_PATH_MAX];

    fs_join(path, test_tmpdir(), name);
    REQUIRE(fs_write_atomic(path, p, n, &err) == FUSOR_OK);
    return path;
}

/* All lines joined by '|'. @return status of the last call */
static enum fusor_status lines_of(const char *path, char *out, size_t size,
                                  uint64_t *n_lines)
{
    struct input_line line;
    struct input *in;
    enum fusor_status rc = input_open(path, &in, &err);
    size_t at = 0;
    int end = 0;

    out[0] = '\0';
    *n_lines = 0;
    if (rc != FUSOR_OK)
        return rc;
    for (;;) {
        rc = input_next_line(in, &line, &end, &err);
        if (rc != FUSOR_OK || end)
            break;
        at += (size_t)snprintf(out + at, size - at, "%s|", line.text);
        *n_lines = line.number;
    }
    input_close(in);
    return rc;
}

static void lines_lose_their_ends(void)
{
    char got[256];
    uint64_t n;

    CHECK(!lines_of(test_write("a", "\xef\xbb\xbfone\r\n\r\ntwo\nlast"), got,
                    sizeof(got), &n));
    CHECK(!strcmp(got, "one||two|last|") && n == 4);
    CHECK(!lines_of(test_write("b", "one\n"), got, sizeof(got), &n));
    CHECK(!strcmp(got, "one|") && n == 1);
    CHECK(!lines_of(test_write("c", ""), got, sizeof(got), &n));
    CHECK(!strcmp(got, "") && n == 0);
    CHECK(!lines_of(test_write("d", "\n"), got, sizeof(got), &n));
    CHECK(!strcmp(got, "|") && n == 1);
}

static void packed_files_read_like_plain_ones(void)
{
    unsigned char two[sizeof(gz) * 2];
    char got[256];
    uint64_t n;

#ifdef FUSOR_HAVE_ZLIB
    CHECK(!lines_of(write_bytes("plain-name", gz, sizeof(gz)), got, sizeof(got),
                    &n));
    CHECK(!strcmp(got, "one,1|two,2|") && n == 2);
    memcpy(two, gz, sizeof(gz));
    memcpy(two + sizeof(gz), gz, sizeof(gz));
    CHECK(!lines_of(write_bytes("two.gz", two, sizeof(two)), got, sizeof(got),
                    &n));
    CHECK(!strcmp(got, "one,1|two,2|one,1|two,2|"));
#endif
#ifdef FUSOR_HAVE_ZSTD
    CHECK(!lines_of(write_bytes("x", zst, sizeof(zst)), got, sizeof(got), &n));
    CHECK(!strcmp(got, "one,1|two,2|"));
    memcpy(two, zst, sizeof(zst));
    memcpy(two + sizeof(zst), zst, sizeof(zst));
    CHECK(!lines_of(write_bytes("x", two, 2 * sizeof(zst)), got, sizeof(got),
                    &n));
    CHECK(!strcmp(got, "one,1|two,2|one,1|two,2|"));
#endif
}

/* Every cut behind the magic is an error that names the file. */
static void check_cuts(const unsigned char *p, size_t size, const char *what)
{
    char got[256];
    uint64_t n;

    for (size_t cut = 5; cut < size; cut++) {
        CHECK(lines_of(write_bytes("cut", p, cut), got, sizeof(got), &n) ==
              FUSOR_EDATA);
        CHECK(strstr(err.text, "cut") && strstr(err.text, what));
    }
}

static void truncated_packing_is_an_error(void)
{
#ifdef FUSOR_HAVE_ZLIB
    check_cuts(gz, sizeof(gz), "gzip");
#endif
#ifdef FUSOR_HAVE_ZSTD
    check_cuts(zst, sizeof(zst), "zstd");
#endif
}

static void damaged_packing_is_an_error(void)
{
    unsigned char bytes[sizeof(gz)];
    char got[256];
    uint64_t n;

#ifdef FUSOR_HAVE_ZLIB
    for (size_t i = 10; i < sizeof(gz); i++) { // data and its checksum
        memcpy(bytes, gz, sizeof(gz));
        bytes[i] ^= 0x55;
        CHECK(lines_of(write_bytes("bad", bytes, sizeof(gz)), got, sizeof(got),
                       &n) == FUSOR_EDATA);
    }
#endif
    memcpy(bytes, zst, sizeof(zst));
    bytes[12] ^= 0x55;
#ifdef FUSOR_HAVE_ZSTD
    CHECK(lines_of(write_bytes("bad", bytes, sizeof(zst)), got, sizeof(got),
                   &n) == FUSOR_EDATA);
#endif
}

static void lines_are_bounded(void)
{
    size_t size = INPUT_LINE_MAX + 4;
    char *long_line = mem_alloc_raw(size, 1);
    struct input_line line;
    struct input *in;
    const char *path;
    int end;

    REQUIRE(long_line != NULL);
    memset(long_line, 'x', size);
    long_line[INPUT_LINE_MAX] = '\n'; // the longest that may be
    path = write_bytes("long", long_line, size);
    REQUIRE(input_open(path, &in, &err) == FUSOR_OK);
    CHECK(input_next_line(in, &line, &end, &err) == FUSOR_OK && !end);
    CHECK(line.n == INPUT_LINE_MAX);
    CHECK(input_next_line(in, &line, &end, &err) == FUSOR_OK);
    CHECK(line.n == 3);
    input_close(in);
    long_line[INPUT_LINE_MAX] = 'x';
    path = write_bytes("long", long_line, size);
    REQUIRE(input_open(path, &in, &err) == FUSOR_OK);
    CHECK(input_next_line(in, &line, &end, &err) == FUSOR_EDATA);
    CHECK(strstr(err.text, "long:1:") != NULL);
    input_close(in);
    mem_free(long_line);
}

static void many_lines_cross_the_window(void)
{
    struct strbuf text = {0};
    struct input_line line;
    struct input *in;
    int end = 0, wrong = 0;

    for (int i = 0; i < 300000; i++)
        strbuf_addf(&text, "%d\n", i);
    REQUIRE(input_open(write_bytes("many", text.s, text.len), &in, &err) ==
            FUSOR_OK);
    for (int i = 0;; i++) {
        char want[16];

        REQUIRE(input_next_line(in, &line, &end, &err) == FUSOR_OK);
        if (end) {
            CHECK(i == 300000);
            break;
        }
        snprintf(want, sizeof(want), "%d", i);
        wrong += strcmp(want, line.text) != 0;
    }
    CHECK(wrong == 0);
    input_close(in);
    strbuf_clear(&text);
}

static void whole_lines_come_in_blocks(void)
{
    struct strbuf text = {0};
    struct input_line line;
    struct input *in;
    char *to = mem_alloc_raw(INPUT_LINES_ROOM, 1);
    size_t got, at = 0;
    int end;

    REQUIRE(to != NULL);
    strbuf_add(&text, "\xef\xbb\xbfname\n");
    for (int i = 0; i < 200000; i++)
        strbuf_addf(&text, "%d\n%s", i, i == 777 ? "\n" : "");
    for (size_t i = 0; i < INPUT_LINE_MAX - 10; i++)
        strbuf_add_n(&text, "l", 1);
    strbuf_add(&text, "\nlast");
    REQUIRE(input_open(write_bytes("b", text.s, text.len), &in, &err) ==
            FUSOR_OK);
    REQUIRE(input_next_line(in, &line, &end, &err) == FUSOR_OK);
    CHECK(!strcmp(line.text, "name") && input_lines_given(in) == 1);
    for (at = 8;; at += got) {
        REQUIRE(input_read_lines(in, to, &got, &err) == FUSOR_OK);
        if (got == 0)
            break;
        REQUIRE(at + got <= text.len && !memcmp(to, text.s + at, got));
        CHECK(to[got - 1] == '\n' || at + got == text.len);
    }
    CHECK(at == text.len);
    input_close(in);
    text.len = 0;
    for (size_t i = 0; i < INPUT_LINE_MAX + 100; i++)
        strbuf_add_n(&text, "l", 1);
    strbuf_add(&text, "\nlast");
    REQUIRE(input_open(write_bytes("b", text.s, text.len), &in, &err) ==
            FUSOR_OK);
    CHECK(input_read_lines(in, to, &got, &err) == FUSOR_EDATA);
    CHECK(strstr(err.text, "longer") != NULL);
    input_close(in);
    strbuf_clear(&text);
    mem_free(to);
}

static void absent_files_and_folders_are_errors(void)
{
    struct input *in;

    CHECK(input_open("/nonexistent/x", &in, &err) == FUSOR_EIO);
    CHECK(strstr(err.text, "/nonexistent/x") != NULL);
    CHECK(input_open(test_tmpdir(), &in, &err) == FUSOR_EIO);
    input_close(NULL);
}

int main(void)
{
    static const struct test_case cases[] = {
        {"lines lose their ends and the byte order mark",
         lines_lose_their_ends},
        {"packed files read like plain ones, whatever their name",
         packed_files_read_like_plain_ones},
        {"truncated packing is an error", truncated_packing_is_an_error},
        {"damaged packing is an error", damaged_packing_is_an_error},
        {"lines are bounded", lines_are_bounded},
        {"many lines cross the window", many_lines_cross_the_window},
        {"whole lines come in blocks", whole_lines_come_in_blocks},
        {"absent files and folders are errors",
         absent_files_and_folders_are_errors},
    };
    return TEST_RUN("data.input", cases);
}
