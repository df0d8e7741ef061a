"""Intervals of forecasts: what they rest on, how far they go, and what is said where there are none."""

import csv
import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest

from seqlab import cli, datasets, forecasts, intervals, plots, train
from seqlab.config import Config, DataConfig, ModelConfig, TrainConfig
from seqlab.datasets import Panel, Series
from seqlab.origins import at_origins
from seqlab.predict import Predictor

DATA = DataConfig("wave", window=8, horizon=3, look_back=True)


def wave(rows=150, size=1.0, name="wave"):
    noise = np.random.default_rng(0).normal(size=rows)
    return Series(name, size * (5 + np.sin(np.arange(rows)) + 0.1 * noise), season=7)


def made(folder, series=None, loss="mse", **changes):
    data = dataclasses.replace(DATA, **changes)
    config = Config(
        data,
        ModelConfig(layers=1, hidden=4, loss=loss),
        TrainConfig(steps=4, batch=16, evaluations=1),
    )
    return train.start(config, folder, data=datasets.split(series or wave(), data))


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """Of single numbers: direct, of two series, recursive with a short validation part, without one."""
    folder = tmp_path_factory.mktemp("runs")
    two = Panel("waves", (wave(name="a"), wave(size=10, name="b")))
    return {
        "direct": made(folder / "direct"),
        "several": made(folder / "several", two),
        "recursive": made(folder / "recursive", strategy="recursive", validation=40),
        "alone": made(folder / "alone", validate=False),
    }


class Last:
    """Repeats the last value."""

    horizon, distribution = 1, False

    def gives(self, levels):
        return False

    def __call__(self, windows):
        return np.repeat(windows.raw()[0][:, -1:], windows.horizon, axis=1)


def test_a_forecast_has_the_intervals_of_validation_errors(runs):
    """By hand for the first series: errors and the new window, each in what its window moves by."""
    run = runs["direct"]
    found = forecasts.forecast(run)
    part, predictor = run.split, Predictor(run)
    inputs, truth = part.validation.raw()
    moved = np.abs(inputs[:, 7:] - inputs[:, :-7]).mean(1)
    last = part.series.values[-8:]
    now = max(abs(last[7:] - last[:-7]).mean(), 0.1 * moved.mean())
    errors = (
        np.abs(truth - predictor(part.validation)) / np.maximum(moved, 0.1 * moved.mean())[:, None]
    )
    for share, (low, high) in found.bands.items():
        wide = now * np.sort(errors, axis=0)[int(np.ceil((len(errors) + 1) * share)) - 1]
        np.testing.assert_allclose(high - found.values, wide, rtol=1e-3)
        np.testing.assert_allclose(found.values - low, wide, rtol=1e-3)
    assert found.kind == "conformal" and list(found.bands) == [0.8, 0.95]


@pytest.mark.parametrize("name", ["direct", "several", "recursive"])
def test_they_are_those_of_evaluate_for_that_window_and_nested(runs, name):
    run = runs[name]
    ends = [np.array([len(part.series)]) for part in run.split.parts]
    windows, predictor = at_origins(run.split, run.config, ends), Predictor(run)
    wanted, _ = intervals.bands(predictor, run.split, windows, predictor(windows))
    for i, found in enumerate(forecasts.forecast_each(run)):
        (low, high), (lower, higher) = found.bands[0.8], found.bands[0.95]
        for share, ends in wanted.items():
            np.testing.assert_allclose(found.bands[share], [end[i] for end in ends], rtol=1e-6)
        assert (lower <= low).all() and (low < found.values).all()
        assert (found.values < high).all() and (high <= higher).all()


def test_they_hold_their_share_further_ahead_than_was_tested():
    """A walk, whose errors grow: four in five true values are inside, one step ahead and twelve."""
    values = np.random.default_rng(1).normal(size=9000).cumsum()
    config = DataConfig("walk", window=20, horizon=2, scaling="change", strategy="recursive")
    data = datasets.split(Series("walk", values), config)
    test = dataclasses.replace(data.test, horizon=12)
    made, kind = intervals.bands_ahead(Last(), data, test, Last()(test), 2)
    (low, high), truth = made[0.8], test.raw()[1]
    hit = ((low <= truth) & (truth <= high)).mean(0)
    assert kind == "conformal" and (abs(hit - 0.8) < 0.05).all()
    assert (high - low)[:, 11].mean() > 2.5 * (high - low)[:, 0].mean()


def test_larger_errors_make_them_wider():
    noise = np.random.default_rng(0).normal(size=600)
    widths = []
    for size in (1, 8):
        values = noise.copy()
        first = 600 - 2 * 90  # 15 % for each
        values[first : first + 90] *= 1 + (size - 1) * (np.arange(90) % 20 == 0)  # few, but large
        data = datasets.split(Series("noise", values), DataConfig("n", window=8, horizon=1))
        made, _ = intervals.bands_ahead(Last(), data, data.test, Last()(data.test), 1)
        widths.append((made[0.95][1] - made[0.95][0]).mean())
    assert widths[1] > 1.2 * widths[0]


def test_they_go_as_far_as_there_are_errors(runs, tmp_path, capsys):
    """Of 40 rows and the window before them, 19 windows are left up to 22 steps ahead."""
    run = runs["recursive"]
    (found,) = forecasts.forecast_each(run, 30)
    for ends in found.bands.values():
        assert all(np.isfinite(end[:22]).all() and np.isnan(end[22:]).all() for end in ends)
    out = tmp_path / "out.csv"
    assert cli.main(["forecast", str(run.path), "--steps", "30", "--csv", str(out)]) == 0
    said = capsys.readouterr().out
    assert "lower 80 %" in said and "none beyond step 22, for want of such errors" in said
    rows = list(csv.DictReader(out.read_text().splitlines()))
    assert float(rows[21]["lower 95 %"]) < float(rows[21]["wave"]) < float(rows[21]["upper 80 %"])
    assert rows[22]["lower 95 %"] == "" and float(rows[29]["wave"]) > 0
    assert cli.main(["forecast", str(run.path), "--steps", "30", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["intervals"] == "conformal" and "step 22" in told["notes"][0]
    assert told["forecast"][22]["upper_80"] is None
    assert told["forecast"][0]["lower_95"] < told["forecast"][0]["lower_80"]


def test_without_a_validation_part_the_remedy_is_named(runs, capsys):
    for command in ("forecast", "evaluate"):
        assert cli.main([command, str(runs["alone"].path)]) == 0
        said = capsys.readouterr().out
        assert "there is none. Train without --no-validation, or with --loss quantile" in said
    assert cli.main(["forecast", str(runs["alone"].path), "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["intervals"] == "none" and "lower_80" not in found["forecast"][0]
    assert cli.main(["forecast", str(runs["direct"].path)]) == 0
    assert "Intervals are conformal, as wide as errors on the validation" in capsys.readouterr().out


def test_a_validation_part_that_is_too_short_is_counted(tmp_path, capsys):
    run = str(made(tmp_path / "short", validation=5).path)
    for command in ("forecast", "evaluate"):
        assert cli.main([command, run]) == 0
        said = capsys.readouterr().out
        assert "validation part has 3 windows so far ahead, and they need 4. Train" in said


def test_the_picture_has_a_fan(runs):
    run = runs["direct"]
    figure = plots.forecasts([run.series], forecasts.forecast_each(run))
    labels = [one.get_label() for one in figure.axes[0].collections]
    assert labels == ["80 %", "95 %"]


def test_a_mean_has_the_intervals_that_all_have(runs, tmp_path):
    single = forecasts.forecast(runs["direct"])
    (found,) = forecasts.forecast_mean([runs["direct"], runs["recursive"]])
    other = forecasts.forecast(runs["recursive"])
    for share, ends in found.bands.items():
        np.testing.assert_allclose(ends, np.mean([single.bands[share], other.bands[share]], axis=0))
    assert list(found.bands) == [0.8, 0.95] and found.kind == "conformal"
    (found,) = forecasts.forecast_mean([runs["direct"], runs["alone"]])
    assert not found.bands and "Train without --no-validation" in found.about[0]
    likely = made(tmp_path / "likely", loss="gaussian")
    (found,) = forecasts.forecast_mean([runs["direct"], likely])
    assert found.kind == "mixed" and "lower 80 %" in found.columns and "mean" in found.about[0]
    assert Path(forecasts.write_csv(found, tmp_path / "f.csv")).read_text().count("lower") == 2
