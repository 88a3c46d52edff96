/* Log lines: one line each, "time role level module: text", on stderr and, once
 * a file is set, in that file too. Threads: any, once the settings are made. */
#ifndef BASE_LOG_H
#define BASE_LOG_H

#include "fusor/status.h"

enum log_level { LOG_ERROR, LOG_WARN, LOG_INFO, LOG_DEBUG };

/** Who speaks in this process, e.g. "worker 1"; at most 31 characters. */
void log_set_role(const char *role);
/** Drop lines above this level from stderr. The file always gets info. */
void log_set_level(enum log_level level);
/** Talk to a person on stderr: "prefix: text" there, the whole line only in the
 * file. At most 47 characters; NULL: the whole line in both. */
void log_set_plain(const char *prefix);
/** Also append every line to this file (created when missing). */
enum fusor_status log_open(const char *path, struct fusor_error *err);
void log_close(void);

void log_line(enum log_level level, const char *module, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

#define log_error(...) log_line(LOG_ERROR, LOG_MODULE, __VA_ARGS__)
#define log_warn(...) log_line(LOG_WARN, LOG_MODULE, __VA_ARGS__)
#define log_info(...) log_line(LOG_INFO, LOG_MODULE, __VA_ARGS__)
#define log_debug(...) log_line(LOG_DEBUG, LOG_MODULE, __VA_ARGS__)
/* A file that logs defines LOG_MODULE "name" before it includes this. */

#endif
