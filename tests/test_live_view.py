"""What a training shows while it runs: on a terminal, in a log, in history.csv, and to nobody."""

import contextlib
import csv
import fcntl
import os
import pty
import re
import shlex
import struct
import sys
import termios
import threading

import numpy as np
import pytest
from small import SMALL, StopAt, series

from seqlab import _leftovers, anatomy, checkpoints, cli, runs, train
from seqlab.datasets import split

WORDS = shlex.split("train my.csv --window 6 --layers 1 --hidden 3 --batch 8 --steps 40 --out run")


@pytest.fixture(autouse=True)
def in_a_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    values = np.sin(np.arange(160) / 5)
    (tmp_path / "my.csv").write_text("v\n" + "".join(f"{v:.4f}\n" for v in values))
    return tmp_path


@contextlib.contextmanager
def terminal(monkeypatch, columns):
    """A pseudo-terminal as standard output; a list of what it was sent."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
    seen = []

    def read():
        with contextlib.suppress(OSError):  # its way to say that it was closed
            while data := os.read(ours, 4096):
                seen.append(data)

    reader = threading.Thread(target=read)
    reader.start()
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", str(columns))
    with os.fdopen(theirs, "w") as screen, monkeypatch.context() as patch:
        patch.setattr(sys, "stdout", screen)
        yield seen
    reader.join(5)
    os.close(ours)


@pytest.mark.parametrize("columns", [80, 120])
def test_a_terminal_is_shown_a_bar(monkeypatch, columns):
    with terminal(monkeypatch, columns) as seen:
        assert cli.main(WORDS) == 0
    text = b"".join(seen).decode()
    assert "\x1b[?25l" in text and "\x1b[?25h" in text  # its cursor is hidden, and shown again
    plain = re.sub(r"\x1b\[[\d;?]*[A-Za-z]", "", text).replace("\r", "\n")
    bars = [line for line in plain.splitlines() if re.search(r"\d+/40", line)]
    assert re.search(
        r"40/40.* loss \d\S*  validation loss \d\S*  rate \S+  \d+ steps/s +\d:\d\d:\d\d", bars[-1]
    ), bars[-1]
    assert all(len(line) <= columns for line in bars)


def test_a_log_gets_a_line_per_evaluation(capsys):
    assert cli.main(WORDS) == 0
    said = capsys.readouterr()
    lines = [line for line in said.out.splitlines() if line.startswith("step ")]
    assert [line.split()[1] for line in lines] == [str(2 * k) for k in range(1, 21)]
    number = r"\d\S*"
    form = rf"step \d+ of 40  loss {number}  validation loss {number}  rate \S+  \d+ steps/s"
    assert all(re.fullmatch(form, line) for line in lines), lines[0]
    assert "\x1b" not in said.out and "\r" not in said.out and said.err == ""


@pytest.mark.parametrize("steps", [40, 400])
def test_a_log_does_not_grow_with_the_steps(steps, capsys):
    assert cli.main([*WORDS, "--steps", str(steps)]) == 0
    assert len(capsys.readouterr().out.splitlines()) < 60


def test_quiet_is_quiet(capfd):
    assert cli.main([*WORDS, "--quiet"]) == 0
    assert capfd.readouterr() == ("", "")


class Reads(StopAt):
    """Reads history.csv behind each evaluation."""

    def __init__(self, path):
        super().__init__(3)
        self.path, self.seen = path, []

    def on_epoch_end(self, epoch, logs=None):
        with (self.path / "history.csv").open(newline="") as file:
            self.seen.append([row["step"] for row in csv.DictReader(file)])
        super().on_epoch_end(epoch, logs)


def test_history_grows_while_it_trains(tmp_path):
    watcher = Reads(tmp_path / "run")
    with pytest.raises(KeyboardInterrupt):
        train.start(SMALL, tmp_path / "run", [watcher], split(series(), SMALL.data))
    assert watcher.seen == [[str(10 * k) for k in range(n + 1)] for n in (1, 2, 3, 4)]
    run = runs.load(tmp_path / "run")
    assert not run.finished and run.history == checkpoints.history(run.path / "checkpoints")


# A reader that leaves, and what a kill leaves


def test_a_training_whose_reader_left_goes_on(monkeypatch, tmp_path):
    """`seqlab train ... | head -1`"""
    ours, theirs = os.pipe()
    os.close(ours)
    with os.fdopen(theirs, "w") as screen, monkeypatch.context() as patch:
        patch.setattr(sys, "stdout", screen)
        assert cli.main(WORDS) == 0
    run = runs.load(tmp_path / "run")
    assert run.finished and run.metrics and len(list(run.plots().glob("*.png"))) > 1


def test_what_a_kill_left_goes_with_the_next_start(tmp_path):
    with pytest.raises(KeyboardInterrupt):
        train.start(SMALL, tmp_path / "run", [StopAt(1)], split(series(), SMALL.data))
    half = [".model-123.keras", ".history-7.csv", ".metrics-99.json", "checkpoints/.step-1-3.npz"]
    others = [".gitignore", ".model-x.keras", "mine.keras"]
    for name in (*half, *others):
        (tmp_path / "run" / name).write_text("x")
    train.resume(runs.load(tmp_path / "run"))
    assert [name for name in (*half, *others) if (tmp_path / "run" / name).exists()] == others


def test_a_training_that_cannot_begin_leaves_nothing(tmp_path, capsys):
    values = [(-1) ** k * 1e30 for k in range(160)]  # whose squares float32 does not hold
    (tmp_path / "large.csv").write_text("v\n" + "".join(f"{v}\n" for v in values))
    words = ["--window", "6", "--scaling", "none", "--steps", "4"]
    assert cli.main(["train", "large.csv", *words]) == 2
    assert "not finite before step 1" in capsys.readouterr().err
    assert {path.name for path in tmp_path.iterdir()} == {"my.csv", "large.csv"}
    assert cli.main([*WORDS[:-2], "--quiet"]) == 0
    assert cli.main(["train", "large.csv", *words]) == 2
    assert runs.find().path.resolve() == tmp_path / "runs" / "my-lstm-1x3-001"
    assert len(list((tmp_path / "runs").iterdir())) == 2


def test_a_run_whose_checkpoints_are_all_damaged_is_kept(tmp_path):
    with pytest.raises(KeyboardInterrupt):
        train.start(SMALL, tmp_path / "run", [StopAt(1)], split(series(), SMALL.data))
    run = runs.load(tmp_path / "run")
    for path in (run.path / "checkpoints").glob("step-*"):
        path.rename(f"{path}.damaged")
    _leftovers.discard(run)
    assert runs.load(run.path).config == run.config


def test_checkpoints_that_were_put_aside_are_listed(tmp_path, capsys):
    with pytest.raises(KeyboardInterrupt):
        train.start(SMALL, tmp_path / "run", [StopAt(2)], split(series(), SMALL.data))
    folder = tmp_path / "run" / "checkpoints"
    (folder / "step-00000030.npz").rename(folder / "step-00000030.npz.damaged")
    (folder / "step-abc.npz").write_text("x")  # no name of a checkpoint
    found = anatomy.dissect(runs.load(tmp_path / "run"))
    assert [(c.step, c.problem) for c in found.checkpoints] == [
        (10, None),
        (20, None),
        (30, "put aside as damaged"),
    ]
    assert cli.main(["inspect", "run"]) == 0
    assert "step-00000030.npz.damaged: put aside as damaged" in capsys.readouterr().out


# Sizes that no machine has


@pytest.mark.parametrize(
    ("options", "part"),
    [
        ("--hidden 1000000000", "1 layers of 1000000000 units"),
        ("--batch 1000000000000", "batches of 1000000000000 windows"),
        ("--hidden 1000000000 --cell mingru", "GB of memory"),
        ("--layers 1001", "`layers` must be at most 1,000"),
        ("--season 100000001", "`season` must be at most 100,000,000"),
        ("--steps 1000000001", "`steps` must be at most 1,000,000,000"),
        ("--epochs 1000000000", "must be at most 1,000,000,000"),
    ],
)
def test_absurd_sizes_are_refused_before_anything_is_made(options, part, capsys, tmp_path):
    words = [*WORDS[:10], *WORDS[12:]] if "--epochs" in options else WORDS  # without --steps 40
    assert cli.main([*words, *options.split()]) == 2
    said = capsys.readouterr().err
    assert part in said and said.count("\n") == 1
    assert [path.name for path in tmp_path.iterdir()] == ["my.csv"]


@pytest.mark.parametrize("kind", [MemoryError, "ResourceExhaustedError"])
def test_memory_that_runs_out_is_one_line(kind, capsys):
    if isinstance(kind, str):
        kind = type(kind, (Exception,), {})

    def command():
        raise kind("OOM when allocating tensor\nwith shape [1000, 1000]")

    assert cli.guarded("seqlab train", command) == 2
    said = capsys.readouterr().err
    assert said.startswith("seqlab train: error: there is not enough memory") and "--batch" in said
    with pytest.raises(ZeroDivisionError):  # what nobody foresaw stays to be seen
        cli.guarded("seqlab train", lambda: print(1 // 0))
