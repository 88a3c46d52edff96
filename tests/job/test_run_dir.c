/* Making, locking and describing run directories. */
#include "job/run_dir.h"

#include <math.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/yaml.h"
#include "harness.h"

static const char *path_of(const char *name)
{
    static char path[FS_PATH_MAX];

    return fs_join(path, test_tmpdir(), name);
}

static int status_says(const char *dir, const char *key, const char *want)
{
    char file[FS_PATH_MAX];
    const char *got = "";
    struct yaml *y;
    int same;

    fs_join(file, dir, "status.json");
    if (yaml_read(file, &y, NULL) != FUSOR_OK)
        return 0;
    yaml_to_text(yaml_path(yaml_root(y), key), &got, NULL);
    same = strcmp(got, want) == 0;
    if (!same)
        fprintf(stderr, "%s: \"%s\"\n", key, got);
    yaml_destroy(y);
    return same;
}

/* Write a file into a run directory. */
static void leave(const char *dir, const char *name)
{
    char file[FS_PATH_MAX], parent[FS_PATH_MAX];

    fs_join(file, dir, name);
    snprintf(parent, sizeof(parent), "%.*s", (int)(strrchr(file, '/') - file),
             file);
    REQUIRE(fs_mkdirs(parent, NULL) == FUSOR_OK);
    REQUIRE(fs_write_atomic(file, "x\n", 2, NULL) == FUSOR_OK);
}

static void a_living_job_keeps_others_out(void)
{
    struct run_dir a, b;
    struct fusor_error err = {0};
    char who[64];

    REQUIRE(run_dir_open(path_of("held"), NULL, 0, &a, NULL) == FUSOR_OK);
    CHECK(run_dir_open(path_of("held"), NULL, 0, &b, &err) == FUSOR_EUSAGE);
    snprintf(who, sizeof(who), "in use by job %016llx (pid %d on ",
             (unsigned long long)a.job, (int)getpid());
    CHECK(strstr(err.text, who) != NULL);
    run_dir_close(&a);
    REQUIRE(run_dir_open(path_of("held"), NULL, 0, &b, &err) == FUSOR_OK);
    run_dir_close(&b);
}

static void an_earlier_job_is_only_gone_on_with_by_resume(void)
{
    struct fusor_error err = {0};
    struct run_dir a, b;
    uint64_t job;

    REQUIRE(run_dir_open(path_of("early"), NULL, 0, &a, NULL) == FUSOR_OK);
    REQUIRE(run_dir_begin(&a, "x: 1\n", NULL) == FUSOR_OK);
    job = a.job;
    leave(a.path, "checkpoints/latest");
    run_dir_close(&a);
    CHECK(run_dir_open(path_of("early"), NULL, 0, &b, &err) == FUSOR_EUSAGE);
    CHECK(strstr(err.text, "--resume") != NULL);
    REQUIRE(run_dir_open(path_of("early"), NULL, 1, &b, &err) == FUSOR_OK);
    CHECK(b.job == job);
    run_dir_close(&b);
}

static void without_a_checkpoint_it_is_used_again(void)
{
    static const char *const old[] = {"status.json", "result.json",
                                      "metrics.jsonl", "logs/worker-0.log",
                                      "checkpoints/01-00001/shard-0000.bin"};
    struct fusor_error err = {0};
    struct run_dir a, b;
    char file[FS_PATH_MAX];

    REQUIRE(run_dir_open(path_of("again"), NULL, 0, &a, NULL) == FUSOR_OK);
    REQUIRE(run_dir_begin(&a, "x: 1\n", NULL) == FUSOR_OK);
    for (size_t i = 1; i < sizeof(old) / sizeof(old[0]); i++)
        leave(a.path, old[i]);
    leave(a.path, "notes.txt"); // somebody else's
    CHECK(run_dir_open(a.path, NULL, 0, &b, &err) == FUSOR_EUSAGE);
    CHECK(fs_exists(fs_join(file, a.path, "metrics.jsonl")));
    run_dir_close(&a);
    CHECK(run_dir_open(a.path, NULL, 1, &b, &err) == FUSOR_EUSAGE);
    CHECK(strstr(err.text, "no checkpoint") != NULL);
    REQUIRE(run_dir_open(a.path, NULL, 0, &b, &err) == FUSOR_OK);
    CHECK(b.job != a.job);
    for (size_t i = 0; i < sizeof(old) / sizeof(old[0]); i++)
        CHECK(!fs_exists(fs_join(file, a.path, old[i])));
    CHECK(fs_exists(fs_join(file, a.path, "notes.txt")));
    CHECK(fs_is_dir(fs_join(file, a.path, "logs")));
    run_dir_close(&b);
}

static void whether_it_is_held_can_be_asked(void)
{
    struct run_dir a, b;

    CHECK(!run_dir_is_held(path_of("asked")));
    REQUIRE(run_dir_open(path_of("asked"), NULL, 0, &a, NULL) == FUSOR_OK);
    CHECK(run_dir_is_held(a.path));
    CHECK(run_dir_is_held(a.path));
    run_dir_close(&a);
    CHECK(!run_dir_is_held(a.path));
    REQUIRE(run_dir_open(a.path, NULL, 0, &b, NULL) == FUSOR_OK);
    run_dir_close(&b);
}

static void a_signal_is_a_failure_with_its_own_exit_code(void)
{
    struct fusor_error done = {.status = FUSOR_OK};
    struct run_dir d;

    REQUIRE(run_dir_open(path_of("term"), NULL, 0, &d, NULL) == FUSOR_OK);
    REQUIRE(run_dir_begin(&d, "x: 1\n", NULL) == FUSOR_OK);
    CHECK(run_dir_finish_signal(d.path, 15, NULL) == FUSOR_OK);
    CHECK(run_dir_finish(d.path, &done, NULL) == FUSOR_OK);
    CHECK(status_says(d.path, "state", "failed"));
    CHECK(status_says(d.path, "cause", "stopped by signal 15 (Terminated)"));
    CHECK(status_says(d.path, "exit_code", "143"));
    run_dir_close(&d);
}

static void nothing_to_resume_is_said(void)
{
    struct fusor_error err = {0};
    struct run_dir d;

    CHECK(run_dir_open(path_of("none"), NULL, 1, &d, &err) == FUSOR_EUSAGE);
    CHECK(strstr(err.text, "nothing to resume") != NULL);
    CHECK(!fs_exists(path_of("none")));
    CHECK(run_dir_open(NULL, NULL, 1, &d, &err) == FUSOR_EUSAGE);
    CHECK(strstr(err.text, "--run-dir") != NULL);
    test_write("file", "x");
    CHECK(run_dir_open(path_of("file"), NULL, 0, &d, &err) == FUSOR_EIO);
}

static void the_first_end_is_the_one_that_counts(void)
{
    struct run_progress p = {
        .command = "epoch", .stage = 1, .epoch = 4, .samples = 99, .loss = NAN};
    struct fusor_error killed, late, done = {.status = FUSOR_OK};
    struct run_dir d;
    const char *path;

    REQUIRE(run_dir_open(path_of("end"), NULL, 0, &d, NULL) == FUSOR_OK);
    path = d.path;
    REQUIRE(run_dir_begin(&d, "x: 1\n", NULL) == FUSOR_OK);
    CHECK(status_says(path, "state", "running"));
    CHECK(run_dir_update(path, &p, NULL) == FUSOR_OK);
    CHECK(status_says(path, "progress.epoch", "5"));
    CHECK(status_says(path, "progress.stage", "2"));
    CHECK(status_says(path, "progress.doing", "epoch"));
    fusor_fail(&killed, FUSOR_ECLUSTER, "worker 1 was \"killed\"");
    fusor_fail(&late, FUSOR_ECLUSTER, "stopped by signal 15");
    CHECK(run_dir_finish(path, &killed, NULL) == FUSOR_OK);
    CHECK(run_dir_finish(path, &late, NULL) == FUSOR_OK);
    CHECK(run_dir_finish(path, &done, NULL) == FUSOR_OK);
    CHECK(run_dir_update(path, &p, NULL) == FUSOR_OK);
    CHECK(status_says(path, "state", "failed"));
    CHECK(status_says(path, "cause", "worker 1 was \"killed\""));
    CHECK(status_says(path, "exit_code", "5"));
    run_dir_close(&d);
}

static void a_stop_at_a_checkpoint_is_its_own_state(void)
{
    struct fusor_error why;
    struct run_dir d;

    REQUIRE(run_dir_open(path_of("stop"), NULL, 0, &d, NULL) == FUSOR_OK);
    REQUIRE(run_dir_begin(&d, "x: 1\n", NULL) == FUSOR_OK);
    fusor_fail(&why, FUSOR_ERESUME, "asked to");
    CHECK(run_dir_finish(d.path, &why, NULL) == FUSOR_OK);
    CHECK(status_says(d.path, "state", "stopped"));
    CHECK(status_says(d.path, "exit_code", "75"));
    run_dir_close(&d);
}

static void without_a_name_it_is_made_under_runs(void)
{
    struct run_dir d;
    char before[FS_PATH_MAX];

    REQUIRE(getcwd(before, sizeof(before)) != NULL);
    REQUIRE(chdir(test_tmpdir()) == 0);
    REQUIRE(run_dir_open(NULL, "demo", 0, &d, NULL) == FUSOR_OK);
    CHECK(strncmp(d.path, "runs/demo-20", 12) == 0);
    CHECK(fs_is_dir("runs/latest/logs"));
    CHECK(run_dir_write_result(d.path, "{}", NULL) == FUSOR_OK);
    CHECK(fs_size("runs/latest/result.json") == 2);
    run_dir_close(&d);
    REQUIRE(chdir(before) == 0);
}

static void a_status_that_is_no_status_is_an_error(void)
{
    struct fusor_error done = {.status = FUSOR_OK}, err = {0};

    CHECK(run_dir_finish(path_of("nowhere"), &done, &err) == FUSOR_EIO);
    CHECK(strstr(err.text, "status.json") != NULL);
}

struct teller {
    const char *path;
    atomic_int stop;
};

static void *tell(void *arg)
{
    struct teller *t = arg;
    struct run_progress p = {.command = "epoch", .loss = NAN};

    while (!atomic_load(&t->stop))
        CHECK(run_dir_update(t->path, &p, NULL) == FUSOR_OK);
    return NULL;
}

static void who_says_that_it_goes_on_takes_back_no_end(void)
{
    struct fusor_error why = {0};
    struct run_dir d;

    fusor_fail(&why, FUSOR_ECLUSTER, "a worker died");
    for (int i = 0; i < 20; i++) {
        struct teller t = {.stop = 0};
        char name[16];
        pthread_t thread;

        snprintf(name, sizeof(name), "both%d", i);
        REQUIRE(run_dir_open(path_of(name), NULL, 0, &d, NULL) == FUSOR_OK);
        REQUIRE(run_dir_begin(&d, "x: 1\n", NULL) == FUSOR_OK);
        t.path = d.path;
        REQUIRE(pthread_create(&thread, NULL, tell, &t) == 0);
        CHECK(run_dir_finish(d.path, &why, NULL) == FUSOR_OK);
        CHECK(status_says(d.path, "state", "failed"));
        atomic_store(&t.stop, 1);
        pthread_join(thread, NULL);
        CHECK(status_says(d.path, "state", "failed"));
        run_dir_close(&d);
    }
}

int main(void)
{
    static const struct test_case cases[] = {
        {"a living job keeps others out", a_living_job_keeps_others_out},
        {"an earlier job is only gone on with by resume",
         an_earlier_job_is_only_gone_on_with_by_resume},
        {"without a checkpoint it is used again",
         without_a_checkpoint_it_is_used_again},
        {"whether it is held can be asked", whether_it_is_held_can_be_asked},
        {"a signal is a failure with its own exit code",
         a_signal_is_a_failure_with_its_own_exit_code},
        {"nothing to resume is said", nothing_to_resume_is_said},
        {"the first end is the one that counts",
         the_first_end_is_the_one_that_counts},
        {"who says that it goes on takes back no end",
         who_says_that_it_goes_on_takes_back_no_end},
        {"a stop at a checkpoint is its own state",
         a_stop_at_a_checkpoint_is_its_own_state},
        {"without a name it is made under runs",
         without_a_name_it_is_made_under_runs},
        {"a status that is no status is an error",
         a_status_that_is_no_status_is_an_error},
    };
    return TEST_RUN("job.run_dir", cases);
}
