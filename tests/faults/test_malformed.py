"""Thousands of malformed inputs: each gets one line or a result, soon; nothing stays half-written."""

import contextlib
import io
import json
import os
import shutil
import signal
import tempfile
from pathlib import Path

import malformed
import numpy as np
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from seqlab import cli, commands, runs, watch
from seqlab.config import Config, DataConfig, ImageConfig, ModelConfig, NetworkConfig, TrainConfig

COUNT = int(os.environ.get("SEQLAB_MALFORMED", "400")) // 4  # of each kind
LIMIT = 60  # seconds for one
many = settings(
    max_examples=COUNT,
    derandomize=True,
    deadline=None,
    database=None,
    suppress_health_check=list(HealthCheck),
    phases=[Phase.explicit, Phase.generate, Phase.shrink],
)
one_of = st.sampled_from
TINY = ModelConfig(layers=1, hidden=3)
FEW = TrainConfig(steps=4, batch=8, evaluations=2)
RUNS = ["whole", "unfinished", "images"]


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    """A folder with a table, a run of it, the same unfinished, and a run of images."""
    path = tmp_path_factory.mktemp("home")
    values = np.sin(np.arange(160) / 5)
    (path / "my.csv").write_text("v\n" + "".join(f"{v:.4f}\n" for v in values))
    series = Config(DataConfig(str(path / "my.csv"), window=6), TINY, FEW)
    images = Config(ImageConfig("digits"), NetworkConfig("mlp", {"hidden": 3}), FEW)
    larger = Config(DataConfig(str(path / "my.csv"), window=7, horizon=2), TINY, FEW)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(path)
        for name, config in (("whole", series), ("images", images), ("larger", larger)):
            commands.train_run(config, name, quiet=True)
        assert cli.main(["evaluate", "whole"]) == 0
    shutil.copytree(path / "whole", path / "unfinished")
    for name in ("model.keras", "history.csv", "checkpoints/step-00000004.npz"):
        (path / "unfinished" / name).unlink()
    return path


@pytest.fixture
def place(home, tmp_path, monkeypatch, request, record_property):
    """Begins a place for one input; counts them."""
    number = 0
    monkeypatch.setattr(watch, "START", 0.01)

    @contextlib.contextmanager
    def begin(*names):
        nonlocal number
        number += 1
        with tempfile.TemporaryDirectory(dir=tmp_path) as name:
            folder = Path(name)
            for one in names:
                shutil.copytree(home / one, folder / one)
            monkeypatch.chdir(folder)
            yield folder
            monkeypatch.chdir(tmp_path)

    yield begin
    record_property("malformed", f"{number} {request.function.__name__.removeprefix('test_')}")


def content(folder):
    """All that is in a folder."""
    found = {}
    for path in sorted(folder.rglob("*")):
        plain = path.is_file() and not path.is_symlink()
        found[str(path)] = path.read_bytes() if plain else (path.is_dir(), path.is_symlink())
    return found


@contextlib.contextmanager
def limited():
    """Seconds in which the process was stopped, which is not for it to decide, count as one."""
    left = iter(range(LIMIT))

    def tick(*_):
        assert next(left, None) is not None, f"not answered within {LIMIT} seconds"

    old = signal.signal(signal.SIGALRM, tick)
    signal.setitimer(signal.ITIMER_REAL, 1, 1)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, old)


def answered(folder, *words, call=None):
    """The status of a command: 0; or 2 with one line, and the folder as it was."""
    before, out, err = content(folder), io.StringIO(), io.StringIO()
    try:
        with limited(), contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            status = cli.main(list(map(str, words))) if call is None else cli.guarded("x", call)
    except SystemExit as left:  # argparse's way
        status = left.code
    after, said = content(folder), err.getvalue()
    assert status in (0, 2), said
    if status:
        assert said.endswith("\n") and len(said.splitlines()) == 1, said
        assert "error: " in said
        assert after == before or call, sorted(after.keys() ^ before.keys())
    left = [name for name in after if name not in before and Path(name).name.startswith(".")]
    assert not left, f"half-written: {left}"
    return status


@many
@given(table=malformed.tables(), options=malformed.options, lot=st.integers(0, 9))
def test_tables(place, table, options, lot):
    with place() as folder:
        (folder / "my.csv").write_bytes(table)
        if "--wide" not in options:
            options = ["--target", "sales", *options]
        status = answered(folder, "windows", "my.csv", "--window", 4, *options)
        if status or not lot:
            small = ["--layers", 1, "--hidden", 2, "--steps", 2, "--batch", 4, "--out", "run"]
            again = answered(folder, "train", "my.csv", "--window", 4, *small, *options)
            assert again or not status


@many
@given(data=st.data())
def test_configs(place, home, data):
    name = data.draw(one_of(["whole"] * 4 + RUNS))
    record = json.loads((home / name / "config.json").read_text())
    with place(name) as folder:
        if data.draw(one_of([0, 0, 1])):
            words = data.draw(malformed.arguments())
            small = ["--layers", "1", "--hidden", "2", "--steps", "2", "--batch", "4"]
            words = [
                w for k in range(0, 8, 2) if small[k] not in words for w in small[k : k + 2]
            ] + words
            answered(folder, "train", home / "my.csv", "--out", "run", *words)
            return
        (folder / name / "config.json").write_bytes(data.draw(malformed.configs(record)))
        ask(data, folder, name, home)


@many
@given(data=st.data())
def test_run_folders(place, home, data):
    name = data.draw(one_of(RUNS))
    names = sorted(str(p.relative_to(home / name)) for p in (home / name).rglob("*"))
    with place(name) as folder:
        how = data.draw(one_of(["files", "files", "series", "model"]))
        if how == "series":
            series = malformed.crafted(home / "whole" / "series.npz", "about")
            (folder / name / "series.npz").write_bytes(data.draw(series))
        elif how == "model":
            other = data.draw(one_of(["whole", "images", "larger"]))
            shutil.copyfile(home / other / "model.keras", folder / name / "model.keras")
        else:
            malformed.spoil(folder / name, data.draw(malformed.folder_damage(names)))
        ask(data, folder, name, home)


@many
@given(data=st.data())
def test_checkpoints(place, home, data):
    with place("unfinished") as folder:
        saved = folder / "unfinished" / "checkpoints"
        whole = home / "whole" / "checkpoints" / "step-00000004.npz"
        name, bytes_, sealed = data.draw(malformed.checkpoint(whole))
        malformed.write(saved / name, bytes_, sealed)
        ask(data, folder, "unfinished", home)


ASKED = {
    "whole": [
        "evaluate",
        "forecast",
        "inspect",
        "audit",
        "weights",
        "backtest",
        "compare",
        "export",
    ],
    "unfinished": [
        "inspect",
        "weights",
        "weights",
        "compare",
        "watch",
        "resume",
        "resume",
        "forecast",
    ],
    "images": ["evaluate", "inspect", "weights", "predict", "compare", "export"],
}
MORE = {"export": ["--format", "numpy"], "watch": ["--every", "0.01", "--timeout", "0.02"]}


def ask(data, folder, name, home):
    """One of the commands that read such a run."""
    command = data.draw(one_of(ASKED[name]))
    if command == "resume":
        run = folder / name
        answered(folder, call=lambda: resume(run))
        return
    more = MORE.get(command, [])
    if command == "compare":
        more = [home / "whole"]
    elif command == "predict":
        more = [home / "my.csv"]
    answered(folder, command, name, *more)


def resume(path):
    config = runs.load(path).config
    commands.train_run(config, str(path), True, True)
