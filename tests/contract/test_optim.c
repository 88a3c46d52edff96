/* What every update rule owes its callers, checked for each rule of the
 * registry: its arithmetic against the paper's formula in double, its state,
 * zero and NaN gradients, the same bits on every CPU level, alignment and cut,
 * and that a row that is caught up equals one that took every step. */
#include <stdint.h>
#include <string.h>

#include "base/cpu.h"
#include "base/rng.h"
#include "harness.h"
#include "optim/optim.h"

#define WIDTH_MAX 70
#define ROOM (WIDTH_MAX + 20)

/* One step of one element (row-wise: of one row) in double, from the papers
 * named in the rule's file. s0 and s1 are its state. */
typedef void reference_fn(const struct optim_spec *s, double t, double factor,
                          double *w, double *s0, double *s1, const double *g,
                          size_t n);

static void sgd_reference(const struct optim_spec *s, double t, double factor,
                          double *w, double *s0, double *s1, const double *g,
                          size_t n)
{
    (void)t;
    (void)s0;
    (void)s1;
    for (size_t i = 0; i < n; i++)
        w[i] -= s->lr * factor * g[i];
}

static void momentum_reference(const struct optim_spec *s, double t,
                               double factor, double *w, double *s0, double *s1,
                               const double *g, size_t n)
{
    (void)t;
    (void)s1;
    for (size_t i = 0; i < n; i++) {
        s0[i] = s->momentum * s0[i] + g[i];
        w[i] -=
            s->lr * factor * (s->nesterov ? g[i] + s->momentum * s0[i] : s0[i]);
    }
}

static void adagrad_reference(const struct optim_spec *s, double t,
                              double factor, double *w, double *s0, double *s1,
                              const double *g, size_t n)
{
    (void)t;
    (void)s1;
    for (size_t i = 0; i < n; i++) {
        s0[i] += g[i] * g[i];
        w[i] -= s->lr * factor * g[i] / (sqrt(s0[i]) + s->eps);
    }
}

static void rowwise_adagrad_reference(const struct optim_spec *s, double t,
                                      double factor, double *w, double *s0,
                                      double *s1, const double *g, size_t n)
{
    double square = 0;

    (void)t;
    (void)s1;
    for (size_t i = 0; i < n; i++)
        square += g[i] * g[i];
    s0[0] += square / (double)n;
    for (size_t i = 0; i < n; i++)
        w[i] -= s->lr * factor * g[i] / (sqrt(s0[0]) + s->eps);
}

static void adam_reference(const struct optim_spec *s, double t, double factor,
                           double *w, double *s0, double *s1, const double *g,
                           size_t n)
{
    for (size_t i = 0; i < n; i++) {
        double mean, square;

        s0[i] = s->beta1 * s0[i] + (1 - s->beta1) * g[i];
        s1[i] = s->beta2 * s1[i] + (1 - s->beta2) * g[i] * g[i];
        mean = s0[i] / (1 - pow(s->beta1, t));
        square = s1[i] / (1 - pow(s->beta2, t));
        w[i] -= s->lr * factor * mean / (sqrt(square) + s->eps);
    }
}

static void ftrl_reference(const struct optim_spec *s, double t, double factor,
                           double *w, double *s0, double *s1, const double *g,
                           size_t n)
{
    (void)t;
    (void)factor;
    for (size_t i = 0; i < n; i++) {
        double sigma = (sqrt(s0[i] + g[i] * g[i]) - sqrt(s0[i])) / s->lr;

        s1[i] += g[i] - sigma * w[i];
        s0[i] += g[i] * g[i];
        w[i] = fabs(s1[i]) <= s->l1
                   ? 0
                   : -(s1[i] - copysign(s->l1, s1[i])) /
                         ((s->beta + sqrt(s0[i])) / s->lr + s->ftrl_l2);
    }
}

static void ema_reference(const struct optim_spec *s, double t, double factor,
                          double *w, double *s0, double *s1, const double *g,
                          size_t n)
{
    (void)t;
    (void)factor;
    (void)s0;
    (void)s1;
    for (size_t i = 0; i < n; i++)
        w[i] = (1 - s->momentum) * w[i] + s->momentum * g[i];
}

static reference_fn *const references[] = {
#define REFERENCE(upper, lower) [OPTIM_##upper] = lower##_reference,
    OPTIM_KIND_LIST(REFERENCE)
#undef REFERENCE
};

/* A row, its state and a gradient, at any alignment. */
struct row {
    float values[ROOM], state[2 * ROOM], grad[ROOM];
    size_t width, shift;
};

static void row_fill(struct row *r, size_t width, size_t shift, uint64_t seed)
{
    struct rng g = rng_stream(seed, RNG_TEST, width, 0);

    memset(r, 0, sizeof(*r));
    r->width = width;
    r->shift = shift;
    for (size_t i = 0; i < width; i++) {
        r->values[shift + i] = (float)rng_normal(&g);
        r->grad[shift + i] = (float)rng_normal(&g);
    }
}

static void row_start(struct row *r, const struct optim *o)
{
    optim_init_state(o, r->values + r->shift, r->state + r->shift, r->width);
}

static void row_step(struct row *r, const struct optim *o, uint64_t clock)
{
    struct optim_step step = optim_step_make(&o->spec, clock, 0, 10, 1);

    optim_apply(o, r->values + r->shift, r->state + r->shift,
                r->grad + r->shift, r->width, &step);
}

static void row_step_in_parts(struct row *r, const struct optim *o,
                              uint64_t clock)
{
    struct optim_step step = optim_step_make(&o->spec, clock, 0, 10, 1);
    size_t n;

    for (size_t at = 0; at < r->width; at += n) {
        n = at % 3 * 7 + 1;
        n = n < r->width - at ? n : r->width - at;
        optim_apply_part(o, r->values + r->shift, r->state + r->shift,
                         r->grad + r->shift + at, r->width, at, n, &step);
    }
}

static void check_same_bits(const struct row *a, const struct row *b,
                            const struct optim *o)
{
    size_t n = optim_state_width(&o->spec, a->width);

    CHECK(!memcmp(a->values + a->shift, b->values + b->shift,
                  a->width * sizeof(float)));
    CHECK(!memcmp(a->state + a->shift, b->state + b->shift, n * sizeof(float)));
}

/* The rule as defaults have it, and with every term it knows. */
static struct optim prepare(int kind, int with_terms)
{
    struct optim_spec spec;
    struct optim o;
    int general = kind != OPTIM_FTRL && kind != OPTIM_EMA;

    optim_spec_default((enum optim_kind)kind, &spec);
    if (with_terms) {
        spec.l2 = general ? 0.01 : 0;
        spec.l2_scope = general ? OPTIM_L2_TABLE : OPTIM_L2_NONE;
        spec.l1 = kind == OPTIM_ADAM || kind == OPTIM_EMA ? 0 : 0.02;
        spec.clip_row = kind == OPTIM_EMA ? 0 : 1.5;
    }
    REQUIRE(optim_init(&o, &spec, NULL) == FUSOR_OK);
    return o;
}

static void steps_follow_the_formula(void)
{
    for (int kind = 0; kind < OPTIM_N_KINDS; kind++) {
        struct optim o = prepare(kind, 0);
        double w[8], s0[8], s1[8], g[8];
        struct row r;

        o.spec.lr = 0.1;
        REQUIRE(optim_init(&o, &o.spec, NULL) == FUSOR_OK);
        row_fill(&r, 8, 0, 1);
        row_start(&r, &o);
        for (size_t i = 0; i < 8; i++) {
            w[i] = r.values[i];
            s0[i] = kind == OPTIM_FTRL ? 0 : o.spec.initial;
            s1[i] = kind == OPTIM_FTRL ? -w[i] * o.spec.beta / o.spec.lr : 0;
        }
        /* Values of about 1, some 10 roundings of 2^-24 a step, 5 steps. */
        for (uint64_t clock = 0; clock < 5; clock++) {
            for (size_t i = 0; i < 8; i++)
                g[i] = r.grad[i] = 0.5f * r.grad[i] + 0.1f * (float)clock;
            row_step(&r, &o, clock);
            references[kind](&o.spec, (double)clock + 1, 1, w, s0, s1, g, 8);
            for (size_t i = 0; i < 8; i++)
                CHECK_CLOSE(r.values[i], w[i], 5e-6);
        }
    }
}

static void adam_starts_anywhere_in_time(void)
{
    struct optim o = prepare(OPTIM_ADAM, 0);
    double w[8], s0[8] = {0}, s1[8] = {0}, g[8];
    struct row r;

    row_fill(&r, 8, 0, 2);
    row_start(&r, &o);
    for (size_t i = 0; i < 8; i++) {
        w[i] = r.values[i];
        g[i] = r.grad[i];
    }
    row_step(&r, &o, 100000);
    adam_reference(&o.spec, 100001, 1, w, s0, s1, g, 8);
    for (size_t i = 0; i < 8; i++)
        CHECK_CLOSE(r.values[i], w[i], 1e-6);
}

static void state_has_the_stated_width(void)
{
    static const size_t of_16[] = {
        [OPTIM_SGD] = 0,      [OPTIM_MOMENTUM] = 16,
        [OPTIM_ADAGRAD] = 16, [OPTIM_ROWWISE_ADAGRAD] = 1,
        [OPTIM_ADAM] = 32,    [OPTIM_FTRL] = 32,
        [OPTIM_EMA] = 0};

    for (int kind = 0; kind < OPTIM_N_KINDS; kind++) {
        struct optim o = prepare(kind, 0);
        size_t n = optim_state_width(&o.spec, 16);
        struct row r;

        CHECK(n == of_16[kind]);
        row_fill(&r, 16, 0, 3);
        for (size_t i = n; i < 2 * ROOM; i++)
            r.state[i] = 7;
        row_start(&r, &o);
        row_step(&r, &o, 0);
        for (size_t i = n; i < 2 * ROOM; i++)
            CHECK(r.state[i] == 7);
        for (size_t i = 16; i < ROOM; i++)
            CHECK(r.values[i] == 0);
    }
}

static void a_zero_gradient_leaves_a_fresh_row(void)
{
    for (int kind = 0; kind < OPTIM_N_KINDS; kind++) {
        struct optim o = prepare(kind, 0);
        struct row r, old;

        if (kind == OPTIM_EMA)
            continue; // a new value of 0 is a value
        row_fill(&r, 19, 0, 4);
        row_start(&r, &o);
        memset(r.grad, 0, sizeof(r.grad));
        old = r;
        row_step(&r, &o, 0);
        /* ftrl works its weight out of z again: some roundings. */
        for (size_t i = 0; i < 19; i++)
            CHECK_CLOSE(r.values[i], old.values[i],
                        kind == OPTIM_FTRL ? 5e-7 : 0);
    }
}

static void no_gradient_is_a_zero_gradient(void)
{
    for (int kind = 0; kind < OPTIM_N_KINDS; kind++)
        for (int terms = 0; terms < 2; terms++) {
            struct optim o = prepare(kind, terms);
            struct optim_step step;
            struct row a, b;

            row_fill(&a, 37, 0, 5);
            row_start(&a, &o);
            row_step(&a, &o, 0);
            a.values[3] = -0.0f;
            memset(a.grad, 0, sizeof(a.grad));
            b = a;
            row_step(&a, &o, 1);
            step = optim_step_make(&o.spec, 1, 0, 10, 1);
            optim_apply(&o, b.values, b.state, NULL, 37, &step);
            check_same_bits(&a, &b, &o);
        }
}

static void nan_reaches_the_values(void)
{
    for (int kind = 0; kind < OPTIM_N_KINDS; kind++)
        for (int terms = 0; terms < 2; terms++) {
            struct optim o = prepare(kind, terms);
            struct row r;

            row_fill(&r, 33, 0, 6);
            row_start(&r, &o);
            r.grad[5] = r.grad[32] = NAN;
            row_step(&r, &o, 0);
            CHECK(isnan(r.values[5]));
            CHECK(isnan(r.values[32]));
        }
}

/* Run a row at every level this CPU has; all must agree with the plain one. */
static void compare_levels(int kind, int terms, size_t width, size_t shift)
{
    struct optim o;
    struct row plain, other;

    for (int level = CPU_PLAIN; level <= CPU_AVX512; level++) {
        cpu_limit_level((enum cpu_level)level);
        o = prepare(kind, terms);
        row_fill(&other, width, level == CPU_PLAIN ? 0 : shift, 7);
        row_start(&other, &o);
        row_step(&other, &o, 0);
        row_step(&other, &o, 1);
        if (level == CPU_PLAIN)
            plain = other;
        check_same_bits(&plain, &other, &o);
    }
    cpu_limit_level(CPU_AVX512);
}

static void every_level_gives_the_same_bits(void)
{
    for (int kind = 0; kind < OPTIM_N_KINDS; kind++)
        for (int terms = 0; terms < 2; terms++)
            for (size_t width = 1; width <= WIDTH_MAX; width++)
                compare_levels(kind, terms, width, width % 17);
}

static void an_empty_slice_is_fine(void)
{
    for (int kind = 0; kind < OPTIM_N_KINDS; kind++) {
        struct optim o = prepare(kind, 1);
        struct row r;

        row_fill(&r, 0, 0, 8);
        row_start(&r, &o);
        row_step(&r, &o, 0);
        CHECK(r.values[0] == 0);
    }
}

static void a_block_may_be_cut_if_elementwise(void)
{
    for (int kind = 0; kind < OPTIM_N_KINDS; kind++) {
        struct optim o = prepare(kind, 0);
        struct row whole, left, right, parts;

        CHECK(optim_elementwise(&o.spec) == (kind != OPTIM_ROWWISE_ADAGRAD));
        if (!optim_elementwise(&o.spec))
            continue;
        row_fill(&whole, 64, 0, 9);
        left = right = whole;
        left.width = 23;
        memmove(right.values, right.values + 23, 41 * sizeof(float));
        memmove(right.grad, right.grad + 23, 41 * sizeof(float));
        right.width = 41;
        row_start(&whole, &o);
        row_start(&left, &o);
        row_start(&right, &o);
        parts = whole;
        for (uint64_t clock = 0; clock < 3; clock++) {
            row_step(&whole, &o, clock);
            row_step(&left, &o, clock);
            row_step(&right, &o, clock);
            row_step_in_parts(&parts, &o, clock);
        }
        check_same_bits(&whole, &parts, &o);
        CHECK(!memcmp(whole.values, left.values, 23 * sizeof(float)));
        CHECK(!memcmp(whole.values + 23, right.values, 41 * sizeof(float)));
    }
}

static void catching_up_equals_the_explicit_loop(void)
{
    static const struct optim_span spans[] = {{0, 0, 1}, {4, 1, 1}, {7, 1, .1}};
    static const struct optim_timeline timeline = {spans, 3, 4};
    static const float zeros[ROOM];

    for (int kind = 0; kind < OPTIM_N_KINDS; kind++) {
        struct optim o = prepare(kind, 1);
        struct row a, b;

        if (!optim_needs_catch_up(&o))
            continue;
        o.spec.schedule = OPTIM_STEP;
        o.spec.decay = 0.5;
        row_fill(&a, 35, 0, 10);
        row_start(&a, &o);
        row_step(&a, &o, 0);
        b = a;
        for (uint64_t clock = 1; clock < 11; clock++) {
            struct optim_step step = optim_step_make(&o.spec, clock, clock >= 4,
                                                     4, clock >= 7 ? .1 : 1);

            optim_apply(&o, a.values, a.state, zeros, 35, &step);
        }
        optim_catch_up(&o, b.values, b.state, 35, 1, 6, &timeline);
        optim_catch_up(&o, b.values, b.state, 35, 6, 11, &timeline);
        check_same_bits(&a, &b, &o);
        CHECK(fabsf(b.values[0]) > 0);
    }
}

int main(void)
{
    static const struct test_case cases[] = {
        {"steps follow the paper's formula", steps_follow_the_formula},
        {"adam's correction counts units, not touches",
         adam_starts_anywhere_in_time},
        {"state has the stated width and no more is written",
         state_has_the_stated_width},
        {"a zero gradient leaves a fresh row as it is",
         a_zero_gradient_leaves_a_fresh_row},
        {"no gradient is a zero gradient, bit for bit",
         no_gradient_is_a_zero_gradient},
        {"a NaN in the gradient reaches the values", nan_reaches_the_values},
        {"every CPU level and alignment gives the same bits",
         every_level_gives_the_same_bits},
        {"an empty slice is fine", an_empty_slice_is_fine},
        {"a block may be cut anywhere if the rule is elementwise",
         a_block_may_be_cut_if_elementwise},
        {"catching up equals the explicit loop, bit for bit",
         catching_up_equals_the_explicit_loop},
    };

    return TEST_RUN("contract.optim", cases);
}
