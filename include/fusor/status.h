/* Status codes and the error that travels with them.
 *
 * A function that can fail returns enum fusor_status and fills *err with the
 * facts where it found them; callers add their own context in front with
 * fusor_wrap(), so the text reads from the outermost call to the cause.
 * Whoever receives a status either returns it or reports it, never both.
 */
#ifndef FUSOR_STATUS_H
#define FUSOR_STATUS_H

#include <stddef.h>

/* name, process exit code, what it means */
#define FUSOR_STATUS_LIST(X)                                     \
    X(OK, 0, "ok")                                               \
    X(EUSAGE, 2, "usage or configuration")                       \
    X(EINVAL, 2, "invalid argument")                             \
    X(ESHAPE, 2, "shapes do not fit")                            \
    X(EDATA, 3, "bad data")                                      \
    X(EIO, 4, "disk or file")                                    \
    X(ENOMEM, 4, "out of memory")                                \
    X(ECLUSTER, 5, "cluster: a process, host or message failed") \
    X(ECLOSED, 5, "the peer has gone")                           \
    X(EPROTO, 5, "malformed message")                            \
    X(EAGAIN, 5, "not yet")                                      \
    X(EDIVERGED, 6, "training diverged")                         \
    X(ELOST, 7, "an acknowledged update was lost")               \
    X(ERESUME, 75, "stopped at a checkpoint: run again with --resume")

enum fusor_status {
#define FUSOR_STATUS_ENUM(name, exit_code, text) FUSOR_##name,
    FUSOR_STATUS_LIST(FUSOR_STATUS_ENUM)
#undef FUSOR_STATUS_ENUM
};

struct fusor_error {
    enum fusor_status status;
    char text[480]; /* one line, no newline at the end */
};

/** Record a failure with its facts; printf format.
 * @param err may be NULL
 * @return status, so that it can be returned at once */
enum fusor_status fusor_fail(struct fusor_error *err, enum fusor_status status,
                             const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/** Put context in front of a failure already recorded in err.
 * @return status unchanged; does nothing for FUSOR_OK */
enum fusor_status fusor_wrap(struct fusor_error *err, enum fusor_status status,
                             const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/** The meaning of a status in a few words; never NULL. */
const char *fusor_status_text(enum fusor_status status);

/** The exit code a process ends with because of this status. */
int fusor_exit_code(enum fusor_status status);

/** Return a failure at once. Only where there is nothing to release. */
#define FUSOR_TRY(call)                         \
    do {                                        \
        enum fusor_status try_status_ = (call); \
        if (try_status_ != FUSOR_OK)            \
            return try_status_;                 \
    } while (0)

#endif
