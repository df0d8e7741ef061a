"""What cells with weights share: units, the zero state, the kernels of input and state."""

from typing import Any

from seqlab import _cudnn
from seqlab._loop import Path, check_path, loop
from seqlab._tensorflow import keras
from seqlab.errors import check_finite, check_positive

__all__ = ["Cell", "GatedCell"]

ops = keras.ops


class Cell(keras.layers.Layer):
    """One time step of H units; a subclass says how many gates and states, and how a step goes.

    `build` makes ``kernel`` ``[D, gates H]``, ``recurrent_kernel`` ``[H, gates H]`` and ``bias``, in
    the order of Keras. `_config_names` lists the constructor's arguments for `get_config`.
    """

    gates: int
    states: int = 1
    cudnn_mode: str  # what cuDNN calls it, if it has `fast_path`
    _config_names: tuple[str, ...] = ("units",)

    def __init__(self, units: int, **kwargs: Any) -> None:
        check_positive("units", units)
        super().__init__(**kwargs)
        self.units = units
        self.output_size = units
        self.state_size = [units] * self.states

    def build(self, input_shape: Any) -> None:
        """Make the weights for inputs ``[B, D]``."""
        columns = self.gates * self.units
        self.kernel = self.add_weight(name="kernel", shape=(input_shape[-1], columns))
        self.recurrent_kernel = self.add_weight(
            name="recurrent_kernel",
            shape=(self.output_size, columns),
            initializer="orthogonal",
        )
        self.bias = self.add_weight(
            name="bias", shape=self.bias_shape(), initializer=self.initial_bias
        )

    def bias_shape(self) -> tuple[int, ...]:
        """``[gates H]``."""
        return (self.gates * self.units,)

    def initial_bias(self, shape: Any, dtype: Any = None) -> Any:
        """Zeros."""
        return ops.zeros(shape, dtype)

    def get_initial_state(self, batch_size: Any) -> list[Any]:
        """Zeros, one ``[B, H]`` per state."""
        return [ops.zeros((batch_size, size), self.compute_dtype) for size in self.state_size]

    def paths(self, implementation: str = "auto") -> list[Path]:
        """How `sequence` runs, and why: one entry."""
        del implementation
        return [Path(self.name, "loop", f"{type(self).__name__} has no kernel")]

    def fast_path(self, implementation: str, reason: str) -> Path:
        """For `paths` of a cell with kernels: by cuDNN or by our own, or the loop if asked for."""
        if implementation == "loop":
            return Path(self.name, "loop", "asked for")
        if implementation != "fused" and _cudnn.gpu():
            return Path(self.name, "cudnn", f"{reason}, and a GPU")
        if implementation == "cudnn":
            return Path(self.name, "fused", "TensorFlow sees no GPU of NVIDIA")
        return Path(self.name, "fused", reason)

    def sequence(
        self, inputs: Any, states: Any, lengths: Any, training: bool, implementation: str
    ) -> tuple[Any, Any]:
        """All steps of ``[B, T, D]``: outputs ``[B, T, H]``, zero past the end, and final states."""
        (path,) = self.paths(implementation)
        check_path(path, implementation)
        ways: dict[str, Any] = {"loop": loop, "cudnn": _cudnn.whole}
        run = ways.get(path.implementation, type(self).whole)
        return run(self, inputs, states, lengths, training)

    def whole(self, inputs: Any, states: Any, lengths: Any, training: bool) -> tuple[Any, Any]:
        """As `sequence`, by the kernel; only for cells whose `paths` offers one."""
        raise NotImplementedError

    def get_config(self) -> dict[str, Any]:
        """The arguments of the constructor."""
        return {
            **super().get_config(),
            **{name: getattr(self, name) for name in self._config_names},
        }


class GatedCell(Cell):
    """A cell with a forget gate, whose bias starts at `forget_bias`.

    At one a new network remembers (Jozefowicz et al., 2015). Nothing is added while the cell runs.
    """

    forget_column = 1  # of the gates
    _config_names: tuple[str, ...] = ("units", "forget_bias")

    def __init__(self, units: int, *, forget_bias: float = 1.0, **kwargs: Any) -> None:
        check_finite("forget_bias", forget_bias)
        super().__init__(units, **kwargs)
        self.forget_bias = forget_bias

    def initial_bias(self, shape: Any, dtype: Any = None) -> Any:
        """`forget_bias` for the forget gate, zeros for the others."""
        forget = ops.arange(shape[0]) // self.units == self.forget_column
        return ops.cast(forget, dtype) * self.forget_bias
