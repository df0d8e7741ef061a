"""The score: baselines, skill, verdict, copy detection, roll-out."""

import json

import numpy as np
import pytest

from seqlab import evaluate, intervals
from seqlab.config import DataConfig
from seqlab.datasets import Panel, Series, split
from seqlab.errors import SeqlabError


def noisy(rows=400, season=12):
    t = np.arange(rows)
    noise = np.random.default_rng(0).normal(size=rows)
    return Series("wave", 10 + 5 * np.sin(2 * np.pi * t / season) + 0.5 * noise, season=season)


@pytest.fixture
def data():
    return split(noisy(), DataConfig("wave", window=24, horizon=3))


def test_a_perfect_forecast_scores_perfectly(data):
    _, truth = data.test.raw()
    score = evaluate.score(data, np.array(truth))
    assert score.metrics["rmse"] == 0
    assert score.metrics["r2"] == score.skill == 1
    assert score.copy_lag == 0
    assert "beats every baseline" in score.verdict


def test_repeating_the_last_value_is_found_out(data):
    inputs, truth = data.test.raw()
    score = evaluate.score(data, np.repeat(inputs[:, -1:], truth.shape[1], axis=1))
    assert score.copy_lag == 1
    assert "repeat" in score.copy_verdict
    assert score.metrics["rmse"] == score.baselines["persistence"]["rmse"]
    assert score.skill < 0
    assert "loses to" in score.verdict


def test_repeating_an_older_value_is_found_out_too(data):
    inputs, truth = data.test.raw()
    score = evaluate.score(data, np.repeat(inputs[:, -2:-1], truth.shape[1], axis=1))
    assert score.copy_lag == 2


def test_every_number_by_hand(data):
    inputs, truth = data.test.raw()
    guess = truth + np.array([1.0, -2.0, 3.0])
    score = evaluate.score(data, guess)
    assert score.metrics["rmse"] == pytest.approx(np.sqrt((1 + 4 + 9) / 3))
    assert score.metrics["mae"] == pytest.approx(2)
    train = data.train.values
    assert score.metrics["mase"] == pytest.approx(2 / np.abs(train[12:] - train[:-12]).mean())
    assert score.per_step["network"] == pytest.approx([1, 2, 3])
    persistence = np.sqrt(np.mean((inputs[:, -1:] - truth) ** 2))
    assert score.baselines["persistence"]["rmse"] == pytest.approx(persistence)
    lowest = min(values["rmse"] for values in score.baselines.values())
    assert score.skill == pytest.approx(1 - score.metrics["rmse"] / lowest)
    assert list(score.baselines) == [
        "persistence", "straight_line", "drift", "seasonal_naive", "naive2",
        "linear_autoregression",
    ]  # fmt: skip
    assert score.truth[0, 0] == data.series.values[score.first_row]


def test_json_holds_numbers_or_null():
    values = np.abs(noisy().values)
    values[-40] = 0
    data = split(Series("zeros", values), DataConfig("zeros", window=6))
    score = evaluate.score(data, data.test.raw()[1] + 1.0)
    found = json.loads(json.dumps(score.to_json(), allow_nan=False))
    assert found["metrics"]["mape"] is None
    assert found["metrics"]["rmse"] == pytest.approx(1)
    assert "seasonal_naive" not in found["baselines"]
    assert set(score.to_json(("rmse",))["metrics"]) == {"rmse"}


def test_a_season_in_the_config_goes_first():
    plain = Series("wave", noisy().values)
    data = split(plain, DataConfig("wave", window=24, season=12))
    score = evaluate.score(data, np.array(data.test.raw()[1]))
    values = data.test.values
    seasonal = np.sqrt(np.mean((values[24:] - values[12:-12]) ** 2))
    assert score.baselines["seasonal_naive"]["rmse"] == pytest.approx(seasonal)


def test_a_constant_forecast_is_not_called_a_copy(data):
    score = evaluate.score(data, np.full_like(data.test.raw()[1], 10.0))
    assert score.copy_lag is None


def test_a_diverged_network_is_refused(data):
    with pytest.raises(SeqlabError, match="not finite"):
        evaluate.score(data, np.full_like(data.test.raw()[1], np.nan))


class Exact:
    """Continues the wave of a series without noise, one step late by `lag` rows."""

    def __init__(self, values):
        self.values = values

    def ahead(self, window, steps):
        start = int(np.argmin(np.abs(self.values - window[0])))
        return self.values[start + len(window) : start + len(window) + steps] + 0.5


def test_rollout_scores_each_decade_and_knows_its_bounds():
    line = Series("line", np.arange(2_000.0))
    data = split(line, DataConfig("line", window=5))
    errors = evaluate.rollout(Exact(line.values), data, 150)
    assert errors == pytest.approx({10: 0.5, 100: 0.5, 150: 0.5})
    with pytest.raises(SeqlabError, match="--rollout 295"):
        evaluate.rollout(Exact(line.values), data, 1000)


class Sure:
    """Stands for a network that gives quantiles: as far from 7 as their level is from a half."""

    every_level = ()

    def quantiles(self, windows, levels):
        return np.broadcast_to(7 + 2 * np.asarray(levels) - 1, (2, 1, len(levels)))


def test_quantiles_are_scored_as_a_whole():
    truth, forecast = np.array([[7.0], [9.0]]), np.array([[7.0], [7.0]])
    bands = {0.8: (truth - 4, forecast + 3), 0.5: (forecast - 1, forecast + 1)}
    assert intervals.spread(truth, forecast, {}, "none") is None
    ends = intervals.spread(truth, forecast, bands, "conformal")
    np.testing.assert_allclose(ends.levels, (0.1, 0.25, 0.5, 0.75, 0.9))
    assert ends.weighted_quantile_loss == pytest.approx(2 * (1.2 + 3.0) / 16 / 5)
    one = {share: (low[1:], high[1:]) for share, (low, high) in bands.items()}
    late = intervals.spread(truth[1:], forecast[1:], one, "conformal")
    assert late.weighted_quantile_loss == pytest.approx(2 * 3.0 / 9 / 5)
    own = intervals.spread(truth, forecast, bands, "quantiles", Sure(), object())
    assert own.levels == intervals.LEVELS and len(own.levels) == 19
    # Of a uniform distribution from 6 to 8: 1/6 at its middle, and 2 - 1/3 one beyond its end.
    assert own.crps == pytest.approx((1 / 6 + 2 - 1 / 3) / 2, rel=0.01)
    levels = np.array(own.levels)
    low, high = np.abs(2 * levels - 1), 9 - (7 + 2 * levels - 1)
    pinball = np.where(levels > 0.5, 1 - levels, levels) * low, levels * high
    assert own.weighted_quantile_loss == pytest.approx(2 * np.sum(pinball) / 16 / 19)
    Sure.every_level = (0.3, 0.6)
    assert intervals.spread(truth, forecast, bands, "quantiles", Sure(), object()).levels == (
        0.3,
        0.6,
    )
    Sure.every_level = ()
    zero = intervals.spread(0 * truth, forecast, bands, "conformal")
    assert zero.to_json()["weighted_quantile_loss"] is None and zero.crps > 0


def test_rmsse_of_several_series_is_by_the_scale_of_each(data):
    other = Series("large", 1000 * noisy().values, season=12)
    both = split(Panel("p", (noisy(), other)), DataConfig("p", window=24, horizon=3))
    truth = both.test.raw()[1]
    sizes = np.repeat([1.0, 1000.0], len(data.test))[:, None]
    scores = evaluate.score(both, truth + 0.3 * sizes)
    one = evaluate.score(data, data.test.raw()[1] + 0.3)
    scale = np.sqrt(np.mean(np.diff(data.train.values) ** 2))
    assert one.metrics["rmsse"] == pytest.approx(0.3 / scale)
    assert scores.metrics["rmsse"] == pytest.approx(one.metrics["rmsse"])
    assert scores.metrics["mase"] == pytest.approx(one.metrics["mase"])
