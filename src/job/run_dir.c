/* Makes, locks and describes a run directory. */
#define _GNU_SOURCE /* flock, gethostname, strsignal */
#include "job/run_dir.h"

#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <time.h>
#include <unistd.h>

#include "base/json.h"
#include "base/mem.h"
#include "base/rng.h"
#include "base/yaml.h"

#define STATUS_MAX ((size_t)1 << 20)

static uint64_t make_id(void)
{
    struct timespec now;
    struct rng r;
    uint64_t id;

    clock_gettime(CLOCK_REALTIME, &now);
    r = rng_stream((uint64_t)now.tv_sec, RNG_JOB, (uint64_t)now.tv_nsec,
                   (uint64_t)getpid());
    do
        id = rng_u64(&r);
    while (id == 0);
    return id;
}

static void default_path(const char *name, uint64_t id, char out[FS_PATH_MAX])
{
    time_t now = time(NULL);
    struct tm tm;
    char stamp[32];

    localtime_r(&now, &tm);
    strftime(stamp, sizeof(stamp), "%Y%m%d-%H%M%S", &tm);
    snprintf(out, FS_PATH_MAX, "runs/%s-%s-%04x", name ? name : "job", stamp,
             (unsigned)(id & 0xffff));
}

/* status.json as a tree, or NULL: none that can be read. */
static struct yaml *read_status(const char *path)
{
    char file[FS_PATH_MAX];
    struct yaml *y;

    fs_join(file, path, "status.json");
    if (!fs_exists(file) || yaml_read(file, &y, NULL) != FUSOR_OK)
        return NULL;
    return y;
}

static const char *text_of(struct yaml *y, const char *key)
{
    const char *text = "";

    if (y)
        (void)yaml_to_text(yaml_get(yaml_root(y), key), &text, NULL);
    return text;
}

static enum fusor_status in_use(const char *path, const char *lock,
                                struct fusor_error *err)
{
    char *text = NULL;
    size_t n;

    if (fs_read(lock, 4096, &text, &n, NULL) != FUSOR_OK)
        text = NULL;
    else
        text[strcspn(text, "\n")] = '\0';
    fusor_fail(
        err, FUSOR_EUSAGE,
        "run directory %s is in use by %s: wait for it to end, or choose "
        "another --run-dir",
        path, text && text[0] ? text : "a living job");
    mem_free(text);
    return FUSOR_EUSAGE;
}

static enum fusor_status take_lock(struct run_dir *d, struct fusor_error *err)
{
    char lock[FS_PATH_MAX];

    fs_join(lock, d->path, "lock");
    d->lock_fd = open(lock, O_RDWR | O_CREAT | O_CLOEXEC, 0644);
    if (d->lock_fd < 0)
        return fusor_fail(err, FUSOR_EIO, "cannot open %s: %s", lock,
                          strerror(errno));
    if (flock(d->lock_fd, LOCK_EX | LOCK_NB) == 0)
        return FUSOR_OK;
    if (errno == EWOULDBLOCK)
        return in_use(d->path, lock, err);
    return fusor_fail(err, FUSOR_EIO, "cannot lock %s: %s", lock,
                      strerror(errno));
}

static enum fusor_status sign_lock(const struct run_dir *d,
                                   struct fusor_error *err)
{
    char host[128] = "", text[256];
    int n;

    gethostname(host, sizeof(host) - 1);
    n = snprintf(text, sizeof(text), "job %016llx (pid %d on %s)\n",
                 (unsigned long long)d->job, (int)getpid(), host);
    if (ftruncate(d->lock_fd, 0) != 0)
        return fusor_fail(err, FUSOR_EIO, "cannot write the lock of %s: %s",
                          d->path, strerror(errno));
    return fs_pwrite(d->lock_fd, text, (size_t)n, 0, "lock", err);
}

static int holds_checkpoint(const char *path)
{
    char file[FS_PATH_MAX];

    return fs_exists(fs_join(file, path, "checkpoints/latest"));
}

/* Nobody can go on with an earlier job that has no checkpoint. Removed is only
 * what a job writes; status.json last, so that a removal cut short is begun
 * again. */
static enum fusor_status remove_earlier(const char *path,
                                        struct fusor_error *err)
{
    static const char *const left[] = {
        "checkpoints", "metrics.jsonl", "result.json", "job.yaml",
        "load.json",   "logs",          "trace",       "status.json"};
    char file[FS_PATH_MAX];

    for (size_t i = 0; i < sizeof(left) / sizeof(left[0]); i++)
        if (fs_exists(fs_join(file, path, left[i])))
            FUSOR_TRY(fs_remove_tree(file, err));
    return fs_mkdirs(fs_join(file, path, "logs"), err);
}

/* What an earlier job left decides what may be done here. */
static enum fusor_status check_earlier(struct run_dir *d, int resume,
                                       struct fusor_error *err)
{
    struct yaml *status = read_status(d->path);
    unsigned long long id;
    int found = status != NULL;

    if (found && resume && sscanf(text_of(status, "job"), "%llx", &id) == 1)
        d->job = id;
    yaml_destroy(status);
    if (found && !resume && !holds_checkpoint(d->path))
        return remove_earlier(d->path, err);
    if (found && !resume)
        return fusor_fail(err, FUSOR_EUSAGE,
                          "run directory %s holds an earlier job: go on with "
                          "it by --resume, or choose another --run-dir",
                          d->path);
    if (!found && resume)
        return fusor_fail(err, FUSOR_EUSAGE,
                          "run directory %s holds no job to resume", d->path);
    if (resume && !holds_checkpoint(d->path))
        return fusor_fail(err, FUSOR_EUSAGE,
                          "run directory %s holds no checkpoint: nothing to "
                          "resume; start the job again without --resume",
                          d->path);
    return FUSOR_OK;
}

/* A name beside the directories that leads to the newest; nothing depends on
 * it, so a file system without links is no failure. */
static void point_latest(const char *path)
{
    const char *base = strrchr(path, '/');
    char fresh[64];

    snprintf(fresh, sizeof(fresh), "runs/.latest-%d", (int)getpid());
    unlink(fresh);
    if (base && symlink(base + 1, fresh) == 0 &&
        rename(fresh, "runs/latest") != 0)
        unlink(fresh);
}

enum fusor_status run_dir_open(const char *wanted, const char *name, int resume,
                               struct run_dir *out, struct fusor_error *err)
{
    struct run_dir d = {.job = make_id(), .lock_fd = -1};
    char logs[FS_PATH_MAX];
    enum fusor_status rc;

    if (wanted)
        fs_join(d.path, "", wanted);
    else
        default_path(name, d.job, d.path);
    if (!d.path[0] || (!wanted && resume))
        return fusor_fail(err, FUSOR_EUSAGE,
                          resume ? "--resume needs --run-dir, the directory of "
                                   "the job to go on with"
                                 : "--run-dir: the path is too long");
    if (resume && !fs_is_dir(d.path))
        return fusor_fail(err, FUSOR_EUSAGE,
                          "run directory %s does not exist: nothing to resume",
                          d.path);
    FUSOR_TRY(fs_mkdirs(fs_join(logs, d.path, "logs"), err));
    rc = take_lock(&d, err);
    if (rc == FUSOR_OK)
        rc = check_earlier(&d, resume, err);
    if (rc == FUSOR_OK)
        rc = sign_lock(&d, err);
    if (rc != FUSOR_OK) {
        run_dir_close(&d);
        return rc;
    }
    if (!wanted)
        point_latest(d.path);
    *out = d;
    return FUSOR_OK;
}

void run_dir_close(struct run_dir *d)
{
    if (d->lock_fd >= 0)
        close(d->lock_fd);
    d->lock_fd = -1;
}

int run_dir_is_held(const char *path)
{
    char lock[FS_PATH_MAX];
    int fd = open(fs_join(lock, path, "lock"), O_RDONLY | O_CLOEXEC), held;

    if (fd < 0)
        return 0;
    /* Shared, so that two who ask do not take each other for a job. */
    held = flock(fd, LOCK_SH | LOCK_NB) != 0 && errno == EWOULDBLOCK;
    close(fd);
    return held;
}

/* status.json. */

struct status {
    uint64_t job;
    const char *state, *cause;
    int exit_code;
    const char *started;
    int64_t pid;
    const char *host;
    const struct run_progress *progress; // NULL: none to tell
};

static void time_text(char out[32])
{
    time_t now = time(NULL);
    struct tm tm;

    gmtime_r(&now, &tm);
    strftime(out, 32, "%Y-%m-%dT%H:%M:%SZ", &tm);
}

static void add_progress(struct json *j, const struct run_progress *p)
{
    json_begin_object(j, "progress");
    json_string(j, "doing", p->command);
    json_uint(j, "stage", p->stage + 1);
    json_uint(j, "epoch", p->epoch + 1);
    json_uint(j, "samples", p->samples);
    json_number(j, "loss", p->loss);
    json_end_object(j);
}

static enum fusor_status write_status(const char *path, const struct status *s,
                                      struct fusor_error *err)
{
    struct json j = {.pretty = 1};
    char file[FS_PATH_MAX], now[32], id[24];
    enum fusor_status rc;

    time_text(now);
    snprintf(id, sizeof(id), "%016llx", (unsigned long long)s->job);
    json_begin_object(&j, NULL);
    json_int(&j, "version", 1);
    json_string(&j, "job", id);
    json_string(&j, "state", s->state);
    json_string(&j, "cause", s->cause);
    json_int(&j, "exit_code", s->exit_code);
    json_string(&j, "started", s->started);
    json_string(&j, "updated", now);
    json_int(&j, "pid", s->pid);
    json_string(&j, "host", s->host);
    if (s->progress)
        add_progress(&j, s->progress);
    json_end_object(&j);
    if (j.text.failed || !j.text.s)
        rc = mem_fail(err, "status.json", STATUS_MAX);
    else
        rc = fs_replace(fs_join(file, path, "status.json"), j.text.s,
                        j.text.len, err);
    json_clear(&j);
    return rc;
}

enum fusor_status run_dir_begin(const struct run_dir *d, const char *job_text,
                                struct fusor_error *err)
{
    char file[FS_PATH_MAX], now[32], host[128] = "";
    struct status s = {.job = d->job, .state = "running", .cause = ""};

    time_text(now);
    gethostname(host, sizeof(host) - 1);
    s.started = now;
    s.host = host;
    s.pid = getpid();
    FUSOR_TRY(fs_write_atomic(fs_join(file, d->path, "job.yaml"), job_text,
                              strlen(job_text), err));
    return write_status(d->path, &s, err);
}

/* Read the status, change what change says, write it, unless the job has
 * ended. */
static enum fusor_status rewrite_alone(const char *path,
                                       const struct status *change,
                                       struct fusor_error *err)
{
    struct yaml *y = read_status(path);
    struct status s = *change;
    unsigned long long id = 0;
    enum fusor_status rc = FUSOR_OK;

    if (!y)
        return fusor_fail(err, FUSOR_EIO, "%s/status.json cannot be read",
                          path);
    if (strcmp(text_of(y, "state"), "running") == 0) {
        if (sscanf(text_of(y, "job"), "%llx", &id) == 1)
            s.job = id;
        s.started = text_of(y, "started");
        s.host = text_of(y, "host");
        (void)yaml_to_i64(yaml_get(yaml_root(y), "pid"), &s.pid, NULL);
        rc = write_status(path, &s, err);
    }
    yaml_destroy(y);
    return rc;
}

/* The coordinator and its supervisor both write. Without the lock the one who
 * read "running" before the other wrote "failed" would put it back. Who writes
 * has a second at most before a launcher kills it, so nobody waits for a disk.
 */
static enum fusor_status rewrite(const char *path, const struct status *change,
                                 struct fusor_error *err)
{
    int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    enum fusor_status rc;

    if (fd < 0)
        return fusor_fail(err, FUSOR_EIO, "%s/status.json cannot be read: %s",
                          path, strerror(errno));
    while (flock(fd, LOCK_EX) && errno == EINTR)
        ;
    rc = rewrite_alone(path, change, err);
    close(fd);
    return rc;
}

enum fusor_status run_dir_update(const char *path, const struct run_progress *p,
                                 struct fusor_error *err)
{
    struct status s = {.state = "running", .cause = "", .progress = p};

    return rewrite(path, &s, err);
}

enum fusor_status run_dir_finish(const char *path,
                                 const struct fusor_error *why,
                                 struct fusor_error *err)
{
    struct status s = {
        .state = why->status == FUSOR_OK        ? "done"
                 : why->status == FUSOR_ERESUME ? "stopped"
                                                : "failed",
        .cause = why->status == FUSOR_OK ? "" : why->text,
        .exit_code = fusor_exit_code(why->status),
    };

    return rewrite(path, &s, err);
}

enum fusor_status run_dir_finish_signal(const char *path, int number,
                                        struct fusor_error *err)
{
    char cause[64];
    struct status s = {
        .state = "failed", .cause = cause, .exit_code = 128 + number};

    snprintf(cause, sizeof(cause), "stopped by signal %d (%s)", number,
             strsignal(number));
    return rewrite(path, &s, err);
}

enum fusor_status run_dir_write_result(const char *path, const char *json,
                                       struct fusor_error *err)
{
    char file[FS_PATH_MAX];

    return fs_write_atomic(fs_join(file, path, "result.json"), json,
                           strlen(json), err);
}
