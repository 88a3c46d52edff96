#include "harness.h"

#include <stdio.h>
#include <string.h>

#include "base/fs.h"
#include "base/mem.h"
#include "data/part.h"

static struct fusor_error err;

static const char *path_of(const char *name)
{
    static char path[FS_PATH_MAX];

    return fs_join(path, test_tmpdir(), name);
}

#define N_ROWS 40000u /* several pieces of every wide column */

static const struct column_spec specs[] = {
    {"x", COLUMN_F32, 3, 0},     {"fold", COLUMN_U8, 1, 0},
    {"user", COLUMN_U32, 1, 0},  {"hashed", COLUMN_U64, 1, 0},
    {"time", COLUMN_I64, 1, 0},  {"tags", COLUMN_LIST, 1, 1},
    {"words", COLUMN_LIST, 1, 0}};

/* Row r has r % 5 tags and no words when r is odd. */
static enum fusor_status write_rows(const char *path, uint32_t n)
{
    struct part_writer *w;

    FUSOR_TRY(part_create(path, specs, 7, &w, &err));
    for (uint32_t r = 0; r < n; r++) {
        float x[3] = {(float)r, 0.5f, -(float)r};
        uint8_t fold = (uint8_t)(r % 7);
        uint64_t hashed = (uint64_t)r << 40;
        int64_t time = -(int64_t)r;
        uint32_t list[4] = {r, r + 1, r + 2, r + 3};
        float weights[4] = {1, 2, 3, 4};

        part_add(w, 0, x, 1, &err);
        part_add(w, 1, &fold, 1, &err);
        part_add(w, 2, &r, 1, &err);
        part_add(w, 3, &hashed, 1, &err);
        part_add(w, 4, &time, 1, &err);
        part_add_list(w, 5, list, weights, r % 5, &err);
        if (part_add_list(w, 6, list, NULL, r % 2 ? 0 : 4, &err) != FUSOR_OK)
            break;
    }
    return part_finish(w, &err);
}

static void written_is_read_back(void)
{
    const char *path = path_of("rows.part");
    const struct column_view *tags, *x;
    struct part *p;
    int wrong = 0;

    REQUIRE(write_rows(path, N_ROWS) == FUSOR_OK);
    REQUIRE(part_open(path, &p, &err) == FUSOR_OK);
    CHECK(part_rows(p) == N_ROWS);
    CHECK(part_columns(p) == 7);
    tags = part_find(p, "tags");
    x = part_column(p, 0);
    REQUIRE(tags && tags->weights && x->f32);
    CHECK(!part_find(p, "words")->weights);
    CHECK(!part_find(p, "absent"));
    for (uint32_t r = 0; r < N_ROWS; r++) {
        uint64_t at = tags->u64[r];

        wrong += x->f32[3 * r + 2] != -(float)r;
        wrong += part_find(p, "fold")->u8[r] != r % 7;
        wrong += part_find(p, "user")->u32[r] != r;
        wrong += part_find(p, "hashed")->u64[r] != (uint64_t)r << 40;
        wrong += part_find(p, "time")->i64[r] != -(int64_t)r;
        wrong += tags->u64[r + 1] - at != r % 5;
        wrong += r % 5 == 4 && tags->u32[at + 3] != r + 3;
        wrong += r % 5 == 4 && tags->weights[at + 3] != 4;
    }
    CHECK(wrong == 0);
    part_close(p);
}

static void no_rows_is_a_part(void)
{
    const char *path = path_of("empty.part");
    struct part *p;

    REQUIRE(write_rows(path, 0) == FUSOR_OK);
    REQUIRE(part_open(path, &p, &err) == FUSOR_OK);
    CHECK(part_rows(p) == 0);
    CHECK(part_find(p, "tags")->u64[0] == 0);
    part_close(p);
}

static void nothing_is_left_beside(void)
{
    struct part_writer *w;
    struct fs_list list;
    char dir[FS_PATH_MAX], path[FS_PATH_MAX];

    fs_join(dir, test_tmpdir(), "alone");
    REQUIRE(fs_mkdirs(dir, &err) == FUSOR_OK);
    REQUIRE(write_rows(fs_join(path, dir, "a.part"), N_ROWS) == FUSOR_OK);
    REQUIRE(part_create(fs_join(path, dir, "b.part"), specs, 7, &w, &err) ==
            FUSOR_OK);
    part_abandon(w);
    REQUIRE(fs_list_dir(dir, &list, &err) == FUSOR_OK);
    CHECK(list.n == 1 && !strcmp(list.names[0], "a.part"));
    fs_list_clear(&list);
}

static void unequal_columns_are_refused(void)
{
    const char *path = path_of("unequal.part");
    struct part_writer *w;
    uint32_t v = 1;

    REQUIRE(part_create(path, specs + 2, 2, &w, &err) == FUSOR_OK);
    REQUIRE(part_add(w, 0, &v, 1, &err) == FUSOR_OK);
    CHECK(part_finish(w, &err) == FUSOR_EINVAL);
    CHECK(strstr(err.text, "hashed") != NULL);
    CHECK(!fs_exists(path));
}

static void bad_columns_are_refused(void)
{
    struct column_spec wide = {"u", COLUMN_U32, 2, 0};
    struct column_spec nameless = {"", COLUMN_U32, 1, 0};
    struct part_writer *w;
    float x = 0;

    CHECK(part_create(path_of("c"), &wide, 1, &w, &err) == FUSOR_EINVAL);
    CHECK(part_create(path_of("c"), &nameless, 1, &w, &err) == FUSOR_EINVAL);
    REQUIRE(part_create(path_of("c"), specs, 7, &w, &err) == FUSOR_OK);
    CHECK(part_add(w, 5, &x, 1, &err) == FUSOR_EINVAL);
    CHECK(part_add(w, 7, &x, 1, &err) == FUSOR_EINVAL);
    CHECK(part_add_list(w, 0, NULL, NULL, 0, &err) == FUSOR_EINVAL);
    CHECK(part_add_list(w, 5, (const uint32_t[]){1}, NULL, 1, &err) ==
          FUSOR_EINVAL);
    part_abandon(w);
}

static void no_memory_is_an_error(void)
{
    const char *path = path_of("memory.part");
    size_t before = mem_used();

    for (long n = 1; n < 30; n++) {
        enum fusor_status rc;
        struct part *p = NULL;

        mem_fail_after(n);
        rc = write_rows(path, 3);
        mem_fail_after(0);
        CHECK(rc == FUSOR_OK || rc == FUSOR_ENOMEM || rc == FUSOR_EINVAL);
        CHECK(mem_used() == before);
        if (rc != FUSOR_OK)
            continue;
        mem_fail_after(n);
        rc = part_open(path, &p, &err);
        mem_fail_after(0);
        CHECK(rc == FUSOR_OK || rc == FUSOR_ENOMEM);
        if (rc == FUSOR_OK)
            part_close(p);
    }
}

static enum fusor_status open_bytes(const char *bytes, size_t n)
{
    const char *path = path_of("damaged.part");
    FILE *f = fopen(path, "wb"); // no fsync: there are thousands of them
    enum fusor_status rc;
    struct part *p;

    REQUIRE(f && fwrite(bytes, 1, n, f) == n && fclose(f) == 0);
    rc = part_open(path, &p, &err);
    if (rc == FUSOR_OK)
        part_close(p);
    else
        CHECK(strstr(err.text, "damaged.part") != NULL);
    return rc;
}

static void any_flipped_byte_is_found(void)
{
    const char *path = path_of("small.part");
    char *bytes;
    size_t n;

    REQUIRE(write_rows(path, 5) == FUSOR_OK);
    REQUIRE(fs_read(path, 1 << 20, &bytes, &n, &err) == FUSOR_OK);
    CHECK(open_bytes(bytes, n) == FUSOR_OK);
    for (size_t i = 0; i < n; i++) {
        bytes[i] ^= 0x10;
        if (open_bytes(bytes, n) != FUSOR_EDATA) {
            printf("byte %zu of %zu\n", i, n);
            CHECK(0);
        }
        bytes[i] ^= 0x10;
    }
    mem_free(bytes);
}

static void any_truncation_is_found(void)
{
    const char *path = path_of("small.part");
    char *bytes;
    size_t n;

    REQUIRE(write_rows(path, 5) == FUSOR_OK);
    REQUIRE(fs_read(path, 1 << 20, &bytes, &n, &err) == FUSOR_OK);
    for (size_t i = 0; i < n; i += 13)
        CHECK(open_bytes(bytes, i) == FUSOR_EDATA);
    mem_free(bytes);
    CHECK(part_open(path_of("absent.part"), &(struct part *){0}, &err) ==
          FUSOR_EIO);
}

int main(void)
{
    static const struct test_case cases[] = {
        {"what was written is read back", written_is_read_back},
        {"a part without rows is a part", no_rows_is_a_part},
        {"a writer leaves nothing beside its part", nothing_is_left_beside},
        {"columns of unequal length are refused", unequal_columns_are_refused},
        {"columns that cannot be are refused", bad_columns_are_refused},
        {"no memory is an error and no leak", no_memory_is_an_error},
        {"any flipped byte is found", any_flipped_byte_is_found},
        {"any truncation is found", any_truncation_is_found},
    };
    return TEST_RUN("data.part", cases);
}
