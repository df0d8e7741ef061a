"""A traced function as a list of simple operations, from which other formats are written.

TensorFlow's operations come in about a hundred forms. They become the few of `_numpy_runtime`
(`_operations`), whose options are plain numbers; and what depends on constants alone is computed once.
"""

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from seqlab._numpy_runtime import bound
from seqlab._operations import ALIASES, KINDS, RESULTS
from seqlab._tensorflow import tf
from seqlab.errors import SeqlabError

__all__ = ["Node", "Plan", "plan_of"]


@dataclass(frozen=True)
class Node:
    """One operation.

    Attributes:
        kind: a name in `_numpy_runtime.OPERATIONS`.
        inputs: numbers of what it takes.
        outputs: numbers of what it gives.
        options: plain values.
    """

    kind: str
    inputs: list[int]
    outputs: list[int]
    options: dict[str, Any]


@dataclass
class Plan:
    """Operations in order, each value with a number.

    Attributes:
        input: number of the raw input.
        output: number of the answers.
        nodes: only those that the answers need.
        constants: number to array, likewise.
        ranks: number to rank, of what is no constant.
        types: number to the name of its type.
    """

    input: int
    output: int = -1
    nodes: list[Node] = field(default_factory=list)
    constants: dict[int, np.ndarray] = field(default_factory=dict)
    ranks: dict[int, int] = field(default_factory=dict)
    types: dict[int, str] = field(default_factory=dict)


def plan_of(concrete: Any, format_name: str) -> Plan:
    """The plan of a concrete function of one input without variables, loops and calls.

    Raises:
        SeqlabError: an operation that there is no simple one for.
    """
    raw = concrete.inputs[0]
    plan, numbers = Plan(0, ranks={0: raw.shape.rank}, types={0: raw.dtype.name}), {raw.name: 0}
    for operation in _behind(concrete.outputs[0].op, raw.op):
        if operation.type in ALIASES:
            numbers[operation.outputs[0].name] = numbers[operation.inputs[0].name]
        else:
            _add(plan, operation, numbers, format_name)
    plan.output = numbers[concrete.outputs[0].name]
    return _needed(plan)


def _behind(last: Any, first: Any) -> list[Any]:
    """The operations that one depends on by what it takes, in their order; checks are not among them."""
    found, left = {first.name}, [last]
    while left:
        operation = left.pop()
        if operation.name not in found:
            found.add(operation.name)
            left += [tensor.op for tensor in operation.inputs]
    found.remove(first.name)
    return [operation for operation in last.graph.get_operations() if operation.name in found]


def _add(plan: Plan, operation: Any, numbers: dict[str, int], format_name: str) -> None:
    """One operation of the graph: a constant, or a node."""
    for tensor in operation.outputs:
        number = numbers[tensor.name] = len(numbers)
        plan.ranks[number], plan.types[number] = tensor.shape.rank, tensor.dtype.name
    outputs = [numbers[tensor.name] for tensor in operation.outputs]
    if len(outputs) == 1 and (value := tf.get_static_value(operation.outputs[0])) is not None:
        plan.constants[outputs[0]] = np.asarray(value)
        return
    if operation.type not in KINDS:
        raise SeqlabError(
            f"the network uses {operation.type}, which the format {format_name} cannot carry."
            " Export it as savedmodel"
        )
    kind, used, options = KINDS[operation.type](operation)
    inputs = [numbers[tensor.name] for tensor in used]
    _computed(plan, Node(kind, inputs, outputs[: RESULTS.get(kind, len(outputs))], options))


def _computed(plan: Plan, node: Node) -> None:
    """Keep a node, or where all that it takes is known what it gives."""
    if not all(i in plan.constants for i in node.inputs):
        plan.nodes.append(node)
        return
    made = bound(node.kind, node.options)(*[plan.constants[i] for i in node.inputs])
    results = [made] if len(node.outputs) == 1 else made
    plan.constants.update(zip(node.outputs, map(np.asarray, results), strict=True))


def _needed(plan: Plan) -> Plan:
    """Without what the answers do not depend on."""
    wanted, kept = {plan.output}, []
    for node in reversed(plan.nodes):
        if wanted.intersection(node.outputs):
            wanted.update(node.inputs)
            kept.append(node)
    plan.nodes = kept[::-1]
    plan.constants = {i: v for i, v in plan.constants.items() if i in wanted}
    return plan
