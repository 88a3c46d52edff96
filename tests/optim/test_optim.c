/* What rules share: checks of a spec, clipping, l1, l2, rows to catch up. */
#include "optim/optim.h"

#include <string.h>

#include "harness.h"

static struct optim_spec spec_of(enum optim_kind kind, double lr)
{
    struct optim_spec spec;

    optim_spec_default(kind, &spec);
    spec.lr = lr;
    return spec;
}

static struct optim ready(const struct optim_spec *spec)
{
    struct optim o;

    REQUIRE(optim_init(&o, spec, NULL) == FUSOR_OK);
    return o;
}

static void apply(const struct optim *o, float *values, float *state,
                  const float *grad, size_t n)
{
    struct optim_step step = optim_step_make(&o->spec, 0, 0, 1, 1);

    optim_apply(o, values, state, grad, n, &step);
}

static void refuses(const struct optim_spec *spec, const char *word)
{
    struct fusor_error err = {0};
    struct optim o;

    memset(&o, 0x5a, sizeof(o));
    CHECK(optim_init(&o, spec, &err) == FUSOR_EUSAGE);
    CHECK(strstr(err.text, word) != NULL);
    CHECK(o.nesterov == 0x5a5a5a5a); // untouched
}

static void wrong_specs_are_refused(void)
{
    struct optim_spec s = spec_of(OPTIM_SGD, NAN);

    refuses(&s, "lr");
    s = spec_of(OPTIM_SGD, -1);
    refuses(&s, "lr");
    s = spec_of(OPTIM_ADAM, 0.1);
    s.l1 = 0.1;
    refuses(&s, "no l1");
    s = spec_of(OPTIM_FTRL, 0.1);
    s.l2 = 0.1;
    s.l2_scope = OPTIM_L2_ROW;
    refuses(&s, "its own");
    s = spec_of(OPTIM_SGD, 0.1);
    s.l2 = 0.1;
    refuses(&s, "scope");
    s = spec_of(OPTIM_EMA, 0.1);
    s.schedule = OPTIM_STEP;
    refuses(&s, "no schedule");
    s = spec_of(OPTIM_SGD, 0.1);
    s.schedule = OPTIM_COSINE;
    refuses(&s, "total");
    s.epochs = 1;
    CHECK(optim_init(&(struct optim){0}, &s, NULL) == FUSOR_OK);
    s = spec_of(OPTIM_SGD, 0.1);
    s.schedule = OPTIM_STEP;
    s.every = 0;
    refuses(&s, "every");
    s.kind = OPTIM_N_KINDS;
    refuses(&s, "no rule number");
}

static void a_long_gradient_is_clipped(void)
{
    struct optim_spec s = spec_of(OPTIM_SGD, 1);
    float w[2] = {0, 0};
    struct optim o;

    s.clip_row = 1;
    o = ready(&s);
    CHECK(!optim_elementwise(&s));
    apply(&o, w, NULL, (const float[]){3, 4}, 2);
    CHECK_CLOSE(w[0], -0.6, 1e-7);
    CHECK_CLOSE(w[1], -0.8, 1e-7);
    w[0] = w[1] = 0;
    apply(&o, w, NULL, (const float[]){0.3f, 0.4f}, 2);
    CHECK(w[0] == -0.3f && w[1] == -0.4f); // short enough: as it is
    w[0] = w[1] = 0;
    apply(&o, w, NULL, (const float[]){3e30f, 4e30f}, 2);
    CHECK_CLOSE(w[0], -0.6, 1e-6); // whose squares no float holds
}

static void l2_is_added_after_clipping(void)
{
    struct optim_spec s = spec_of(OPTIM_SGD, 0.5);
    float w[1] = {2};
    struct optim o;

    s.l2 = 0.1;
    s.l2_scope = OPTIM_L2_ROW;
    s.clip_row = 1;
    o = ready(&s);
    apply(&o, w, NULL, (const float[]){10}, 1);
    CHECK_CLOSE(w[0], 2 - 0.5 * (1 + 0.1 * 2), 1e-6);
}

static void l1_stops_at_zero(void)
{
    struct optim_spec s = spec_of(OPTIM_SGD, 0.5);
    float w[4] = {1, -1, 0.05f, -0.05f};
    struct optim o;

    s.l1 = 0.2;
    o = ready(&s);
    apply(&o, w, NULL, (const float[]){0, 0, 0, 0}, 4);
    CHECK_CLOSE(w[0], 0.9, 1e-7);
    CHECK_CLOSE(w[1], -0.9, 1e-7);
    CHECK(w[2] == 0 && w[3] == 0);
}

static void l1_of_adagrad_uses_its_own_rate(void)
{
    struct optim_spec s = spec_of(OPTIM_ADAGRAD, 0.1);
    float w[2] = {1, 1}, h[2];
    struct optim o;

    s.l1 = 0.5;
    o = ready(&s);
    optim_init_state(&o, w, h, 2);
    apply(&o, w, h, (const float[]){-2, 0}, 2);
    CHECK_CLOSE(w[0], 1 + 0.1 - 0.1 / 2 * 0.5, 1e-6);
    CHECK(w[1] == 1); // no rate yet, so no threshold
}

static void nesterov_looks_ahead(void)
{
    struct optim_spec s = spec_of(OPTIM_MOMENTUM, 0.1);
    float w[1] = {0}, u[1] = {0};
    struct optim o;

    s.nesterov = 1;
    o = ready(&s);
    apply(&o, w, u, (const float[]){1}, 1);
    CHECK_CLOSE(w[0], -0.1 * (1 + 0.9), 1e-7);
    apply(&o, w, u, (const float[]){1}, 1);
    CHECK_CLOSE(w[0], -0.19 - 0.1 * (1 + 0.9 * 1.9), 1e-6);
}

static void accumulators_start_where_told(void)
{
    struct optim_spec s = spec_of(OPTIM_ROWWISE_ADAGRAD, 0.1);
    float w[3] = {0}, h[1];
    struct optim o;

    s.initial = 0.25;
    o = ready(&s);
    optim_init_state(&o, w, h, 3);
    CHECK(h[0] == 0.25f);
    apply(&o, w, h, (const float[]){1, 1, 1}, 3);
    CHECK_CLOSE(w[2], -0.1 / sqrt(1.25), 1e-7);
}

static void only_scope_table_catches_up(void)
{
    static const struct optim_span spans[] = {{0, 0, 1}};
    static const struct optim_timeline timeline = {spans, 1, 1};
    struct optim_spec s = spec_of(OPTIM_SGD, 0.5);
    float w[1] = {1};
    struct optim o;

    s.l2 = 0.1;
    s.l2_scope = OPTIM_L2_ROW;
    o = ready(&s);
    CHECK(!optim_needs_catch_up(&o));
    optim_catch_up(&o, w, NULL, 1, 0, 3, &timeline);
    CHECK(w[0] == 1);
    s.l2_scope = OPTIM_L2_TABLE;
    o = ready(&s);
    CHECK(optim_needs_catch_up(&o));
    optim_catch_up(&o, w, NULL, 1, 5, 5, &timeline);
    CHECK(w[0] == 1);
    optim_catch_up(&o, w, NULL, 1, 0, 3, &timeline);
    CHECK_CLOSE(w[0], 0.95 * 0.95 * 0.95, 1e-6);
}

int main(void)
{
    static const struct test_case cases[] = {
        {"wrong specs are refused", wrong_specs_are_refused},
        {"a long gradient is clipped", a_long_gradient_is_clipped},
        {"l2 is added after clipping", l2_is_added_after_clipping},
        {"l1 stops at zero", l1_stops_at_zero},
        {"l1 of adagrad uses its own rate", l1_of_adagrad_uses_its_own_rate},
        {"nesterov looks ahead", nesterov_looks_ahead},
        {"accumulators start where told", accumulators_start_where_told},
        {"only l2 of scope table catches up", only_scope_table_catches_up},
    };

    return TEST_RUN("optim.optim", cases);
}
