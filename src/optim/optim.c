/* The registry of rules, and what is common to all: a spec made ready, one
 * update of a row, and the updates a row missed. The arithmetic of a rule is
 * in its own file. */
#include "optim/optim.h"

#include <assert.h>

#include "optim/rule.h"

static const struct optim_rule *const rules[] = {
#define OPTIM_RULE_ENTRY(upper, lower) [OPTIM_##upper] = &optim_rule_##lower,
    OPTIM_KIND_LIST(OPTIM_RULE_ENTRY)
#undef OPTIM_RULE_ENTRY
};

const struct optim_rule *optim_rule_of(int kind)
{
    assert(kind >= 0 && kind < OPTIM_N_KINDS);
    return rules[kind];
}

const char *optim_name(enum optim_kind kind)
{
    return optim_rule_of((int)kind)->name;
}

size_t optim_state_width(const struct optim_spec *spec, size_t width)
{
    const struct optim_rule *rule = optim_rule_of(spec->kind);

    return rule->state_per_value * width + rule->state_per_row;
}

int optim_elementwise(const struct optim_spec *spec)
{
    return !optim_rule_of(spec->kind)->whole_row && spec->clip_row == 0;
}

static enum fusor_status check_terms(const struct optim_spec *spec,
                                     const struct optim_rule *rule,
                                     struct fusor_error *err)
{
    if (spec->l1 > 0 && !rule->has_l1)
        return fusor_fail(err, FUSOR_EUSAGE,
                          "optimizer %s: it has no l1; ftrl, sgd, momentum and "
                          "the adagrads do",
                          rule->name);
    if (spec->l2 > 0 && !rule->has_l2)
        return fusor_fail(err, FUSOR_EUSAGE,
                          "optimizer %s: l2 %g cannot be added to its "
                          "gradient%s",
                          rule->name, spec->l2,
                          spec->kind == OPTIM_FTRL
                              ? "; it has its own: {ftrl: {l2: ...}}"
                              : "");
    if (spec->l2 > 0 && spec->l2_scope == OPTIM_L2_NONE)
        return fusor_fail(err, FUSOR_EUSAGE,
                          "optimizer %s: l2 %g needs a scope: row or table",
                          rule->name, spec->l2);
    if (spec->schedule != OPTIM_CONSTANT && !rule->has_schedule)
        return fusor_fail(err, FUSOR_EUSAGE,
                          "optimizer %s: it takes no schedule", rule->name);
    return FUSOR_OK;
}

static enum fusor_status check_schedule(const struct optim_spec *spec,
                                        const char *name,
                                        struct fusor_error *err)
{
    int ends = spec->schedule == OPTIM_LINEAR || spec->schedule == OPTIM_COSINE;

    if (ends && spec->total == 0 && spec->epochs > 0)
        return FUSOR_OK; // the warm-up may take all of them
    if (ends && spec->total <= spec->warmup)
        return fusor_fail(err, FUSOR_EUSAGE,
                          "optimizer %s: its schedule ends after %llu units, "
                          "the warm-up takes %llu: give schedule.total or the "
                          "number of epochs",
                          name, (unsigned long long)spec->total,
                          (unsigned long long)spec->warmup);
    if (spec->schedule == OPTIM_STEP && spec->every == 0)
        return fusor_fail(err, FUSOR_EUSAGE,
                          "optimizer %s: schedule.every must be at least 1",
                          name);
    return FUSOR_OK;
}

static enum fusor_status check_numbers(const struct optim_spec *spec,
                                       const char *name,
                                       struct fusor_error *err)
{
    const struct {
        const char *what;
        double value, most;
    } rows[] = {
        {"lr", spec->lr, 1e30},
        {"momentum", spec->momentum, 1},
        {"beta1", spec->beta1, 1},
        {"beta2", spec->beta2, 1},
        {"eps", spec->eps, 1e30},
        {"initial", spec->initial, 1e30},
        {"beta", spec->beta, 1e30},
        {"ftrl_l2", spec->ftrl_l2, 1e30},
        {"l1", spec->l1, 1e30},
        {"l2", spec->l2, 1e30},
        {"decay", spec->decay, 1},
        {"floor", spec->floor, 1},
        {"clip_row", spec->clip_row, 1e30},
    };

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        if (!(rows[i].value >= 0 && rows[i].value <= rows[i].most))
            return fusor_fail(err, FUSOR_EUSAGE,
                              "optimizer %s: %s is %g, not within 0..%g", name,
                              rows[i].what, rows[i].value, rows[i].most);
    return FUSOR_OK;
}

enum fusor_status optim_init(struct optim *o, const struct optim_spec *spec,
                             struct fusor_error *err)
{
    const struct optim_rule *rule;

    if (spec->kind < 0 || spec->kind >= OPTIM_N_KINDS)
        return fusor_fail(err, FUSOR_EUSAGE, "optimizer: no rule number %d",
                          spec->kind);
    rule = rules[spec->kind];
    FUSOR_TRY(check_numbers(spec, rule->name, err));
    FUSOR_TRY(check_terms(spec, rule, err));
    FUSOR_TRY(check_schedule(spec, rule->name, err));
    *o = (struct optim){
        .spec = *spec,
        .rule = rule,
        .kernels = &rule->kernels[cpu_level()],
        .full = spec->clip_row > 0 || spec->l1 > 0 || spec->l2 > 0,
        .momentum = (float)spec->momentum,
        .eps = (float)spec->eps,
        .l1 = (float)spec->l1,
        .l2 = (float)spec->l2,
        .beta1 = (float)spec->beta1,
        .beta1_rest = (float)(1 - spec->beta1),
        .beta2 = (float)spec->beta2,
        .beta2_rest = (float)(1 - spec->beta2),
        .alpha_inverse = (float)(1 / spec->lr),
        .beta = (float)spec->beta,
        .ftrl_l2 = (float)spec->ftrl_l2,
        .nesterov = spec->nesterov,
    };
    return FUSOR_OK;
}

void optim_init_state(const struct optim *o, const float *values, float *state,
                      size_t width)
{
    size_t n = optim_state_width(&o->spec, width);

    if (o->rule->init_state) {
        o->rule->init_state(o, values, state, width);
        return;
    }
    for (size_t i = 0; i < n; i++)
        state[i] = (float)o->spec.initial;
}

/* L2 norm in double, so that a large finite gradient is scaled down rather than
 * to 0; eight lanes, one order on every CPU. */
static double gradient_norm(const float *g, size_t n)
{
    double lane[8] = {0};

    for (size_t i = 0; i < n; i++)
        lane[i % 8] += (double)g[i] * (double)g[i];
    return sqrt(((lane[0] + lane[4]) + (lane[2] + lane[6])) +
                ((lane[1] + lane[5]) + (lane[3] + lane[7])));
}

float optim_clip_scale(const struct optim *o, const float *grad, size_t width)
{
    double most = o->spec.clip_row;
    double norm = most > 0 && grad ? gradient_norm(grad, width) : 0;

    return norm > most ? (float)(most / norm) : 1.0f; // NaN is not above most
}

static void run_kernel(struct optim_call *call)
{
    const struct optim *o = call->o;

    if (!call->grad) {
        o->kernels->run[OPTIM_NONE](call);
    } else if (o->full) {
        call->scale = optim_clip_scale(o, call->grad, call->width);
        o->kernels->run[OPTIM_FULL](call);
    } else {
        o->kernels->run[OPTIM_BARE](call);
    }
}

void optim_apply(const struct optim *o, float *values, float *state,
                 const float *grad, size_t width, const struct optim_step *step)
{
    struct optim_call call = {.values = values,
                              .state = state,
                              .grad = grad,
                              .width = width,
                              .apart = width,
                              .scale = 1.0f,
                              .o = o,
                              .step = step};

    run_kernel(&call);
}

void optim_apply_rows(const struct optim *o, const struct optim_rows *rows,
                      const struct optim_step *step)
{
    struct optim_call call = {.scale = 1.0f, .o = o, .step = step};

    o->kernels->rows[o->full != 0][rows->halves != 0](rows, call);
}

void optim_apply_part(const struct optim *o, float *values, float *state,
                      const float *grad, size_t width, size_t from, size_t n,
                      const struct optim_step *step)
{
    struct optim_call call = {.values = values + from,
                              .state = o->rule->state_per_value ? state + from
                                                                : state,
                              .grad = grad,
                              .width = n,
                              .apart = width,
                              .scale = 1.0f,
                              .o = o,
                              .step = step};

    assert(optim_elementwise(&o->spec));
    run_kernel(&call);
}

int optim_needs_catch_up(const struct optim *o)
{
    return o->spec.l2_scope == OPTIM_L2_TABLE && o->l2 > 0;
}

void optim_catch_up(const struct optim *o, float *values, float *state,
                    size_t width, uint64_t from, uint64_t to,
                    const struct optim_timeline *timeline)
{
    if (!optim_needs_catch_up(o))
        return;
    for (uint64_t clock = from; clock < to; clock++) {
        struct optim_step step = optim_timeline_step(&o->spec, timeline, clock);

        optim_apply(o, values, state, NULL, width, &step);
    }
}
