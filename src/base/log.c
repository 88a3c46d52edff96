/* Log lines to stderr and to a file. Each line is written by one write(2), so
 * that lines of several processes on one terminal do not mix. */
#include "base/log.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define LINE_MAX_BYTES 1024

static char log_role[32] = "fusor";
static enum log_level max_level = LOG_INFO;
static int file_fd = -1;
static char plain_prefix[48]; // "": none

void log_set_role(const char *role)
{
    snprintf(log_role, sizeof(log_role), "%s", role);
}

void log_set_level(enum log_level level)
{
    max_level = level;
}

void log_set_plain(const char *prefix)
{
    snprintf(plain_prefix, sizeof(plain_prefix), "%s", prefix ? prefix : "");
}

enum fusor_status log_open(const char *path, struct fusor_error *err)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);

    if (fd < 0)
        return fusor_fail(err, FUSOR_EIO, "%s: %s", path, strerror(errno));
    log_close();
    file_fd = fd;
    return FUSOR_OK;
}

void log_close(void)
{
    if (file_fd >= 0)
        close(file_fd);
    file_fd = -1;
}

static void write_whole(int fd, const char *s, size_t n)
{
    while (n > 0) {
        ssize_t w = write(fd, s, n);

        if (w < 0 && errno == EINTR)
            continue;
        if (w <= 0)
            return; // nowhere left to say so
        s += w;
        n -= (size_t)w;
    }
}

/* One line that ends in a newline, of at most LINE_MAX_BYTES bytes. */
static void write_plain(const char *text)
{
    char line[sizeof(plain_prefix) + LINE_MAX_BYTES];
    int n = snprintf(line, sizeof(line), "%s: %s", plain_prefix, text);

    write_whole(STDERR_FILENO, line, (size_t)n);
}

void log_line(enum log_level level, const char *module, const char *format, ...)
{
    static const char *const names[] = {"error", "warn", "info", "debug"};
    int to_file = file_fd >= 0 && (level <= LOG_INFO || level <= max_level);
    char line[LINE_MAX_BYTES], *text;
    struct timespec now;
    struct tm tm;
    va_list ap;
    size_t n;

    if (level > max_level && !to_file)
        return;
    clock_gettime(CLOCK_REALTIME, &now);
    localtime_r(&now.tv_sec, &tm);
    n = strftime(line, sizeof(line), "%H:%M:%S", &tm);
    n += (size_t)snprintf(line + n, sizeof(line) - n,
                          ".%03d %s %s %s: ", (int)(now.tv_nsec / 1000000),
                          log_role, names[level], module);
    text = line + n;
    va_start(ap, format);
    vsnprintf(text, sizeof(line) - n - 1, format, ap);
    va_end(ap);
    n = strlen(line);
    line[n++] = '\n';
    line[n] = '\0';
    if (to_file)
        write_whole(file_fd, line, n);
    if (level <= max_level && plain_prefix[0])
        write_plain(text);
    else if (level <= max_level)
        write_whole(STDERR_FILENO, line, n);
}
