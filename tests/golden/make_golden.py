#!/usr/bin/python3
"""Write tests/golden/model.txt: losses, scores and gradients of small models
over one fixed batch, by PyTorch in float64. Every gradient is also checked
against a central difference here. The batch, the formula for values and the
names of jobs are those of tests/model/fixture.c and tests/contract/.

Run it with a Python that has torch: ./make_golden.py > model.txt
"""
import math

import torch

torch.set_default_dtype(torch.float64)

N = 6
QUERY_OF = [0, 0, 0, 1, 1, 2]
USER = [3, 1, 4]
ITEM = [2, 5, 2, 6, 1, 5]
CTX = [1, 0, None, 2, 1, 3]
GENRES = [[(1, 1), (4, .5)], [(2, 2)], [], [(0, 1), (3, 1), (1, .25)],
          [(5, 1)], [(2, 1), (2, 3)]]
HIST = [[2, 5, 1, 6], [], [3, 2]]
PRICE = torch.tensor([[.5, -1], [1.25, 0], [-.75, 2], [1, 1], [0, -2],
                      [.25, .5]])
SEQ = [[2, 5, 1, 2, 6], [], [3, None, 2]]
TITLE = [[1, 2, 3], [4], [], [0, 5, 1, 2], [3, 3], [2, None, 1, 0, 5]]
LABEL = torch.tensor([1., 0, 1, 0, 1, 0])


def value(t, key, e):
    mixed = (t * 7919 + (key % 100003) * 104729 + e * 1299709) % 2003
    return torch.tensor(mixed / 2002 - .5, dtype=torch.float32).double().item()


class Params:
    """Rows and the flat dense vector, as the fixture fills them."""

    def __init__(self, tables):
        # name: (columns, dim), in the job's order
        self.tables = {n: (i, c, d) for i, (n, (c, d)) in
                       enumerate(tables.items())}
        self.rows = {}
        self.dense = torch.tensor([value(100, 0, e) for e in range(4000)])
        self.used = 0
        self.seq_l2 = 0.
        self.stats = []  # (offset, statistic) of batch_norm

    def start(self):
        self.used, self.stats, self.l2 = 0, [], 0.

    def row(self, table, key):
        number, columns, dim = self.tables[table]
        if (table, key) not in self.rows:
            self.rows[table, key] = torch.tensor(
                [value(number, key, e) for e in range(columns + dim)],
                requires_grad=True)
        return self.rows[table, key]

    def vec(self, table, key):
        columns = self.tables[table][1]
        if key is None:
            return torch.zeros(self.tables[table][2])
        return self.row(table, key)[columns:]

    def pooled(self, table, pairs, pool):
        total = sum(w for _, w in pairs)
        if not pairs:
            return torch.zeros(self.tables[table][2])
        c = {'mean': 1 / total, 'sum': 1, 'rsqrt': total ** -.5}[pool]
        return c * sum(w * self.vec(table, k) for k, w in pairs)

    def block(self, *shape):
        size = math.prod(shape)
        out = self.dense[self.used:self.used + size].reshape(shape)
        self.used += size
        return out

    def use(self, l2, x):
        self.l2 = self.l2 + .5 * l2 * (x * x).sum()


def user(i):
    return USER[QUERY_OF[i]]


def hist(i):
    return [(k, 1) for k in HIST[QUERY_OF[i]]]


def dense(p, x, out):
    w, b = p.block(out, x.shape[1]), p.block(out)
    return x @ w.T + b


def batch_norm(p, x):
    width = x.shape[1]
    gamma, beta = p.block(width), p.block(width)
    mean, var = x.mean(0), x.var(0, unbiased=False)
    for stat in (mean, x.var(0, unbiased=True)):
        p.stats.append((p.used, stat.detach()))
        p.block(width)
    return (x - mean) / torch.sqrt(var + 1e-5) * gamma + beta


def act(p, kind, x):
    if kind == 'prelu':
        return torch.nn.functional.prelu(x, .25 * p.block(1))
    return {'tanh': torch.tanh, 'relu': torch.relu, 'sigmoid': torch.sigmoid,
            'gelu': torch.nn.functional.gelu}[kind](x)


def stack(p, x, units, kind, head, norm=False):
    for u in units:
        x = dense(p, x, u)
        # blocks are declared in the order dense, norm, activation
        x = batch_norm(p, x) if norm else x
        x = act(p, kind, x)
    return dense(p, x, head) if head else x


# ---- towers: each gives [N] scores or [N, width] vectors ----

def dot(p, vector=False):
    v = torch.stack([p.vec('user', user(i)) * p.vec('item', ITEM[i])
                     for i in range(N)])
    return v if vector else v.sum(1)


def dot_svdpp(p):
    g, out = .5 + p.block(1)[0], []
    for i in range(N):
        u, it = p.row('user', user(i)), p.row('item', ITEM[i])
        q = u[1:] + p.pooled('imp', hist(i), 'rsqrt')
        out.append(g + u[0] + it[0] + q @ it[1:])
        for x in (u[1:], it[1:]):
            p.use(.1, x)
        for k, _ in hist(i):
            p.use(.1, p.vec('imp', k))
        p.use(.3, u[0])
        p.use(.3, it[0])
    return torch.stack(out)


def dot_content(p):
    out = []
    for i in range(N):
        parts = [('user', user(i)), ('ctx', CTX[i])]
        q = sum(p.vec(t, k) for t, k in parts)
        v = p.vec('item', ITEM[i]) + p.pooled('tag', GENRES[i], 'mean')
        parts.append(('item', ITEM[i]))
        b = sum(p.row(t, k)[0] for t, k in parts if k is not None)
        out.append(b + q @ v)
        for t, k in parts:
            if k is not None:
                p.use(.05, p.row(t, k))
        for k, _ in GENRES[i]:
            p.use(.05, p.vec('tag', k))
    return torch.stack(out)


def fm(p):
    b, out = p.block(1)[0], []
    for i in range(N):
        ids = [('user', [(user(i), 1)]), ('item', [(ITEM[i], 1)]),
               ('ctx', [(CTX[i], 1)] if CTX[i] is not None else []),
               ('tag', GENRES[i])]
        vs = [p.pooled(t, ks, 'sum') for t, ks in ids]
        ws = sum(w * p.row(t, k)[0] for t, ks in ids for k, w in ks)
        pairs = sum(vs[a] @ vs[c] for a in range(4) for c in range(a))
        out.append(b + ws + pairs)
        for t, ks in ids:
            for k, _ in ks:
                p.use(.2, p.vec(t, k))
                p.use(.1, p.row(t, k)[0])
    return torch.stack(out)


def linear(p):
    b, w, out = p.block(1)[0], p.block(2), []
    for i in range(N):
        out.append(b + p.vec('user', user(i))[0] + PRICE[i] @ w +
                   p.pooled('tag', GENRES[i], 'mean')[0] +
                   p.vec('item', ITEM[i])[0])
        for t, k in [('user', user(i)), ('item', ITEM[i])]:
            p.use(.2, p.vec(t, k))
        for k, _ in GENRES[i]:
            p.use(.2, p.vec('tag', k))
    return torch.stack(out)


def cat(*columns):
    return torch.stack([torch.cat([c(i) for c in columns]) for i in range(N)])


def mlp(p):
    x = cat(lambda i: p.vec('user', user(i)), lambda i: p.vec('item', ITEM[i]),
            lambda i: PRICE[i], lambda i: p.pooled('imp', hist(i), 'mean'))
    return stack(p, x, [8, 5], 'tanh', 1)[:, 0]


def mlp_of(units, kind, norm=False):
    def f(p):
        x = cat(lambda i: p.vec('user', user(i)),
                lambda i: p.vec('item', ITEM[i]))
        return stack(p, x, units, kind, 1, norm)[:, 0]
    return f


def mlp_l2(p):
    x = cat(lambda i: p.vec('user', user(i)), lambda i: p.vec('item', ITEM[i]),
            lambda i: p.pooled('imp', hist(i), 'sum'))
    for i in range(N):
        p.use(.3, p.vec('user', user(i)))
        p.use(.3, p.vec('item', ITEM[i]))
        for k, _ in hist(i):
            p.use(.3, p.vec('imp', k))
    return stack(p, x, [5], 'tanh', 1)[:, 0]


def deep(p, vector=False):
    x = cat(lambda i: p.vec('ctx', CTX[i]), lambda i: PRICE[i])
    y = stack(p, x, [4], 'tanh', 0 if vector else 1)
    return y if vector else y[:, 0]


def cross(layers, rank, units=()):
    def f(p):
        x0 = x = cat(lambda i: p.vec('user', user(i)),
                     lambda i: p.vec('item', ITEM[i]), lambda i: PRICE[i])
        for _ in range(layers):
            y = x @ p.block(rank, x.shape[1]).T if rank else x
            x = x0 * dense(p, y, x.shape[1]) + x
        return stack(p, x, units, 'tanh', 1)[:, 0]
    return f


# ---- encoders: under one small network of each label ----

def experts(p, xs, own, shared, units, kind, gate, passes):
    """One level. xs: what each label's experts read, and the shared ones."""
    n = len(xs) - 1
    ys = [[stack(p, x, units, kind, 0) for _ in range(own if k < n else shared)]
          for k, x in enumerate(xs)]
    out = []
    for k in range(n + passes):
        es = (ys[k] if k < n else sum(ys[:n], [])) + ys[n]
        a = torch.softmax(stack(p, xs[k], gate, kind, len(es)), 1)
        out.append(sum(a[:, j:j + 1] * e for j, e in enumerate(es)))
    return out


def mmoe(n, count, units, gate):
    return lambda p, x: experts(p, [x] * (n + 1), 0, count, units, 'tanh',
                                gate, 0)


def ple(n, levels, own, shared, units, gate):
    def f(p, x):
        xs = [x] * (n + 1)
        for level in range(levels):
            xs = experts(p, xs, own, shared, units, 'tanh', gate,
                         level + 1 < levels)
        return xs
    return f


def labelled(make):
    def f(p):
        x = cat(lambda i: p.vec('user', user(i)),
                lambda i: p.vec('item', ITEM[i]), lambda i: PRICE[i])
        return torch.stack([stack(p, v, [3], 'tanh', 1)[:, 0]
                            for v in make(p, x)])
    return f


def encoder(p):
    x = cat(lambda i: p.vec('user', user(i)), lambda i: PRICE[i])
    x = stack(p, x, [5, 4], 'tanh', 0)
    x = torch.cat([x, torch.stack([p.vec('item', ITEM[i])
                                   for i in range(N)])], 1)
    return stack(p, x, [3], 'tanh', 1)[:, 0]


# ---- towers over a sequence: a vector of each, times the item's ----

def layer_norm(p, x):
    d = x.shape[-1]
    gamma, beta = p.block(d), p.block(d)
    return torch.nn.functional.layer_norm(x, (d,), gamma, beta)


def weights(p, *shapes):
    return [p.block(*s) for s in shapes]


def transformer_block(p, d, heads, ff, norm, causal, kind):
    """Its blocks, and what it does to one sequence [T, d]."""
    w = weights(p, (3 * d, d), (3 * d,), (d, d), (d,))
    g1, b1 = weights(p, (d,), (d,))
    up, upb, down, downb = weights(p, (ff, d), (ff,), (d, ff), (d,))
    g2, b2 = weights(p, (d,), (d,))
    F = torch.nn.functional

    def attend(q, x):
        mask = torch.full((len(x), len(x)), -math.inf).triu(1)
        q, x = q[:, None], x[:, None]
        return F.multi_head_attention_forward(
            q, x, x, d, heads, w[0], w[1], None, None, False, 0., w[2], w[3],
            training=False, attn_mask=mask if causal else None)[0][:, 0]

    def feed(x):
        act_ = F.relu if kind == 'relu' else F.gelu
        return F.linear(act_(F.linear(x, up, upb)), down, downb)

    def run(x):
        if norm == 'query':
            q = F.layer_norm(x, (d,), g1, b1)
            x = F.layer_norm(q + attend(q, x), (d,), g2, b2)
            return x + feed(x)
        if norm == 'pre':
            q = F.layer_norm(x, (d,), g1, b1)
            x = x + attend(q, q)
            return x + feed(F.layer_norm(x, (d,), g2, b2))
        x = F.layer_norm(x + attend(x, x), (d,), g1, b1)
        return F.layer_norm(x + feed(x), (d,), g2, b2)
    return run


def sinusoid(length, d):
    at = torch.arange(length)[:, None] * torch.exp(
        torch.arange(0, d, 2) * (-math.log(10000.) / d))
    out = torch.zeros(length, d)
    out[:, 0::2] = torch.sin(at)
    out[:, 1::2] = torch.cos(at[:, :d // 2])
    return out


def transformer(d, most, blocks=1, heads=1, ff=8, norm='pre', causal=True,
                kind='gelu', positions='learnt', scale=True, mean=False,
                right=True):
    def make(p):
        places = {'learnt': lambda: p.block(most, d),
                  'sinusoid': lambda: sinusoid(most, d),
                  'none': lambda: torch.zeros(most, d)}[positions]()
        run = [transformer_block(p, d, heads, ff, norm, causal, kind)
               for _ in range(blocks)]
        g, b = weights(p, (d,), (d,)) if norm != 'post' else (None, None)

        def encode(x):
            x = x * (d ** .5 if scale else 1)
            x = x + (places[most - len(x):] if right else places[:len(x)])
            for f in run:
                x = f(x)
            x = x.mean(0) if mean else x[-1]
            if norm != 'post':
                x = torch.nn.functional.layer_norm(x, (d,), g, b)
            return x
        return encode
    return make


def recurrent(kind, d, units, layers=1, both=False):
    """kind: the name in torch._VF and its gates."""
    name, gates = kind

    def make(p):
        flat, width = [], d
        for _ in range(layers):
            for _ in range(2 if both else 1):
                w, b, u, c = weights(p, (gates * units, width),
                                     (gates * units,), (gates * units, units),
                                     (gates * units,))
                flat += [w, u, b, c]
            width = units * (2 if both else 1)
        out = weights(p, (d, width), (d,)) if width != d else None

        def encode(x):
            h = torch.zeros(layers * (2 if both else 1), 1, units)
            h = (h, h) if name == 'lstm' else h
            y = getattr(torch._VF, name)(x[:, None], h, flat, True, layers, 0.,
                                         False, both, False)[0][:, 0]
            y = torch.cat([y[-1, :units], y[0, units:]])
            return out[0] @ y + out[1] if out else y
        return encode
    return make


RNN, GRU, LSTM = ('rnn_tanh', 1), ('gru', 3), ('lstm', 4)


def cnn(d, widths, filters, kind):
    def make(p):
        convs = [weights(p, (filters, w * d), (filters,)) for w in widths]
        out = weights(p, (d, filters * len(widths)), (d,))

        def encode(x):
            tops = []
            for width, (w, b) in zip(widths, convs):
                z = torch.cat([x, torch.zeros(max(0, width - len(x)), d)])
                w = w.reshape(filters, width, d).permute(0, 2, 1)
                y = torch.nn.functional.conv1d(z.T[None], w, b)[0]
                tops.append(act(p, kind, y).max(1).values)
            return out[0] @ torch.cat(tops) + out[1]
        return encode
    return make


def sequence(table, item_table, make, most=5, text=False, bias=False, d=4,
             vector=False, mask=False):
    def f(p):
        encode, empty = make(p), p.block(d)
        behind = [p.block(d)] if mask else []
        head = None if item_table or vector else (p.block(1, d), p.block(1))
        out = []
        for i in range(N):
            ids = TITLE[i] if text else SEQ[QUERY_OF[i]]
            ids = [k for k in ids if k is not None]
            ids = ids[:most] if text else ids[-(most - len(behind)):]
            q = encode(torch.stack([p.vec(table, k) for k in ids] + behind)) \
                if ids else empty
            for k in ids:
                p.use(p.seq_l2, p.vec(table, k))
            if head:
                out.append((head[0] @ q + head[1])[0])
                continue
            v = p.vec(item_table, ITEM[i])
            p.use(p.seq_l2, v)
            if bias:
                p.use(p.seq_l2, p.row(item_table, ITEM[i])[0])
            out.append(q @ v + (p.row(item_table, ITEM[i])[0] if bias else 0))
        return torch.stack(out)
    return f


# ---- fusions over the towers dot and deep ----

def towers(p, over):
    # dot declares no block, so deep's come first either way
    out = [dot(p, over == 'vectors'), deep(p, over == 'vectors')]
    return [torch.sigmoid(z) for z in out] if over == 'scores' else out


def project(v):
    u = torch.sort(v, descending=True).values
    c = torch.cumsum(u, 0) - 1
    k = int((u - c / torch.arange(1, len(v) + 1) > 0).sum())
    return torch.relu(v - c[k - 1] / k)


def finish(p, over, r, head):
    if over == 'vectors':
        w, b = head
        return (r @ w.T + b)[:, 0]
    return torch.log(r) - torch.log1p(-r) if over == 'scores' else r


def weighted(over, how):
    def f(p):
        ms = towers(p, over)
        head = (p.block(1, 4), p.block(1)) if over == 'vectors' else None
        if how == 'ones':
            w = torch.ones(2) * (1 if over == 'logits' else .5)
        elif how == 'given':
            w = torch.tensor([.25, .75])
        elif how == 'free':
            w = p.block(2) * (1 if over == 'logits' else .5)
        elif how == 'softmax':
            w = torch.softmax(p.block(2), 0)
        else:
            w = project(p.block(2))
        return finish(p, over, w[0] * ms[0] + w[1] * ms[1], head)
    return f


def concat(over, units):
    def f(p):
        ms = towers(p, over)
        x = torch.cat([m if m.dim() > 1 else m[:, None] for m in ms], 1)
        return stack(p, x, units, 'tanh', 1)[:, 0]
    return f


def attention(over, gate):
    def f(p):
        ms = towers(p, over)
        head = (p.block(1, 4), p.block(1)) if over == 'vectors' else None
        if gate is None:
            a = torch.softmax(p.block(2), 0).expand(N, 2)
        else:
            a = torch.softmax(stack(p, gate(p), [4], 'tanh', 2), 1)
        if over == 'vectors':
            a = a[:, :, None]
        return finish(p, over, a[:, 0] * ms[0] + a[:, 1] * ms[1], head)
    return f


def gate_user(p):
    return cat(lambda i: p.vec('user', user(i)),
               lambda i: torch.tensor([math.log1p(len(hist(i)))]),
               lambda i: p.vec('user', user(i)).detach())


def gate_price(p):
    return PRICE


# ---- losses of [N] scores: the sum ----

def bce(z):
    return torch.nn.functional.binary_cross_entropy_with_logits(
        z, LABEL, reduction='sum')


def mse(z):
    return .5 * ((z - LABEL) ** 2).sum()


def huber(z):
    return torch.nn.functional.huber_loss(z, LABEL, reduction='sum', delta=.3)


def bpr(z):
    return -torch.nn.functional.logsigmoid(z[0::2] - z[1::2]).sum()


LISTS = [[0, 1, 2], [3, 4]]  # rows of a query; a single one has no order


def listnet(temperature):
    return lambda z: sum(
        -(torch.softmax(LABEL[q] / temperature, 0) *
          torch.log_softmax(z[q], 0)).sum() for q in LISTS)


def listmle(z):
    loss = 0
    for q in LISTS:
        x = z[sorted(q, key=lambda i: (-LABEL[i], i))]
        loss = loss + sum(torch.logsumexp(x[i:], 0) - x[i]
                          for i in range(len(x)))
    return loss


def lambdarank(z):
    loss = 0
    for q in LISTS:
        gain = {i: 2 ** LABEL[i].item() - 1 for i in q}
        best = sum(g / math.log2(2 + r) for r, g in
                   enumerate(sorted(gain.values(), reverse=True)))
        place = {i: r for r, i in
                 enumerate(sorted(q, key=lambda i: (-z[i].item(), i)))}
        for i in q:
            for j in q:
                if LABEL[i] > LABEL[j]:
                    swap = (gain[i] - gain[j]) * abs(
                        1 / math.log2(2 + place[i]) -
                        1 / math.log2(2 + place[j])) / best
                    loss = loss + swap * torch.nn.functional.softplus(
                        z[j] - z[i])
    return loss


def labels(z):
    """bce of each label's scores, which take the same values here, by weight
    1, 1/2, 1/4."""
    return sum(bce(z[k]) * .5 ** k for k in range(len(z)))


def table(**dims):
    return {n: d if isinstance(d, tuple) else (0, d) for n, d in dims.items()}


FUSED = table(user=4, item=4, ctx=3)
DOT = table(user=5, item=5)
UI = table(user=4, item=6)
JOBS = {
    'dot': (DOT, dot, mse),
    'dot_svdpp': (table(user=(1, 20), item=(1, 20), imp=20), dot_svdpp, mse),
    'dot_content': (table(user=(1, 7), tag=7, item=(1, 7), ctx=(1, 7)),
                    dot_content, mse),
    'fm': (table(user=(1, 5), item=(1, 5), ctx=(1, 5), tag=(1, 5)), fm, mse),
    'linear': (table(user=1, item=1, tag=1), linear, bce),
    'mlp': (table(user=4, item=6, imp=3), mlp, bce),
    'mlp_l2': (table(user=4, item=6, imp=3), mlp_l2, bce),
    'mlp_gelu': (UI, mlp_of([8], 'gelu'), bce),
    'mlp_norm': (UI, mlp_of([6], 'sigmoid', True), bce),
    'mlp_prelu': (UI, mlp_of([6], 'prelu'), bce),
    'mlp_relu': (UI, mlp_of([6], 'relu'), bce),
    'cross': (UI, cross(2, 0), bce),
    'cross_rank': (UI, cross(2, 3, [5]), bce),
    'encoder': (UI, encoder, bce),
    'mmoe': (UI, labelled(mmoe(2, 3, [6, 4], [])), labels),
    'mmoe_gate': (UI, labelled(mmoe(3, 2, [5], [4])), labels),
    'ple': (UI, labelled(ple(2, 1, 2, 1, [6, 4], [])), labels),
    'ple_levels': (UI, labelled(ple(2, 3, 1, 2, [4], [])), labels),
    'transformer': (table(item=4), sequence('item', 'item', transformer(
        4, 4, heads=2), most=4), mse),
    'transformer_post': (table(seqs=6, item=(1, 6)), sequence(
        'seqs', 'item', transformer(
            6, 5, heads=3, norm='post', kind='relu', positions='sinusoid', ff=5),
        bias=True, d=6), mse),
    'transformer_deep': (table(item=4), sequence('item', 'item', transformer(
        4, 5, blocks=3, heads=2)), mse),
    'transformer_query': (table(item=4), sequence('item', 'item', transformer(
        4, 5, blocks=2, heads=2, norm='query')), mse),
    'transformer_mean': (table(title=4), sequence('title', None, transformer(
        4, 4, blocks=2, causal=False, positions='learnt', scale=False,
        mean=True, right=False, norm='post'), text=True, most=4), mse),
    'transformer_mask': (table(item=4), sequence('item', 'item', transformer(
        4, 5, blocks=2, heads=2, causal=False), mask=True), mse),
    'rnn': (table(item=4), sequence('item', 'item', recurrent(RNN, 4, 4)),
            mse),
    'gru': (table(item=(1, 4)), sequence('item', 'item', recurrent(GRU, 4, 3),
                                         bias=True, most=3), mse),
    'gru_deep': (table(title=5), sequence('title', None, recurrent(
        GRU, 5, 5, 2), text=True, d=5), mse),
    'lstm': (table(item=4), sequence('item', 'item', recurrent(LSTM, 4, 4, 2)),
             mse),
    'rnn_both': (table(item=4), sequence('item', 'item', recurrent(
        RNN, 4, 2, both=True)), mse),
    'gru_both': (table(item=(1, 4)), sequence('item', 'item', recurrent(
        GRU, 4, 3, 2, both=True), bias=True), mse),
    'lstm_both': (table(title=5), sequence('title', None, recurrent(
        LSTM, 5, 3, both=True), text=True, d=5), mse),
    'cnn': (table(item=4), sequence('item', 'item', cnn(4, [3, 4, 5], 3,
                                                        'tanh')), mse),
    'cnn_text': (table(title=5), sequence('title', None, cnn(
        5, [2, 3], 4, 'relu'), text=True, d=5), mse),
    'weighted_ones': (FUSED, weighted('logits', 'ones'), bce),
    'weighted_ones_vectors': (FUSED, weighted('vectors', 'ones'), bce),
    'weighted_given': (FUSED, weighted('scores', 'given'), bce),
    'weighted_free': (FUSED, weighted('logits', 'free'), bce),
    'weighted_free_vectors': (FUSED, weighted('vectors', 'free'), bce),
    'weighted_softmax': (FUSED, weighted('scores', 'softmax'), bce),
    'weighted_simplex': (FUSED, weighted('logits', 'simplex'), bce),
    'concat': (FUSED, concat('logits', [3]), bce),
    'concat_scores': (FUSED, concat('scores', []), bce),
    'concat_vectors': (FUSED, concat('vectors', [5]), bce),
    'attention': (FUSED, attention('logits', None), bce),
    'attention_gate': (FUSED, attention('logits', gate_user), bce),
    'attention_scores': (FUSED, attention('scores', gate_price), bce),
    'attention_vectors': (FUSED, attention('vectors', gate_price), bce),
    'bce': (DOT, dot, bce),
    'mse': (DOT, dot, mse),
    'mse_sigmoid': (DOT, dot, lambda z: mse(torch.sigmoid(z))),
    'huber': (DOT, dot, huber),
    'bpr': (DOT, dot, bpr),
    'listnet': (DOT, dot, listnet(1)),
    'listnet_sharp': (DOT, dot, listnet(.25)),
    'listmle': (DOT, dot, listmle),
    'lambdarank': (DOT, dot, lambdarank),
}


def shift_variances(p, model):
    """The fixture adds 1 to variances; gamma etc. stay. Offsets come from a
    first pass."""
    p.start()
    with torch.no_grad():
        model(p)
        for offset, stat in p.stats[1::2]:
            p.dense[offset:offset + len(stat)] += 1


def total(p, model, loss):
    p.start()
    z = model(p)
    return z, loss(z), (loss(z) + p.l2) / N


def check(p, model, loss, leaf, grad, frozen=()):
    step = 1e-6
    for e in range(min(len(leaf), p.used if leaf is p.dense else len(leaf))):
        with torch.no_grad():
            was = leaf[e].item()
            leaf[e] = was + step
            up = total(p, model, loss)[2].item()
            leaf[e] = was - step
            down = total(p, model, loss)[2].item()
            leaf[e] = was
        slope = (up - down) / (2 * step)
        assert abs(slope - grad[e]) < 1e-7, (e, slope, grad[e])


def text(values):
    return ' '.join('%.12g' % v for v in values.tolist())


def write(name, tables, model, loss):
    p = Params(tables)
    shift_variances(p, model)
    p.dense.requires_grad_(True)
    z, value_, objective = total(p, model, loss)
    objective.backward()
    n, stats = p.used, p.stats
    dense_grad = p.dense.grad
    dense_grad = torch.zeros(n) if dense_grad is None else dense_grad[:n].clone()
    if 'query' not in name and name != 'attention_gate':
        # detach() makes a difference differ from the gradient on purpose
        for row in p.rows.values():
            check(p, model, loss, row, row.grad)
    if n:
        check(p, model, loss, p.dense, dense_grad)
    for offset, stat in stats:
        dense_grad[offset:offset + len(stat)] = stat
    print('job', name)
    print('loss %.12g' % value_.item())
    z = z.detach()
    print('scores', text(z[0] if z.dim() > 1 else z))
    for (table_, key), row in p.rows.items():
        print('table', table_, key, text(row.grad))
    if n:
        print('dense', text(dense_grad))


for name, (tables, model, loss) in JOBS.items():
    write(name, tables, model, loss)
