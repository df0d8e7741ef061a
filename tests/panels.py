"""Batches as the forecasting models take them, and NumPy's way through a stack of cells."""

import numpy as np
import reference

B, T, P, F = 6, 13, 5, 2
CODES = (3, 4)  # of the two categories


def batch(rows=B, steps=T, horizon=P, season=4, series=3, counts=False, seed=0):
    """A dict of inputs, with all that there can be; targets above 0."""
    rng = np.random.default_rng(seed)
    past = rng.normal(size=(rows, steps, 2 + F))
    values = rng.uniform(1, 5, (rows, steps + horizon))
    values = np.round(values) if counts else values
    past[:, :, 0] = values[:, :steps]
    reals = {
        "past": past,
        "future": rng.normal(size=(rows, horizon, F)),
        "static": rng.normal(size=(rows, 3)),
        "truth": values[:, steps:],
    }
    numbers = {
        "categories": np.stack([np.arange(rows) % (n + 1) for n in CODES], axis=1),
        "series": np.arange(rows) % (series + 1),  # the last one never seen
        "phase": np.arange(rows) % season,
    }
    return {name: v.astype("float32") for name, v in reals.items()} | {
        name: v.astype("int32") for name, v in numbers.items()
    }


def row(table, number):
    """A row of a table; of a number that it does not have, the mean of its rows."""
    return table[number] if 0 <= number < len(table) else table.mean(axis=0)


def attributes(model, x):
    """``[B, C]``: static, and a row per category, whose codes begin at 1."""
    parts = [x["static"]]
    for lookup, column in zip(model.attributes.lookups, x["categories"].T, strict=True):
        parts.append(np.stack([row(lookup.table.numpy(), code - 1) for code in column]))
    return np.concatenate(parts, axis=1)


class Stack:
    """Cells of NumPy on top of each other, with the weights of a stack of ours."""

    def __init__(self, stack, step=reference.lstm, states=2):
        self.layers = [cell.get_weights() for cell in stack.cells]
        self.step, self.states = step, states

    def zeros(self, rows):
        return [[np.zeros((rows, weights[1].shape[0]))] * self.states for weights in self.layers]

    def __call__(self, x, states):
        after = []
        for weights, state in zip(self.layers, states, strict=True):
            x, state = self.step(x, state, *weights)
            after.append(state)
        return x, after


def dense(layer, x):
    kernel, bias = layer.get_weights()
    return x @ kernel + bias


def softplus(x):
    return np.log1p(np.exp(x))


def trained(model, x, epochs, rate=0.01, rows=32):
    import keras

    model.compile(keras.optimizers.Adam(rate), model.criterion, jit_compile=False)
    model.fit(x, x["truth"], epochs=epochs, batch_size=rows, verbose=0)
    return model


def waves(rows, seed, steps=T, horizon=P):
    """Sines of every phase and of two lengths, with noise: ``past`` [B, T, 1] and ``truth``."""
    rng = np.random.default_rng(seed)
    t = np.arange(steps + horizon) + rng.uniform(0, 100, (rows, 1))
    y = np.sin(t * rng.choice([0.6, 0.9], (rows, 1))) + rng.normal(0, 0.1, t.shape)
    y = y.astype("float32")
    return {"past": y[:, :steps, None], "truth": y[:, steps:]}
