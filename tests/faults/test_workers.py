"""Several processes that train one model: the curve of one process, and equal bits after each fault."""

import json
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from nursery import EVERY, LIMIT, TINY, Training
from small import fill
from test_faults import same

from seqlab._cluster import Cluster, of_environment
from seqlab.config import Config, ImageConfig, NetworkConfig, TrainConfig

CLOSE = 1e-5  # of each number, relative
SLOW = 0.05  # seconds more at each evaluation
SHORT = TrainConfig(steps=30, batch=9, evaluations=6, ema=0.9, patience=None)
HIT = replace(TINY, train=replace(TINY.train, steps=20 * EVERY, evaluations=20))
LONG = replace(SHORT, steps=20, evaluations=2)
DROPPED = Config(TINY.data, TINY.model, LONG)
PENALISED = replace(SHORT, schedule="plateau", l1=0.001, l2=0.01)
SIN = Config(TINY.data, replace(TINY.model, dropout=0.0), PENALISED)
DIGITS = Config(ImageConfig("digits", augment="chapter"), NetworkConfig("mlp"), SHORT)
NORMED = Config(ImageConfig("digits"), NetworkConfig("baseline", {"dropout": 0.0}), SHORT)


def free_ports(count):
    with ExitStack() as held:
        sockets = [held.enter_context(socket.create_server(("", 0))) for _ in range(count)]
        return [one.getsockname()[1] for one in sockets]


def signalled(index, ports, place, chosen, step):
    """In the child: one of the workers; the chosen ones have a signal in the middle of this step."""
    as_worker(index, ports, place)
    from small import signal_in

    from seqlab import train

    train.CHUNK = 10
    if index in chosen:
        signal_in(step, pytest.MonkeyPatch(), signal.SIGTERM)


def as_worker(index, ports, place, slow=0.0):
    """In the child: one of the workers, in an empty folder of its own; slow enough to be hit."""
    workers = [f"localhost:{port}" for port in ports]
    task = {"type": "worker", "index": index}
    os.environ["TF_CONFIG"] = json.dumps({"cluster": {"worker": workers}, "task": task})
    alone_in(place / f"worker-{index}")
    from seqlab.callbacks import Keeper

    record = Keeper._record
    Keeper._record = lambda *given: (time.sleep(slow), record(*given))


def alone_in(folder):
    """In the child: leave the last weights, the averaged ones and the seeds beside this empty folder."""
    folder.mkdir(exist_ok=True)
    os.chdir(folder)
    from seqlab.callbacks import Keeper

    finish = Keeper.finish

    def noted(keeper):
        values = [np.asarray(v) for v in (*keeper.trainer.weights, *keeper.trainer.evaluated)]
        seeds = [np.asarray(v) for v in keeper.trainer.variables if "seed" in v.name]
        found = finish(keeper)
        best = (np.asarray(weight) for weight in keeper.trainer.weights)
        np.savez(f"{folder}.npz", *values, *best, seeds=np.array(seeds))
        return found

    Keeper.finish = noted


def on_two_devices(folder):
    """In the child: one processor as two devices."""
    import tensorflow as tf

    (device,) = tf.config.list_physical_devices("CPU")
    two = [tf.config.LogicalDeviceConfiguration()] * 2
    tf.config.set_logical_device_configuration(device, two)
    alone_in(folder)


class Workers(ExitStack):
    """Trainings that are one; all but the first are told another --out, where nothing may appear."""

    def __init__(self, place, configs=(HIT, HIT), *details, trouble=as_worker):
        super().__init__()
        ports = free_ports(len(configs))
        places = [place / "run", *(place / f"worker-{i}" / "run" for i in range(1, len(configs)))]
        self.trainings = [
            self.enter_context(Training(places[i], configs[i], trouble, i, ports, place, *details))
            for i in range(len(configs))
        ]

    def end(self):
        """Status and words of each."""
        return [training.end() for training in self.trainings]


def lost(said):
    return "another worker has ended" in said and said.count("\n") == 1 and "--resume" in said


def finish(place, config, count=2):
    """Train to the end, or resume to it."""
    with Workers(place, [config] * count) as workers:
        assert workers.end() == [(0, "")] * count


def weights(file):
    with np.load(file) as values:
        return [values[name] for name in values if name != "seeds"]


def seeds(file):
    with np.load(file) as values:
        return values["seeds"]


def history(path):
    names, *rows = [line.split(",") for line in (path / "history.csv").read_text().splitlines()]
    return names, np.array(rows, float)


def trained_by_one(place, config, trouble=alone_in):
    with Training(place / "run", config, trouble, place / "one") as training:
        assert training.end() == (0, "")
    return history(place / "run"), weights(place / "one.npz")


def trained_by_two(place, config):
    finish(place, config)
    return history(place / "run"), *(weights(place / f"worker-{i}.npz") for i in range(2))


def check_close(found, wanted):
    assert found[0] == wanted[0]
    np.testing.assert_allclose(found[1], wanted[1], rtol=CLOSE, atol=1e-7)


@pytest.mark.parametrize("config", [SIN, DIGITS], ids=["sin", "digits"])
def test_two_workers_give_the_curve_of_one_process(config, tmp_path):
    """Nine rows a batch, so that the shares differ; with a moving average of weights."""
    (tmp_path / "one").mkdir()
    curve, alone = trained_by_one(tmp_path / "one", config)
    found, first, second = trained_by_two(tmp_path, config)
    check_close(found, curve)
    for mine, other, wanted in zip(first, second, alone, strict=True):
        np.testing.assert_array_equal(mine, other)
        np.testing.assert_allclose(mine, wanted, rtol=CLOSE, atol=1e-5)
    assert not list((tmp_path / "worker-1").iterdir()), "a worker has written something"


def test_two_devices_give_the_curve_of_one(tmp_path):
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
    mirrored = replace(SIN, train=replace(SIN.train, strategy="mirrored"))
    curve, alone = trained_by_one(tmp_path / "one", SIN)
    found, both = trained_by_one(tmp_path / "two", mirrored, on_two_devices)
    check_close(found, curve)
    assert any((mine != wanted).any() for mine, wanted in zip(both, alone, strict=True)), (
        "one device"
    )


def test_statistics_of_batch_normalisation_are_those_of_both(tmp_path):
    """Each worker normalises its own rows; what evaluation uses is the mean, and the same for both."""
    _, first, second = trained_by_two(tmp_path, NORMED)
    for mine, other in zip(first, second, strict=True):
        np.testing.assert_array_equal(mine, other)


def test_workers_that_are_killed_and_started_again(tmp_path, record_property):
    """With dropout: SIGTERM to one, kill -9 of one, kill -9 of the chief; then both to the end."""
    (tmp_path / "whole").mkdir()
    _, first, second = trained_by_two(tmp_path / "whole", HIT)
    with Workers(tmp_path, (HIT, HIT), SLOW) as workers:
        workers.trainings[0].reach(EVERY)
        workers.trainings[1].send(signal.SIGTERM)
        ends = workers.end()
    assert [status for status, _ in ends] == [143, 143], ends
    for index in (1, 0):
        with Workers(tmp_path, (HIT, HIT), SLOW) as workers:
            chief = workers.trainings[0]
            chief.reach(chief.step() + 2 * EVERY)
            workers.trainings[index].send(signal.SIGKILL)
            (killed, _), (status, said) = (workers.trainings[i].end() for i in (index, 1 - index))
        assert killed == -signal.SIGKILL, "it had ended: give it more steps"
        assert status not in (0, None) and (lost(said) or status < 0), (status, said)
    finish(tmp_path, HIT)
    same(tmp_path / "run", tmp_path / "whole" / "run")
    drawn = [seeds(tmp_path / f"worker-{i}.npz") for i in range(2)]
    np.testing.assert_array_equal(drawn[1], drawn[0] + [[1, 0]])  # each drops other outputs
    for i, whole in enumerate((first, second)):
        for mine, wanted in zip(weights(tmp_path / f"worker-{i}.npz"), whole, strict=True):
            np.testing.assert_array_equal(mine, wanted)
    record_property("faults", "1 SIGTERM of one of two workers")
    record_property("faults", "2 kill -9 of one of two workers")


def end_in(place, config, chosen, step, reached):
    """Both end after a step in whose middle one of them has a signal."""
    with Workers(place, (config, config), (chosen,), step, trouble=signalled) as workers:
        ends = workers.end()
    assert [status for status, _ in ends] == [143, 143], ends
    assert workers.trainings[0].step() == reached


@contextmanager
def halting(trainings, chance):
    """Inside, one or the other stands still now and then, as on a machine that is too busy."""
    over = threading.Event()

    def halt():
        while not over.wait(0.15 * chance.random() ** 2):
            process = trainings[chance.integers(len(trainings))]
            if trainings[0].step() >= 0:  # or the whole start takes longer
                process.send(signal.SIGSTOP)
                time.sleep(0.3 * chance.random() ** 2)
                process.send(signal.SIGCONT)

    thread = threading.Thread(target=halt)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


def test_signals_in_any_step_of_workers_that_stand_still(tmp_path, record_property):
    """To one of two, or to both, and then to the end; SEQLAB_SIGNALS=200 in place of a few."""
    (tmp_path / "whole").mkdir()
    _, *whole = trained_by_two(tmp_path / "whole", DROPPED)
    count = int(os.environ.get("SEQLAB_SIGNALS", "3"))
    for number in range(count):
        place, chance = tmp_path / str(number), np.random.default_rng(number)
        place.mkdir()
        chosen = [(0,), (1,), (0, 1)][number % 3]
        step = int(chance.integers(1, 19))
        with (
            Workers(place, (DROPPED, DROPPED), chosen, step, trouble=signalled) as workers,
            halting(workers.trainings, chance),
        ):
            ends = workers.end()
        assert [status for status, _ in ends] == [143, 143], (number, ends)
        finish(place, DROPPED)
        for i, values in enumerate(whole):
            for mine, wanted in zip(weights(place / f"worker-{i}.npz"), values, strict=True):
                np.testing.assert_array_equal(mine, wanted)
    record_property(
        "faults", f"{count} SIGTERM in any step of workers that stand still now and then"
    )


@pytest.mark.parametrize(
    ("config", "signals"),
    [
        (DROPPED, [(1, 3, 3), (0, 4, 7), (1, 3, 10), (0, 1, 11)]),
        (replace(NORMED, train=LONG), [(0, 7, 7)]),
    ],
    ids=["dropout", "normalisation"],
)
def test_a_signal_to_one_ends_all_after_the_step(config, signals, tmp_path, record_property):
    """In chunks of ten steps, after which an evaluation is left to do; in chunks of two the same bits."""
    (tmp_path / "whole").mkdir()
    _, *whole = trained_by_two(tmp_path / "whole", config)
    for chosen, step, reached in signals:
        end_in(tmp_path, config, chosen, step, reached)
        record_property("faults", "1 SIGTERM in a step of one of two workers")
    finish(tmp_path, config)
    same(tmp_path / "run", tmp_path / "whole" / "run")
    for i, values in enumerate(whole):
        for mine, wanted in zip(weights(tmp_path / f"worker-{i}.npz"), values, strict=True):
            np.testing.assert_array_equal(mine, wanted)


def left_in_evaluation(index, ports, place):
    """In the child: the last worker has a signal in the evaluation after the first steps."""
    as_worker(index, ports, place)
    from seqlab.callbacks import Keeper

    ended = Keeper.on_test_batch_end

    def signalled(keeper, batch, logs=None):
        if index == len(ports) - 1 and int(keeper.trainer.optimizer.iterations):
            signal.raise_signal(signal.SIGTERM)
        ended(keeper, batch, logs)

    Keeper.on_test_batch_end = signalled


def test_statistics_of_three_workers_are_those_of_the_last_step(tmp_path, record_property):
    """An evaluation that is taken anew takes no mean of them once more: a third rounds."""
    config = replace(NORMED, train=replace(SHORT, steps=6, evaluations=2))
    (tmp_path / "whole").mkdir()
    finish(tmp_path / "whole", config, 3)
    with Workers(tmp_path, [config] * 3, trouble=left_in_evaluation) as workers:
        ends = workers.end()
    assert [status for status, _ in ends] == [143] * 3, ends
    assert workers.trainings[0].step() == 3
    record_property("faults", "1 SIGTERM in an evaluation of one of three workers")
    finish(tmp_path, config, 3)
    same(tmp_path / "run", tmp_path / "whole" / "run")


def test_one_process_goes_on_where_two_workers_ended(tmp_path):
    (tmp_path / "one").mkdir()
    curve, _ = trained_by_one(tmp_path / "one", SIN)
    end_in(tmp_path, SIN, 1, 3, 3)
    check_close(trained_by_one(tmp_path, SIN)[0], curve)


def test_workers_with_other_options_are_refused(tmp_path):
    other = replace(TINY, train=replace(TINY.train, seed=1))
    with Workers(tmp_path, (TINY, other)) as workers:
        (status, said), (other_status, other_said) = workers.end()
    assert (status, other_status) == (2, 2), (said, other_said)
    assert "worker 1 was given other options" in other_said and lost(said), said


def few_seconds(index, ports, place):
    os.environ["SEQLAB_WAIT"] = "1"
    as_worker(index, ports, place)


def test_a_chief_alone_does_not_wait_for_ever(tmp_path):
    with Training(tmp_path / "run", TINY, few_seconds, 0, free_ports(2), tmp_path) as training:
        status, said = training.end()
    assert (
        status == 2 and "no worker has answered from localhost:" in said and "SEQLAB_WAIT" in said
    )


PAGE = Path(__file__).parents[2] / "docs" / "distributed.md"


def blocks(language):
    return re.findall(rf"```{language}\n(.*?)```", PAGE.read_text(), re.S)


def bash(text, folder, **variables):
    """What a script prints that has these programs; `seqlab` is this package's."""
    environment = {**os.environ, **variables, "PATH": f"{folder}:{os.environ['PATH']}"}
    command = ["bash", "-c", text]
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout


def program(folder, name, text):
    (folder / name).write_text(f"#!/bin/bash\n{text}\n")
    (folder / name).chmod(0o755)


def test_the_first_commands_of_the_page(tmp_path):
    program(tmp_path, "seqlab", f'exec {sys.executable} -m seqlab "$@" --steps 20 --hidden 2')
    lines = [line[2:] for line in blocks("console")[0].splitlines() if line.startswith("$ ")]
    text = "\n".join(lines)
    for port, free in zip(("2222", "2223"), free_ports(2), strict=True):
        text = text.replace(port, str(free))
    said = bash(text, tmp_path, PYTHONPATH=str(PAGE.parents[1]))
    promised = blocks("console")[0].splitlines()[-1]
    assert promised in said and (tmp_path / "run" / "model.keras").exists()


def test_clusters_of_the_page_are_clusters(tmp_path, monkeypatch):
    """Slurm's script and Kubernetes' pod, with programs that stand in for theirs."""
    program(tmp_path, "seqlab", 'echo "$TF_CONFIG"')
    program(tmp_path, "srun", '"$@"')
    program(tmp_path, "scontrol", "printf 'n1\\nn2\\n'")
    program(tmp_path, "sleep", "")
    slurm = blocks("console")[2].partition("#!")[2].rpartition("$ sbatch")[0]
    monkeypatch.setenv("TF_CONFIG", bash(f"#!{slurm}", tmp_path, SLURM_PROCID="1"))
    assert of_environment("multiworker") == Cluster(("n1:2222", "n2:2222"), 1)
    pod = blocks("yaml")[0].partition("- |\n")[2].partition("volumeMounts")[0]
    monkeypatch.setenv("TF_CONFIG", bash(pod, tmp_path, HOSTNAME="train-1"))
    assert of_environment("auto") == Cluster(("train-0.train:2222", "train-1.train:2222"), 1)


def infinite_in(index, ports, place):
    """In the child: a worker; the loss of the second one's rows is infinite from the fourth step on."""
    as_worker(index, ports, place)
    import tensorflow as tf

    from seqlab.trainer import Trainer

    whole = Trainer.compute_loss

    def loss(self, *given, training=True, **options):
        total = whole(self, *given, training=training, **options)
        if not training or index == 0:
            return total
        return total + tf.where(self.optimizer.iterations < 3, 0.0, np.inf)

    Trainer.compute_loss = loss


def test_a_loss_that_is_not_finite_on_one_stops_all_in_that_step(tmp_path):
    """Its gradient is finite; both say the same, and the weights are those before."""
    with Workers(tmp_path, (TINY, TINY), trouble=infinite_in) as workers:
        ends = workers.end()
    for status, said in ends:
        assert (status, said.count("\n")) == (2, 1), ends
        assert "error: the loss is not finite in step 4 (batch 4 of epoch 1): " in said, ends
    assert workers.trainings[0].step() == 0


def test_the_chief_s_full_disk_ends_all(small_disk, tmp_path, record_property):
    """In seconds, and with room on it both go on."""
    (tmp_path / "whole").mkdir()
    finish(tmp_path / "whole", HIT)
    with Workers(small_disk, (HIT, HIT), SLOW) as workers:
        workers.trainings[0].reach(3 * EVERY)
        fill(small_disk)
        begun = time.monotonic()
        (status, said), (other, words) = workers.end()
    assert time.monotonic() - begun < 60
    assert status == 2 and "no checkpoint can be written: No space left on device" in said, said
    assert other != 0 and (lost(words) or other < 0), (other, words)
    (small_disk / "filling").unlink()
    finish(small_disk, HIT)
    same(small_disk / "run", tmp_path / "whole" / "run")
    record_property("faults", "1 full disk of the chief of two workers")


def of_command(index, ports, folder):
    """One of the workers of ``seqlab train --seeds 2``, whose runs are in `folder`."""
    cluster = {"worker": [f"localhost:{port}" for port in ports]}
    task = {"type": "worker", "index": index}
    told = {"TF_CONFIG": json.dumps({"cluster": cluster, "task": task})} if len(ports) > 1 else {}
    words = "train sin --steps 20 --layers 1 --hidden 2 --batch 9 --evaluations 2 --seeds 2 --quiet"
    command = [sys.executable, "-m", "seqlab", *words.split(), "--out", folder]
    return subprocess.Popen(command, env={**os.environ, **told}, stderr=subprocess.PIPE, text=True)


def test_seeds_one_after_the_other(tmp_path):
    """The chief scores one while the other waits for the next; curves are those of one process."""
    ports = free_ports(2)
    started = [of_command(i, ports, tmp_path / f"runs-{i}") for i in range(2)]
    started.append(of_command(0, ports[:1], tmp_path / "alone"))
    for one in started:
        said = one.communicate(timeout=LIMIT)[1]
        assert one.returncode == 0, said
    assert not (tmp_path / "runs-1").exists(), "a worker has written something"
    for seed in ("seed-0", "seed-1"):
        found, wanted = tmp_path / "runs-0" / seed, tmp_path / "alone" / seed
        assert (found / "metrics.json").exists()
        check_close(history(found), history(wanted))
