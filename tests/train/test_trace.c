/* Parts of a trace and what they are joined to. */
#include "train/trace.h"

#include <string.h>

#include "base/fs.h"
#include "base/mem.h"
#include "base/yaml.h"

#include "harness.h"

static char *read_text(const char *path)
{
    char *text = NULL;
    size_t n;

    REQUIRE(fs_read(path, 1 << 20, &text, &n, NULL) == FUSOR_OK);
    return text;
}

static int is_yaml(const char *text)
{
    struct yaml *y;
    int ok = yaml_parse(text, strlen(text), "trace", &y, NULL) == FUSOR_OK;

    if (ok) {
        ok = yaml_root(y)->kind == YAML_LIST;
        yaml_destroy(y);
    }
    return ok;
}

static struct trace_part a_part(const char *dir, struct profile *p)
{
    return (struct trace_part){.run_dir = dir,
                               .process = "workers",
                               .kind = TRACE_WORKERS,
                               .first = 3,
                               .n = 1,
                               .profiles = p};
}

static void two_steps(struct profile *p)
{
    profile_begin(p);
    for (int i = 0; i < 2; i++) {
        profile_step(p);
        profile_enter(p, PROFILE_DATA);
        profile_enter(p, PROFILE_GATHER);
    }
    profile_rest(p);
}

static void parts_are_joined_into_valid_json(void)
{
    const char *dir = test_tmpdir();
    struct profile a = {0}, b = {0};
    struct trace_part worker = a_part(dir, &a), shard = a_part(dir, &b);
    char file[FS_PATH_MAX], *text;

    fs_join(file, dir, "out.json");
    shard.kind = TRACE_SHARDS;
    shard.first = 1;
    REQUIRE(trace_begin(dir, file, NULL) == FUSOR_OK);
    REQUIRE(trace_part_open(&worker, 5, 10, NULL) == FUSOR_OK);
    REQUIRE(trace_part_open(&shard, 2, 10, NULL) == FUSOR_OK);
    two_steps(&a);
    two_steps(&b);
    CHECK(trace_part_write(&worker, NULL) == FUSOR_OK && !worker.written);
    CHECK(trace_join(dir, NULL) == FUSOR_OK); // the shard died before
    text = read_text(file);
    CHECK(is_yaml(text) && strstr(text, "shard") == NULL);
    mem_free(text);
    CHECK(trace_part_write(&shard, NULL) == FUSOR_OK);
    CHECK(trace_join(dir, NULL) == FUSOR_OK);
    text = read_text(file);
    CHECK(is_yaml(text));
    CHECK(strstr(text, "worker 3") && strstr(text, "shard 1"));
    CHECK(strstr(text, "step 2") && !strstr(text, "step 3"));
    CHECK(strstr(text, "gather") && strstr(text, "thread_name"));
    mem_free(text);
    trace_part_close(&worker);
    trace_part_close(&shard);
}

static void a_run_without_a_trace_has_nothing_to_join(void)
{
    const char *dir = test_tmpdir();
    struct trace_part none = {.n = 0};

    CHECK(trace_join(dir, NULL) == FUSOR_OK);
    CHECK(trace_part_write(&none, NULL) == FUSOR_OK);
}

static void bad_files_are_errors(void)
{
    const char *dir = test_tmpdir();
    struct profile p = {0};
    struct trace_part part = a_part(dir, &p);
    char folder[FS_PATH_MAX], path[FS_PATH_MAX];
    struct fusor_error err;

    CHECK(trace_begin(dir, "/dev/null/x.json", &err) == FUSOR_EIO);
    CHECK(strstr(err.text, "/dev/null/x.json") != NULL);
    CHECK(trace_begin(dir, "a\nb", &err) == FUSOR_EUSAGE);
    REQUIRE(trace_begin(dir, fs_join(path, dir, "t.json"), NULL) == FUSOR_OK);
    fs_join(path, fs_join(folder, dir, "trace"), "begin");
    REQUIRE(fs_write_atomic(path, "x", 1, NULL) == FUSOR_OK);
    CHECK(trace_join(dir, &err) == FUSOR_EDATA);
    CHECK(trace_part_write(&part, &err) == FUSOR_EDATA);
    mem_fail_after(1);
    CHECK(trace_part_open(&part, 5, 10, &err) == FUSOR_ENOMEM);
    mem_fail_after(0);
}

int main(void)
{
    static const struct test_case cases[] = {
        {"parts are joined into valid JSON", parts_are_joined_into_valid_json},
        {"a run without a trace has nothing to join",
         a_run_without_a_trace_has_nothing_to_join},
        {"bad files are errors", bad_files_are_errors},
    };

    return TEST_RUN("train.trace", cases);
}
