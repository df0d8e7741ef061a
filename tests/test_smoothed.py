"""Exponential smoothing and dilated layers against loops in NumPy, and the model around them."""

import keras
import numpy as np
import panels
import pytest
import reference
import tensorflow as tf

from seqlab import cells, naive
from seqlab.config import ModelConfig
from seqlab.dilated import DilatedRNN
from seqlab.errors import SeqlabError
from seqlab.smoothed import Smoothed, default_dilations
from seqlab.smoothing import check_scaling, smooth, wiggliness

SMALL = ModelConfig(cell="lstm", layers=2, hidden=4)
P = 6  # longer than the season, so that it comes round


def make(loss="mae", network=SMALL, **options):
    keras.utils.set_random_seed(1)
    given = {"season": 4, "series": 3, "categories": panels.CODES, **options}
    return Smoothed(network, P, loss, **given)


def looped(values, rate, factors=None, season_rate=None):
    """Levels, factors of the window and factors ahead, a step at a time."""
    rows, steps = values.shape
    a = reference.sigmoid(rate[:, 0])
    g = 0 if season_rate is None else reference.sigmoid(season_rate[:, 0])
    seasons = list(np.ones((1, rows)) if factors is None else factors.T)
    m, levels = len(seasons), []
    level = values[:, 0] / seasons[0]
    for t in range(steps):
        level = a * values[:, t] / seasons[t] + (1 - a) * level
        levels.append(level)
        seasons.append(g * values[:, t] / level + (1 - g) * seasons[t])
    seasons = np.stack(seasons, axis=1)
    return np.stack(levels, axis=1), seasons[:, :steps], seasons[:, steps : steps + m]


@pytest.mark.parametrize(("steps", "season"), [(11, 4), (70, 40), (9, 12), (70, 1), (1, 3)])
def test_levels_and_seasons_equal_a_loop(steps, season):
    rng = np.random.default_rng(0)
    values = rng.uniform(1, 9, (5, steps))
    rates = rng.normal(size=(2, 5, 1)) * 3
    factors = rng.uniform(0.5, 2, (5, season)) if season > 1 else None
    given = (values, rates[0], factors, rates[1] if season > 1 else None)
    tensors = [None if part is None else tf.constant(part, tf.float32) for part in given]
    expected = looped(*given)
    for found, wanted in zip(smooth(*tensors), expected, strict=True):
        np.testing.assert_allclose(found, wanted, rtol=1e-4)


def test_extreme_rates_stay_finite():
    values = tf.constant(np.random.default_rng(0).uniform(1, 9, (2, 200)), tf.float32)
    for rate in (-60.0, 60.0):
        weight = tf.Variable(tf.fill((2, 1), rate))
        with tf.GradientTape() as tape:
            levels, _, _ = smooth(values, weight)
            total = tf.reduce_sum(levels)
        assert np.isfinite(levels).all() and np.isfinite(tape.gradient(total, weight)).all()
        np.testing.assert_allclose(levels, values if rate > 0 else values[:, :1] + 0 * values)


def test_wiggliness():
    growing = np.exp(0.3 * np.arange(9))[None]
    assert float(wiggliness(growing)) < 1e-12
    logs = np.array([[0.0, 1, 1, 3]])  # growth 1, 0, 2: changes -1, 2
    assert float(wiggliness(np.exp(logs))) == pytest.approx(2.5)


@pytest.mark.parametrize(("steps", "dilation"), [(11, 4), (12, 4), (5, 1), (3, 3)])
@pytest.mark.parametrize("name", ["gru", "lstm"])
def test_a_dilated_layer_takes_the_state_of_d_steps_before(name, steps, dilation):
    keras.utils.set_random_seed(0)
    x = np.random.default_rng(0).normal(size=(2, steps, 3)).astype("float32")
    layer = DilatedRNN(cells.CELLS[name](4), dilation)
    found = layer(x)
    step, count = (reference.gru, 1) if name == "gru" else (reference.lstm, 2)
    states = [[np.zeros((2, 4))] * count] * dilation
    for t in range(steps):
        h, state = step(x[:, t], states[t], *layer.rnn.cell.get_weights())
        states.append(state)
        np.testing.assert_allclose(found[:, t], h, atol=1e-5)


def test_a_dilated_layer_of_any_length_in_a_file(tmp_path):
    inputs = keras.Input((None, 3))
    model = keras.Model(inputs, DilatedRNN(cells.GRUCell(4), 4)(inputs))
    assert model.output_shape == (None, None, 4)
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    for steps in (9, 12):
        x = np.random.default_rng(0).normal(size=(2, steps, 3)).astype("float32")
        np.testing.assert_allclose(loaded.predict(x, verbose=0), model(x), atol=1e-6)


def test_an_empty_network_repeats_level_and_season():
    """The last level times the factors ahead, of the right series and phase."""
    x, model = panels.batch(horizon=P), make()
    x["phase"] = x["phase"].astype("int64")
    model(x)
    rng = np.random.default_rng(1)
    for table in (model.level_rate, model.season_rate, model.factors):
        table.table.assign(rng.normal(size=table.table.shape))
    model.head.dense.kernel.assign(np.zeros(model.head.dense.kernel.shape))
    tables = (table.table.numpy() for table in (model.level_rate, model.factors, model.season_rate))
    rate, factors, season_rate = (np.stack([panels.row(t, s) for s in x["series"]]) for t in tables)
    turned = np.stack([np.roll(f, -p) for f, p in zip(factors, x["phase"], strict=True)])
    levels, _, ahead = looped(x["past"][:, :, 0], rate, np.exp(turned), season_rate)
    expected = levels[:, -1:] * np.tile(ahead, 2)[:, :P]
    np.testing.assert_allclose(model(x), expected, rtol=1e-4)


def test_the_network_adds_blocks_to_what_goes_in():
    x, model = panels.batch(horizon=P), make(dilations=((1, 3), (2, 4), (5,)))
    model(x)
    past, about = x["past"], panels.attributes(model, x)
    levels, seasons, ahead = (np.array(part) for part in model.smoothed(past[:, :, 0], x))
    rest = np.log(past[:, :, :1] / (seasons * levels[:, -1:])[:, :, None])
    each = np.repeat(about[:, None], panels.T, axis=1)
    hidden = np.concatenate([rest, past[:, :, 1:], each], axis=2)
    assert [layer.dilation for layer in model.dilated] == [1, 3, 2, 4, 5]
    first, second, third, fourth, fifth = model.dilated
    hidden = second(first(hidden))
    hidden = fourth(third(hidden)) + hidden
    hidden = fifth(hidden) + hidden
    mixed = np.concatenate([hidden[:, -1], x["future"].reshape(panels.B, -1)], axis=1)
    outputs = panels.dense(model.head.dense, np.tanh(panels.dense(model.mixed, mixed)))
    np.testing.assert_allclose(model(x), np.exp(outputs) * levels[:, -1:] * ahead, rtol=1e-4)


@pytest.mark.parametrize("loss", ["mae", "quantile", "student"])
def test_forecasts_grow_with_the_series(loss):
    """So scaling `none` and `mean` give the same forecasts, in their units."""
    x, model = panels.batch(horizon=P), make(loss)
    found = model(x).numpy()
    past = x["past"].copy()
    past[:, :, 0] *= 1000
    larger = model({**x, "past": past}).numpy()
    if loss == "student":  # degrees of freedom have no units
        np.testing.assert_allclose(larger[..., 2], found[..., 2], rtol=1e-4)
        larger, found = larger[..., :2], found[..., :2]
    np.testing.assert_allclose(larger, found * 1000, rtol=1e-3)


def test_smoothing_keeps_its_precision_where_cells_are_halved():
    x, model, half = panels.batch(horizon=P), make(), make(dtype="mixed_float16")
    x["past"][:, :, 0] *= 1e5  # more than float16 can hold
    expected = model(x)
    half(x)
    half.set_weights(model.get_weights())
    np.testing.assert_allclose(half(x), expected, rtol=0.02)


def test_the_penalty_is_for_training():
    x, model = panels.batch(horizon=P), make(penalty=3.0)
    model(x)
    assert model.losses == []
    model(x, training=True)
    levels, _, _ = model.smoothed(x["past"][:, :, 0], x)
    assert float(model.losses[0]) == pytest.approx(3 * float(wiggliness(levels)), rel=1e-5)


def test_targets_that_cannot_be_smoothed():
    x, model = panels.batch(horizon=P), make()
    x["past"][1, 2, 0] = -0.5
    with pytest.raises(SeqlabError, match=r"above 0, .* Received: -0.5"):
        model(x)
    with pytest.raises(tf.errors.InvalidArgumentError, match="smoothing needs targets above 0"):
        make(season=1).predict(x, verbose=0)
    with pytest.raises(SeqlabError, match="`scaling` must be one of none, mean"):
        check_scaling("standard")
    check_scaling("mean")


def test_what_a_window_must_have():
    x = panels.batch(horizon=P)
    for name in ("phase", "series"):
        with pytest.raises(SeqlabError, match=f"needs `{name}`"):
            make()({key: values for key, values in x.items() if key != name})
    with pytest.raises(
        SeqlabError, match=r"shorter than the window of 13 steps. Received: \(\(1, 13\),\)"
    ):
        make(dilations=((1, 13),))(x)


def test_default_dilations():
    assert default_dilations(24, 168) == ((1, 4), (24, 48))
    assert default_dilations(24, 30) == ((1, 4), (24,))
    assert default_dilations(4, 100, 3) == ((1, 2), (4, 8), (16, 32))
    assert default_dilations(1, 9) == ((1, 2), (4, 8))
    assert default_dilations(12, 12, 1) == ((1, 2),)
    assert default_dilations(12, 1) == ()


def growing(rows, seed):
    """Windows of three series of sizes 1, 30 and 1000, each with a season of its own, that grow."""
    rng = np.random.default_rng(seed)
    series, phase = rng.integers(0, 3, rows), rng.integers(0, 4, rows)
    t = np.arange(panels.T + P)
    factors = np.array([[1, 2, 0.5, 1], [0.7, 1, 1.4, 1], [1, 1, 1, 3.0]])
    season = factors[series[:, None], (phase[:, None] + t) % 4]
    y = (
        30.0 ** rng.uniform(0, 2, (rows, 1))
        * 1.04**t
        * season
        * rng.lognormal(0, 0.05, season.shape)
    )
    y = (y / y[:, : panels.T].mean(axis=1, keepdims=True)).astype("float32")  # scaling `mean`
    numbers = {"series": series.astype("int32"), "phase": phase.astype("int32")}
    return {"past": y[:, : panels.T, None], "truth": y[:, panels.T :], **numbers}, factors


def test_learns_more_than_the_last_season():
    x, factors = growing(1024, 0)
    model = make(network=ModelConfig(cell="lstm", layers=1, hidden=8), categories=())
    panels.trained(model, x, epochs=8, rate=0.02)
    test, _ = growing(300, 1)
    error = np.abs(model(test) - test["truth"]).mean()
    values = test["past"][:, :, 0]
    last = np.stack([naive.seasonal_naive(row, P, 4) for row in values])
    last = np.abs(last - test["truth"]).mean()
    assert error < 0.65 * last, (error, last)
    learned = np.exp(model.factors.table.numpy())
    learned /= learned.mean(axis=1, keepdims=True)
    for one, other in zip(learned, factors, strict=True):
        assert np.corrcoef(one, other)[0, 1] > 0.9, learned


def test_factors_to_begin_with():
    x, factors = growing(64, 0)
    model = make(categories=())
    model(x)
    model.start_factors(factors)
    np.testing.assert_allclose(np.exp(model.factors.table), factors, rtol=1e-5)
    for wrong in (factors[:2], -factors):
        with pytest.raises(SeqlabError, match=r"`factors` must have shape \(3, 4\)"):
            model.start_factors(wrong)
