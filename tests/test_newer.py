"""Forecasts from newer rows than a run was trained on: the same numbers, and nothing fitted anew."""

import dataclasses
import json
import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from seqlab import backtest, cli, datasets, forecasts, intervals, train
from seqlab.config import Config, DataConfig, ModelConfig, TrainConfig
from seqlab.datasets import Series
from seqlab.errors import SeqlabError
from seqlab.newer import newer
from seqlab.origins import at_origins
from seqlab.predict import Predictor

ROWS, AHEAD = 130, 4
MORE, LESS = 10, 7  # rows after the run's own last one, and before it
SMALL = ModelConfig(cell="gru", layers=1, hidden=5)
COLUMNS = {"past": ("visits",), "future": ("promo",), "static": ("area",), "categories": ("kind",)}
KINDS = {
    "columns": (
        {"id": "shop", "target": "sales", "calendar": True, "scaling": "standard", **COLUMNS},
        {"loss": "gaussian"},
    ),
    "smoothed": ({"target": "sales", "scaling": "mean", "season": 7}, {"model": "smoothed"}),
    "smoothed several": (
        {"id": "shop", "target": "sales", "scaling": "mean", "season": 7},
        {"model": "smoothed"},
    ),
    "gaps": ({"target": "sales", "missing": "interpolate"}, {}),
    "changes": (
        {"target": "sales", "transform": "log", "difference": "season", "strategy": "recursive"},
        {},
    ),
    "padded": ({"id": "shop", "target": "sales", "short": "pad", "scaling": "window"}, {}),
    "paths": ({"target": "sales"}, {"model": "autoregressive", "loss": "student"}),
}


def table(several=True, gaps=False):
    """Days of shops of different size and length, with columns that are known ahead; a row per day."""
    rng, made = np.random.default_rng(0), []
    for number, (shop, rows) in enumerate((("b", ROWS), ("a", ROWS - 20), ("short", 43))):
        days = pd.date_range("2024-01-01", periods=ROWS + AHEAD)[ROWS - rows :]
        t = np.arange(len(days)) + ROWS - rows
        sales = 10.0 ** (number + 1) * np.exp(np.sin(t / 7 * 6.283) + 0.2 * rng.normal(size=len(t)))
        sales[rows:] = np.nan
        if gaps and not number:
            sales[[20, 50, 51, *(rows - MORE - LESS - np.array([2, 1])), rows - 4]] = np.nan
        frame = {"shop": shop, "day": days, "sales": sales, "visits": rng.normal(size=len(t))}
        frame |= {"promo": t % 5 == 0, "area": number, "kind": "ab"[number % 2]}
        made.append(pd.DataFrame(frame).assign(promo=lambda f: f.promo * 1.0))
    kept = made if several else made[:1]
    return pd.concat(kept, ignore_index=True)


def written(frame, path, less=0, ahead=True, first=0):
    """The rows of each shop as a file, without so many known ones at its end and its beginning."""
    pieces = []
    for _, rows in frame.groupby("shop", sort=False):
        known = len(rows) - AHEAD - less
        piece = rows.iloc[first : known + AHEAD if ahead else known].copy()
        piece.loc[piece.index[known - first :], ["sales", "visits"]] = np.nan
        pieces.append(piece)
    pd.concat(pieces).to_csv(path, index=False)
    return path


@pytest.fixture(scope="module", params=KINDS)
def case(request, tmp_path_factory):
    """A run, its table, and whether that has rows ahead."""
    folder, (data, model) = tmp_path_factory.mktemp("newer"), KINDS[request.param]
    frame = table("id" in data, request.param == "gaps")
    if "short" not in data:
        frame = frame[frame.shop != "short"]
    known = "future" in data
    path = written(frame, folder / "own.csv", MORE, known)
    usual = {"window": 17, "horizon": AHEAD, "look_back": True} | data
    config = Config(
        DataConfig(str(path), **usual),
        dataclasses.replace(SMALL, **model),
        TrainConfig(steps=12, batch=16, evaluations=1),
    )
    return train.start(config, folder / "run"), frame, known


def same(found, wanted, exactly=True):
    assert [one.name for one in found] == [one.name for one in wanted]
    equal = np.testing.assert_array_equal if exactly else np.testing.assert_allclose
    near = {} if exactly else {"rtol": 1e-6}
    for one, other in zip(found, wanted, strict=True):
        assert list(map(str, one.labels)) == list(map(str, other.labels))
        equal(one.values, other.values, **near)
        assert one.columns.keys() == other.columns.keys() and one.kind == other.kind
        for name, values in one.columns.items():
            equal(values, other.columns[name], **near)


def test_the_runs_own_file_gives_its_own_numbers(case):
    run, _, _ = case
    own = Path(run.config.data.source)
    wanted = forecasts.forecast_each(run)
    same(forecasts.forecast_each(run, data=own), wanted)
    same(forecasts.forecast_each(run, data=run.data), wanted)
    assert {one.kind for one in wanted} <= {"conformal", "none"} or wanted[0].quantiles


def test_from_another_row_it_is_what_a_backtest_forecasts_there(case, tmp_path):
    """A file that ends some rows earlier, and at that row the run's own backtest, with its intervals."""
    run, frame, known = case
    file = written(frame, tmp_path / "cut.csv", MORE + LESS, known)
    found = forecasts.forecast_each(run, data=file)
    tested = backtest.backtest(run, start=str(LESS), step=LESS)
    np.testing.assert_allclose([one.values for one in found], tested.score.forecast, rtol=1e-5)
    for share, (low, high) in tested.score.bands.items():
        for i, one in enumerate(found):
            ends = one.bands.get(share, ())
            for end, other in zip(ends, (low, high), strict=True):
                np.testing.assert_allclose(end, other[i], rtol=1e-5)
    assert found[0].bands or found[0].quantiles


def test_newer_rows_are_gone_on_from_with_the_constants_of_the_training(case, tmp_path):
    """By hand: the longer series, with the scalers and encodings of the run, from its last row."""
    run, frame, known = case
    file = written(frame, tmp_path / "all.csv", 0, known)
    whole = datasets.load(dataclasses.replace(run.config.data, source=str(file)))
    longer = datasets.split(whole, run.config.data, run.config.needs)
    parts = tuple(
        dataclasses.replace(part, scaler=own.scaler, encoding=own.encoding)
        for part, own in zip(longer.parts, run.split.parts, strict=True)
    )
    several = isinstance(run.split, datasets.PanelSplit)
    longer = dataclasses.replace(longer, parts=parts) if several else parts[0]
    windows = at_origins(longer, run.config, [np.array([len(p.series)]) for p in parts])
    predictor = Predictor(run)
    values = predictor(windows)
    bands, kind = intervals.bands(predictor, run.split, windows, values)
    found = forecasts.forecast_each(run, data=file)
    np.testing.assert_allclose([one.values for one in found], values, rtol=1e-6)
    for i, one in enumerate(found):
        assert str(one.labels[0].date()) == "2024-05-10"
        assert one.kind == kind and one.bands.keys() == bands.keys()
        for share, ends in one.bands.items():
            np.testing.assert_allclose(ends, [end[i] for end in bands[share]], rtol=1e-6)
    assert (found[0].values != forecasts.forecast_each(run)[0].values).all()


def test_where_a_file_begins_does_not_matter(case, tmp_path):
    """Its place in the season is found by the times; five rows are none of it."""
    run, frame, known = case
    if run.config.data.short == "pad":
        frame = frame[frame.shop != "short"]
    file = written(frame, tmp_path / "late.csv", MORE, known, first=5)
    wanted = [one for one in forecasts.forecast_each(run) if one.name != "short"]
    same(forecasts.forecast_each(run, data=file), wanted, exactly=False)


@pytest.fixture(scope="module")
def shops(tmp_path_factory):
    """A run of two shops, smoothed, so that it learns of each; and its file."""
    folder = tmp_path_factory.mktemp("shops")
    frame = table()
    frame = frame[frame.shop != "short"]
    path = written(frame, folder / "own.csv", MORE)
    data = DataConfig(
        str(path), "sales", "shop", scaling="mean", window=17, horizon=AHEAD, future=("promo",)
    )
    config = Config(
        data,
        dataclasses.replace(SMALL, model="smoothed"),
        TrainConfig(steps=12, batch=16, evaluations=1),
    )
    return train.start(config, folder / "run"), frame


def test_some_of_the_series_in_any_order(shops, tmp_path):
    run, frame = shops
    wanted = {one.name: one for one in forecasts.forecast_each(run)}
    turned = pd.concat([frame[frame.shop == shop] for shop in ("a", "b")])
    for name, rows in (("turned", turned), ("one", frame[frame.shop == "a"])):
        found = forecasts.forecast_each(run, data=written(rows, tmp_path / f"{name}.csv", MORE))
        same(found, [wanted[one.name] for one in found], exactly=False)
    file = written(frame, tmp_path / "ahead.csv", 0)
    seen = pd.read_csv(file)
    before = forecasts.forecast_each(run, data=seen)
    seen.loc[seen.sales.isna(), "promo"] = 1 - seen.promo  # what is known ahead is the new file's
    after = forecasts.forecast_each(run, data=seen)
    assert all((a.values != b.values).all() for a, b in zip(before, after, strict=True))


def put(frame, row, value):
    """The table with this value in the last known rows."""
    return frame.assign(sales=frame.sales.where(frame.index != frame.index[row - AHEAD], value))


# What is wrong with a table, and what is said of it.
WRONG = {
    "column": (
        lambda f: f.drop(columns="promo"),
        "no column 'promo'. Columns: shop, day, sales",
    ),
    "id": (
        lambda f: f.replace({"shop": {"a": "c"}}),
        "series 'c' is none of the 2 that .* was trained on.*Leave its rows out",
    ),
    "interval": (
        lambda f: f.assign(day=f.day[0] + 2 * (f.day - f.day[0])),
        "b: rows of the run are D apart, so that after 2024-01-01 .* comes 2024-01-02",
    ),
    "hours": (
        lambda f: f.assign(day=f.day + pd.Timedelta(hours=6)),
        "b: 2024-01-01 06:00:00 is no time of the run's rows",
    ),
    "zone": (
        lambda f: f.assign(day=f.day.dt.tz_localize("UTC")),
        "b: times are in the zone UTC, and the run's in None. Convert them",
    ),
    "times": (
        lambda f: f.drop(columns="day"),
        "the run have times, and these have none. Give rows of the same columns",
    ),
    "zero": (
        lambda f: put(f, -1, 0),
        r"a: row \d+ \(2024-05-09\) is 0, and the run takes logarithms",
    ),
    "gap": (lambda f: put(f, -3, np.nan), "missing values, the first in row"),
    "rows": (
        lambda f: f.groupby("shop", sort=False).tail(AHEAD + 5),
        "b: 5 rows, and a forecast looks at the last 17. Give more rows",
    ),
    "ahead": (
        lambda f: f[f.sales.notna()],
        "columns named by --future end 0 steps behind the last value",
    ),
}


@pytest.mark.parametrize("what", WRONG)
def test_rows_that_do_not_fit_are_named(shops, tmp_path, capsys, what):
    run, frame = shops
    file = tmp_path / "new.csv"
    wrong, words = WRONG[what]
    wrong(frame).to_csv(file, index=False)
    assert cli.main(["forecast", str(run.path), "--data", str(file)]) == 2
    said = capsys.readouterr().err
    assert said.count("\n") == 1 and re.search(words, said), said


def test_what_is_no_newer_data(shops, tmp_path):
    run, _ = shops
    with pytest.raises(SeqlabError, match=r"none\.csv: no such file"):
        newer(run, tmp_path / "none.csv")
    with pytest.raises(SeqlabError, match="trained on several, and this is one series"):
        newer(run, run.data.series[0])
    with pytest.raises(SeqlabError, match="none of the series"):
        newer(run, dataclasses.replace(run.data, series=()))


def test_rows_without_times_begin_where_the_runs_do(tmp_path):
    values = 5 + np.sin(np.arange(90) / 7 * 6.283)
    data = DataConfig("x", window=10, horizon=2, season=7, scaling="mean")
    quick = TrainConfig(steps=4, evaluations=1)
    made = {}
    for model in ("smoothed", "stacked"):
        config = Config(data, dataclasses.replace(SMALL, model=model), quick)
        cut = datasets.split(Series("x", values[:80]), data, config.needs)
        made[model] = train.start(config, tmp_path / model, data=cut)
        assert len(forecasts.forecast(made[model], data=Series("x", values)).values) == 2
    late = Series("x", values[3:])
    with pytest.raises(SeqlabError, match="no column 'x', which the run forecasts"):
        newer(made["stacked"], pd.DataFrame({"y": values}))
    with pytest.raises(SeqlabError, match="where in the season they begin"):
        forecasts.forecast(made["smoothed"], data=late)
    assert forecasts.forecast(made["stacked"], data=late).labels[0] == 88
    counts = Config(
        dataclasses.replace(data, scaling="none"),
        dataclasses.replace(SMALL, loss="negative_binomial"),
        quick,
    )
    cut = datasets.split(Series("x", np.round(values)), counts.data, counts.needs)
    run = train.start(counts, tmp_path / "counts", data=cut)
    with pytest.raises(SeqlabError, match="is of counts"):
        newer(run, Series("x", values))


def test_the_command_goes_on_from_the_newer_rows(shops, tmp_path, capsys):
    run, frame = shops
    file = written(frame, tmp_path / "all.csv")
    words = ["forecast", str(run.path), "--data", str(file), "--plot", str(tmp_path / "p.png")]
    assert cli.main([*words, "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["forecast"][0]["time"] == "2024-05-10" and told["data"] == str(file)
    assert cli.main(words) == 0
    assert f", from {file}: {AHEAD} steps after the last row." in capsys.readouterr().out
