"""The reference: a recurrent network as a PyTorch loop; see train_step.py. Prints JSON."""

import torch
from _step import arguments, data, report

# As TensorFlow does by itself: where gradients vanish over many steps, arithmetic on denormal numbers
# takes PyTorch many times as long.
torch.set_flush_denormal(True)

cell, (steps, units, layers, batch, features), _ = arguments()


class Network(torch.nn.Module):
    def __init__(self):
        super().__init__()
        layer = {"lstm": torch.nn.LSTM, "gru": torch.nn.GRU}[cell]
        self.layers = layer(features, units, layers, batch_first=True)
        self.head = torch.nn.Linear(units, 1)

    def forward(self, x):
        return self.head(self.layers(x)[0][:, -1])


x, y = map(torch.from_numpy, data(steps, batch, features, units))
model = Network()
optimizer = torch.optim.Adam(model.parameters())


def epoch(batches, mark):
    for i in range(batches):
        rows = slice(i * batch, (i + 1) * batch)
        optimizer.zero_grad()
        loss = torch.nn.functional.mse_loss(model(x[rows]), y[rows])
        loss.backward()
        optimizer.step()
        mark(i + 1)


report(epoch, len(x) // batch)
