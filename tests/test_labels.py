"""Columns of words that change in time: a column of 0 and 1 for each label of the training rows."""

import dataclasses
import json

import numpy as np
import pandas as pd
import pytest

from seqlab import cli, forecasts, panel_tables, runs, series_files
from seqlab.config import DataConfig
from seqlab.datasets import split
from seqlab.errors import SeqlabError
from seqlab.origins import at_origins
from seqlab.predict import Predictor
from seqlab.runs import Config

ROWS, AHEAD = 80, 2
CONFIG = DataConfig(
    "my.csv",
    "sales",
    "shop",
    past=("visits", "sky"),
    future=("day off", "price"),
    window=6,
    horizon=2,
)


def table(shops=("a", "b")):
    """Sales that a free day doubles; b sees snow, and all know a last free day of a new kind."""
    parts = []
    for name in shops:
        rows = np.arange(ROWS + AHEAD)
        free = np.where(rows % 7 == 5, "feast", "none").astype(object)
        sky = np.where(rows % 3 == 0, "rain", "sun").astype(object)
        sky[75:78], free[-1] = "snow" if name == "b" else "sun", "strike"
        part = pd.DataFrame({"shop": name, "day": pd.date_range("2024-01-01", periods=len(rows))})
        part["sales"] = 10.0 + rows % 4 + 10 * (free == "feast")
        part["visits"], part["sky"], part["day off"] = rows * 2.0, sky, free
        part["price"] = rows % 5 + 1.0
        part.loc[ROWS:, ["sales", "visits", "sky"]] = None
        parts.append(part)
    return pd.concat(parts, ignore_index=True).astype({"sales": float, "visits": float})


def test_each_label_of_the_training_rows_is_a_column_and_a_new_one_is_none():
    panel = panel_tables.read_frame(table(), CONFIG)
    assert panel.series[0].past_labels == ((), ("rain", "snow", "sun"))
    data = split(panel, CONFIG)
    inputs = data.parts[1].test.given(slice(None))
    # Sales and its level; visits, rain, sun; feast, none, price.
    assert inputs["past"].shape[-1] == 2 + 3 + 3 and inputs["future"].shape[-1] == 3
    rows = data.parts[1].test.first_row + np.arange(len(data.parts[1].test))[:, None]
    rows = rows + np.arange(CONFIG.window)
    sky = table()["sky"].to_numpy()[ROWS + AHEAD :]
    free = table()["day off"].to_numpy()
    np.testing.assert_array_equal(inputs["past"][..., 3], sky[rows] == "rain")
    np.testing.assert_array_equal(inputs["past"][..., 4], sky[rows] == "sun")
    assert (inputs["past"][..., 3:5].sum(axis=-1) == 0).sum() == (sky[rows] == "snow").sum() > 0
    np.testing.assert_array_equal(inputs["past"][..., 5], free[rows] == "feast")
    known = np.concatenate([part.series.past[: len(part.train.values), 0] for part in data.parts])
    visits = (panel.series[1].past[rows, 0] - known.mean()) / known.std()
    np.testing.assert_allclose(inputs["past"][..., 2], visits, rtol=1e-5)
    said = "Labels that training has not seen count as none: strike (2 rows), snow (3 rows)."
    assert data.notes == (said,)
    ends = at_origins(data, Config(CONFIG), [np.array([ROWS]), np.array([ROWS])]).given(slice(None))
    np.testing.assert_array_equal(ends["future"][0, :, :2], [[0, 1], [0, 0]])  # none, and a strike


def test_a_single_series_has_them_too():
    alone = panel_tables.read_frame(table("a"), dataclasses.replace(CONFIG, id=None))
    assert alone.future_labels == (("feast", "none", "strike"), ())
    assert split(alone, CONFIG).notes[0].endswith("count as none: strike (1 rows).")


def test_newer_rows_have_the_numbers_of_the_run_s_labels(tmp_path, monkeypatch, capsys):
    """Newer rows that lack a label, and have a new one, count theirs otherwise."""
    monkeypatch.chdir(tmp_path)
    whole = table()
    whole.to_csv("whole.csv", index=False)
    words = "--id shop --target sales --past visits sky --future price --window 6 --horizon 2"
    command = f"train whole.csv {words} --steps 3 --hidden 3 --layers 1 --quiet --out run"
    assert cli.main(command.split()) == 0
    run = runs.find("run")
    late = whole[whole["day"] >= "2024-03-12"].replace({"sky": {"rain": "hail"}})
    assert set(late["sky"].dropna()) == {"hail", "snow", "sun"}
    made = forecasts.forecast_each(run, data=late)
    known = panel_tables.read_frame(whole.replace({"sky": {"rain": "never"}}), run.config.data)
    data = dataclasses.replace(run.split, panel=known)
    parts = zip(data.parts, made, strict=True)
    for part, one in parts:
        rows = np.flatnonzero(part.series.past[:, 1] == 0)
        assert part.series.past_labels[1][0] == "rain" and len(rows)
        blank = part.series.past.copy()
        blank[rows, 1] = len(part.series.past_labels[1])  # no label that there is
        other = dataclasses.replace(part, series=dataclasses.replace(part.series, past=blank))
        ends = [np.array([ROWS])]
        alone = dataclasses.replace(data, parts=(other,))
        expected = Predictor(run.model, run.split.train, run.config.model)(
            at_origins(alone, run.config, ends)
        )
        np.testing.assert_allclose(one.values, expected[0], rtol=1e-5)
    assert "count as none: hail (" in made[0].about[0]
    late.assign(sky=1.0).to_csv("numbers.csv", index=False)
    assert cli.main(["forecast", "run", "--data", "numbers.csv"]) == 2
    said = capsys.readouterr().err
    assert "column 2 of --past: these rows have numbers, and the run words" in said


def test_labels_are_kept_with_a_run_and_checked(tmp_path):
    panel = panel_tables.read_frame(table(), CONFIG)
    arrays = series_files.arrays_of(panel)
    np.savez(tmp_path / "series.npz", **arrays)
    for one, other in zip(
        series_files.read(tmp_path / "series.npz").series, panel.series, strict=True
    ):
        assert one.past_labels == other.past_labels and one.future_labels == other.future_labels
        np.testing.assert_array_equal(one.future, other.future)
    about = json.loads(str(arrays["about"]))
    for labels in ([[["sun"]], []], [[], [[], [1]]], [1, 2]):
        about["series"][0]["labels"] = labels
        np.savez(tmp_path / "series.npz", **{**arrays, "about": np.array(json.dumps(about))})
        with pytest.raises(SeqlabError, match="Train the run again"):
            series_files.read(tmp_path / "series.npz")


@pytest.mark.parametrize("model", ["stacked", "encoder_decoder"])
def test_every_command_takes_them(tmp_path, monkeypatch, capsys, model):
    monkeypatch.chdir(tmp_path)
    words = ["--target", "sales", "--id", "shop", "--past", "sky", "--future", "day off"]
    words += ["--window", "6", "--horizon", "2", "--model", model, "--hidden", "8"]
    made = []
    for name, last in (("work", "none"), ("free", "feast")):
        whole = table()
        whole.loc[whole["day off"] == "strike", "day off"] = last
        whole.to_csv(f"{name}.csv", index=False)
        assert (
            cli.main(
                ["train", f"{name}.csv", *words, "--steps", "80", "--layers", "1", "--out", name]
            )
            == 0
        )
        assert "has not seen count as none: snow (3 rows)." in capsys.readouterr().out
        assert cli.main(["forecast", name, "--json"]) == 0
        made.append(json.loads(capsys.readouterr().out)["forecast"][1]["forecast"])
    assert made[1] > made[0] + 1  # it was told of the free day, and has learned what that means
    for command in (["evaluate"], ["backtest"], ["audit"]):
        assert cli.main([*command, "free"]) == 0
    again = ["backtest", "free", "--start", "2", "--retrain", "expanding"]
    assert cli.main(again) == 0
    assert len(runs.load("free").data.series) == 2


REFUSED = {
    "words among numbers": (
        lambda t: t.assign(price=t.price.astype(object).where(t.index != 3, "cheap")),
        r"row 4, column 'price': 'cheap' is not a number. Correct it .decimals have a point., or write",
    ),
    "numbers with a comma": (
        lambda t: t.assign(price="1,5"),
        r"row 1, column 'price': '1,5' is not a number. Correct it .decimals have a point.",
    ),
    "a hole": (
        lambda t: t.assign(sky=t.sky.where(t.index != 3)),
        r"row 4 \(2024-01-04\), column 'sky': no value, 1 in all",
    ),
    "words without end": (
        lambda t: t.assign(**{"day off": [f"note {i}" for i in range(len(t))]}),
        "column 'day off': 164 different labels, 'note 0' the first; at most 100 can be told apart",
    ),
}


@pytest.mark.parametrize("case", REFUSED)
def test_columns_that_cannot_be_used(case):
    change, expected = REFUSED[case]
    with pytest.raises(SeqlabError, match=expected):
        panel_tables.read_frame(change(table()), CONFIG)
