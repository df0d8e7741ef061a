"""The reference: the sin network as a PyTorch loop over shuffled batches. Argument: steps."""

import sys
import time

import numpy as np
import torch

STEPS = int(sys.argv[1])
torch.set_flush_denormal(True)  # as TensorFlow does by itself


class Network(torch.nn.Module):
    """Two LSTM layers of 30 and a linear head on the last step."""

    def __init__(self):
        super().__init__()
        self.lstm = torch.nn.LSTM(1, 30, 2, batch_first=True)
        self.head = torch.nn.Linear(30, 1)

    def forward(self, x):
        return self.head(self.lstm(x)[0][:, -1])


series = np.sin(np.linspace(0, 100.1, 10_010)).astype("float32")
windows = torch.from_numpy(np.lib.stride_tricks.sliding_window_view(series, 11).copy())
x, y = windows[:, :10, None], windows[:, 10:]
model = Network()
optimizer = torch.optim.Adam(model.parameters())
loss_of = torch.nn.MSELoss()
begin = 0.0
for step in range(STEPS):
    if step == 20:
        begin = time.perf_counter()
    if step % 312 == 0:
        order = torch.randperm(len(x))
    rows = order[step % 312 * 32 :][:32]
    optimizer.zero_grad()
    loss = loss_of(model(x[rows]), y[rows])
    loss.backward()
    optimizer.step()
print((time.perf_counter() - begin) / (STEPS - 20))
