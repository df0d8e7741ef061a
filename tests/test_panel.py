"""Several series and the columns beside their values: tables, encodings, windows, splits."""

import dataclasses
import itertools
from decimal import Decimal

import numpy as np
import pandas as pd
import polars
import pyarrow as pa
import pytest
from pyarrow import parquet as pq

from seqlab import calendars, inspection, models, panel_tables, series_files, tables, train
from seqlab._safe_models import load_model
from seqlab._tensorflow import tf
from seqlab.config import Config, DataConfig, ModelConfig, TrainConfig
from seqlab.datasets import Panel, PanelSplit, Series, split
from seqlab.errors import SeqlabError
from seqlab.origins import at_origins
from seqlab.windows import Windows

FACTS = models.Facts(sizes=(3,))
DAYS = pd.date_range("2024-01-01", periods=40, freq="D")
CONFIG = DataConfig(
    "shops.csv",
    "sales",
    "shop",
    past=("visits",),
    future=("promo",),
    static=("area",),
    categories=("region",),
    window=4,
    horizon=2,
)


def long_table(ahead=3):
    """Two shops, 40 days of b between those of a, and rows ahead for which promo alone is known."""
    parts = []
    for number, (name, region) in enumerate([("a", "north"), ("b", "south")]):
        days = pd.date_range("2024-01-01", periods=40 + ahead, freq="D")
        rows = np.arange(40.0 + ahead)
        part = pd.DataFrame(
            {"shop": name, "day": days.astype(str), "sales": 100 * (number + 1) + rows}
        )
        part["visits"] = 7 * rows + number
        part["promo"] = (rows % 3 == number).astype(float)
        part["area"], part["region"] = 50 * (number + 1), region
        part.loc[40:, ["sales", "visits"]] = np.nan
        parts.append(part)
    return pd.concat(parts).sort_values(["day", "shop"], ignore_index=True)


def test_a_long_table_gives_a_series_per_id_and_its_columns():
    panel = panel_tables.read_frame(long_table(), CONFIG)
    a, b = panel.series
    assert (a.name, b.name, len(a), len(b)) == ("a", "b", 40, 40)
    np.testing.assert_array_equal(b.values, 200 + np.arange(40.0))
    np.testing.assert_array_equal(b.past[:, 0], 7 * np.arange(40.0) + 1)
    np.testing.assert_array_equal(a.future[:, 0], np.arange(43) % 3 == 0)
    assert (a.static, b.categories) == (np.array([50.0]), ("south",))
    assert a.times[-1] == pd.Timestamp("2024-02-09") and a.season == 7


def test_a_wide_table_gives_a_series_per_column():
    frame = pd.DataFrame({"day": DAYS, "x": np.arange(40.0), "y": -np.arange(40.0), "promo": 1.0})
    panel = panel_tables.read_frame(frame, DataConfig("f", wide=True, future=("promo",)))
    assert [one.name for one in panel.series] == ["x", "y"]
    np.testing.assert_array_equal(panel.series[1].values, -np.arange(40.0))
    assert panel.series[0].future.shape == (40, 1)


def wide_table(**cells):
    """Three series and two columns of words, with another cell in row 8 of some."""
    columns = {c: np.arange(40.0) for c in "abc"}
    frame = pd.DataFrame({"day": DAYS.astype(str), **columns, "note": "fine", "code": "A1"})
    frame = frame.astype(object)
    for name, cell in cells.items():
        frame.loc[7, name] = cell
    return frame


@pytest.mark.parametrize("read", ["frame", "csv"])
def test_a_column_spoilt_by_a_word_is_named_and_not_left_out(tmp_path, read):
    def panel(**cells):
        wide_table(**cells).to_csv(tmp_path / "wide.csv", index=False)
        if read == "csv":
            return panel_tables.read(tmp_path / "wide.csv", DataConfig("f", wide=True))
        return panel_tables.read_frame(wide_table(**cells), DataConfig("f", wide=True))

    assert [one.name for one in panel().series] == ["a", "b", "c"]
    with pytest.raises(SeqlabError, match="row 8, column 'b': 'oops' is not a number"):
        panel(b="oops")
    assert panel(b=10**20).series[1].values[7] == 1e20  # in no integer of 64 bits
    with pytest.raises(SeqlabError, match="row 8, column 'b': 1e\\+40 is more than"):
        panel(b=10**40)


def test_gaps_of_one_series_keep_the_rows_of_the_file():
    table = long_table(0)
    table.loc[(table.shop == "b") & (table.day == "2024-01-05"), "sales"] = np.nan
    config = dataclasses.replace(CONFIG, missing="interpolate")
    a, b = panel_tables.read_frame(table, config).series
    assert not a.repair.filled.any()
    assert b.repair.filled.nonzero()[0].tolist() == [4] and b.values[4] == 204.0
    assert b.file_row(4) == table.index[(table.shop == "b") & (table.day == "2024-01-05")][0] + 1


@pytest.mark.parametrize("order", [["day", "shop"], ["shop", "day"]], ids=" ".join)
def test_rows_are_those_of_the_file_where_nothing_was_filled(order, tmp_path):
    table = long_table().sort_values(order, ignore_index=True)
    panel = panel_tables.read_frame(table, CONFIG)
    arrays = series_files.arrays_of(panel)
    np.savez(tmp_path / "series.npz", **arrays)
    for one in (*panel.series, *series_files.read(tmp_path / "series.npz").series):
        own = table.index[(table.shop == one.name) & table.sales.notna()] + 1
        assert [one.file_row(row) for row in range(len(one))] == own.tolist()
    whole = inspection.inspect(split(panel, CONFIG).parts[1]).rows
    assert (whole.first, whole.last, whole.count) == (own[0], own[-1], 40)


def test_polars_frames_do_as_well():
    class Polars:  # the part of it that is used
        def to_dict(self, as_series):
            assert not as_series
            return long_table().to_dict("list")

    assert len(panel_tables.read_frame(Polars(), CONFIG)) == 2


def test_a_real_polars_frame_gives_the_same_series():
    table = long_table()
    table["day"] = pd.to_datetime(table["day"])
    frame = polars.DataFrame(table.to_dict("list"))
    frame = frame.with_columns(
        polars.col("sales", "visits").fill_nan(None)
    )  # which it knows beside NaN
    frame = frame.with_columns(polars.col("region").cast(polars.Categorical))
    expected = panel_tables.read_frame(table, CONFIG)
    both = (panel_tables.read_frame(f, CONFIG).series for f in (frame, frame.lazy()))
    for one, other in zip(itertools.chain(*both), expected.series * 2, strict=True):
        for name in ("values", "past", "future", "static"):
            np.testing.assert_array_equal(getattr(one, name), getattr(other, name))
        assert (one.name, one.season, one.categories) == (other.name, 7, other.categories)
        assert (one.times == other.times).all()
    dates = polars.DataFrame({"day": [d.date() for d in DAYS], "v": np.arange(40.0)})
    single = tables.read_frame(dates)
    assert (single.times == DAYS).all() and len(single) == 40
    holes = dates.with_columns(polars.when(polars.col("v") != 3).then(polars.col("v")).alias("v"))
    with pytest.raises(SeqlabError, match=r"1 missing values, the first in row 4 \(2024-01-04\)"):
        tables.read_frame(holes)


@pytest.mark.parametrize("read", ["pandas", "arrow", "polars", "parquet"])
def test_decimals_are_numbers_of_every_role(read, tmp_path):
    table = long_table()
    for name in ("sales", "visits", "promo", "area"):
        table[name] = [None if np.isnan(v) else Decimal(f"{v:.2f}") for v in table[name]]
    if read == "parquet":
        table.to_parquet(tmp_path / "t.parquet")
        assert pq.read_schema(tmp_path / "t.parquet").field("sales").type.bit_width == 128
        table = pd.read_parquet(tmp_path / "t.parquet")
    if read == "arrow":
        table = pa.Table.from_pandas(table).to_pandas(types_mapper=pd.ArrowDtype)
    if read == "polars":
        table = polars.DataFrame(table.to_dict("list"))
        assert table.schema["sales"].is_decimal()
    found, wanted = (panel_tables.read_frame(t, CONFIG) for t in (table, long_table()))
    for one, other in zip(found.series, wanted.series, strict=True):
        for name in ("values", "past", "future", "static"):
            np.testing.assert_array_equal(getattr(one, name), getattr(other, name))
    alone = table[["sales"]] if read == "polars" else table.loc[:79, ["sales"]]
    assert len(tables.read_frame(alone[:80])) == 80  # it is found without its name, too


def test_what_is_no_table_is_refused():
    with pytest.raises(SeqlabError, match="must be a DataFrame of pandas or polars"):
        tables.read_frame([1.0, 2.0])


REFUSED = {
    "no such column": (lambda t: t.drop(columns="promo"), "no column 'promo'"),
    "an attribute that changes": (
        lambda t: t.assign(area=np.arange(len(t))),
        "series 'a' .*column 'area': .* is the same in all its rows",
    ),
    "a label among numbers": (
        lambda t: t.assign(promo=t.promo.astype(object).where(t.day != "2024-01-03", "yes")),
        "row 3, column 'promo': 'yes' is not a number. Correct it",
    ),
    "a hole in what is known ahead": (
        lambda t: t.assign(promo=t.promo.where(t.day != "2024-02-10")),
        r"row 41 \(2024-02-10\), column 'promo': no value, 1 in all, at steps ahead 1\.",
    ),
    "holes in what is known ahead and before": (
        lambda t: t.assign(promo=t.promo.where(~t.day.isin(["2024-01-09", "2024-02-11"]))),
        r"row 9 \(2024-01-09\), column 'promo': no value, 2 in all, at steps ahead 2\.",
    ),
    "an infinite value": (
        lambda t: t.assign(sales=t.sales.where((t.shop != "b") | (t.day != "2024-01-03"), np.inf)),
        "series 'b' .*row 3, column 'sales': infinite value",
    ),
    "an infinite value beside": (
        lambda t: t.assign(visits=t.visits.where(t.day != "2024-01-03", -np.inf)),
        "series 'a' .*row 3, column 'visits': infinite value",
    ),
    "an infinite attribute": (
        lambda t: t.assign(area=t.area.where(t.shop != "b", np.inf)),
        "series 'b' .*row 1, column 'area': infinite value",
    ),
    "an attribute beyond float32": (
        lambda t: t.assign(area=t.area.astype(float).where(t.shop != "b", 1e39)),
        "series 'b' .*row 1, column 'area': 1e\\+39 is more than",
    ),
    "an attribute of words": (
        lambda t: t.assign(area="large"),
        "series 'a' .*row 1, column 'area': 'large' is not a number. Use --categories",
    ),
    "two time zones": (
        lambda t: t.assign(day=t.day + np.where(t.shop == "a", " 00:00+01:00", " 00:00+02:00")),
        r"row 2, column 'day': '2024-01-01 00:00\+02:00' is of another time zone than '2024-01-01 00:00",
    ),
    "a time twice": (
        lambda t: t.assign(day=t.day.replace("2024-01-05", "2024-01-04")),
        "series 'a' .*row 5: time 2024-01-04 00:00:00 is there twice",
    ),
    "no id": (
        lambda t: t.assign(shop=t["shop"].where(t.index != 3)),
        "row 4, column 'shop': no id",
    ),
    "rows ahead with a gap": (
        lambda t: t[~t.day.isin(["2024-02-10"])].reset_index(drop=True),
        "2024-02-11 .*does not go on from 2024-02-09.* 2024-02-10 .*comes next",
    ),
}


@pytest.mark.parametrize("case", REFUSED)
def test_tables_that_cannot_be_used(case):
    change, expected = REFUSED[case]
    with pytest.raises(SeqlabError, match=expected):
        panel_tables.read_frame(change(long_table()), CONFIG)


def test_two_roles_for_one_column_are_refused():
    with pytest.raises(SeqlabError, match="'promo' was given two roles"):
        panel_tables.read_frame(long_table(), dataclasses.replace(CONFIG, past=("promo",)))


# Windows


def test_no_window_mixes_two_series_and_each_has_its_own_scaler():
    config = dataclasses.replace(CONFIG, scaling="standard")
    data = split(panel_tables.read_frame(long_table(), config), config)
    inputs, targets = data.train.raw()
    assert len(data.train) == sum(len(part.train) for part in data.parts)
    rows = np.concatenate([inputs, targets], axis=1)
    assert (np.diff(rows, axis=1) == 1).all()  # within one series each row is one more
    given, asked = data.train.batch(np.arange(len(data.train)))
    for number, part in enumerate(data.parts):
        own, own_asked = part.train.batch(np.arange(len(part.train)))
        mine = data.train.owner == number
        np.testing.assert_allclose(given["past"][mine], own["past"], rtol=1e-6)
        np.testing.assert_allclose(asked[mine], own_asked, rtol=1e-6)
        restored = data.train.restore(mine.nonzero()[0], asked[mine])
        np.testing.assert_allclose(restored, targets[mine], rtol=1e-6)


def test_columns_are_those_of_their_rows_and_scaled_on_the_training_parts():
    data = split(panel_tables.read_frame(long_table(), CONFIG), CONFIG)
    last = len(data.test) - 1
    given, _ = data.test.batch(np.array([0, last]))
    b = data.parts[1]
    rows = b.test.first_row + len(b.test) - 1 + np.arange(6)  # of the last window, targets included
    cut = len(b.train.values)
    promo = np.concatenate([part.series.future[:cut, 0] for part in data.parts])
    expected = (b.series.future[rows, 0] - promo.mean()) / promo.std()
    np.testing.assert_allclose(given["past"][1, :, -1], expected[:4], rtol=1e-6)
    np.testing.assert_allclose(given["future"][1, :, 0], expected[4:], rtol=1e-6)
    visits = np.concatenate([part.series.past[:cut, 0] for part in data.parts])
    np.testing.assert_allclose(
        given["past"][1, :, -2],
        (b.series.past[rows[:4], 0] - visits.mean()) / visits.std(),
        rtol=1e-6,
    )
    np.testing.assert_allclose(given["static"], [[-1], [1]])
    assert given["categories"].tolist() == [[1], [2]]


def test_what_lies_behind_the_cuts_does_not_reach_the_training():
    panel = panel_tables.read_frame(long_table(), CONFIG)
    clean = split(panel, CONFIG)
    cut = len(clean.parts[0].train.values)

    def spoilt(one):
        values, past, future = one.values.copy(), one.past.copy(), one.future.copy()
        values[cut:], past[cut:], future[cut:] = 1e6, -1e6, 1e6
        return dataclasses.replace(one, values=values, past=past, future=future)

    dirty = split(Panel("p", tuple(map(spoilt, panel.series))), CONFIG)
    every = np.arange(len(clean.train))
    (one, asked), (other, asked_too) = clean.train.batch(every), dirty.train.batch(every)
    np.testing.assert_array_equal(asked, asked_too)
    for name in one:
        np.testing.assert_array_equal(one[name], other[name])


def test_rows_behind_the_end_keep_series_apart():
    """Every array of a joined set is as long as the values, also where values do not exist yet."""
    panel = panel_tables.read_frame(long_table(), CONFIG)
    config = Config(dataclasses.replace(CONFIG, scaling="mean"), ModelConfig("smoothed"))
    data = split(panel, config.data, config.needs)
    ends = [np.array([40])] * 2
    joined = at_origins(data, config, ends).given(slice(None))
    for number, part in enumerate(data.parts):
        one = PanelSplit(data.panel, (part,), data.encoding)
        alone = at_origins(one, config, ends[:1]).given(slice(None))
        for name in set(alone) - {"series"}:
            np.testing.assert_array_equal(joined[name][number], alone[name][0], err_msg=name)


def test_a_second_network_of_levels_and_seasons_in_one_process(tmp_path):
    """Keras numbers layers of one class; the season's factors must find theirs all the same."""
    season = dataclasses.replace(CONFIG, scaling="mean", season=3)
    config = Config(season, ModelConfig("smoothed"), TrainConfig(steps=1, evaluations=1))
    data = split(panel_tables.read_frame(long_table(), CONFIG), season, config.needs)
    for name in "ab":
        train.start(config, tmp_path / name, data=data)


def test_a_label_that_training_has_not_seen_is_code_zero():
    data = split(panel_tables.read_frame(long_table(), CONFIG), CONFIG)
    stranger = dataclasses.replace(data.parts[0].series, categories=("west",))
    assert data.encoding.of(stranger, 0, ()).categories.tolist() == [[0]]
    assert data.encoding.sizes == (3,)


@pytest.mark.parametrize("name", models.MODELS)
def test_a_label_that_training_has_not_seen_is_the_mean_of_those_it_has(name, tmp_path):
    data = split(panel_tables.read_frame(long_table(), CONFIG), CONFIG)
    known = data.train.given(slice(2))
    shapes = {n: v.shape[1:] for n, v in known.items()}
    more = {"segment": 2} if name == "segments" else {}
    model = models.build(ModelConfig(name, layers=1, hidden=4, **more), shapes, 2, FACTS)
    layer = model.get_layer("category_0")

    def said(code, rows, of=model):
        of.get_layer("category_0").set_weights([np.array(rows, np.float32)[:, None] * [[1, -2]]])
        return np.array(of({**known, "categories": np.full((2, 1), code, np.int32)}))

    stranger = said(0, [9, 1, 3])
    np.testing.assert_allclose(stranger, said(1, [0, 2, 5]), rtol=1e-5)
    assert abs(stranger - said(1, [9, 1, 3])).max() > 1e-3
    with tf.GradientTape() as tape:
        found = tf.reduce_sum(model({**known, "categories": np.full((2, 1), 1, np.int32)}))
    slopes = tf.convert_to_tensor(tape.gradient(found, layer.embeddings)).numpy()
    assert slopes[1].any() and not slopes[[0, 2]].any()
    model.save(tmp_path / "model.keras")
    loaded = load_model(tmp_path / "model.keras")
    np.testing.assert_allclose(said(0, [9, 1, 3], loaded), stranger, rtol=1e-6)


def test_models_may_ask_for_series_phase_and_truth():
    config = dataclasses.replace(CONFIG, season=5)
    data = split(
        panel_tables.read_frame(long_table(), config), config, ("series", "phase", "truth")
    )
    given, asked = data.test.batch(np.array([0, len(data.test) - 1]))
    assert given["series"].tolist() == [0, 1]
    first = data.parts[0].test.first_row
    assert given["phase"][0] == first % 5
    assert given["truth"] is asked


def test_inputs_may_look_back_over_a_cut_and_targets_never():
    values = np.arange(100.0)
    strict = split(Series("s", values), DataConfig("s", window=6, horizon=3))
    config = DataConfig("s", window=6, horizon=3, look_back=True, test="20", scaling="none")
    back = split(Series("s", values), config)
    assert len(back.test) == 18 and len(strict.test) == 7
    inputs, targets = back.test.raw()
    assert targets.min() == 80 and inputs.min() == 74
    _, held = back.validation.raw()
    assert held.max() == 79 and held.min() == len(back.train.values)
    assert back.train.raw()[1].max() == held.min() - 1


def test_the_test_part_may_begin_at_a_time():
    series = Series("s", np.arange(40.0), DAYS)
    data = split(series, DataConfig("s", window=4, horizon=2, test="2024-02-01", look_back=True))
    assert data.test.raw()[1].min() == 31
    with pytest.raises(SeqlabError, match="a number of rows or a time"):
        split(series, DataConfig("s", window=4, horizon=2, test="soon"))
    with pytest.raises(SeqlabError, match="no times"):
        split(Series("s", np.arange(40.0)), DataConfig("s", window=4, horizon=2, test="2024-02"))


def test_short_series_are_listed_and_dropped_by_leave_only():
    panel = Panel("p", tuple(Series(f"s{n}", np.arange(float(n))) for n in (60, 9, 70, 5)))
    with pytest.raises(
        SeqlabError,
        match=r"2 of 4 series have too few rows: s9 \(9 rows\), s5 \(5 rows\)\. s9: 9 rows; window",
    ):
        split(panel, DataConfig("p", window=6, horizon=2))
    data = split(panel, DataConfig("p", window=6, horizon=2, short="drop"))
    assert tuple(data.left_out) == ("s9", "s5") and [part.series.name for part in data.parts] == [
        "s60",
        "s70",
    ]


def test_gaps_of_several_series_are_seen_as_those_of_one():
    table = long_table(0)
    table.loc[(table.shop == "b") & table.day.isin(["2024-01-05", "2024-01-06"]), "sales"] = np.nan
    config = dataclasses.replace(CONFIG, missing="interpolate")
    data = split(panel_tables.read_frame(table, config), config)
    joined = data.train.raw()[0][data.train.owner == 1]
    np.testing.assert_array_equal(joined, data.parts[1].train.raw()[0])
    assert joined[1, -1] == 203.0  # a window that ends inside the gap holds the last known value


def test_windows_of_a_joined_set_are_checked_too():
    data = split(panel_tables.read_frame(long_table(), CONFIG), CONFIG)
    assert isinstance(data.train, Windows) and data.train.input_shape == {
        "past": (4, 4), "future": (2, 1), "static": (1,), "categories": (1,),
    }  # fmt: skip


# Calendar


def test_calendar_cycles_that_are_longer_than_a_step():
    hours = pd.date_range("2024-01-01", periods=24 * 14, freq="h")
    assert calendars.cycles(hours) == ("day", "week")  # the year has not been seen twice
    columns = calendars.features(hours, ("day", "week"))
    np.testing.assert_allclose(columns[:24, 0], np.sin(2 * np.pi * np.arange(24) / 24), atol=1e-6)
    np.testing.assert_allclose(columns[: 24 * 7], columns[24 * 7 :], atol=1e-6)
    assert columns[0, 3] == 1 and len(np.unique(columns[: 24 * 7].round(4), axis=0)) == 24 * 7
    assert calendars.cycles(hours[: 24 * 13]) == ("day",)
    months = pd.date_range("2020-01-01", periods=36, freq="MS")
    assert calendars.cycles(months) == ("year",) and calendars.cycles(months[:20]) == ()
    year = calendars.features(months, ("year",))
    np.testing.assert_allclose(year[:12], year[12:24], atol=0.02)


def test_the_calendar_is_counted_as_pandas_has_it():
    times = pd.date_range("1890-01-01", "2110-01-01", freq="7h", tz="Europe/Berlin")
    names = ("day", "week", "year")
    (second, _), (hour, _), (day, _) = calendars.places(*calendars.days_and_seconds(times), names)
    assert np.array_equal(second, (times.hour * 60 + times.minute) * 60 + times.second)
    assert np.array_equal(hour, times.day_of_week * 24 + times.hour)
    assert np.array_equal(day, times.day_of_year - 1)
    counted = tf.constant((times.tz_localize(None) - pd.Timestamp("1970-01-01")).days, tf.int32)
    ((found, _),) = calendars.places(counted, None, ("year",))
    assert np.array_equal(found, day)  # an export counts so


def test_a_calendar_needs_times():
    with pytest.raises(SeqlabError, match="--calendar needs times"):
        split(Series("s", np.arange(60.0)), DataConfig("s", window=4, horizon=2, calendar=True))


# Weights


@pytest.mark.parametrize("transform", ["none", "log"])
def test_relative_weights_make_an_error_what_smape_and_mase_make_of_it(transform):
    """A small error, weighed, is half its share of the size and half its share of the usual change."""
    rng = np.random.default_rng(0)
    small, large = (size * (5 + rng.normal(size=120).cumsum() * 0.1) for size in (1.0, 300.0))
    panel = Panel("p", (Series("small", small, season=4), Series("large", large, season=4)))
    config = DataConfig(
        "p", window=8, horizon=3, scaling="recent", transform=transform, weigh="relative"
    )
    data = split(panel, config)
    chosen = np.array([0, len(data.train) - 1])
    _, asked, weights = data.train.batch(chosen)
    truth = data.train.raw(chosen)[1]
    moved = truth * (1 + 1e-5)  # an error of a hundred-thousandth of the truth
    scaled = np.abs(data.train.scaled(chosen, moved).astype(float) - asked).mean(axis=1)
    shares, changes = [], []
    for part, row in zip(data.parts, truth, strict=True):
        training = part.train.values
        size = np.abs(training).mean()
        changes.append(np.abs(training[4:] - training[:-4]).mean() / size)
        shares.append(1e-5 * (1 if transform == "log" else np.abs(row).mean() / size))
    expected = np.array(shares) * (0.5 / np.mean(changes) + 0.5 / np.array(changes))
    np.testing.assert_allclose(weights * scaled, expected, rtol=0.05)
    assert len(data.validation.batch(chosen * 0)) == 3 and len(data.test.batch(chosen * 0)) == 2


def test_weights_reach_the_training(tmp_path):
    """A series that costs nothing is not learned."""
    t = np.arange(200)
    panel = Panel(
        "p", (Series("a", np.sin(t / 3), season=4), Series("b", np.cos(t / 3) * 5, season=4))
    )
    config = Config(
        DataConfig("p", window=8, scaling="standard", weigh="relative", validate=False),
        ModelConfig(layers=1, hidden=4),
        TrainConfig(steps=3, evaluations=1, optimizer="sgd", schedule="constant"),
    )
    data = split(panel, config.data)

    def trained(costs, name):
        weights = np.array(costs)
        data.__dict__["train"] = dataclasses.replace(data.train, weights=weights)
        run = train.start(config, tmp_path / name, data=data)
        return np.concatenate([w.ravel() for w in run.model.get_weights()])

    first, second, idle = (
        trained([0.1, 9.0], "1"),
        trained([9.0, 0.1], "2"),
        trained([0.0, 0.0], "3"),
    )
    assert np.abs(first - second).max() > 1e-6 and np.abs(first - idle).max() > 1e-6
