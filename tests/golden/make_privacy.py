#!/usr/bin/python3
"""Write tests/golden/privacy.txt: epsilon of the sampled Gaussian mechanism at
integer orders, summed as the papers write it in 60 digits (Mironov, Talwar and
Zhang 2019, section 3.3; Mironov 2017, proposition 3).

Run it with a Python that has mpmath: ./make_privacy.py > privacy.txt
"""
from mpmath import mp, mpf, binomial, exp, log

mp.dps = 60


def rdp(q, sigma, order):
    a = sum(binomial(order, k) * (1 - q) ** (order - k) * q ** k *
            exp(mpf(k * (k - 1)) / (2 * sigma ** 2)) for k in range(order + 1))
    return log(a) / (order - 1)


def epsilon(q, sigma, steps, delta):
    return min(steps * rdp(q, sigma, a) + log(1 / delta) / (a - 1)
               for a in range(2, 513))


print('# q sigma order rdp')
for q, sigma, order in ((.01, 1, 2), (.01, 1.1, 32), (.2, .7, 9), (1, 2, 5),
                        (1e-4, 4, 512)):
    print('rdp', q, sigma, order,
          '%.15g' % rdp(mpf(str(q)), mpf(str(sigma)), order))
print('# q sigma steps delta epsilon')
for q, sigma, steps, delta in ((.01, 4, 10000, 1e-5), (.0042666, 1.1, 14063,
                                                       1e-5),
                               (.05, .8, 100, 1e-6), (1, 1, 5, 1e-5)):
    print('epsilon', q, sigma, steps, delta,
          '%.15g' % epsilon(mpf(str(q)), mpf(str(sigma)), steps,
                            mpf(str(delta))))
