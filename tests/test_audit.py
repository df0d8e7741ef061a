"""The audit: it passes on what is built, and names each leak that is put in."""

import dataclasses
import json

import numpy as np
import pandas as pd
import pytest

from seqlab import audit, cli, datasets, perturbations, repair, runs, splits, tables, windows
from seqlab.config import SCALINGS, Config, DataConfig
from seqlab.errors import SeqlabError
from seqlab.scaling import Scaler
from seqlab.series import multisine

CONFIG = DataConfig("wave", window=6, horizon=3)
split = datasets.split


def linear(data):
    """A forecaster of fixed weights, in the scaling of the split: per step another mix of the window."""
    weights = np.arange(1.0, 1 + 3 * 6).reshape(6, 3)

    def forecast(windows, indices):
        return windows.restore(indices, windows.given(indices)[..., -1] @ weights)

    return forecast


def failed(series, config=CONFIG, forecaster=linear):
    """The names of the checks that do not hold, first words alone."""
    checks = audit.data_checks(series, config)
    checks += audit.forecast_checks(series, config, forecaster)
    assert all(check.compared for check in checks)
    return {" ".join(c.name.split()[:2]) for c in checks if not c.holds}


def gapped(*gaps, rows=300):
    values = multisine(rows).values
    for begin, end in gaps:
        values[begin:end] = np.nan
    return tables.read_frame(pd.DataFrame({"v": values}), missing="interpolate")


GAPS = (40, 47), (207, 213), (250, 256), (280, 284)  # two of them across cuts, at 210 and 255


@pytest.mark.parametrize("kind", SCALINGS)
@pytest.mark.parametrize("series", [multisine(300), gapped(*GAPS), gapped((200, 270))])
@pytest.mark.parametrize("validate", [True, False])
def test_nothing_leaks_as_built(kind, series, validate):
    assert not failed(series, dataclasses.replace(CONFIG, scaling=kind, validate=validate))


def test_every_value_behind_the_row_is_another_and_no_other_moves():
    series = gapped(*GAPS)
    changed, count = audit.perturbed(series, 209)
    moved = changed.values != series.values
    assert moved[213:].all() and not moved[:207].any() and moved[207:213].all()  # the line moves
    assert count == 300 - 213 - 6 - 4
    assert np.abs(changed.values[213:]).min() > 50


# Leaks, put in


def test_a_scaler_fitted_on_everything_is_named(monkeypatch):
    def leaking(series, config, needs=()):
        data = split(series, config)
        scaler = Scaler.fit(config.scaling, series.values, config.window, config.horizon)
        found = {
            name: dataclasses.replace(part, scaler=scaler)
            for name, part in (
                ("train", data.train),
                ("validation", data.validation),
                ("test", data.test),
            )
        }
        return dataclasses.replace(data, scaler=scaler, **found)

    monkeypatch.setattr(datasets, "split", leaking)
    assert {"scaler", "train windows", "validation windows"} <= failed(multisine(300))


def test_a_training_part_that_is_one_row_too_long_is_named(monkeypatch):
    def leaking(series, config, needs=()):
        data = split(series, config)
        longer = series.values[: len(data.train.values) + 1]
        return dataclasses.replace(data, train=dataclasses.replace(data.train, values=longer))

    monkeypatch.setattr(datasets, "split", leaking)
    assert failed(multisine(300)) == {"parts and", "train windows"}


def test_a_validation_part_that_is_one_row_too_long_is_named(monkeypatch):
    def leaking(series, config, needs=()):
        data = split(series, config)
        begin, end = data.validation.first_row, data.test.first_row + 1
        longer = dataclasses.replace(data.validation, values=series.values[begin:end])
        return dataclasses.replace(data, validation=longer)

    monkeypatch.setattr(datasets, "split", leaking)
    assert failed(multisine(300)) == {"parts and", "validation windows"}


def test_a_window_that_holds_its_first_target_is_named(monkeypatch):
    def leaking(self, indices=slice(None)):
        view = np.lib.stride_tricks.sliding_window_view(self.values, self.window + self.horizon)
        rows = view[indices]
        return rows[..., 1 : self.window + 1], rows[..., self.window :]

    monkeypatch.setattr(windows.Windows, "raw", leaking)
    assert failed(multisine(300)) == {"parts and", "forecasts up"}


def test_a_model_that_looks_at_later_windows_is_named():
    def leaking(data):
        plain = linear(data)
        # of all windows: statistics of the batch
        return lambda windows, indices: plain(windows, indices) + windows.raw(indices)[0].mean()

    assert failed(multisine(300), forecaster=leaking) == {"forecasts up"}


def test_a_model_that_knows_the_series_is_named():
    def leaking(data):
        return lambda windows, indices: windows.raw(indices)[1] * 0.5

    assert failed(multisine(300), forecaster=leaking) == {"forecasts up"}


def test_a_line_drawn_across_a_cut_is_named(monkeypatch):
    monkeypatch.setattr(splits, "held", lambda values, gaps: values)
    found = failed(gapped(*GAPS))
    assert found == {"scaler", "train windows", "validation windows", "values filled"}
    assert not failed(gapped((40, 47)))


def test_a_window_that_ends_on_a_line_is_named(monkeypatch):
    monkeypatch.setattr(repair.Gaps, "seen", lambda self, values, back, at: values)
    assert failed(gapped((280, 284))) == {"forecasts up"}


def test_a_series_that_hides_what_was_drawn_cannot_be_seen_through():
    series = gapped((200, 270))
    late = dataclasses.replace(series.repair, filled=np.zeros(300, bool))
    blind = dataclasses.replace(series, repair=late)  # a repair that does not say what it drew
    assert not failed(blind)  # so runs record it, and those that did not are refused


# The command


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    path = tmp_path_factory.mktemp("work")
    days = np.arange("2024-01-01", "2024-12-01", dtype="datetime64[D]").astype(str)
    empty = {30, 31, 234, 235, 236, 300}  # the training cut is before 235
    rows = [f"{d},{'' if i in empty else 20 + i % 7 + i / 50}" for i, d in enumerate(days)]
    (path / "my.csv").write_text("\n".join(["date,sales", *rows]) + "\n")
    small = ["--window", "14", "--horizon", "7", "--steps", "20", "--hidden", "4", "--layers", "1"]
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(path)
        train = ["train", "my.csv", "--missing", "interpolate", "--quiet", *small]
        assert cli.main(train) == 0
    return path


@pytest.fixture(autouse=True)
def in_folder(folder, monkeypatch):
    monkeypatch.chdir(folder)


def test_the_command_passes_a_run(capsys):
    assert cli.main(["audit"]) == 0
    said = capsys.readouterr().out
    assert "values filled in train" in said and "LEAKS" not in said
    assert "forecasts up to row 301 (2024-10-27)" in said  # an origin inside a gap
    assert said.splitlines()[-1].startswith("All ")


def test_the_command_names_a_leak_and_leaves_with_2(capsys, monkeypatch):
    monkeypatch.setattr(splits, "held", lambda values, gaps: values)
    assert cli.main(["audit"]) == 2
    said = capsys.readouterr()
    assert "LEAKS: row 235 (2024-08-22)" in said.out and "All " not in said.out
    assert said.err.count("\n") == 1
    assert "checks do not hold" in said.err and "values filled in validation" not in said.err
    assert "scaler: 4 of 5 move" in said.err


def test_json_holds_every_check(capsys):
    assert cli.main(["audit", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["holds"] and all(c["holds"] and c["perturbed"] for c in found["checks"])
    assert {"name", "changed", "perturbed", "compared", "moved", "found"} < set(found["checks"][0])


def test_a_run_that_does_not_say_what_was_filled_is_refused():
    run = runs.find()
    old = runs.Run(run.path, run.config)
    old.__dict__["data"] = dataclasses.replace(run.series, repair=None)
    with pytest.raises(SeqlabError, match="Train the run again"):
        audit.audit(old)


def test_only_finished_runs(tmp_path):
    run = runs.create(Config(CONFIG), multisine(300), tmp_path / "new")
    with pytest.raises(SeqlabError, match="not finished"):
        audit.audit(run)


def test_columns_models_and_windows_that_look_back_are_audited_too():
    """Past columns are changed behind a cut; what is known ahead is not."""
    rng = np.random.default_rng(0)
    series = dataclasses.replace(
        multisine(300), past=rng.normal(size=(300, 1)), future=rng.normal(size=(310, 2))
    )
    config = dataclasses.replace(CONFIG, look_back=True, scaling="standard", transform="none")
    checks = audit.data_checks(series, config, ("truth", "phase"))
    checks += audit.forecast_checks(series, config, linear_of_past, ("truth", "phase"))
    assert len(checks) > 6 and all(check.holds for check in checks)


def linear_of_past(data):
    """A forecaster that reads columns of its window, too."""
    return lambda windows, indices: windows.given(indices)["past"].sum(axis=-1)[:, -3:]


# Several series


def panel(*extra):
    """Two long series, one with gaps, and others."""
    own = dataclasses.replace(multisine(300), name="own", repair=None)
    return datasets.Panel("p", (own, dataclasses.replace(gapped(*GAPS), name="gapped"), *extra))


PADDED = dataclasses.replace(CONFIG, short="pad", scaling="last")


@pytest.mark.parametrize("scaling", ["last", "standard", "window"])
def test_no_series_of_a_panel_leaks_as_built(scaling):
    short = dataclasses.replace(multisine(16), name="short")
    config = dataclasses.replace(PADDED, scaling=scaling)
    checks = audit.data_checks(panel(short), config, ("series", "truth"))
    checks += audit.forecast_checks(panel(short), config, linear_of_past, ("series", "truth"))
    assert all(check.holds and check.compared for check in checks)
    assert "behind" not in checks[1].changed and "the cut in each of 3 series" in checks[1].changed
    assert {c.name for c in checks} >= {
        "scaler",
        "train windows",
        "validation windows",
        "values filled in validation",
        "forecasts up to origin 1 in each of 3 series",
    }
    # What is compared is of all of them.
    alone = audit.data_checks(panel().series[0], config)
    assert checks[0].compared > 2 * alone[0].compared


def test_each_series_is_changed_from_its_own_row_on():
    data = datasets.Panel("p", (multisine(90), dataclasses.replace(multisine(70), name="other")))
    changed, count = perturbations.perturbed_each(data, [80, 33])
    moved = [a.values != b.values for a, b in zip(changed.series, data.series, strict=True)]
    assert [np.flatnonzero(one).tolist() for one in moved] == [[*range(80, 90)], [*range(33, 70)]]
    assert count == 10 + 37


def test_a_leak_of_one_series_is_found_and_the_series_named(monkeypatch):
    def leaking(data, config, needs=()):
        made = split(data, config, needs)
        first, second = made.parts
        values = data.series[1].values
        late = Scaler.fit(config.scaling, values, config.window, config.horizon)
        train = dataclasses.replace(second.train, scaler=late)
        second = dataclasses.replace(second, train=train, scaler=late)
        return dataclasses.replace(made, parts=(first, second))

    monkeypatch.setattr(datasets, "split", leaking)
    checks = [c for c in audit.data_checks(panel(), CONFIG) if not c.holds]
    assert [check.name for check in checks] == ["scaler", "train windows"]
    assert all(check.found.startswith("gapped: ") for check in checks)


def test_constants_of_all_series_that_know_a_cut_are_found(monkeypatch):
    past = np.random.default_rng(0).normal(size=(300, 1))
    data = datasets.Panel("p", tuple(dataclasses.replace(s, past=past) for s in panel().series))
    fit = splits.Encoding.fit
    assert all(check.holds for check in audit.data_checks(data, CONFIG))
    monkeypatch.setattr(
        splits.Encoding, "fit", lambda series, rows: fit(series, [n + 5 for n in rows])
    )
    assert "train windows" in {c.name for c in audit.data_checks(data, CONFIG) if not c.holds}


def test_a_forecast_that_looks_at_another_series_is_found():
    def leaking(data):
        return lambda windows, indices: np.repeat(windows.raw(indices[::-1])[1][:, :1], 3, axis=1)

    checks = audit.forecast_checks(panel(), CONFIG, leaking)
    found = [check.found for check in checks if not check.holds]
    assert found and found[0].startswith("the one made of ")


def test_many_series_share_the_windows_that_are_compared():
    assert len(audit._some(50_000)) == audit.WINDOWS
    assert len(audit._some(50_000, 40)) == audit.WINDOWS // 40
    assert len(audit._some(50_000, 10_000)) == audit.SHARE


def test_the_command_audits_a_run_of_several_series(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    rows = [f"{np.sin(i / 4):.3f},{np.cos(i / 5):.3f}" for i in range(150)]
    (tmp_path / "loads.csv").write_text("\n".join(["east,west", *rows]) + "\n")
    small = ["--window", "5", "--steps", "2", "--hidden", "4", "--layers", "1", "--quiet"]
    assert cli.main(["train", "loads.csv", "--wide", *small]) == 0
    assert cli.main(["audit"]) == 0
    said = capsys.readouterr().out
    assert "in each of 2 series" in said and "All 2 series were changed and compared." in said
    assert cli.main(["audit", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["series"] == ["east", "west"]
