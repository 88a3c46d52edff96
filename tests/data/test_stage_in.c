#include "harness.h"

#include <string.h>

#include "data/part.h"
#include "data/stage_in.h"

static struct fusor_error err;
static char from[FS_PATH_MAX], to[FS_PATH_MAX], copy[FS_PATH_MAX];
static struct stage_in_report report;

static void put(const char *name, const char *text)
{
    char path[FS_PATH_MAX];

    REQUIRE(fs_write_atomic(fs_join(path, from, name), text, strlen(text),
                            &err) == FUSOR_OK);
}

static void put_part(float label)
{
    static const struct column_spec spec = {"label", COLUMN_F32, 1, 0};
    char path[FS_PATH_MAX];
    struct part_writer *w;

    fs_join(path, from, "train.part");
    REQUIRE(part_create(path, &spec, 1, &w, &err) == FUSOR_OK);
    REQUIRE(part_add(w, 0, &label, 1, &err) == FUSOR_OK);
    REQUIRE(part_finish(w, &err) == FUSOR_OK);
}

static void prepare(void)
{
    fs_join(from, test_tmpdir(), "parts");
    fs_join(to, test_tmpdir(), "local/disk");
    REQUIRE(fs_mkdirs(from, &err) == FUSOR_OK);
    put("schema.yaml", "version: 1\n");
    put("a.vocab", "words");
    put_part(1);
}

static float label_of_copy(void)
{
    char path[FS_PATH_MAX];
    struct part *p = NULL;
    float label;

    REQUIRE(part_open(fs_join(path, copy, "train.part"), &p, &err) == FUSOR_OK);
    label = part_find(p, "label")->f32[0];
    part_close(p);
    return label;
}

static void a_folder_is_copied_once(void)
{
    char first[FS_PATH_MAX], path[FS_PATH_MAX];

    prepare();
    REQUIRE(stage_in(from, to, copy, &report, &err) == FUSOR_OK);
    CHECK(!report.reused && report.bytes > 64 + 16);
    CHECK(label_of_copy() == 1);
    CHECK(fs_exists(fs_join(path, copy, "a.vocab")));
    memcpy(first, copy, sizeof(first));
    REQUIRE(stage_in(from, to, copy, &report, &err) == FUSOR_OK);
    CHECK(report.reused && report.bytes == 0 && !strcmp(first, copy));
}

static void another_content_is_copied_again(void)
{
    prepare();
    REQUIRE(stage_in(from, to, copy, &report, &err) == FUSOR_OK);
    put_part(2); // of the same size
    REQUIRE(stage_in(from, to, copy, &report, &err) == FUSOR_OK);
    CHECK(!report.reused && label_of_copy() == 2);
    put("schema.yaml", "version: 2\n");
    REQUIRE(stage_in(from, to, copy, &report, &err) == FUSOR_OK);
    CHECK(!report.reused);
}

static void what_is_no_folder_is_an_error(void)
{
    prepare();
    CHECK(stage_in(test_tmpdir(), to, copy, &report, &err) == FUSOR_EDATA);
    CHECK(strstr(err.text, "fusor prepare") != NULL);
    CHECK(stage_in(from, "/proc/nowhere", copy, &report, &err) == FUSOR_EIO);
}

int main(void)
{
    static const struct test_case cases[] = {
        {"a folder is copied once", a_folder_is_copied_once},
        {"another content is copied again", another_content_is_copied_again},
        {"what is no folder is an error", what_is_no_folder_is_an_error},
    };
    return TEST_RUN("data.stage_in", cases);
}
