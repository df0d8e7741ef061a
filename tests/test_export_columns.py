"""Exports of networks that see columns of numbers beside the values: rows of a table go in."""

import json
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
from test_export import needs, through
from test_predict import finished, wave

from seqlab import cli
from seqlab._raw_columns import columns_of
from seqlab.config import EXPORTS
from seqlab.datasets import Panel
from seqlab.errors import SeqlabError
from seqlab.export import export
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


def test_a_decoder_for_one_series_of_several(tmp_path):
    data = Panel("shops", (shop("a"), shop("big", 100.0)))
    run = run_of(tmp_path / "run", data, model="encoder_decoder", scaling="standard")
    check(run, "numpy", tmp_path / "out", run.split.parts[1], "big")
    assert cli.main(["export", str(run.path), "--format", "numpy"]) == 2


def test_columns_known_up_to_a_row_alone(tmp_path):
    run = finished(tmp_path / "run", wave(past=shop().past), past=("visits", "price"))
    assert export(run, "numpy").difference <= 1e-5


def test_what_a_table_cannot_hold_is_refused(tmp_path):
    data = wave(past=shop().past, static=np.ones(1))
    run = finished(tmp_path / "run", data, past=("visits", "price"), static=("size",))
    with pytest.raises(SeqlabError, match=r"given static beside the values.*seqlab forecast"):
        export(run, "numpy")
    for option, words in (({"calendar": True}, "the calendar"), ({"short": "pad"}, "padding")):
        other = SimpleNamespace(config=replace(run.config, data=replace(run.config.data, **option)))
        with pytest.raises(
            SeqlabError, match=f"given .*{words} beside its columns.*seqlab forecast"
        ):
            columns_of(other, WINDOW, HORIZON)


def test_columns_of_words_are_refused(tmp_path):
    data = replace(shop(), past_labels=((), ("dear", "cheap")))
    data.past[:, 1] = np.arange(90) % 2
    run = run_of(tmp_path / "run", data)
    with pytest.raises(SeqlabError, match=r"some columns hold words.*Use seqlab forecast"):
        export(run, "numpy")
