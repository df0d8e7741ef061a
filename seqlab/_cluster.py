"""Which workers train together, from ``TF_CONFIG``, and the wait until all of them are there.

This module imports nothing heavy, so that a wrong cluster is refused before TensorFlow is loaded.
"""

import json
import os
import socket
import time
from dataclasses import dataclass
from typing import Any

from seqlab.errors import SeqlabError

__all__ = ["Cluster", "chief", "meet", "of_environment"]

WAIT = 300.0  # seconds for all workers to come, unless the variable below says another number
PATIENCE = "SEQLAB_WAIT"
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
    """Wait until each worker can be reached, since TensorFlow itself would wait without an end.

    A worker answers at its port from here on until TensorFlow takes the port over, so it does not matter
    who comes first.

    Raises:
        SeqlabError: this worker's port is taken; or others did not come in time.
    """
    limit = _wait()
    end = time.monotonic() + limit
    missing = [a for i, a in enumerate(cluster.addresses) if i != cluster.index]
    own = cluster.addresses[cluster.index]
    try:
        listener = socket.create_server(("", _port(own)))
    except OSError as error:
        raise SeqlabError(
            f"{own}: this worker cannot listen there: {error.strerror}. End the process that has it,"
            " or name another port in every worker's TF_CONFIG"
        ) from error
    with listener:
        while missing:
            missing = [address for address in missing if not _answers(address)]
            if missing and time.monotonic() > end:
                raise SeqlabError(
                    f"no answer from {', '.join(missing)} for {limit:g} seconds. Start the same command"
                    " on each host of TF_CONFIG, and let the ports through between them;"
                    f" {PATIENCE}=SECONDS waits longer"
                )
            time.sleep(0.2 if missing else 0.0)


def _answers(address: str) -> bool:
    try:
        host = address.rpartition(":")[0].strip("[]")
        socket.create_connection((host, _port(address)), timeout=2.0).close()
    except OSError:  # also a name that is not known yet
        return False
    return True


def _port(address: str) -> int:
    return int(address.rpartition(":")[2])


def _wait() -> float:
    text = os.environ.get(PATIENCE, str(WAIT))
    try:
        return max(0.0, float(text))
    except ValueError:
        raise SeqlabError(f"`{PATIENCE}` must be a number of seconds. Received: {text!r}") from None
