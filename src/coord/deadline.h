/* Every deadline of the cluster in one table (DESIGN section 4), in
 * milliseconds. */
#ifndef COORD_DEADLINE_H
#define COORD_DEADLINE_H

#include <stdint.h>

#define DEADLINE_RESEND_MS 200      // first resend of what was not answered,
#define DEADLINE_RESEND_MAX_MS 2000 // doubling up to here
#define DEADLINE_PING_MS 1000       // own ping, with progress and reason
#define DEADLINE_SAY_MS 5000        // say who waits for whom, for what
#define DEADLINE_SUSPECT_MS 15000   // a silent process is taken for dead
#define DEADLINE_HANG_MS 120000     // nothing moves at all: exit code 5

/** How long the caller was away, beyond a pause that is usual: it heard nobody
 * because it did not listen, so nobody was silent.
 * @param tick_ms when it was here last; set to now */
static inline int64_t deadline_absence(int64_t *tick_ms, int64_t now)
{
    int64_t away = now - *tick_ms;

    *tick_ms = now;
    return away > DEADLINE_SAY_MS ? away : 0;
}

#endif
