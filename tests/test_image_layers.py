"""Convolution and dropout of image networks: Keras' numbers, from other operations."""

import numpy as np
import pytest

from seqlab import _convolution, cnn
from seqlab._convolution import Conv2D
from seqlab._dropout import Dropout
from seqlab._tensorflow import keras, tf


@pytest.fixture(autouse=True)
def as_without_amx(monkeypatch):
    monkeypatch.setattr(_convolution, "_slow", lambda: True)


def drawn(*shape, seed=0):
    return tf.constant(np.random.default_rng(seed).normal(size=shape), tf.float32)


@pytest.mark.parametrize("size", [(4, 4), (5, 3), (1, 1), (2, 7)])
@pytest.mark.parametrize("taps", [(3, 3), (1, 1), (5, 3)])
def test_the_gradients_are_those_of_tensorflow(size, taps):
    x, kernel = drawn(6, *size, 5), drawn(*taps, 5, 7, seed=1)
    grad = drawn(6, *size, 7, seed=2)
    with tf.GradientTape(persistent=True) as tape:
        tape.watch((x, kernel))
        ours, theirs = _convolution._convolved(x, kernel), tf.nn.conv2d(x, kernel, 1, "SAME")
    np.testing.assert_array_equal(ours, theirs)
    pairs = zip(*(tape.gradient(y, (x, kernel), grad) for y in (ours, theirs)), strict=True)
    for one, other in pairs:
        np.testing.assert_allclose(one, other, rtol=1e-5, atol=1e-5)


def twins(layer, x):
    """Our layer and Keras' with the same weights."""
    other = keras.layers.Conv2D.from_config(layer.get_config())
    layer.build(x.shape), other.build(x.shape)
    other.set_weights(layer.get_weights())
    return layer, other


def test_a_layer_in_training_gives_the_same_in_a_graph():
    x = drawn(8, 4, 4, 16)
    found = []
    for layer in twins(Conv2D(24, 3, padding="same", activation="relu", dtype="mixed_bfloat16"), x):

        @tf.function
        def step(layer=layer):
            with tf.GradientTape() as tape:
                loss = tf.reduce_sum(tf.cast(layer(x, training=True), tf.float32) ** 2)
            return [loss, *tape.gradient(loss, layer.trainable_variables)]

        found.append([np.asarray(value) for value in step()])
    for one, other in zip(*found, strict=True):
        np.testing.assert_allclose(one, other, rtol=2e-2, atol=2e-2 * np.abs(other).max())


@pytest.mark.parametrize(
    ("options", "size", "training", "taken"),
    [
        ({}, 4, True, True),
        ({}, 4, False, False),
        ({}, 9, True, False),
        ({"dtype": "float32"}, 4, True, False),
        ({"strides": 2}, 4, True, False),
        ({"dilation_rate": 2}, 4, True, False),
        ({"groups": 2}, 4, True, False),
        ({"padding": "valid"}, 4, True, False),
        ({"kernel_size": 2}, 4, True, False),
        ({"padding": "same", "kernel_size": 1}, 8, True, True),
    ],
)
def test_where_keras_own_operation_is_taken(options, size, training, taken, monkeypatch):
    calls, whole = [], _convolution._convolved
    monkeypatch.setattr(_convolution, "_convolved", lambda *given: calls.append(1) or whole(*given))
    given = {"kernel_size": 3, "padding": "same", "dtype": "mixed_bfloat16", **options}
    x = drawn(2, size, size, 4)
    layer, other = twins(Conv2D(6, **given), x)
    np.testing.assert_array_equal(
        tf.cast(layer(x, training=training), tf.float32), tf.cast(other(x), tf.float32)
    )
    assert bool(calls) == taken


@pytest.mark.parametrize("rate", [0.2, 0.5, 0.9])
@pytest.mark.parametrize("dtype", ["float32", "mixed_bfloat16"])
def test_dropout_keeps_its_share_and_the_mean(rate, dtype):
    layer = Dropout(rate, seed=1, dtype=dtype)
    outputs = np.asarray(tf.cast(layer(tf.ones((301, 999)), training=True), tf.float32))
    kept = outputs > 0
    assert kept.mean() == pytest.approx(1 - rate, abs=0.004)
    np.testing.assert_allclose(outputs[kept], 1 / (1 - rate), rtol=4e-3)
    each = kept - kept.mean()
    for step in (1, 2, 999):  # two elements share their bits
        flat = each.ravel()
        assert abs(np.mean(flat[:-step] * flat[step:])) < 0.002
    again = np.asarray(tf.cast(layer(tf.ones((301, 999)), training=True), tf.float32)) > 0
    assert np.mean(again == kept) == pytest.approx(rate**2 + (1 - rate) ** 2, abs=0.01)


def test_dropout_is_of_its_seed_and_its_gradient_of_its_mask():
    x = drawn(7, 3, 5)
    masks = []
    for _ in range(2):
        layer = Dropout(0.4, seed=3)
        with tf.GradientTape() as tape:
            tape.watch(x)
            outputs = layer(x, training=True)
        gradient = tape.gradient(outputs, x)
        np.testing.assert_allclose(outputs, gradient * x, rtol=1e-6)
        masks.append(gradient)
    np.testing.assert_array_equal(*masks)
    np.testing.assert_array_equal(layer(x), x)
    np.testing.assert_array_equal(Dropout(0.0)(x, training=True), x)
    rows = Dropout(0.5, noise_shape=(7, 1, 1), seed=0)(x, training=True) / x
    assert np.ptp(rows.numpy(), axis=(1, 2)).max() < 1e-6


def test_networks_of_both_are_saved_and_loaded(tmp_path):
    model = cnn.build("lenet_three")
    assert {Conv2D, Dropout} < {type(layer) for layer in model.layers}
    model.save(tmp_path / "model.keras")
    again = keras.models.load_model(tmp_path / "model.keras")
    x = drawn(2, 28, 28, 1)
    np.testing.assert_array_equal(model(x), again(x))
