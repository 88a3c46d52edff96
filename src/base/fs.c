/* Files: reading, appending, exact reads and writes at an offset. What changes
 * the folder itself (durable replacement, trees, lists) is in fs_dir.c. */
#include "base/fs.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/mem.h"

static enum fusor_status io_fail(struct fusor_error *err, const char *doing,
                                 const char *path)
{
    return fusor_fail(err, FUSOR_EIO, "cannot %s %s: %s", doing, path,
                      strerror(errno));
}

char *fs_join(char out[FS_PATH_MAX], const char *a, const char *b)
{
    size_t na = strlen(a);
    int n;

    if (*b == '/' || !*a)
        n = snprintf(out, FS_PATH_MAX, "%s", b);
    else
        n = snprintf(out, FS_PATH_MAX, "%s%s%s", a,
                     !*b || a[na - 1] == '/' ? "" : "/", b);
    if (n < 0 || n >= FS_PATH_MAX)
        out[0] = '\0';
    return out;
}

int fs_exists(const char *path)
{
    struct stat st;

    return stat(path, &st) == 0;
}

int fs_is_dir(const char *path)
{
    struct stat st;

    return stat(path, &st) == 0 && S_ISDIR(st.st_mode);
}

int64_t fs_size(const char *path)
{
    struct stat st;

    return stat(path, &st) == 0 ? (int64_t)st.st_size : -1;
}

static enum fusor_status too_big(const char *path, uint64_t size, size_t most,
                                 struct fusor_error *err)
{
    return fusor_fail(err, FUSOR_EDATA,
                      "%s: %llu bytes or more, at most %zu are read", path,
                      (unsigned long long)size, most);
}

/* Read until the end. A file may tell no size (a pipe, /proc) or grow while it
 * is read, so room for one byte more than is there is kept.
 * @param data [room] and its owner stay the caller's, also on failure */
static enum fusor_status read_to_end(int fd, char **data, size_t room,
                                     size_t max_bytes, size_t *size,
                                     const char *path, struct fusor_error *err)
{
    size_t n = 0;

    for (;;) {
        ssize_t r = read(fd, *data + n, room - n);

        if (r < 0 && errno == EINTR)
            continue;
        if (r < 0)
            return io_fail(err, "read", path);
        if (r == 0)
            break;
        n += (size_t)r;
        if (n > max_bytes)
            return too_big(path, n, max_bytes, err);
        if (n == room) {
            char *more = mem_grow(*data, room, 2 * room, 1);

            if (!more)
                return mem_fail(err, path, 2 * room);
            *data = more;
            room *= 2;
        }
    }
    (*data)[n] = '\0';
    *size = n;
    return FUSOR_OK;
}

enum fusor_status fs_read(const char *path, size_t max_bytes, char **data,
                          size_t *size, struct fusor_error *err)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    char *text = NULL;
    enum fusor_status rc;
    struct stat st;
    size_t room;

    if (fd < 0)
        return io_fail(err, "open", path);
    if (fstat(fd, &st)) {
        rc = io_fail(err, "read", path);
        goto out;
    }
    if ((uint64_t)st.st_size > max_bytes && S_ISREG(st.st_mode)) {
        rc = too_big(path, (uint64_t)st.st_size, max_bytes, err);
        goto out;
    }
    room = S_ISREG(st.st_mode) && st.st_size ? (size_t)st.st_size + 1 : 4096;
    text = mem_alloc_raw(room, 1);
    rc = text ? read_to_end(fd, &text, room, max_bytes, size, path, err)
              : mem_fail(err, path, room);
    if (rc == FUSOR_OK) {
        *data = text;
        text = NULL;
    }
out:
    mem_free(text);
    close(fd);
    return rc;
}

enum fusor_status fs_append(const char *path, const void *data, size_t size,
                            struct fusor_error *err)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0666);
    enum fusor_status rc = FUSOR_OK;
    ssize_t w;

    if (fd < 0)
        return io_fail(err, "open", path);
    do
        w = write(fd, data, size);
    while (w < 0 && errno == EINTR);
    if (w < 0)
        rc = io_fail(err, "append to", path);
    else if ((size_t)w != size)
        rc = fusor_fail(err, FUSOR_EIO,
                        "%s: only %zd of %zu bytes appended: disk full?", path,
                        w, size);
    if (close(fd) && rc == FUSOR_OK)
        rc = io_fail(err, "close", path);
    return rc;
}

enum fusor_status fs_pwrite(int fd, const void *p, size_t n, uint64_t offset,
                            const char *path, struct fusor_error *err)
{
    const char *from = p;

    while (n > 0) {
        ssize_t w = pwrite(fd, from, n, (off_t)offset);

        if (w < 0 && errno == EINTR)
            continue;
        if (w < 0)
            return io_fail(err, "write", path);
        from += w;
        offset += (uint64_t)w;
        n -= (size_t)w;
    }
    return FUSOR_OK;
}

enum fusor_status fs_pread(int fd, void *p, size_t n, uint64_t offset,
                           const char *path, struct fusor_error *err)
{
    char *to = p;

    while (n > 0) {
        ssize_t r = pread(fd, to, n, (off_t)offset);

        if (r < 0 && errno == EINTR)
            continue;
        if (r < 0)
            return io_fail(err, "read", path);
        if (r == 0)
            return fusor_fail(err, FUSOR_EDATA,
                              "%s: ends at byte %llu, %zu more expected", path,
                              (unsigned long long)offset, n);
        to += r;
        offset += (uint64_t)r;
        n -= (size_t)r;
    }
    return FUSOR_OK;
}
