"""Which devices and workers a training takes: TF_CONFIG, waiting, --strategy and --device."""

import json
import socket
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from seqlab import _cluster, _strategy, cli, train
from seqlab._cluster import Cluster, chief, meet, of_environment
from seqlab._replicas import ONE, Replicas
from seqlab._tensorflow import keras, tf
from seqlab.config import Config, TrainConfig
from seqlab.errors import SeqlabError
from seqlab.options import make_config, train_command

TWO = {"worker": ["a:1", "b:2"]}


def told(monkeypatch, text):
    monkeypatch.setenv("TF_CONFIG", text if isinstance(text, str) else json.dumps(text))


def test_workers_in_their_order(monkeypatch):
    told(monkeypatch, {"cluster": TWO, "task": {"type": "worker", "index": 1}})
    assert of_environment("auto") == of_environment("multiworker") == Cluster(("a:1", "b:2"), 1)
    assert of_environment("one") is of_environment("mirrored") is None
    assert not chief("auto") and chief("one")
    jobs = {"worker": ["b:2"], "chief": ["a:1"]}
    told(monkeypatch, {"cluster": jobs, "task": {"type": "chief", "index": "0"}})
    assert of_environment("auto") == Cluster(("a:1", "b:2"), 0) and chief("auto")


@pytest.mark.parametrize(
    "text", ["", "{}", '{"cluster": {"worker": ["a:1"]}, "task": {"type": "worker", "index": 0}}']
)
def test_no_others(text, monkeypatch):
    told(monkeypatch, text)
    assert of_environment("auto") is None and chief("auto")


def task(kind="worker", index=0):
    return {"type": kind, "index": index}


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "takes its workers from TF_CONFIG, which names none. Set TF_CONFIG='{"),
        ('{"task": {}}', "which names none"),
        ("{cluster", "cannot be read: JSONDecodeError"),
        ("[1]", "cannot be read: AttributeError"),
        ({"cluster": TWO}, "cannot be read: KeyError: 'type'"),
        ({"cluster": TWO, "task": task(index="x")}, "cannot be read: ValueError"),
        ({"cluster": {"worker": 3}, "task": task()}, "cannot be read: TypeError"),
        (
            {"cluster": TWO, "task": task(index=2)},
            "is worker 2, and the cluster has worker 0, worker 1",
        ),
        ({"cluster": TWO, "task": task("chief")}, "is chief 0, and the cluster has"),
        ({"cluster": {**TWO, "ps": ["c:3"]}, "task": task()}, "Received: ps. Leave"),
        ({"cluster": {"worker": ["a:1", "b"]}, "task": task()}, "must be host:port. Received: 'b'"),
        ({"cluster": {"worker": ["a:1", "b:0"]}, "task": task()}, "Received: 'b:0'"),
        ({"cluster": {"worker": ["a:1", "a:1"]}, "task": task()}, "two workers have one address"),
    ],
)
def test_what_is_no_cluster_is_refused_before_anything_is_made(
    text, words, monkeypatch, tmp_path, capsys
):
    told(monkeypatch, text)
    monkeypatch.chdir(tmp_path)
    assert cli.main(["train", "sin", "--strategy", "multiworker"]) == 2
    said = capsys.readouterr().err
    assert words in said and said.count("\n") == 1
    assert not list(tmp_path.iterdir())


def free_ports(count):
    sockets = [socket.create_server(("", 0)) for _ in range(count)]
    ports = [one.getsockname()[1] for one in sockets]
    for one in sockets:
        one.close()
    return [f"localhost:{port}" for port in ports]


def test_workers_meet_whoever_comes_first(monkeypatch):
    """Three of them, one late; beside them someone else knocks at a port."""
    monkeypatch.setenv("SEQLAB_WAIT", "60")
    addresses = tuple(free_ports(3))
    with ThreadPoolExecutor(3) as pool:
        met = [pool.submit(meet, Cluster(addresses, i)) for i in (1, 2)]
        time.sleep(0.3)
        host, port = addresses[1].split(":")
        with socket.create_connection((host, int(port))) as other:
            other.sendall(b"GET / HTTP/1.1\r\n\r\n" + bytes(40))
        assert not any(one.done() for one in met)
        met.append(pool.submit(meet, Cluster(addresses, 0)))
        assert [one.result() for one in met] == [None] * 3


def test_who_has_another_cluster_in_mind_is_no_worker_of_ours(monkeypatch):
    monkeypatch.setenv("SEQLAB_WAIT", "1")
    first, second = free_ports(2)
    with ThreadPoolExecutor(2) as pool:
        one = pool.submit(meet, Cluster((first, second), 0))
        other = pool.submit(meet, Cluster((first, second, "localhost:9"), 1))
        for met in (one, other):
            with pytest.raises(SeqlabError, match="with the same cluster in TF_CONFIG"):
                met.result()


def test_another_program_at_the_port_is_no_worker(monkeypatch):
    monkeypatch.setenv("SEQLAB_WAIT", "0.3")
    monkeypatch.setattr(_cluster, "ANSWER", 0.2)
    with socket.create_server(("", 0)) as program:
        theirs = f"localhost:{program.getsockname()[1]}"
        with pytest.raises(SeqlabError, match=f"no worker has answered from {theirs}"):
            meet(Cluster((*free_ports(1), theirs), 0))


def test_a_worker_that_does_not_come(monkeypatch):
    monkeypatch.setenv("SEQLAB_WAIT", "0.3")
    first, second = free_ports(2)
    with pytest.raises(SeqlabError, match=f"no worker has answered from {second} for 0.3 sec"):
        meet(Cluster((first, second), 0))
    monkeypatch.setenv("SEQLAB_WAIT", "soon")
    with pytest.raises(SeqlabError, match="must be a number of seconds"):
        meet(Cluster((first, second), 0))


def test_a_port_that_is_taken():
    with socket.create_server(("", 0)) as taken:
        own = f"localhost:{taken.getsockname()[1]}"
        with pytest.raises(SeqlabError, match=f"{own}: this worker cannot listen there"):
            meet(Cluster((own, "localhost:1"), 0))


def test_workers_come_before_the_first_computation(monkeypatch):
    told(monkeypatch, {"cluster": TWO, "task": task()})
    tf.constant(1.0)  # if nothing was computed before
    monkeypatch.setattr(_strategy, "meet", lambda _: None)
    with pytest.raises(SeqlabError, match=r"before TensorFlow computes anything: .*train\.join"):
        train.join(TrainConfig())


def options(*words):
    return make_config(cli.parser().parse_args(["train", *words]))


def test_one_option_for_forecasts_and_devices():
    config = options("sin", "--strategy", "recursive", "--strategy=one")
    assert (config.data.strategy, config.train.strategy) == ("recursive", "one")
    assert (Config().data.strategy, Config().train.strategy) == ("direct", "auto")
    assert options("digits", "--strategy", "mirrored").train.strategy == "mirrored"
    with pytest.raises(SeqlabError, match="`--strategy` is for series"):
        options("digits", "--strategy", "recursive")
    words = train_command(config).split()
    assert options(*words[2:]) == config
    with pytest.raises(SeqlabError, match="`strategy` must be one of auto, one"):
        TrainConfig(strategy="two")


class Devices:
    """TensorFlow's view of a machine with so many GPUs."""

    def __init__(self, monkeypatch, gpus):
        self.hidden = []
        found = [f"GPU:{i}" for i in range(gpus)]
        monkeypatch.setattr(tf.config, "get_visible_devices", lambda kind: found)
        monkeypatch.setattr(tf.config, "list_physical_devices", lambda kind: found)
        monkeypatch.setattr(
            tf.config, "set_visible_devices", lambda *given: self.hidden.append(given)
        )
        monkeypatch.setattr(tf.distribute, "MirroredStrategy", self.mirrored)

    def mirrored(self, names):
        self.names = names
        return self

    num_replicas_in_sync = 2


def test_auto_takes_what_there_is(monkeypatch):
    monkeypatch.delenv("TF_CONFIG", raising=False)
    for gpus in (0, 1):
        Devices(monkeypatch, gpus)
        assert _strategy.chosen("auto") is ONE
    assert ONE.about == "Training on one GPU (strategy one)"
    devices = Devices(monkeypatch, 2)
    taken = _strategy.chosen("auto")
    assert isinstance(taken, Replicas) and devices.names == ["GPU:0", "GPU:1"]
    assert taken.about == "Training on 2 GPUs (strategy mirrored)"
    assert _strategy.chosen("one") is ONE


def test_a_device_that_is_asked_for(monkeypatch):
    assert Devices(monkeypatch, 1).hidden == [] == _strategy.use_device("auto")
    devices = Devices(monkeypatch, 1)
    assert _strategy.use_device("gpu") == [] and not devices.hidden
    assert _strategy.use_device("cpu") == [] and devices.hidden == [([], "GPU")]
    devices = Devices(monkeypatch, 0)
    assert "no GPU" in _strategy.use_device("gpu")[0] and not devices.hidden


def test_the_command_says_where_it_trains(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    words = ["train", "sin", "--steps", "2", "--hidden", "2", "--layers", "1", "--device", "gpu"]
    assert cli.main(words) == 0
    said = capsys.readouterr().out.splitlines()
    assert said[:2] == [
        "There is no GPU that TensorFlow can use: taking the CPU",
        "Training on one CPU (strategy one)",
    ]


def test_a_batch_has_a_row_for_each_and_a_loss_is_a_mean(monkeypatch):
    Devices(monkeypatch, 2)
    two = _strategy.chosen("auto")
    two.check(2, keras.losses.MeanSquaredError())
    two.check(2, "mse")
    with pytest.raises(SeqlabError, match=r"a row for each of the 2 devices .* --batch 1"):
        two.check(1, "mse")
    with pytest.raises(SeqlabError, match="reduction='sum'"):
        two.check(8, keras.losses.MeanSquaredError(reduction="sum"))


@pytest.mark.parametrize("words", ["tune sin --trials 1", "train sin --find-rate"])
def test_a_search_is_not_shared_out(words, monkeypatch, capsys, tmp_path):
    monkeypatch.chdir(tmp_path)
    told(monkeypatch, {"cluster": TWO, "task": task(index=1)})
    assert cli.main(words.split()) == 2
    assert not list(tmp_path.iterdir())
    assert "a search runs on one machine" in capsys.readouterr().err
    assert _cluster.PATIENCE == "SEQLAB_WAIT"  # which docs/distributed.md names
