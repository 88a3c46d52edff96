/* Copies the files of a prepared folder, schema.yaml last. */
#include "data/stage_in.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/hash.h"
#include "base/mem.h"
#include "data/part_layout.h"

#define COPY_BYTES ((size_t)4 << 20)
#define SCHEMA_MAX_BYTES ((size_t)64 << 20)

static enum fusor_status cannot(const char *what, const char *path,
                                struct fusor_error *err)
{
    return fusor_fail(err, FUSOR_EIO, "cannot %s %s: %s", what, path,
                      strerror(errno));
}

static enum fusor_status copy_bytes(int from, int to, const char *path,
                                    const char *copy, char *buffer,
                                    uint64_t *bytes, struct fusor_error *err)
{
    uint64_t at = 0;

    for (;;) {
        ssize_t n = read(from, buffer, COPY_BYTES);

        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return cannot("read", path, err);
        if (n == 0)
            break;
        FUSOR_TRY(fs_pwrite(to, buffer, (size_t)n, at, copy, err));
        at += (uint64_t)n;
    }
    *bytes += at;
    return fsync(to) ? cannot("sync", copy, err) : FUSOR_OK;
}

static enum fusor_status copy_file(const char *path, const char *copy,
                                   char *buffer, uint64_t *bytes,
                                   struct fusor_error *err)
{
    int from = open(path, O_RDONLY | O_CLOEXEC), to = -1;
    enum fusor_status rc;

    if (from < 0)
        return cannot("read", path, err);
    to = open(copy, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
    rc = to < 0 ? cannot("write", copy, err)
                : copy_bytes(from, to, path, copy, buffer, bytes, err);
    if (to >= 0 && close(to) && rc == FUSOR_OK)
        rc = cannot("close", copy, err);
    close(from);
    return rc;
}

/* The first bytes of a file, as many as a part's header. */
static size_t read_front(const char *path, char out[sizeof(struct part_header)])
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t n = fd < 0 ? -1 : read(fd, out, sizeof(struct part_header));

    if (fd >= 0)
        close(fd);
    return n < 0 ? 0 : (size_t)n;
}

static int same_file(const char *a, const char *b)
{
    char x[sizeof(struct part_header)], y[sizeof(x)];
    size_t n = read_front(a, x), m = read_front(b, y);

    return fs_size(a) >= 0 && fs_size(a) == fs_size(b) && n == m &&
           !memcmp(x, y, n);
}

static int same_schema(const char *a, const char *b)
{
    char *x = NULL, *y = NULL;
    size_t n = 0, m = 0;
    int same;

    same = fs_read(a, SCHEMA_MAX_BYTES, &x, &n, NULL) == FUSOR_OK &&
           fs_read(b, SCHEMA_MAX_BYTES, &y, &m, NULL) == FUSOR_OK && n == m &&
           !memcmp(x, y, n);
    mem_free(x);
    mem_free(y);
    return same;
}

static int is_same(const char *from, const char *copy,
                   const struct fs_list *files)
{
    char a[FS_PATH_MAX], b[FS_PATH_MAX];

    for (size_t i = 0; i < files->n; i++)
        if (!same_file(fs_join(a, from, files->names[i]),
                       fs_join(b, copy, files->names[i])))
            return 0;
    return same_schema(fs_join(a, from, "schema.yaml"),
                       fs_join(b, copy, "schema.yaml"));
}

static enum fusor_status copy_all(const char *from, const char *beside,
                                  const struct fs_list *files,
                                  struct stage_in_report *report,
                                  struct fusor_error *err)
{
    char *buffer = mem_alloc_raw(COPY_BYTES, 1);
    char a[FS_PATH_MAX], b[FS_PATH_MAX];
    enum fusor_status rc = FUSOR_OK;

    if (!buffer)
        return mem_fail(err, "stage-in", COPY_BYTES);
    for (size_t i = 0; i < files->n && rc == FUSOR_OK; i++)
        rc = copy_file(fs_join(a, from, files->names[i]),
                       fs_join(b, beside, files->names[i]), buffer,
                       &report->bytes, err);
    mem_free(buffer);
    return rc;
}

/* Beside, then by rename into its place. */
static enum fusor_status make_copy(const char *from, const char *copy,
                                   const struct fs_list *files,
                                   struct stage_in_report *report,
                                   struct fusor_error *err)
{
    char beside[FS_PATH_MAX];
    enum fusor_status rc;

    if (snprintf(beside, sizeof(beside), "%s.tmp", copy) >= (int)sizeof(beside))
        return fusor_fail(err, FUSOR_EUSAGE, "path too long: %s", copy);
    FUSOR_TRY(fs_remove_tree(beside, err)); // of a copy that was killed
    FUSOR_TRY(fs_mkdirs(beside, err));
    rc = copy_all(from, beside, files, report, err);
    if (rc == FUSOR_OK)
        rc = fs_remove_tree(copy, err);
    if (rc == FUSOR_OK)
        rc = fs_rename(beside, copy, err);
    if (rc != FUSOR_OK)
        fs_remove_tree(beside, NULL);
    return rc;
}

/* <to>/<name of the folder>-<hash of where it is>. */
static enum fusor_status copy_path(const char *from, const char *to,
                                   char out[FS_PATH_MAX],
                                   struct fusor_error *err)
{
    char *whole = realpath(from, NULL);
    const char *name;
    int n;

    if (!whole)
        return cannot("open", from, err);
    name = strrchr(whole, '/');
    n = snprintf(out, FS_PATH_MAX, "%s/%s-%016llx", to, name ? name + 1 : whole,
                 (unsigned long long)hash_bytes(whole, strlen(whole), 0));
    free(whole);
    return n < FS_PATH_MAX - 8 ? FUSOR_OK
                               : fusor_fail(err, FUSOR_EUSAGE,
                                            "stage_in: path too long: %s", to);
}

/* One process of the host copies; the lock goes with the descriptor. */
static enum fusor_status lock_copy(const char *copy, int *fd,
                                   struct fusor_error *err)
{
    struct flock whole = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
    char path[FS_PATH_MAX];
    int rc;

    if (snprintf(path, sizeof(path), "%s.lock", copy) >= (int)sizeof(path))
        return fusor_fail(err, FUSOR_EUSAGE, "path too long: %s", copy);
    *fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0644);
    if (*fd < 0)
        return cannot("write", path, err);
    do
        rc = fcntl(*fd, F_SETLKW, &whole);
    while (rc < 0 && errno == EINTR);
    return rc < 0 ? cannot("lock", path, err) : FUSOR_OK;
}

enum fusor_status stage_in(const char *from, const char *to,
                           char out[FS_PATH_MAX],
                           struct stage_in_report *report,
                           struct fusor_error *err)
{
    struct fs_list files = {NULL, 0};
    double start = clock_seconds();
    char schema[FS_PATH_MAX];
    enum fusor_status rc;
    int fd = -1;

    memset(report, 0, sizeof(*report));
    if (!fs_exists(fs_join(schema, from, "schema.yaml")))
        return fusor_fail(err, FUSOR_EDATA,
                          "%s: no prepared folder: schema.yaml is missing: run "
                          "fusor prepare",
                          from);
    FUSOR_TRY(fs_mkdirs(to, err));
    FUSOR_TRY(copy_path(from, to, out, err));
    rc = lock_copy(out, &fd, err);
    if (rc == FUSOR_OK)
        rc = fs_list_dir(from, &files, err);
    if (rc == FUSOR_OK) {
        report->reused = is_same(from, out, &files);
        if (!report->reused)
            rc = make_copy(from, out, &files, report, err);
    }
    fs_list_clear(&files);
    if (fd >= 0)
        close(fd);
    report->seconds = clock_seconds() - start;
    return rc;
}
