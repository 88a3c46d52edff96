#!/usr/bin/python3
"""Write tests/golden/metrics.txt: metrics by their definitions, in exact
fractions, over rows and groups that follow from formulas. The rows are those
of tests/model/test_metric_golden.c; nothing but the Python library is needed.

    ./make_metrics.py > metrics.txt
"""
from fractions import Fraction as F
from math import log2, sqrt

N = 600
LEVEL = [(i * 7919 + 13) % 509 for i in range(N)]
SCORE = [F(x, 512) for x in LEVEL]
NOISE = [((i * 40503 + 977) * (2 * i + 1)) % 65521 % 512 for i in range(N)]
LABEL = [int(NOISE[i] < LEVEL[i] * 3 // 4 + 30) for i in range(N)]
WEIGHT = [F(i % 7 + 1, 4) for i in range(N)]
ONE = [F(1)] * N


def pr_auc(score, label, weight):
    """sum (R_n - R_n-1) P_n over thresholds, as scikit-learn's
    average_precision_score."""
    all_pos = sum(w for w, y in zip(weight, label) if y)
    before = total = F(0)
    for t in sorted(set(score), reverse=True):
        pos = sum(w for s, y, w in zip(score, label, weight) if y and s >= t)
        every = sum(w for s, w in zip(score, weight) if s >= t)
        total += (pos - before) / all_pos * pos / every
        before = pos
    return total


def gaps(bin_of, score, label, weight):
    rows = {}
    for i, b in enumerate(bin_of):
        rows.setdefault(b, []).append(i)
    total = sum(weight)
    out = F(0)
    for members in rows.values():
        w = sum(weight[i] for i in members)
        p = sum(weight[i] * score[i] for i in members) / w
        y = sum(weight[i] * label[i] for i in members) / w
        out += w / total * abs(p - y)
    return out


def ece(score, label, weight, bins):
    """Bin b holds (b / bins, (b + 1) / bins], the first one 0 too."""
    return gaps([max(-(-s * bins // 1) - 1, 0) for s in score], score, label,
                weight)


def ace(score, label, weight, bins):
    """The bin of a row is where the weight of all lower scores ends."""
    total = sum(weight)
    below = {t: sum(w for s, w in zip(score, weight) if s < t)
             for t in set(score)}
    return gaps([bins * below[s] / total // 1 for s in score], score, label,
                weight)


def average_precision(score, label, k):
    """Ranks count ties against us; positives of one rank share a precision."""
    rank = [sum(t >= s for t in score) for s in score]
    ranks = sorted(r for r, y in zip(rank, label) if y)
    if not ranks:
        return None
    total = sum(F(sum(q <= r for q in ranks), r) for r in ranks
                if not k or r <= k)
    return total / (min(k, len(ranks)) if k else len(ranks))


def mean_ap(k, size=12):
    each = [average_precision(SCORE[g:g + size], LABEL[g:g + size], k)
            for g in range(0, N, size)]
    each = [v for v in each if v is not None]
    return sum(each) / len(each)


N_ITEMS = 101  # ids 1 .. 100
COUNT = [i * i * 7 % 50 for i in range(N_ITEMS)]
SETS = [{v for v in range(6) if (i * (v + 2) + v) % 4 == 0}
        for i in range(N_ITEMS)]
VECTOR = [[i * (e + 3) % 7 - 3 for e in range(3)] for i in range(N_ITEMS)]


def top(g, k):
    best = {}
    for j in range(30):
        item = 1 + (g * 17 + j * 13 + j * j * g) % 96
        score = (g * 31 + j * 57 + g * j % 11 * 19) % 101
        best[item] = max(best.get(item, -1), score)
    return sorted(best, key=lambda i: (-best[i], i))[:k]


def shown(k):
    out = [0] * N_ITEMS
    for g in range(40):
        for item in top(g, k):
            out[item] += 1
    return out[1:]


def gini(x):
    """Half the mean absolute difference over the mean."""
    n = len(x)
    return F(sum(abs(a - b) for a in x for b in x), 2 * n * sum(x))


def information(item):
    return -log2(max(COUNT[item], 1) / sum(COUNT))


def jaccard(a, b):
    union = SETS[a] | SETS[b]
    return 1 - len(SETS[a] & SETS[b]) / len(union) if union else 0


def cosine(a, b):
    x, y = VECTOR[a], VECTOR[b]
    xx, yy = sum(v * v for v in x), sum(v * v for v in y)
    if xx == 0 or yy == 0:
        return int(xx != yy)
    return 1 - sum(v * w for v, w in zip(x, y)) / sqrt(xx * yy)


def mean(values):
    values = list(values)
    return sum(values) / len(values)


def diversity(k, distance):
    return mean(mean(distance(a, b) for a in t for b in t if a < b)
                for t in (top(g, k) for g in range(40)))


def show(name, value):
    print(name, "%.17g" % value)


show("pr_auc", pr_auc(SCORE, LABEL, ONE))
show("pr_auc_weighted", pr_auc(SCORE, LABEL, WEIGHT))
show("ece@15", ece(SCORE, LABEL, ONE, 15))
show("ece@7_weighted", ece(SCORE, LABEL, WEIGHT, 7))
show("ace@15", ace(SCORE, LABEL, ONE, 15))
show("ace@10_weighted", ace(SCORE, LABEL, WEIGHT, 10))
show("map", mean_ap(0))
show("map@5", mean_ap(5))
show("coverage@5", mean(x > 0 for x in shown(5)))
show("gini@5", gini(shown(5)))
show("novelty@5", mean(mean(map(information, top(g, 5))) for g in range(40)))
show("diversity_sets@5", diversity(5, jaccard))
show("diversity_vectors@5", diversity(5, cosine))
