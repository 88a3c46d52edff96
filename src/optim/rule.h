/* What a rule is made of: private to src/optim.
 *
 * A rule's file writes its arithmetic once, as a plain loop over elements
 * (OPTIM_LOOP), and OPTIM_KERNELS() compiles that loop for the baseline, AVX2
 * and AVX-512. The baseline is the reference that the others are tested
 * against, bit for bit: the compiler may only change how many elements it does
 * at once, never an operation (-ffp-contract=off, no -ffast-math).
 */
#ifndef OPTIM_RULE_H
#define OPTIM_RULE_H

#include <math.h>
#include <stddef.h>

#include "base/cpu.h"
#include "base/option.h"
#include "optim/bf16_loop.h"
#include "optim/optim.h"
#include "optim/vector.h"

/* Each mode is compiled apart, so the bare rule pays for nothing it lacks. */
enum optim_mode {
    OPTIM_BARE, // g = grad
    OPTIM_FULL, // g = scale grad + l2 w, then l1
    OPTIM_NONE, // g = l2 w, then l1: a unit that did not touch the row
    OPTIM_N_MODES
};

/* One call of a kernel. */
struct optim_call {
    float *values;
    float *state;
    const float *grad;
    size_t width;
    size_t apart; // floats from the first array of state to the second
    float scale;  // from clip_row
    const struct optim *o;
    const struct optim_step *step;
};

typedef void optim_rows_fn(const struct optim_rows *rows,
                           struct optim_call call);

struct optim_kernels {
    void (*run[OPTIM_N_MODES])(const struct optim_call *call);
    optim_rows_fn *rows[2][2]; // [full][halves]
};

/* What the text of a job says about one rule, before it is checked. */
struct optim_form {
    struct optim_spec spec;
    double decay;
    struct yaml_node *l2;
    struct yaml_node *schedule;
};

struct optim_rule {
    const char *name;
    const char *help;
    const struct option_spec *options;     // offsets in struct optim_form
    const char *scalar;                    // {name: NUMBER} sets this option
    size_t state_per_value, state_per_row; // floats
    int whole_row;                         // not elementwise
    int has_l1, has_l2, has_schedule;
    const struct optim_kernels *kernels; // [CPU_AVX512 + 1]
    /* NULL: state is spec.initial everywhere */
    void (*init_state)(const struct optim *o, const float *values, float *state,
                       size_t width);
};

#define OPTIM_RULE_EXTERN(upper, lower) \
    extern const struct optim_rule optim_rule_##lower;
OPTIM_KIND_LIST(OPTIM_RULE_EXTERN)
#undef OPTIM_RULE_EXTERN

/** Factor that brings a gradient to the norm of clip_row, at most 1. */
float optim_clip_scale(const struct optim *o, const float *grad, size_t width);

/** The rule of a kind that is in the registry. */
const struct optim_rule *optim_rule_of(int kind);

/* Rows of a rule's option table. */
#define OPTIM_NUMBER(key, field, fallback, lo, hi, help)                  \
    {                                                                     \
        key, OPTION_TYPE_DOUBLE, offsetof(struct optim_form, spec.field), \
            fallback, lo, hi, NULL, help                                  \
    }
#define OPTIM_LR(fallback) \
    OPTIM_NUMBER("lr", lr, fallback, 0, 1e6, "learning rate")
#define OPTIM_CLIP                                   \
    OPTIM_NUMBER("clip_row", clip_row, "0", 0, 1e30, \
                 "most L2 norm of a row's gradient; 0: off")
#define OPTIM_L1 \
    OPTIM_NUMBER("l1", l1, "0", 0, 1e6, "soft threshold after each step")
#define OPTIM_L2                                                           \
    {                                                                      \
        "l2", OPTION_TYPE_NODE, offsetof(struct optim_form, l2), "", 0, 0, \
            NULL, "adds l2 * w to the gradient: NUMBER or {value, scope}"  \
    }
#define OPTIM_SCHEDULE                                                       \
    {"decay",                                                                \
     OPTION_TYPE_DOUBLE,                                                     \
     offsetof(struct optim_form, decay),                                     \
     "1",                                                                    \
     1e-6,                                                                   \
     1,                                                                      \
     NULL,                                                                   \
     "factor of lr after every epoch"},                                      \
    {                                                                        \
        "schedule", OPTION_TYPE_NODE, offsetof(struct optim_form, schedule), \
            "", 0, 0, NULL, "of lr: KIND or {kind, warmup, total, ...}"      \
    }

#define OPTIM_KERNEL(rule, which, mode, level, target)                         \
    target static void rule##_##which##_##level(const struct optim_call *call) \
    {                                                                          \
        rule##_loop(call, mode);                                               \
    }

/* Rows of floats, and of halves: widened into the scratch, stepped, rounded.
 * Of a width that is known no loop is left. */
#define OPTIM_ROWS_LOOP(rule, which, mode, level, target)             \
    target OPTIM_LOOP rule##_##which##_floats_##level##_loop(         \
        struct optim_rows rows, struct optim_call call, size_t width) \
    {                                                                 \
        call.width = call.apart = width;                              \
        for (size_t i = 0; i < rows.n; i++)                           \
            if (optim_row_open(&rows, i, mode, &call)) {              \
                rule##_loop(&call, mode);                             \
                optim_row_close(&rows, i);                            \
            }                                                         \
    }                                                                 \
    target OPTIM_LOOP rule##_##which##_halves_##level##_loop(         \
        struct optim_rows rows, struct optim_call call, size_t width) \
    {                                                                 \
        call.width = call.apart = width;                              \
        for (size_t i = 0; i < rows.n; i++)                           \
            if (optim_row_open(&rows, i, mode, &call)) {              \
                uint16_t *halves = (void *)call.values;               \
                                                                      \
                call.values = rows.scratch;                           \
                bf16_widen_##level(halves, call.values, width);       \
                rule##_loop(&call, mode);                             \
                bf16_round_##level(call.values, halves, width,        \
                                   optim_row_stream(&rows, i));       \
                optim_row_close(&rows, i);                            \
            }                                                         \
    }
#define OPTIM_ROWS_KERNEL(rule, name, level, target)                          \
    target static void rule##_##name##_##level(const struct optim_rows *rows, \
                                               struct optim_call call)        \
    {                                                                         \
        if (rows->width == 16)                                                \
            rule##_##name##_##level##_loop(*rows, call, 16);                  \
        else                                                                  \
            rule##_##name##_##level##_loop(*rows, call, rows->width);         \
    }
#define OPTIM_LEVEL(rule, level, target)                   \
    OPTIM_KERNEL(rule, bare, OPTIM_BARE, level, target)    \
    OPTIM_KERNEL(rule, full, OPTIM_FULL, level, target)    \
    OPTIM_KERNEL(rule, none, OPTIM_NONE, level, target)    \
    OPTIM_ROWS_LOOP(rule, bare, OPTIM_BARE, level, target) \
    OPTIM_ROWS_LOOP(rule, full, OPTIM_FULL, level, target) \
    OPTIM_ROWS_KERNEL(rule, bare_floats, level, target)    \
    OPTIM_ROWS_KERNEL(rule, bare_halves, level, target)    \
    OPTIM_ROWS_KERNEL(rule, full_floats, level, target)    \
    OPTIM_ROWS_KERNEL(rule, full_halves, level, target)
#define OPTIM_ROW(rule, level)                                           \
    {                                                                    \
        {rule##_bare_##level, rule##_full_##level, rule##_none_##level}, \
        {                                                                \
            {rule##_bare_floats_##level, rule##_bare_halves_##level},    \
            {                                                            \
                rule##_full_floats_##level, rule##_full_halves_##level   \
            }                                                            \
        }                                                                \
    }

#if defined(__x86_64__)
#define OPTIM_KERNELS(rule)                                \
    OPTIM_LEVEL(rule, plain, OPTIM_PLAIN)                  \
    OPTIM_LEVEL(rule, avx2, OPTIM_AVX2)                    \
    OPTIM_LEVEL(rule, avx512, OPTIM_AVX512)                \
    static const struct optim_kernels rule##_kernels[] = { \
        [CPU_PLAIN] = OPTIM_ROW(rule, plain),              \
        [CPU_AVX2] = OPTIM_ROW(rule, avx2),                \
        [CPU_AVX512] = OPTIM_ROW(rule, avx512)};
#else
#define OPTIM_KERNELS(rule)                                \
    OPTIM_LEVEL(rule, plain, OPTIM_PLAIN)                  \
    static const struct optim_kernels rule##_kernels[] = { \
        [CPU_PLAIN] = OPTIM_ROW(rule, plain)};
#endif

#define OPTIM_AHEAD 16 /* rows a prefetch runs in front: 16 x 10 ns, a miss */

OPTIM_LOOP optim_row_fetch(const struct optim_rows *rows, size_t i)
{
    const unsigned char *p = rows->base + (size_t)rows->refs[i] * 16;

    for (size_t at = 0; at < rows->bytes; at += 64)
        __builtin_prefetch(p + at, 1);
    __builtin_prefetch(p + rows->bytes - 1, 1); // begins anywhere in a line
}

/** Fetch a row ahead and say where row i has what a kernel needs.
 * @return 0: nobody's row */
OPTIM_INLINE int optim_row_open(const struct optim_rows *rows, size_t i,
                                enum optim_mode mode, struct optim_call *call)
{
    unsigned char *row = rows->base + (size_t)rows->refs[i] * 16;

    if (i + OPTIM_AHEAD < rows->n)
        optim_row_fetch(rows, i + OPTIM_AHEAD);
    if (!rows->refs[i])
        return 0;
    call->values = (float *)(void *)(row + rows->values_at);
    call->state = (float *)(void *)(row + rows->state_at);
    call->grad = rows->grads ? rows->grads[i] : rows->packed + i * call->width;
    if (mode == OPTIM_FULL)
        call->scale = optim_clip_scale(call->o, call->grad, call->width);
    return 1;
}

/** It has seen the unit. */
OPTIM_LOOP optim_row_close(const struct optim_rows *rows, size_t i)
{
    unsigned char *row = rows->base + (size_t)rows->refs[i] * 16;
    uint32_t *clock = (uint32_t *)(void *)(row + rows->clock_at);

    if (rows->clock_at && *clock < rows->clock)
        *clock = rows->clock;
}

OPTIM_INLINE uint64_t optim_row_stream(const struct optim_rows *rows, size_t i)
{
    const unsigned char *row = rows->base + (size_t)rows->refs[i] * 16;

    return optim_stream(rows->stream, *(const uint64_t *)(const void *)row);
}

/* The terms that are common to all rules, as a kernel keeps them. */
struct optim_terms {
    float scale, l1, l2;
};

static inline struct optim_terms optim_terms(const struct optim_call *call)
{
    return (struct optim_terms){call->scale, call->o->l1, call->o->l2};
}

/** Element i of the gradient, clipped and with l2. */
OPTIM_INLINE float optim_gradient(enum optim_mode mode, struct optim_terms t,
                                  const float *grad, size_t i, float w)
{
    if (mode == OPTIM_BARE)
        return grad[i];
    /* 0 + x is not x when x is -0, and a zero gradient must give the same
     * bits whether it is handed over or not. */
    return (mode == OPTIM_FULL ? t.scale * grad[i] : 0.0f) + t.l2 * w;
}

/** Move w towards 0 by t, not past it: the proximal step of l1 (Duchi and
 * Singer 2009, eq. 19). Comparisons are such that NaN stays. */
OPTIM_INLINE float optim_shrink(enum optim_mode mode, float w, float t)
{
    float rest = fabsf(w) - t;

    if (mode == OPTIM_BARE)
        return w;
    return copysignf(rest < 0.0f ? 0.0f : rest, w);
}

#endif
