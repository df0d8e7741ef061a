"""Gaps that are filled: what the file's rows became, and that no line over a gap looks ahead."""

import dataclasses

import numpy as np
import pandas as pd
import pytest

from seqlab import baselines, datasets, runs, tables
from seqlab.config import Config, DataConfig
from seqlab.repair import gaps_of, held, lines

NAN = float("nan")
CONFIG = DataConfig("my.csv", window=4, horizon=2, missing="interpolate", scaling="standard")
CUTS = (70, 85)  # of a hundred rows


def series(*gaps, rows=100):
    """A curve without straight stretches, its gaps filled: pairs of first row, and first row after."""
    values = np.arange(rows, dtype=float) ** 2
    for begin, end in gaps:
        values[begin:end] = NAN
    return tables.read_frame(pd.DataFrame({"v": values}), missing="interpolate")


def test_lines_are_straight_and_the_end_holds():
    found = lines(np.array([1, NAN, NAN, 4, NAN, 6, NAN, NAN], np.float32))
    np.testing.assert_array_equal(found, np.float32([1, 2, 3, 4, 5, 6, 6, 6]))
    assert found.dtype == np.float32


def test_rows_know_where_in_the_file_they_were():
    days = pd.to_datetime([f"2024-01-0{d}" for d in (1, 2, 3, 6, 7, 8)])
    frame = pd.DataFrame({"v": [NAN, 5.0, 6.0, 9.0, NAN, 11.0]}, days)
    filled = tables.read_frame(frame, missing="interpolate")
    np.testing.assert_allclose(filled.values, [5, 6, 7, 8, 9, 10, 11])
    np.testing.assert_array_equal(filled.repair.filled, np.array([0, 0, 1, 1, 0, 1, 0], bool))
    np.testing.assert_array_equal(filled.repair.file_rows, [2, 3, 0, 0, 4, 5, 6])
    np.testing.assert_array_equal(filled.repair.left_out, [1])
    assert [filled.label(i) for i in (1, 2)] == [
        "row 3 (2024-01-03)",
        "an inserted row (2024-01-04)",
    ]
    assert filled.times.freqstr == "D"
    dropped = tables.read_frame(frame, missing="drop")
    np.testing.assert_array_equal(dropped.repair.file_rows, [2, 3, 4, 6])
    np.testing.assert_array_equal(dropped.repair.left_out, [1, 5])
    assert not dropped.repair.filled.any()
    assert tables.read_frame(frame.dropna().iloc[:2]).repair is None


def test_times_of_day_are_said_where_there_are_some():
    hours = pd.date_range("2024-01-01", periods=30, freq="h")
    hourly = tables.read_frame(pd.DataFrame({"v": range(30)}, hours))
    assert [hourly.time(row) for row in (1, 24)] == ["2024-01-01 01:00:00", "2024-01-02 00:00:00"]


def test_rows_before_a_cut_hold_the_last_known_value():
    """A gap across the training cut: before it a constant, behind it the line."""
    data = datasets.split(series((67, 75)), CONFIG)
    assert (data.validation.first_row, data.test.first_row) == CUTS
    np.testing.assert_array_equal(data.train.values[-5:], [65**2, *[66**2] * 4])
    known, after = 66**2, 75**2
    line = known + (after - known) / 9 * np.arange(4, 9)
    np.testing.assert_allclose(data.validation.values[:5], line)
    assert data.scaler.mean == pytest.approx(np.mean([*(np.arange(67.0) ** 2), *[known] * 3]))


def test_a_window_that_ends_in_a_gap_holds_the_last_known_value():
    values = series((20, 26)).values
    train = datasets.split(series((20, 26)), CONFIG).train
    for begin, expected in {
        16: [16**2, 17**2, 18**2, 19**2],  # ends at the last value before the gap
        18: [18**2, 19**2, 19**2, 19**2],
        21: [19**2] * 4,  # all of it inside
        22: [19**2] * 4,
        23: values[23:27],  # ends behind the gap: sees the line
    }.items():
        for indices in (slice(begin, begin + 1), np.array([begin]), np.array([[begin]])):
            inputs, targets = train.raw(indices)
            np.testing.assert_array_equal(inputs.reshape(-1), expected)
            np.testing.assert_array_equal(targets.reshape(-1), values[begin + 4 : begin + 6])


def test_a_gap_over_a_whole_window_remembers_what_was_before_the_part():
    data = datasets.split(series((67, 78)), CONFIG)
    np.testing.assert_array_equal(data.validation.raw(slice(1))[0], [[66**2] * 4])


def test_the_seasonal_baseline_does_not_see_the_end_of_a_gap():
    filled = dataclasses.replace(series((90, 96)), season=3)
    data = datasets.split(filled, CONFIG)
    made = baselines.seasonal_naive(data)
    origin = 93  # inside the gap; a season before its next row lie 91 and 92
    row = origin - data.test.first_row - data.test.window + 1
    np.testing.assert_array_equal(made[row], [89**2] * 2)
    np.testing.assert_array_equal(made[0], [86**2, 87**2])


def test_nothing_is_copied_where_nothing_was_filled():
    whole = series()
    data = datasets.split(whole, CONFIG)
    assert gaps_of(whole.values, whole.repair) is None and data.train.gaps is None
    assert np.shares_memory(data.train.raw()[0], whole.values)
    inside = datasets.split(series((20, 26)), CONFIG)
    assert np.shares_memory(held(inside.train.values, inside.train.gaps), inside.train.values)


def test_a_run_keeps_what_was_filled(tmp_path):
    filled = series((20, 26), (69, 72))
    run = runs.create(Config(CONFIG), filled, tmp_path / "run")
    again = runs.load(run.path).series
    for name in ("filled", "file_rows", "left_out"):
        np.testing.assert_array_equal(getattr(again.repair, name), getattr(filled.repair, name))
    one, other = (datasets.split(s, CONFIG).train.batch(np.arange(60)) for s in (filled, again))
    np.testing.assert_array_equal(one[0], other[0])
