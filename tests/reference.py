"""Plain NumPy oracles: loops and one-liners, written from the equations and from nothing of ours."""

import numpy as np


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def rnn(x, state, kernel, recurrent_kernel, bias):
    h = np.tanh(x @ kernel + state[0] @ recurrent_kernel + bias)
    return h, [h]


def lstm(x, state, kernel, recurrent_kernel, bias):
    h, c = state
    units = h.shape[-1]
    gates = x @ kernel + h @ recurrent_kernel + bias
    i, f, g, o = (gates[:, k * units : (k + 1) * units] for k in range(4))
    c = sigmoid(f) * c + sigmoid(i) * np.tanh(g)
    h = sigmoid(o) * np.tanh(c)
    return h, [h, c]


def gru(x, state, kernel, recurrent_kernel, bias):
    (h,) = state
    units = h.shape[-1]
    from_x, from_h = x @ kernel + bias[0], h @ recurrent_kernel + bias[1]
    z = sigmoid(from_x[:, :units] + from_h[:, :units])
    r = sigmoid(from_x[:, units : 2 * units] + from_h[:, units : 2 * units])
    g = np.tanh(from_x[:, 2 * units :] + r * from_h[:, 2 * units :])
    h = z * h + (1 - z) * g
    return h, [h]


STEPS = {"rnn": rnn, "lstm": lstm, "gru": gru}


def run(step, weights, inputs, state, lengths):
    """dynamic_rnn by loops over sequences and steps, in float64."""
    outputs = np.zeros((*inputs.shape[:2], state[0].shape[-1]))
    ends = [np.array(part, np.float64) for part in state]
    for row, length in enumerate(lengths):
        own = [part[row : row + 1].astype(np.float64) for part in state]
        for t in range(length):
            out, own = step(inputs[row : row + 1, t], own, *weights)
            outputs[row, t] = out[0]
        for end, part in zip(ends, own, strict=True):
            end[row] = part[0]
    return outputs, ends


def weights(cell, features, units, seed=0):
    """Asymmetric, so that no two gates can be swapped unseen."""
    rng = np.random.default_rng(seed)
    gates = {"rnn": 1, "lstm": 4, "gru": 3}[cell]
    bias = (2, gates * units) if cell == "gru" else (gates * units,)
    shapes = (features, gates * units), (units, gates * units), bias
    return [rng.normal(0.1, 0.6, shape).astype(np.float32) for shape in shapes]
