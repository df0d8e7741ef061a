"""Noise on cells while they train: dropout of inputs, outputs and states, and zoneout."""

from collections.abc import Callable
from numbers import Real
from typing import Any

from seqlab._loop import Path, paths, sequence, stepper
from seqlab._tensorflow import keras
from seqlab.errors import SeqlabError, check_fraction
from seqlab.wrappers import Step, Wrapper, keeps_output, state_roles

__all__ = ["DropoutWrapper", "ZoneoutWrapper"]

ops = keras.ops
Drop = Callable[[Any], Any]


@keras.saving.register_keras_serializable("seqlab")
class DropoutWrapper(Wrapper):
    """A cell with dropout on its inputs, outputs and states, only while training.

    Each element is kept with this probability, and then divided by it. The new h is dropped after a
    step, on its way to the next one: the output of the step does not feel it. An LSTM's c is what the
    network remembers, and is left alone unless asked for; further states always are. In stacks and
    wrappers that goes for each cell by itself (see `wrappers.state_roles`).

    Dropping inputs and outputs leaves the cell its fast path; dropping states needs the loop, while
    training. Source: Zaremba et al. (2014), section 3.2; with one mask per sequence Gal and Ghahramani
    (2016), section 4. The arguments are those of TensorFlow 1.

    Args:
        cell: what to wrap.
        input_keep_prob: share of the inputs ``[B, D]`` that is kept.
        output_keep_prob: share of the outputs ``[B, H]`` that is kept.
        state_keep_prob: share of the new states that is kept.
        variational: one mask per sequence, the same at every step, in place of one per step.
        drop_cell_state: drop the LSTM's c, too.

    Raises:
        SeqlabError: a probability outside (0, 1]; `drop_cell_state` where there is no c.
    """

    _config_names = (
        "input_keep_prob",
        "output_keep_prob",
        "state_keep_prob",
        "variational",
        "drop_cell_state",
    )

    def __init__(
        self,
        cell: Any,
        input_keep_prob: float = 1.0,
        output_keep_prob: float = 1.0,
        state_keep_prob: float = 1.0,
        *,
        variational: bool = False,
        drop_cell_state: bool = False,
        **kwargs: Any,
    ) -> None:
        keeps = (input_keep_prob, output_keep_prob, state_keep_prob)
        for name, keep in zip(("input", "output", "state"), keeps, strict=True):
            _check_keep(f"{name}_keep_prob", keep)
        if drop_cell_state:
            _check_memory("drop_cell_state", drop_cell_state, cell)
        super().__init__(cell, **kwargs)
        self.input_keep_prob, self.output_keep_prob, self.state_keep_prob = keeps
        self.variational = variational
        self.drop_cell_state = drop_cell_state
        self.random = keras.random.SeedGenerator()

    @property
    def keeps_output(self) -> bool:
        """As the wrapped cell, unless its output or its h is dropped."""
        untouched = self.output_keep_prob == self.state_keep_prob == 1
        return untouched and keeps_output(self.cell)

    @property
    def once_per_sequence(self) -> bool:
        """Whether masks are drawn once per sequence, here or below."""
        return self.variational or super().once_per_sequence

    def build(self, input_shape: Any) -> None:
        """Build the wrapped cell."""
        super().build(input_shape)
        self.input_size = input_shape[-1]

    def stepper(self, batch_size: Any, training: bool) -> Step:
        """One step, with masks that are drawn here (variational), or at each step."""
        step = stepper(self.cell, batch_size, training)
        if not training:
            return step
        drop_inputs = self._dropper(self.input_keep_prob, batch_size, self.input_size)
        drop_output = self._dropper(self.output_keep_prob, batch_size, self.output_size)
        drop_states = self._state_droppers(batch_size)

        def run(inputs: Any, states: Any) -> tuple[Any, Any]:
            output, states = step(drop_inputs(inputs), states)
            flat = zip(drop_states, keras.tree.flatten(states), strict=True)
            dropped = [drop(state) for drop, state in flat]
            return drop_output(output), keras.tree.pack_sequence_as(states, dropped)

        return run

    def paths(self, implementation: str = "auto") -> list[Path]:
        """The wrapped cell's, unless states are dropped."""
        if self.state_keep_prob == 1:
            return paths(self.cell, implementation)
        reason = "while training, state_keep_prob drops the state at every step"
        return [Path(self.name, "loop", reason)]

    def sequence(
        self, inputs: Any, states: Any, lengths: Any, training: bool, implementation: str
    ) -> tuple[Any, Any]:
        """All steps; masks for the whole sequence are drawn at once, unless states are dropped."""
        if training and self.state_keep_prob < 1:
            return super().sequence(inputs, states, lengths, training, implementation)
        keep = (self.input_keep_prob, self.output_keep_prob) if training else (1, 1)
        inputs = self._drop_all(inputs, keep[0])
        outputs, states = sequence(self.cell, inputs, states, lengths, training, implementation)
        return self._drop_all(outputs, keep[1]), states

    def _state_droppers(self, batch_size: Any) -> list[Drop]:
        dropped = ("h", "c") if self.drop_cell_state else ("h",)
        roles, sizes = state_roles(self.cell), keras.tree.flatten(self.state_size)
        keeps = [self.state_keep_prob if role in dropped else 1 for role in roles]
        flat = zip(keeps, sizes, strict=True)
        return [self._dropper(keep, batch_size, size) for keep, size in flat]

    def _dropper(self, keep: float, batch_size: Any, size: int) -> Drop:
        """A function on ``[B, size]`` that drops, by one mask or by another at each call."""
        if keep == 1:
            return lambda values: values
        if not self.variational:
            return lambda values: values * self._mask(ops.shape(values), keep, values.dtype)
        mask = self._mask((batch_size, size), keep, self.compute_dtype)
        return lambda values: values * ops.cast(mask, values.dtype)

    def _drop_all(self, values: Any, keep: float) -> Any:
        """All steps ``[B, T, size]``."""
        if keep == 1:
            return values
        batch, steps, size = ops.shape(values)
        steps = 1 if self.variational else steps
        return values * self._mask((batch, steps, size), keep, values.dtype)

    def _mask(self, shape: Any, keep: float, dtype: str) -> Any:
        """Elements ``1 / keep`` with this probability, else 0."""
        return ops.cast(_chance(shape, keep, self.random), dtype) / keep


@keras.saving.register_keras_serializable("seqlab")
class ZoneoutWrapper(Wrapper):
    """A cell some of whose units keep, at each step, the state that they had before it.

    While training each unit's h (and c, by draws of its own) stays with this probability; otherwise each
    takes the expectation of that, ``rate * old + (1 - rate) * new``. The output is the h after that,
    where the cell's output is its h. Source: Krueger et al. (2017), section 3.2.

    Args:
        cell: what to wrap: a cell whose output nothing has changed yet.
        state_zoneout: probability that a unit of h stays.
        cell_zoneout: the same for an LSTM's c.

    Raises:
        SeqlabError: a rate outside [0, 1); `cell_zoneout` where there is no c; a cell whose output is
            changed by a wrapper or comes from a stack.
    """

    _config_names = ("state_zoneout", "cell_zoneout")

    def __init__(
        self, cell: Any, state_zoneout: float = 0.1, cell_zoneout: float = 0.0, **kwargs: Any
    ) -> None:
        check_fraction("state_zoneout", state_zoneout)
        check_fraction("cell_zoneout", cell_zoneout)
        if cell_zoneout:
            _check_memory("cell_zoneout", cell_zoneout, cell, alone=True)
        if not keeps_output(cell):
            raise SeqlabError(
                "`ZoneoutWrapper` makes h, which is the output, too;"
                f" `{type(cell).__name__}` gives another output. Put zoneout inside, around each cell"
            )
        super().__init__(cell, **kwargs)
        self.state_zoneout = state_zoneout
        self.cell_zoneout = cell_zoneout
        self.random = keras.random.SeedGenerator()

    @property
    def keeps_output(self) -> bool:
        """Yes: output and h are held alike."""
        return True

    def stepper(self, batch_size: Any, training: bool) -> Step:
        """One step, with masks of its own."""
        step = stepper(self.cell, batch_size, training)
        rates = {"h": self.state_zoneout, "c": self.cell_zoneout}
        flat_rates = [rates.get(role, 0) for role in state_roles(self.cell)]

        def run(inputs: Any, states: Any) -> tuple[Any, Any]:
            output, new_states = step(inputs, states)
            new = keras.tree.flatten(new_states)
            flat = zip(keras.tree.flatten(states), new, flat_rates, strict=True)
            held = [self._hold(*triple, training) for triple in flat]
            output = held[0] if output is new[0] else output
            return output, keras.tree.pack_sequence_as(new_states, held)

        return run

    def _hold(self, old: Any, new: Any, rate: float, training: bool) -> Any:
        if not rate:
            return new
        if training:
            return ops.where(_chance(ops.shape(new), rate, self.random), old, new)
        return rate * old + (1 - rate) * new


def _chance(shape: Any, probability: float, random: Any) -> Any:
    """True with this probability, drawn in float32 whatever the cell computes in."""
    return keras.random.uniform(shape, dtype="float32", seed=random) < probability


def _check_keep(name: str, keep: float) -> None:
    if isinstance(keep, bool) or not isinstance(keep, Real) or not 0 < keep <= 1:
        raise SeqlabError(f"`{name}` must be above 0 and at most 1. Received: {keep!r}")


def _check_memory(name: str, value: Any, cell: Any, alone: bool = False) -> None:
    """Refuse what acts on c where there is none, or where further states scale it (`alone`)."""
    roles = state_roles(cell)
    if "c" not in roles or (alone and "" in roles):
        states = f"`{cell.name}` has {len(roles)} states and no such c"
        raise SeqlabError(
            f"`{name}` acts on the c of an LSTM; {states}. Leave it out. Received: {value!r}"
        )
