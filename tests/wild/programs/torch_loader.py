# SPDX-License-Identifier: MIT
"""PyTorch: a DataLoader with worker processes, forked and spawned, feeding a model that learns:
`torch_loader.py EPOCHS`."""

import sys

import torch
from torch.utils.data import DataLoader, Dataset


class Waves(Dataset):
    def __len__(self):
        return 256

    def __getitem__(self, i):
        x = torch.linspace(0, i / 32, 64)
        return x.sin(), x.cos()


def learn(epochs, **loader):
    torch.manual_seed(1)
    model = torch.nn.Linear(64, 64)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    for _ in range(epochs):
        for x, y in DataLoader(Waves(), batch_size=16, **loader):
            loss = torch.nn.functional.mse_loss(model(x), y)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
    return loss.item()


if __name__ == "__main__":
    torch.set_num_threads(2)
    epochs = int(sys.argv[1])
    for how in ("fork", "spawn", "forkserver"):
        loader = {"num_workers": 2, "multiprocessing_context": how, "persistent_workers": how != "fork"}
        print("answer %s: %.6f" % (how, learn(epochs, **loader)))
    print("answer no workers: %.6f" % learn(epochs))
