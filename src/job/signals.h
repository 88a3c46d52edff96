/* Signals as something to read: a handler writes the number of a chosen signal
 * into a pipe. It works whichever thread the kernel picks, also one that a
 * library started (so no masks and no signalfd: OpenBLAS's threads, made before
 * main(), block nothing and would take the signal's default action).
 *
 * The handler needs to know the pipe: the one variable of this module that
 * belongs to the process. So only one struct signals is open at a time.
 *
 * Threads: one reads; open and close while no other thread does. */
#ifndef JOB_SIGNALS_H
#define JOB_SIGNALS_H

#include <signal.h>

#include "fusor/status.h"

#define SIGNALS_MAX 8

struct signals {
    int fd; // readable while a signal waits; for poll(2). -1: closed
    int write_fd;
    int n;
    int numbers[SIGNALS_MAX];
    struct sigaction before[SIGNALS_MAX];
};

/** @param list signal numbers, 0 at the end, at most SIGNALS_MAX
 * @return FUSOR_EINVAL when one is open already, FUSOR_EIO */
enum fusor_status signals_open(struct signals *s, const int *list,
                               struct fusor_error *err);
/** @return the next signal, 0 when none waits. Blocks: never. */
int signals_take(struct signals *s);
/** Give the signals their old meaning; async-signal-safe, for a forked child.
 */
void signals_restore(const struct signals *s);
/** The same, and close. One that is closed already is fine. */
void signals_close(struct signals *s);

#endif
