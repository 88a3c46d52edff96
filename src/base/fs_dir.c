/* Folders and names: durable replacement of a file, making, listing and
 * removing trees. */
#include "base/fs.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/hash.h"
#include "base/mem.h"

static enum fusor_status io_fail(struct fusor_error *err, const char *doing,
                                 const char *path)
{
    return fusor_fail(err, FUSOR_EIO, "cannot %s %s: %s", doing, path,
                      strerror(errno));
}

static int make_one(const char *path)
{
    if (mkdir(path, 0777) == 0 || (errno == EEXIST && fs_is_dir(path)))
        return 0;
    if (errno == EEXIST)
        errno = ENOTDIR;
    return -1;
}

enum fusor_status fs_mkdirs(const char *path, struct fusor_error *err)
{
    char part[FS_PATH_MAX];
    size_t n = strlen(path);

    if (n == 0 || n >= sizeof(part))
        return fusor_fail(err, FUSOR_EINVAL,
                          "a folder's path has 1 to %d characters, not %zu",
                          FS_PATH_MAX - 1, n);
    for (size_t i = 1; i <= n; i++) {
        if (path[i] != '/' && path[i] != '\0')
            continue;
        memcpy(part, path, i);
        part[i] = '\0';
        if (make_one(part))
            return io_fail(err, "make the folder", part);
    }
    return FUSOR_OK;
}

/* A file beside path that nobody else is writing. */
static int open_beside(char name[FS_PATH_MAX], const char *path)
{
    struct timespec t;
    int fd = -1, n;

    for (int i = 0; i < 16 && fd < 0; i++) {
        clock_gettime(CLOCK_MONOTONIC, &t);
        n = snprintf(name, FS_PATH_MAX, "%s.%lx-%llx.tmp", path, (long)getpid(),
                     (unsigned long long)hash_mix((uint64_t)pthread_self() +
                                                  (uint64_t)t.tv_nsec));
        if (n < 0 || n >= FS_PATH_MAX) {
            errno = ENAMETOOLONG;
            return -1;
        }
        fd = open(name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
        if (fd < 0 && errno != EEXIST)
            return -1;
    }
    return fd;
}

static void parent_of(char out[FS_PATH_MAX], const char *path)
{
    const char *slash = strrchr(path, '/');
    size_t n = slash ? (size_t)(slash - path) : 0;

    if (!slash)
        snprintf(out, FS_PATH_MAX, ".");
    else
        snprintf(out, FS_PATH_MAX, "%.*s", n ? (int)n : 1, path);
}

/* Write a file beside path and move it there. */
static enum fusor_status replace(const char *path, const void *data,
                                 size_t size, int sync, struct fusor_error *err)
{
    char beside[FS_PATH_MAX];
    int fd = open_beside(beside, path), failed;
    enum fusor_status rc;

    if (fd < 0)
        return io_fail(err, "write", path);
    rc = fs_pwrite(fd, data, size, 0, beside, err);
    if (rc == FUSOR_OK && sync && fsync(fd))
        rc = io_fail(err, "sync", beside);
    failed = close(fd);
    if (rc == FUSOR_OK && failed)
        rc = io_fail(err, "close", beside);
    if (rc == FUSOR_OK)
        rc = fs_rename(beside, path, err);
    if (rc != FUSOR_OK)
        unlink(beside);
    return rc;
}

enum fusor_status fs_write_atomic(const char *path, const void *data,
                                  size_t size, struct fusor_error *err)
{
    char folder[FS_PATH_MAX];

    FUSOR_TRY(replace(path, data, size, 1, err));
    parent_of(folder, path);
    return fs_sync_dir(folder, err);
}

enum fusor_status fs_replace(const char *path, const void *data, size_t size,
                             struct fusor_error *err)
{
    return replace(path, data, size, 0, err);
}

enum fusor_status fs_sync_dir(const char *path, struct fusor_error *err)
{
    int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    enum fusor_status rc = FUSOR_OK;

    if (fd < 0)
        return io_fail(err, "open", path);
    if (fsync(fd) && errno != EINVAL) // some file systems have none to do
        rc = io_fail(err, "sync", path);
    close(fd);
    return rc;
}

enum fusor_status fs_rename(const char *from, const char *to,
                            struct fusor_error *err)
{
    if (rename(from, to))
        return fusor_fail(err, FUSOR_EIO, "cannot rename %s to %s: %s", from,
                          to, strerror(errno));
    return FUSOR_OK;
}

static int remove_one(const char *path, const struct stat *st, int type,
                      struct FTW *ftw)
{
    (void)st;
    (void)type;
    (void)ftw;
    return remove(path) && errno != ENOENT ? -1 : 0;
}

enum fusor_status fs_remove_tree(const char *path, struct fusor_error *err)
{
    if (nftw(path, remove_one, 16, FTW_DEPTH | FTW_PHYS) && errno != ENOENT)
        return io_fail(err, "remove", path);
    return FUSOR_OK;
}

static int by_name(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

static enum fusor_status add_name(struct fs_list *list, size_t *cap,
                                  const char *name, struct fusor_error *err)
{
    void *names = list->names;

    if (mem_reserve(&names, list->n, cap, sizeof(*list->names)))
        return mem_fail(err, name, (*cap + 1) * sizeof(*list->names));
    list->names = names;
    list->names[list->n] = mem_strdup(name);
    if (!list->names[list->n])
        return mem_fail(err, name, strlen(name));
    list->n++;
    return FUSOR_OK;
}

static enum fusor_status read_names(DIR *d, const char *path,
                                    struct fs_list *list,
                                    struct fusor_error *err)
{
    struct dirent *entry;
    size_t cap = 0;

    while (errno = 0, (entry = readdir(d)) != NULL) {
        if (!strcmp(entry->d_name, ".") || !strcmp(entry->d_name, ".."))
            continue;
        FUSOR_TRY(add_name(list, &cap, entry->d_name, err));
    }
    return errno ? io_fail(err, "list", path) : FUSOR_OK;
}

enum fusor_status fs_list_dir(const char *path, struct fs_list *list,
                              struct fusor_error *err)
{
    DIR *d = opendir(path);
    enum fusor_status rc;

    list->names = NULL;
    list->n = 0;
    if (!d)
        return io_fail(err, "list", path);
    rc = read_names(d, path, list, err);
    closedir(d);
    if (rc != FUSOR_OK)
        fs_list_clear(list);
    else if (list->n)
        qsort(list->names, list->n, sizeof(*list->names), by_name);
    return rc;
}

void fs_list_clear(struct fs_list *list)
{
    for (size_t i = 0; i < list->n; i++)
        mem_free(list->names[i]);
    mem_free(list->names);
    list->names = NULL;
    list->n = 0;
}
