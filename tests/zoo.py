"""Every cell, and every option of a cell, with weights that hide nothing."""

from functools import partial

import numpy as np
import reference

from seqlab import cells


def _projected(units, **options):
    return cells.LSTMCell(units, num_proj=reference.projected(units), **options)


VARIANTS = {
    **cells.CELLS,
    "gru_before": partial(cells.GRUCell, reset_after=False),
    "lstm_peepholes": partial(cells.LSTMCell, use_peepholes=True),
    "lstm_projected": _projected,
    "lstm_all": partial(_projected, use_peepholes=True, **reference.CLIPS),
    "slstm_exp": partial(cells.SLSTMCell, forget_gate="exp"),
}


def make(name, features, units, seed=0, **options):
    """A built cell of `VARIANTS` with the weights of `reference`."""
    cell = VARIANTS[name](units, **options)
    cell.build((None, features))
    cell.set_weights(reference.weights(name, features, units, seed))
    return cell


def normal(seed, *shape):
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


def initial(cell, batch, seed=2):
    """A state, drawn; the sLSTM's normaliser n, which it divides by, is positive."""
    state = [normal(seed + i, batch, size) for i, size in enumerate(cell.state_size)]
    if isinstance(cell, cells.SLSTMCell):
        state[2] = np.abs(state[2]) + np.float32(0.5)
    return state
