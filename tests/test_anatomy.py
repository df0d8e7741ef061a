"""`seqlab inspect`: what a run holds, where it comes from, and what of it can be read."""

import json

import numpy as np
import pytest

from seqlab import anatomy, cli, provenance, runs, train
from seqlab.config import Config, DataConfig, ModelConfig, TrainConfig
from seqlab.datasets import Series, split

CONFIG = Config(
    DataConfig("wave", window=6),
    ModelConfig(layers=1, hidden=5),
    TrainConfig(steps=30, batch=8, evaluations=3, seed=7),
)


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    series = Series("wave", np.sin(np.arange(200) / 5))
    path = tmp_path_factory.mktemp("runs") / "run"
    return train.start(CONFIG, path, data=split(series, CONFIG.data)).path


@pytest.fixture
def run(made, tmp_path):
    """A copy, to be damaged."""
    copy = tmp_path / "run"
    for path in made.rglob("*"):
        if path.is_file():
            target = copy / path.relative_to(made)
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(path.read_bytes())
    return copy


def test_variables_are_those_of_the_network(run, capsys):
    found = anatomy.dissect(runs.load(run))
    assert (found.source, found.problems) == ("model.keras", [])
    shapes = {one.name: one.values.shape for one in found.variables}
    assert shapes["layer_0/kernel"] == (2, 20)
    assert found.count == 2 * 20 + 5 * 20 + 20 + 5 + 1
    assert cli.main(["inspect", str(run)]) == 0
    said = capsys.readouterr().out
    for words in ("layer_0/kernel", "[2, 20]", "166 numbers in 5", "step-00000030.npz",
                  "seed", "seqlab train wave", "Everything can be read"):  # fmt: skip
        assert words in said


def test_a_run_says_where_it_was_made(run):
    record = runs.load(run).record
    assert set(record["versions"]) == {"seqlab", "tensorflow", "keras", "numpy", "python"}
    assert record["processor"] and record["cores"] >= 1 and isinstance(record["instructions"], list)
    assert record["train"]["precision"] == "float32" and len(record["data_sha256"]) == 64
    found = anatomy.dissect(runs.load(run))
    assert found.origin["seed"] == 7 and found.other == []


def test_processors_are_told_by_linux_or_else_by_python(monkeypatch, tmp_path):
    file = tmp_path / "cpuinfo"
    file.write_text(
        "processor\t: 0\nmodel name\t: Fast 3000\nflags\t\t: fpu fma avx2\n\nmodel name: B\n"
    )
    monkeypatch.setattr(provenance, "CPUINFO", file)
    found = provenance.machine()
    assert (found["processor"], found["instructions"]) == ("Fast 3000", ["avx2", "fma"])
    monkeypatch.setattr(provenance, "CPUINFO", tmp_path / "none")
    assert provenance.machine()["processor"]


def test_what_was_otherwise_is_named_and_what_old_runs_do_not_say_is_not():
    record = provenance.machine()
    record["versions"] = {**record["versions"], "keras": "3.0.0"}
    (said,) = provenance.differences(record)
    assert said.startswith("keras 3.0.0, here 3.")
    assert provenance.differences({"format": 1}) == []


def test_old_runs_load(run, capsys):
    record = json.loads((run / "config.json").read_text())
    for name in ("instructions", "cores", "system", "versions", "processor"):
        del record[name]
    (run / "config.json").write_text(json.dumps(record))
    assert anatomy.dissect(runs.load(run)).problems == []
    assert cli.main(["inspect", str(run), "--json"]) == 0
    assert "cores" not in json.loads(capsys.readouterr().out)["provenance"]


@pytest.mark.parametrize("damage", ["truncated", "flipped"])
def test_damaged_checkpoints_are_named(run, damage, capsys):
    path = run / "checkpoints" / "step-00000020.npz"
    held = bytearray(path.read_bytes())
    if damage == "flipped":
        held[len(held) // 3] ^= 4
    path.write_bytes(held[: len(held) // 2] if damage == "truncated" else held)
    found = anatomy.dissect(runs.load(run))
    assert [one.step for one in found.checkpoints] == [10, 20, 30]
    assert [one.problem is None for one in found.checkpoints] == [True, False, True]
    assert cli.main(["inspect", str(run), "--json"]) == 0
    made = json.loads(capsys.readouterr().out)["checkpoints"]
    assert [one["problem"] is None for one in made] == [True, False, True]
    assert cli.main(["inspect", str(run)]) == 0
    assert "Cannot be used: step-00000020.npz" in capsys.readouterr().out


def test_a_checkpoint_that_a_training_removes_meanwhile_is_left_out(run, monkeypatch):
    gone = run / "checkpoints" / "step-00000010.npz"
    read = anatomy.restore
    monkeypatch.setattr(
        anatomy, "restore", lambda *given: (gone.unlink(missing_ok=True), read(*given))
    )
    found = anatomy.dissect(runs.load(run))
    assert [one.step for one in found.checkpoints] == [20, 30] and found.problems == []


def test_other_data_are_noticed(run):
    with np.load(run / "series.npz") as file:
        arrays = dict(file)
    arrays["values"][5] += 1e-9
    np.savez(run / "series.npz", **arrays)
    assert "fingerprint" in anatomy.dissect(runs.load(run)).problems[0]


def test_a_run_without_its_model_shows_what_its_config_means(run):
    whole = anatomy.dissect(runs.load(run))
    (run / "model.keras").write_bytes(b"not a model")
    damaged = anatomy.dissect(runs.load(run))
    assert (damaged.source, damaged.problems) == (
        "config",
        ["model.keras: damaged, or of another version"],
    )
    (run / "model.keras").unlink()
    unfinished = anatomy.dissect(runs.load(run))
    assert (unfinished.source, unfinished.problems) == ("config", [])
    shapes = [[one.values.shape for one in found.variables] for found in (whole, unfinished)]
    assert shapes[0] == shapes[1]
