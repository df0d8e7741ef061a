"""A plan as an ONNX model: plain operators of opset 17, B open.

Source: the operators as documented at onnx.ai/onnx/operators.
"""

from collections.abc import Callable
from typing import Any

import numpy as np

from seqlab._plans import Node, Plan
from seqlab.errors import SeqlabError

__all__ = ["onnx_model"]

OPSET, IR = 17, 9  # old enough for runtimes of the last years
FAR = 2**31 - 1


def onnx_model(plan: Plan, takes: str, shape: tuple[int, ...], gives: str, size: int) -> Any:
    """The model: raw inputs ``[B, *shape]`` to float answers ``[B, size]``.

    Raises:
        SeqlabError: an operation that was not foreseen.
        ImportError: there is no package onnx.
    """
    import onnx

    writer = _Writer(plan, takes)
    for node in plan.nodes:
        writer.add(node)
    kind = {
        number: onnx.helper.np_dtype_to_tensor_dtype(np.dtype(plan.types[number]))
        for number in (plan.input, plan.output)
    }
    writer.node("Identity", [writer.name(plan.output)], [gives])
    graph = onnx.helper.make_graph(
        writer.nodes,
        "seqlab",
        [onnx.helper.make_tensor_value_info(takes, kind[plan.input], ["batch", *shape])],
        [onnx.helper.make_tensor_value_info(gives, kind[plan.output], ["batch", size])],
    )
    used = {name for node in writer.nodes for name in node.input}
    graph.initializer.extend(one for one in writer.constants if one.name in used)
    opset = onnx.helper.make_opsetid("", OPSET)
    made = onnx.helper.make_model(graph, opset_imports=[opset], ir_version=IR)
    onnx.checker.check_model(made)
    return made


class _Writer:
    """Nodes and constants as they come."""

    def __init__(self, plan: Plan, takes: str) -> None:
        self.plan, self.nodes, self.constants = plan, list[Any](), list[Any]()
        self._names = {plan.input: takes}
        self._made = 0
        for number, array in plan.constants.items():
            self._names[number] = self.constant(array)

    def name(self, number: int) -> str:
        return self._names.setdefault(number, f"v{number}")

    def constant(self, value: Any, dtype: Any = None) -> str:
        from onnx import numpy_helper

        name = self.new()
        array = np.ascontiguousarray(np.asarray(value, dtype)).reshape(np.shape(value))
        self.constants.append(numpy_helper.from_array(array, name))
        return name

    def new(self) -> str:
        self._made += 1
        return f"x{self._made}"

    def node(
        self, kind: str, inputs: list[str], outputs: list[str] | None = None, **options: Any
    ) -> str:
        """One operator; the name of its first output."""
        from onnx import helper

        outputs = outputs or [self.new()]
        self.nodes.append(helper.make_node(kind, inputs, outputs, **options))
        return outputs[0]

    def add(self, node: Node) -> None:
        inputs = [self.name(number) for number in node.inputs]
        outputs = [self.name(number) for number in node.outputs]
        if node.kind in SAME:
            self.node(SAME[node.kind], inputs, outputs)
        elif node.kind in KINDS:
            KINDS[node.kind](self, node, inputs, outputs)
        else:
            raise SeqlabError(
                f"the network uses {node.kind}, which the format onnx cannot carry. Use savedmodel"
            )

    def rank(self, number: int) -> int:
        known = self.plan.constants
        return known[number].ndim if number in known else self.plan.ranks[number]

    def cast(self, name: str, dtype: str) -> str:
        from onnx import helper

        return self.node("Cast", [name], to=helper.np_dtype_to_tensor_dtype(np.dtype(dtype)))

    def axes(self, *axes: int) -> str:
        return self.constant(axes, np.int64)


# How an operation is written: (writer, node, names of inputs, names of outputs)
Written = Callable[[_Writer, Node, list[str], list[str]], Any]


def _matmul(w: _Writer, node: Node, inputs: list[str], outputs: list[str]) -> None:
    for i, which in enumerate(("transpose_a", "transpose_b")):
        if node.options.get(which):
            rank = w.rank(node.inputs[i])
            order = [*range(rank - 2), rank - 1, rank - 2]
            inputs[i] = w.node("Transpose", [inputs[i]], perm=order)
    w.node("MatMul", inputs, outputs)


def _reduce(kind: str) -> Written:
    def written(w: _Writer, node: Node, inputs: list[str], outputs: list[str]) -> None:
        axes, keep = node.options["axes"], int(node.options["keep"])
        if kind == "ReduceSum":  # takes its axes as an input from opset 13 on
            w.node(kind, [*inputs, w.axes(*axes)], outputs, keepdims=keep)
        else:
            w.node(kind, inputs, outputs, axes=axes, keepdims=keep)

    return written


def _slice(w: _Writer, node: Node, inputs: list[str], outputs: list[str]) -> None:
    """Cut every axis, drop those of numbers, and add the new ones."""
    cuts: list[tuple[int, int, int, int]] = []  # axis, start, end, step
    gone: list[int] = []
    fresh: list[int] = []
    axis = place = 0
    for entry in node.options["index"]:
        if entry is None:
            fresh.append(place)
            place += 1
            continue
        if isinstance(entry, int):
            cuts.append((axis, entry, entry + 1 if entry != -1 else FAR, 1))
            gone.append(axis)
        else:
            begin, end, step = entry
            ends = (0, FAR) if step > 0 else (-1, -FAR)
            cuts.append(
                (axis, ends[0] if begin is None else begin, ends[1] if end is None else end, step)
            )
            place += 1
        axis += 1
    name = inputs[0]
    if cuts:
        columns = [w.axes(*[cut[i] for cut in cuts]) for i in (1, 2, 0, 3)]
        name = w.node("Slice", [name, *columns])
    if gone:
        name = w.node("Squeeze", [name, w.axes(*gone)])
    if fresh:
        name = w.node("Unsqueeze", [name, w.axes(*fresh)])
    w.node("Identity", [name], outputs)


def _pack(w: _Writer, node: Node, inputs: list[str], outputs: list[str]) -> None:
    axis = node.options["axis"]
    rows = [w.node("Unsqueeze", [name, w.axes(axis)]) for name in inputs]
    w.node("Concat", rows, outputs, axis=axis)


def _unpack(w: _Writer, node: Node, inputs: list[str], outputs: list[str]) -> None:
    axis = node.options["axis"]
    rows = [w.new() for _ in outputs]
    w.node("Split", [inputs[0], w.axes(*[1] * len(rows))], rows, axis=axis)
    for row, output in zip(rows, outputs, strict=True):
        w.node("Squeeze", [row, w.axes(axis)], [output])


def _split(w: _Writer, node: Node, inputs: list[str], outputs: list[str]) -> None:
    w.node("Split", [inputs[0], w.axes(*node.options["sizes"])], outputs, axis=node.options["axis"])


def _pad(w: _Writer, node: Node, inputs: list[str], outputs: list[str]) -> None:
    before, after = zip(*node.options["pads"], strict=True)
    w.node("Pad", [inputs[0], w.axes(*before, *after)], outputs)


def _like(number: int) -> Written:
    def written(w: _Writer, node: Node, inputs: list[str], outputs: list[str]) -> None:
        value = w.constant(np.array(number, w.plan.types[node.outputs[0]]))
        w.node("Expand", [value, w.node("Shape", inputs)], outputs)

    return written


def _reverse(w: _Writer, node: Node, inputs: list[str], outputs: list[str]) -> None:
    axes = node.options["axes"]
    count = len(axes)
    columns = ([-1] * count, [-FAR] * count, axes, [-1] * count)
    w.node("Slice", [inputs[0], *(w.axes(*column) for column in columns)], outputs)


def _over_images(kind: str) -> Written:
    """Convolutions and pools, which ONNX wants with channels first."""

    def written(w: _Writer, node: Node, inputs: list[str], outputs: list[str]) -> None:
        name, rest = w.node("Transpose", [inputs[0]], perm=[0, 3, 1, 2]), []
        options = {"strides": node.options["strides"]}
        if kind == "Conv":
            kernel = w.plan.constants[node.inputs[1]]  # [height, width, C in, C out]
            rest = [w.constant(kernel.transpose(3, 2, 0, 1))]
            options["group"] = node.options.get("groups", 1)
        else:
            options["kernel_shape"] = node.options["size"]
        padding = {"SAME": "SAME_UPPER", "VALID": "VALID"}[node.options["padding"]]
        made = w.node(kind, [name, *rest], auto_pad=padding, **options)
        w.node("Transpose", [made], outputs, perm=[0, 2, 3, 1])

    return written


def _lrn(w: _Writer, node: Node, inputs: list[str], outputs: list[str]) -> None:
    """ONNX divides its alpha by the channels of the sum."""
    size, beta, bias = (2 * node.options["radius"] + 1, node.options["beta"], node.options["bias"])
    options = {"alpha": node.options["alpha"] * size, "beta": beta, "bias": bias, "size": size}
    name = w.node("LRN", [w.node("Transpose", inputs, perm=[0, 3, 1, 2])], **options)
    w.node("Transpose", [name], outputs, perm=[0, 2, 3, 1])


def _batch_norm(w: _Writer, node: Node, inputs: list[str], outputs: list[str]) -> None:
    """Statistics are constants, so it is a factor and an offset."""
    scale, offset, mean, variance = (w.plan.constants[number] for number in node.inputs[1:])
    factor = scale / np.sqrt(variance + np.float32(node.options["epsilon"]))
    made = w.node("Mul", [inputs[0], w.constant(factor)])
    w.node("Add", [made, w.constant(offset - mean * factor)], outputs)


def _shaped(kind: str, first: int = 0) -> Written:
    """Operators whose shape or count is an input of int64."""

    def written(w: _Writer, node: Node, inputs: list[str], outputs: list[str]) -> None:
        del node
        options = {"allowzero": 1} if kind == "Reshape" else {}  # or a 0 would mean: as it was
        w.node(kind, [inputs[first], w.cast(inputs[1 - first], "int64")], outputs, **options)

    return written


def _chain(*kinds: str) -> Written:
    def written(w: _Writer, node: Node, inputs: list[str], outputs: list[str]) -> None:
        del node
        for kind in kinds[:-1]:
            inputs = [w.node(kind, inputs)]
        w.node(kinds[-1], inputs * 2 if kinds[-1] == "Mul" else inputs, outputs)

    return written


def _option(kind: str, *names: str) -> Written:
    """Operators with the same options; `names` are theirs and ours in turn."""

    def written(w: _Writer, node: Node, inputs: list[str], outputs: list[str]) -> None:
        pairs = zip(names[::2], names[1::2], strict=True)
        w.node(kind, inputs, outputs, **{theirs: node.options[ours] for theirs, ours in pairs})

    return written


def _axes(kind: str, name: str) -> Written:
    """Operators whose axes are an input."""

    def written(w: _Writer, node: Node, inputs: list[str], outputs: list[str]) -> None:
        axes = np.array(node.options[name], np.int64)
        axes = axes if kind == "CumSum" else np.atleast_1d(axes)
        w.node(kind, [inputs[0], w.constant(axes)], outputs)

    return written


def _cast(w: _Writer, node: Node, inputs: list[str], outputs: list[str]) -> None:
    w.node("Identity", [w.cast(inputs[0], node.options["dtype"])], outputs)


def _shape(w: _Writer, node: Node, inputs: list[str], outputs: list[str]) -> None:
    del node
    w.node("Identity", [w.cast(w.node("Shape", inputs), "int32")], outputs)


PLAIN = """abs add cos div elu equal exp greater less log mul neg pow reciprocal relu sigmoid sin
    softplus sqrt sub tanh"""
SAME = {
    **{kind: kind.capitalize() for kind in PLAIN.split()},
    **{"greater_equal": "GreaterOrEqual", "less_equal": "LessOrEqual", "logical_and": "And"},
    **{"maximum": "Max", "minimum": "Min", "select": "Where", "softmax": "Softmax"},
    **{"floor_div": "Div", "floor_mod": "Mod"},  # of what is not negative
}
KINDS: dict[str, Written] = {
    **{kind: _reduce(f"Reduce{kind.capitalize()}") for kind in ("max", "mean", "min", "prod")},
    **{"sum": _reduce("ReduceSum"), "batch_norm": _batch_norm, "conv": _over_images("Conv")},
    "average_pool": _over_images("AveragePool"),
    "broadcast": _shaped("Expand"),
    "cast": _cast,
    "concat": _option("Concat", "axis", "axis"),
    "cumsum": _axes("CumSum", "axis"),
    **{"expand": _axes("Unsqueeze", "axis"), "squeeze": _axes("Squeeze", "axes")},
    "fill": _shaped("Expand", first=1),
    "gather": _option("Gather", "axis", "axis"),
    "lrn": _lrn,
    "matmul": _matmul,
    "max_pool": _over_images("MaxPool"),
    "ones_like": _like(1),
    "pack": _pack,
    "pad": _pad,
    "reshape": _shaped("Reshape"),
    "reverse": _reverse,
    "rsqrt": _chain("Sqrt", "Reciprocal"),
    "shape": _shape,
    "slice": _slice,
    "split": _split,
    "square": _chain("Mul"),
    "squared_difference": _chain("Sub", "Mul"),
    "take_along": _option("GatherElements", "axis", "axis"),
    "tile": _shaped("Tile"),
    "transpose": _option("Transpose", "perm", "order"),
    "unpack": _unpack,
    "zeros_like": _like(0),
}
