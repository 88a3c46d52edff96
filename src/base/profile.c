/* Ticks become nanoseconds when they are read: by what the machine's clock says
 * about the whole time since begin. */
#include "base/profile.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

static const char *const phase_names[] = {
#define PROFILE_PHASE_NAME(name, text) text,
    PROFILE_PHASE_LIST(PROFILE_PHASE_NAME)
#undef PROFILE_PHASE_NAME
};

static int64_t now_ns(clockid_t clock)
{
    struct timespec t;

    clock_gettime(clock, &t);
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

void profile_begin(struct profile *p)
{
    if (!p)
        return;
    memset(p->ticks, 0, sizeof(p->ticks));
    p->steps = p->sent = p->received = 0;
    p->now = PROFILE_OTHER;
    p->begun_real = now_ns(CLOCK_REALTIME);
    p->begun_ns = now_ns(CLOCK_MONOTONIC);
    p->begun = p->since = profile_ticks();
    p->steps_left += p->steps_kept;
    p->steps_kept = 0;
    if (p->steps_left)
        profile_mark(p, p->begun, PROFILE_OTHER);
}

void profile_rest(struct profile *p)
{
    if (!p || !p->steps_left)
        return;
    profile_mark(p, profile_ticks(), PROFILE_REST);
    p->steps_kept = p->steps_left;
    p->steps_left = 0;
}

void profile_step(struct profile *p)
{
    if (!p)
        return;
    p->steps++;
    if (!p->steps_left)
        return;
    profile_mark(p, profile_ticks(), PROFILE_STEP);
    p->step++;
    /* The one after the last only ends it. */
    if (p->steps_left)
        p->steps_left--;
}

struct profile_scale profile_scale(const struct profile *p)
{
    struct profile_scale s = {p->begun, p->begun_real, 1};
    uint64_t at = profile_ticks();
    double spent = (double)(now_ns(CLOCK_MONOTONIC) - p->begun_ns);

    if (at > s.base && spent > 0)
        s.rate = spent / (double)(at - s.base);
    return s;
}

void profile_read(struct profile *p, struct profile_total *out)
{
    double rate;

    profile_enter(p, p->now);
    rate = profile_scale(p).rate;
    for (uint32_t i = 0; i < PROFILE_SLOTS; i++)
        out->ns[i] =
            p->ticks[i] > 0 ? (uint64_t)((double)p->ticks[i] * rate) : 0;
    out->steps = p->steps;
    out->sent = p->sent;
    out->received = p->received;
}

void profile_move(struct profile *p, uint32_t from, uint32_t to, uint64_t ns,
                  uint64_t ticks)
{
    double moved;
    int64_t most;

    if (!p || ns == 0)
        return;
    most = (int64_t)(profile_ticks() - ticks);
    moved = (double)ns / profile_scale(p).rate;
    if (moved > (double)most)
        moved = (double)most;
    p->ticks[from] -= (int64_t)moved;
    p->ticks[to] += (int64_t)moved;
}

void profile_trace(struct profile *p, struct profile_mark *marks, size_t cap,
                   uint64_t steps)
{
    p->marks = marks;
    p->cap_marks = cap;
    p->n_marks = 0;
    p->steps_left = 0;
    p->steps_kept = marks && cap ? steps + 1 : 0;
}

void profile_total_add(struct profile_total *into,
                       const struct profile_total *from)
{
    for (uint32_t i = 0; i < PROFILE_SLOTS; i++)
        into->ns[i] += from->ns[i];
    into->steps += from->steps;
    into->sent += from->sent;
    into->received += from->received;
}

void profile_total_move(struct profile_total *t, uint32_t from, uint32_t to,
                        uint64_t ns)
{
    if (ns > t->ns[from])
        ns = t->ns[from];
    t->ns[from] -= ns;
    t->ns[to] += ns;
}

void profile_total_pack(const struct profile_total *t, uint64_t *words)
{
    memcpy(words, t->ns, sizeof(t->ns));
    words[PROFILE_SLOTS] = t->steps;
    words[PROFILE_SLOTS + 1] = t->sent;
    words[PROFILE_SLOTS + 2] = t->received;
}

void profile_total_unpack(const uint64_t *words, struct profile_total *out)
{
    memcpy(out->ns, words, sizeof(out->ns));
    out->steps = words[PROFILE_SLOTS];
    out->sent = words[PROFILE_SLOTS + 1];
    out->received = words[PROFILE_SLOTS + 2];
}

uint64_t profile_total_ns(const struct profile_total *t)
{
    uint64_t sum = 0;

    for (uint32_t i = 0; i < PROFILE_SLOTS; i++)
        sum += t->ns[i];
    return sum;
}

char *profile_slot_name(uint32_t slot, const char *const *towers, uint32_t n,
                        char out[96])
{
    uint32_t tower = (slot - PROFILE_FORWARD) % PROFILE_TOWERS;
    const char *pass = slot < PROFILE_BACKWARD ? "forward" : "backward";

    if (slot < PROFILE_FORWARD)
        snprintf(out, 96, "%s", phase_names[slot]);
    else if (tower == PROFILE_TOWERS - 1 && n > PROFILE_TOWERS)
        snprintf(out, 96, "%s other towers", pass);
    else if (tower < n)
        snprintf(out, 96, "%s %s", pass, towers[tower]);
    else
        snprintf(out, 96, "%s tower %u", pass, tower + 1);
    return out;
}
