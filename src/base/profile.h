/* Where the time of a thread goes. A thread is always in one phase; what begins
 * another one says so, which costs one reading of the processor's time stamp
 * counter (about 10 ns), so it can stay on in every step. Everything between
 * begin and end is some phase's, if only PROFILE_OTHER's.
 *
 * A profile may also keep the moments of change, for a trace of the first steps
 * of a run: into memory given to it before, until that is full.
 *
 * Owner and thread: the one it describes; others read it once that one rests.
 * All functions take NULL for a profile nobody wants. */
#ifndef BASE_PROFILE_H
#define BASE_PROFILE_H

#include <stddef.h>
#include <stdint.h>

#if defined(__x86_64__)
#include <x86intrin.h>
#else
#include "base/clock.h"
#endif

/* name, text. Order as a step goes. */
#define PROFILE_PHASE_LIST(X)                          \
    X(OTHER, "other")                                  \
    /* a compute thread */                             \
    X(DATA, "data")                                    \
    X(STALL, "data stall")                             \
    X(KEYS, "keys")                                    \
    X(ANNOUNCE, "announce")                            \
    X(WAIT_RULE, "wait for staleness")                 \
    X(WAIT_SHARDS, "wait for shards")                  \
    X(WAIT_THREADS, "wait for threads")                \
    X(WAIT_ACKS, "wait for acks")                      \
    X(WAIT_CREDIT, "held back by credit")              \
    X(LOOKUP, "lookup")                                \
    X(VALUES, "values")                                \
    X(GATHER, "gather")                                \
    X(FORWARD_ENCODERS, "forward encoders")            \
    X(FORWARD_FUSION, "forward fusion")                \
    X(LOSS, "loss function")                           \
    X(BACKWARD_FUSION, "backward fusion")              \
    X(BACKWARD_ENCODERS, "backward encoders")          \
    X(SCATTER, "scatter")                              \
    X(COMBINE, "combine")                              \
    X(PUSH, "push")                                    \
    X(APPLY, "apply")                                  \
    /* a shard behind messages; lookup to apply too */ \
    X(IDLE, "idle")                                    \
    X(SEND, "send")                                    \
    /* the course */                                   \
    X(EPOCH, "epoch")                                  \
    X(CUT, "cut")                                      \
    X(EVALUATE, "evaluation")                          \
    X(CHECKPOINT, "checkpoint")

enum profile_phase {
#define PROFILE_PHASE_ENUM(name, text) PROFILE_##name,
    PROFILE_PHASE_LIST(PROFILE_PHASE_ENUM)
#undef PROFILE_PHASE_ENUM
        PROFILE_FORWARD /* + tower */
};

#define PROFILE_TOWERS 16 /* from the 16th on they share a slot */
#define PROFILE_BACKWARD (PROFILE_FORWARD + PROFILE_TOWERS)
#define PROFILE_SLOTS (PROFILE_BACKWARD + PROFILE_TOWERS)
/* In a mark: a step begins; nothing is measured from here on. */
#define PROFILE_STEP PROFILE_SLOTS
#define PROFILE_REST (PROFILE_SLOTS + 1)

struct profile_mark {
    uint64_t at;    // ticks
    uint32_t phase; // that begins, PROFILE_STEP or PROFILE_REST
    uint32_t step;
};

struct profile {
    int64_t ticks[PROFILE_SLOTS]; // signed: processors' counters may differ
    uint64_t since;               // ticks, when the phase under way began
    uint32_t now;                 // that phase
    uint32_t step;                // of the trace
    uint64_t steps;               // since begin
    uint64_t sent, received;      // bytes of payload, since begin
    uint64_t begun;               // ticks
    int64_t begun_ns, begun_real; // the same moment, monotonic and of the day
    struct profile_mark *marks;   // [cap_marks] NULL: no trace
    size_t n_marks, cap_marks;
    uint64_t steps_left; // of the trace; 0 also while at rest
    uint64_t steps_kept; // meanwhile
};

/* What was counted, ready to be added up over threads and processes. */
struct profile_total {
    uint64_t ns[PROFILE_SLOTS];
    uint64_t steps, sent, received;
};
#define PROFILE_TOTAL_WORDS (PROFILE_SLOTS + 3)

static inline uint64_t profile_ticks(void)
{
#if defined(__x86_64__)
    return __rdtsc();
#else
    return (uint64_t)clock_now_ns(&clock_real);
#endif
}

static inline void profile_mark(struct profile *p, uint64_t at, uint32_t phase)
{
    p->marks[p->n_marks++] = (struct profile_mark){at, phase, p->step};
    if (p->n_marks == p->cap_marks)
        p->steps_left = 0;
}

/** Another phase begins. @return the one that ends, to go back to */
static inline uint32_t profile_enter(struct profile *p, uint32_t phase)
{
    uint64_t at;
    uint32_t was;

    if (!p)
        return PROFILE_OTHER;
    at = profile_ticks();
    was = p->now;
    p->ticks[was] += (int64_t)(at - p->since);
    p->since = at;
    p->now = phase;
    if (__builtin_expect(p->steps_left != 0, 0))
        profile_mark(p, at, phase);
    return was;
}

/** The slot of a tower's pass: PROFILE_FORWARD or PROFILE_BACKWARD. */
static inline uint32_t profile_tower(uint32_t pass, uint32_t tower)
{
    return pass + (tower < PROFILE_TOWERS ? tower : PROFILE_TOWERS - 1);
}

/** Begin to count, from 0, in PROFILE_OTHER. The trace goes on. */
void profile_begin(struct profile *p);
/** A step begins. */
void profile_step(struct profile *p);
/** Count up to now. The phase under way stays. */
void profile_read(struct profile *p, struct profile_total *out);
/** What was begun is over: the trace waits for the next profile_begin(). */
void profile_rest(struct profile *p);
/** Of the time counted for one phase, so many ns were another's. No more is
 * moved than since `ticks`. A trace shows it all as the first one's. */
void profile_move(struct profile *p, uint32_t from, uint32_t to, uint64_t ns,
                  uint64_t ticks);

/** Keep the moments of change of the next `steps` steps, as far as there is
 * room.
 * @param marks [cap] the caller's; NULL: no trace */
void profile_trace(struct profile *p, struct profile_mark *marks, size_t cap,
                   uint64_t steps);
/* What a mark is on CLOCK_REALTIME: base_ns + (at - base) * rate. */
struct profile_scale {
    uint64_t base;
    int64_t base_ns;
    double rate; // ns a tick
};
struct profile_scale profile_scale(const struct profile *p);

void profile_total_add(struct profile_total *into,
                       const struct profile_total *from);
/** So many ns of one phase were another's; no more than there are. */
void profile_total_move(struct profile_total *t, uint32_t from, uint32_t to,
                        uint64_t ns);
/** As PROFILE_TOTAL_WORDS words and back. */
void profile_total_pack(const struct profile_total *t, uint64_t *words);
void profile_total_unpack(const uint64_t *words, struct profile_total *out);
/** Nanoseconds of all slots. */
uint64_t profile_total_ns(const struct profile_total *t);

/** "gather", "forward mlp".
 * @param towers [n] their names; a slot without one is "tower 3"
 * @return out */
char *profile_slot_name(uint32_t slot, const char *const *towers, uint32_t n,
                        char out[96]);

#endif
