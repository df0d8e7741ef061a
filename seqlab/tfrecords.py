"""TFRecord files: examples with integers, floats and bytes, in shards.

Example i of a set goes into shard i modulo their number, so examples are written as they come, and
reading all shards by turns gives their order back.
"""

import re
from collections.abc import Iterable, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np

from seqlab._tensorflow import tf
from seqlab.errors import SeqlabError, check_choice, check_positive

__all__ = ["KINDS", "read", "write"]

KINDS = ("int64", "float32", "bytes")
SHARD = re.compile(r"(.*)-(\d{5})-of-(\d{5})$")
BUFFER = 10_000  # examples among which the next one is drawn

Feature = tuple[str, tuple[int, ...] | None]


def write(path: str | Path, examples: Iterable[Mapping[str, Any]], shards: int = 1) -> list[Path]:
    """Write examples into ``path-00000-of-00002`` and so on; the files appear when all are whole.

    Args:
        path: the folder and the name of the set, without the numbers.
        examples: each from the names of its features to values: an integer, a float, bytes, text, or an
            array or list of one of these. All examples have the same names and kinds.
        shards: how many files.

    Returns:
        The files.

    Raises:
        SeqlabError: no examples, a value of another kind, another set of names, or no place to write.
    """
    check_positive("shards", shards)
    files = [Path(f"{path}-{i:05d}-of-{shards:05d}") for i in range(shards)]
    unfinished = [file.with_name(f".{file.name}.part") for file in files]
    try:
        count = _write_all(unfinished, examples)
        if count < shards:
            raise SeqlabError(f"{count} examples for {shards} shards. Write fewer shards")
        for temporary, file in zip(unfinished, files, strict=True):
            temporary.replace(file)
    except (OSError, tf.errors.OpError) as error:
        raise SeqlabError(f"{path}: cannot be written: {str(error).splitlines()[0]}") from error
    finally:
        for temporary in filter(Path.exists, unfinished):
            temporary.unlink()
    return files


def read(
    pattern: str | Path,
    features: Mapping[str, Feature],
    *,
    seed: int | None = None,
    buffer: int = BUFFER,
) -> Any:
    """Examples of all files that a pattern matches, as a ``tf.data.Dataset`` of dicts.

    Every file is read through once before: a damaged one stops here, and not in the middle of a training.

    Args:
        pattern: such as ``data/name-*``.
        features: from names to (kind, shape), kind one of `KINDS`; a shape of None means any length.
        seed: of the order: that of the files, and within a buffer, another at each pass. None keeps the
            order in which the examples were written.
        buffer: examples among which the next one is drawn, where there is a seed.

    Raises:
        SeqlabError: no file, a missing shard, a damaged file, or examples without these features.
    """
    spec = {name: _spec(name, feature) for name, feature in features.items()}
    files = _files(Path(pattern))
    counts = [_count(file, spec) for file in files]
    names = tf.data.Dataset.from_tensor_slices([str(file) for file in files])
    if seed is not None:
        names = names.shuffle(len(files), seed)
    found = names.interleave(tf.data.TFRecordDataset, cycle_length=len(files), block_length=1)
    if seed is not None:
        found = found.shuffle(buffer, seed + 1)
    found = found.map(lambda record: tf.io.parse_single_example(record, spec))
    return found.apply(tf.data.experimental.assert_cardinality(sum(counts)))


def _write_all(paths: list[Path], examples: Iterable[Mapping[str, Any]]) -> int:
    paths[0].parent.mkdir(parents=True, exist_ok=True)
    kinds: dict[str, str] = {}
    count = 0
    with ExitStack() as stack:
        writers = [stack.enter_context(tf.io.TFRecordWriter(str(path))) for path in paths]
        for count, example in enumerate(examples, 1):
            lists = {name: _kind_and_values(name, value) for name, value in example.items()}
            found = {name: kind for name, (kind, _) in lists.items()}
            kinds = kinds or found
            if found != kinds:
                raise SeqlabError(f"example {count} has {found}, and those before have {kinds}")
            writers[(count - 1) % len(writers)].write(_serialised(lists))
    return count


def _serialised(lists: Mapping[str, tuple[str, list[Any]]]) -> bytes:
    make = {
        "int64": lambda values: tf.train.Feature(int64_list=tf.train.Int64List(value=values)),
        "float32": lambda values: tf.train.Feature(float_list=tf.train.FloatList(value=values)),
        "bytes": lambda values: tf.train.Feature(bytes_list=tf.train.BytesList(value=values)),
    }
    named = {name: make[kind](values) for name, (kind, values) in lists.items()}
    return tf.train.Example(features=tf.train.Features(feature=named)).SerializeToString()


def _kind_and_values(name: str, value: Any) -> tuple[str, list[Any]]:
    if isinstance(value, (bytes, str)):
        value = [value]
    values = np.asarray(value).ravel() if not isinstance(value, list) else value
    if len(values) and all(isinstance(item, (bytes, str)) for item in values):
        return "bytes", [item.encode() if isinstance(item, str) else item for item in values]
    array = np.asarray(values)
    if array.dtype.kind not in "biuf" or not array.size:
        raise SeqlabError(
            f"feature {name!r} must be integers, floats, bytes or text. Received: {type(value).__name__}"
        )
    return ("float32" if array.dtype.kind == "f" else "int64"), array.ravel().tolist()


def _spec(name: str, feature: Feature) -> Any:
    kind, shape = feature
    check_choice(f"kind of {name}", kind, KINDS)
    dtype = tf.string if kind == "bytes" else tf.dtypes.as_dtype(kind)
    return tf.io.RaggedFeature(dtype) if shape is None else tf.io.FixedLenFeature(shape, dtype)


def _files(pattern: Path) -> list[Path]:
    """The matching files, each set of shards complete."""
    files = sorted(file for file in pattern.parent.glob(pattern.name) if file.is_file())
    if not files:
        raise SeqlabError(f"{pattern}: no such files. Name a pattern, such as data/name-*")
    for file in files:
        found = SHARD.match(file.name)
        if found is None:
            continue
        shards = [f"{found[1]}-{i:05d}-of-{found[3]}" for i in range(int(found[3]))]
        missing = [name for name in shards if file.with_name(name) not in files]
        if missing:
            raise SeqlabError(
                f"{pattern}: {len(missing)} of {len(shards)} shards are missing, first {missing[0]}."
                " Get them, or mend the pattern"
            )
    return files


def _count(file: Path, spec: Mapping[str, Any]) -> int:
    """How many examples a file holds; all of its checksums are right, and the first has the features."""
    records = tf.data.TFRecordDataset(str(file))
    try:
        count = int(records.reduce(np.int64(0), lambda total, _: total + 1))
        for record in records.take(1):
            tf.io.parse_single_example(record, spec)
    except tf.errors.DataLossError as error:
        raise SeqlabError(f"{file}: truncated or damaged. Get it again") from error
    except tf.errors.InvalidArgumentError as error:
        reason = error.message.splitlines()[0]
        raise SeqlabError(f"{file}: its examples do not fit `features`: {reason}") from error
    if not count:
        raise SeqlabError(f"{file}: no examples. Get it again")
    return count
