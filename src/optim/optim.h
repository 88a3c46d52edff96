/* Update rules: how a gradient changes a parameter. Servers and the local store
 * call the same functions, on one row of a table or on a slice of a block.
 *
 * A job's text becomes a struct optim_spec (optim_parse), the spec becomes a
 * struct optim once (optim_init), and each unit of training one struct
 * optim_step (optim_step_make), in which everything that depends on the clock
 * is worked out: schedule, plateau, Adam's bias correction. Then optim_apply()
 * per row or slice.
 *
 * Results are a function of the spec, the step, the width and the bytes: the
 * plain, AVX2 and AVX-512 kernels give the same bits, because every one is the
 * same C expression, square roots and quotients are IEEE's, nothing is fused,
 * and the only reduction (rowwise_adagrad, clip_row) has one fixed order.
 *
 * A NaN in a gradient reaches the values: nothing here hides it.
 *
 * Threads: struct optim is constant after optim_init(); any number of threads
 * may apply it to different rows.
 */
#ifndef OPTIM_OPTIM_H
#define OPTIM_OPTIM_H

#include <stddef.h>
#include <stdint.h>

#include "base/rng.h"
#include "base/yaml.h"
#include "fusor/status.h"

/* The registry: ENUM, name, file. Another rule is one more file and one more
 * line here; its contract suite (tests/contract/test_optim.c) walks the list.
 */
#define OPTIM_KIND_LIST(X)              \
    X(SGD, sgd)                         \
    X(MOMENTUM, momentum)               \
    X(ADAGRAD, adagrad)                 \
    X(ROWWISE_ADAGRAD, rowwise_adagrad) \
    X(ADAM, adam)                       \
    X(FTRL, ftrl)                       \
    X(EMA, ema)

enum optim_kind {
#define OPTIM_KIND_ENUM(upper, lower) OPTIM_##upper,
    OPTIM_KIND_LIST(OPTIM_KIND_ENUM)
#undef OPTIM_KIND_ENUM
        OPTIM_N_KINDS
};

enum optim_l2_scope {
    OPTIM_L2_NONE,
    OPTIM_L2_ROW,  // gradient += l2 * w whenever the row is touched
    OPTIM_L2_TABLE // ... in every step, touched or not: optim_catch_up()
};

enum optim_schedule {
    OPTIM_CONSTANT,
    OPTIM_STEP,        // decay ^ floor(epoch / every)
    OPTIM_EXPONENTIAL, // decay ^ (clock / units_per_epoch), smooth
    OPTIM_LINEAR,      // from 1 after the warm-up to floor at total
    OPTIM_COSINE       // the same, along half a cosine
};

/* What the user asked for. Fields a rule does not have are ignored by it. */
struct optim_spec {
    int kind;        // enum optim_kind
    double lr;       // learning rate; ftrl: alpha
    double momentum; // momentum: of the velocity; ema: share of the new value
    int nesterov;    // momentum
    double beta1;    // adam
    double beta2;    // adam
    double eps;      // adam, adagrad, rowwise_adagrad
    double initial;  // adagrad, rowwise_adagrad: the accumulator at first
    double beta;     // ftrl
    double ftrl_l2;  // ftrl's own
    double l1;       // soft threshold after the step; ftrl: its own
    double l2;       // adds l2 * w to the gradient
    int l2_scope;    // enum optim_l2_scope
    double clip_row; // most L2 norm of the gradient handed over; 0: off
    int schedule;    // enum optim_schedule
    double decay;    // step, exponential: factor per `every` epochs, per epoch
    uint64_t every;  // step: epochs
    uint64_t warmup; // units of linear warm-up, with any schedule
    uint64_t total;  // linear, cosine: units in all; 0: of `epochs`
    uint64_t epochs; // of the stage, to which the job sets it
    double floor;    // linear, cosine: least factor
};

/* Rates of one unit. Floats are what kernels use. */
struct optim_step {
    uint64_t clock;   // units applied before this one
    double lr_factor; // schedule * plateau
    float lr;         // spec.lr * lr_factor
    float adam_lr;    // lr * sqrt(1 - beta2^t) / (1 - beta1^t), t = clock + 1
    float adam_eps;   // eps * sqrt(1 - beta2^t)
};

/* A rule made ready. Read-only; callers need only spec. */
struct optim {
    struct optim_spec spec;
    const struct optim_rule *rule;
    const struct optim_kernels *kernels; // of this CPU
    int full; // clip_row, l1 or l2 is on: more than the bare rule
    /* the spec in the type that kernels compute in */
    float momentum, eps, l1, l2;
    float beta1, beta1_rest, beta2, beta2_rest; // rest: 1 - beta in double
    float alpha_inverse, beta, ftrl_l2;
    int nesterov;
};

/* From this clock on, this epoch and this factor of the plateau rule hold. */
struct optim_span {
    uint64_t from_clock;
    uint64_t epoch;
    double plateau_factor;
};

/* All that was decided about rates so far, so that the step of any past clock
 * can be made again. Whoever counts epochs appends a span when one begins or
 * when the plateau rule strikes. A span of epoch 0 begins a stage, and with it
 * its warm-up, its schedule and Adam's correction: what a stage trains for the
 * first time has moments of zero, whatever was trained before. */
struct optim_timeline {
    const struct optim_span *spans; // [n], from_clock ascending from 0
    size_t n;                       // at least 1
    uint64_t units_per_epoch;
};

/** The defaults of a rule, as `optimizer: name` gives them. */
void optim_spec_default(enum optim_kind kind, struct optim_spec *out);

/** Read what a user wrote as an optimizer:
 *   adam                            all defaults
 *   {adam: 1.0e-3}                  its rate only (ema: its momentum)
 *   {sgd: {lr: 0.1, decay: 0.96}}   decay multiplies lr after every epoch
 *   {adam: {lr: 1e-3, l2: {value: 1e-5, scope: table},
 *           schedule: {kind: cosine, warmup: 100}}}
 * @return EUSAGE with file:line:column and the nearest name; *out untouched */
enum fusor_status optim_parse(struct yaml_node *node, struct optim_spec *out,
                              struct fusor_error *err);

/** Read an l2 setting into spec: a number (scope row) or {value, scope}.
 * @return EUSAGE; *spec untouched */
enum fusor_status optim_parse_l2(struct yaml_node *node,
                                 struct optim_spec *spec,
                                 struct fusor_error *err);

/** Everything optim_parse() accepts, with defaults and ranges. */
void optim_help(struct strbuf *out);

const char *optim_name(enum optim_kind kind);
const char *optim_schedule_name(enum optim_schedule schedule);

/** Check a spec and choose the kernels of cpu_level().
 * @return EUSAGE: a value out of range, linear or cosine without an end, a
 * term the rule does not have (l2 with ftrl: it has its own). *o untouched */
enum fusor_status optim_init(struct optim *o, const struct optim_spec *spec,
                             struct fusor_error *err);

/** Floats of state beside width values: 0, 1, width or 2 * width. */
size_t optim_state_width(const struct optim_spec *spec, size_t width);

/** May a block be cut anywhere without changing its result? False for
 * rowwise_adagrad and clip_row, which look at a row as a whole. */
int optim_elementwise(const struct optim_spec *spec);

/** The state of a row that was never updated. ftrl works out the state that
 * stands for these values, so that its first step starts from them.
 * @param values [width]
 * @param state [optim_state_width(spec, width)] */
void optim_init_state(const struct optim *o, const float *values, float *state,
                      size_t width);

/** schedule(clock, epoch) * plateau_factor.
 * @param units_per_epoch needed by exponential; else may be 0 */
double optim_lr_factor(const struct optim_spec *spec, uint64_t clock,
                       uint64_t epoch, uint64_t units_per_epoch,
                       double plateau_factor);

/** The rates of the unit that follows `clock` units. ftrl and ema have no
 * schedule: ftrl's alpha scales its weights themselves. */
struct optim_step optim_step_make(const struct optim_spec *spec, uint64_t clock,
                                  uint64_t epoch, uint64_t units_per_epoch,
                                  double plateau_factor);

/** The step of any clock, made from what was decided when; its rates count
 * units from the beginning of the stage. */
struct optim_step optim_timeline_step(const struct optim_spec *spec,
                                      const struct optim_timeline *timeline,
                                      uint64_t clock);

/** Update one row, or a slice of a block if optim_elementwise().
 *   g = s grad + l2 w,  s = min(1, clip_row / |grad|),  then the rule
 * @param values [width], state [optim_state_width()], any alignment; state of
 *        2 * width is two arrays one after the other
 * @param grad [width], read only; NULL stands for zeros; ema: the new value
 * The three do not overlap. Blocks: never. */
void optim_apply(const struct optim *o, float *values, float *state,
                 const float *grad, size_t width,
                 const struct optim_step *step);

/** The same for floats [from, from + n) of a slice of `width` whose rule is
 * elementwise: in parts it comes to the same bits as at once.
 * @param values, state of the whole slice
 * @param grad [n] of the part */
void optim_apply_part(const struct optim *o, float *values, float *state,
                      const float *grad, size_t width, size_t from, size_t n,
                      const struct optim_step *step);

/* Rows of a table as they lie in memory: each begins with its key. */
struct optim_rows {
    unsigned char *base;
    const uint32_t *refs; // [n] a row begins at base + 16 times it; 0: none
    size_t n;
    const float *packed; // [n, width] their gradients, or NULL:
    float *const *grads; // [n] where each is
    size_t width;
    int halves;                             // values are bfloat16 (bf16.h)
    uint32_t bytes;                         // of a row, to fetch it ahead
    uint32_t values_at, state_at, clock_at; // into a row; no clock: 0
    uint32_t clock;                         // the u32 at clock_at rises to it
    float *scratch;                         // halves: [width]
    uint64_t stream;                        // halves: of optim_stream()
};

/** What the rounding of a row draws from. @param of_unit a hash of what all
 * rows of the call have in common */
static inline uint64_t optim_stream(uint64_t of_unit, uint64_t key)
{
    rng_u128 product = (rng_u128)(of_unit ^ key) * 0x9e3779b97f4a7c15u;

    return (uint64_t)product ^ (uint64_t)(product >> 64);
}

/** optim_apply() on each row, fetched ahead; where values are halves in the
 * bits of bf16_ops()->widen, optim_apply() and bf16_ops()->round. */
void optim_apply_rows(const struct optim *o, const struct optim_rows *rows,
                      const struct optim_step *step);

/** Does a row need optim_catch_up() before it is read? (l2 scope: table) */
int optim_needs_catch_up(const struct optim *o);

/** Bring a row that has seen the units before `from` to where it would be had
 * the rule run on it with a zero gradient in every unit of [from, to), each
 * with its own rates: the same bits as that loop, because it is that loop. A
 * new row starts at 0. Nothing happens unless optim_needs_catch_up(). */
void optim_catch_up(const struct optim *o, float *values, float *state,
                    size_t width, uint64_t from, uint64_t to,
                    const struct optim_timeline *timeline);

#endif
