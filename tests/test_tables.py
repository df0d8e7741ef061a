"""A person's own table: what is read, what is inferred, and what is refused with its row."""

import time

import numpy as np
import pandas as pd
import pytest

from seqlab import tables
from seqlab.errors import SeqlabError

DAYS = pd.date_range("2024-01-01", periods=10).strftime("%Y-%m-%d").tolist()
VALUES = [3.5, 1, 4, 1, 5, 9, 2, 6, 5, 3]


def table(times, values, separator=",", names=("day", "sales")):
    rows = [names, *zip(times, values, strict=True)]
    return "".join(f"{separator.join(map(str, row))}\n" for row in rows)


def read(folder, text, target=None, missing="error", name="my.csv"):
    path = folder / name
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return tables.read(path, target, missing)


def refusal(folder, text, **options):
    with pytest.raises(SeqlabError) as caught:
        read(folder, text, **options)
    message = str(caught.value)
    assert message.startswith(str(folder)) and "\n" not in message
    return message.removeprefix(f"{folder}/my.csv: ")


# What is read


@pytest.mark.parametrize("separator", [",", ";", "\t"])
@pytest.mark.parametrize("end", ["\n", "\r\n"])
@pytest.mark.parametrize("mark", ["", "\ufeff"], ids=["plain", "bom"])
def test_a_csv_is_read_whatever_its_separator(tmp_path, separator, end, mark):
    series = read(tmp_path, mark + table(DAYS, VALUES, separator).replace("\n", end))
    np.testing.assert_array_equal(series.values, VALUES)
    assert series.name == "sales" and series.values.dtype == np.float64
    assert series.times.strftime("%Y-%m-%d").tolist() == DAYS


def test_a_separator_inside_quotes_does_not_count(tmp_path):
    series = read(tmp_path, table(DAYS, VALUES, ";", ('"day"', '"sales, net, EUR"')))
    np.testing.assert_array_equal(series.values, VALUES)


@pytest.mark.parametrize("form", ["column", "index"])
@pytest.mark.parametrize("end", [".parquet", ".pq"])
def test_parquet_keeps_float32_and_times(tmp_path, form, end):
    frame = pd.DataFrame({"day": pd.to_datetime(DAYS), "sales": np.float32(VALUES)})
    path = tmp_path / f"shop{end}"
    (frame.set_index("day") if form == "index" else frame).to_parquet(path)
    series = tables.read(path)
    assert series.values.dtype == np.float32 and series.season == 7 and series.name == "sales"
    np.testing.assert_array_equal(series.values, np.float32(VALUES))


@pytest.mark.parametrize("dtype", ["int8", "Int64", "float32", "object", "string"])
def test_a_frame_of_any_numeric_type_without_times(dtype):
    series = tables.read_frame(pd.DataFrame({"v": pd.Series([1, 0, 2, 1]).astype(dtype)}), "v")
    assert series.times is None and series.season is None
    np.testing.assert_array_equal(series.values, [1, 0, 2, 1])


def test_the_time_column_is_found_among_others(tmp_path):
    rows = "".join(f"{i},shop {i},{day},{i * 2},{i}\n" for i, day in enumerate(DAYS))
    series = read(tmp_path, "number,note,when,sales,visits\n" + rows, target="sales")
    np.testing.assert_array_equal(series.values, np.arange(10) * 2)
    assert str(series.times[3].date()) == DAYS[3]


SEASONS = {"h": 24, "D": 7, "B": 5, "W": 52, "W-WED": 52, "MS": 12, "ME": 12, "BMS": 12}
SEASONS |= {"QS": 4, "QE": 4, "YS": None, "2h": None, "2D": None, "15min": None}


@pytest.mark.parametrize(("freq", "season"), SEASONS.items())
def test_the_step_gives_the_season(freq, season):
    times = pd.date_range("2023-01-01", periods=40, freq=freq)
    frame = pd.DataFrame({"when": times.astype(str), "v": range(40)})
    series = tables.read_frame(frame)
    assert series.season == season
    assert series.times.freq is not None and (series.times == times).all()


def test_months_without_days_are_times(tmp_path):
    series = read(tmp_path, table([f"2023-{m:02}" for m in range(1, 13)], range(12)))
    assert (series.times.freqstr, series.season) == ("MS", 12)


@pytest.mark.parametrize("rows", [1, 2])
def test_one_or_two_rows_are_a_series(tmp_path, rows):
    assert len(read(tmp_path, table(DAYS[:rows], VALUES[:rows]))) == rows


# What is filled or dropped when asked


def test_interpolate_draws_straight_lines_holds_the_last_and_begins_with_the_first(tmp_path):
    values = ["", 2, "", "", 5, 6, 7, 8, 9, ""]
    series = read(tmp_path, table(DAYS, values), missing="interpolate")
    np.testing.assert_allclose(series.values, [2, 3, 4, 5, 6, 7, 8, 9, 9])
    assert str(series.times[0].date()) == DAYS[1]
    assert series.season == 7


@pytest.mark.parametrize("freq", ["h", "D", "MS", "ME", "QS", "YS"])
def test_interpolate_fills_gaps_in_time(freq):
    times = pd.date_range("2010-01-01", periods=12, freq=freq)
    frame = pd.DataFrame({"v": np.arange(12.0)}, times).drop(times[[4, 5, 8]])
    series, whole = (
        tables.read_frame(frame, missing="interpolate"),
        tables.read_frame(pd.DataFrame({"v": np.arange(12.0)}, times)),
    )
    np.testing.assert_allclose(series.values, np.arange(12))
    assert (series.times == times).all()
    assert series.times.freq is not None  # whose name pandas 2 may choose otherwise (QS-OCT)
    assert series.season == whole.season


@pytest.mark.parametrize(
    "words",
    [
        ["may", "march", "june"],
        ["January", "February", "April"],
        ["T1", "T2", "T3"],
        ["01", "02", "03"],
    ],
    ids=lambda words: words[0],
)
def test_words_that_pandas_takes_for_the_year_1_are_words(tmp_path, words):
    column = [words[i % 3] for i in range(len(DAYS))]
    rows = zip(column, DAYS, VALUES, strict=True)
    text = "m,day,sales\n" + "".join(f"{','.join(map(str, row))}\n" for row in rows)
    series = read(tmp_path, text, "sales")
    assert series.times[0] == pd.Timestamp(DAYS[0])


ZONES = [(" UTC", " EST"), ("+00", "-05"), ("+01", "+02"), (" EST", " EDT"), ("Z", "+01:00")]


@pytest.mark.parametrize("clock", [" 00:00", "T00:00:00", " 00", " 12:00:00.5"])
@pytest.mark.parametrize(("one", "other"), ZONES)
@pytest.mark.parametrize("row", [2, 9])
def test_times_of_two_zones_are_named(tmp_path, one, other, clock, row):
    times = [f"{day}{clock}{one if i < row else other}" for i, day in enumerate(DAYS)]
    found = refusal(tmp_path, table(times, VALUES))
    expected = f"'{times[row]}' is of another time zone than '{times[0]}'. Write all times in one"
    assert found.startswith(f"row {row + 1}, column 'day': {expected}")


@pytest.fixture(params=["UTC", "America/New_York"])
def here(request, monkeypatch):
    """Where this machine is, which pandas asks."""
    monkeypatch.setenv("TZ", request.param)
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


@pytest.mark.parametrize("zone", ["EST", "CET", "Europe/Berlin"])
@pytest.mark.parametrize("form", ["%Y-%m-%d 09:00", "%d/%m/%Y 09:00:00", "%a %d %b %Y 09:00"])
def test_times_of_one_zone_that_is_only_named_are_not_lost(tmp_path, here, form, zone):
    times = [f"{day:{form}} {zone}" for day in pd.to_datetime(DAYS)]
    found = refusal(tmp_path, table(times, VALUES))
    assert found.startswith(f"row 1, column 'day': {times[0]!r} names its time zone, {zone}, and")
    assert "Write its offset, such as +01:00" in found


def test_notes_that_begin_late_are_no_times(tmp_path):
    notes = pd.DataFrame(
        {"note": [None, None, "a word", *[None] * 7], "day": DAYS, "sales": VALUES}
    )
    assert read(tmp_path, notes.to_csv(index=False)).season == 7
    times = [None, *(f"{day} 09:00 EST" for day in DAYS[1:])]
    assert refusal(tmp_path, table(times, VALUES)).startswith("row 2, column 'day': ")


@pytest.mark.parametrize("word", ["8:30 open", "2024 fine", "at 8:30 EST"])
def test_words_behind_a_clock_are_no_times(tmp_path, word):
    frame = pd.DataFrame({"note": [word] * 10, "day": DAYS, "sales": VALUES})
    assert read(tmp_path, frame.to_csv(index=False)).season == 7


@pytest.mark.parametrize("ends", [("Z", "+00:00"), (" UTC", " GMT"), (" AM", " PM"), ("", "")])
def test_what_only_looks_like_two_zones_is_none(tmp_path, ends):
    times = [f"{day} 09:00{ends[i % 2]}" for i, day in enumerate(DAYS)]
    series = read(tmp_path, table(times, VALUES), missing="drop")
    assert series.times is not None and len(series) == 10


@pytest.mark.parametrize("zone", ["", "T00:00:00Z", " 12:00:00+01:00"])
@pytest.mark.parametrize("years", [range(1500, 1510), range(1672, 1682), range(2255, 2265)])
def test_years_out_of_range_are_named(tmp_path, years, zone):
    text = table([f"{year}-01-01{zone}" for year in years], VALUES)
    with pytest.raises(SeqlabError, match="is not in the years 1678 to 2261"):
        read(tmp_path, text)


def test_years_out_of_range_are_named_in_an_index():
    index = pd.DatetimeIndex(np.array([f"15{i}-01-01" for i in range(10, 20)], "datetime64[s]"))
    with pytest.raises(SeqlabError, match="row 1, column 'index': 1510-01-01 00:00:00 is not in"):
        tables.read_frame(pd.DataFrame({"v": np.arange(10.0)}, index))


def test_drop_leaves_out_rows_and_takes_the_others_as_even(tmp_path):
    values = [1, "", 3, "", 5, 6, 7, 8, 9, 10]
    series = read(tmp_path, table(DAYS, values), missing="drop")
    np.testing.assert_array_equal(series.values, [1, 3, 5, 6, 7, 8, 9, 10])
    assert len(series.times) == 8 and series.times.freq is None and series.season is None


@pytest.mark.parametrize("day", ["2024-01-20", "2024-03-04"], ids=["gap", "uneven"])
def test_drop_ignores_uneven_times(tmp_path, day):
    series = read(tmp_path, table([*DAYS[:9], day], VALUES), missing="drop")
    np.testing.assert_array_equal(series.values, VALUES)


# What is refused, with its row counted from 1 after the header


def changed(values, **at):
    return [at.get(f"r{row}", value) for row, value in enumerate(values, 1)]


REFUSALS = {
    "text": (
        table(DAYS, changed(VALUES, r3="abc")),
        "row 3, column 'sales': 'abc' is not a number",
    ),
    "missing": (
        table(DAYS, changed(VALUES, r3="", r4="NA", r9="")),
        "column 'sales': 3 missing values, the first in row 3 (2024-01-03). Use --missing interpolate",
    ),
    "all missing": (table(DAYS, [""] * 10), "column 'sales' holds no values"),
    "infinite": (table(DAYS, changed(VALUES, r5="-inf")), "row 5, column 'sales': infinite value"),
    "unsorted": (
        table([*DAYS[:3], DAYS[1], *DAYS[4:]], VALUES),
        "row 4: time 2024-01-02 00:00:00 comes after 2024-01-03 00:00:00. Sort",
    ),
    "backwards": (table(DAYS[::-1], VALUES), "row 2: time 2024-01-09 00:00:00 comes after"),
    "duplicate": (
        table([*DAYS[:4], DAYS[3], *DAYS[5:]], VALUES),
        "row 5: time 2024-01-04 00:00:00 is there twice",
    ),
    "gap": (
        table([*DAYS[:4], *DAYS[6:]], VALUES[2:]),
        "row 5: time 2024-01-07 00:00:00 follows 2024-01-04 00:00:00; 2 times of step 1 days"
        " are missing in all. Use --missing interpolate",
    ),
    "gap of months": (
        table([f"2023-{m:02}-01" for m in (1, 2, 3, 4, 7, 8, 9)], range(7)),
        "row 5: time 2023-07-01 00:00:00 follows 2023-04-01 00:00:00; 2 times of step 1 months",
    ),
    "wild time": (
        table([*pd.date_range("2024", periods=9, freq="s"), "2034-01-01 00:00:00"], VALUES),
        "row 10: time 2034-01-01 00:00:00 follows 2024-01-01 00:00:08: too far for the usual step",
    ),
    "not a time": (
        table(changed(DAYS, r4="soon"), VALUES),
        "row 4, column 'day': 'soon' is not a time like the others",
    ),
    "no time": (table(changed(DAYS, r4=""), VALUES), "row 4, column 'day': nan is not a time"),
    "header only": ("day,sales\n", "it has a header but no rows"),
    "header without an end": ("day,sales", "it has a header but no rows"),
    "empty": ("", "the file is empty"),
    "blank": (" \n\n ", "the file is empty"),
    "zero byte": (b"\x89PNG\r\n\x1a\n\0\0", "not a text file (byte 8 is zero)"),
    "latin-1": ("day,Verk\u00e4ufe\n1,2\n".encode("latin-1"), "not a CSV file in UTF-8"),
    "ragged": ("a,b\n1,2\n1,2,3,4\n", "not a CSV file in UTF-8: Error tokenizing"),
    "two columns": ("a,b\n1,2\n", "2 columns hold numbers alone: choose one with --target"),
    "no numbers": ("day,who\n2024-01-01,Bo\n", "0 columns hold numbers alone"),
}


@pytest.mark.parametrize("case", REFUSALS)
@pytest.mark.filterwarnings("error")
def test_refused_with_the_row(tmp_path, case):
    text, expected = REFUSALS[case]
    target = "sales" if case == "all missing" else None
    message = refusal(tmp_path, text, target=target)
    assert message.startswith(expected), message
    assert ". " in message or ": choose" in message  # and says what to do about it


@pytest.mark.parametrize("missing", ["interpolate", "drop"])
@pytest.mark.parametrize("case", ["text", "infinite", "unsorted", "duplicate", "all missing"])
def test_no_flag_mends_what_is_wrong(tmp_path, case, missing):
    text, expected = REFUSALS[case]
    assert expected in refusal(tmp_path, text, target="sales", missing=missing)


@pytest.mark.parametrize("missing", ["error", "interpolate"])
def test_times_off_the_step_are_refused(tmp_path, missing):
    hours = [f"{day} 00:00" for day in DAYS]
    message = refusal(
        tmp_path, table(changed(hours, r4=f"{DAYS[3]} 05:00"), VALUES), missing=missing
    )
    assert message.startswith("row 4: time 2024-01-04 05:00:00 is off the usual step of 1 days")


def test_a_missing_column_lists_the_others(tmp_path):
    message = refusal(tmp_path, table(DAYS, VALUES), target="price")
    assert message == "no column 'price'. Columns: day, sales"


def test_a_frame_is_refused_without_a_file_name():
    twice = pd.DataFrame([[1, 2]], columns=["v", "v"])
    with pytest.raises(SeqlabError, match=r"^two columns are called 'v'\. Rename one$"):
        tables.read_frame(twice, "v")
    index = pd.DatetimeIndex(["2024-01-01", None, "2024-01-03"])
    with pytest.raises(SeqlabError, match=r"^row 2: no time\. Fill it in$"):
        tables.read_frame(pd.DataFrame({"v": [1.0, 2, 3]}, index))


def test_files_that_are_none(tmp_path):
    with pytest.raises(SeqlabError, match=r"this is a folder\. Name one file"):
        tables.read(tmp_path)
    with pytest.raises(SeqlabError, match=r"nope\.csv: no such file\. `seqlab data` lists"):
        tables.read(tmp_path / "nope.csv")
    with pytest.raises(SeqlabError, match=r"my\.parquet: not a Parquet file: .*\. Save it as such"):
        read(tmp_path, table(DAYS, VALUES), name="my.parquet")


@pytest.mark.parametrize("form", ["%d/%m/%Y", "%d.%m.%Y", "%m/%d/%Y"])
@pytest.mark.parametrize("freq", ["D", "MS"])
def test_the_day_may_come_first(form, freq):
    days = pd.date_range("2024-01-01", periods=40, freq=freq)
    frame = pd.DataFrame({"day": days.strftime(form), "sales": np.arange(40.0)})
    assert list(tables.read_frame(frame).times) == list(days)


def test_a_file_without_a_header_is_refused(tmp_path):
    path = tmp_path / "my.csv"
    path.write_text("2024-01-01,3.5\n2024-01-02,4.5\n")
    with pytest.raises(SeqlabError, match="no header"):
        tables.read(path)
