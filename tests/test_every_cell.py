"""What every cell survives: config, saving, mixed precision, a compiled training step, Keras' loop."""

import contextlib

import keras
import numpy as np
import pytest
import tensorflow as tf
from zoo import VARIANTS, make, normal

from seqlab import cells


@pytest.mark.parametrize("name", VARIANTS)
def test_config_goes_round(name):
    cell = VARIANTS[name](3)
    again = type(cell).from_config(cell.get_config())
    assert again.get_config() == cell.get_config()
    for built in (cell, again):
        built.build((None, 2))
    assert [w.shape for w in again.weights] == [w.shape for w in cell.weights]
    again.set_weights(make(name, 2, 3).get_weights())
    cell.set_weights(again.get_weights())
    x = normal(1, 2, 4, 2)
    np.testing.assert_array_equal(
        cells.dynamic_rnn(cell, x)[0], cells.dynamic_rnn(again, x)[0]
    )  # so options that are not weights travel, too


@pytest.mark.parametrize("name", VARIANTS)
def test_a_compiled_step_moves_every_weight_and_a_file_keeps_them(name, tmp_path):
    keras.utils.set_random_seed(0)
    cell, inputs = VARIANTS[name](3), keras.Input((None, 2))
    outputs, _ = cells.dynamic_rnn(cell, inputs)
    model = keras.Model(inputs, keras.layers.Dense(1)(outputs))
    model.compile("sgd", "mse")
    before = [weight.numpy() for weight in cell.weights]
    x = normal(1, 4, 6, 2)
    model.fit(x, normal(2, 4, 6, 1), verbose=0)
    for weight, old in zip(cell.weights, before, strict=True):
        moved = np.abs(weight.numpy() - old).max()
        assert np.isfinite(moved) and moved > 0, weight.path
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    np.testing.assert_array_equal(loaded(x), model(x))


@pytest.mark.parametrize(
    ("name", "way"), [("lstm", "auto"), ("gru", "auto"), ("lstm", "loop"), ("mingru", "auto")]
)
def test_xla_compiles_all_but_the_kernels(name, way):
    # which run in inference, too, where this wrapper has no states to drop
    cell = cells.DropoutWrapper(make(name, 2, 3), state_keep_prob=0.5)
    inputs, x = keras.Input((None, 2)), normal(1, 4, 6, 2)
    outputs, _ = cells.dynamic_rnn(cell, inputs, implementation=way)
    model, fused = keras.Model(inputs, outputs), name != "mingru" and way == "auto"
    with pytest.warns(match="jit_compile") if fused else contextlib.nullcontext():
        model.compile("sgd", "mse", jit_compile=True)
    assert model.jit_compile is not fused
    model.fit(x, normal(2, 4, 6, 3), verbose=0)
    np.testing.assert_allclose(model.predict(x, verbose=0), model(x), atol=1e-5)


@pytest.mark.parametrize("dtype", ["mixed_bfloat16", "mixed_float16"])
@pytest.mark.parametrize("name", VARIANTS)
def test_mixed_precision(name, dtype):
    cell, x = make(name, 2, 3, dtype=dtype), normal(1, 3, 20, 2)
    lengths = np.array([20, 0, 7])
    with tf.GradientTape() as tape:
        outputs, states = cells.dynamic_rnn(cell, x, lengths)
        loss = tf.reduce_sum(tf.cast(outputs, "float32") ** 2)
    gradients = tape.gradient(loss, [weight.value for weight in cell.weights])
    assert {weight.dtype for weight in cell.weights} == {"float32"}
    assert {part.dtype.name for part in (outputs, *states)} == {cell.compute_dtype}
    for part in (outputs, *states, *gradients):
        assert np.isfinite(tf.cast(part, "float32")).all()
    exact, _ = cells.dynamic_rnn(make(name, 2, 3), x, lengths)
    # Digits of the format, and some lost along 20 steps.
    close = 0.1 if dtype == "mixed_bfloat16" else 0.01
    np.testing.assert_allclose(tf.cast(outputs, "float32"), exact, atol=close)


@pytest.mark.parametrize("name", VARIANTS)
def test_every_cell_runs_under_keras_own_loop(name):
    cell, x = make(name, 2, 3), normal(9, 2, 5, 2)
    outputs, _ = cells.dynamic_rnn(cell, x)
    np.testing.assert_allclose(keras.layers.RNN(cell)(x), outputs[:, -1], atol=1e-5)


@pytest.mark.parametrize("name", VARIANTS)
def test_the_first_state_is_the_output(name):
    cell, x = make(name, 2, 3), normal(9, 2, 5, 2)
    outputs, states = cells.dynamic_rnn(cell, x)
    np.testing.assert_array_equal(states[0], outputs[:, -1])


@pytest.mark.parametrize(
    ("name", "gates", "forget"),
    [
        ("lstm", 4, 1),
        ("layernorm_lstm", 4, 1),
        ("slstm", 4, 1),
        ("coupled_lstm", 3, 0),
        ("minlstm", 3, 1),
    ],
)
def test_the_forget_bias_starts_at_its_own_gate(name, gates, forget):
    cell, expected = cells.CELLS[name](2, forget_bias=1.5), np.zeros((gates, 2))
    cell.build((None, 3))
    expected[forget] = 1.5
    assert cell.bias.numpy().tolist() == expected.ravel().tolist()


def test_layer_norm_of_large_values_does_not_overflow_in_half_precision():
    x = 1000 * normal(1, 3, 5, 2)
    half, exact = (
        cells.dynamic_rnn(make("layernorm_lstm", 2, 3, dtype=dtype), x)[0]
        for dtype in ("mixed_float16", "float32")
    )
    np.testing.assert_allclose(tf.cast(half, "float32"), exact, atol=0.01)
