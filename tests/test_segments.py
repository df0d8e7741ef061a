"""The segment-wise forecaster: its arithmetic by hand, its shapes, what reaches which step ahead."""

import keras
import numpy as np
import pytest
import reference

from seqlab import models, segments
from seqlab.config import ModelConfig
from seqlab.errors import SeqlabError

GRU = ModelConfig("segments", "gru", 1, 5, segment=4, straight=True)
SHAPES = {"past": (10, 3), "future": (6, 2), "static": (3,)}


def network(config, shapes, horizon=6):
    """A model of inputs by name, with weights far enough from zero that each has an effect."""
    keras.utils.set_random_seed(0)
    model = models.build(config, shapes, horizon)
    rng = np.random.default_rng(1)
    model.set_weights([rng.normal(scale=0.5, size=w.shape) for w in model.get_weights()])
    return model


def batch(shapes, rows=3, seed=0):
    rng = np.random.default_rng(seed)
    return {
        name: rng.normal(size=(rows, *shape)).astype("float32") for name, shape in shapes.items()
    }


def run(model, inputs):
    return np.array(model(inputs))


def test_a_window_becomes_segments():
    rows = np.arange(2 * 5 * 2, dtype="float32").reshape(2, 5, 2)
    before = np.array(segments.Segments(3)(rows))
    assert before.tolist()[0] == [[0, 1, 0, 1, 2, 3], [4, 5, 6, 7, 8, 9]]
    after = np.array(segments.Segments(3, "after")(rows))
    assert after.tolist()[1] == [[10, 11, 12, 13, 14, 15], [16, 17, 18, 19, 18, 19]]
    assert np.array(segments.Segments(5)(rows)).shape == (2, 1, 10)


def test_the_forecast_is_that_of_the_paper():
    """Equations of sections 4.1 and 4.2 step by step, with the straight line beside it."""
    model = network(GRU, SHAPES)
    inputs = batch(SHAPES)
    gru = model.get_layer("network").get_weights()
    dense = {
        name: model.get_layer(name).get_weights()
        for name in ("read", "about", "ahead", "about_ahead", "marks", "rows", "straight")
    }
    about = inputs["static"]
    past = np.concatenate([inputs["past"][:, :1]] * 2 + [inputs["past"]], axis=1)
    h = np.zeros((3, 5), "float32")
    for k in range(3):
        segment = past[:, 4 * k : 4 * k + 4].reshape(3, -1)
        x = np.maximum(segment @ dense["read"][0] + dense["read"][1], 0) + about @ dense["about"][0]
        h = reference.gru(x, [h], *gru)[0]
    future = np.concatenate([inputs["future"]] + [inputs["future"][:, -1:]] * 2, axis=1)
    ahead = []
    for k in range(2):
        known = future[:, 4 * k : 4 * k + 4].reshape(3, -1) @ dense["ahead"][0]
        mark = dense["marks"][0][k] + known + about @ dense["about_ahead"][0]
        out = reference.gru(mark, [h], *gru)[0] @ dense["rows"][0] + dense["rows"][1]
        ahead.append(out.reshape(3, 4, segments.WIDTH))
    line = inputs["past"][:, :, 0] @ dense["straight"][0] + dense["straight"][1]
    features = np.concatenate([np.concatenate(ahead, axis=1)[:, :6], line[:, :, None]], axis=-1)
    head = model.get_layer("head").get_weights()
    expected = (features @ head[0] + head[1])[:, :, 0]
    np.testing.assert_allclose(run(model, inputs), expected, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize(
    ("window", "horizon", "segment"), [(12, 6, 3), (13, 7, 4), (5, 9, 5), (9, 2, 4)]
)
def test_any_window_and_horizon(window, horizon, segment):
    shapes = {"past": (window, 2), "future": (horizon, 1)}
    config = ModelConfig("segments", "lstm", 2, 4, segment=segment, loss="quantile")
    model = network(config, shapes, horizon)
    assert run(model, batch(shapes)).shape == (3, horizon, 3)
    assert np.isfinite(run(model, batch(shapes))).all()


@pytest.mark.parametrize("cell", ["gru", "slstm", "minlstm"])
def test_save_and_load(tmp_path, cell):
    config = ModelConfig("segments", cell, 2, 4, dropout=0.2, segment=4)
    model = network(config, SHAPES)
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    inputs = batch(SHAPES)
    np.testing.assert_allclose(run(loaded, inputs), run(model, inputs), rtol=1e-5, atol=1e-6)


def test_categories_reach_it_as_attributes():
    shapes = {"past": (10, 1), "categories": (1,)}
    model = models.build(GRU, shapes, 6, models.Facts(sizes=(4,)))
    inputs = {"past": np.zeros((2, 10, 1), "float32"), "categories": np.array([[1], [2]])}
    first, second = run(model, inputs)
    assert (np.abs(first - second) > 1e-6).all()


def test_windows_of_a_batch_do_not_meet():
    model = network(GRU, SHAPES)
    inputs = batch(SHAPES)
    alone = [run(model, {name: x[i : i + 1] for name, x in inputs.items()}) for i in range(3)]
    np.testing.assert_allclose(run(model, inputs), np.concatenate(alone), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("name", SHAPES)
def test_every_input_reaches_every_step(name):
    model = network(GRU, SHAPES)
    inputs = batch(SHAPES)
    other = {**inputs, name: inputs[name][::-1]}
    assert (np.abs(run(model, other) - run(model, inputs))[0] > 1e-4).all()


def test_a_segment_ahead_sees_its_own_future():
    """All segments ahead begin at the window's end, so none learns what is known of another."""
    model = network(GRU, SHAPES)
    inputs = batch(SHAPES)
    future = inputs["future"].copy()
    future[:, 4] += 1
    moved = np.abs(run(model, {**inputs, "future": future}) - run(model, inputs)).max(axis=0)
    assert (moved[:4] == 0).all() and (moved[4:] > 1e-4).all()


def test_dropout_is_of_training_alone():
    model = network(ModelConfig("segments", "gru", 1, 5, dropout=0.5, segment=4), SHAPES)
    inputs = batch(SHAPES)
    assert (run(model, inputs) == run(model, inputs)).all()
    assert (np.array(model(inputs, training=True)) != run(model, inputs)).any()


def test_what_it_learns_beats_repeating_the_last_season():
    """Large and small days take turns, by a factor that differs: the last day is the wrong one."""
    rng = np.random.default_rng(0)
    day = np.sin(np.arange(8) / 8 * 2 * np.pi)
    low = rng.uniform(0.2, 0.6, size=(600, 1, 1))
    days = np.where(np.arange(6)[:, None] % 2 == 0, 1, low) * day
    days = np.where(rng.random((600, 1, 1)) < 0.5, days, days[:, ::-1])
    values = days.reshape(600, 48) + rng.normal(scale=0.02, size=(600, 48))
    past, truth = values[:, :32, None].astype("float32"), values[:, 32:].astype("float32")
    keras.utils.set_random_seed(0)
    model = models.build(ModelConfig("segments", "gru", 1, 16, segment=8), (32, 1), 16)
    model.compile(keras.optimizers.Adam(0.01), "mae", jit_compile=False)
    model.fit(past[:500], truth[:500], batch_size=50, epochs=15, verbose=0)
    error = np.abs(run(model, past[500:]) - truth[500:]).mean()
    repeated = np.abs(np.tile(past[500:, -8:, 0], 2) - truth[500:]).mean()
    assert error < 0.25 * repeated


def test_the_straight_line_is_a_choice():
    """It starts at zero: a new network with it says what one without it would."""
    without = network(ModelConfig("segments", "gru", 1, 5, segment=4), SHAPES)
    assert "straight" not in [layer.name for layer in without.layers]
    inputs = {"past": keras.Input((10, 3), name="past")}
    features = keras.Model(inputs, segments.segmented(GRU, inputs, 6))
    assert (run(features, {"past": batch(SHAPES)["past"]})[:, :, -1] == 0).all()


def test_the_segment_without_a_choice():
    assert segments.segment_length(ModelConfig(), 96, 12) == 12
    assert segments.segment_length(ModelConfig(), 20, 12) == 5
    assert segments.segment_length(ModelConfig(), 3, 12) == 1
    assert segments.segment_length(GRU, 20, 12) == 4


def test_refusals():
    with pytest.raises(SeqlabError, match=r"at most the window, 10\. Received: 11"):
        network(ModelConfig("segments", segment=11), {"past": (10, 1)})
    with pytest.raises(SeqlabError, match="known length T"):
        segments.segmented(GRU, {"past": keras.Input((None, 1))}, 6)
    with pytest.raises(SeqlabError, match="`segment` must be"):
        ModelConfig("segments", segment=0)
    for option in ({"segment": 4}, {"straight": True}):
        with pytest.raises(SeqlabError, match="of the model segments"):
            ModelConfig(**option)
    for layer in (segments.Segments, segments.Marks, segments.ForEach):
        with pytest.raises(SeqlabError, match="Received: 0"):
            layer(0)
    with pytest.raises(SeqlabError, match="`side`"):
        segments.Segments(2, "behind")
