#!/usr/bin/python3
"""Write tests/golden/candidates.txt: losses over candidates and their gradients
by PyTorch in float64. Values are those of the formula in tests/model/fixture.c;
the cases are those of tests/model/test_candidates_golden.c.

Run it with a Python that has torch: ./make_candidates.py > candidates.txt
"""
import math

import torch
import torch.nn.functional as F

torch.set_default_dtype(torch.float64)

M, K, D = 6, 9, 4
WEIGHT = torch.tensor([1, .5, 2, 1, .25, 1])
BETA = .4


def value(t, key, e):
    mixed = (t * 7919 + (key % 100003) * 104729 + e * 1299709) % 2003
    return torch.tensor(mixed / 2002 - .5, dtype=torch.float32).double().item()


def leaf(t, *shape):
    width = shape[1] if len(shape) > 1 else 1
    x = torch.tensor([[value(t, i, e) for e in range(width)]
                      for i in range(shape[0])]).reshape(shape)
    return x.requires_grad_(True)


def others(n, target):
    """[M, n]: is candidate j a negative of row i?"""
    return torch.arange(n)[None] != target[:, None]


def softmax(s, n, target):
    rows = torch.arange(M)
    own = s[rows, target]
    negatives = s[:, :n].masked_fill(~others(n, target), -math.inf)
    all_ = torch.cat([own[:, None], negatives], 1)
    return F.cross_entropy(all_, torch.zeros(M, dtype=torch.long),
                           reduction='none')


def gbce(s, n, target):
    own = s[torch.arange(M), target]
    negative = F.binary_cross_entropy_with_logits(
        s[:, :n], torch.zeros(M, n), reduction='none') * others(n, target)
    positive = BETA * F.binary_cross_entropy_with_logits(
        own, torch.ones(M), reduction='none')
    return (positive + negative.sum(1)) / (n + 1)


# The pool is candidate 0 alone, so every draw is that one; two draws a row.
def bce(s, n, target):
    own = s[torch.arange(M), target]
    one = F.binary_cross_entropy_with_logits
    return (one(own, torch.ones(M), reduction='none') +
            2 * one(s[:, 0], torch.zeros(M), reduction='none')) / 3


def bpr(s, n, target):
    own = s[torch.arange(M), target]
    return -F.logsigmoid(own - s[:, 0])


CASES = [  # name, loss, negatives, temperature, correction
    ('full_softmax', softmax, K, 1., False),
    ('full_softmax', softmax, K, .2, False),
    ('sampled_softmax', softmax, 5, 1., True),
    ('sampled_softmax', softmax, 5, .5, False),
    ('gbce', gbce, 6, 1., False),
    ('gbce', gbce, 6, .5, False),
    ('bce', bce, 1, 1., False),
    ('bpr', bpr, 1, .5, False),
]


def text(x):
    return ' '.join('%.12g' % v for v in x.flatten().tolist())


def write(name, loss, n, temperature, corrected):
    q, v, bias = leaf(1, M, D), leaf(2, K, D), leaf(3, K)
    target = torch.tensor([8, 3, 1, 7, 3, 2])
    log_q = torch.tensor([-1 - .25 * j for j in range(K)])
    s = (q @ v.T + bias) / temperature
    if corrected:
        s = s - log_q
    total = (WEIGHT * loss(s, n, target)).sum()
    (.5 * total).backward()  # gradients have a scale
    print('case', name, n, temperature, int(corrected))
    print('loss %.12g' % total.item())
    print('dq', text(q.grad))
    print('dv', text(v.grad))
    print('dbias', text(bias.grad))


for case in CASES:
    write(*case)
