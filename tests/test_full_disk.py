"""A full disk is said to be one, with the file and the remedy, wherever it shows."""

import errno

import pytest
from small import SMALL, fill, series

from seqlab import cli, event_files, runs, train
from seqlab._tensorflow import keras, tf
from seqlab.datasets import split
from seqlab.errors import SeqlabError

FULL = OSError(errno.ENOSPC, "No space left on device")
QUICK = "train sin --steps 40 --layers 1 --hidden 4 --seed 3 --tensorboard"


def said_of(error, capsys):
    def command():
        raise error

    assert cli.guarded("seqlab train", command) == 2
    return capsys.readouterr().err


def test_tensorflow_s_files_are_not_taken_for_memory(capsys):
    text = "/there/events.v2; No space left on device"
    full = tf.errors.ResourceExhaustedError(None, None, text)
    assert said_of(full, capsys).startswith(
        "seqlab train: error: /there/events.v2: no space is left on the disk. Free some"
    )
    memory = tf.errors.ResourceExhaustedError(None, None, "OOM when allocating tensor")
    assert "not enough memory" in said_of(memory, capsys)
    assert "no space is left on the disk" in said_of(FULL, capsys)


@pytest.mark.parametrize("begun", [False, True])
def test_event_files_on_a_full_disk(begun, small_disk, monkeypatch, capsys):
    """Which is full before TensorFlow makes its file, or while it writes to it."""
    command = QUICK.split()
    write = event_files.EventFiles._write

    def full(self, part, *given):
        if bool(self.writers) == begun:
            fill(small_disk)
        for _ in range(500 if begun else 1):  # what it has of a page it may still write
            write(self, part, *given)

    with monkeypatch.context() as patch:
        patch.setattr(event_files.EventFiles, "_write", full)
        assert cli.main([*command, "--out", str(small_disk / "run")]) == 2
    said = capsys.readouterr().err
    assert said.count("\n") == 1, said
    begin = f"seqlab train: error: {small_disk}/run/events/training/events.out.tfevents."
    assert said.startswith(begin) and ".v2: no space is left on the disk. Free some" in said
    (small_disk / "filling").unlink()
    assert cli.main([*command, "--out", str(small_disk / "run"), "--resume"]) == 0
    assert cli.main([*command, "--out", str(small_disk.parent / "whole")]) == 0
    found, wanted = (
        runs.load(p).history for p in (small_disk / "run", small_disk.parent / "whole")
    )
    assert found == wanted


@pytest.mark.parametrize("left", [0, 2**15])
def test_a_savedmodel_on_a_full_disk(left, small_disk, tmp_path, capsys):
    """At its weights, and at the graph behind them; with room, it is written."""
    run = train.start(SMALL, tmp_path / "run", data=split(series(), SMALL.data))
    fill(small_disk, left)
    place = small_disk / "there"
    command = ["export", str(run.path), "--format", "savedmodel", "--out", str(place)]
    assert cli.main(command) == 2
    said = capsys.readouterr().err
    assert said.startswith(f"seqlab export: error: {place}: cannot be written: No space left on")
    assert said.count("\n") == 1 and said.endswith("Name another --out\n")
    assert [path.name for path in small_disk.iterdir()] == ["filling"]
    (small_disk / "filling").unlink()
    assert cli.main(command) == 0 and (place / "saved_model.pb").exists()


@pytest.mark.parametrize("kept", [0, 700, -1])
def test_a_damaged_model_is_made_again(kept, tmp_path, capsys):
    """Emptied, cut short, or with a byte that is another one."""
    run = train.start(SMALL, tmp_path / "run", data=split(series(), SMALL.data))
    file = run.path / "model.keras"
    held = file.read_bytes()
    middle = len(held) // 2
    other = held[:middle] + bytes([held[middle] ^ 1]) + held[middle + 1 :]
    file.write_bytes(other if kept < 0 else held[:kept])
    train.resume(train.load_run(run.path))
    assert "cannot be read. It is made again" in capsys.readouterr().err
    again = train.load_run(run.path).model.get_weights()
    for one, wanted in zip(again, run.model.get_weights(), strict=True):
        assert (one == wanted).all()
    train.resume(train.load_run(run.path))
    assert capsys.readouterr().err == ""


def test_a_model_that_cannot_be_written_can_be_gone_on_with(tmp_path, monkeypatch):
    data = split(series(), SMALL.data)
    whole = train.start(SMALL, tmp_path / "whole", data=data)

    def save(*_):
        raise FULL

    with monkeypatch.context() as patch:
        patch.setattr(keras.Model, "save", save)
        with pytest.raises(
            SeqlabError, match=r"model.keras: cannot be .*--resume; checkpoints are"
        ):
            train.start(SMALL, tmp_path / "full", data=data)
    run = train.resume(train.load_run(tmp_path / "full"))
    for one, other in zip(whole.model.get_weights(), run.model.get_weights(), strict=True):
        assert (one == other).all()
