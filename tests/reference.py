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


def normalised(rows):
    centred = rows - rows.mean(axis=1, keepdims=True)
    return centred / np.sqrt((centred**2).mean(axis=1, keepdims=True) + 1e-5)


def layernorm_lstm(x, state, kernel, recurrent, bias, gain_x, gain_h, gain_c, bias_c):
    h, c = state
    gates = gain_x * normalised(x @ kernel) + gain_h * normalised(h @ recurrent) + bias
    i, f, g, o = np.split(gates, 4, axis=1)
    c = sigmoid(f) * c + sigmoid(i) * np.tanh(g)
    h = sigmoid(o) * np.tanh(gain_c * normalised(c) + bias_c)
    return h, [h, c]


def coupled_lstm(x, state, kernel, recurrent_kernel, bias):
    h, c = state
    f, g, o = np.split(x @ kernel + h @ recurrent_kernel + bias, 3, axis=1)
    f = sigmoid(f)
    c = f * c + (1 - f) * np.tanh(g)
    h = sigmoid(o) * np.tanh(c)
    return h, [h, c]


def mingru(x, state, kernel, bias):
    z, g = np.split(x @ kernel + bias, 2, axis=1)
    h = (1 - sigmoid(z)) * state[0] + sigmoid(z) * g
    return h, [h]


def minlstm(x, state, kernel, bias):
    i, f, g = np.split(x @ kernel + bias, 3, axis=1)
    i, f = sigmoid(i), sigmoid(f)
    h = f / (f + i) * state[0] + i / (f + i) * g
    return h, [h]


def slstm(x, state, kernel, recurrent_kernel, bias, log_forget=lambda f: np.log(sigmoid(f))):
    h, c, n, m = state
    i, f, g, o = np.split(x @ kernel + h @ recurrent_kernel + bias, 4, axis=1)
    log_f, before = log_forget(f), m
    m = np.maximum(log_f + before, i)
    i, f = np.exp(i - m), np.exp(log_f + before - m)
    c, n = f * c + i * np.tanh(g), f * n + i
    h = sigmoid(o) * c / n
    return h, [h, c, n, m]


# Bounds that bind in about half of the elements, so that a missing clip shows.
CLIPS = {"cell_clip": 0.5, "proj_clip": 0.3}
STEPS = {
    "rnn": rnn,
    "lstm": lstm,
    "gru": gru,
    "layernorm_lstm": layernorm_lstm,
    "coupled_lstm": coupled_lstm,
    "mingru": mingru,
    "minlstm": minlstm,
    "slstm": slstm,
    "gru_before": gru_before,
    "lstm_peepholes": lstm,
    "lstm_projected": lstm_projected,
    "lstm_all": partial(lstm, **CLIPS),
    "slstm_exp": partial(slstm, log_forget=lambda f: f),
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


GATES = {"rnn": 1, "gru": 3, "gru_before": 3, "coupled_lstm": 3, "mingru": 2, "minlstm": 3}


def shapes(cell, features, units):
    """Of the weights of a cell, in their order."""
    columns = GATES.get(cell, 4) * units
    if cell.startswith("min"):
        return [(features, columns), (columns,)]
    has_projection = cell in ("lstm_projected", "lstm_all")
    found = [(features, columns), (projected(units) if has_projection else units, columns)]
    found.append((2, columns) if cell == "gru" else (columns,))
    if cell in ("lstm_peepholes", "lstm_all"):
        found.append((3, units))
    if has_projection:
        found.append((units, projected(units)))
    if cell == "layernorm_lstm":
        found += [(columns,), (columns,), (units,), (units,)]
    return found


def weights(cell, features, units, seed=0):
    """Asymmetric, so that no two gates can be swapped unseen."""
    rng = np.random.default_rng(seed)
    every = shapes(cell, features, units)
    return [rng.normal(0.1, 0.6, shape).astype(np.float32) for shape in every]
