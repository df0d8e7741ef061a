"""Forecasts from many origins, from the end of series, and intervals around them."""

import csv
import dataclasses
import json
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from seqlab import cli, conformal, datasets, evaluate, forecasts, intervals, train
from seqlab.backtest import backtest
from seqlab.config import Config, DataConfig, ModelConfig, TrainConfig
from seqlab.datasets import Panel, Series
from seqlab.errors import SeqlabError
from seqlab.origins import at_origins
from seqlab.predict import Predictor

PNG = b"\x89PNG"
QUICK = TrainConfig(steps=40, batch=16, evaluations=2)


def wave(name="wave", rows=160, size=1.0):
    t = np.arange(rows)
    noise = 0.1 * np.random.default_rng(len(name)).normal(size=rows)
    days = pd.date_range("2024-01-01", periods=rows, freq="D")
    promo = (t % 5 == 0).astype(float)[:, None]
    values = size * (3 + np.sin(2 * np.pi * t / 7) + noise + promo[:, 0])
    return Series(name, values, days, 7, future=np.concatenate([promo, np.zeros((4, 1))]))


@pytest.fixture(scope="module")
def single(tmp_path_factory):
    config = Config(
        DataConfig("wave", window=8, horizon=3, look_back=True),
        ModelConfig(layers=1, hidden=6),
        QUICK,
    )
    plain = dataclasses.replace(wave(), future=None)
    data = datasets.split(plain, config.data)
    return train.start(config, tmp_path_factory.mktemp("runs") / "one", data=data)


@pytest.fixture(scope="module")
def several(tmp_path_factory):
    config = Config(
        DataConfig("waves", window=8, horizon=3, calendar=True, scaling="standard"),
        ModelConfig(layers=1, hidden=6, loss="gaussian"),
        QUICK,
    )
    panel = Panel("waves", (wave("a"), wave("bb", size=10), wave("ccc", 130)))
    data = datasets.split(panel, config.data)
    return train.start(config, tmp_path_factory.mktemp("runs") / "all", data=data)


def test_origins_see_what_lies_before_them_and_nothing_else(several):
    origins = [np.array([30, 157]), np.array([9]), np.array([130])]
    windows = at_origins(several.split, several.config, origins)
    inputs, targets = windows.raw()
    a, b, c = (part.series.values for part in several.split.parts)
    np.testing.assert_array_equal(inputs[0], a[22:30])
    np.testing.assert_array_equal(targets[1], a[157:])
    np.testing.assert_array_equal(inputs[2], b[1:9])
    np.testing.assert_array_equal(inputs[3], c[122:])
    assert not targets[3].any()  # behind the end
    given = windows.given(slice(None))
    clock = several.split.encoding.of(several.split.parts[2].series, 2, (), True, 3).future
    np.testing.assert_array_equal(given["future"][3], clock[130:133])


def test_the_test_part_is_what_a_backtest_over_it_finds(single):
    """Windows of the test part, and origins behind the first window, are the same windows."""
    score = evaluate.evaluate(single)
    made = backtest(single, step=2)
    np.testing.assert_allclose(made.score.forecast, score.forecast[::2], rtol=1e-6)
    np.testing.assert_array_equal(made.score.truth, score.truth[::2])
    for name, values in made.score.baselines.items():
        assert values["rmse"] > 0, name
    every = backtest(single).score
    assert every.metrics == pytest.approx(score.metrics, rel=1e-6)
    assert every.baselines.keys() == score.baselines.keys()
    for name, values in score.baselines.items():
        assert every.baselines[name] == pytest.approx(values, rel=1e-9), name
    assert every.copy_lag == score.copy_lag and every.first_row == score.first_row


def test_rows_that_the_network_knows_are_refused(single):
    with pytest.raises(
        SeqlabError, match=r"trained or chosen on rows up to .* --retrain expanding"
    ):
        backtest(single, start="100")


def test_origins_with_too_little_before_them_are_refused(single):
    with pytest.raises(SeqlabError, match=r"has 5 rows to look at, and the window is 8"):
        at_origins(single.split, single.config, [np.array([5])])


def test_columns_known_too_short_ahead_are_refused(several):
    with pytest.raises(SeqlabError, match=r"end 4 steps behind .* steps 5 to 6 need them"):
        at_origins(several.split, several.config, [np.array([160])] * 3, 6)


@pytest.mark.parametrize("retrain", ["expanding", "sliding"])
def test_a_network_for_each_origin_sees_no_row_behind_it(single, retrain, monkeypatch):
    seen = []
    fit = train._fit

    def watched(made, data, *rest):
        seen.append(data.series.values[: -data.test.horizon])
        return fit(made, data, *rest)

    monkeypatch.setattr(train, "_fit", watched)
    rows = 80 if retrain == "sliding" else None
    made = backtest(single, start="13", step=5, retrain=retrain, rows=rows)
    values, (origins,) = single.series.values, made.origins
    assert made.trained == len(origins) == 3
    for known, origin in zip(seen, origins, strict=True):
        np.testing.assert_array_equal(known, values[0 if rows is None else origin - rows : origin])
    np.testing.assert_array_equal(made.score.truth[1], values[origins[1] : origins[1] + 3])
    seen.clear()
    again = backtest(single, start="13", step=5, retrain=retrain, rows=rows)
    assert not seen  # they were kept
    np.testing.assert_array_equal(made.score.forecast, again.score.forecast)


def test_networks_for_each_origin_of_series_of_unequal_length(several, monkeypatch):
    """The k-th origins go together; a series with fewer is learned from, and forecast no more."""
    seen, fit = [], train._fit

    def watched(made, data, *rest):
        seen.append([part.series.values[: -data.test.horizon] for part in data.parts])
        return fit(made, data, *rest)

    monkeypatch.setattr(train, "_fit", watched)
    a, bb, c = (part.series.values for part in several.split.parts)
    made = backtest(several, start="2024-04-24", step=8, retrain="expanding")
    assert [of.tolist() for of in made.origins] == [[114, 122, 130, 138, 146, 154]] * 2 + [
        [114, 122]
    ]
    assert made.trained == len(seen) == 6
    for known, row, last in zip(seen, made.origins[0], [114] + [122] * 5, strict=True):
        for got, expected in zip(known, (a[:row], bb[:row], c[:last]), strict=True):
            np.testing.assert_array_equal(got, expected)
    score = made.score
    assert len(score.forecast) == len(score.truth) == 14 and score.bands
    np.testing.assert_array_equal(score.truth[6:8], [bb[114:117], bb[122:125]])
    size = {"a": 1, "bb": 10, "ccc": 1}
    for name, forecast in zip(made._windows()[0], score.forecast, strict=True):
        assert 1 < forecast.mean() / size[name] < 6  # each where its own series is


def test_origins_of_unequal_times_are_said_to_go_together_by_number(several, capsys):
    """The series end on different days, so that their test parts begin on different ones."""
    words = ["backtest", str(several.path), "--step", "20", "--retrain", "expanding"]
    assert cli.main(words) == 0
    said = "Origins go together by number, not by time: network 1 knows ccc up to 2024-04-19, and"
    said += " bb up to 2024-05-15. From --start with a time all begin at once."
    assert said in " ".join(capsys.readouterr().out.split())
    assert cli.main([*words, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["note"] == said
    assert backtest(several, start="2024-04-24", step=20, retrain="expanding").note == ""
    assert backtest(several, step=20).note == ""  # whose one network knows no test part


def test_a_missing_statsforecast_is_said_before_any_training(single, monkeypatch):
    monkeypatch.setitem(sys.modules, "statsforecast", None)
    monkeypatch.setattr(train, "start", None)
    with pytest.raises(SeqlabError, match=r"seqlab\[classical\]"):
        backtest(single, start="13", step=4, retrain="expanding", classical=True)


def test_a_forecast_goes_on_where_each_series_ends(several):
    found = forecasts.forecast_each(several)
    assert [one.name for one in found] == ["a", "bb", "ccc"]
    assert str(found[2].labels[0].date()) == "2024-05-10"
    ends = [np.array([len(part.series)]) for part in several.split.parts]
    predictor = Predictor(several.model, several.split.train, several.config.model)
    values = predictor(at_origins(several.split, several.config, ends))
    np.testing.assert_array_equal([one.values for one in found], values)
    assert list(found[1].quantiles) == [0.025, 0.1, 0.9, 0.975]
    _, low, high, _ = found[1].quantiles.values()
    assert (low < found[1].values).all() and (found[1].values < high).all()
    assert found[1].values.mean() > 5 * found[0].values.mean()


def test_a_recursive_network_goes_on_from_its_own_forecasts(tmp_path):
    config = Config(
        DataConfig("wave", window=8, horizon=3, strategy="recursive"),
        ModelConfig(layers=1, hidden=6),
        QUICK,
    )
    series = dataclasses.replace(wave(), future=None)
    run = train.start(config, tmp_path / "run", data=datasets.split(series, config.data))
    assert run.model.output_shape == (None, 1)
    predictor = Predictor(run.model, run.split.train)
    test = run.split.test
    known, found = test.raw(slice(4, 5))[0][0], predictor(test, np.array([4]))[0]
    for step in range(3):
        scaled = run.split.scaler.inputs(known[None, -8:])
        one = run.split.scaler.restore(known[None, -8:], run.model(scaled).numpy())
        assert found[step] == pytest.approx(one[0, 0], rel=1e-5)
        known = np.append(known, one)
    assert len(forecasts.forecast(run, 30).values) == 30
    np.testing.assert_allclose(
        forecasts.forecast(run, 30).values, predictor.ahead(series.values[-8:], 30), rtol=1e-5
    )


def test_steps_for_which_past_columns_are_not_known_are_refused(tmp_path):
    """A network of one step could go on by itself, were it not for columns that end with the values."""
    config = Config(
        DataConfig("wave", past=("visits",), window=8), ModelConfig(layers=1, hidden=4), QUICK
    )
    series = dataclasses.replace(wave(), future=None, past=np.arange(160.0)[:, None])
    run = train.start(config, tmp_path / "run", data=datasets.split(series, config.data))
    assert len(forecasts.forecast(run).values) == 1
    with pytest.raises(
        SeqlabError, match=r"--horizon 1, and asked for 5 steps.*\(visits\).*--horizon 5"
    ):
        forecasts.forecast(run, 5)


# Intervals


def test_margins_hold_the_share_that_they_promise():
    """Over many draws of errors the mean coverage is the nominal one, or a little more."""
    rng = np.random.default_rng(0)
    for share, count in ((0.8, 30), (0.95, 60)):
        covered = []
        for _ in range(2000):
            truth = rng.standard_t(3, (count, 1))
            covered.append(abs(rng.standard_t(3)) <= conformal.margins(abs(truth), share)[0])
        assert share - 0.02 < np.mean(covered) < share + 1 / count + 0.02


def test_too_few_windows_promise_nothing():
    errors = np.arange(10.0)[:, None]
    assert conformal.margins(errors, 0.95) is None
    assert conformal.margins(errors, 0.9)[0] == 9


def test_adaptive_margins_hold_their_share_where_errors_have_grown():
    """Half as wide again as on the held-back windows; the delay of ten steps must not hurt."""
    rng = np.random.default_rng(0)
    held_back, met = abs(rng.normal(size=(500, 10))), 1.5 * abs(rng.normal(size=(3000, 10)))
    for share in (0.8, 0.95):
        made = conformal.adaptive_margins(held_back, met, np.arange(3000), share)
        np.testing.assert_array_equal(made[0], conformal.margins(held_back, share))
        plain = (met <= conformal.margins(held_back, share)).mean()
        assert plain < share - 0.05 and abs((met <= made)[1000:].mean() - share) < 0.01


@pytest.mark.parametrize("stride", [1, 3])
def test_adaptive_margins_know_a_truth_when_it_is_there_and_no_sooner(stride):
    rng = np.random.default_rng(0)
    held_back, met = abs(rng.normal(size=(1000, 5))), abs(rng.normal(size=(90, 5)))
    begins, at = stride * np.arange(90), 60
    made = conformal.adaptive_margins(held_back, met, begins, 0.8)
    for step in range(5):
        newest = max(np.flatnonzero(begins + step < begins[at]))  # its row is in the input of `at`
        for window, known in ((newest, True), (newest + 1, False)):
            other = met.copy()
            other[window, step] = 99.0 if met[window, step] <= made[window, step] else 0.0
            moved = conformal.adaptive_margins(held_back, other, begins, 0.8)[at] != made[at]
            np.testing.assert_array_equal(moved, known & (np.arange(5) == step))


def test_evaluate_and_backtest_adapt_on_demand(single, capsys, monkeypatch):
    monkeypatch.setattr(conformal, "RATE", 0.1)  # there are few windows to learn from
    plain, adaptive = evaluate.evaluate(single), evaluate.evaluate(single, adaptive=True)
    assert {one.kind for one in adaptive.intervals} == {"adaptive"}
    assert (adaptive.bands[0.8][0] != plain.bands[0.8][0]).any()
    assert cli.main(["evaluate", str(single.path), "--adaptive"]) == 0
    assert "80 % (adaptive)" in capsys.readouterr().out
    tested = backtest(single, adaptive=True).score.bands[0.8]
    np.testing.assert_allclose(tested, adaptive.bands[0.8], rtol=1e-5)


def test_a_forecast_adapts_as_the_backtest_did_at_its_row(single, monkeypatch, capsys):
    monkeypatch.setattr(conformal, "RATE", 0.1)
    tested, series = backtest(single, adaptive=True), single.series
    for back in (0, 7):
        row = int(tested.origins[0][-1 - back])
        made = forecasts.forecast(single, data=series.between(0, row), adaptive=True)
        assert made.kind == "adaptive" and "test part" in made.about[0]
        low, up = tested.score.bands[0.8]
        np.testing.assert_allclose(made.bands[0.8], (low[-1 - back], up[-1 - back]), rtol=1e-5)
    plain = forecasts.forecast(single, data=series.between(0, row))
    assert plain.bands[0.8][0][0] != made.bands[0.8][0][0]
    assert cli.main(["forecast", str(single.path), "--adaptive"]) == 0
    assert "errors on validation and test part" in capsys.readouterr().out


def test_intervals_that_cannot_adapt_are_refused(single, several, capsys):
    assert cli.main(["forecast", str(several.path), "--adaptive"]) == 2
    assert "quantiles of the network's own" in capsys.readouterr().err
    assert cli.main(["evaluate", str(several.path), "--adaptive"]) == 2
    assert "quantiles of the network's own" in capsys.readouterr().err
    assert cli.main(["backtest", str(single.path), "--retrain", "expanding", "--adaptive"]) == 2
    assert "Leave out --adaptive" in capsys.readouterr().err


def test_conformal_intervals_are_around_the_forecast_and_of_each_series_scale(single):
    score = evaluate.evaluate(single)
    (one,) = [held for held in score.intervals if held.nominal == 0.8]
    low, high = score.bands[0.8]
    assert one.kind == "conformal" and one.coverage == np.mean(
        (low <= score.truth) & (score.truth <= high)
    )
    np.testing.assert_allclose((low + high) / 2, score.forecast, rtol=1e-5)


class Zeros:
    """Forecasts nothing but zeros."""

    horizon, distribution = 2, False

    def gives(self, levels):
        return False

    def __call__(self, windows):
        return np.zeros((len(windows), windows.horizon))


@pytest.mark.parametrize("scaling", ["change", "window"])
def test_conformal_intervals_hold_their_share_in_calm_and_in_wild_times(scaling):
    config = DataConfig("noise", window=40, horizon=2, scaling=scaling, look_back=True)
    sizes = np.repeat(np.tile([1.0, 6.0], 10), 300)
    noise = sizes * np.random.default_rng(0).normal(size=len(sizes))
    data = datasets.split(Series("noise", noise), config)
    test = data.test
    forecast = Zeros()(test)
    made, kind = intervals.bands(Zeros(), data, test, forecast, (0.8,))
    low, high = made[0.8]
    truth = test.raw()[1]
    hit = ((low <= truth) & (truth <= high)).mean(1)
    wild = sizes[test.first_row :][test.begins(slice(None)) + 40] > 1
    assert kind == "conformal"
    assert abs(hit[wild].mean() - 0.8) < 0.06 and abs(hit[~wild].mean() - 0.8) < 0.06


def test_a_window_that_stands_still_still_gets_an_interval():
    config = DataConfig("noise", window=5, horizon=2, scaling="change", look_back=True)
    values = np.random.default_rng(0).normal(size=600)
    values[540:560] = 0.0
    data = datasets.split(Series("noise", values), config)
    made, _ = intervals.bands(Zeros(), data, data.test, Zeros()(data.test), (0.8,))
    low, high = made[0.8]
    assert (high - low).min() > 0.02


def test_quantiles_of_the_network_are_its_intervals(several):
    score = evaluate.evaluate(several)
    assert [held.kind for held in score.intervals] == ["quantiles", "quantiles"]
    widths = [high - low for low, high in score.bands.values()]
    assert (widths[0] < widths[1]).all()
    names = np.repeat([name for name, _ in score.owners], [count for _, count in score.owners])
    assert widths[0][names == "bb"].mean() > 5 * widths[0][names == "a"].mean()


# Commands


def test_backtest_forecast_and_evaluate_of_several_series(several, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    run = str(several.path)
    assert cli.main(["backtest", run, "--step", "3", "--plot", "b.png"]) == 0
    said = capsys.readouterr().out
    assert "waves, backtest:" in said and "seasonal naive" in said and "80 % (quantiles)" in said
    assert Path("b.png").read_bytes().startswith(PNG)
    rows = list(csv.DictReader((several.path / "backtest.csv").read_text().splitlines()))
    assert {row["series"] for row in rows} == {"a", "bb", "ccc"} and rows[2]["step"] == "3"
    assert cli.main(["backtest", run, "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert len(found["origins"]) == found["windows"] and len(found["origins"][0]["forecast"]) == 3
    assert cli.main(["forecast", run, "--csv", "f.csv", "--plot", "f.png"]) == 0
    assert "bb" in capsys.readouterr().out
    rows = list(csv.DictReader(Path("f.csv").read_text().splitlines()))
    assert len(rows) == 9 and set(rows[0]) == {
        *("series", "time", "forecast"),
        *("quantile 0.025", "quantile 0.1", "quantile 0.9", "quantile 0.975"),
    }  # fmt: skip
    assert cli.main(["forecast", run, "--json"]) == 0
    first = json.loads(capsys.readouterr().out)["forecast"][0]
    assert first["series"] == "a" and first["quantile_0.1"] < first["forecast"]
    assert cli.main(["evaluate", run, "--mase", "--plot"]) == 0
    assert "The network" in capsys.readouterr().out
    assert (several.path / "plots/prediction.png").exists()


def test_kept_networks_are_of_their_origins_alone(single):
    """Another start makes other training parts; a kept network of later rows would know the truth."""
    first = backtest(single, start="9", step=5, retrain="expanding")
    second = backtest(single, start="14", step=5, retrain="expanding")
    alone = set(map(int, second.origins[0])) - set(map(int, first.origins[0]))
    assert alone and second.origins[0][0] < first.origins[0][0]
    known = {len(train.load_run(path).data) - 3 for path in (single.path / "backtest").iterdir()}
    assert known >= alone | set(map(int, first.origins[0]))


@pytest.mark.parametrize("start", ["1", "1000", "2030-01-01"])
def test_origins_that_cannot_be_are_refused_in_words(single, start):
    with pytest.raises(SeqlabError, match=r"Begin|trained or chosen"):
        backtest(single, start=start)


def test_intervals_of_a_recursive_network_grow_with_the_steps(tmp_path):
    """Margins are of each step ahead, though the network was validated on one."""
    for loss in ("mse", "gaussian"):
        config = Config(
            DataConfig("walk", window=8, horizon=6, strategy="recursive"),
            ModelConfig(layers=1, hidden=4, loss=loss),
            TrainConfig(steps=300, batch=16, evaluations=5),
        )
        walk = Series("walk", np.random.default_rng(0).normal(size=400).cumsum())
        data = datasets.split(walk, config.data)
        score = evaluate.evaluate(train.start(config, tmp_path / loss, data=data))
        low, high = score.bands[0.8]
        assert score.intervals[0].kind == "conformal"
        assert (high - low)[0, -1] > 1.5 * (high - low)[0, 0]
