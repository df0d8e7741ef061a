"""What is known about a series as a whole, as numbers that a network can take at every step."""

from collections.abc import Iterable, Mapping
from typing import Any

from seqlab._tensorflow import keras
from seqlab.errors import check_positive

__all__ = ["Attributes", "Labels", "Lookup", "embedding_size"]

ops = keras.ops


def embedding_size(codes: int) -> int:
    """How many numbers stand for a category of so many codes: half as many, up to ten."""
    return min(10, (codes + 1) // 2)


@keras.saving.register_keras_serializable("seqlab")
class Lookup(keras.layers.Layer):
    """Rows of a learned table, by number: ``[B]`` integers to ``[B, size]``, float32.

    A number that the table does not have (below 0, or `rows` and more) stands for something never seen
    in training and gets the mean of all rows: what is known about the others.

    Args:
        rows: how many there are.
        size: numbers in a row.
        start: initializer of the table.
    """

    def __init__(self, rows: int, size: int, start: Any = "uniform", **kwargs: Any) -> None:
        check_positive("rows", rows)
        check_positive("size", size)
        super().__init__(**{"dtype": "float32", **kwargs})
        self.rows = rows
        self.size = size
        self.start = keras.initializers.get(start)

    def build(self, input_shape: Any) -> None:
        """Make the table ``[rows, size]``."""
        del input_shape
        shape = (self.rows, self.size)
        self.table = self.add_weight(name="table", shape=shape, initializer=self.start)

    def call(self, inputs: Any) -> Any:
        """The row of each number."""
        mean = ops.mean(self.table, axis=0, keepdims=True)
        known = (inputs >= 0) & (inputs < self.rows)
        rows = ops.where(known, inputs, self.rows)
        return ops.take(ops.concatenate([self.table, mean], axis=0), rows, axis=0)

    def get_config(self) -> dict[str, Any]:
        """The arguments of the constructor."""
        start = keras.initializers.serialize(self.start)
        return {**super().get_config(), "rows": self.rows, "size": self.size, "start": start}


@keras.saving.register_keras_serializable("seqlab")
class Labels(keras.layers.Embedding):
    """``keras.layers.Embedding`` of codes from 1 on; 0, not seen in training, is the mean of the others.

    The weights are those of Keras' layer, so that checkpoints of either fit. Row 0 is not looked at.
    """

    def call(self, inputs: Any) -> Any:
        """``[...]`` integers to ``[..., size]``."""
        found = super().call(inputs)
        # Nothing is learned through the mean: gradients stay those of the rows that were looked up.
        mean = ops.stop_gradient(ops.mean(self.embeddings[1:], axis=0))
        return ops.where(ops.equal(inputs, 0)[..., None], ops.cast(mean, found.dtype), found)


@keras.saving.register_keras_serializable("seqlab")
class Attributes(keras.layers.Layer):
    """Attributes of the series side by side: ``static`` ``[B, C]``, then each category's embedding.

    The result is ``[B, size]`` in float32, of no columns where there is nothing.

    Args:
        categories: for each column of ``categories`` ``[B, K]``, how many codes it has: 1 to that many.
            Code 0, and any other, was never seen in training and gets the mean of the others.
    """

    def __init__(self, categories: Iterable[int] = (), **kwargs: Any) -> None:
        counts = tuple(categories)
        for codes in counts:
            check_positive("categories", codes)
        super().__init__(**{"dtype": "float32", **kwargs})
        self.categories = counts
        self.lookups = [Lookup(codes, embedding_size(codes)) for codes in counts]

    def size(self, shapes: Mapping[str, Any]) -> int:
        """Columns of the result, from the shapes of the inputs."""
        real = shapes["static"][-1] if "static" in shapes else 0
        return real + sum(lookup.size for lookup in self.lookups)

    def build(self, input_shape: Any) -> None:
        """Make the tables."""
        del input_shape
        for lookup in self.lookups:
            lookup.build((None,))

    def call(self, inputs: dict[str, Any]) -> Any:
        """``static`` and ``categories`` of a dict, where they exist; its ``past`` says what B is."""
        parts = [ops.zeros((ops.shape(inputs["past"])[0], 0), "float32")]
        if "static" in inputs:
            parts.append(ops.cast(inputs["static"], "float32"))
        for i, lookup in enumerate(self.lookups):
            parts.append(lookup(inputs["categories"][:, i] - 1))
        return ops.concatenate(parts, axis=-1)

    def get_config(self) -> dict[str, Any]:
        """The arguments of the constructor."""
        return {**super().get_config(), "categories": list(self.categories)}
