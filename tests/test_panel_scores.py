"""Scores over several series: those that a metric leaves out are named."""

import json

import numpy as np
import pytest

from seqlab import evaluate, report
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
