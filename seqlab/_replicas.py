"""What a training runs on: one device, several of this process, or workers on several machines.

TensorFlow's strategies give what they are good at: a network computed on several devices side by side,
and sums over all of them. Weights, optimizer and random state are ordinary variables of each process.
Each replica takes Keras' own training step on its rows of a batch, up to the gradient; the gradients,
each counted by its share of the rows, are added up over all replicas; and each process then takes the
same optimizer step. So checkpoints, averages and callbacks need not know on how many devices they are.
With the gradients goes what else workers must have alike after a step: statistics, and whether to end.
"""

import hashlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np

from seqlab._average import assign
from seqlab._lost import together
from seqlab._tensorflow import tf
from seqlab.errors import SeqlabError

__all__ = ["ONE", "One", "Replicas", "kind"]

# The loss of a batch must be the mean over its rows, or shares of it cannot be added up.
NO_MEANS = ("sum", "none", "mean_with_sample_weight")
PIECE = 2**23  # numbers that are sent at once


class One:
    """One process, one device.

    Attributes:
        workers: how many processes train together.
        index: which of them this is.
        replicas: how many devices train together.
        name: of the strategy.
    """

    workers, index, replicas, name = 1, 0, 1, "one"

    @property
    def chief(self) -> bool:
        """Whether this process writes the run."""
        return self.index == 0

    @property
    def about(self) -> str:
        """What was taken, in one line."""
        return f"Training on one {kind()} (strategy one)"

    def rows(self, batch: int) -> slice:
        """Which rows of each batch are this process's share."""
        return slice(self.index * batch // self.workers, (self.index + 1) * batch // self.workers)

    def check(self, batch: int, loss: Any) -> None:
        """Refuse what cannot be shared out."""

    def step(self, one_batch: Callable[[Any], Any], trainer: Any) -> Any:
        """From Keras' training step to one on everything that trains together.

        Of several workers it gives whether any of them is asked to end, to all of them alike.
        """
        del trainer
        # Outside of a replica Keras has no gradients to add up. TensorFlow would keep the gradient
        # of that sum, and with it this whole graph, as long as the process lives.
        alone = tf.distribute.get_replica_context().merge_call
        return lambda rows: alone(lambda _: one_batch(rows))

    @contextmanager
    def joined(self, counters: Sequence[Any]) -> Iterator[None]:
        """Inside, counters have the sums over all processes; behind, the values of this one.

        So each process goes on with its own, and how often one looks at the sums changes no bit.
        """
        del counters
        yield

    def gathered(self, values: Sequence[np.ndarray]) -> list[list[np.ndarray]]:
        """What each process gives, in their order; shapes and types are the same for all."""
        return [list(values)]

    def dealt(self, counts: Sequence[Sequence[np.ndarray]]) -> list[np.ndarray]:
        """What this process goes on with, of the counts that `gathered` gave.

        Where as many processes gave them as there are now, its own; or else the chief has the sums.
        """
        if len(counts) == self.workers:
            return list(counts[self.index])
        sums = [np.sum(values, 0, values[0].dtype) for values in zip(*counts, strict=True)]
        return sums if self.chief else [np.zeros_like(total) for total in sums]

    def compare(self, facts: Callable[[], Sequence[bytes]]) -> None:
        """Refuse to train on what another process does not have."""

    def agreed(self, number: int) -> int:
        """The largest number that any process gives."""
        return number

    def of_chief(self, values: dict[str, float]) -> dict[str, float]:
        """The chief's numbers, for everyone, so that everyone decides alike."""
        return values

    def sent(self, data: bytes) -> bytes:
        """What the chief gives, for everyone."""
        return data

    def own_chance(self, seeds: Sequence[Any]) -> None:
        """Give each process its own random numbers, from a state that all have from the chief."""


ONE = One()


class Replicas(One):
    """Several devices, of one process or of many.

    Args:
        strategy: of TensorFlow.
        name: of it.
        workers: how many processes.
        index: which this is.
    """

    def __init__(self, strategy: Any, name: str, workers: int = 1, index: int = 0) -> None:
        self.strategy, self.name, self.workers, self.index = strategy, name, workers, index
        self.replicas = strategy.num_replicas_in_sync
        self.here = self.replicas // workers
        self._added = tf.function(self._add, reduce_retracing=True)

    @property
    def about(self) -> str:
        """What was taken, in one line."""
        devices = f"{self.here} {kind()}s"
        if self.workers == 1:
            return f"Training on {devices} (strategy {self.name})"
        each = f"one {kind()}" if self.here == 1 else devices
        who = "the chief, which writes" if self.chief else "which writes nothing"
        return (
            f"Training on {self.workers} workers with {each} each, of which this is number"
            f" {self.index}, {who} (strategy {self.name})"
        )

    def check(self, batch: int, loss: Any) -> None:
        """Refuse what cannot be shared out.

        Raises:
            SeqlabError: fewer rows than replicas; or a loss that is not a mean over rows.
        """
        if batch < self.replicas:
            raise SeqlabError(
                f"a batch must have a row for each of the {self.replicas} devices that train together."
                f" Received: --batch {batch}. Give a larger one, or train on fewer"
            )
        if getattr(loss, "reduction", None) in NO_MEANS:
            raise SeqlabError(
                "on several devices the loss must be the mean over the rows of a batch."
                f" Received: reduction={loss.reduction!r}. Use 'sum_over_batch_size', or --strategy one"
            )

    def step(self, one_batch: Callable[[Any], Any], trainer: Any) -> Any:
        """From Keras' training step to one on everything that trains together."""
        alone = tf.distribute.get_replica_context().merge_call
        optimizer = trainer.optimizer

        def on_replica(rows: Any) -> list[Any]:
            mine, count = self._share(rows)
            with optimizer.gradients() as found:
                one_batch(mine)
            # Keras divides a loss in a replica by their number, as if all had equally many rows.
            share = count * self.replicas / trainer.batch
            gradients = [share * tf.convert_to_tensor(g) for g in found if g is not None]
            return self._sum([*gradients, *self._beside(gradients, trainer)])

        def whole(_: Any, rows: Any) -> Any:
            sums = iter(self._here(self.strategy.run(on_replica, args=(rows,))))
            optimizer.apply_sums([next(sums) if there else None for there in optimizer.there])
            return self._settled(list(sums), trainer)

        return lambda rows: alone(whole, args=(rows,))

    def _beside(self, gradients: list[Any], trainer: Any) -> list[Any]:
        """In a replica of several workers: what travels with its gradients, in the same sum."""
        if self.workers == 1:
            return []
        last = self._number() == self.here - 1  # which finds what all of its process have moved
        shares = [v * tf.cast(last / self.workers, v.dtype) for v in trainer.moving]
        with tf.control_dependencies(gradients):  # as late as it can be asked
            asked = tf.cast(trainer.asked.read_value(), gradients[0].dtype)
        return [*shares, asked]

    def _settled(self, sums: list[Any], trainer: Any) -> Any:
        """Take the means of statistics; whether a worker is asked to end. For one process, None."""
        if self.workers == 1:
            return None
        *means, asked = sums
        assign(trainer.moving, means)
        return asked > 0

    def _share(self, rows: Any) -> tuple[Any, int]:
        """In a replica: its rows of this process's, and how many."""
        count = tf.nest.flatten(rows)[0].shape[0]
        number = self._number()
        mine = slice(number * count // self.here, (number + 1) * count // self.here)
        return tf.nest.map_structure(lambda v: v[mine], rows), mine.stop - mine.start

    def _number(self) -> int:
        """In a replica: which of this process's it is."""
        there = tf.distribute.get_replica_context().replica_id_in_sync_group
        return int(tf.get_static_value(there)) % self.here

    def _sum(self, values: list[Any]) -> Any:
        """In a replica: the sums over all."""
        context = tf.distribute.get_replica_context()
        return context.all_reduce(tf.distribute.ReduceOp.SUM, values)

    def _here(self, values: Any) -> list[Any]:
        """What each of the replicas has alike, once."""
        return [self.strategy.experimental_local_results(value)[0] for value in values]

    def _add(self, values: list[Any]) -> list[Any]:
        """Sums over processes, of which each gives one value of each kind."""

        def on_replica(values: list[Any]) -> Any:
            first = self._number() == 0
            return self._sum([tf.identity(v) if first else tf.zeros_like(v) for v in values])

        return self._here(self.strategy.run(on_replica, args=(values,)))

    @contextmanager
    def joined(self, counters: Sequence[Any]) -> Iterator[None]:
        """Inside, counters have the sums over all processes; behind, the values of this one."""
        if self.workers == 1:
            yield
            return
        alone = tf.distribute.get_replica_context().merge_call
        own = [tf.identity(variable) for variable in counters]
        assign(counters, alone(lambda _: self._add(own)))
        yield
        assign(counters, own)

    def gathered(self, values: Sequence[np.ndarray]) -> list[list[np.ndarray]]:
        """What each process gives, in their order; shapes and types are the same for all."""
        rows = []
        for value in values:  # added to zeros, so to the bit
            given = np.zeros((self.workers, *value.shape), value.dtype)
            given[self.index] = value
            rows.append(self._total(given))
        return [[row[i] for row in rows] for i in range(self.workers)]

    def compare(self, facts: Callable[[], Sequence[bytes]]) -> None:
        """Refuse to train on what another process does not have.

        Raises:
            SeqlabError: the chief has other facts.
        """
        own = hashlib.sha256(b"".join(facts())).digest()
        if self.sent(own) != own:
            raise SeqlabError(
                f"worker {self.index} was given other options, or other data, than the chief. Start the"
                " same command with the same files for every worker"
            )

    def agreed(self, number: int) -> int:
        """The largest number that any process gives."""
        if self.workers == 1:
            return number
        given = np.zeros(self.workers, np.int64)
        given[self.index] = number
        return int(np.max(self._total(given)))

    def of_chief(self, values: dict[str, float]) -> dict[str, float]:
        """The chief's numbers, for everyone, so that everyone decides alike."""
        if self.workers == 1:
            return values
        given = np.array([float(values[name]) for name in sorted(values)])
        bits = np.frombuffer(self.sent(given.tobytes()))
        return dict(zip(sorted(values), bits.tolist(), strict=True))

    def sent(self, data: bytes) -> bytes:
        """What the chief gives, for everyone."""
        if self.workers == 1:
            return data
        size = self.agreed(len(data) if self.chief else 0)
        # Whole numbers are added up exactly, and all but the chief's are zero.
        given = np.zeros(-(-size // 8), np.int64)
        if self.chief:
            given.view(np.uint8)[:size] = np.frombuffer(data, np.uint8)
        places = range(0, len(given), PIECE)
        return b"".join(self._total(given[i : i + PIECE]).tobytes() for i in places)[:size]

    def _total(self, given: np.ndarray) -> np.ndarray:
        with together(self.workers):
            return np.asarray(self._added([tf.constant(given)])[0])

    def own_chance(self, seeds: Sequence[Any]) -> None:
        """Give each process its own random numbers, from a state that all have from the chief."""
        for state in seeds:  # [seed, how many were drawn]
            state.assign(np.asarray(state) + np.array([self.index, 0], np.uint32))


def kind() -> str:
    """Of the devices that a training takes."""
    return "GPU" if tf.config.get_visible_devices("GPU") else "CPU"
