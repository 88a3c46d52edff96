#!/usr/bin/python3
"""SASRec (Kang and McAuley 2018) by full cross-entropy at every position, in
PyTorch, measured: seconds of an epoch from some of its steps.

usage: sasrec_torch.py sequences.txt [--threads N] [--steps N]
One "user item" a line in time order; a user's last two items are held out."""
import argparse
import json
import os
import statistics
import time

parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
parser.add_argument("sequences")
parser.add_argument("--threads", type=int, default=2)
parser.add_argument("--steps", type=int, default=8)
parser.add_argument("--cache", help="not used")
args = parser.parse_args()
for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
    os.environ[name] = str(args.threads)

import numpy as np                      # noqa: E402
import torch                            # noqa: E402
import torch.nn as nn                   # noqa: E402
import torch.nn.functional as F         # noqa: E402

LENGTH, DIM, BLOCKS, BATCH, DROP = 200, 64, 2, 128, 0.2
torch.set_num_threads(args.threads)
torch.manual_seed(1)

pairs = np.loadtxt(args.sequences, dtype=np.int64)
items = int(pairs[:, 1].max())
users = np.split(pairs[:, 1], np.flatnonzero(np.diff(pairs[:, 0])) + 1)
rows = np.zeros((len(users), LENGTH + 1), np.int64)     # 0: nothing
for row, user in zip(rows, users):
    train = user[:-2][-(LENGTH + 1):]
    if len(train):
        row[-len(train):] = train
rows = torch.from_numpy(rows)


class SASRec(nn.Module):
    def __init__(self):
        super().__init__()
        self.item = nn.Embedding(items + 1, DIM, padding_idx=0)
        self.place = nn.Embedding(LENGTH, DIM)
        self.drop = nn.Dropout(DROP)
        self.blocks = nn.ModuleList(
            nn.TransformerEncoderLayer(DIM, 1, DIM, DROP, batch_first=True,
                                       norm_first=True)
            for _ in range(BLOCKS))
        self.norm = nn.LayerNorm(DIM)
        later = torch.ones(LENGTH, LENGTH, dtype=torch.bool).triu(1)
        self.register_buffer("later", later)

    def forward(self, history):
        x = self.item(history) * DIM ** 0.5 + self.place.weight
        x = self.drop(x)
        for block in self.blocks:
            x = block(x, src_mask=self.later)
        return self.norm(x)


model = SASRec()
optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)
order = torch.randperm(len(rows))
times = []
for step in range(args.steps + 1):
    began = time.perf_counter()
    batch = rows[order[torch.arange(BATCH) + step * BATCH - len(order)]]
    history, target = batch[:, :-1], batch[:, 1:]
    used = history > 0                  # padding is not compared
    logits = model(history)[used] @ model.item.weight[1:].T
    loss = F.cross_entropy(logits, target[used] - 1)
    optimizer.zero_grad(set_to_none=True)
    loss.backward()
    optimizer.step()
    times.append(time.perf_counter() - began)
step_s = statistics.median(times[1:])
print(json.dumps(dict(kind="result", epoch_s=step_s * len(rows) / BATCH,
                      step_s=step_s, loss=float(loss),
                      blas=os.environ.get("OPENBLAS_CORETYPE", "its own"))))
