"""ETS and ARIMA among the baselines: what each forecast may know, and what is said where they are not."""

import dataclasses

import numpy as np
import pandas as pd
import pytest

from seqlab import baselines, classical, cli, evaluate, origins, plots, tables
from seqlab.config import Config, DataConfig
from seqlab.datasets import Panel, Series, split
from seqlab.errors import SeqlabError

CONFIG = DataConfig("wave", window=12, horizon=3)


def wave(rows=160, name="wave"):
    noise = np.random.default_rng(0).normal(size=rows)
    return Series(name, 20 + 5 * np.sin(np.arange(rows) / 7 * 6.283) + noise, season=7)


@pytest.fixture
def histories(monkeypatch):
    """What each forecast is given; the forecasts are the last value of it."""
    seen = []

    def fake(name, known, horizon, season):
        made = [np.array(values) for values in known]
        seen.append((name, season, made))
        return np.stack([np.full(horizon, values[-1]) for values in made])

    monkeypatch.setattr(classical, "rolled", fake)
    return seen


def test_each_forecast_knows_all_rows_until_its_own_and_none_after(histories):
    data = split(wave(), CONFIG)
    found = baselines.forecasts(data, classical=True)
    assert [(name, season) for name, season, _ in histories] == [("ets", 7), ("auto_arima", 7)]
    made, targets = histories[0][2], data.test.raw()[1]
    assert len(made) == len(targets)
    for values, target in zip(made, targets, strict=True):
        np.testing.assert_array_equal(data.series.values[: len(values)], values)
        assert data.series.values[len(values)] == target[0]
    np.testing.assert_array_equal(found["ets"], found["persistence"])
    assert "ets" not in baselines.forecasts(data)


def test_every_baseline_has_a_colour_in_pictures(histories):
    data = split(wave(), CONFIG)
    assert set(plots.BASELINES) == {*baselines.BASELINES, *baselines.CLASSICAL}
    score = evaluate.score(data, data.test.raw()[1], classical=True)
    (axes, *_) = plots.error_per_step(score).axes
    assert {"ETS", "ARIMA"} <= {line.get_label() for line in axes.lines}


def test_a_backtest_tells_them_what_its_origins_know(histories):
    data = split(wave(), CONFIG)
    at = origins.tested(data, Config(CONFIG), [np.array([130, 141])])
    baselines.forecasts(at, classical=True)
    assert [len(values) for values in histories[0][2]] == [130, 141]


def test_padding_and_lines_over_gaps_are_not_known(histories):
    values = wave().values.copy()
    values[150:155] = np.nan
    gapped = tables.read_frame(pd.DataFrame({"wave": values}), missing="interpolate")
    short = wave(24, "short")
    config = dataclasses.replace(CONFIG, short="pad")
    data = split(Panel("p", (gapped, short)), config)
    score = evaluate.score(data, data.test.raw()[1], classical=True)
    assert {"ets", "auto_arima"} <= set(score.baselines)
    assert baselines.spoken("ets") == "ETS"
    long = [values for values in histories[0][2] if 151 <= len(values) <= 155]
    assert long and all((values[150:] == values[149]).all() for values in long)
    for values in histories[2][2]:
        np.testing.assert_array_equal(values, short.values[: len(values)])


def test_forecasts_that_are_not_finite_are_named(monkeypatch):
    monkeypatch.setattr(classical, "rolled", lambda *_: np.full((1, 3), np.nan))
    with pytest.raises(SeqlabError, match="wave: ETS gives values that are not finite"):
        baselines.forecasts(split(wave(), CONFIG), classical=True)


def test_series_with_too_few_rows_have_none(histories):
    data = split(wave(10), DataConfig("wave", window=2, horizon=1))
    assert "ets" not in baselines.forecasts(data, classical=True)


@pytest.mark.parametrize("name", classical.MODELS)
def test_the_first_forecast_is_that_of_the_model_and_the_others_are_told(name):
    pytest.importorskip("statsforecast")
    values = wave(60).values
    whole = {"ets": classical.ets, "auto_arima": classical.auto_arima}[name](values[:50], 3, 7)
    jumped = np.r_[values[:50], 90.0]
    first, told = classical.rolled(name, [values[:50], jumped], 3, 7)
    np.testing.assert_allclose(first, whole, rtol=1e-4)
    assert np.abs(told - first).max() > 1


def test_without_statsforecast_the_remedy_is_named(tmp_path, monkeypatch, capsys):
    def missing():
        raise SeqlabError("ETS and ARIMA need a further package: pip install 'seqlab[classical]'")

    monkeypatch.setattr(classical, "_models", missing)
    monkeypatch.chdir(tmp_path)
    words = ["--window", "6", "--steps", "2", "--hidden", "4", "--layers", "1", "--quiet"]
    assert cli.main(["train", "airline", *words]) == 0
    for command in (["evaluate"], ["backtest"]):
        assert cli.main([*command, "--classical"]) == 2
        assert "pip install 'seqlab[classical]'" in capsys.readouterr().err
