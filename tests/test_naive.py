"""Forecasts without a network: small answers by hand, and what they must not depend on."""

import builtins

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from seqlab import classical, naive
from seqlab.errors import SeqlabError

POSITIVE = arrays(np.float64, st.integers(12, 40), elements=st.floats(1, 100))
ALL = {
    "naive": lambda y, p: naive.naive(y, p),
    "drift": lambda y, p: naive.drift(y, p),
    "seasonal naive": lambda y, p: naive.seasonal_naive(y, p, 3),
    "naive2": lambda y, p: naive.naive2(y, p, 3),
    "direct": lambda y, p: naive.linear_autoregression(y, p, 2),
    "recursive": lambda y, p: naive.linear_autoregression(y, p, 2, "recursive"),
}
Y = np.array([3.0, 1, 4, 1, 5, 9, 2])


def test_answers_by_hand():
    assert naive.naive(Y, 3).tolist() == [2, 2, 2]
    assert naive.drift(np.array([3.0, 1, 4, 1, 5, 9, 6]), 3).tolist() == [
        6.5,
        7,
        7.5,
    ]  # from 3 to 6 in 6
    assert naive.seasonal_naive(Y, 5, 3).tolist() == [5, 9, 2, 5, 9]
    assert naive.seasonal_naive(Y, 2, 7).tolist() == [3, 1]
    assert naive.seasonal_naive(Y, 2, 1).tolist() == [2, 2]


def wave(factors, rows, slope=0.0):
    """A season of factors on a line; the last row need not end a season."""
    level = 100 + slope * np.arange(rows)
    return level * np.resize(factors, rows)


@pytest.mark.parametrize("factors", [[0.5, 1.2, 1.3], [0.4, 0.8, 1.6, 1.2]])
@pytest.mark.parametrize("rows", [24, 25, 26])
def test_naive2_continues_a_season_from_any_row_of_it(factors, rows):
    values, season = wave(factors, rows + 7), len(factors)
    np.testing.assert_allclose(naive.seasonal_indices(values[:rows], season), factors)
    np.testing.assert_allclose(naive.naive2(values[:rows], 7, season), values[rows:])


def test_seasonal_indices_by_hand():
    values = np.array([1.0, 3, 2, 6, 3])
    # Means over a season, rows 1 to 3: (1 + 6 + 2) / 4, (3 + 4 + 6) / 4, (2 + 12 + 3) / 4.
    odd, even = (3 / (9 / 4) + 6 / (17 / 4)) / 2, 2 / (13 / 4)
    mean = (odd + even) / 2
    np.testing.assert_allclose(naive.seasonal_indices(values, 2), [even / mean, odd / mean])


def test_the_season_is_tested_against_the_lags_before_it():
    r = lambda y, k: ((y - y.mean())[k:] @ (y - y.mean())[:-k]) / np.sum((y - y.mean()) ** 2)  # noqa: E731
    found = set()
    for seed in range(60):
        rng = np.random.default_rng(seed)
        y = rng.normal(size=36) + rng.uniform(0, 1.3) * np.resize([2.0, -1, 0.3, -1.3], 36)
        limit = 1.645 * np.sqrt((1 + 2 * (r(y, 1) ** 2 + r(y, 2) ** 2 + r(y, 3) ** 2)) / 36)
        simple = abs(r(y, 4)) > 1.645 / 6
        found.add((naive.is_seasonal(y, 4), simple))
        assert naive.is_seasonal(y, 4) == (abs(r(y, 4)) > limit)
    assert found >= {(True, True), (False, True), (False, False)}  # where limits differ, too


def test_short_and_constant_series_have_no_season():
    values = wave([1, 9, 1, 1, 1, 1, 1, 1, 1, 1], 60)  # plainly a season, even in 29 rows
    assert naive.is_seasonal(values[:30], 10) and not naive.is_seasonal(values[:29], 10)
    assert not naive.is_seasonal(values, 1)
    assert naive.is_seasonal(wave([0.5, 1.5], 60), 3)  # the test has two sides; here r is -0.95
    assert not naive.is_seasonal(np.full(60, 0.1), 2)
    assert naive.naive2(values[:29], 3, 10).tolist() == [100, 100, 100]


def test_a_multiplicative_season_needs_values_above_zero():
    with pytest.raises(SeqlabError, match=r"above zero. Received: values down to 0; compare"):
        naive.naive2(wave([0.0, 1.0, 2.0], 30), 3, 3)


def recurrence(rows):
    x = [3.0, 5.0]
    while len(x) < rows:
        x.append(1.6 * x[-1] - x[-2] + 400)
    return np.array(x)


@pytest.mark.parametrize("strategy", ["direct", "recursive"])
@pytest.mark.parametrize("horizon", [1, 2, 9])
def test_autoregression_continues_a_recurrence(strategy, horizon):
    x = recurrence(60)
    found = naive.linear_autoregression(x[:-horizon], horizon, 2, strategy)
    np.testing.assert_allclose(found, x[-horizon:], rtol=1e-9)


def test_direct_fits_each_step_and_recursive_runs_on_its_own_output():
    y = np.random.default_rng(1).normal(size=50)
    direct, recursive = (
        naive.linear_autoregression(y, 3, 1, strategy) for strategy in ("direct", "recursive")
    )
    for ahead, found in enumerate(direct, 1):  # the same targets' rows for every step ahead
        slope, constant = np.polyfit(y[: 50 - 3], y[ahead : 50 - 3 + ahead], 1)
        assert found == pytest.approx(slope * y[-1] + constant)
    slope, constant = np.polyfit(y[:-1], y[1:], 1)
    one = slope * y[-1] + constant
    two = slope * one + constant
    assert recursive == pytest.approx([one, two, slope * two + constant])


@pytest.mark.parametrize("name", ALL)
@given(values=POSITIVE, horizon=st.integers(1, 8), factor=st.sampled_from([0.25, 8.0]))
def test_forecasts_scale_with_the_series(name, values, horizon, factor):
    values = values + np.resize([0, 500, 1000], len(values))  # a season that is always found
    small, large = ALL[name](values, horizon), ALL[name](factor * values, horizon)
    assert small.shape == (horizon,)
    np.testing.assert_allclose(large, factor * small, rtol=1e-6)


@pytest.mark.parametrize("name", ALL)
@pytest.mark.parametrize(
    ("values", "horizon", "message"),
    [
        (Y, 0, "`horizon` must be a positive integer"),
        (np.ones((4, 2)), 2, r"one series \[N\]. Received: shape \(4, 2\)"),
        (np.array([1.0, 2, np.nan, 4, 5, 6, 7]), 2, "Received: nan in row 2"),
        (np.ones(0), 2, "or more. Received: 0"),
    ],
)
def test_what_cannot_be_forecast(name, values, horizon, message):
    with pytest.raises(SeqlabError, match=message):
        ALL[name](values, horizon)


def test_too_few_values():
    with pytest.raises(SeqlabError, match=r"`values` must be 8 or more. Received: 7"):
        naive.seasonal_naive(Y, 1, 8)
    with pytest.raises(SeqlabError, match="`values` must be 2 or more"):
        naive.drift(Y[:1], 1)
    with pytest.raises(SeqlabError, match="`values` must be 9 or more"):
        naive.linear_autoregression(Y, 4, 5)
    assert naive.linear_autoregression(Y, 4, 3).shape == (4,)  # one equation
    with pytest.raises(SeqlabError, match="`strategy` must be one of direct, recursive"):
        naive.linear_autoregression(Y, 1, 1, "iterated")


# The extra [classical]


@pytest.mark.parametrize("forecast", [classical.ets, classical.auto_arima])
def test_classical_models_continue_a_season_on_a_line(forecast):
    pytest.importorskip("statsforecast")
    values = wave([0.4, 0.8, 1.6, 1.2], 70, slope=1)
    values += np.random.default_rng(0).normal(size=70)
    found = forecast(values[:62], 8, 4)
    assert found.shape == (8,)
    np.testing.assert_allclose(found, values[62:], rtol=0.1)
    assert np.isfinite(forecast(Y, 3, 4)).all()
    assert forecast(np.ones(12), 3, 4) == pytest.approx([1, 1, 1])


@pytest.mark.parametrize("forecast", [classical.ets, classical.auto_arima])
def test_without_statsforecast_the_remedy_is_named(forecast, monkeypatch):
    plain = builtins.__import__

    def missing(name, *rest):
        if name.startswith("statsforecast"):
            raise ImportError(name)
        return plain(name, *rest)

    monkeypatch.setattr(builtins, "__import__", missing)
    with pytest.raises(SeqlabError, match=r"pip install 'seqlab\[classical\]'"):
        forecast(Y, 2)
    with pytest.raises(SeqlabError, match="`season` must be a positive integer"):
        forecast(Y, 2, 0)
    with pytest.raises(SeqlabError, match="Received: nan in row 0"):
        forecast(Y * np.nan, 2)


def test_ets_needs_seven_values():
    with pytest.raises(SeqlabError, match=r"`values` must be 7 or more. Received: 6"):
        classical.ets(Y[:6], 2)
