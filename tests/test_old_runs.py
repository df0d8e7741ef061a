"""Runs that earlier versions wrote still load, and have the scores that they had."""

import json
import shutil
import sys
from pathlib import Path

import pytest

from seqlab import cli
from seqlab.config import FORMAT

sys.path.insert(0, str(Path(__file__).parent / "old_runs"))
from make import FOLDER, KEPT, RUNS, make, score

VERSIONS = sorted(int(path.parent.name) for path in FOLDER.glob("*/scores.json"))
KEPT_RUNS = [(version, name) for version in VERSIONS for name in RUNS]


@pytest.fixture(autouse=True)
def elsewhere(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def copied(tmp_path):
    """Copies a kept run, for evaluating writes into its folder."""
    return lambda version, name: shutil.copytree(FOLDER / str(version) / name, tmp_path / name)


@pytest.mark.parametrize(("version", "name"), KEPT_RUNS)
def test_an_old_run_has_the_score_that_it_had(version, name, copied):
    path = copied(version, name)
    assert json.loads((path / "config.json").read_text())["format"] == version
    wanted = json.loads((FOLDER / str(version) / "scores.json").read_text())[name]
    assert score(path) == pytest.approx(wanted, rel=1e-5)  # convolutions round as processors do
    assert cli.main(["inspect", str(path)]) == 0


def test_every_version_up_to_this_one_is_kept():
    assert list(range(1, FORMAT + 1)) == VERSIONS, "raised? Then: python tests/old_runs/make.py"
    files = [path for path in FOLDER.rglob("*") if path.is_file() and path.suffix != ".pyc"]
    assert sum(path.stat().st_size for path in files) < 200_000


def test_kept_runs_name_no_place_of_their_maker():
    for version, name in KEPT_RUNS:
        config = json.loads((FOLDER / str(version) / name / "config.json").read_text())
        assert config["data"]["source"] == RUNS[name].data.source
        assert "/" not in json.dumps({part: config[part] for part in ("data", "model", "train")})


@pytest.mark.parametrize("command", ["evaluate", "forecast", "inspect", "watch", "export"])
def test_a_run_of_a_later_version_is_refused(command, copied, capsys):
    path = copied(1, "sin")
    config = json.loads((path / "config.json").read_text())
    (path / "config.json").write_text(json.dumps({**config, "format": FORMAT + 1}))
    more = ["--format", "numpy"] if command == "export" else []
    assert cli.main([command, str(path), *more]) == 2
    said = capsys.readouterr().err
    assert (
        f"written by a newer version (format {FORMAT + 1}; this one reads up to {FORMAT})" in said
    )
    assert said.endswith("Upgrade seqlab\n") and said.count("\n") == 1


def test_what_is_kept_is_made_by_the_script(tmp_path):
    """So that there is a way to keep a run when the version is raised."""
    make(tmp_path / "9")
    assert sorted(path.name for path in (tmp_path / "9").iterdir()) == [
        "convolved",
        "digits",
        "scores.json",
        "sin",
    ]
    assert {path.name for path in (tmp_path / "9" / "sin").iterdir()} == set(KEPT)
    found = json.loads((tmp_path / "9" / "scores.json").read_text())
    assert found["sin"] == pytest.approx(score(tmp_path / "9" / "sin"), rel=1e-6)
