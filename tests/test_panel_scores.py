"""Scores over several series: Naive2 and OWA by hand, and the series that a metric leaves out."""

import json

import numpy as np
import pytest

from seqlab import baselines, evaluate, naive, report
from seqlab.config import DataConfig
from seqlab.datasets import Panel, Series, split

WINDOW, HORIZON, SEASON = 8, 3, 4
CONFIG = DataConfig("p", window=WINDOW, horizon=HORIZON)


def wave(name="wave", rows=60, size=1.0, seed=0):
    noise = np.random.default_rng(seed).normal(size=rows)
    season = np.tile([1.0, 3.0, 2.0, 6.0], rows // SEASON)
    return Series(name, size * (10 + season + 0.3 * noise), season=SEASON)


def still(name, rows=60):
    """No change at all."""
    return Series(name, np.full(rows, 5.0), season=SEASON)


def again(name, rows=60):
    """The same season again and again: a change from row to row, and none over a season."""
    return Series(name, np.tile([1.0, 3.0, 2.0, 6.0], rows // SEASON), season=SEASON)


def scored(*series):
    """The score of a forecast that errs by one half throughout, and its windows."""
    data = split(Panel("p", series), CONFIG)
    return evaluate.score(data, data.test.raw()[1] + 0.5), data


def lines(score):
    return [part for part in report.score_tables(score, ("mase", "rmsse")) if isinstance(part, str)]


def test_series_that_a_metric_leaves_out_are_named():
    many = [still(f"still{i}") for i in range(11)]
    score, _ = scored(*many, wave(), again("again"))
    left_out = score.to_json()["without_scale"]
    assert json.loads(json.dumps(left_out)) == {
        "mase": [*(one.name for one in many), "again"],
        "rmsse": [one.name for one in many],
    }
    said = "MASE leaves out 12 of 13 series, which do not change over a season in training: still0,"
    (line,) = (line for line in lines(score) if line.startswith("MASE leaves out"))
    assert line.startswith(said) and line.endswith("still9, ... (12 in all).")
    assert any(line.startswith("RMSSE leaves out 11 of 13 series") for line in lines(score))
    alone, _ = scored(wave())
    assert score.metrics["mase"] == pytest.approx(alone.metrics["mase"])
    assert alone.without_scale == {"mase": (), "rmsse": ()}
    assert not any("leaves out" in line for line in lines(alone))


def factors(values):
    """Of a season of four, each value over the mean of the season around it, by loops."""
    ratios = [[], [], [], []]
    for t in range(2, len(values) - 2):
        around = values[t - 2] / 2 + sum(values[t - 1 : t + 2]) + values[t + 2] / 2
        ratios[t % SEASON].append(values[t] / (around / SEASON))
    means = np.array([np.mean(of) for of in ratios])
    return means / means.mean()


def naive2(part):
    """Of each window by hand: its last value, with the season of what the first one knows."""
    first = part.test.first_row + WINDOW
    found = factors(part.series.values[:first])
    made = []
    for row in range(first, first + len(part.test)):
        level = part.series.values[row - 1] / found[(row - 1) % SEASON]
        made.append([level * found[(row + step) % SEASON] for step in range(HORIZON)])
    return np.array(made)


def test_naive2_has_the_season_of_what_the_first_window_knows():
    data = split(wave(), CONFIG)
    found = baselines.forecasts(data)["naive2"]
    np.testing.assert_allclose(found, naive2(data), rtol=1e-12)
    known = data.series.values[: data.test.first_row + WINDOW]
    np.testing.assert_array_equal(found[0], naive.naive2(known, HORIZON, SEASON))
    plain = Series("plain", np.random.default_rng(0).normal(size=60), season=10**8)
    found = baselines.forecasts(split(plain, CONFIG))
    np.testing.assert_array_equal(found["naive2"], found["persistence"])  # it shows no season
    for without in (wave().values, again("zero").values - 1):
        season = None if without[0] else SEASON  # none is known; or factors that are not above zero
        assert "naive2" not in baselines.forecasts(
            split(Series("s", without, season=season), CONFIG)
        )


def test_owa_by_hand_of_series_of_unequal_length():
    score, data = scored(wave("a"), wave("b", 100, 50.0, seed=1))
    assert len({len(part.test) for part in data.parts}) == 2

    def means(forecasts):
        """Of sMAPE and MASE: first over the windows of each series, then over the series."""
        both = []
        for part, made in zip(data.parts, forecasts, strict=True):
            truth, known = part.test.raw()[1], part.train.values
            scale = np.abs(known[SEASON:] - known[:-SEASON]).mean()
            error = np.abs(truth - made)
            smape = (200 * error / (np.abs(truth) + np.abs(made))).mean()
            both.append((smape, error.mean() / scale))
        return np.mean(both, axis=0)

    own = means([part.test.raw()[1] + 0.5 for part in data.parts])
    base = means([naive2(part) for part in data.parts])
    assert score.owa["network"] == pytest.approx(np.mean(own / base))
    last = means([np.repeat(p.test.raw()[0][:, -1:], HORIZON, axis=1) for p in data.parts])
    assert score.owa["persistence"] == pytest.approx(np.mean(last / base))
    assert score.owa["naive2"] == 1 and set(score.owa) == {"network", *score.baselines}
    assert json.loads(json.dumps(score.to_json()))["owa"] == score.owa


def test_owa_is_said_where_it_is_defined_and_asked_for():
    def headers(score, names):
        return [column.header for column in next(iter(report.score_tables(score, names))).columns]

    score, _ = scored(wave("a"), wave("b"))
    assert headers(score, ("smape", "mase")) == ["", "sMAPE %", "MASE", "OWA"]
    assert headers(score, ("rmse", "mase")) == ["", "RMSE", "MASE"]
    low = Series("low", wave().values - 14, season=SEASON)  # below zero there are no factors
    for others in ([], [still("still")], [low]):
        score, _ = scored(wave("a"), *others)
        assert score.owa == {} and score.to_json()["owa"] is None
        assert "OWA" not in headers(score, ("smape", "mase"))
