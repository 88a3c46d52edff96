/* The sampled Gaussian mechanism at integer orders: Mironov, Talwar and Zhang
 * 2019, section 3.3. */
#include "train/accountant.h"

#include <math.h>

static double log_choose(int n, int k)
{
    return lgamma(n + 1.0) - lgamma(k + 1.0) - lgamma(n - k + 1.0);
}

/* log(exp(a) + exp(b)) */
static double log_add(double a, double b)
{
    double most = a > b ? a : b, least = a > b ? b : a;

    return isinf(most) ? most : most + log1p(exp(least - most));
}

double accountant_rdp(double q, double sigma, int order)
{
    double sum = -INFINITY;

    if (q >= 1)
        return order / (2 * sigma * sigma);
    for (int k = 0; k <= order; k++)
        sum =
            log_add(sum, log_choose(order, k) + (order - k) * log1p(-q) +
                             k * log(q) + k * (k - 1.0) / (2 * sigma * sigma));
    return sum > 0 ? sum / (order - 1) : 0;
}

double accountant_epsilon(double q, double sigma, double steps, double delta)
{
    double best = INFINITY;

    if (steps <= 0)
        return 0;
    for (int order = 2; order <= ACCOUNTANT_ORDER_MAX; order++) {
        double e =
            steps * accountant_rdp(q, sigma, order) - log(delta) / (order - 1);

        if (e < best)
            best = e;
    }
    return best;
}
