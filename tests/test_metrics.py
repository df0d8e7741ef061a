"""The metrics, and the baselines that every score is printed beside."""

from dataclasses import replace
from math import isnan, nan

import numpy as np
import pytest

from seqlab import baselines, cli, metrics
from seqlab.config import DataConfig
from seqlab.datasets import Series, airline, sin, split
from seqlab.errors import SeqlabError

Y = np.array([[1.0, -2.0], [4.0, 5.0]])
F = np.array([[2.0, -2.0], [1.0, 7.0]])  # errors -1, 0, 3, -2

BY_HAND = {"mse": 3.5, "rmse": 3.5**0.5, "mae": 1.5, "mape": 53.75, "smape": 55, "r2": 1 - 14 / 30}
FORMULAS = {
    "mse": lambda y, f: ((y - f) ** 2).mean(),
    "rmse": lambda y, f: ((y - f) ** 2).mean() ** 0.5,
    "mae": lambda y, f: abs(y - f).mean(),
    "mape": lambda y, f: 100 * (abs(y - f) / abs(y)).mean(),
    "smape": lambda y, f: 200 * (abs(y - f) / (abs(y) + abs(f))).mean(),
    "r2": lambda y, f: 1 - ((y - f) ** 2).sum() / ((y - y.mean()) ** 2).sum(),
}


@pytest.mark.parametrize("name", FORMULAS)
def test_metrics_equal_their_definitions(name):
    metric = getattr(metrics, name)
    assert metric(Y, F) == pytest.approx(BY_HAND[name])
    y, f = np.random.default_rng(0).standard_normal((2, 50, 3))
    assert metric(y, f) == pytest.approx(FORMULAS[name](y, f))
    assert metric(y, y) == (1 if name == "r2" else 0)


def test_mase_is_over_the_error_of_the_season():
    assert metrics.mase_scale(np.array([1.0, 5, 2, 8]), 2) == 2  # |2 - 1|, |8 - 5|
    assert metrics.mase_scale(np.array([1.0, 5, 2, 8]), None) == pytest.approx(13 / 3)
    assert metrics.mase_scale(np.array([1.0, 5, 2, 8]), 4) == pytest.approx(13 / 3)  # too long
    assert metrics.mase(Y, F, 2.0) == 0.75


def test_what_is_undefined_is_nan():
    zero = np.array([[0.0, 1.0]])
    assert isnan(metrics.mape(zero, zero + 1))
    assert isnan(metrics.r2(np.ones((3, 1)), np.zeros((3, 1))))
    assert isnan(metrics.mase(Y, F, 0.0)) and isnan(metrics.mase(Y, F))
    assert metrics.smape(zero, np.array([[0.0, 3.0]])) == 50  # both zero is no error


@pytest.mark.parametrize("name", metrics.METRICS)
@pytest.mark.parametrize(
    ("truth", "forecast", "message"),
    [
        (Y, F[:, :1], r"truth has shape \(2, 2\) and forecast \(2, 1\)"),  # would broadcast
        (Y[:0], F[:0], "no forecasts to score"),
        (Y, F * [1, nan], "not finite"),
        (Y, F * [1, np.inf], "not finite"),
    ],
)
@pytest.mark.filterwarnings("ignore:Mean of empty slice", "ignore:invalid value")
def test_what_cannot_be_scored(name, truth, forecast, message):
    with pytest.raises(SeqlabError, match=message):
        metrics.METRICS[name](truth, forecast, *([1.0] if name in ("mase", "rmsse") else []))


def test_the_command_line_offers_every_metric():
    assert tuple(metrics.METRICS) == cli.METRICS


# Baselines


def parts(values, season=None, window=5, horizon=3):
    return split(
        Series("x", np.asarray(values, float), season=season),
        DataConfig(window=window, horizon=horizon, scaling="none"),
    )


def test_persistence_and_straight_line():
    data = parts(np.arange(100.0) ** 2)
    last = data.test.raw()[0][:, -1]
    slope = 2 * np.sqrt(last) - 1
    found = baselines.forecasts(data)
    assert set(found) == {"persistence", "straight_line", "drift", "linear_autoregression"}
    for ahead in range(3):
        np.testing.assert_array_equal(found["persistence"][:, ahead], last)
        np.testing.assert_allclose(found["straight_line"][:, ahead], last + (ahead + 1) * slope)


def test_drift_rises_as_the_training_part_did():
    values = np.r_[4.0, np.random.default_rng(0).normal(size=99)]
    data = parts(values)
    trained = data.train.values
    slope = (trained[-1] - 4) / (len(trained) - 1)
    last = data.test.raw()[0][:, -1:]
    found = baselines.forecasts(data)["drift"]
    np.testing.assert_allclose(found, last + slope * np.arange(1, 4))


@pytest.mark.parametrize(("season", "horizon"), [(7, 3), (3, 3), (3, 8), (1, 4), (40, 2)])
def test_seasonal_naive_takes_the_latest_season_that_was_known(season, horizon):
    data = parts(np.arange(200), season, horizon=horizon)  # the values are the rows
    found = baselines.seasonal_naive(data)
    inputs, targets = data.test.raw()
    known, row = inputs[:, -1:], targets.copy()
    while (row > known).any():
        row[row > known] -= np.broadcast_to(season, row.shape)[row > known]
    np.testing.assert_array_equal(found, row)


def test_seasonal_naive_needs_a_season_that_has_passed():
    first = parts(np.arange(100)).test.first_row + 5
    assert baselines.seasonal_naive(parts(np.arange(100), None)) is None
    assert baselines.seasonal_naive(parts(np.arange(100), first + 1)) is None
    assert baselines.seasonal_naive(parts(np.arange(100), first))[0, 0] == 0


def test_autoregression_recovers_a_recurrence_at_every_step_ahead():
    x = [3.0, 5.0]
    while len(x) < 120:
        x.append(1.6 * x[-1] - x[-2] + 400)
    data = parts(x, window=2, horizon=4)
    np.testing.assert_allclose(baselines.linear_autoregression(data), data.test.raw()[1], rtol=1e-9)


def test_autoregression_is_fitted_on_the_training_part_alone():
    clean = split(airline(), DataConfig(window=12))
    values = clean.series.values.copy()
    values[len(clean.train.values) : clean.test.first_row] = 1e6  # the validation part
    values[-1] = 1e6  # a target of the test, and no input of any window
    dirty = split(replace(clean.series, values=values), DataConfig(window=12))
    np.testing.assert_array_equal(
        *(baselines.linear_autoregression(data) for data in (clean, dirty))
    )


def test_the_bars_that_sin_sets():
    data = split(sin(), DataConfig())
    truth = data.test.raw()[1]
    found = {name: metrics.rmse(truth, f) for name, f in baselines.forecasts(data).items()}
    assert found["persistence"] == pytest.approx(0.00727, rel=0.005)
    assert found["straight_line"] == pytest.approx(0.0000689, rel=0.005)
    assert found["linear_autoregression"] < 0.000002
