"""Attention over past outputs: values and gradients against NumPy, and what it may look at."""

import numpy as np
import pytest
import reference
import reference_wrappers as oracle
from wrapped import SIZE, assert_equals_numpy, flat, make, normal

from seqlab import cells
from seqlab.errors import SeqlabError


def begun(length, *filled):
    """Context, window and flags of three sequences that have seen so many outputs each."""
    there = np.array([[float(i >= length - n) for i in range(length)] for n in filled], np.float32)
    window = normal(6, 3, length, SIZE) * there[:, :, None]
    return [normal(5, 3, SIZE), window.reshape(3, -1), there]


@pytest.mark.parametrize("name", ["rnn", "lstm"])
@pytest.mark.parametrize("filled", [(0, 0, 0), (0, 2, 1)])
def test_attention_equals_numpy(name, filled):
    cell = cells.AttentionWrapper(cells.CELLS[name](SIZE), 2, units=4)
    cell.build((None, SIZE))
    cell.set_weights([normal(i, *w.shape) * 0.6 for i, w in enumerate(cell.get_weights())])
    assert cell.key_kernel.shape == (SIZE, 4)
    start = [normal(3 + i, 3, SIZE) for i in range(len(cell.cell.state_size))]
    step = oracle.attention(reference.STEPS[name], 2)
    assert_equals_numpy(cell, step, [*start, *begun(2, *filled)], constants=1)


def test_it_attends_to_the_last_outputs_and_to_no_others():
    """With a score of zero all weights are equal: the context is a mean."""
    cell, x = make("attention"), normal(1, 1, 5, SIZE)
    cell.score.assign([0.0] * SIZE)
    outputs, (_, context, window, filled) = cells.dynamic_rnn(cell, x)
    np.testing.assert_allclose(context[0], np.mean(outputs[0, 2:4], axis=0), atol=1e-6)
    np.testing.assert_array_equal(window[0], np.ravel(outputs[0, 3:]))
    assert filled.numpy().tolist() == [[1, 1]]
    _, (_, context, _, filled) = cells.dynamic_rnn(cell, x[:, :2])
    np.testing.assert_allclose(context[0], outputs[0, 0], atol=1e-6)  # not halved by an empty slot
    _, (_, context, _, filled) = cells.dynamic_rnn(cell, x[:, :1])
    assert not context.numpy().any()
    assert filled.numpy().tolist() == [[0, 1]]


def test_a_sequence_goes_on_from_its_state():
    cell, x = make("attention of dropout"), normal(1, 2, 7, SIZE)
    whole = cells.dynamic_rnn(cell, x)
    first, state = cells.dynamic_rnn(cell, x[:, :3])
    second, state = cells.dynamic_rnn(cell, x[:, 3:], initial_state=state)
    np.testing.assert_allclose(np.concatenate([first, second], axis=1), whole[0], atol=1e-6)
    for one, other in zip(flat(state), flat(whole[1]), strict=True):
        np.testing.assert_allclose(one, other, atol=1e-6)


def test_large_scores_stay_numbers_in_half_precision():
    cell = make("attention", dtype="mixed_bfloat16")
    cell.score.assign([300.0] * SIZE)
    outputs, _ = cells.dynamic_rnn(cell, normal(1, 2, 6, SIZE))
    assert np.isfinite(np.asarray(outputs, np.float32)).all()


@pytest.mark.parametrize("arguments", [{"length": 0}, {"length": 2.5}, {"length": 2, "units": 0}])
def test_sizes_that_are_not_positive_are_refused(arguments):
    with pytest.raises(SeqlabError, match="positive integer"):
        cells.AttentionWrapper(cells.RNNCell(2), **arguments)
