/* Who uses an endpoint just now: the network thread, whose home it is, or a
 * compute thread that waits for an answer and may as well fetch it itself (the
 * leader of leader/followers, Schmidt et al. 1997), so that a small request
 * costs no hand-over. Only one has it at a time, and nobody waits for it but
 * the network thread, which takes it back when it is called, when nobody led
 * for a while, or when its own duties are due, and gives it up when somebody
 * waits for an answer or wants it.
 *
 * Threads: lead_rest() from the network thread, which has the lead from
 * lead_init() on; the rest from compute threads. */
#ifndef PS_LEAD_H
#define PS_LEAD_H

#include <pthread.h>
#include <stdint.h>

#include "fusor/status.h"

struct lead {
    pthread_mutex_t lock; // guards all below
    pthread_cond_t changed;
    int taken;     // by anybody
    int at_home;   // by the network thread
    int called;    // it must come back
    int wanted;    // by a compute thread, should it be idle
    uint64_t uses; // by compute threads
};

enum fusor_status lead_init(struct lead *l, struct fusor_error *err);
void lead_clear(struct lead *l);

/** Take the lead unless it is taken or the network thread is on its way.
 * @return 1: taken */
int lead_try(struct lead *l);
/** Have the network thread rest as soon as it has nothing to do.
 * @return 1: wake it */
int lead_want(struct lead *l);
/** Give up the lead.
 * @param call the network thread must take over at once */
void lead_leave(struct lead *l, int call);
/** There is something that only the network thread can do. */
void lead_call(struct lead *l);
/** Network thread: it has heard the calls up to now.
 * @return 1: a compute thread wants the lead */
int lead_heard(struct lead *l);
/** Network thread: give up the lead and take it back when called, when nobody
 * used it for idle_ms, or after most_ms and then as soon as it is free.
 * @param nudge tells who leads to leave
 * @return 1: it is still in use; the network thread may soon rest again */
int lead_rest(struct lead *l, int idle_ms, int most_ms, void (*nudge)(void *),
              void *context);

#endif
