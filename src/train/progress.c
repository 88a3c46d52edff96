/* Progress on stderr, as the kind of stream allows. */
#include "train/progress.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/str.h"

#define TERMINAL_EVERY_S 0.2
#define PLAIN_EVERY_S 30.0

void progress_init(struct progress *p, int quiet)
{
    memset(p, 0, sizeof(*p));
    p->on = !quiet;
    p->terminal = isatty(STDERR_FILENO);
}

void progress_begin(struct progress *p, const char *label, uint64_t expected)
{
    p->started = clock_seconds();
    p->next = p->started + (p->terminal ? TERMINAL_EVERY_S : PLAIN_EVERY_S);
    p->expected = expected;
    snprintf(p->label, sizeof(p->label), "%s", label);
}

void progress_show(struct progress *p, uint64_t samples, double loss_sum,
                   const char *metric)
{
    double now = clock_seconds(), spent = now - p->started, rate, left;
    char count[16], eta[16];

    if (!p->on || samples == 0 || now < p->next)
        return;
    p->next = now + (p->terminal ? TERMINAL_EVERY_S : PLAIN_EVERY_S);
    rate = (double)samples / (spent > 1e-3 ? spent : 1e-3);
    left = p->expected > samples ? (double)(p->expected - samples) / rate : 0;
    fprintf(stderr, "%s%s %3.0f %%  %s samples/s  loss %.5f%s%s  ETA %s%s",
            p->terminal ? "\r\033[K" : "", p->label,
            p->expected ? 100.0 * (double)samples / (double)p->expected : 0.0,
            str_count(rate, count), loss_sum / (double)samples,
            metric[0] ? "  " : "", metric, str_duration(left, eta),
            p->terminal ? "" : "\n");
    fflush(stderr);
    p->shown = p->terminal;
}

void progress_end(struct progress *p)
{
    if (p->shown)
        fputs("\r\033[K", stderr);
    p->shown = 0;
}

void progress_say(struct progress *p, const char *format, ...)
{
    va_list ap;

    if (!p->on)
        return;
    progress_end(p);
    va_start(ap, format);
    vfprintf(stderr, format, ap);
    va_end(ap);
    fputc('\n', stderr);
}
