/* Platt's sigmoid (Platt 1999, "Probabilistic outputs for support vector
 * machines") fitted as Lin, Lin and Weng (2007, "A note on Platt's
 * probabilistic outputs") say: smoothed targets, Newton's method with
 * backtracking, and an objective that does not overflow. */
#include <math.h>

#include "model/combine/calibrate.h"

#define STEPS_MAX 200
#define STEP_MIN 1e-10
#define RIDGE 1e-12             // keeps the 2x2 Hessian invertible (ibid.)
#define GRADIENT_TOLERANCE 1e-9 // a row, on scores of unit spread

struct platt {
    const double *scores;
    const double *labels;
    size_t n;
    double high; // target of a positive: (N+ + 1) / (N+ + 2)
    double low;  // of a negative: 1 / (N- + 2)
    double mean; // scores are shifted and scaled so that steps are well sized
    double scale;
};

static double standard(const struct platt *p, size_t i)
{
    return (p->scores[i] - p->mean) / p->scale;
}

static double target(const struct platt *p, size_t i)
{
    return p->labels[i] > 0 ? p->high : p->low;
}

/* -sum t log q + (1-t) log(1-q) with q = 1 / (1 + e^f): t f + log(1 + e^-f). */
static double objective(const struct platt *p, double a, double b)
{
    double sum = 0;

    for (size_t i = 0; i < p->n; i++) {
        double f = a * standard(p, i) + b;

        sum += target(p, i) * f + (f < 0 ? -f : 0) + log1p(exp(-fabs(f)));
    }
    return sum;
}

struct slope {
    double a, b, aa, ab, bb;
};

static struct slope derivatives(const struct platt *p, double a, double b)
{
    struct slope s = {0, 0, RIDGE, 0, RIDGE};

    for (size_t i = 0; i < p->n; i++) {
        double x = standard(p, i);
        double q = 1 / (1 + exp(a * x + b));
        double first = target(p, i) - q, second = q * (1 - q);

        s.a += x * first;
        s.b += first;
        s.aa += x * x * second;
        s.ab += x * second;
        s.bb += second;
    }
    return s;
}

static enum fusor_status platt_init(struct platt *p, struct fusor_error *err)
{
    double n_pos = 0, square = 0;

    for (size_t i = 0; i < p->n; i++) {
        if (p->labels[i] != 0 && p->labels[i] != 1)
            return fusor_fail(err, FUSOR_EDATA,
                              "platt: row %zu: label %g is not 0 or 1", i + 1,
                              p->labels[i]);
        n_pos += p->labels[i];
        p->mean += p->scores[i];
    }
    p->mean /= (double)p->n;
    for (size_t i = 0; i < p->n; i++)
        square += (p->scores[i] - p->mean) * (p->scores[i] - p->mean);
    p->scale = sqrt(square / (double)p->n);
    if (!(p->scale > 0))
        p->scale = 1;
    p->high = (n_pos + 1) / (n_pos + 2);
    p->low = 1 / ((double)p->n - n_pos + 2);
    return FUSOR_OK;
}

/* One Newton step with backtracking (Armijo 1e-4).
 * @return 0 with a and b moved, -1 when no step lowers the objective */
static int newton_step(const struct platt *p, const struct slope *s, double *a,
                       double *b)
{
    double det = s->aa * s->bb - s->ab * s->ab;
    double da = -(s->bb * s->a - s->ab * s->b) / det;
    double db = -(s->aa * s->b - s->ab * s->a) / det;
    double along = s->a * da + s->b * db, now = objective(p, *a, *b);

    for (double t = 1; t >= STEP_MIN; t /= 2) {
        if (objective(p, *a + t * da, *b + t * db) < now + 1e-4 * t * along) {
            *a += t * da;
            *b += t * db;
            return 0;
        }
    }
    return -1;
}

static enum fusor_status platt_fit(struct calibration *c, const double *scores,
                                   const double *labels, size_t n,
                                   struct fusor_error *err)
{
    struct platt p = {.scores = scores, .labels = labels, .n = n};
    double a = 0, b, n_pos = 0, most = INFINITY;
    int step;

    FUSOR_TRY(platt_init(&p, err));
    for (size_t i = 0; i < n; i++)
        n_pos += labels[i];
    b = log(((double)n - n_pos + 1) / (n_pos + 1));
    for (step = 0; step < STEPS_MAX; step++) {
        struct slope s = derivatives(&p, a, b);

        most = fmax(fabs(s.a), fabs(s.b)) / (double)n;
        if (most < GRADIENT_TOLERANCE || newton_step(&p, &s, &a, &b))
            break;
    }
    if (!(most < 1e-5)) // Lin et al. stop here
        return fusor_fail(err, FUSOR_EDIVERGED,
                          "platt: slope still %g a row after %d steps", most,
                          step);
    c->a = a / p.scale;
    c->b = b - a * p.mean / p.scale;
    return FUSOR_OK;
}

static double platt_apply(const struct calibration *c, double score)
{
    return 1 / (1 + exp(c->a * score + c->b));
}

const struct calibration_ops calibration_platt = {"platt", platt_fit,
                                                  platt_apply};
