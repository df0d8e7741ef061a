"""Plain NumPy oracles: loops and one-liners, written from the equations and from nothing of ours."""

from functools import partial

import numpy as np


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def rnn(x, state, kernel, recurrent_kernel, bias):
    h = np.tanh(x @ kernel + state[0] @ recurrent_kernel + bias)
    return h, [h]


def lstm(
    x,
    state,
    kernel,
    recurrent_kernel,
    bias,
    peepholes=None,
    projection=None,
    cell_clip=np.inf,
    proj_clip=np.inf,
):
    h, c = state
    units = c.shape[-1]
    gates = x @ kernel + h @ recurrent_kernel + bias
    i, f, g, o = (gates[:, k * units : (k + 1) * units] for k in range(4))
    see_i, see_f, see_o = np.zeros((3, units)) if peepholes is None else peepholes
    c = sigmoid(f + see_f * c) * c + sigmoid(i + see_i * c) * np.tanh(g)
    c = np.minimum(np.maximum(c, -cell_clip), cell_clip)
    h = sigmoid(o + see_o * c) * np.tanh(c)
    if projection is not None:
        h = np.minimum(np.maximum(h @ projection, -proj_clip), proj_clip)
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


def gru_before(x, state, kernel, recurrent_kernel, bias):
    (h,) = state
    k_z, k_r, k_g = np.split(kernel, 3, axis=1)
    r_z, r_r, r_g = np.split(recurrent_kernel, 3, axis=1)
    b_z, b_r, b_g = np.split(bias, 3)
    z = sigmoid(x @ k_z + h @ r_z + b_z)
    r = sigmoid(x @ k_r + h @ r_r + b_r)
    h = z * h + (1 - z) * np.tanh(x @ k_g + (r * h) @ r_g + b_g)
    return h, [h]


def lstm_projected(x, state, kernel, recurrent_kernel, bias, projection, **clips):
    return lstm(x, state, kernel, recurrent_kernel, bias, None, projection, **clips)


# Bounds that bind in about half of the elements, so that a missing clip shows.
CLIPS = {"cell_clip": 0.5, "proj_clip": 0.3}
STEPS = {
    "rnn": rnn,
    "lstm": lstm,
    "gru": gru,
    "gru_before": gru_before,
    "lstm_peepholes": lstm,
    "lstm_projected": lstm_projected,
    "lstm_all": partial(lstm, **CLIPS),
}


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


def projected(units):
    """P."""
    return units // 2 + 1


def shapes(cell, features, units):
    """Of the weights of a cell, in their order."""
    gates = {"rnn": 1, "lstm": 4, "gru": 3}[cell.split("_")[0]]
    columns = gates * units
    if cell == "gru":
        return [(features, columns), (units, columns), (2, columns)]
    has_projection = cell in ("lstm_projected", "lstm_all")
    outputs = projected(units) if has_projection else units
    found = [(features, columns), (outputs, columns), (columns,)]
    if cell in ("lstm_peepholes", "lstm_all"):
        found.append((3, units))
    return [*found, (units, outputs)] if has_projection else found


def weights(cell, features, units, seed=0):
    """Asymmetric, so that no two gates can be swapped unseen."""
    rng = np.random.default_rng(seed)
    every = shapes(cell, features, units)
    return [rng.normal(0.1, 0.6, shape).astype(np.float32) for shape in every]
