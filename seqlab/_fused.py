"""What whole-sequence kernels share: walking over time in chunks, and each sequence's own end.

A step of a loop in TensorFlow costs more to organise than a small layer's arithmetic takes. So the
loops here take CHUNK steps at a time, written out one after the other; what does not depend on
the step before is done for the whole chunk at once, in products large enough to be quick. What is left
over is taken step by step. Nothing is kept of a chunk but what the way back needs.
"""

from collections.abc import Callable
from functools import lru_cache
from pathlib import Path
from typing import Any

from seqlab._tensorflow import tf

__all__ = [
    "Walk",
    "at_ends",
    "cast",
    "chunk",
    "earlier",
    "flat",
    "has_amx",
    "product_type",
    "time_first",
    "until_ends",
    "working_type",
]

CHUNK = 6

State = tuple[Any, ...]
Body = Callable[[Any, int, State], State]


class Walk:
    """Walk over the steps of ``[T, B, D]`` by ``state = body(start, n, state)``, n steps at a time.

    A known T is cut into equal chunks where that is possible, so that there is no rest to walk.
    """

    def __init__(self, like: Any) -> None:
        self.like = like
        self.steps = like.shape[0]
        equal = [n for n in range(CHUNK, CHUNK // 2 - 1, -1) if self.steps and self.steps % n == 0]
        self.n = equal[0] if equal else CHUNK
        if self.steps is None:
            self.steps = tf.shape(like)[0]

    def ahead(self, body: Body, state: State) -> State:
        """From the first step to the last."""
        end = self.steps - self.steps % self.n
        state = self._loop(0, end, self.n, body, state)
        return self._rest(end, self.steps, 1, body, state)

    def back(self, body: Body, state: State) -> State:
        """From the last step to the first; `start` is still the earliest of the n steps."""
        end = self.steps - self.steps % self.n
        state = self._rest(self.steps, end, -1, body, state)
        return self._loop(end, 0, -self.n, body, state)

    def _rest(self, start: Any, end: Any, by: int, body: Body, state: State) -> State:
        """Fewer than n steps: as one chunk if their number is known, else one by one."""
        if isinstance(end, int) and isinstance(start, int):
            return body(min(start, end), abs(end - start), state) if end != start else state
        return self._loop(start, end, by, body, state)

    @staticmethod
    def _loop(start: Any, end: Any, by: int, body: Body, state: State) -> State:
        def step(t: Any, state: State) -> tuple[Any, State]:
            made = body(t if by > 0 else t + by, abs(by), state)
            for new, old in zip(made, state, strict=True):
                if tf.is_tensor(new):
                    new.set_shape(old.shape)  # which a product of unknown rows has lost
            return t + by, made

        more = (lambda t, _: t < end) if by > 0 else (lambda t, _: t > end)
        # More iterations at once would hold the weights' gradients of as many chunks.
        _, state = tf.while_loop(more, step, (start, state), parallel_iterations=2)
        return state

    def pieces(self, size: int, more: int = 0) -> Any:
        """An array for ``[T, B, size]`` that comes in chunks, and so many more pieces."""
        rest = self.steps % self.n
        count = self.steps // self.n + (min(rest, 1) if isinstance(rest, int) else rest) + more
        shape = (None, self.like.shape[1], size)
        return tf.TensorArray(
            self.like.dtype, count, infer_shape=False, element_shape=shape, clear_after_read=False
        )

    def place(self, start: Any) -> Any:
        """Where `pieces` have the chunk that begins at a step."""
        known = isinstance(self.steps, int) and self.steps % self.n == 0
        return start // self.n if known else start // self.n + start % self.n

    def put(self, array: Any, place: Any, values: Any) -> Any:
        """A chunk ``[n, B, size]``, or a list of its steps, into `pieces`."""
        values = tf.stack(values) if isinstance(values, list) else values
        return array.write(place, values)

    def get(self, array: Any, place: Any, n: int) -> Any:
        """A chunk of n steps that was put there."""
        values = array.read(place)
        values.set_shape([n, *values.shape[1:]])
        return values

    def whole(self, array: Any, more: int = 0) -> Any:
        """All that was put into `pieces`, with its T if that is known, and so many steps more."""
        values = array.concat()
        if self.like.shape[0] is not None:
            values.set_shape([self.like.shape[0] + more, *values.shape[1:]])
        return values


def cast(dtype: Any, *values: Any) -> list[Any]:
    """Each value, or list of values, in a type."""
    return [tf.nest.map_structure(lambda v: tf.cast(v, dtype), value) for value in values]


def working_type(dtype: Any) -> Any:
    """What a kernel computes in: few processors have quick half precisions, and sums need more."""
    return tf.float32 if tf.as_dtype(dtype).size == 2 else dtype


def product_type(dtype: Any) -> Any:
    """What the large products of a way back take: bfloat16 if asked for and the processor has it.

    Elsewhere TensorFlow works it out in software, at a fraction of the speed.
    """
    return tf.bfloat16 if dtype == tf.bfloat16 and has_amx() else working_type(dtype)


@lru_cache
def has_amx() -> bool:
    """Whether this processor multiplies matrices of bfloat16 at once; unknown counts as no."""
    known = Path("/proc/cpuinfo")
    return known.exists() and "amx_bf16" in known.read_text()


def chunk(values: Any, start: Any, n: int) -> Any:
    """N steps of ``[T, B, H]``, from `start` on."""
    taken = tf.slice(values, [start, 0, 0], [n, -1, -1])
    taken.set_shape([n, *values.shape[1:]])
    return taken


def earlier(values: Any, first: Any, start: Any, n: int) -> Any:
    """Of ``[T, B, H]`` the n steps that begin one before `start`; before all of them is `first`."""
    one = tf.where(start > 0, values[tf.maximum(start - 1, 0)], first)[None]
    return one if n == 1 else tf.concat([one, values[start : start + n - 1]], axis=0)


def flat(values: Any) -> Any:
    """``[n, B, H]`` to ``[n B, H]``."""
    return tf.reshape(values, [-1, values.shape[-1]])


def time_first(values: Any) -> Any:
    """``[B, T, ...]`` to ``[T, B, ...]``, and back."""
    return tf.transpose(values, [1, 0, 2])


def at_ends(values: Any, before: Any, lengths: Any) -> Any:
    """Of ``[T, B, H]``, what each sequence has at its own last step, or had before: ``[B, H]``.

    A kernel runs past the end of short sequences. A recurrence looks back only, so that changes
    nothing before the end.
    """
    if lengths is None:
        return values[-1]
    last = tf.stack([tf.maximum(lengths - 1, 0), tf.range(tf.shape(lengths)[0])], axis=1)
    return tf.where((lengths > 0)[:, None], tf.gather_nd(values, last), before)


def until_ends(values: Any, lengths: Any) -> Any:
    """Of ``[T, B, H]``, what lies past each sequence's end made zero, as ``[B, T, H]``."""
    outputs = time_first(values)
    if lengths is None:
        return outputs
    going = tf.range(tf.shape(outputs)[1])[None, :, None] < lengths[:, None, None]
    return tf.where(going, outputs, tf.zeros_like(outputs))
