/* Student's t through the incomplete beta function: its continued fraction
 * (Abramowitz and Stegun 26.5.8) evaluated by the method of Lentz (1976). */
#include <math.h>

#include "model/stats/stats.h"

#define TERMS_MAX 10000
#define TINY 1e-300

/* Keep a factor away from 0, as Lentz asks. */
static double nonzero(double x)
{
    return fabs(x) < TINY ? TINY : x;
}

static double beta_fraction(double a, double b, double x)
{
    double c = 1, d = 1 / nonzero(1 - (a + b) * x / (a + 1)), value = d;

    for (int i = 1; i < TERMS_MAX; i++) {
        double m = i, even, odd, factor;

        even = m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m));
        d = 1 / nonzero(1 + even * d);
        c = nonzero(1 + even / c);
        value *= c * d;
        odd = -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1));
        d = 1 / nonzero(1 + odd * d);
        c = nonzero(1 + odd / c);
        factor = c * d;
        value *= factor;
        if (fabs(factor - 1) < 1e-15)
            break;
    }
    return value;
}

/* I_x(a, b); y = 1 - x, given apart so that it keeps its digits. */
static double beta_share(double a, double b, double x, double y)
{
    double front;

    if (x <= 0)
        return 0;
    if (y <= 0)
        return 1;
    front =
        exp(lgamma(a + b) - lgamma(a) - lgamma(b) + a * log(x) + b * log(y));
    if (x < (a + 1) / (a + b + 2)) // where the fraction converges fast
        return front * beta_fraction(a, b, x) / a;
    return 1 - front * beta_fraction(b, a, y) / b;
}

double stats_student_cdf(double t, double df)
{
    double square = t * t, tail;

    if (isinf(square))
        return t > 0 ? 1 : 0;
    tail =
        beta_share(df / 2, 0.5, df / (df + square), square / (df + square)) / 2;
    return t > 0 ? 1 - tail : tail;
}

/* By bisection: 200 halvings of any double's range end at its last bit. */
double stats_student_quantile(double p, double df)
{
    double low = 0, high = 1, tail = p < 0.5 ? p : 1 - p;

    while (stats_student_cdf(-high, df) > tail && high < 1e300)
        high *= 2;
    for (int i = 0; i < 200; i++) {
        double middle = (low + high) / 2;

        if (stats_student_cdf(-middle, df) > tail)
            low = middle;
        else
            high = middle;
    }
    return p < 0.5 ? -high : high;
}
