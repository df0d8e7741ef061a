"""Recurrent cells, one time step each; their relatives, wrappers and drivers are at hand here, too.

A cell is a Keras layer ``cell(inputs, states, training) -> (output, states)`` with `state_size`,
`output_size` and `get_initial_state`, so that it also runs under ``keras.layers.RNN``. Weight names,
gate order and state order are those of Keras: weights move to and from ``keras.layers.LSTM`` by
``get_weights`` and ``set_weights``. The arithmetic is in pure functions (`rnn_step`, `lstm_step`,
`gru_step`, `gru_step_before`); the classes own weights and call them. `dynamic_rnn` runs a cell over
time, for which a cell also has ``sequence(inputs, states, lengths, training, implementation)``; `loop`
serves any cell there.
"""

from typing import Any

from seqlab import _fused_gru, _fused_lstm
from seqlab._cell import Cell, GatedCell
from seqlab._drivers import bidirectional_dynamic_rnn, dynamic_rnn, reset_state
from seqlab._layers import BidirectionalDynamicRNN, DynamicRNN
from seqlab._loop import Path, SlowPathWarning, paths
from seqlab._tensorflow import keras
from seqlab.attention import AttentionWrapper
from seqlab.connections import HighwayWrapper, ResidualWrapper
from seqlab.dropouts import DropoutWrapper, ZoneoutWrapper
from seqlab.errors import SeqlabError, check_positive
from seqlab.lstms import CoupledLSTMCell, LayerNormLSTMCell, SLSTMCell
from seqlab.scans import MinGRUCell, MinLSTMCell
from seqlab.wrappers import InitialStateWrapper, StackedRNNCells

__all__ = [
    "CELLS",
    "AttentionWrapper",
    "BidirectionalDynamicRNN",
    "CoupledLSTMCell",
    "DropoutWrapper",
    "DynamicRNN",
    "GRUCell",
    "HighwayWrapper",
    "InitialStateWrapper",
    "LSTMCell",
    "LayerNormLSTMCell",
    "MinGRUCell",
    "MinLSTMCell",
    "Path",
    "RNNCell",
    "ResidualWrapper",
    "SLSTMCell",
    "SlowPathWarning",
    "StackedRNNCells",
    "ZoneoutWrapper",
    "bidirectional_dynamic_rnn",
    "dynamic_rnn",
    "gru_step",
    "gru_step_before",
    "lstm_step",
    "paths",
    "reset_state",
    "rnn_step",
]

ops = keras.ops


def rnn_step(x: Any, h: Any, kernel: Any, recurrent_kernel: Any, bias: Any) -> Any:
    """One step of the basic cell: ``h' = tanh(x K + h R + b)``, ``[B, H]``.

    Source: Elman (1990).
    """
    return ops.tanh(x @ kernel + h @ recurrent_kernel + bias)


def lstm_step(
    x: Any,
    h: Any,
    c: Any,
    kernel: Any,
    recurrent_kernel: Any,
    bias: Any,
    peepholes: Any = None,
    projection: Any = None,
    *,
    cell_clip: float | None = None,
    proj_clip: float | None = None,
) -> tuple[Any, Any]:
    """One step of the LSTM: ``c' = f c + i g``, ``h' = o tanh(c')``, each ``[B, H]``.

    The gates are the columns of ``x K + h R + b`` in the order i, f, g, o; g goes through tanh, the
    others through the sigmoid. Source: Hochreiter and Schmidhuber (1997), with the forget gate of
    Gers et al. (2000). Peepholes are in equations 1 to 5, the projection in equations 7 to 12 of Sak et
    al. (2014), arXiv:1402.1128; the clips are those of TensorFlow 1.

    Args:
        x: ``[B, D]``.
        h: ``[B, H]``; with a projection ``[B, P]``.
        c: ``[B, H]``.
        kernel: ``[D, 4 H]``.
        recurrent_kernel: ``[H, 4 H]``; with a projection ``[P, 4 H]``.
        bias: ``[4 H]``.
        peepholes: ``[3, H]``: how much the gates i, f and o see of their own unit's c. For i and f
            that is the c before the step, for o the one after it (Gers and Schmidhuber, 2000).
        projection: ``[H, P]``, applied to the output: h' is ``[B, P]``.
        cell_clip: bound on the elements of c', before the output is formed.
        proj_clip: bound on the elements of a projected h'.
    """
    i, f, g, o = ops.split(x @ kernel + h @ recurrent_kernel + bias, 4, axis=-1)
    if peepholes is not None:
        i, f = i + c * peepholes[0], f + c * peepholes[1]
    c = _clipped(ops.sigmoid(f) * c + ops.sigmoid(i) * ops.tanh(g), cell_clip)
    if peepholes is not None:
        o = o + c * peepholes[2]
    h = ops.sigmoid(o) * ops.tanh(c)
    return (h if projection is None else _clipped(h @ projection, proj_clip)), c


def _clipped(values: Any, bound: float | None) -> Any:
    return values if bound is None else ops.clip(values, -bound, bound)


def gru_step(x: Any, h: Any, kernel: Any, recurrent_kernel: Any, bias: Any) -> Any:
    """One step of the GRU: ``h' = z h + (1 - z) g``, ``[B, H]``.

    ``g = tanh(x K_g + b_g + r (h R_g + b'_g))``: the reset gate comes after the product, as in Keras
    and cuDNN, so the bias is ``[2, 3 H]``, one row for x and one for h. Columns in the order z, r, g.
    Source: Cho et al. (2014), in the variant of arXiv:1406.1078v1.
    """
    from_x = ops.split(x @ kernel + bias[0], 3, axis=-1)
    from_h = ops.split(h @ recurrent_kernel + bias[1], 3, axis=-1)
    z = ops.sigmoid(from_x[0] + from_h[0])
    r = ops.sigmoid(from_x[1] + from_h[1])
    return z * h + (1 - z) * ops.tanh(from_x[2] + r * from_h[2])


def gru_step_before(x: Any, h: Any, kernel: Any, recurrent_kernel: Any, bias: Any) -> Any:
    """As `gru_step`, with ``g = tanh(x K_g + (r h) R_g + b_g)``; bias is ``[3 H]``.

    The reset gate comes before the product, as in TensorFlow 1 and ``keras.layers.GRU(reset_after=
    False)``. Source: Cho et al. (2014), equations 5 to 8.
    """
    units = h.shape[-1]
    from_x = ops.split(x @ kernel + bias, 3, axis=-1)
    from_h = ops.split(h @ recurrent_kernel[:, : 2 * units], 2, axis=-1)
    z = ops.sigmoid(from_x[0] + from_h[0])
    r = ops.sigmoid(from_x[1] + from_h[1])
    return z * h + (1 - z) * ops.tanh(from_x[2] + (r * h) @ recurrent_kernel[:, 2 * units :])


@keras.saving.register_keras_serializable("seqlab")
class RNNCell(Cell):
    """The basic recurrent cell; see `rnn_step`.

    Weights: kernel ``[D, H]``, recurrent_kernel ``[H, H]``, bias ``[H]``. State: ``[h]``.
    """

    gates = 1

    def call(self, inputs: Any, states: Any, training: bool = False) -> tuple[Any, list[Any]]:
        """One step: inputs ``[B, D]`` and states to output ``[B, H]`` and states."""
        del training  # taken because every cell is called with it
        h = rnn_step(inputs, states[0], self.kernel, self.recurrent_kernel, self.bias)
        return h, [h]


@keras.saving.register_keras_serializable("seqlab")
class LSTMCell(GatedCell):
    """The LSTM cell; see `lstm_step`.

    Weights: kernel ``[D, 4 H]``, recurrent_kernel ``[H, 4 H]``, bias ``[4 H]``, gates i, f, g, o; then,
    where asked for, peepholes ``[3, H]`` and projection ``[H, P]``, with which recurrent_kernel is
    ``[P, 4 H]``. State: ``[h, c]``, ``[B, H]`` each, a projected h ``[B, P]``.

    Args:
        units: H.
        use_peepholes: let the gates see c. These weights start at zero: as a plain LSTM.
        num_proj: P, the size of a projected output; None leaves the output as it is.
        cell_clip: bound on the elements of c.
        proj_clip: bound on the elements of a projected output.
        forget_bias: where the bias of the forget gate starts.

    Raises:
        SeqlabError: a size or a bound that is not positive; `proj_clip` without `num_proj`.
    """

    gates = 4
    states = 2
    cudnn_mode = "lstm"
    _config_names = ("units", "use_peepholes", "num_proj", "cell_clip", "proj_clip", "forget_bias")

    def __init__(
        self,
        units: int,
        *,
        use_peepholes: bool = False,
        num_proj: int | None = None,
        cell_clip: float | None = None,
        proj_clip: float | None = None,
        **kwargs: Any,
    ) -> None:
        _check_lstm_options(num_proj, cell_clip, proj_clip)
        super().__init__(units, **kwargs)
        self.use_peepholes = use_peepholes
        self.num_proj = num_proj
        self.cell_clip = cell_clip
        self.proj_clip = proj_clip
        self.output_size = num_proj or units
        self.state_size = [self.output_size, units]

    def build(self, input_shape: Any) -> None:
        """Make the weights for inputs ``[B, D]``."""
        super().build(input_shape)
        self.peepholes = self.projection = None
        if self.use_peepholes:
            self.peepholes = self.add_weight(
                name="peepholes", shape=(3, self.units), initializer="zeros"
            )
        if self.num_proj is not None:
            self.projection = self.add_weight(name="projection", shape=(self.units, self.num_proj))

    def call(self, inputs: Any, states: Any, training: bool = False) -> tuple[Any, list[Any]]:
        """One step: inputs ``[B, D]`` and states to output ``[B, H]`` (or ``[B, P]``) and states."""
        del training
        weights = self.kernel, self.recurrent_kernel, self.bias, self.peepholes, self.projection
        clips = {"cell_clip": self.cell_clip, "proj_clip": self.proj_clip}
        h, c = lstm_step(inputs, states[0], states[1], *weights, **clips)
        return h, [h, c]

    def paths(self, implementation: str = "auto") -> list[Path]:
        """How `sequence` runs, and why."""
        options = [
            name for name in ("use_peepholes", "num_proj", "cell_clip") if getattr(self, name)
        ]
        if options:
            return [Path(self.name, "loop", f"the kernel knows no {' and no '.join(options)}")]
        if self.compute_dtype == "float64":
            remedy = "Build the cell with dtype='float32'"
            return [Path(self.name, "loop", "the kernel computes in float32, not float64", remedy)]
        return [self.fast_path(implementation, "a plain LSTM")]

    def whole(self, inputs: Any, states: Any, lengths: Any, training: bool) -> tuple[Any, Any]:
        """All steps by one kernel."""
        del training
        weights = (self.kernel, self.recurrent_kernel, self.bias)
        return _fused_lstm.lstm(inputs, states, lengths, *weights)


def _check_lstm_options(num_proj: Any, cell_clip: Any, proj_clip: Any) -> None:
    if num_proj is not None:
        check_positive("num_proj", num_proj)
    for name, clip in (("cell_clip", cell_clip), ("proj_clip", proj_clip)):
        if clip is not None:
            check_positive(name, clip, float)
    if proj_clip is not None and num_proj is None:
        raise SeqlabError(
            f"`proj_clip` bounds a projected output: give `num_proj`, too. Received: {proj_clip!r}"
        )


@keras.saving.register_keras_serializable("seqlab")
class GRUCell(Cell):
    """The GRU cell; see `gru_step`, and `gru_step_before` for the reset gate before the product.

    Weights: kernel ``[D, 3 H]``, recurrent_kernel ``[H, 3 H]``, bias ``[2, 3 H]`` (``[3 H]`` with the
    reset gate before the product), gates z, r, g. State: ``[h]``.

    Args:
        units: H.
        reset_after: the reset gate after the product, as in Keras and cuDNN; False is before it, as in
            TensorFlow 1.
    """

    gates = 3
    cudnn_mode = "gru"
    _config_names = ("units", "reset_after")

    def __init__(self, units: int, *, reset_after: bool = True, **kwargs: Any) -> None:
        super().__init__(units, **kwargs)
        self.reset_after = reset_after

    def bias_shape(self) -> tuple[int, ...]:
        """``[2, 3 H]``: for the inputs, and for the state; or ``[3 H]``."""
        columns = super().bias_shape()
        return (2, *columns) if self.reset_after else columns

    def paths(self, implementation: str = "auto") -> list[Path]:
        """How `sequence` runs, and why."""
        if not self.reset_after:
            return [Path(self.name, "loop", "the kernel has the reset gate after the product")]
        return [self.fast_path(implementation, "reset gate after the product")]

    def whole(self, inputs: Any, states: Any, lengths: Any, training: bool) -> tuple[Any, Any]:
        """All steps by one kernel."""
        weights = (self.kernel, self.recurrent_kernel, self.bias)
        return _fused_gru.gru(inputs, states, lengths, *weights, training=bool(training))

    def call(self, inputs: Any, states: Any, training: bool = False) -> tuple[Any, list[Any]]:
        """One step: inputs ``[B, D]`` and states to output ``[B, H]`` and states."""
        del training
        step = gru_step if self.reset_after else gru_step_before
        h = step(inputs, states[0], self.kernel, self.recurrent_kernel, self.bias)
        return h, [h]


CELLS: dict[str, type[Cell]] = {
    "rnn": RNNCell,
    "lstm": LSTMCell,
    "gru": GRUCell,
    "layernorm_lstm": LayerNormLSTMCell,
    "coupled_lstm": CoupledLSTMCell,
    "mingru": MinGRUCell,
    "minlstm": MinLSTMCell,
    "slstm": SLSTMCell,
}
