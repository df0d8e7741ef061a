"""What bad input gets: one line on stderr that names it and the remedy, status 2, nothing written."""

import json
import os
import re
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from seqlab import cli, series_files
from seqlab.config import CELLS, MISSING, MODELS, OPTIMIZERS, SCALINGS, Config
from seqlab.datasets import load, split
from seqlab.options import make_config
from seqlab.series import sin

ROOT = Path(__file__).parent.parent
DAYS = [f"2024-01-{day:02}" for day in range(1, 29)]


@pytest.fixture
def refused(tmp_path, monkeypatch, capsys):
    """Call the command line, in an empty folder beside ``files``; the one line that it says."""
    (tmp_path / "files").mkdir()
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")

    def call(*arguments):
        before = content(tmp_path)
        try:
            status = cli.main([str(a) for a in arguments])
        except SystemExit as left:  # argparse's way
            status = left.code
        said = capsys.readouterr()
        assert status == 2
        assert said.out == ""
        assert said.err.endswith("\n") and said.err.count("\n") == 1, said.err
        assert said.err.startswith("seqlab") and "Traceback" not in said.err
        assert content(tmp_path) == before  # nothing half-written
        return said.err

    return call


def content(folder):
    return {p: p.read_bytes() if p.is_file() else None for p in folder.rglob("*")}


def named(message, *parts):
    missing = [part for part in parts if str(part) not in message]
    assert not missing, f"{missing} not in {message}"


def table(times=DAYS, **at):
    rows = [f"{t},{at.get(f'r{row}', row)}\n" for row, t in enumerate(times, 1)]
    return "day,sales\n" + "".join(rows)


# Files

FILES = {
    "empty": ("", "the file is empty", "Name one with a header"),
    "header only": ("day,sales\n", "a header but no rows", "Name a table"),
    "binary": (bytes(range(256)), "not a text file", "Save it as CSV in UTF-8"),
    "not UTF-8": (b"day,sales\n\xff\xfe,3\n", "not a CSV file in UTF-8", "Save it"),
    "text value": (table(r3="abc"), "row 3", "column 'sales'", "'abc'", "Correct or empty"),
    "infinite": (table(r4="inf"), "row 4", "column 'sales'", "infinite", "Correct or empty"),
    "missing": (table(r5="", r9=""), "'sales'", "2 missing values", "row 5", "--missing drop"),
    "unsorted": (table(DAYS[:3] + DAYS[1:]), "row 4", "2024-01-02", "2024-01-03", "Sort the rows"),
    "twice": (table(DAYS[:4] + DAYS[3:]), "row 5", "2024-01-04", "twice", "Keep one row"),
    "gap": (table(DAYS[:5] + DAYS[7:]), "row 6", "2024-01-08", "2 times", "--missing interpolate"),
    "uneven": (
        table([f"{d} 0{d == DAYS[6]:d}:00" for d in DAYS]),
        *("row 7", "2024-01-07 01:00", "off the usual step of 1 days", "Resample"),
    ),
    "two time zones": (
        table(
            [
                f"{d}T00:00{'Z' if d < DAYS[4] else '+00:00' if d < DAYS[9] else '-05:00'}"
                for d in DAYS
            ]
        ),
        *("row 10, column 'day'", "'2024-01-10T00:00-05:00'", "another time zone", "UTC say"),
    ),
    "some with a zone": (
        table([f"{d}T00:00{'+01:00' if d == DAYS[4] else ''}" for d in DAYS]),
        *("row 5, column 'day'", "'2024-01-05T00:00+01:00' is of another time zone"),
    ),
    "too few": (
        table(),
        *("28 rows", "window 30 + horizon 1 needs 31 rows", "test part takes 31", "validation 31"),
        *("leaves -34 for training", "Use --window 8 or less"),
    ),
}


@pytest.mark.parametrize("case", FILES)
def test_a_file_that_cannot_be_used(refused, tmp_path, case):
    text, *parts = FILES[case]
    path = tmp_path / "files" / "my.csv"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    message = refused("train", path)
    named(message, *parts, *([path] if case != "too few" else []))
    assert refused("windows", path) == message.replace("seqlab train", "seqlab windows", 1)


def test_files_and_columns_that_are_not_there(refused, tmp_path):
    path = tmp_path / "files" / "my.csv"
    named(refused("train", path), path, "no such file", "`seqlab data` lists")
    named(refused("train", path.parent), path.parent, "a folder", "Name one file")
    named(refused("train", "sinus"), "'sinus'", "sin, multisine, mackey-glass, airline, sunspots")
    named(refused("train", "n" * 300), "n" * 300)
    path.write_text(table())
    named(refused("train", path, "--target", "price"), path, "'price'", "Columns: day, sales")
    named(refused("train", "sin", "--target", "sales"), "'sin'", "leave out --target")


def test_the_window_that_is_proposed_fits(refused):
    for rows_per_part in (["--window", "200"], ["--window", "60", "--horizon", "9"]):
        message = refused("train", "airline", *rows_per_part)
        named(message, "144 rows")
        fits = re.search(r"Use --window (\d+) or less", message).group(1)
        options = cli.parser().parse_args(["train", "airline", *rows_per_part, "--window", fits])
        config = make_config(options).data
        split(load(config), config)  # would raise
    named(refused("train", "airline", "--horizon", "60"), "longer series, or a smaller --horizon")


def test_a_constant_series_is_trained_on_and_what_is_undefined_said(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "my.csv").write_text("v\n" + "5\n" * 90)
    words = ["--window", "6", "--horizon", "2", "--steps", "2", "--hidden", "4"]
    assert cli.main(["train", "my.csv", *words]) == 0
    said = capsys.readouterr().out
    named(said, "as good as persistence", "Undefined here (MASE)", "nothing changes")
    assert "nan" not in said
    assert cli.main(["forecast", "--json"]) == 0
    points = json.loads(capsys.readouterr().out)["forecast"]
    assert [point["forecast"] for point in points] == [5.0, 5.0]


# Options

SIZES = ("window", "horizon", "season", "layers", "hidden", "steps", "batch")
CHOICES = {"cell": CELLS, "model": MODELS, "optimizer": OPTIMIZERS}
CHOICES |= {"missing": MISSING, "scaling": SCALINGS}


@pytest.mark.parametrize("value", ["0", "-3", "two", "2.5", "", "\u00b2"])
@pytest.mark.parametrize("name", SIZES)
def test_sizes_are_positive_integers(refused, name, value):
    message = refused("train", "sin", f"--{name}", value)
    named(message, f"--{name}", "must be a positive integer", f"Received: {value!r}", "--help")


@pytest.mark.parametrize("command", ["evaluate", "forecast"])
def test_a_plot_is_a_png(refused, command):
    message = refused(command, "--plot", "runs/sin-lstm-2x30-001")
    named(message, "--plot", ".png", "RUN goes before", "Received: 'runs/sin-lstm-2x30-001'")


@pytest.mark.parametrize(
    ("arguments", "parts"),
    [
        (["--dropout", "1"], ["--dropout", "at least 0 and below 1", "Received: '1'"]),
        (["--dropout", "-0.1"], ["--dropout", "at least 0 and below 1", "Received: '-0.1'"]),
        (["--dropout", "nan"], ["--dropout", "at least 0 and below 1", "Received: 'nan'"]),
        (["--dropout", "half"], ["--dropout", "must be a number", "Received: 'half'"]),
        (["--learning-rate", "0"], ["--learning-rate", "a positive number", "Received: '0'"]),
        (["--learning-rate", "inf"], ["--learning-rate", "a positive number", "Received: 'inf'"]),
        (["--seed", "-1"], ["--seed", "from 0 to", "Received: '-1'"]),
        (["--seed", "2147483648"], ["--seed", "2**31 - 1", "Received: '2147483648'"]),
        (["--window", "1"], ["`window`", "at least 2", "Received: 1"]),
        (["--bidirectional", "--model", "stacked"], ["--bidirectional", "--model stacked"]),
        (
            ["--strategy", "encoder-decoder", "--model", "stacked"],
            ["--strategy encoder-decoder", "--model stacked"],
        ),
        (["--layer-count", "2"], ["--layer-count", "--help"]),
    ],
)
def test_options_out_of_range(refused, arguments, parts):
    named(refused("train", "sin", *arguments), *parts)


@pytest.mark.parametrize("name", CHOICES)
def test_an_unknown_name_lists_the_legal_ones(refused, name):
    named(refused("train", "sin", f"--{name}", "xyz"), f"--{name}", "'xyz'", *CHOICES[name])


@pytest.mark.parametrize("arguments", [[], ["trian"], ["train"], ["forecast", "--steps", "0"]])
def test_commands_that_are_incomplete(refused, arguments):
    named(refused(*arguments), "--help")


# Run folders

RUN = json.dumps({"format": 1, **Config().to_json()})
NEWER = RUN.replace('"format": 1', '"format": 999')
RUNS = {
    "no config": (None, True, "not a run", "config.json", "`seqlab runs`"),
    "empty config": ("", True, "config.json", "cannot be read", "Train the run again"),
    "truncated config": (RUN[:60], True, "config.json", "cannot be read", "Train the run again"),
    "not an object": ("[1]", True, "config.json", "cannot be read", "Train the run again"),
    "newer": (NEWER, True, "newer version", "format 999", "Upgrade seqlab"),
    "no series": (RUN, False, "half-written", "series.npz", "Train it again"),
    "junk series": (RUN, b"junk", "series.npz", "cannot be read", "Train the run again"),
    "half a series": (RUN, 0.5, "series.npz", "cannot be read", "Train the run again"),
    "unfinished": (RUN, True, "not finished", "model.keras", "--resume"),
}


@pytest.mark.parametrize("command", ["evaluate", "forecast", "audit"])
@pytest.mark.parametrize("case", RUNS)
def test_a_run_folder_that_cannot_be_used(refused, tmp_path, case, command):
    config, series, *parts = RUNS[case]
    folder = tmp_path / "files"
    if config is not None:
        (folder / "config.json").write_text(config)
    if series:
        np.savez(folder / "series.npz", **series_files.arrays_of(sin()))
        whole = (folder / "series.npz").read_bytes()
        kept = series if isinstance(series, bytes) else whole[: int(len(whole) * series)]
        (folder / "series.npz").write_bytes(kept)
    named(refused(command, folder), folder, *parts)


@pytest.mark.parametrize("command", ["evaluate", "forecast", "audit"])
def test_no_run_at_all(refused, tmp_path, command):
    named(refused(command), "no runs here yet", "seqlab train sin")
    named(refused(command, tmp_path / "nope"), tmp_path / "nope", "no such run", "`seqlab runs`")
    named(refused(command, "n" * 300), "n" * 300)


def test_an_output_folder_that_cannot_be_written(refused, tmp_path):
    file = tmp_path / "files" / "file"
    file.write_text("mine")
    named(
        refused("train", "sin", "--out", file / "run"), file / "run", "cannot be", "another --out"
    )
    named(refused("train", "sin", "--out", file), file, "another --out")
    named(refused("train", "sin", "--out", file.parent), file.parent, "another --out")
    named(refused("train", "sin", "--out", file / "run", "--resume"), file / "run", "another --out")


# Speed: a refusal does not wait for TensorFlow


@pytest.mark.parametrize(
    ("arguments", "status"),
    [
        (["-m", "seqlab", "--help"], 0),
        (["-m", "seqlab", "train", "sin", "--layers", "0"], 2),
        ([str(ROOT / "scripts" / "sin_predict.py"), "--cell", "xyz"], 2),
    ],
    ids=["help", "train", "sin_predict"],
)
def test_help_and_parse_errors_take_half_a_second(tmp_path, arguments, status):
    times, command = [], [sys.executable, *arguments]
    for _ in range(3):
        begin = time.perf_counter()
        done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
        times.append(time.perf_counter() - begin)
        assert done.returncode == status, done.stderr
        assert done.stderr.count("\n") == (1 if status else 0)
    assert min(times) < 0.5
    command.insert(1, "-Ximporttime")
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    imported = {line.split("|")[-1].strip() for line in done.stderr.splitlines()}
    assert "seqlab.cli" in imported
    assert not imported & {"tensorflow", "keras", "pandas", "matplotlib", "rich"}
    assert os.listdir(tmp_path) == []
