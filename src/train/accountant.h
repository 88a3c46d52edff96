/* How much a training with noise tells about one sample at most: Renyi
 * differential privacy (Mironov 2017) of the sampled Gaussian mechanism
 * (Mironov, Talwar and Zhang 2019), at integer orders, composed over steps and
 * turned into (epsilon, delta).
 *
 * Threads: any; pure functions. */
#ifndef TRAIN_ACCOUNTANT_H
#define TRAIN_ACCOUNTANT_H

#define ACCOUNTANT_ORDER_MAX 512

/** RDP of one step at an order: 1 / (order - 1) * log A with
 *   A = sum_k C(order, k) (1 - q)^(order - k) q^k exp(k (k - 1) / (2 sigma^2))
 * @param q chance of a sample to be in the step, above 0, at most 1
 * @param sigma standard deviation of the noise over the clip, above 0
 * @param order at least 2 */
double accountant_rdp(double q, double sigma, int order);
/** The least epsilon over the orders 2..ACCOUNTANT_ORDER_MAX of so many steps:
 *   steps * rdp + log(1 / delta) / (order - 1)    (Mironov 2017, prop. 3) */
double accountant_epsilon(double q, double sigma, double steps, double delta);

#endif
