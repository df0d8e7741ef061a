"""A full disk is said to be one, with the file and the remedy, wherever it shows."""

import errno

import pytest
from small import SMALL, series

from seqlab import cli, train
from seqlab._tensorflow import keras, tf
from seqlab.datasets import split
from seqlab.errors import SeqlabError

FULL = OSError(errno.ENOSPC, "No space left on device")


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
