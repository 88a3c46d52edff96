/* A lock with one thread that may wait for it, asked for by name. */
#include "ps/lead.h"

#include <errno.h>
#include <string.h>
#include <time.h>

enum fusor_status lead_init(struct lead *l, struct fusor_error *err)
{
    pthread_condattr_t attr;

    memset(l, 0, sizeof(*l));
    l->taken = l->at_home = 1;
    pthread_mutex_init(&l->lock, NULL);
    if (pthread_condattr_init(&attr) != 0)
        return fusor_fail(err, FUSOR_ENOMEM, "client: no condition variable");
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_cond_init(&l->changed, &attr);
    pthread_condattr_destroy(&attr);
    return FUSOR_OK;
}

void lead_clear(struct lead *l)
{
    pthread_mutex_destroy(&l->lock);
    pthread_cond_destroy(&l->changed);
}

int lead_try(struct lead *l)
{
    int got;

    pthread_mutex_lock(&l->lock);
    got = !l->taken && !l->called;
    if (got) {
        l->taken = 1;
        l->uses++;
    }
    pthread_mutex_unlock(&l->lock);
    return got;
}

int lead_want(struct lead *l)
{
    int wake;

    pthread_mutex_lock(&l->lock);
    wake = l->at_home && !l->wanted;
    l->wanted |= wake;
    pthread_mutex_unlock(&l->lock);
    return wake;
}

void lead_leave(struct lead *l, int call)
{
    pthread_mutex_lock(&l->lock);
    l->taken = 0;
    l->called |= call;
    if (l->called)
        pthread_cond_signal(&l->changed);
    pthread_mutex_unlock(&l->lock);
}

void lead_call(struct lead *l)
{
    pthread_mutex_lock(&l->lock);
    if (!l->called) {
        l->called = 1;
        pthread_cond_signal(&l->changed);
    }
    pthread_mutex_unlock(&l->lock);
}

int lead_heard(struct lead *l)
{
    int wanted;

    pthread_mutex_lock(&l->lock);
    wanted = l->wanted;
    l->called = l->wanted = 0;
    pthread_mutex_unlock(&l->lock);
    return wanted;
}

static struct timespec later(int ms)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    t.tv_sec += ms / 1000;
    t.tv_nsec += (long)(ms % 1000) * 1000000;
    if (t.tv_nsec >= 1000000000) {
        t.tv_sec++;
        t.tv_nsec -= 1000000000;
    }
    return t;
}

/* Until called or the time is over.
 * @return 1: the time is over */
static int wait_called(struct lead *l, int ms)
{
    struct timespec end = later(ms);

    while (!l->called)
        if (pthread_cond_timedwait(&l->changed, &l->lock, &end) == ETIMEDOUT)
            return !l->called;
    return 0;
}

int lead_rest(struct lead *l, int idle_ms, int most_ms, void (*nudge)(void *),
              void *context)
{
    int rested = 0, in_use = 1;

    pthread_mutex_lock(&l->lock);
    l->taken = l->at_home = 0;
    while (in_use && rested < most_ms) {
        uint64_t before = l->uses;

        if (!wait_called(l, idle_ms))
            break;
        in_use = l->taken || l->uses != before;
        rested += idle_ms;
    }
    l->called = 1; // who leads sees it once it is nudged
    if (l->taken)
        nudge(context);
    while (l->taken)
        pthread_cond_wait(&l->changed, &l->lock);
    l->taken = l->at_home = 1;
    l->called = 0;
    pthread_mutex_unlock(&l->lock);
    return in_use;
}
