"""TensorFlow's operations by the names of `_numpy_runtime`: which inputs stay, and what are options."""

from collections.abc import Callable
from typing import Any

import numpy as np

from seqlab._numpy_runtime import OPERATIONS
from seqlab._tensorflow import tf
from seqlab.errors import SeqlabError

__all__ = ["ALIASES", "KINDS", "RESULTS"]

Made = tuple[str, list[Any], dict[str, Any]]


def _known(tensor: Any) -> Any:
    """The value of an input that must be a constant, as plain numbers."""
    value = tf.get_static_value(tensor)
    if value is None:
        raise SeqlabError(f"{tensor.op.name} is not known when the network is exported")
    return value.tolist()


def _plain(kind: str) -> Callable[[Any], Made]:
    return lambda op: (kind, list(op.inputs), {})


def _reduction(kind: str) -> Callable[[Any], Made]:
    def made(op: Any) -> Made:
        axes = np.atleast_1d(_known(op.inputs[1])).tolist()
        rank = op.inputs[0].shape.rank
        axes = sorted(int(axis) % rank for axis in axes)
        return kind, [op.inputs[0]], {"axes": axes, "keep": op.get_attr("keep_dims")}

    return made


def _axis_last(kind: str) -> Callable[[Any], Made]:
    """Concatenations: the axis is the last input."""

    def made(op: Any) -> Made:
        rank = op.outputs[0].shape.rank
        return kind, list(op.inputs)[:-1], {"axis": _known(op.inputs[-1]) % rank}

    return made


def _axis_option(kind: str) -> Callable[[Any], Made]:
    def made(op: Any) -> Made:
        rank = max(op.inputs[0].shape.rank, op.outputs[0].shape.rank)
        return kind, list(op.inputs), {"axis": op.get_attr("axis") % rank}

    return made


def _split(op: Any) -> Made:
    axis = _known(op.inputs[0]) % op.inputs[1].shape.rank
    sizes = [tensor.shape[axis] for tensor in op.outputs]
    return "split", [op.inputs[1]], {"sizes": sizes, "axis": axis}


def _split_by(op: Any) -> Made:
    axis = _known(op.inputs[2]) % op.inputs[0].shape.rank
    sizes = [tensor.shape[axis] for tensor in op.outputs]
    return "split", [op.inputs[0]], {"sizes": sizes, "axis": axis}


def _strided(op: Any) -> Made:
    """``x[begin:end:step, ...]`` with its five masks, an entry for each axis."""
    begins, ends, steps = (_known(tensor) for tensor in op.inputs[1:])
    masks = {n: op.get_attr(f"{n}_mask") for n in ("begin", "end", "ellipsis", "new_axis")}
    shrink, index = op.get_attr("shrink_axis_mask"), list[Any]()
    news = sum(masks["new_axis"] >> i & 1 for i in range(len(begins)))
    for i, (begin, end, step) in enumerate(zip(begins, ends, steps, strict=True)):
        on = {name: mask >> i & 1 for name, mask in masks.items()}
        if on["ellipsis"]:
            index += [[None, None, 1]] * (op.inputs[0].shape.rank - len(begins) + 1 + news)
        elif on["new_axis"]:
            index.append(None)
        elif shrink >> i & 1:
            index.append(begin)
        else:
            index.append([None if on["begin"] else begin, None if on["end"] else end, step])
    return "slice", [op.inputs[0]], {"index": index}


def _gather(op: Any) -> Made:
    axis, by_row = _known(op.inputs[2]) % op.inputs[0].shape.rank, op.get_attr("batch_dims")
    if not by_row:
        return "gather", list(op.inputs)[:2], {"axis": axis}
    if not by_row == axis == op.inputs[0].shape.rank - 1 == op.inputs[1].shape.rank - 1:
        raise SeqlabError("such gathers by row cannot be exported in this format. Use savedmodel")
    return "take_along", list(op.inputs)[:2], {"axis": axis}


def _cumsum(op: Any) -> Made:
    if op.get_attr("exclusive") or op.get_attr("reverse"):
        raise SeqlabError("such sums along an axis cannot be exported in this format")
    return "cumsum", [op.inputs[0]], {"axis": _known(op.inputs[1]) % op.inputs[0].shape.rank}


def _squeeze(op: Any) -> Made:
    rank = op.inputs[0].shape.rank
    axes = [axis % rank for axis in op.get_attr("squeeze_dims")]
    return (
        "squeeze",
        [op.inputs[0]],
        {"axes": axes or [i for i, n in enumerate(op.inputs[0].shape) if n == 1]},
    )


def _expand(op: Any) -> Made:
    return "expand", [op.inputs[0]], {"axis": _known(op.inputs[1]) % op.outputs[0].shape.rank}


def _product(first: str, second: str) -> Callable[[Any], Made]:
    def made(op: Any) -> Made:
        turned = {"transpose_a": op.get_attr(first), "transpose_b": op.get_attr(second)}
        return "matmul", list(op.inputs), {name: True for name, on in turned.items() if on}

    return made


def _window(kind: str, sized: bool) -> Callable[[Any], Made]:
    def made(op: Any) -> Made:
        options = {"strides": list(op.get_attr("strides"))[1:3]}
        options["padding"] = op.get_attr("padding").decode()
        if sized:
            options["size"] = list(op.get_attr("ksize"))[1:3]
        elif any(d != 1 for d in op.get_attr("dilations")):
            raise SeqlabError("dilated convolutions cannot be exported in this format")
        if options["padding"] not in ("SAME", "VALID"):
            raise SeqlabError(f"padding {options['padding']} cannot be exported in this format")
        if kind == "conv" and (groups := op.inputs[0].shape[3] // op.inputs[1].shape[2]) > 1:
            options["groups"] = groups
        return kind, list(op.inputs), options

    return made


def _normalisation(op: Any) -> Made:
    options = {name: op.get_attr(name) for name in ("bias", "alpha", "beta")}
    return "lrn", list(op.inputs), {"radius": op.get_attr("depth_radius"), **options}


ALIASES = {"Identity", "StopGradient", "PreventGradient", "Snapshot", "EnsureShape"}
RESULTS = {"batch_norm": 1}  # of operations that give more than is used
KINDS: dict[str, Callable[[Any], Made]] = {
    "AddV2": _plain("add"),
    "BiasAdd": _plain("add"),
    "AvgPool": _window("average_pool", True),
    "BatchMatMulV2": _product("adj_x", "adj_y"),
    "BroadcastTo": _plain("broadcast"),
    "Cast": lambda op: ("cast", list(op.inputs), {"dtype": op.outputs[0].dtype.name}),
    "Cumsum": _cumsum,
    "ConcatV2": _axis_last("concat"),
    "Conv2D": _window("conv", False),
    "ExpandDims": _expand,
    "FloorDiv": _plain("floor_div"),
    "FloorMod": _plain("floor_mod"),
    "FusedBatchNormV3": lambda op: (
        "batch_norm",
        list(op.inputs),
        {"epsilon": op.get_attr("epsilon")},
    ),
    "GatherV2": _gather,
    "Inv": _plain("reciprocal"),
    "LRN": _normalisation,
    "MatMul": _product("transpose_a", "transpose_b"),
    "MaxPool": _window("max_pool", True),
    "Pack": _axis_option("pack"),
    "Pad": lambda op: ("pad", [op.inputs[0]], {"pads": _known(op.inputs[1])}),
    "RealDiv": _plain("div"),
    "SelectV2": _plain("select"),
    "ReverseV2": lambda op: ("reverse", [op.inputs[0]], {"axes": _known(op.inputs[1])}),
    "Split": _split,
    "SplitV": _split_by,
    "SquaredDifference": _plain("squared_difference"),
    "Squeeze": _squeeze,
    "StridedSlice": _strided,
    "Transpose": lambda op: ("transpose", [op.inputs[0]], {"order": _known(op.inputs[1])}),
    "Unpack": _axis_option("unpack"),
    **{name: _reduction(name.lower()) for name in ("Max", "Mean", "Min", "Prod", "Sum")},
    **{
        name: _plain(kind)
        for name in (
            *("Abs", "Elu", "Equal", "Exp", "Fill", "Greater", "GreaterEqual", "Less", "LessEqual"),
            *(
                "Cos",
                "Log",
                "OnesLike",
                "ZerosLike",
                "LogicalAnd",
                "Maximum",
                "Minimum",
                "Mul",
                "Neg",
                "Pow",
                "Reciprocal",
                "Relu",
            ),
            *(
                "Reshape",
                "Rsqrt",
                "Shape",
                "Sigmoid",
                "Sin",
                "Softmax",
                "Softplus",
                "Sqrt",
                "Square",
            ),
            *("Sub", "Tanh", "Tile"),
        )
        if (kind := "".join(f"_{c.lower()}" if c.isupper() else c for c in name)[1:]) in OPERATIONS
    },
}
