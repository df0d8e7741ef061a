"""From a series to windows: cut, split, scaled and shuffled.

Most series here count 0, 1, 2, ..., so that every value says which row it came from.
"""

import csv
from dataclasses import replace

import numpy as np
import pytest

from seqlab.config import SCALINGS, TRANSFORMS
from seqlab.datasets import DataConfig, Scaler, Series, Windows, load, multisine, sin, split
from seqlab.errors import SeqlabError
from seqlab.series import NAMED, airline, mackey_glass, sunspots

CONFIG = DataConfig(window=5, horizon=3, scaling="none")


def counting(rows, window=5, horizon=3, **options):
    return Windows(np.arange(rows, dtype=float), window, horizon, Scaler("none"), **options)


def batches(data):
    """Inputs and targets of a tf.data set, batch by batch, whether it comes in chunks or not."""
    for inputs, targets in data.as_numpy_iterator():
        chunked = targets.ndim == 3
        yield from zip(inputs, targets, strict=True) if chunked else [(inputs, targets)]


def window_numbers(data):
    """``[batches, B]``: which windows were in each batch, checked to be whole windows."""
    numbers = []
    for inputs, targets in batches(data):
        first = inputs[:, 0, 0]
        np.testing.assert_array_equal(inputs[..., 0], first[:, None] + np.arange(5))
        np.testing.assert_array_equal(targets, first[:, None] + np.arange(5, 8))
        numbers.append(first.astype(int))
    return numbers


# Windows


def test_windows_are_views_of_the_series():
    windows = counting(20)
    inputs, targets = windows.raw()
    assert (
        len(windows) == len(inputs) == 13 and inputs.shape == (13, 5) and targets.shape == (13, 3)
    )
    assert np.shares_memory(inputs, windows.values) and np.shares_memory(targets, windows.values)
    np.testing.assert_array_equal(inputs[-1], [12, 13, 14, 15, 16])
    np.testing.assert_array_equal(targets[-1], [17, 18, 19])


@pytest.mark.parametrize("kind", SCALINGS)
def test_the_layout_features_is_one_step_of_the_whole_window(kind):
    scaler = Scaler.fit(kind, np.arange(20.0), 5, 3)
    steps, features = (
        Windows(np.arange(20.0), 5, 3, scaler, layout) for layout in ("steps", "features")
    )
    assert steps.input_shape == (5, scaler.features) == features.input_shape[::-1]
    (a, y), (b, z) = (w.batch(np.array([7, 2])) for w in (steps, features))
    assert a.shape[1:] == steps.input_shape and b.shape[1:] == features.input_shape
    np.testing.assert_array_equal(a.swapaxes(1, 2), b)
    np.testing.assert_array_equal(y, z)
    assert a.dtype == y.dtype == np.float32


def test_too_few_rows_for_one_window():
    assert len(counting(8)) == 1
    with pytest.raises(SeqlabError, match=r"^7 rows; window 5 \+ horizon 3 needs 8$"):
        counting(7)


@pytest.mark.parametrize("batch", [1, 4, 13, 50])
def test_dataset_gives_every_window_in_order(batch):
    found = window_numbers(counting(20).dataset(batch))
    assert [len(b) for b in found[:-1]] == [batch] * (len(found) - 1)
    np.testing.assert_array_equal(np.concatenate(found), np.arange(13))


def test_an_epoch_has_every_window_once_in_a_new_order():
    found = np.concatenate(window_numbers(counting(20).training(4, 0, [0, 1, 7, 13])))
    epochs = found.reshape(4, 13)  # 13 batches of 4 are 4 epochs of 13: no window is left out
    np.testing.assert_array_equal(np.sort(epochs, axis=1), np.tile(np.arange(13), (4, 1)))
    assert len({tuple(epoch) for epoch in epochs} | {tuple(range(13))}) == 5


def test_the_order_depends_on_the_seed_alone():
    one, same, chunked, other = (
        np.array(window_numbers(counting(20).training(4, seed, edges)))
        for seed, edges in ((3, [0, 10]), (3, [0, 10]), (3, [0, 1, 4, 10]), (4, [0, 10]))
    )
    np.testing.assert_array_equal(one, same)
    np.testing.assert_array_equal(one, chunked)
    assert (one != other).any()


@pytest.mark.parametrize("start", [1, 5, 9])
def test_going_on_from_a_later_edge_gives_the_same_batches(start):
    whole = window_numbers(counting(20).training(4, 0, [0, 5, 10]))
    later = window_numbers(counting(20).training(4, 0, [start, 10]))
    np.testing.assert_array_equal(whole[start:], later)


# Split


@pytest.mark.parametrize("validate", [True, False])
def test_no_window_crosses_a_cut_and_no_row_is_lost(validate):
    parts = split(Series("count", np.arange(200.0)), replace(CONFIG, validate=validate))
    found = [p for p in (parts.train, parts.validation, parts.test) if p is not None]
    assert len(found) == 2 + validate
    np.testing.assert_array_equal(np.concatenate([p.values for p in found]), np.arange(200))
    for part in found:
        rows = np.concatenate(part.raw(), axis=1)
        np.testing.assert_array_equal(
            rows, part.first_row + np.arange(len(part))[:, None] + np.arange(8)
        )
        assert rows.max() == part.values[-1]
    assert len(parts.test.values) == 30  # 15 %


@pytest.mark.parametrize("kind", SCALINGS)
def test_nothing_after_the_training_cut_reaches_the_training(kind):
    series, config = multisine(points=400), replace(CONFIG, scaling=kind)
    clean = split(series, config)
    cut = len(clean.train.values)
    changed = series.values.copy()
    changed[cut:] = 1e3 * np.random.default_rng(1).standard_normal(len(changed) - cut) + 500
    dirty = split(replace(series, values=changed), config)
    assert clean.scaler == dirty.scaler
    everything = np.arange(len(clean.train))
    for a, b in zip(clean.train.batch(everything), dirty.train.batch(everything), strict=True):
        np.testing.assert_array_equal(a, b)
    own = Scaler.fit(kind, series.values[:cut], 5, 3)
    assert clean.scaler == own
    assert kind == "none" or own != Scaler.fit(kind, changed, 5, 3)  # so the test can fail


def test_sin_has_ten_thousand_windows_and_a_thousand():
    parts = split(sin(), DataConfig(validate=False))
    assert (len(parts.train), parts.validation, len(parts.test)) == (10_000, None, 1_000)
    assert parts.train.values[-1] == pytest.approx(np.sin(100.1)) == parts.test.values[0]
    assert parts.test.values[-1] == pytest.approx(np.sin(110.2))
    held = split(sin(), DataConfig())
    assert (
        len(held.test) == 1_000 and len(held.train.values) + len(held.validation.values) == 10_010
    )


def test_too_few_rows_say_the_arithmetic():
    with pytest.raises(SeqlabError) as caught:
        split(Series("short", np.arange(20.0)), CONFIG)
    assert str(caught.value) == (
        "20 rows; window 5 + horizon 3 needs 8 rows in each part, and the test part takes 10,"
        " validation 10, which leaves 0 for training. Use a longer series, or a smaller --horizon"
    )


# Scaling


@pytest.mark.parametrize("kind", SCALINGS)
@pytest.mark.parametrize("values", [multisine(200).values * 40 + 300, np.full(200, 7.0)])
def test_restore_is_the_inverse_of_targets(kind, values):
    windows = Windows(values, 5, 3, Scaler.fit(kind, values, 5, 3))
    inputs, targets = windows.raw()
    _, asked = windows.batch(np.arange(len(windows)))
    restored = windows.scaler.restore(inputs, asked)
    assert restored.dtype == np.float64
    np.testing.assert_allclose(restored, targets, rtol=1e-6)


@pytest.mark.parametrize("transform", TRANSFORMS)
@pytest.mark.parametrize("lag", [0, 4])
@pytest.mark.parametrize("kind", SCALINGS)
def test_restore_is_the_inverse_with_every_transform_and_lag(kind, lag, transform):
    values = np.exp(multisine(200).values)
    windows = Windows(values, 9, 6, Scaler.fit(kind, values, 9, 6, transform, lag))
    given, asked = windows.batch(np.arange(len(windows)))
    assert given.shape[1:] == windows.input_shape == (9 - lag, windows.scaler.features)
    restored = windows.restore(slice(None), asked)
    np.testing.assert_allclose(restored, windows.raw()[1], rtol=1e-5)


def test_differences_of_a_season_make_repeating_it_the_zero():
    t = np.arange(120)
    values = 10 * np.sin(2 * np.pi * t / 12) + 0.5 * t  # each season 6 higher than the last
    scaler = Scaler.fit("last", values, 24, 15, lag=12)
    windows = Windows(values, 24, 15, scaler)
    restored = windows.restore(slice(None), np.zeros((len(windows), 15)))
    np.testing.assert_allclose(restored[:, :12], windows.raw()[1][:, :12])
    np.testing.assert_allclose(
        restored[:, 12:], windows.raw()[1][:, 12:] - 6
    )  # of the same last season


def test_a_transform_makes_growing_swings_even():
    values = np.exp(0.02 * np.arange(200)) * (3 + np.sin(np.arange(200) / 3))
    for transform in ("log", "boxcox"):
        scaler = Scaler.fit("standard", values, 5, 3, transform)
        scaled = scaler.inputs(values)[:, 0]
        early, late = (np.diff(part).std() for part in (scaled[:50], scaled[-50:]))
        assert late / early == pytest.approx(1, abs=0.3)
    assert Scaler.fit("standard", values, 5, 3, "log").power == 0
    with pytest.raises(
        SeqlabError, match="needs positive values; the lowest of the training part is -1"
    ):
        Scaler.fit("standard", values - values.min() - 1, 5, 3, "log")


def test_a_season_to_difference_must_fit_the_window():
    series = Series("s", np.arange(80.0), season=12)
    with pytest.raises(SeqlabError, match="takes 12 rows of the window of 13"):
        split(series, DataConfig("s", window=13, horizon=2, difference="season"))
    with pytest.raises(SeqlabError, match="use --season N"):
        split(replace(series, season=None), DataConfig("s", window=13, difference="season"))


def test_last_gives_changes_of_unit_size_and_the_level():
    values = multisine(2_000).values * 40 + 300
    windows = Windows(values, 5, 3, Scaler.fit("last", values, 5, 3))
    inputs, targets = windows.batch(np.arange(len(windows)))
    assert not inputs[:, -1, 0].any()  # the last value has not changed from itself
    assert np.sqrt(np.mean(inputs[:, :-1, 0] ** 2)) == pytest.approx(1, rel=0.01)
    assert np.sqrt(np.mean(targets**2)) == pytest.approx(1, rel=0.01)
    level = (windows.raw()[0] - values.mean()) / values.std()
    np.testing.assert_allclose(inputs[..., 1], level, atol=1e-6)
    zero = windows.scaler.restore(windows.raw()[0], np.zeros_like(targets))
    np.testing.assert_allclose(zero, np.repeat(windows.raw()[0][:, -1:], 3, axis=1))


# Series


@pytest.mark.parametrize(
    ("make", "rows", "first_low", "last_high", "season"),
    [
        (airline, 144, (112, 104), (432, 622), 12),
        (sunspots, 2820, (58.0, 0.0), (33.4, 253.8), 132),
    ],
)
def test_shipped_series(make, rows, first_low, last_high, season):
    series, values = make(), make().values
    assert (len(values), len(series.times), series.season) == (rows, rows, season)
    assert (values[0], values.min(), values[-1], values.max()) == (*first_low, *last_high)
    assert series.times.freqstr == "MS"


@pytest.mark.parametrize(
    ("make", "file"), [(airline, "airline-passengers"), (sunspots, "monthly-sunspots")]
)
def test_shipped_series_equal_the_usual_files(make, file, shared_data):
    with (shared_data / "univariate" / f"{file}.csv").open() as lines:
        rows = [row for row in csv.reader(lines) if row][1:]
    np.testing.assert_array_equal(make().values, [float(row[1]) for row in rows])
    assert make().times.strftime("%Y-%m").tolist() == [row[0] for row in rows]


def test_mackey_glass_is_chaotic_but_bounded():
    values = mackey_glass(points=500).values
    assert len(values) == 500 and 0.2 < values.min() < 0.5 and 1.2 < values.max() < 1.4
    np.testing.assert_array_equal(values, mackey_glass(points=500).values)
    np.testing.assert_array_equal(values[:100], mackey_glass(points=100).values)
    assert np.ptp(mackey_glass(points=500, tau=2).values) < 0.01  # below tau 4.5 it settles: at 1


def test_the_noise_of_multisine_has_a_seed():
    one, same, other = (multisine(500, seed=s).values for s in (1, 1, 2))
    np.testing.assert_array_equal(one, same)
    assert np.std(one - other) == pytest.approx(0.1 * 2**0.5, rel=0.1)


def test_every_name_can_be_loaded_and_split():
    for name, named in NAMED.items():
        config = DataConfig(name, window=named.window, horizon=named.horizon)
        parts = split(load(config), config)
        assert parts.series.name == name and len(parts.train) > len(parts.test) > 0
