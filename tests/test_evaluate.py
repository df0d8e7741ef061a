"""The score: baselines, skill, verdict, copy detection, roll-out."""

import json

import numpy as np
import pytest

from seqlab import evaluate
from seqlab.config import DataConfig
from seqlab.datasets import Series, split
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
        "persistence", "straight_line", "drift", "seasonal_naive", "linear_autoregression"
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
