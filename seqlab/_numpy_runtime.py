"""A model that needs NumPy and nothing else: this file, and the `.npz` beside it.

::

    from model import load
    forecast = load()(values)          # values [T] or [B, T] in original units

The `.npz` holds arrays, and as JSON a list of the operations below, in order; nothing in it is a pickle,
and an operation that is not in this file is refused. The file is copied as it is by ``seqlab export``.
"""

import json
import os
import zipfile
from typing import Any

import numpy as np

__all__ = ["OPERATIONS", "Model", "bound", "load"]

MOST_BYTES = 2**30  # of the arrays of a file, unpacked
MOST_NODES = 1_000_000
DAMAGED = (
    *(KeyError, TypeError, AttributeError, IndexError, EOFError, MemoryError, RecursionError),
    zipfile.BadZipFile,
)


def load(path: Any = None) -> Any:
    """The model in a file; by default ``model.npz`` in the folder of this one.

    Raises:
        ValueError: the file is damaged, too large, or asks for what is not here.
    """
    path = path or os.path.join(os.path.dirname(os.path.abspath(__file__)), "model.npz")
    try:
        with open(path, "rb") as stream, np.load(stream, allow_pickle=False) as file:
            size = sum(entry.file_size for entry in file.zip.infolist())
            if size > MOST_BYTES:
                raise ValueError(f"its arrays take {size} bytes")
            about = json.loads(str(file["graph"]))
            constants = [file[f"constant_{i}"] for i in range(int(about["constants"]))]
        return Model(about, constants)
    except DAMAGED as error:
        raise ValueError(f"{path}: no model of this kind: {error!r}") from error


class Model:
    """Raw inputs to answers, both as arrays; may be called from many threads at once.

    Attributes:
        about: what goes in and comes out: ``takes``, ``shape`` without the batch, ``dtype``, ``gives``.
    """

    def __init__(self, about: Any, constants: Any) -> None:
        if len(about["nodes"]) > MOST_NODES:
            raise ValueError(f"{len(about['nodes'])} operations are too many")
        self.about = {name: about[name] for name in ("takes", "shape", "dtype", "gives")}
        self._input, self._output = int(about["input"]), int(about["output"])
        self._constants = dict(zip(about["slots"], constants, strict=True))
        self._steps = [
            (bound(kind, options), tuple(inputs), tuple(outputs))
            for kind, inputs, outputs, options in about["nodes"]
        ]

    def __call__(self, values: Any) -> Any:
        """Answers ``[B, ...]`` for raw inputs ``[B, ...]``; of a single input, a single answer."""
        given = np.asarray(values, self.about["dtype"])
        shape = tuple(self.about["shape"])
        if given.shape[-len(shape) :] != shape or given.ndim - len(shape) not in (0, 1):
            raise ValueError(f"{self.about['takes']} must be [B, {shape}], not {given.shape}")
        alone = given.ndim == len(shape)
        known = {**self._constants, self._input: given[None] if alone else given}
        with np.errstate(all="ignore"):
            for run, inputs, outputs in self._steps:
                made = run(*[known[i] for i in inputs])
                if len(outputs) == 1:
                    known[outputs[0]] = made
                else:
                    known.update(zip(outputs, made, strict=True))
        return known[self._output][0] if alone else known[self._output]


def bound(kind: Any, options: Any) -> Any:
    """An operation as a function of its inputs alone."""
    if kind not in OPERATIONS:
        raise ValueError(f"this file has no operation {kind!r}")
    run = OPERATIONS[kind]
    return (lambda *inputs: run(*inputs, **options)) if options else run


# Operations: inputs in order, then options by name.


def _matmul(a: Any, b: Any, transpose_a: Any = False, transpose_b: Any = False) -> Any:
    a = np.swapaxes(a, -1, -2) if transpose_a else a
    return a @ (np.swapaxes(b, -1, -2) if transpose_b else b)


def _slice(x: Any, index: Any) -> Any:
    """An entry is a number, null for a new axis, or [begin, end, step]."""
    return x[tuple(slice(*i) if isinstance(i, list) else i for i in index)]


def _split(x: Any, sizes: Any, axis: Any) -> Any:
    return np.split(x, np.cumsum(sizes)[:-1], axis)


def _unpack(x: Any, axis: Any) -> Any:
    return list(np.moveaxis(x, axis, 0))


def _sigmoid(x: Any) -> Any:
    return (np.tanh(x * x.dtype.type(0.5)) + x.dtype.type(1)) * x.dtype.type(0.5)


def _softplus(x: Any) -> Any:
    return np.logaddexp(x, x.dtype.type(0))


def _softmax(x: Any) -> Any:
    e = np.exp(x - x.max(axis=-1, keepdims=True))
    return e / e.sum(axis=-1, keepdims=True)


def _elu(x: Any) -> Any:
    return np.where(x > 0, x, np.expm1(np.minimum(x, 0)))


def _windows(x: Any, size: Any, strides: Any, padding: Any, fill: Any) -> Any:
    """Patches ``[B, rows, columns, C, height, width]`` of images ``[B, height, width, C]``."""
    pads = [(0, 0)]
    for length, window, stride in zip(x.shape[1:3], size, strides, strict=True):
        missing = max(0, (-(-length // stride) - 1) * stride + window - length)
        pads.append((missing // 2, missing - missing // 2) if padding == "SAME" else (0, 0))
    x = np.pad(x, [*pads, (0, 0)], constant_values=fill)
    views = np.lib.stride_tricks.sliding_window_view(x, size, axis=(1, 2))
    return views[:, :: strides[0], :: strides[1]]


def _conv(x: Any, kernel: Any, strides: Any, padding: Any, groups: Any = 1) -> Any:
    views = _windows(x, kernel.shape[:2], strides, padding, 0)
    parts = zip(np.split(views, groups, 3), np.split(kernel, groups, 3), strict=True)
    made = [np.tensordot(part, own, ((4, 5, 3), (0, 1, 2))) for part, own in parts]
    return np.concatenate(made, axis=3)


def _lrn(x: Any, radius: Any, bias: Any, alpha: Any, beta: Any) -> Any:
    squares = np.pad(np.square(x), [(0, 0)] * 3 + [(radius, radius)])
    sums = np.lib.stride_tricks.sliding_window_view(squares, 2 * radius + 1, axis=3).sum(axis=-1)
    return x / np.power(bias + alpha * sums, beta).astype(x.dtype)


def _max_pool(x: Any, size: Any, strides: Any, padding: Any) -> Any:
    return _windows(x, size, strides, padding, -np.inf).max(axis=(4, 5))


def _average_pool(x: Any, size: Any, strides: Any, padding: Any) -> Any:
    found = _windows(x, size, strides, padding, np.nan)  # what is not there does not count
    return np.nanmean(found, axis=(4, 5)).astype(x.dtype)


def _batch_norm(x: Any, scale: Any, offset: Any, mean: Any, variance: Any, epsilon: Any) -> Any:
    factor = scale / np.sqrt(variance + np.asarray(epsilon, variance.dtype))
    return x * factor + (offset - mean * factor)


def _reduced(run: Any) -> Any:
    return lambda x, axes, keep: np.asarray(run(x, axis=tuple(axes), keepdims=keep), x.dtype)


OPERATIONS = {
    "abs": np.abs,
    "add": np.add,
    "average_pool": _average_pool,
    "batch_norm": _batch_norm,
    "broadcast": lambda x, shape: np.broadcast_to(x, tuple(shape)),
    "cast": lambda x, dtype: x.astype(dtype),
    "concat": lambda *xs, axis: np.concatenate(xs, axis),
    "conv": _conv,
    "cos": np.cos,
    "cumsum": lambda x, axis: np.cumsum(x, axis),
    "div": np.divide,
    "elu": _elu,
    "equal": np.equal,
    "exp": np.exp,
    "expand": lambda x, axis: np.expand_dims(x, axis),
    "fill": lambda shape, value: np.full(tuple(shape), value),
    "floor_div": np.floor_divide,
    "floor_mod": np.mod,
    "gather": lambda x, indices, axis: np.take(x, indices, axis),
    "greater": np.greater,
    "greater_equal": np.greater_equal,
    "less": np.less,
    "less_equal": np.less_equal,
    "log": np.log,
    "logical_and": np.logical_and,
    "lrn": _lrn,
    "matmul": _matmul,
    "max": _reduced(np.max),
    "max_pool": _max_pool,
    "maximum": np.maximum,
    "mean": _reduced(np.mean),
    "min": _reduced(np.min),
    "minimum": np.minimum,
    "mul": np.multiply,
    "neg": np.negative,
    "ones_like": np.ones_like,
    "pack": lambda *xs, axis: np.stack(xs, axis),
    "pad": lambda x, pads: np.pad(x, pads),
    "pow": np.power,
    "prod": _reduced(np.prod),
    "reciprocal": np.reciprocal,
    "relu": lambda x: np.maximum(x, x.dtype.type(0)),
    "reverse": lambda x, axes: np.flip(x, axes),
    "reshape": lambda x, shape: x.reshape(tuple(shape)),
    "rsqrt": lambda x: 1 / np.sqrt(x),
    "select": np.where,
    "shape": lambda x: np.array(x.shape, np.int32),
    "sigmoid": _sigmoid,
    "sin": np.sin,
    "slice": _slice,
    "softmax": _softmax,
    "softplus": _softplus,
    "split": _split,
    "sqrt": np.sqrt,
    "square": np.square,
    "squared_difference": lambda a, b: np.square(a - b),
    "squeeze": lambda x, axes: np.squeeze(x, tuple(axes)),
    "sub": np.subtract,
    "sum": _reduced(np.sum),
    "take_along": np.take_along_axis,
    "tanh": np.tanh,
    "tile": lambda x, times: np.tile(x, times),
    "transpose": lambda x, order: np.transpose(x, order),
    "unpack": _unpack,
    "zeros_like": np.zeros_like,
}
