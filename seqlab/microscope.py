"""A microscope for recurrent networks: how long they remember, and which parts of them do nothing.

Four things are measured on windows of the validation part:

- gate saturation: how often a gate is nearly shut or nearly open, where it hardly learns;
- the memory half-life of each unit: after so many steps half of what it held is left;
- the gradient of the forecast with respect to the input at each lag (Pascanu et al., 2013, section 2):
  where it has faded, older rows of the window change nothing;
- dead units, whose output is the same whatever they read.

Gates need no second loop over time: the gates of a step follow from its input and from the output of the
step before, and both are known for all steps once the network has run.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np

from seqlab import cells
from seqlab._steps import reverse
from seqlab._tensorflow import keras, tf
from seqlab.errors import SeqlabError
from seqlab.runs import Run
from seqlab.wrappers import bare_cells

__all__ = [
    "Layer",
    "Memory",
    "examine",
    "gates",
    "gradient_per_lag",
    "half_life",
    "layer_of",
    "layers_of",
]

LOW, HIGH = 0.1, 0.9  # a gate below or above is saturated
DEAD = 1e-3  # standard deviation of an output from -1 to 1 that counts as none
SHARE = 0.95  # of the gradient, that the memory is said to reach
WINDOWS, NUMBERS = 256, 2**22  # windows at most, and outputs of one layer
AHEAD = 16  # steps ahead, evenly spread, whose gradients are taken
MODELS = ("stacked", "bidirectional")
# Gates from 0 to 1 with their columns, and the one that says what is kept.
GATES = {"lstm": {"input": 0, "forget": 1, "output": 3}, "gru": {"update": 0, "reset": 1}}
KEEPS = {"lstm": "forget", "gru": "update"}


@dataclass(frozen=True)
class Layer:
    """One cell of a network, in one direction.

    Attributes:
        name: the cell's.
        gates: for each gate the shares of its activations below 0.1 and above 0.9.
        half_life: steps, ``[H]``; infinite for a unit that forgets nothing.
        dead: ``[H]``, whether the output does not vary over windows and steps.
    """

    name: str
    gates: dict[str, tuple[float, float]]
    half_life: np.ndarray
    dead: np.ndarray

    def to_json(self) -> dict[str, Any]:
        """What ``--json`` prints; an infinite half-life is null."""
        return {
            "layer": self.name,
            "gates": {
                name: {"below": low, "above": high} for name, (low, high) in self.gates.items()
            },
            "half_life": [v if np.isfinite(v) else None for v in self.half_life.tolist()],
            "dead": np.flatnonzero(self.dead).tolist(),
        }


@dataclass(frozen=True)
class Memory:
    """How far a network remembers.

    Attributes:
        layers: lowest first; of a bidirectional network all forward ones first.
        gradient: ``[T]``, root mean square over windows and steps ahead of the gradient's norm, by lag:
            the first is that of the newest row.
        part: of the series, that was looked at.
        windows: how many of it.
        both_ways: whether the network also reads the window backwards.
    """

    layers: tuple[Layer, ...]
    gradient: np.ndarray
    part: str
    windows: int
    both_ways: bool

    def reach(self, share: float = SHARE) -> int:
        """The number of newest rows that this share of the gradient comes from."""
        summed = np.cumsum(self.gradient)
        return int(np.argmax(summed >= share * summed[-1])) + 1

    @property
    def verdict(self) -> str:
        """Whether the window suits the memory, in words."""
        steps, total = len(self.gradient), float(self.gradient.sum())
        if not total:
            return "The forecast does not depend on the window at all: the network is dead."
        reach = self.reach()
        said = f"{SHARE:.0%} of the gradient comes from the last {reach}".replace("%", " %")
        if 2 * reach <= steps:
            return f"The window of {steps} steps is longer than the memory: {said}."
        oldest = max(1, steps // 10)
        share = float(self.gradient[-oldest:].sum()) / total
        if share >= oldest / steps and not self.both_ways:
            return (
                f"The window of {steps} steps may be too short: its oldest {oldest} still give"
                f" {100 * share:.0f} % of the gradient. Try a longer --window."
            )
        return f"The window of {steps} steps suits the memory: {said}."

    @property
    def notes(self) -> list[str]:
        """What else should be known: dead units, gates that hardly learn."""
        found = [
            f"{one.name}: {int(one.dead.sum())} of {len(one.dead)} units are dead"
            for one in self.layers
            if one.dead.any()
        ]
        for one in self.layers:
            for name, shares in one.gates.items():
                if max(shares) > HIGH:
                    how = "shut" if shares[0] > shares[1] else "open"
                    found.append(f"{one.name}: the {name} gate is nearly always {how}")
        return found

    def to_json(self) -> dict[str, Any]:
        """What ``--json`` prints."""
        return {
            "verdict": self.verdict,
            "notes": self.notes,
            "part": self.part,
            "windows": self.windows,
            "gradient_per_lag": self.gradient.tolist(),
            "reach": self.reach() if self.gradient.any() else 0,
            "layers": [layer.to_json() for layer in self.layers],
        }


def examine(run: Run) -> Memory:
    """Look into the network of a finished run.

    Raises:
        SeqlabError: of images, not finished, or of another model or cell than can be looked into.
    """
    run.demand("series")
    config = run.config.model
    if config.model not in MODELS or config.cell not in GATES:
        raise SeqlabError(
            f"{run.path}: a {config.about}; the memory can be measured of the models"
            f" {' and '.join(MODELS)} of the cells {' and '.join(GATES)}."
            " Train one: --model stacked --cell lstm"
        )
    data, model = run.split, run.model
    part = data.validation or data.train
    given = part.given(_chosen(len(part), part.window * config.hidden))
    rnn = next(one for one in model.layers if hasattr(one, "forward") or hasattr(one, "cell"))
    inputs = keras.Model(model.input, rnn.input)(given)
    return Memory(
        layers=tuple(layers_of(rnn, inputs, config.cell)),
        gradient=gradient_per_lag(model, given, _middle(run)),
        part="validation" if data.validation else "training",
        windows=int(inputs.shape[0]),
        both_ways=config.model == "bidirectional",
    )


def layers_of(rnn: Any, inputs: Any, kind: str) -> list[Layer]:
    """Each cell of a layer over time ``DynamicRNN`` or ``BidirectionalDynamicRNN``, lowest first.

    Args:
        rnn: the layer.
        inputs: its inputs ``[B, T, D]``.
        kind: of all its cells: ``lstm`` or ``gru``.
    """
    if not hasattr(rnn, "forward"):
        return _upwards(rnn.cell, inputs, kind)
    backwards = _upwards(rnn.backward.cell, reverse(inputs, None), kind)
    return [*_upwards(rnn.forward.cell, inputs, kind), *backwards]


def _upwards(cell: Any, inputs: Any, kind: str) -> list[Layer]:
    found = []
    for bare in bare_cells(cell):
        outputs, _ = cells.dynamic_rnn(bare, inputs)
        found.append(layer_of(bare, np.asarray(inputs), np.asarray(outputs), kind))
        inputs = outputs
    return found


def layer_of(cell: Any, inputs: np.ndarray, outputs: np.ndarray, kind: str) -> Layer:
    """What a cell did: from inputs ``[B, T, D]`` to outputs ``[B, T, H]``, from a state of zeros."""
    columns = gates(cell, inputs, outputs, kind)
    shares = {
        name: (float(np.mean(open_ < LOW)), float(np.mean(open_ > HIGH)))
        for name, open_ in ((name, _sigmoid(values)) for name, values in columns.items())
    }
    spread = outputs.astype(np.float64).std(axis=(0, 1))
    return Layer(cell.name, shares, half_life(columns[KEEPS[kind]]), spread < DEAD)


def gates(cell: Any, inputs: np.ndarray, outputs: np.ndarray, kind: str) -> dict[str, np.ndarray]:
    """The gates of all steps before their sigmoid, ``[B, T, H]`` each, by name.

    Columns are in the order of Keras: i, f, g, o of the LSTM, z, r, g of the GRU, where z is the share of
    the state that is *kept*. Gates z and r are the same with the reset gate before or after the product:
    its bias for the state, the second row, is then added to the first.
    """
    kernel, recurrent, bias = (
        np.asarray(w, np.float32) for w in (cell.kernel, cell.recurrent_kernel, cell.bias)
    )
    before = np.zeros_like(outputs, np.float32)
    before[:, 1:] = outputs[:, :-1]
    summed = inputs.astype(np.float32) @ kernel + before @ recurrent
    summed += bias.sum(axis=0) if bias.ndim > 1 else bias
    parts = np.split(summed, cell.gates, axis=-1)
    return {name: parts[column] for name, column in GATES[kind].items()}


def half_life(kept: np.ndarray) -> np.ndarray:
    """Steps after which half of what units held is left, ``[H]``: ``ln 2 / -mean(ln f)``.

    Over many steps a unit keeps the product of its forget gates, so it is their logarithms that are
    averaged.

    Args:
        kept: the gate that says what is kept, before its sigmoid, ``[B, T, H]``.
    """
    lost = np.logaddexp(0.0, -kept.astype(np.float64)).mean(axis=(0, 1))  # -ln of the sigmoid
    with np.errstate(divide="ignore"):
        return np.log(2) / lost


def gradient_per_lag(model: Any, given: Any, middle: int | None = None) -> np.ndarray:
    """The norm of the gradient of the forecast with respect to the input at each lag, ``[T]``.

    Root mean square over windows and steps ahead; lag 0, the newest row, comes first.

    Args:
        model: from inputs ``[B, T, D]``, or a dict with ``past``, to ``[B, P]`` or ``[B, P, M]``.
        given: inputs of B windows.
        middle: which of the M numbers of a step is its forecast.
    """
    given = tf.nest.map_structure(tf.convert_to_tensor, given)
    named = isinstance(given, dict)
    past = given["past"] if named else given
    with tf.GradientTape(persistent=True) as tape:
        tape.watch(past)
        outputs = model({**given, "past": past} if named else past, training=False)
        forecast = outputs if middle is None else outputs[..., middle]
        ahead = _spread_over(forecast.shape[1], AHEAD)
        sums = [tf.reduce_sum(forecast[:, p]) for p in ahead]
    grads = (np.asarray(tape.gradient(one, past), np.float64) for one in sums)
    squares = sum(np.square(grad).sum(axis=-1).mean(axis=0) for grad in grads)
    return np.sqrt(squares / len(ahead))[::-1]


def _middle(run: Run) -> int | None:
    """Which number of each step is its forecast; None where there is one."""
    if len(run.model.output_shape) == 2:
        return None
    config = run.config.model
    if config.loss == "quantile":
        return int(np.abs(np.asarray(config.levels) - 0.5).argmin())
    return 0  # the mean of every likelihood


def _chosen(count: int, numbers: int) -> np.ndarray:
    """Windows, evenly spread over all, so few that what a layer gives for them fits in memory."""
    return _spread_over(count, max(1, min(WINDOWS, NUMBERS // numbers)))


def _spread_over(count: int, most: int) -> np.ndarray:
    return np.linspace(0, count - 1, min(count, most)).round().astype(int)


def _sigmoid(values: np.ndarray) -> np.ndarray:
    return 0.5 * (1 + np.tanh(0.5 * values))
