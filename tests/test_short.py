"""Series with too few rows: listed, left out, or padded, where padding says what it is."""

import dataclasses
import json

import numpy as np
import pandas as pd
import pytest

from seqlab import backtest, cli, forecasts, panel_tables, runs, train
from seqlab.config import Config, DataConfig, ModelConfig, TrainConfig
from seqlab.datasets import Panel, Series, split
from seqlab.errors import SeqlabError
from seqlab.evaluate import evaluate
from seqlab.inspection import inspect

T, P = 8, 2
CONFIG = DataConfig("p", window=T, horizon=P, short="pad", scaling="standard")


def rising(rows, name="", base=100.0):
    """Values that say which row they are of."""
    columns = np.arange(rows + 4.0)[:, None]
    return Series(
        name or f"s{rows}", base + np.arange(rows), past=columns[:rows] + 1, future=columns
    )


PANEL = Panel("p", (rising(70), rising(14, base=500.0)))


def real(windows):
    """Of each window of one series, which input rows are values: those at or after its first row."""
    rows = windows.first_row + windows.begins(slice(None))[:, None] + np.arange(windows.window)
    return rows >= 0


def test_targets_are_values_each_in_one_part_and_padding_repeats_the_first():
    _, short = split(PANEL, CONFIG).parts
    found = []
    for windows in (short.train, short.validation, short.test):
        inputs, targets = windows.raw()
        assert targets.min() >= 500 and (np.diff(targets, axis=1) == 1).all()
        known = real(windows)
        assert (known.sum(axis=1) >= 2).all()
        assert (inputs[~known] == 500).all()
        np.testing.assert_array_equal(inputs[:, -1] + 1, targets[:, 0])
        found.append(np.unique(targets))
    rows = np.concatenate(found) - 500
    assert rows.tolist() == list(
        range(2, 14)
    )  # every row but the two that are never forecast, once
    assert not real(short.train)[0, :-2].any() and real(short.test)[0].all()


@pytest.mark.parametrize("difference", ["none", "season"])
@pytest.mark.parametrize("scaling", ["window", "recent", "mean"])
def test_a_window_is_measured_by_its_values_and_not_by_padding(scaling, difference):
    """A window of padding and three values is scaled as the three values alone are."""
    rng = np.random.default_rng(0)
    season = 2 if difference == "season" else None
    series = [Series(f"s{n}", 100 + rng.normal(size=n).cumsum(), season=season) for n in (90, 14)]
    config = dataclasses.replace(CONFIG, scaling=scaling, difference=difference)
    data = split(Panel("p", tuple(series)), config)
    alone = data.parts[1]
    inputs, targets = alone.train.raw()
    pads = (~real(alone.train)).sum(axis=1)
    assert pads.max() >= 4 and len(set(pads)) > 1
    for windows, offset in ((alone.train, 0), (data.train, len(data.parts[0].train))):
        own = np.arange(len(pads)) + offset
        given, asked = windows.batch(own)[:2]
        np.testing.assert_allclose(windows.restore(own, asked), targets, rtol=1e-5)
        scales = windows.scaler_of(own).scale(inputs)
        for w, pad in enumerate(pads):
            kept = inputs[w, pad:]
            assert scales[w] == pytest.approx(alone.scaler.scale(kept), rel=1e-6)
            if scaling != "recent":  # whose half is of the whole window
                expected = alone.scaler.inputs(kept)
                np.testing.assert_allclose(
                    given["past"][w, pad:, :1], expected, rtol=1e-4, atol=1e-5
                )
    copied = data.train.copied(np.array([offset]), 4)  # as a forecast on its own output has it
    first = data.train.scaler_of(np.array([offset])).scale(inputs[:1])
    np.testing.assert_array_equal(copied.scaler_of(slice(None)).scale(copied.raw()[0]), first)


def test_the_network_is_told_which_rows_are_padding():
    data = split(PANEL, CONFIG)
    given = data.train.given(slice(None))["past"]
    mark = given[..., 2]
    own = np.concatenate([real(part.train) for part in data.parts])
    np.testing.assert_array_equal(mark, own)
    assert not mark.all() and mark[data.train.owner == 0].all()
    # the value, the past column, the mark, the future column; which repeat their first row in padding
    assert given.shape[-1] == 4
    first = given[data.train.owner == 1][0]
    assert (first[:-2, [1, 3]] == first[-2, [1, 3]]).all() and (
        first[-1, [1, 3]] > first[-2, [1, 3]]
    ).all()


def test_long_series_are_cut_and_scaled_as_ever():
    padded, plain = split(PANEL, CONFIG).parts[0], split(PANEL.series[0], CONFIG)
    alone = split(PANEL.series[0], dataclasses.replace(CONFIG, short="error"))
    for one in (padded, plain):
        assert one.scaler == alone.scaler and not one.padding
        np.testing.assert_array_equal(one.test.raw()[1], alone.test.raw()[1])


@pytest.mark.parametrize("scaling", ["standard", "last"])
def test_constants_are_those_of_the_values(scaling):
    config = dataclasses.replace(CONFIG, scaling=scaling)
    part = split(PANEL, config).parts[1]
    values = part.series.values[: len(part.train.known)]
    np.testing.assert_array_equal(part.train.known, values)
    assert (part.scaler.mean, part.scaler.std) == (values.mean(), values.std())
    assert part.scaler.target_change != 1.0 or scaling != "last"


def test_the_place_in_the_season_goes_on_backwards():
    config = dataclasses.replace(CONFIG, season=5)
    part = split(PANEL, config, ("phase",)).parts[1]
    phases = part.train.given(slice(None))["phase"]
    assert phases[0] == -part.padding % 5 and (np.diff(phases) % 5 == 1).all()
    differenced = dataclasses.replace(config, difference="season")
    part = split(PANEL, dataclasses.replace(differenced, season=3)).parts[1]
    assert part.padding == T - 5  # the season's three rows, and two changes


def test_what_even_padding_does_not_help_is_listed():
    panel = Panel("p", (rising(70), rising(6), rising(5), *(rising(n) for n in range(14, 18))))
    with pytest.raises(SeqlabError) as refused:
        split(panel, CONFIG)
    assert str(refused.value).startswith(
        "2 of 7 series have too few rows: s6 (6 rows), s5 (5 rows). s6: even with padding, 6 rows;"
    )
    with pytest.raises(
        SeqlabError, match=r"s6 \(6 rows\).*--short drop, or pad them by --short pad"
    ):
        split(panel, dataclasses.replace(CONFIG, short="error"))
    dropped = split(panel, dataclasses.replace(CONFIG, short="drop"))
    assert list(dropped.left_out) == ["s6", "s5", "s14", "s15", "s16", "s17"]
    assert dropped.notes[0].startswith(
        "Left out by --short drop, because they have too few rows: s6"
    )
    assert "s17 (17 rows)" in dropped.notes[0] and dropped.notes[1].startswith(
        "s6: 6 rows; window 8"
    )
    assert split(PANEL, CONFIG).notes == ("Padded, because they have too few rows: s14 (14 rows).",)
    many = Panel("p", (rising(70), *(rising(4, f"x{i}") for i in range(12))))
    with pytest.raises(SeqlabError, match=r"x9 \(4 rows\), \.\.\. \(12 in all\)"):
        split(many, CONFIG)


def test_windows_are_shown_without_padding():
    found = inspect(split(PANEL, CONFIG).parts[1])
    first = found.parts[0]
    assert (first.rows.first, first.first.inputs.first, first.first.inputs.count) == (1, 1, 2)
    assert (first.first.targets.first, found.parts[-1].last.targets.last) == (3, 14)
    assert not [one for one in found.unused if one.never == "both"]


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    data = DataConfig("p", window=T, horizon=P, short="pad", calendar=False)
    config = Config(
        data, ModelConfig(cell="gru", layers=1, hidden=8), TrainConfig(steps=30, evaluations=2)
    )
    cut = split(PANEL, data)
    return train.start(config, tmp_path_factory.mktemp("runs") / "run", data=cut)


def test_a_run_is_scored_and_tested_on_values_alone(run):
    kept = runs.load(run.path)
    score = evaluate(kept)
    assert dict(score.owners)["s14"] == len(kept.split.parts[1].test)
    of_short = score.truth[-dict(score.owners)["s14"] :]
    assert of_short.min() >= 500 and of_short.max() == 513
    assert np.abs(score.baselines["drift"]["mae"]) < 1e-9  # the slope of the values, not of padding
    whole = backtest.backtest(kept)
    np.testing.assert_allclose(whole.score.forecast[-3:], score.forecast[-3:], rtol=1e-4)
    early = backtest.backtest(kept, start="3")
    assert [len(of) for of in early.origins] == [2, 2]


def test_a_forecast_behind_a_short_series_sees_its_padding(tmp_path):
    panel = Panel("p", (rising(70), rising(7, base=500.0)))
    data = dataclasses.replace(CONFIG, horizon=1)
    small = ModelConfig(cell="rnn", layers=1, hidden=4)
    made = train.start(
        Config(data, small, TrainConfig(steps=2, evaluations=1)),
        tmp_path / "run",
        data=split(panel, data),
    )
    from seqlab.origins import at_origins

    ends = [np.array([len(one)]) for one in panel.series]
    given = at_origins(made.split, made.config, ends).given(slice(None))["past"]
    assert given[1, :, 2].tolist() == [0, 1, 1, 1, 1, 1, 1, 1] and given[0, :, 2].all()
    assert np.isfinite([one.values for one in forecasts.forecast_each(made)]).all()


def test_the_commands_say_what_was_padded_and_left_out(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    parts = [
        pd.DataFrame({"shop": name, "sales": np.sin(np.arange(rows)) + 2})
        for name, rows in (("long", 80), ("short", 15))
    ]
    pd.concat(parts).to_csv("my.csv", index=False)
    words = ["my.csv", "--id", "shop", "--window", "8", "--horizon", "2", "--short"]
    assert cli.main(["windows", *words, "drop"]) == 0
    assert "Left out by --short drop, because they have too few rows: short (15 rows)." in (
        capsys.readouterr().out
    )
    assert cli.main(["windows", *words, "pad", "--json"]) == 0
    notes = json.loads(capsys.readouterr().out)["notes"]
    assert notes == ["Padded, because they have too few rows: short (15 rows)."]
    assert cli.main(["train", *words, "drop", "--steps", "2", "--hidden", "4"]) == 0
    assert "short (15 rows)" in capsys.readouterr().out


def shops(rows):
    """A long table; a shop of no rows has one in which nothing but its area is known."""
    parts = []
    for name, count in rows.items():
        days = pd.date_range("2024-01-01", periods=count).astype(str) if count else [None]
        sales = np.sin(np.arange(count)) + 2 if count else [None]
        parts.append(pd.DataFrame({"shop": name, "day": days, "sales": sales, "area": 3.0}))
    return pd.concat(parts, ignore_index=True).astype({"sales": float})


@pytest.mark.parametrize("what", ["drop", "pad"])
def test_json_has_every_short_series_where_a_table_counts_them(tmp_path, monkeypatch, capsys, what):
    monkeypatch.chdir(tmp_path)
    short = {f"s{i}": 16 for i in range(13)}
    shops({"long": 80, **short}).to_csv("my.csv", index=False)
    words = ["windows", "my.csv", "--id", "shop", "--target", "sales", "--window", "8"]
    words += ["--horizon", "2", "--short", what]
    assert cli.main(words) == 0
    assert "s9 (16 rows), ... (13 in all)." in capsys.readouterr().out
    assert cli.main([*words, "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert list(found["left_out" if what == "drop" else "padded"]) == list(short)
    assert what == "pad" or found["left_out"]["s12"].startswith("16 rows; window 8 + horizon 2")


@pytest.mark.parametrize("first", [True, False])
def test_series_without_any_value_are_dropped_and_named(tmp_path, monkeypatch, capsys, first):
    monkeypatch.chdir(tmp_path)
    rows = {"long": 80, "other": 80}
    table = shops({"none": 0, **rows} if first else {**rows, "none": 0})
    table.loc[table.shop == "other", "sales"] = np.nan  # whose rows have times
    table.to_csv("my.csv", index=False)
    words = ["my.csv", "--id", "shop", "--target", "sales", "--static", "area", "--window", "8"]
    words += ["--horizon", "2"]
    names = ["none", "other"] if first else ["other", "none"]
    listed = ", ".join(names)
    assert cli.main(["windows", *words]) == 2
    assert f"without any value: {listed}. Fill some in, or" in capsys.readouterr().err
    words += ["--short", "drop"]
    assert cli.main(["windows", *words]) == 0
    assert f"because no row has a value: {listed}." in capsys.readouterr().out
    assert cli.main(["windows", *words, "--json"]) == 0
    assert list(json.loads(capsys.readouterr().out)["left_out"]) == names
    assert cli.main(["train", *words, "--steps", "2", "--hidden", "4", "--out", "run"]) == 0
    assert f"because no row has a value: {listed}." in capsys.readouterr().out
    run = runs.load(tmp_path / "run")
    assert run.split.panel.empty == tuple(names)
    assert [one.file_row(0) for one in run.split.panel.series] == [2 if first else 1]
    wide = pd.DataFrame({"a": np.arange(80.0), "b": np.nan})
    panel = panel_tables.read_frame(wide, DataConfig("w", wide=True, short="drop"))
    assert (len(panel), panel.empty) == (1, ("b",))
    with pytest.raises(SeqlabError, match="no series has a value"):
        panel_tables.read_frame(wide * np.nan, DataConfig("w", wide=True, short="drop"))
