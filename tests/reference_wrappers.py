"""Oracles for wrappers: a step in NumPy around a step in NumPy, and gradients by central differences.

A step is ``step(x, state, *weights) -> (output, state)`` with a flat list of states, as in `reference`.
The wrapper's own weights come before those of the cell.
"""

import numpy as np
from reference import sigmoid


def residual(inner):
    def step(x, state, *weights):
        y, state = inner(x, state, *weights)
        return y + x, state

    return step


def highway(inner, coupled):
    def step(x, state, *weights):
        gates, weights = weights[: 2 if coupled else 4], weights[2 if coupled else 4 :]
        y, state = inner(x, state, *weights)
        carry = sigmoid(x @ gates[0] + gates[1])
        transform = 1 - carry if coupled else sigmoid(x @ gates[2] + gates[3])
        return carry * x + transform * y, state

    return step


def zoneout(inner, rates):
    """In inference."""

    def step(x, state, *weights):
        _, new = inner(x, state, *weights)
        new = [r * old + (1 - r) * now for r, old, now in zip(rates, state, new, strict=True)]
        return new[0], new

    return step


def attention(inner, length):
    """The newest outputs are the last rows of the window; `filled` says which rows are outputs."""

    def step(x, state, *weights):
        w_in, b_in, w_query, b_query, w_key, v, w_out, b_out = weights[:8]
        *cell_state, context, window, filled = state
        mixed = np.concatenate([x, context], axis=1) @ w_in + b_in
        h, cell_state = inner(mixed, cell_state, *weights[8:])
        query = np.concatenate(cell_state, axis=1) @ w_query + b_query
        rows = [row.reshape(length, -1) for row in window]
        context = np.stack(
            [
                _look(q, row, one > 0, w_key, v)
                for q, row, one in zip(query, rows, filled, strict=True)
            ]
        )
        y = np.concatenate([h, context], axis=1) @ w_out + b_out
        window = np.stack([np.vstack([a[1:], b]).ravel() for a, b in zip(rows, y, strict=True)])
        filled = np.hstack([filled[:, 1:], np.ones((len(x), 1))])
        return y, [*cell_state, context, window, filled]

    return step


def _look(query, rows, there, w_key, v):
    rows = rows[there]
    if not len(rows):
        return np.zeros(rows.shape[1])
    scores = np.array([np.tanh(query + row @ w_key) @ v for row in rows])
    weights = np.exp(scores) / np.exp(scores).sum()
    return weights @ rows


def central_differences(function, arrays, width=1e-5):
    """The gradient of a number with respect to each float64 array, element by element."""
    gradients = [np.zeros_like(array) for array in arrays]
    for array, gradient in zip(arrays, gradients, strict=True):
        for place in np.ndindex(array.shape):
            middle = array[place]
            ends = []
            for array[place] in (middle + width, middle - width):
                ends.append(function())
            array[place] = middle
            gradient[place] = (ends[0] - ends[1]) / (2 * width)
    return gradients
