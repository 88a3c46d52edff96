/* When to go on looking: competitive spinning that backs off, see the header.
 */
#include "transport/spin.h"

#include <sched.h>

#define LATE_NS 5000      /* a yield to nobody takes a tenth of that */
#define SKIP_LATE 256     /* the core is wanted: waits that do not try again */
#define SKIP_MISSES_MAX 4 /* doublings: at most 15 waits after one in vain */

int spin_begin(struct spin *s)
{
    if (s->skip) {
        s->skip--;
        return 0;
    }
    s->began_ns = clock_now_ns(s->clock);
    return 1;
}

int spin_again(struct spin *s)
{
    int64_t offered = clock_now_ns(s->clock), now;

    sched_yield();
    now = clock_now_ns(s->clock);
    if (now - offered > LATE_NS) {
        s->skip = SKIP_LATE;
        return 0;
    }
    if (now - s->began_ns < SPIN_NS)
        return 1;
    if (s->misses < SKIP_MISSES_MAX)
        s->misses++;
    s->skip = (1u << s->misses) - 1;
    return 0;
}

void spin_hit(struct spin *s)
{
    s->misses = 0;
}
