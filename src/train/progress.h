/* The line a person watches while training: on a terminal one line rewritten a
 * few times a second, else a plain line every 30 s. Always on stderr.
 *
 * Threads: one. */
#ifndef TRAIN_PROGRESS_H
#define TRAIN_PROGRESS_H

#include <stdint.h>

struct progress {
    int on;            // 0: says nothing
    int terminal;      // stderr is one
    double started;    // seconds of clock.h, of this epoch
    double next;       // when to say something again
    int shown;         // a line stands on the terminal
    uint64_t expected; // samples of the epoch
    char label[64];    // "stage 1 epoch 3/10"
};

void progress_init(struct progress *p, int quiet);
void progress_begin(struct progress *p, const char *label, uint64_t expected);
/** @param metric the last validation metric in words, or "" */
void progress_show(struct progress *p, uint64_t samples, double loss_sum,
                   const char *metric);
/** The epoch is over: take the rewritten line away. */
void progress_end(struct progress *p);
/** One line that stays. */
void progress_say(struct progress *p, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

#endif
