"""Exports of networks that see more than values: rows of a table go in, or constants are built in."""

import json

import numpy as np
import pandas as pd
import pytest
from test_export import needs, through
from test_predict import finished, wave

from seqlab import cli, panel_tables
from seqlab.config import EXPORTS, DataConfig
from seqlab.datasets import Panel
from seqlab.errors import SeqlabError
from seqlab.export import export
from seqlab.origins import at_origins
from seqlab.predict import Predictor

WINDOW, HORIZON = 14, 3


def shop(name="shop", size=1.0):
    """A series with two columns known up to a row and one known ahead, each of its own scale."""
    rng = np.random.default_rng(len(name))
    past = rng.normal([20, -3], [5, 0.1], (90, 2))
    return wave(name, size, past=past, future=rng.normal(1e3, 100, (90 + HORIZON, 1)))


def table(series, begins):
    """What `docs/export.md` says, one number after the other."""
    rows = np.full((len(begins), WINDOW + HORIZON, 4), 1e6)  # what is not looked at
    for made, begin in zip(rows, begins, strict=True):
        made[:, 3] = series.future[begin : begin + WINDOW + HORIZON, 0]
        for step in range(WINDOW):
            made[step, 0] = series.values[begin + step]
            made[step, 1:3] = series.past[begin + step]
    return rows


def run_of(path, data, **options):
    return finished(path, data, past=("visits", "price"), future=("promo",), **options)


@pytest.fixture(scope="module")
def stacked(tmp_path_factory):
    return run_of(tmp_path_factory.mktemp("shop") / "run", shop(), difference="season")


def check(run, kind, out, part, series=None):
    """Forecasts from tables that are made here are those from windows, which the run makes."""
    assert export(run, kind, out, series).difference <= 1e-5
    wanted = Predictor(run.model, part.test, run.config.model)(part.test)
    begins = part.test.first_row + np.arange(len(part.test))
    found = through(out, kind, table(part.series, begins))
    assert np.ptp(wanted) > 0.01
    assert np.abs(found - wanted).max() <= 1e-5 * part.series.values.std()


@pytest.mark.filterwarnings("ignore:.*tf.lite.Interpreter:UserWarning")
@pytest.mark.parametrize("kind", EXPORTS)
def test_rows_of_a_table_go_in(kind, stacked, tmp_path):
    needs(kind)
    check(stacked, kind, tmp_path / "out", stacked.split)
    about = json.loads((tmp_path / "out/about.json").read_text())
    assert about["takes"] == {
        "name": "rows",
        "shape": ["batch", WINDOW + HORIZON, 4],
        "columns": ["value", "visits", "price", "promo"],
    }
    assert about["gives"] == {"name": "forecast", "shape": ["batch", HORIZON]}


def test_a_decoder_for_one_series_of_several(tmp_path):
    data = Panel("shops", (shop("a"), shop("big", 100.0)))
    run = run_of(tmp_path / "run", data, model="encoder_decoder", scaling="standard")
    check(run, "numpy", tmp_path / "out", run.split.parts[1], "big")
    assert cli.main(["export", str(run.path), "--format", "numpy"]) == 2


def test_columns_known_up_to_a_row_alone(tmp_path):
    run = finished(tmp_path / "run", wave(past=shop().past), past=("visits", "price"))
    assert export(run, "numpy").difference <= 1e-5


# What a caller codes: words by their number, times by their day and second, a season by the row


def numbered(column, labels):
    """As `about.json` has it: the number of a label in its list, counted from 0."""
    return np.array([labels.index(label) for label in column], float)


@pytest.mark.filterwarnings("ignore:.*tf.lite.Interpreter:UserWarning")
@pytest.mark.parametrize("kind", EXPORTS)
def test_words_and_times_are_numbers_in_the_table(kind, worded, tmp_path):
    needs(kind)
    run, frame = worded
    assert export(run, kind, tmp_path / "out").difference <= 1e-5
    takes = json.loads((tmp_path / "out/about.json").read_text())["takes"]
    assert takes["columns"] == ["value", "sky", "open", "day", "second"]
    assert takes["labels"] == {"sky": ["rain", "sun"], "open": ["no", "yes"]}
    times = pd.to_datetime(frame["time"])
    columns = [
        frame["sales"],
        *(numbered(frame[name], takes["labels"][name]) for name in ("sky", "open")),
        (times.dt.normalize() - pd.Timestamp("1970-01-01")).dt.days,
        times.dt.hour * 3600,
    ]
    rows = np.column_stack(columns).astype(float)
    test = run.split.test
    begins = test.first_row + np.arange(len(test))
    raw = np.stack([rows[begin : begin + WINDOW + HORIZON] for begin in begins])
    found = through(tmp_path / "out", kind, raw)
    wanted = Predictor(run)(test)
    assert np.abs(found - wanted).max() <= 1e-5 * run.series.values.std()
    for column in range(1, 5):  # each of them says something
        other = raw.copy()
        other[..., column] = np.roll(other[..., column], 5, axis=1) + (column > 2)
        assert np.abs(through(tmp_path / "out", kind, other) - found).max() > 1e-3


def test_no_two_columns_have_one_name(tmp_path):
    """Whoever fills the table by name would take the words of one `day` for the other's numbers."""
    frame = pd.DataFrame(
        {
            "time": pd.date_range("2023-12-20", periods=90, freq="5h").astype(str),
            "sales": 3 + wave(rows=90).values,
            "value": np.arange(90.0) % 4,
            "day": ["holiday", "work", "work"] * 30,
        }
    )
    data = {"target": "sales", "past": ("value",), "future": ("day",), "calendar": True}
    series = panel_tables.read_frame(frame, DataConfig("sales", **data))
    export(finished(tmp_path / "run", series, **data), "numpy", tmp_path / "out")
    takes = json.loads((tmp_path / "out/about.json").read_text())["takes"]
    assert takes["columns"] == ["value_", "value", "day", "day_", "second"]
    assert takes["labels"] == {"day": ["holiday", "work"]}


@pytest.fixture(scope="module")
def worded(tmp_path_factory):
    """A run of a table of words and times, from the end of a year on, and the table."""
    rng = np.random.default_rng(3)
    frame = pd.DataFrame(
        {
            "time": pd.date_range("2023-12-20", periods=120, freq="5h"),
            "sales": 3 + wave(rows=120).values,
            "sky": rng.choice(["sun", "rain"], 120),
            "open": rng.choice(["yes", "no"], 120),
        }
    )
    frame["time"] = frame["time"].astype(str)
    data = {"past": ("sky",), "future": ("open",), "calendar": True}
    config = DataConfig("sales", target="sales", **data)
    series = panel_tables.read_frame(frame, config)
    path = tmp_path_factory.mktemp("worded") / "run"
    return finished(path, series, target="sales", **data), frame


@pytest.mark.filterwarnings("ignore:.*tf.lite.Interpreter:UserWarning")
@pytest.mark.parametrize("kind", EXPORTS)
def test_smoothing_is_told_the_row(kind, tmp_path):
    needs(kind)
    series = tuple(
        wave(name, size, static=np.array([size]), categories=(name[0],))
        for name, size in (("a", 1.0), ("big", 100.0))
    )
    data = {"static": ("size",), "categories": ("kind",), "scaling": "mean"}
    run = finished(tmp_path / "run", Panel("two", series), model="smoothed", loss="mae", **data)
    assert export(run, kind, tmp_path / "out", "big").difference <= 1e-5
    part = run.split.parts[1]
    begins = part.test.first_row + np.arange(len(part.test))
    raw = np.zeros((len(begins), WINDOW + HORIZON, 2))
    raw[:, :WINDOW, 0] = part.test.raw()[0]
    raw[:, :, 1] = begins[:, None] + np.arange(WINDOW + HORIZON)
    wanted = Predictor(run.model, part.test, run.config.model)(part.test)
    found = through(tmp_path / "out", kind, raw)
    assert np.abs(found - wanted).max() <= 1e-5 * part.series.values.std()
    raw[:, :, 1] += 1
    assert np.abs(through(tmp_path / "out", kind, raw) - found).max() > 1e-3


# What is known of a series as a whole


def test_attributes_of_the_named_series_are_constants(tmp_path):
    series = [
        wave(name, 1.0, static=np.array([float(number)]), categories=(name,))
        for number, name in enumerate("abc")
    ]
    data = Panel("three", tuple(series))
    run = finished(tmp_path / "run", data, static=("size",), categories=("kind",))
    raw = series[0].values[:WINDOW]
    found = {}
    for number, name in enumerate("ac"):
        export(run, "numpy", tmp_path / name, name)
        found[name] = through(tmp_path / name, "numpy", raw)
        assert np.abs(Predictor(run)(raw, series=name) - found[name]).max() <= 1e-5
        part = run.split.parts[2 * number]
        windows = at_origins(part, run.config, [np.array([WINDOW])])
        wanted = Predictor(run)(windows)[0]  # each series' own values, which are equal
        assert np.abs(wanted - found[name]).max() <= 1e-5
    assert np.abs(found["a"] - found["c"]).max() > 1e-3
    assert cli.main(["export", str(run.path), "--format", "numpy"]) == 2  # of which series?


def test_padding_is_in_no_window_of_an_export(tmp_path):
    data = Panel("two", (wave("long"), wave("short", rows=48)))
    run = finished(tmp_path / "run", data, short="pad")
    assert run.split.parts[1].padding
    export(run, "numpy", tmp_path / "out", "short")
    part = run.split.parts[1]
    windows = at_origins(part, run.config, [np.array([40])])
    raw = part.series.values[40 - WINDOW : 40]
    found = through(tmp_path / "out", "numpy", raw)
    assert np.abs(found - Predictor(run)(windows)[0]).max() <= 1e-5


def test_a_series_without_a_whole_window_is_refused(tmp_path):
    data = Panel("two", (wave("long", rows=200), wave("short", rows=16)))
    run = finished(tmp_path / "run", data, short="pad", test="4", validation=4, window=20)
    with pytest.raises(SeqlabError, match=r"short: 16 rows hold no window of 20.*--series"):
        export(run, "numpy", tmp_path / "out", "short")
