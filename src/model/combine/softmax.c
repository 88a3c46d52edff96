/* Least squares over w = softmax(alpha) by Levenberg and Marquardt's damped
 * Newton steps (Nocedal and Wright, Numerical Optimization 10.3). With
 * J = diag(w) - w w' the gradient is J (G w - c); the Hessian is J G J plus
 * terms that vanish at an inner optimum, where all entries of G w - c agree.
 * Where the optimum lies on the border, alpha walks off and w comes as near as
 * the gradient tolerance says. */
#include <math.h>
#include <string.h>

#include "model/combine/spd.h"

#define STEPS_MAX 500
#define GRADIENT_TOLERANCE 1e-13 // relative to the largest entry of G
#define ALPHA_STEP_MAX 4.0       // weights change by e^4 a step at most

static void softmax(const double *alpha, size_t m, double *w)
{
    double top = alpha[0], sum = 0;

    for (size_t j = 1; j < m; j++)
        top = fmax(top, alpha[j]);
    for (size_t j = 0; j < m; j++) {
        w[j] = exp(alpha[j] - top);
        sum += w[j];
    }
    for (size_t j = 0; j < m; j++)
        w[j] /= sum;
}

static double objective(const struct gram *q, const double *w)
{
    double sum = 0;

    for (size_t j = 0; j < q->m; j++) {
        double gw = 0;

        for (size_t k = 0; k < q->m; k++)
            gw += q->g[j][k] * w[k];
        sum += w[j] * (gw / 2 - q->c[j]);
    }
    return sum;
}

/* @return the largest entry of grad = J (G w - c) */
static double gradient(const struct gram *q, const double *w, double *grad)
{
    double level = 0, most = 0;

    for (size_t j = 0; j < q->m; j++) {
        grad[j] = -q->c[j];
        for (size_t k = 0; k < q->m; k++)
            grad[j] += q->g[j][k] * w[k];
        level += w[j] * grad[j];
    }
    for (size_t j = 0; j < q->m; j++) {
        grad[j] = w[j] * (grad[j] - level);
        most = fmax(most, fabs(grad[j]));
    }
    return most;
}

/* h = J G J: entry (j,k) is w_j w_k (G_jk - (Gw)_j - (Gw)_k + w'Gw). */
static void hessian(const struct gram *q, const double *w,
                    double h[SPD_MAX][SPD_MAX])
{
    double gw[COMBINE_MAX] = {0}, wgw = 0;

    for (size_t j = 0; j < q->m; j++) {
        for (size_t k = 0; k < q->m; k++)
            gw[j] += q->g[j][k] * w[k];
        wgw += w[j] * gw[j];
    }
    for (size_t j = 0; j < q->m; j++)
        for (size_t k = 0; k < q->m; k++)
            h[j][k] = w[j] * w[k] * (q->g[j][k] - gw[j] - gw[k] + wgw);
}

/* One damped step from alpha. @return 0 with alpha moved and w set, -1 when
 * the objective did not fall */
static int try_step(const struct gram *q, double h[SPD_MAX][SPD_MAX],
                    double damping, double slope, const double *grad,
                    double *alpha, double *w)
{
    double trial[COMBINE_MAX], w_trial[COMBINE_MAX], most = 0;
    double ignored[COMBINE_MAX], rise;
    double damped[SPD_MAX][SPD_MAX];
    struct spd f;
    size_t column;

    memcpy(damped, h, sizeof(damped));
    for (size_t j = 0; j < q->m; j++)
        damped[j][j] += damping;
    if (spd_factor(&f, damped, q->m, &column))
        return -1;
    spd_solve(&f, grad, trial);
    for (size_t j = 0; j < q->m; j++)
        most = fmax(most, fabs(trial[j]));
    for (size_t j = 0; j < q->m; j++)
        trial[j] =
            alpha[j] -
            trial[j] * (most > ALPHA_STEP_MAX ? ALPHA_STEP_MAX / most : 1);
    softmax(trial, q->m, w_trial);
    rise = objective(q, w_trial) - objective(q, w);
    /* Below the rounding of the objective the gradient decides. */
    if (!(rise < 0) && !(rise <= 1e-15 * fabs(q->g[0][0]) &&
                         gradient(q, w_trial, ignored) < slope))
        return -1;
    memcpy(alpha, trial, sizeof(trial));
    memcpy(w, w_trial, sizeof(w_trial));
    return 0;
}

static enum fusor_status softmax_fit(const struct combine_data *data,
                                     const struct combine_options *options,
                                     struct combine_model *model,
                                     struct fusor_error *err)
{
    double alpha[COMBINE_MAX] = {0}, grad[COMBINE_MAX], scale = 0, damping;
    double h[SPD_MAX][SPD_MAX] = {{0}}, slope = 0;
    struct gram q;

    gram_compute(&q, data, 0);
    for (size_t j = 0; j < q.m; j++) {
        q.g[j][j] += options->ridge;
        scale = fmax(scale, fmax(q.g[j][j], fabs(q.c[j])));
    }
    softmax(alpha, q.m, model->weights);
    damping = 1e-3 * scale;
    for (model->n_steps = 0; model->n_steps < STEPS_MAX; model->n_steps++) {
        slope = gradient(&q, model->weights, grad);
        if (slope <= GRADIENT_TOLERANCE * scale)
            return FUSOR_OK;
        hessian(&q, model->weights, h);
        if (!try_step(&q, h, damping, slope, grad, alpha, model->weights))
            damping = fmax(damping / 8, 1e-14 * scale);
        else if ((damping *= 8) > 1e8 * scale)
            break; // no step lowers it: rounding is all that is left
    }
    if (slope <= 1e-9 * scale)
        return FUSOR_OK;
    return fusor_fail(err, FUSOR_EDIVERGED,
                      "softmax: slope still %g of %g after %d steps: normalise "
                      "the scores, or take simplex",
                      slope, scale, model->n_steps);
}

const struct combine_ops combine_softmax = {
    .name = "softmax",
    .help = "the same with weights softmax(alpha)",
    .needs_targets = 1,
    .fit = softmax_fit,
};
