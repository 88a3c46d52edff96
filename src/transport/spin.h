/* Looking a little longer before going to sleep. A core that sleeps takes about
 * as long to wake as SPIN_NS; whoever looks for no longer than that before it
 * sleeps is never worse than twice the best (Karlin, Li, Manasse, Owicki 1991,
 * Empirical studies of competitive spinning). Between looks the core is offered
 * to others: if one takes it, the next waits sleep at once, and so do some of
 * those that follow a look in vain.
 *
 * Owner and threads: who waits, one. A struct of zeros with a clock is ready.
 */
#ifndef TRANSPORT_SPIN_H
#define TRANSPORT_SPIN_H

#include "base/clock.h"

#define SPIN_NS 60000 /* measured: an idle virtual core answers after 60 us */

struct spin {
    const struct clock_source *clock;
    int64_t began_ns;
    unsigned misses; // looks in vain, in a row
    unsigned skip;   // waits to come that sleep at once
};

/** A wait begins. @return 0: sleep at once */
int spin_begin(struct spin *s);
/** Nothing was there: offer the core. @return 0: now sleep */
int spin_again(struct spin *s);
/** It was there after all. */
void spin_hit(struct spin *s);

#endif
