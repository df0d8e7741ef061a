"""Wrappers and their combinations: values, gradients, sequence ends, saving, precision, training."""

import keras
import numpy as np
import pytest
import reference
import reference_wrappers as oracle
import tensorflow as tf
from wrapped import COMBINATIONS, SIZE, assert_equals_numpy, flat, make, normal

from seqlab import cells
from seqlab.errors import SeqlabError
from seqlab.wrappers import bare_cells, state_roles

LENGTHS = [0, 5, 2, 1]
VARIATIONAL = ("variational", "variational states", "attention of dropout", "a stack")


def states(seed, *sizes):
    return [normal(seed + i, 3, size) for i, size in enumerate(sizes)]


def test_residual_equals_numpy():
    assert_equals_numpy(make("residual"), oracle.residual(reference.lstm), states(2, 3, 3))


@pytest.mark.parametrize(("name", "inner"), [("highway", "gru"), ("two gates", "lstm")])
def test_highway_equals_numpy(name, inner):
    step = oracle.highway(reference.STEPS[inner], coupled=name == "highway")
    assert_equals_numpy(make(name), step, states(2, *[3] * (1 + (inner == "lstm"))))


def test_a_new_highway_favours_its_input():
    cell = cells.HighwayWrapper(cells.LSTMCell(3), 2.5, couple_gates=False)
    cell.build((None, 3))
    assert cell.carry[1].numpy().tolist() == [2.5] * 3
    assert cell.transform[1].numpy().tolist() == [-2.5] * 3


def test_an_initial_state_starts_at_the_cells_and_is_learned():
    cell = cells.InitialStateWrapper(cells.LSTMCell(3))
    assert not any(state.any() for state in flat(cell.get_initial_state(2)))
    x = tf.constant(normal(1, 2, 4, 3))
    plain, _ = cells.dynamic_rnn(cell.cell, x)
    np.testing.assert_array_equal(cells.dynamic_rnn(cell, x)[0], plain)
    cell.vectors[0].assign([1.0, 2, 3])
    cell.vectors[1].assign([4.0, 5, 6])
    h, c = cell.get_initial_state(2)
    assert h.numpy().tolist() == [[1, 2, 3]] * 2
    assert c.numpy().tolist() == [[4, 5, 6]] * 2
    (path,) = cells.paths(cell)
    assert path.implementation == "fused"


@pytest.mark.parametrize("implementation", ["fused", "loop"])
def test_the_gradient_of_an_initial_state_is_the_sum_over_the_batch(implementation):
    cell, x, lengths = make("initial state"), normal(1, 3, 4, SIZE), [0, 4, 2]
    with tf.GradientTape(persistent=True) as tape:
        start = [tf.tile(vector.value[None], [3, 1]) for vector in cell.vectors]
        given, _ = cells.dynamic_rnn(cell.cell, x, lengths, start, implementation="loop")
        own, (h, c) = cells.dynamic_rnn(cell, x, lengths, implementation=implementation)
        losses = [tf.reduce_sum(out * normal(2, 3, 4, SIZE)) for out in (own, given)]
    np.testing.assert_allclose(own, given, atol=1e-6)
    np.testing.assert_allclose([h[0], c[0]], cell.vectors, atol=1e-6)  # a sequence of no steps
    found = tape.gradient(losses[0], [vector.value for vector in cell.vectors])
    for one, other in zip(found, tape.gradient(losses[1], start), strict=True):
        np.testing.assert_allclose(one, tf.reduce_sum(other, axis=0), atol=1e-5)


@pytest.mark.parametrize("name", COMBINATIONS)
def test_ways_agree_and_stop_at_each_sequences_end(name):
    cell, x = make(name), normal(1, 4, 5, SIZE)
    outputs, ends = cells.dynamic_rnn(cell, x, LENGTHS)
    loop = cells.dynamic_rnn(cell, x, LENGTHS, implementation="loop")
    for one, other in zip(flat((outputs, ends)), flat(loop), strict=True):
        np.testing.assert_allclose(one, other, atol=1e-5)
    for end, start in zip(flat(ends), flat(cell.get_initial_state(4)), strict=True):
        np.testing.assert_array_equal(end[0], start[0])
    for row, length in list(enumerate(LENGTHS))[1:]:
        assert not outputs[row, length:].numpy().any()
        alone = cells.dynamic_rnn(cell, x[row : row + 1, :length])
        own = flat((outputs[row : row + 1, :length], [s[row : row + 1] for s in flat(ends)]))
        for one, other in zip(own, flat(alone), strict=True):
            np.testing.assert_allclose(one, other, atol=1e-5)


@pytest.mark.parametrize("name", COMBINATIONS)
@pytest.mark.parametrize("implementation", ["auto", "loop"])
def test_training_stops_at_each_sequences_end(name, implementation):
    cell, x = make(name), normal(1, 4, 5, SIZE)
    outputs, ends = cells.dynamic_rnn(
        cell, x, LENGTHS, training=True, implementation=implementation
    )
    past = np.arange(5) >= np.array(LENGTHS)[:, None]
    assert np.isfinite(outputs).all()
    assert not outputs.numpy()[past].any()
    for end, start in zip(flat(ends), flat(cell.get_initial_state(4)), strict=True):
        np.testing.assert_array_equal(end[0], start[0])


@pytest.mark.parametrize("name", COMBINATIONS)
def test_keras_own_loop_gives_the_same(name):
    cell, x = make(name), normal(1, 2, 4, SIZE)
    layer = keras.layers.RNN(cell, return_sequences=True)
    np.testing.assert_allclose(layer(x), cells.dynamic_rnn(cell, x)[0], atol=1e-5)
    if name in VARIATIONAL:
        with pytest.raises(SeqlabError, match="once per sequence"):
            layer(x, training=True)
    else:
        assert np.isfinite(layer(x, training=True)).all()


@pytest.mark.parametrize("name", COMBINATIONS)
def test_half_precision(name):
    cell, x = make(name, dtype="mixed_bfloat16"), normal(1, 4, 5, SIZE)
    exact, _ = cells.dynamic_rnn(make(name), x, LENGTHS)
    assert cell.compute_dtype == "bfloat16"
    layer = cells.DynamicRNN(cell)
    for training in (False, True):
        outputs, _ = layer(x, np.array(LENGTHS), training=training)
        assert outputs.dtype == "bfloat16"
        assert np.isfinite(np.asarray(outputs, np.float32)).all()
        if not training:
            np.testing.assert_allclose(np.asarray(outputs, np.float32), exact, atol=0.1)
    assert {weight.dtype for weight in cell.weights} == {"float32"}


@pytest.mark.parametrize("name", COMBINATIONS)
def test_configs_survive(name):
    cell = make(name)
    config = cell.get_config()
    again = type(cell).from_config(config)
    assert again.get_config() == config
    assert [type(bare) for bare in bare_cells(again)] == [type(bare) for bare in bare_cells(cell)]
    assert len(state_roles(cell)) == len(flat(cell.get_initial_state(1)))


@pytest.mark.parametrize("name", COMBINATIONS)
def test_both_directions_are_saved_and_loaded(name, tmp_path):
    inputs, lengths = keras.Input((5, SIZE)), keras.Input((), dtype="int32")
    made = cells.bidirectional_dynamic_rnn(make(name, 1), make(name, 2), inputs, lengths)
    model = keras.Model([inputs, lengths], keras.tree.flatten(made))
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    x = [normal(3, 4, 5, SIZE), np.array(LENGTHS)]
    found = model(x)
    assert [(None, *part.shape[1:]) for part in found] == [part.shape for part in model.outputs]
    for one, other in zip(found, loaded(x), strict=True):
        np.testing.assert_array_equal(one, other)


# Among them is every wrapper; each of them takes about a second to compile.
@pytest.mark.parametrize("name", ["two gates", "dropout of attention", "a stack", "of Keras"])
def test_a_compiled_step_trains_every_weight(name):
    cell = make(name)
    inputs = keras.Input((4, SIZE))
    outputs, _ = cells.dynamic_rnn(cell, inputs)
    model = keras.Model(inputs, outputs)
    model.compile("sgd", "mse", jit_compile=False)
    before = [weight.numpy() for weight in cell.trainable_weights]
    history = model.fit(normal(1, 8, 4, SIZE), normal(2, 8, 4, SIZE), batch_size=8, verbose=0)
    assert np.isfinite(history.history["loss"][0])
    for old, weight in zip(before, cell.trainable_weights, strict=True):
        assert (old != weight.numpy()).any(), weight.path


@pytest.mark.parametrize("wrapper", [cells.ResidualWrapper, cells.HighwayWrapper])
def test_inputs_of_another_precision_are_joined_in_the_cells_own(wrapper):
    stack = cells.StackedRNNCells(
        [cells.GRUCell(3), wrapper(cells.LSTMCell(3, dtype="mixed_float16"))]
    )
    for implementation in ("auto", "loop"):
        outputs, _ = cells.dynamic_rnn(stack, normal(1, 2, 4, 3), implementation=implementation)
        assert outputs.dtype == "float16"


def test_an_output_size_that_does_not_fit_is_refused():
    for wrapper in (cells.ResidualWrapper, cells.HighwayWrapper):
        with pytest.raises(SeqlabError, match="2 inputs, 3 outputs"):
            cells.dynamic_rnn(wrapper(cells.LSTMCell(3)), normal(1, 2, 4, 2))


@pytest.mark.parametrize("name", COMBINATIONS)
def test_one_cell_below_two_wrappers_is_refused(name):
    cell = make(name)
    with pytest.raises(SeqlabError, match="same cell twice"):
        cells.StackedRNNCells([cell, cells.InitialStateWrapper(cell)])
    with pytest.raises(SeqlabError, match="hold the same cell"):
        cells.BidirectionalDynamicRNN(cells.ResidualWrapper(cell), cell)


def test_sizes_of_a_stack_are_each_cells_own():
    stack = cells.StackedRNNCells([cells.GRUCell(2), cells.LSTMCell(3)])
    assert (stack.state_size, stack.output_size) == ([[2], [3, 3]], 3)
    assert [[part.shape[1] for part in state] for state in stack.get_initial_state(1)] == [
        [2],
        [3, 3],
    ]


def test_roles_are_each_cells_own():
    assert state_roles(cells.StackedRNNCells([cells.GRUCell(2), cells.LSTMCell(2)])) == list("hhc")
    assert state_roles(make("residual")) == ["h", "c"]
    assert state_roles(make("residual of a stack")) == ["h", "c", "h"]
    assert state_roles(make("dropout of attention")) == ["h", "c", "", "", ""]
    assert state_roles(make("of Keras")) == ["h", "c", "h"]


def test_a_single_step_cannot_be_variational_however_deep():
    cell = cells.DropoutWrapper(make("variational"), 0.5)
    cell(normal(1, 2, SIZE), cell.get_initial_state(2))  # in inference it can
    with pytest.raises(SeqlabError, match="once per sequence"):
        cell(normal(1, 2, SIZE), cell.get_initial_state(2), training=True)


def test_paths_name_the_wrapper_that_needs_the_loop():
    fast = ["residual", "two gates", "dropout", "variational", "residual of dropout"]
    assert {p.implementation for name in fast for p in cells.paths(make(name))} == {"fused"}
    (path,) = cells.paths(make("zoneout"))
    assert (path.implementation, path.remedy) == ("loop", "")
    assert "ZoneoutWrapper" in path.reason
    with pytest.raises(SeqlabError, match="ZoneoutWrapper acts at every step"):
        cells.dynamic_rnn(make("zoneout"), normal(1, 2, 4, 3), implementation="fused")
    found = [path.implementation for path in cells.paths(make("a stack"))]
    assert found == ["fused", "loop", "loop"]
