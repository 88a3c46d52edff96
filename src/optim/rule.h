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
#include "optim/optim.h"

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

struct optim_kernels {
    void (*run[OPTIM_N_MODES])(const struct optim_call *call);
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

#define OPTIM_LOOP static inline __attribute__((always_inline)) void

#if defined(__clang__)
#define OPTIM_VECTOR _Pragma("clang loop vectorize(assume_safety)")
#else
#define OPTIM_VECTOR _Pragma("GCC ivdep")
#endif

#define OPTIM_LEVEL(rule, level, target)                                  \
    target static void rule##_bare_##level(const struct optim_call *call) \
    {                                                                     \
        rule##_loop(call, OPTIM_BARE);                                    \
    }                                                                     \
    target static void rule##_full_##level(const struct optim_call *call) \
    {                                                                     \
        rule##_loop(call, OPTIM_FULL);                                    \
    }                                                                     \
    target static void rule##_none_##level(const struct optim_call *call) \
    {                                                                     \
        rule##_loop(call, OPTIM_NONE);                                    \
    }
#define OPTIM_ROW(rule, level)                                            \
    {                                                                     \
        {                                                                 \
            rule##_bare_##level, rule##_full_##level, rule##_none_##level \
        }                                                                 \
    }

#if defined(__x86_64__)
#define OPTIM_KERNELS(rule)                                                    \
    OPTIM_LEVEL(rule, plain, )                                                 \
    OPTIM_LEVEL(rule, avx2, __attribute__((target("avx2"))))                   \
    OPTIM_LEVEL(rule, avx512,                                                  \
                __attribute__((target("avx512f,avx512vl,avx512bw,avx512dq")))) \
    static const struct optim_kernels rule##_kernels[] = {                     \
        [CPU_PLAIN] = OPTIM_ROW(rule, plain),                                  \
        [CPU_AVX2] = OPTIM_ROW(rule, avx2),                                    \
        [CPU_AVX512] = OPTIM_ROW(rule, avx512)};
#else
#define OPTIM_KERNELS(rule)                                \
    OPTIM_LEVEL(rule, plain, )                             \
    static const struct optim_kernels rule##_kernels[] = { \
        [CPU_PLAIN] = OPTIM_ROW(rule, plain)};
#endif

/* The terms that are common to all rules, as a kernel keeps them. */
struct optim_terms {
    float scale, l1, l2;
};

static inline struct optim_terms optim_terms(const struct optim_call *call)
{
    return (struct optim_terms){call->scale, call->o->l1, call->o->l2};
}

/** Element i of the gradient, clipped and with l2. */
static inline __attribute__((always_inline)) float
optim_gradient(enum optim_mode mode, struct optim_terms t, const float *grad,
               size_t i, float w)
{
    if (mode == OPTIM_BARE)
        return grad[i];
    /* 0 + x is not x when x is -0, and a zero gradient must give the same
     * bits whether it is handed over or not. */
    return (mode == OPTIM_FULL ? t.scale * grad[i] : 0.0f) + t.l2 * w;
}

/** Move w towards 0 by t, not past it: the proximal step of l1 (Duchi and
 * Singer 2009, eq. 19). Comparisons are such that NaN stays. */
static inline __attribute__((always_inline)) float
optim_shrink(enum optim_mode mode, float w, float t)
{
    float rest = fabsf(w) - t;

    if (mode == OPTIM_BARE)
        return w;
    return copysignf(rest < 0.0f ? 0.0f : rest, w);
}

#endif
