"""Dropout and zoneout: cells that show the masks, shares with known answers, and NumPy."""

import keras
import numpy as np
import pytest
import reference
import reference_wrappers as oracle
import tensorflow as tf
from wrapped import SIZE, assert_equals_numpy, flat, make, normal

from seqlab import cells
from seqlab._loop import stepper
from seqlab.errors import SeqlabError
from seqlab.wrappers import Wrapper

WIDTH, STEPS, BATCH = 32, 6, 64


class Teller(keras.layers.Layer):
    """Its states are ones after every step; it tells what became of them: x + h + 10 c + 100 n."""

    output_size = WIDTH

    def __init__(self, states=3):
        super().__init__()
        self.state_size = [WIDTH] * states

    def get_initial_state(self, batch_size):
        return [tf.ones((batch_size, WIDTH)) for _ in self.state_size]

    def call(self, inputs, states, training=False):
        told = sum(10.0**i * state for i, state in enumerate(states))
        return inputs + told, [tf.ones_like(state) for state in states]


class Counter(keras.layers.Layer):
    """Adds one to h and one to c at every step; the output is h."""

    state_size, output_size = [WIDTH, WIDTH], WIDTH

    def get_initial_state(self, batch_size):
        return [tf.zeros((batch_size, WIDTH)) for _ in self.state_size]

    def call(self, inputs, states, training=False):
        h, c = states[0] + 1, states[1] + 1
        return h, [h, c]


class Loop(Wrapper):
    """Steps through time and changes nothing, so that wrappers below are stepped, too."""

    def stepper(self, batch_size, training):
        return stepper(self.cell, batch_size, training)


def run(cell, training=True, compiled=True):
    """The outputs ``[B, T, H]`` for inputs of one."""
    x = tf.ones((BATCH, STEPS, WIDTH))
    cell.build((None, WIDTH))
    call = lambda: cells.dynamic_rnn(cell, x, training=training)[0]  # noqa: E731
    return np.asarray(tf.function(call)() if compiled else call())


def masks(where, keep, variational, forced, **how):
    """Which elements were kept of the inputs, the outputs or the states, and what they became."""
    wrapped = cells.DropoutWrapper(
        Teller(), **{f"{where}_keep_prob": keep}, variational=variational
    )
    outputs = run(Loop(wrapped) if forced else wrapped, **how)
    if where == "output":
        return outputs / 112
    return outputs[:, 1:] - 111  # the first step has the first state


@pytest.mark.parametrize("compiled", [True, False])
@pytest.mark.parametrize("forced", [True, False])
@pytest.mark.parametrize("variational", [True, False])
@pytest.mark.parametrize("where", ["input", "output", "state"])
def test_masks(where, variational, forced, compiled):
    found = masks(where, 0.75, variational, forced, compiled=compiled)
    kept = found > 0.5
    np.testing.assert_allclose(found, np.where(kept, 4 / 3, 0), atol=1e-4)
    assert abs(kept.mean() - 0.75) < 0.05
    assert (kept == kept[:, :1]).all() == variational  # over time
    assert (kept[0] != kept[1]).any()  # between sequences
    assert (kept[:, 0] != masks(where, 0.75, variational, forced)[:, 0]).any()  # between calls


def test_masks_of_inputs_outputs_and_states_are_drawn_apart():
    keep = dict.fromkeys(("input_keep_prob", "output_keep_prob", "state_keep_prob"), 0.5)
    outputs = run(cells.DropoutWrapper(Teller(), **keep, variational=True, drop_cell_state=True))
    told = np.round(outputs[:, -1] / 2)  # n is never dropped; 0 where the output is
    assert set(told.ravel()) == {
        0,
        *(100 + x + h + c for x in (0, 2) for h in (0, 2) for c in (0, 20)),
    }


@pytest.mark.parametrize("drop_cell_state", [True, False])
def test_state_dropout_leaves_c_alone_unless_asked(drop_cell_state):
    cell = cells.DropoutWrapper(Teller(), state_keep_prob=0.5, drop_cell_state=drop_cell_state)
    told = run(cell)[:, 1:] - 1
    h, c, n = told % 10, told // 10 % 10, told // 100
    assert set(h.ravel()) == {0, 2}
    assert set(c.ravel()) == ({0, 2} if drop_cell_state else {1})
    assert set(n.ravel()) == {1}


@pytest.mark.parametrize("name", ["lstm", "stack", "attention"])
def test_the_output_does_not_feel_state_dropout_and_c_neither(name):
    cell = {
        "lstm": make("initial state"),
        "stack": cells.StackedRNNCells([make("initial state", 1), make("initial state", 2)]),
        "attention": cells.AttentionWrapper(make("initial state"), 2),
    }[name]
    wrapped = cells.DropoutWrapper(cell, state_keep_prob=0.5)
    wrapped.build((None, SIZE))
    x, start = normal(1, 40, SIZE), cell.get_initial_state(40)
    plain, plain_states = cell(x, start)
    output, states = wrapped(x, start, training=True)
    np.testing.assert_array_equal(output, plain)
    changed = [
        bool((one != other).any())
        for one, other in zip(flat(states), flat(plain_states), strict=True)
    ]
    expected = {"lstm": "hc", "stack": "hchc", "attention": "hc..."}[name]
    assert changed == [role == "h" for role in expected]
    h, plain_h = flat(states)[0], flat(plain_states)[0]
    np.testing.assert_allclose(h[h != 0], 2 * plain_h[h != 0], rtol=1e-6)


def test_in_inference_nothing_is_dropped_and_the_kernel_runs():
    x = normal(1, 4, 5, SIZE)
    cell = make("state dropout")
    plain, _ = cells.dynamic_rnn(cell.cell, x)
    found, _ = cells.dynamic_rnn(cell, x)
    np.testing.assert_array_equal(found, plain)
    (path,) = cells.paths(cell)
    assert path.implementation == "loop"
    assert "state_keep_prob" in path.reason
    with pytest.raises(SeqlabError, match="state_keep_prob"):
        cells.dynamic_rnn(cell, x, implementation="fused")


@pytest.mark.parametrize(("name", "rates"), [("lstm", (0.2, 0.3)), ("gru", (0.4,))])
def test_zoneout_in_inference_equals_numpy(name, rates):
    cell = cells.ZoneoutWrapper(make_cell(name), *rates)
    step = oracle.zoneout(reference.STEPS[name], rates)
    assert_equals_numpy(cell, step, [normal(2 + i, 3, SIZE) for i in range(len(rates))])


def make_cell(name):
    cell = cells.CELLS[name](SIZE)
    cell.build((None, SIZE))
    cell.set_weights(reference.weights(name, SIZE, SIZE))
    return cell


def test_zoneout_in_training_holds_the_old_state_or_takes_the_new_one():
    cell, x = cells.ZoneoutWrapper(make_cell("lstm"), 0.25, 0.6), normal(1, 500, SIZE)
    start = [normal(2, 500, SIZE), normal(3, 500, SIZE)]
    _, new = cell.cell(x, start)
    output, states = cell(x, start, training=True)
    held = [np.asarray(state == old) for state, old in zip(states, start, strict=True)]
    for state, h, old, now in zip(states, held, start, new, strict=True):
        np.testing.assert_array_equal(state, np.where(h, old, now))
    assert abs(held[0].mean() - 0.25) < 0.05
    assert abs(held[1].mean() - 0.6) < 0.05
    assert abs((held[0] & held[1]).mean() - 0.25 * 0.6) < 0.05  # draws of their own
    np.testing.assert_array_equal(output, states[0])


def test_a_rate_of_nothing_and_of_nearly_one():
    lstm, x = make_cell("lstm"), normal(1, 4, 5, SIZE)
    start = [normal(2, 4, SIZE), normal(3, 4, SIZE)]

    def end(*rates):
        wrapped = cells.ZoneoutWrapper(lstm, *rates)
        outputs, (h, c) = cells.dynamic_rnn(wrapped, x, initial_state=start, training=True)
        np.testing.assert_array_equal(outputs[:, -1], h)
        return h, c

    _, plain = cells.dynamic_rnn(lstm, x, initial_state=start)
    np.testing.assert_allclose(end(0, 0), plain, atol=1e-6)
    always = 1 - 1e-12
    np.testing.assert_array_equal(end(always, always), start)
    h, c = end(always)
    np.testing.assert_array_equal(h, start[0])
    assert (np.asarray(c) != start[1]).all()


def test_inference_is_the_mean_of_training():
    """A counter that is held at a quarter of its steps counts to three quarters of them."""
    cell = cells.ZoneoutWrapper(Counter(), 0.25)
    counts, expected = run(cell), 0.75 * np.arange(1, STEPS + 1)
    np.testing.assert_allclose(run(cell, training=False)[0, :, 0], expected)
    assert np.abs(counts.mean(axis=(0, 2)) - expected).max() < 0.1
    assert set(counts[:, -1].ravel()) <= set(range(STEPS + 1))
    assert (counts[:, -1] != counts[:1, -1]).any()


def test_zoneout_leaves_an_output_alone_that_is_not_h():
    cell = Teller(2)
    wrapped = cells.ZoneoutWrapper(cell, 0.5)
    np.testing.assert_array_equal(run(wrapped, training=False), run(cell, training=False))


@pytest.mark.parametrize("keep", [0, -0.5, 1.5, True, "0.5", float("nan")])
@pytest.mark.parametrize("where", ["input", "output", "state"])
def test_keep_probabilities_outside_are_refused(where, keep):
    with pytest.raises(SeqlabError, match=f"{where}_keep_prob"):
        cells.DropoutWrapper(cells.RNNCell(2), **{f"{where}_keep_prob": keep})


@pytest.mark.parametrize("rate", [-0.1, 1, 1.5, float("nan")])
@pytest.mark.parametrize("name", ["state_zoneout", "cell_zoneout"])
def test_zoneout_rates_outside_are_refused(name, rate):
    with pytest.raises(SeqlabError, match=name):
        cells.ZoneoutWrapper(cells.LSTMCell(2), **{name: rate})


def test_what_acts_on_c_needs_one():
    with pytest.raises(SeqlabError, match="drop_cell_state"):
        cells.DropoutWrapper(cells.GRUCell(2), drop_cell_state=True)
    for cell in (cells.GRUCell(2), Teller(3)):  # of three states the second is no memory by itself
        with pytest.raises(SeqlabError, match="cell_zoneout"):
            cells.ZoneoutWrapper(cell, 0.1, 0.1)


@pytest.mark.parametrize("name", ["residual", "dropout", "state dropout", "attention", "a stack"])
def test_zoneout_goes_inside_of_what_changes_the_output(name):
    with pytest.raises(SeqlabError, match="Put zoneout inside"):
        cells.ZoneoutWrapper(make(name))
    with pytest.raises(SeqlabError, match="Put zoneout inside"):
        cells.ZoneoutWrapper(cells.DropoutWrapper(cells.LSTMCell(2), state_keep_prob=0.5))
    cells.ZoneoutWrapper(cells.DropoutWrapper(make("initial state"), 0.5))


def test_a_learned_initial_state_is_added_to_the_cells_own():
    cell = cells.InitialStateWrapper(Teller(2))
    cell.build((None, WIDTH))
    cell.vectors[1].assign(np.arange(WIDTH, dtype=np.float32))
    h, c = flat(cell.get_initial_state(3))
    np.testing.assert_array_equal(h, np.ones((3, WIDTH)))
    np.testing.assert_array_equal(c, np.tile(1 + np.arange(WIDTH), (3, 1)))
