"""Which workers train together, from ``TF_CONFIG``, and the wait until all of them are there.

This module imports nothing heavy, so that a wrong cluster is refused before TensorFlow is loaded.
"""

import hashlib
import json
import os
import socket
import threading
import time
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from seqlab.errors import SeqlabError

__all__ = ["Cluster", "chief", "meet", "of_environment", "refuse_workers"]

WAIT = 300.0  # seconds for all workers to come, unless the variable below says another number
PATIENCE = "SEQLAB_WAIT"
ANSWER = 5.0  # seconds for a worker that is there to greet back
PAUSE = 0.1  # between two rounds of greetings
GREETING = 32  # bytes
JOBS = ("chief", "worker")
EXAMPLE = (
    'TF_CONFIG=\'{"cluster": {"worker": ["host-a:2222", "host-b:2222"]},'
    ' "task": {"type": "worker", "index": 0}}\''
)


@dataclass(frozen=True)
class Cluster:
    """Workers that train one model.

    Attributes:
        addresses: ``host:port`` of each; the first is the chief's, which alone writes.
        index: which of them this process is.
    """

    addresses: tuple[str, ...]
    index: int


def of_environment(strategy: str) -> Cluster | None:
    """The cluster that a training of this strategy is to join; None if it has no other workers.

    Raises:
        SeqlabError: ``TF_CONFIG`` is missing where it is needed, or is no such cluster.
    """
    if strategy not in ("auto", "multiworker"):
        return None
    text = os.environ.get("TF_CONFIG", "")
    found = _cluster(text) if text.strip() else None
    if found is None and strategy == "multiworker":
        raise SeqlabError(
            f"--strategy multiworker takes its workers from TF_CONFIG, which names none. Set {EXAMPLE}"
            " on the first host, with the index 1 on the second"
        )
    return found if found is not None and len(found.addresses) > 1 else None


def refuse_workers() -> None:
    """Refuse to search where every worker would do so by itself.

    Raises:
        SeqlabError: ``TF_CONFIG`` names several.
    """
    if of_environment("auto") is not None:
        raise SeqlabError(
            "TF_CONFIG names several workers, and a search runs on one machine. Unset TF_CONFIG for it"
        )


def chief(strategy: str) -> bool:
    """Whether this process writes the run: all do, except for the workers behind the first."""
    found = of_environment(strategy)
    return found is None or found.index == 0


def _cluster(text: str) -> Cluster | None:
    """None where ``TF_CONFIG`` names no cluster at all."""
    try:
        given = json.loads(text)
        jobs, task = given.get("cluster") or {}, given.get("task") or {}
        if not jobs:
            return None
        addresses = [(job, i, str(a)) for job in JOBS for i, a in enumerate(jobs.get(job, ()))]
        own = (str(task["type"]), int(task["index"]))
    except (ValueError, TypeError, AttributeError, KeyError) as error:
        raise SeqlabError(
            f"TF_CONFIG cannot be read: {type(error).__name__}: {error}. Give it like {EXAMPLE}."
            f" Received: {text[:200]!r}"
        ) from None
    _check(jobs, addresses)
    names = [(job, i) for job, i, _ in addresses]
    if own not in names:
        raise SeqlabError(
            f"TF_CONFIG: this process is {own[0]} {own[1]}, and the cluster has"
            f" {', '.join(f'{job} {i}' for job, i in names)}. Set `task` to one of these on each host"
        )
    return Cluster(tuple(address for *_, address in addresses), names.index(own))


def _check(jobs: dict[str, Any], addresses: list[tuple[str, int, str]]) -> None:
    """Refuse other jobs, and addresses that are none."""
    others = sorted(set(jobs) - set(JOBS))
    if others:
        raise SeqlabError(
            f"TF_CONFIG: seqlab trains on jobs named chief and worker. Received: {', '.join(others)}."
            " Leave these out of the cluster"
        )
    for *_, address in addresses:
        host, _, port = address.rpartition(":")
        if not host or not port.isdigit() or not 0 < int(port) < 2**16:
            raise SeqlabError(f"TF_CONFIG: a worker must be host:port. Received: {address!r}")
    if len({address for *_, address in addresses}) < len(addresses):
        raise SeqlabError("TF_CONFIG: two workers have one address. Give each its own host or port")


def meet(cluster: Cluster) -> None:
    """Wait until all workers are there, since TensorFlow itself would wait without an end.

    Each greets all others at their ports, and stays until all have greeted it. So it does not matter who
    comes first, and no other program, nor a worker of a training that is over, is taken for one.

    Raises:
        SeqlabError: this worker's port is taken; or others did not come in time.
    """
    limit = _wait()
    end, own = time.monotonic() + limit, cluster.addresses[cluster.index]
    others = set(range(len(cluster.addresses))) - {cluster.index}
    heard, told = set[int](), set[int]()  # whom we have greeted, and who has greeted us
    try:
        listener = socket.create_server(("", _port(own)))
    except OSError as error:
        raise SeqlabError(
            f"{own}: this worker cannot listen there: {error.strerror}. End the process that has it,"
            " or name another port in every worker's TF_CONFIG"
        ) from error
    with listener:
        threading.Thread(target=_listen, args=(listener, cluster, told), daemon=True).start()
        while missing := others - (heard & told):
            if time.monotonic() > end:
                names = ", ".join(cluster.addresses[i] for i in sorted(missing))
                raise SeqlabError(
                    f"no worker has answered from {names} for {limit:g} seconds. Start the same command"
                    " on each host, with the same cluster in TF_CONFIG, and let the ports through between"
                    f" them; {PATIENCE}=SECONDS waits longer"
                )
            heard |= {i for i in others - heard if _answers(cluster, i)}
            time.sleep(PAUSE)
        listener.shutdown(socket.SHUT_RDWR)  # which ends the thread


def _answers(cluster: Cluster, index: int) -> bool:
    """Greet a worker; whether it greets us."""
    host = cluster.addresses[index].rpartition(":")[0].strip("[]")
    try:
        place = host, _port(cluster.addresses[index])
        with socket.create_connection(place, timeout=ANSWER) as line:
            line.sendall(_greeting(cluster, cluster.index))
            there = _read(line) == _greeting(cluster, index)
            if there:
                line.sendall(_greeting(cluster, cluster.index))  # it may count on us
            return there
    except OSError:  # also a name that is not known yet
        return False


def _listen(listener: socket.socket, cluster: Cluster, told: set[int]) -> None:
    """Answer those who greet us, until the listener is closed."""
    while True:
        try:
            line, _ = listener.accept()
        except OSError:
            return
        with line, suppress(OSError):
            line.settimeout(ANSWER)
            said = _read(line)
            who = [i for i in range(len(cluster.addresses)) if said == _greeting(cluster, i)]
            line.sendall(_greeting(cluster, cluster.index))
            if who and _read(line) == said:
                told.update(who)


def _greeting(cluster: Cluster, index: int) -> bytes:
    return hashlib.sha256(f"seqlab {cluster.addresses} {index}".encode()).digest()


def _read(line: socket.socket) -> bytes:
    """As many bytes as a greeting has, or fewer if there are no more."""
    said = b""
    while len(said) < GREETING and (more := line.recv(GREETING - len(said))):
        said += more
    return said


def _port(address: str) -> int:
    return int(address.rpartition(":")[2])


def _wait() -> float:
    text = os.environ.get(PATIENCE, str(WAIT))
    try:
        return max(0.0, float(text))
    except ValueError:
        raise SeqlabError(f"`{PATIENCE}` must be a number of seconds. Received: {text!r}") from None
