"""The state of a cell: its shapes, checked on the way in, carried from call to call, one step on."""

from typing import Any

import numpy as np

from seqlab._tensorflow import keras, tf
from seqlab.errors import SeqlabError

__all__ = ["CarriedState", "CompiledStep", "check_parts", "check_state", "state_spec"]


def state_spec(cell: Any, batch: int | None = None) -> Any:
    """Shapes and types of a built cell's state, structured as the state is."""
    return keras.tree.map_structure(
        lambda state: keras.KerasTensor((batch, *state.shape[1:]), state.dtype),
        cell.get_initial_state(1),
    )


def check_state(cell: Any, state: Any, batch: int | None) -> Any:
    """The state, structured as the cell's own: a tuple (h, c) will do for the list [h, c].

    Raises:
        SeqlabError: see `check_parts`.
    """
    spec, parts = state_spec(cell, batch), keras.tree.flatten(state)
    check_parts("initial_state", parts, keras.tree.flatten(spec), batch)
    return keras.tree.pack_sequence_as(spec, parts)


def check_parts(name: str, found: list[Any], spec: list[Any], batch: int | None) -> None:
    """Refuse the arrays of a state that are not as a spec and a batch size say.

    Raises:
        SeqlabError: another number of arrays; another shape, batch size or kind of numbers.
    """
    shapes = [(batch, *part.shape[1:]) for part in spec]
    fits = len(found) == len(spec) and all(map(_fits, found, spec, shapes))
    if not fits:
        wanted = ", ".join(map(_say, spec, shapes))
        received = ", ".join(map(_say, found[:8], map(_shape, found))) or "nothing"
        received += f" and {len(found) - 8} more" if len(found) > 8 else ""
        raise SeqlabError(
            f"`{name}` must be as cell.get_initial_state(batch_size) gives it: {wanted}."
            f" Received: {received}"
        )


def _fits(found: Any, spec: Any, wanted: tuple[int | None, ...]) -> bool:
    shape = _shape(found)
    if len(shape) != len(wanted) or _kind(found) != _kind(spec):
        return False
    return all(None in pair or pair[0] == pair[1] for pair in zip(shape, wanted, strict=True))


def _shape(value: Any) -> tuple[int | None, ...]:
    return tuple(value.shape) if hasattr(value, "shape") else np.shape(value)


def _kind(value: Any) -> str:
    """``float`` or ``int``, of whatever size; or what else it is."""
    if not hasattr(value, "dtype"):
        return type(value).__name__
    name = tf.as_dtype(value.dtype).name
    return next((kind for kind in ("float", "int") if kind in name), name)


def _say(value: Any, shape: tuple[int | None, ...]) -> str:
    return f"{_kind(value)} ({', '.join('B' if size is None else str(size) for size in shape)})"


class CarriedState:
    """The state that a stateful layer carries from one call to the next.

    Its variables are no weights: they depend on the batch size, and weights move between models of
    different batch sizes. So they are TensorFlow's own, which Keras does not count.
    """

    def __init__(self, cell: Any, batch: int) -> None:
        self.batch = batch
        spec = keras.tree.flatten(state_spec(cell, batch))
        with tf.init_scope():  # also when a compiled function builds the layer
            self.fresh = tf.Variable(True, trainable=False)
            self.parts = [tf.Variable(tf.zeros(s.shape, s.dtype), trainable=False) for s in spec]

    def checked(self, inputs: Any) -> Any:
        """The inputs, whose batch size a compiled function checks when it runs."""
        if inputs.shape[0] is not None:
            return inputs
        words = f"a stateful layer carries the state of {self.batch} sequences; leave a smaller batch out"
        size = tf.debugging.assert_equal(tf.shape(inputs)[0], self.batch, words)
        with tf.control_dependencies([size]):
            return tf.ensure_shape(inputs, (self.batch, *inputs.shape[1:]))

    def begin(self, cell: Any) -> Any:
        """The state to start from: the cell's initial one after a reset.

        That one is asked for anew, so that it follows its weights where it has some, and they learn.
        No gradient goes back beyond a call's first step: to a call, the variables are constants.
        """
        initial = cell.get_initial_state(self.batch)
        pairs = zip(keras.tree.flatten(initial), self.parts, strict=True)
        parts = [tf.where(self.fresh, start, part) for start, part in pairs]
        return keras.tree.pack_sequence_as(initial, parts)

    def keep(self, state: Any) -> None:
        """Hold on to the state for the next call."""
        for part, value in zip(self.parts, keras.tree.flatten(state), strict=True):
            part.assign(value)
        self.fresh.assign(False)

    def reset(self) -> None:
        """Begin again at the cell's initial state."""
        self.fresh.assign(True)


class CompiledStep:
    """One step of a cell, compiled once for all batch sizes: ``(inputs, state) -> (output, state)``."""

    def __init__(self, cell: Any, features: int) -> None:
        self._spec = state_spec(cell)
        self._wanted = [keras.KerasTensor((None, features), cell.compute_dtype)]
        self._wanted += keras.tree.flatten(self._spec)
        signature = [tf.TensorSpec(part.shape, part.dtype) for part in self._wanted]

        def step(inputs: Any, *parts: Any) -> tuple[Any, Any]:
            state = keras.tree.pack_sequence_as(self._spec, parts)
            output, state = cell(inputs, state, training=False)
            return output, keras.tree.pack_sequence_as(self._spec, keras.tree.flatten(state))

        # The function of one signature: most of a step's time is its call, and this call is the shortest.
        self._step = tf.function(step, input_signature=signature).get_concrete_function()

    def __call__(self, inputs: Any, state: Any) -> tuple[Any, Any]:
        """Inputs ``[B, D]`` and the state before to the output ``[B, H]`` and the state after."""
        parts = keras.tree.flatten(state)
        check_parts("state", parts, self._wanted[1:], inputs.shape[0])
        return self._step(*map(_as_tensor, [inputs, *parts], self._wanted))


def _as_tensor(value: Any, like: Any) -> Any:
    value = tf.convert_to_tensor(value)
    return value if value.dtype == like.dtype else tf.cast(value, like.dtype)
