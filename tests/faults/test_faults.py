"""Trainings that are killed, starved and damaged, for real: in the end they give the same bits."""

import os
import random
import resource
import signal
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from nursery import EVERY, TINY, Training
from small import fill

from seqlab import runs
from seqlab.config import Config, ImageConfig, NetworkConfig

KILLS = int(os.environ.get("SEQLAB_KILLS", "10"))


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """What a training gives that nobody disturbs."""
    path = tmp_path_factory.mktemp("whole") / "run"
    with Training(path) as training:
        assert training.end() == (0, "")
    return path


@pytest.fixture
def counted(record_property):
    """Counts faults by their kind, for the summary."""

    def count(kind, number=1):
        record_property("faults", f"{number} {kind}")

    return count


def same(path, other):
    """The two runs have the same last state, best weights, history and model, bit for bit."""
    states = [dict(np.load(sorted(p.glob("checkpoints/step-*.npz"))[-1])) for p in (path, other)]
    for name in states[0].keys() | states[1].keys():
        np.testing.assert_array_equal(states[0][name], states[1][name], err_msg=name)
    models = [runs.load(p).model.get_weights() for p in (path, other)]
    for mine, wanted in zip(*models, strict=True):
        np.testing.assert_array_equal(mine, wanted)
    assert (path / "history.csv").read_text() == (other / "history.csv").read_text()
    assert not list(path.glob("checkpoints/.*")), "something half-written stays"


def finish(path, whole, config=TINY):
    """The same command again, with --resume; what it says."""
    with Training(path, config) as training:
        status, said = training.end()
    assert status == 0, said
    same(path, whole)
    return said


def test_killed_at_random_moments(whole, tmp_path, counted):
    """One training, killed again and again: before its first checkpoint, between two, in a step."""
    chance, kills = random.Random(6), 0
    while kills < KILLS:
        with Training(tmp_path / "run") as training:
            training.reach(training.step() + chance.randint(0, 2) * EVERY)
            training.process.join(chance.uniform(0, 0.05))
            training.send(signal.SIGKILL)
            assert training.end()[0] == -signal.SIGKILL, "it had ended: give it more steps"
        kills += 1
    assert finish(tmp_path / "run", whole) == ""
    counted("kill -9 at a random moment", kills)


# What else a training goes on with: patience that runs out, a rate that falls, statistics, other images.
OTHERS = {
    "patience": replace(
        TINY,
        train=replace(TINY.train, patience=5, schedule="plateau", learning_rate=0.05),
    ),
    "images": Config(
        ImageConfig("digits", augment="chapter"),
        NetworkConfig("baseline"),
        replace(TINY.train, steps=12 * EVERY, evaluations=12),
    ),
}


@pytest.mark.parametrize("name", OTHERS)
def test_other_trainings_killed_at_random_moments(name, tmp_path, counted):
    """An LSTM with dropout that ends early by its plateaus, and images that are moved by chance."""
    config, chance, kills = OTHERS[name], random.Random(8), max(1, KILLS // 3)
    with Training(tmp_path / "whole", config) as training:
        assert training.end() == (0, "")
    history = runs.load(tmp_path / "whole").history
    if name == "patience":
        assert history["step"][-1] < config.train.steps, "it did not end early"
        assert len(set(history["learning_rate"])) > 1, "no plateau"
    for _ in range(kills):
        with Training(tmp_path / "run", config) as training:
            training.reach(training.step() + chance.randint(1, 2) * EVERY)
            training.process.join(chance.uniform(0, 0.02))
            training.send(signal.SIGKILL)
            assert training.end()[0] == -signal.SIGKILL, "it had ended: give it more steps"
    assert finish(tmp_path / "run", tmp_path / "whole", config) == ""
    counted(f"kill -9 at a random moment ({name})", kills)


def die_in(name, when, share):
    """Patch a function that writes a file: in its n-th call it leaves a part, and the process dies."""
    import keras

    from seqlab import checkpoints

    module, attribute = {
        "checkpoint": (checkpoints, "_write"),
        "series": (np, "savez_compressed"),
        "model": (keras.Model, "save"),
    }[name]
    write, calls = getattr(module, attribute), []

    def dying(*given, **more):
        calls.append(1)
        write(*given, **more)
        if len(calls) == when:
            path = Path(given[1] if name == "model" else given[0])
            os.truncate(path, int(share * path.stat().st_size))
            os.kill(os.getpid(), signal.SIGKILL)

    setattr(module, attribute, dying)


@pytest.mark.parametrize(
    ("file", "when", "share"),
    [("series", 1, 0.5), ("checkpoint", 1, 0.3), ("checkpoint", 4, 0.99), ("model", 1, 0.5)],
)
def test_killed_in_the_middle_of_writing(file, when, share, whole, tmp_path, counted):
    with Training(tmp_path / "run", TINY, die_in, file, when, share) as training:
        assert training.end()[0] == -signal.SIGKILL
    assert finish(tmp_path / "run", whole) == ""
    counted(f"kill -9 while the {file} is written")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_signals_end_it_after_the_step(number, whole, tmp_path, counted):
    """Mostly in the middle of a stretch between two evaluations, of which history has the loss."""
    steps = []
    for _ in range(3):
        with Training(tmp_path / "run") as training:
            training.reach(training.step() + 2 * EVERY).send(number)
            status, said = training.end()
        steps.append(training.step())
        assert status == 128 + number
        assert said == (
            f"seqlab train: interrupted; {tmp_path}/run keeps the checkpoint of step {steps[-1]}."
            " Go on with the same command and --resume\n"
        )
    assert finish(tmp_path / "run", whole) == ""
    counted(number.name, len(steps))


def damage(data, how, chance):
    if how == "flipped":
        at = chance.randrange(len(data))
        return data[:at] + bytes([data[at] ^ 1 << chance.randrange(8)]) + data[at + 1 :]
    return data[: chance.randrange(len(data))]


def test_damaged_checkpoints_give_way_to_the_one_before(whole, tmp_path, counted):
    """Killed; then its newest checkpoint is damaged, or the two newest."""
    chance = random.Random(7)
    for kind, number in (("truncated", 1), ("flipped", 1), ("flipped", 2)):
        with Training(tmp_path / "run") as training:
            training.reach(training.step() + 3 * EVERY).send(signal.SIGKILL)
            training.end()
        for path in training.checkpoints()[-number:]:
            path.write_bytes(damage(path.read_bytes(), kind, chance))
        before = training.checkpoints()[-number - 1]
        with Training(tmp_path / "run") as training:
            training.reach(training.step() + EVERY).send(signal.SIGKILL)
            said = training.end()[1]
        assert said.endswith(f". Going on from step {int(before.stem[-8:])}\n"), said
        assert said.count("\n") == 1 and said.count("cannot be read") == number
        counted(f"checkpoint {kind}", number)
    assert finish(tmp_path / "run", whole) == ""


def test_a_full_disk_leaves_earlier_checkpoints_whole(small_disk, whole, counted):
    with Training(small_disk / "run") as training:
        training.reach(3 * EVERY)
        fill(small_disk)
        status, said = training.end()
    assert status == 2 and said.count("\n") == 1
    assert said.startswith("seqlab train: error: ")
    assert "no checkpoint can be written: No space left on device. Earlier ones are whole" in said
    (small_disk / "filling").unlink()
    assert len(training.checkpoints()) == 3
    assert finish(small_disk / "run", whole) == ""
    counted("full disk")


def bounded(size):
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))


@pytest.mark.parametrize("share", [0.5, 0.99])
def test_a_file_that_may_not_grow_is_a_full_disk(share, whole, tmp_path, counted):
    """With a limit on files in place of a disk: also the first checkpoint."""
    size = int(share * sorted(whole.glob("checkpoints/*.npz"))[-1].stat().st_size)
    with Training(tmp_path / "run", TINY, bounded, size) as training:
        status, said = training.end()
    assert (status, said.count("\n")) == (2, 1)
    assert "File too large" in said
    finish(tmp_path / "run", whole)
    counted("file at its limit")


def test_two_trainings_in_one_folder(whole, tmp_path, counted):
    with Training(tmp_path / "run") as first:
        first.reach(EVERY)
        with Training(tmp_path / "run") as second:
            status, said = second.end()
        assert first.process.is_alive(), "it had ended: give it more steps"
        assert status == 2 and said.count("\n") == 1
        assert f"process {first.process.pid} on" in said and "trains here at this moment" in said
        first.send(signal.SIGKILL)
        first.end()
    assert finish(tmp_path / "run", whole) == ""  # its lock went with it
    counted("second training in the folder")


def test_a_second_ctrl_c_ends_it_at_once(whole, tmp_path, counted):
    """In a step that would take ten minutes; what was there before it is gone on with."""
    with Training(tmp_path / "run", TINY, endless) as training:
        training.reach(0).process.join(0.5)
        training.send(signal.SIGINT).process.join(0.5)
        assert training.process.is_alive()
        training.send(signal.SIGINT)
        assert training.end()[0] == 130
    assert training.step() == 0
    assert finish(tmp_path / "run", whole) == ""
    counted("second Ctrl-C")


def endless():
    """A batch waits in TensorFlow's own code, as a slow one would."""
    import tensorflow as tf

    from seqlab.trainer import Trainer

    def train_step(self, data):
        (count,) = tf.while_loop(lambda k: k < 10**9, lambda k: k + 1, [0])
        self.optimizer.iterations.assign_add(tf.cast(0 * count, tf.int64))  # or it is left out
        return self.get_metrics_result()

    Trainer.train_step = train_step
