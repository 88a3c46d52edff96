/* What is particular to FTRL: exact zeros, and a start from given weights. */
#include "harness.h"
#include "optim/optim.h"

static struct optim ready(double alpha, double l1)
{
    struct optim_spec s;
    struct optim o;

    optim_spec_default(OPTIM_FTRL, &s);
    s.lr = alpha;
    s.l1 = l1;
    REQUIRE(optim_init(&o, &s, NULL) == FUSOR_OK);
    return o;
}

static void apply(const struct optim *o, float *w, float *state, const float *g,
                  size_t n)
{
    struct optim_step step = optim_step_make(&o->spec, 0, 0, 0, 1);

    optim_apply(o, w, state, g, n, &step);
}

static void small_gradients_leave_exact_zeros(void)
{
    struct optim o = ready(0.1, 1);
    float w[2] = {0, 0}, state[4];

    optim_init_state(&o, w, state, 2);
    apply(&o, w, state, (const float[]){0.9f, -3}, 2);
    CHECK(w[0] == 0);
    /* z = -3, n = 9: w = (3 - 1) / ((1 + 3) / 0.1) */
    CHECK_CLOSE(w[1], 0.05, 1e-7);
    apply(&o, w, state, (const float[]){0.9f, 0}, 2);
    CHECK(w[0] < 0); // 1.8 in all is more than l1
}

static void a_row_starts_from_its_initial_weights(void)
{
    struct optim o = ready(0.1, 0.5);
    float w[3] = {0.3f, -0.7f, 0}, state[6];

    optim_init_state(&o, w, state, 3);
    apply(&o, w, state, NULL, 3);
    CHECK_CLOSE(w[0], 0.3, 2e-7);
    CHECK_CLOSE(w[1], -0.7, 2e-7);
    CHECK(w[2] == 0);
}

static void the_plateau_does_not_shrink_weights(void)
{
    struct optim o = ready(0.1, 0);
    float w[1] = {0.5f}, state[2];
    struct optim_step step = optim_step_make(&o.spec, 0, 0, 0, 0.1);

    optim_init_state(&o, w, state, 1);
    optim_apply(&o, w, state, NULL, 1, &step);
    CHECK_CLOSE(w[0], 0.5, 1e-7);
}

int main(void)
{
    static const struct test_case cases[] = {
        {"small gradients leave exact zeros",
         small_gradients_leave_exact_zeros},
        {"a row starts from its initial weights",
         a_row_starts_from_its_initial_weights},
        {"the plateau does not shrink weights",
         the_plateau_does_not_shrink_weights},
    };

    return TEST_RUN("optim.ftrl", cases);
}
