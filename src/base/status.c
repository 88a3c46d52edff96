/* Status codes: texts, exit codes, and the error line built from the cause
 * outwards. */
#include "fusor/status.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

enum fusor_status fusor_fail(struct fusor_error *err, enum fusor_status status,
                             const char *format, ...)
{
    va_list ap;

    if (!err)
        return status;
    err->status = status;
    va_start(ap, format);
    vsnprintf(err->text, sizeof(err->text), format, ap);
    va_end(ap);
    return status;
}

enum fusor_status fusor_wrap(struct fusor_error *err, enum fusor_status status,
                             const char *format, ...)
{
    char cause[sizeof(err->text)];
    size_t used;
    va_list ap;
    int n;

    if (status == FUSOR_OK || !err)
        return status;
    memcpy(cause, err->text, sizeof(cause));
    va_start(ap, format);
    n = vsnprintf(err->text, sizeof(err->text), format, ap);
    va_end(ap);
    used = n < 0 ? 0 : (size_t)n;
    if (used + 3 < sizeof(err->text))
        snprintf(err->text + used, sizeof(err->text) - used, ": %.*s",
                 (int)(sizeof(err->text) - used - 3), cause);
    err->status = status;
    return status;
}

const char *fusor_status_text(enum fusor_status status)
{
    static const char *const texts[] = {
#define STATUS_TEXT(name, exit_code, text) [FUSOR_##name] = text,
        FUSOR_STATUS_LIST(STATUS_TEXT)
#undef STATUS_TEXT
    };

    if ((size_t)status >= sizeof(texts) / sizeof(texts[0]))
        return "unknown status";
    return texts[status];
}

int fusor_exit_code(enum fusor_status status)
{
    static const int codes[] = {
#define STATUS_CODE(name, exit_code, text) [FUSOR_##name] = exit_code,
        FUSOR_STATUS_LIST(STATUS_CODE)
#undef STATUS_CODE
    };

    if ((size_t)status >= sizeof(codes) / sizeof(codes[0]))
        return 2;
    return codes[status];
}
