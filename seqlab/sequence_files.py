"""Files of labelled sequences: ``.ts``, and the plain ones of the UCR archive.

- ``.ts`` (sktime and aeon): comments ``#``, header lines ``@``, after ``@data`` one sequence a line, its
  dimensions separated by ``:``, their values by ``,``, the label last.
- plain (the UCR archive's older form): one sequence a line, the label first, then the values,
  separated by blanks, tabs or commas. The archive pads short sequences with NaN at the end.

Nothing is repaired in silence: what cannot be read stops with the file and the line.
"""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import numpy as np

from seqlab.errors import SeqlabError
from seqlab.sequences import LabelledSequences

__all__ = ["load_sequences"]

Lines = Iterable[tuple[int, str]]  # numbered from 1


class _Row(NamedTuple):
    line: int
    values: np.ndarray  # [T, D]
    label: str


def load_sequences(path: str | Path, classes: Sequence[str] | None = None) -> LabelledSequences:
    """Read a file of labelled sequences: ``.ts``, or else the plain form.

    Args:
        path: the file.
        classes: the names of the classes in their order, such as those of the training part, so that
            labels mean the same in both. By default those of the file's header; without a header
            all labels of the file, from the smallest number up.

    Raises:
        SeqlabError: naming the file, the line, what was found there and what to do.
    """
    path = Path(path)
    read = _read_ts if path.suffix == ".ts" else _read_plain
    try:
        with path.open(encoding="utf-8-sig", errors="replace") as file:
            content = ((number, text.strip()) for number, text in enumerate(file, 1))
            rows, named = read((number, text) for number, text in content if text)
        return _labelled(rows, tuple(classes or named))
    except OSError as error:
        raise SeqlabError(f"{path}: cannot be read: {error.strerror or error}") from error
    except SeqlabError as error:
        raise SeqlabError(f"{path}: {error}") from error


def _labelled(rows: list[_Row], classes: tuple[str, ...]) -> LabelledSequences:
    """Labels from names to positions."""
    if not rows:
        raise SeqlabError("no sequences. Name a file that holds one a line")
    labels = []
    for row in rows:
        with _line(row.line):
            if row.label not in classes:
                raise SeqlabError(
                    f"class label {row.label!r} is unknown. Mend it, or name it among the classes,"
                    f" which are {', '.join(classes)}"
                )
            labels.append(classes.index(row.label))
    return LabelledSequences(tuple(row.values for row in rows), np.array(labels, "int32"), classes)


# The plain form


def _read_plain(lines: Lines) -> tuple[list[_Row], list[str]]:
    rows = []
    for number, text in lines:
        with _line(number):
            rows.append(_Row(number, *_plain(text)))
    return rows, sorted({row.label for row in rows}, key=float)


def _plain(text: str) -> tuple[np.ndarray, str]:
    """Values ``[T, 1]`` and the label, of which 1, 1.0 and 1e0 are the same."""
    name, *words = text.replace(",", " ").split()
    label = _label(name)
    while words and words[-1].lower() == "nan":  # how the archive pads
        words.pop()
    return _numbers(words)[:, None], label


def _label(word: str) -> str:
    """A number as its shortest text."""
    try:
        number = float(word)
        if not np.isfinite(number):
            raise ValueError
        return str(int(number) if number.is_integer() else number)
    except ValueError:
        raise SeqlabError(
            f"the class label {word!r} is not a number. Lines must begin with one; files with a header"
            " must end in .ts"
        ) from None


# .ts


def _read_ts(lines: Lines) -> tuple[list[_Row], list[str]]:
    lines = ((number, text) for number, text in lines if not text.startswith("#"))
    header = _header(lines)
    dimensions, rows = header.get("dimensions", [""])[0], []
    for number, text in lines:
        with _line(number):
            values, label = _case(text)
            dimensions = dimensions or str(values.shape[1])
            if str(values.shape[1]) != dimensions:
                raise SeqlabError(
                    f"{values.shape[1]} dimensions, where the header or the first sequence has"
                    f" {dimensions}. Each sequence needs the same, separated by ':'"
                )
            rows.append(_Row(number, values, label))
    return rows, header["classlabel"][1:]


def _header(lines: Lines) -> dict[str, list[str]]:
    """The words behind each tag, up to ``@data``; the tags in small letters."""
    header: dict[str, list[str]] = {}
    for number, text in lines:
        if not text.startswith("@"):
            raise SeqlabError(f"line {number}: no @data line before the values. Add one above")
        tag, *words = text[1:].split()
        if tag.lower() == "data":
            _check_header(header)
            return header
        header[tag.lower()] = words
    raise SeqlabError("no @data line. The sequences follow it, one a line")


def _check_header(header: dict[str, list[str]]) -> None:
    true = {tag for tag, words in header.items() if words and words[0].lower() == "true"}
    if "timestamps" in true:
        raise SeqlabError(
            "@timeStamps true: times are not read. Save the values alone, at even steps"
        )
    if "classlabel" not in true or len(header["classlabel"]) < 2:
        raise SeqlabError("no classes in the header. Name them: @classLabel true A B")


def _case(text: str) -> tuple[np.ndarray, str]:
    """Values ``[T, D]`` and the label."""
    *parts, label = (part.strip() for part in text.split(":"))
    if not parts:
        raise SeqlabError("no class label. It stands last, after ':'")
    dimensions = []
    for number, part in enumerate(parts, 1):
        try:
            dimensions.append(_numbers(part.split(",") if part else []))
        except SeqlabError as error:
            raise SeqlabError(f"dimension {number}: {error}") from error
    lengths = [len(values) for values in dimensions]
    if len(set(lengths)) > 1:
        raise SeqlabError(
            f"dimensions of different length, {', '.join(map(str, lengths))}."
            " Each needs one value per step"
        )
    return np.stack(dimensions, axis=1), label


# Both


def _numbers(words: list[str]) -> np.ndarray:
    """Float32 ``[T]``."""
    if not words:
        raise SeqlabError("no values. Leave the line out")
    try:
        with np.errstate(over="ignore"):
            values = np.array(words, float).astype("float32")
    except ValueError:
        values = np.array([np.nan])
    if not np.isfinite(values).all():
        raise SeqlabError(next(filter(None, map(_complaint, range(1, len(words) + 1), words))))
    return values


def _complaint(number: int, word: str) -> str:
    """What is wrong with a value; empty if nothing is."""
    word = word.strip()
    if word.lower() in ("", "?", "nan"):
        return f"value {number} is missing: {word!r}. Fill it in, or leave the sequence out"
    try:
        value = np.float64(word)
    except ValueError:
        return f"value {number} is not a number: {word!r}. Mend it, or leave the sequence out"
    if abs(value) > np.finfo("float32").max:
        return f"value {number} does not fit into float32: {word!r}. Scale the values first"
    return ""


@contextmanager
def _line(number: int) -> Iterator[None]:
    """Errors inside begin with the line."""
    try:
        yield
    except SeqlabError as error:
        raise SeqlabError(f"line {number}: {error}") from error
