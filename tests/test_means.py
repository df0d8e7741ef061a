"""The mean of several runs: forecasts, backtests, and which runs have none."""

import dataclasses
import json

import numpy as np
import pytest

from seqlab import cli, datasets, forecasts, train
from seqlab.backtest import backtest
from seqlab.config import Config, DataConfig, ModelConfig, TrainConfig
from seqlab.datasets import Panel, Series
from seqlab.errors import SeqlabError

DATA = DataConfig("wave", window=8, horizon=3, test="30", look_back=True)


def made(folder, name, data=DATA, seed=0, loss="mse", rows=150):
    t = np.arange(rows)
    values = 5 + np.sin(2 * np.pi * t / 7) + 0.1 * np.random.default_rng(0).normal(size=rows)
    config = Config(
        data,
        ModelConfig(layers=1, hidden=4, loss=loss),
        TrainConfig(steps=20, batch=16, evaluations=2, seed=seed),
    )
    split = datasets.split(Series("wave", values, season=7), data)
    return train.start(config, folder / name, data=split)


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """Two that differ in their windows, scaling and seed, and one of a likelihood."""
    folder = tmp_path_factory.mktemp("runs")
    other = dataclasses.replace(DATA, window=12, scaling="standard")
    return [
        made(folder, "one"),
        made(folder, "two", other, seed=1),
        made(folder, "three", loss="gaussian"),
    ]


def test_forecasts_and_quantiles_are_means(runs):
    single = [forecasts.forecast(run).values for run in runs]
    (found,) = forecasts.forecast_mean(runs)
    np.testing.assert_allclose(found.values, np.mean(single, axis=0), rtol=1e-12)
    assert not found.quantiles  # two of them have none
    (twice,) = forecasts.forecast_mean([runs[2], runs[2]])
    (alone,) = forecasts.forecast_each(runs[2])
    assert twice.quantiles.keys() == alone.quantiles.keys() and twice.quantiles
    for level, values in alone.quantiles.items():
        np.testing.assert_allclose(twice.quantiles[level], values)


def test_a_backtest_scores_the_mean(runs):
    each = [backtest(run).score for run in runs]
    score = backtest(runs).score
    mean = np.mean([one.forecast for one in each], axis=0)
    np.testing.assert_allclose(score.forecast, mean, rtol=1e-12)
    error = np.sqrt(np.mean((mean - each[0].truth) ** 2))
    assert score.metrics["rmse"] == pytest.approx(error)
    assert score.metrics["rmse"] != pytest.approx(each[0].metrics["rmse"])
    for share, ends in score.bands.items():
        for end, values in enumerate(ends):
            np.testing.assert_allclose(values, np.mean([one.bands[share][end] for one in each], 0))
    assert {one.kind for one in score.intervals} == {"mixed"}
    assert {one.kind for one in backtest(runs[:2]).score.intervals} == {"conformal"}


def test_retrained_networks_are_counted(runs):
    found = backtest(runs[:2], start="9", step=5, retrain="expanding")
    assert found.trained == 4
    each = [
        backtest(run, start="9", step=5, retrain="expanding").score.forecast for run in runs[:2]
    ]
    np.testing.assert_allclose(found.score.forecast, np.mean(each, axis=0), rtol=1e-6)


def test_runs_without_a_mean_are_refused(runs, tmp_path):
    shorter = made(tmp_path, "shorter", rows=149)
    farther = made(tmp_path, "farther", dataclasses.replace(DATA, horizon=4))
    later = made(tmp_path, "later", dataclasses.replace(DATA, test="20"))
    for other, words in ((shorter, "different series"), (farther, "one --horizon")):
        with pytest.raises(SeqlabError, match=words):
            forecasts.forecast_mean([runs[0], other])
        with pytest.raises(SeqlabError, match=words):
            backtest([runs[0], other])
    with pytest.raises(SeqlabError, match="one run or more"):
        backtest([])
    with pytest.raises(
        SeqlabError, match=r"from different rows\. Say where to begin, with --start"
    ):
        backtest([runs[0], later])
    assert len(backtest([runs[0], later], start="20").score.forecast) == 18


def test_commands(runs, tmp_path, capsys):
    one, two = (str(run.path) for run in runs[:2])
    assert cli.main(["forecast", one, two, "--plot", str(tmp_path / "ahead.png")]) == 0
    assert f"Mean of 2 runs, {one}, {two}: 3 steps after the last row." in capsys.readouterr().out
    assert cli.main(["backtest", one, two, "--plot", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["runs"] == [one, two] and found["run"] == one
    names = {"backtest-mean.csv", "plots/backtest-mean.png"}
    assert {str(path) for path in (runs[0].path / name for name in names)} == set(found["files"])
    assert not (runs[0].path / "backtest.csv").exists()
    capsys.readouterr()
    assert cli.main(["forecast", one, str(tmp_path / "none")]) == 2
    assert "none: no such run" in capsys.readouterr().err


def test_series_that_one_of_them_dropped(tmp_path):
    t = np.arange(150)
    series = tuple(Series(n, np.sin(t[:rows])) for n, rows in (("a", 150), ("b", 25), ("c", 150)))
    found = []
    for window in (8, 26):
        data = dataclasses.replace(DATA, window=window, test="4", short="drop", validate=False)
        config = Config(
            data, ModelConfig(layers=1, hidden=4), TrainConfig(steps=4, batch=8, evaluations=1)
        )
        split = datasets.split(Panel("waves", series), data)
        found.append(train.start(config, tmp_path / str(window), data=split))
    assert [len(run.split.parts) for run in found] == [3, 2]
    for act in (forecasts.forecast_mean, backtest):
        with pytest.raises(SeqlabError, match="dropped different series"):
            act(found)
