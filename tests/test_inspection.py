"""`seqlab windows`: which rows are in which windows, numbered as in the file."""

import dataclasses
import json
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest

from seqlab import cli, datasets, inspection, tables
from seqlab.config import DataConfig

CONFIG = DataConfig("v", window=5, horizon=3)


def inspect(series, **options):
    return inspection.inspect(datasets.split(series, dataclasses.replace(CONFIG, **options)))


def counting(rows=200):
    return datasets.Series("v", np.arange(rows, dtype=float))


def ends(rows):
    return rows.first, rows.last


@pytest.mark.parametrize("validate", [True, False])
def test_windows_hold_the_rows_that_they_say(validate):
    """Values are row numbers less one, so the windows themselves say where they lie."""
    data = datasets.split(counting(), dataclasses.replace(CONFIG, validate=validate))
    found = inspection.inspect(data)
    assert [p.name for p in found.parts] == [n for n in ("train", "validation", "test") if
                                             validate or n != "validation"]  # fmt: skip
    for part, windows in zip(found.parts, inspection.parts(data).values(), strict=True):
        inputs, targets = windows.raw()
        assert part.windows == len(inputs)
        for window, i in ((part.first, 0), (part.last, -1)):
            assert ends(window.inputs) == (inputs[i, 0] + 1, inputs[i, -1] + 1)
            assert ends(window.targets) == (targets[i, 0] + 1, targets[i, -1] + 1)
        assert ends(part.rows) == (windows.values[0] + 1, windows.values[-1] + 1)
        unused = {u.never: ends(u.rows) for u in found.unused if u.part == part.name}
        numbers = windows.values + 1
        for never, used in (("input", inputs), ("target", targets)):
            missing = np.setdiff1d(numbers, used + 1)
            assert unused[never] == (missing[0], missing[-1])


def test_reasons_name_the_border():
    reasons = {(u.part, u.never): u.reason for u in inspect(counting()).unused}
    assert reasons["train", "target"] == "the series begins"
    assert reasons["test", "input"] == "the series ends"
    assert "crosses the cut before" in reasons["test", "target"]
    assert "crosses the cut behind" in reasons["train", "input"]


def test_rows_are_those_of_the_file():
    days = pd.date_range("2024-01-01", periods=200)
    values = np.arange(200.0)
    values[[0, 1, 50, 51]] = np.nan
    frame = pd.DataFrame({"v": values}, days).drop(days[100:103])  # rows 98 and on have moved up
    drawn = inspect(tables.read_frame(frame, missing="interpolate"))
    train = drawn.parts[0]
    assert (train.rows.first, train.rows.begin) == (3, "2024-01-03")
    assert train.filled == 5 and train.rows.count == drawn.rows.count - 60
    assert drawn.parts[-1].rows.last == 197 and drawn.parts[-1].rows.end == "2024-07-18"
    assert [ends(u.rows) for u in drawn.unused if u.never == "both"] == [(1, 2)]
    dropped = inspect(tables.read_frame(frame, missing="drop"))
    assert [ends(u.rows) for u in dropped.unused if u.never == "both"] == [(1, 2), (51, 52)]
    assert dropped.rows.count == 193


def test_rows_between_parts_are_in_no_window():
    data = datasets.split(counting(), CONFIG)
    late = dataclasses.replace(data.test, values=data.test.values[4:], first_row=174)
    found = inspection.inspect(dataclasses.replace(data, test=late))
    assert [ends(u.rows) for u in found.unused if u.never == "both"] == [(171, 174)]


def test_the_command_prints_windows_cuts_and_unused_rows(capsys):
    assert cli.main(["windows", "airline", "--window", "12", "--horizon", "3"]) == 0
    said = " ".join(capsys.readouterr().out.split())
    for words in (
        "airline: 144 rows, window 12, horizon 3",
        "train 1 to 100 1949-01-01 to 1957-04-01 100 86 0",
        "row 100 (1957-04-01) | row 101 (1957-05-01)",
        "train, last 86 to 97 1956-02-01 to 1957-01-01 98 to 100 1957-02-01 to 1957-04-01",
        "98 to 100 3 train an input no window crosses the cut behind them",
        "Every row is in a window.",
    ):
        assert words in said


def test_json_holds_the_same(capsys):
    assert cli.main(["windows", "airline", "--window", "12", "--horizon", "3", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    (one,) = found["series"]
    assert found["data"] == "airline" and one["name"] == "airline"
    assert [(c["before"], c["behind"]) for c in one["cuts"]] == [(100, 101), (122, 123)]
    assert one["parts"][0]["last"]["targets"] == {
        "first": 98, "last": 100, "begin": "1957-02-01", "end": "1957-04-01", "count": 3,
    }  # fmt: skip


def test_it_does_without_tensorflow(tmp_path):
    command = [sys.executable, "-Ximporttime", "-m", "seqlab", "windows", "airline"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=True)
    imported = {line.split("|")[-1].strip() for line in done.stderr.splitlines()}
    assert "rich" in imported and not imported & {"tensorflow", "keras", "matplotlib"}
