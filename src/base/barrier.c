/* The barrier: an arrival counter and a round number; the last to arrive turns
 * the round. Who sleeps, sleeps on the round (futex(2)). The kernel is called
 * to wake only when somebody has said that he sleeps: he says so before the
 * kernel compares the round, the waker turns the round before it looks, both in
 * the one order of seq_cst, so no sleeper is missed. */
#define _GNU_SOURCE /* syscall */
#include "base/barrier.h"

#include <limits.h>
#include <linux/futex.h>
#include <sys/syscall.h>
#include <unistd.h>

#define SPINS 2000 /* 20-100 us: about what a sleep and a wake-up cost */

static void pause_briefly(void)
{
#if defined(__x86_64__)
    __builtin_ia32_pause();
#endif
}

void barrier_init(struct barrier *b, unsigned n)
{
    atomic_init(&b->arrived, 0);
    atomic_init(&b->round, 0);
    atomic_init(&b->sleepers, 0);
    atomic_init(&b->broken, 0);
    b->n = n;
}

static void turn_round(struct barrier *b)
{
    atomic_fetch_add(&b->round, 1);
    if (atomic_load(&b->sleepers))
        syscall(SYS_futex, &b->round, FUTEX_WAKE_PRIVATE, INT_MAX, NULL, NULL,
                0);
}

static void wait_for_turn(struct barrier *b, unsigned round)
{
    for (int i = 0; i < SPINS; i++) {
        if (atomic_load_explicit(&b->round, memory_order_acquire) != round)
            return;
        pause_briefly();
    }
    atomic_fetch_add(&b->sleepers, 1);
    while (atomic_load(&b->round) == round)
        syscall(SYS_futex, &b->round, FUTEX_WAIT_PRIVATE, round, NULL, NULL, 0);
    atomic_fetch_sub(&b->sleepers, 1);
}

int barrier_wait(struct barrier *b)
{
    unsigned round = atomic_load(&b->round);

    if (atomic_load(&b->broken))
        return -1;
    if (atomic_fetch_add(&b->arrived, 1) + 1 == b->n) {
        atomic_store(&b->arrived, 0);
        turn_round(b);
    } else {
        wait_for_turn(b, round);
    }
    return atomic_load(&b->broken) ? -1 : 0;
}

void barrier_break(struct barrier *b)
{
    atomic_store(&b->broken, 1);
    turn_round(b);
}
