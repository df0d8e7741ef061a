"""Keras models out of files that a stranger may have made: what they may ask for, and how much.

A ``.keras`` file names the classes that it is made of, and Keras would import the modules that they are
said to be in. Keras' safe mode refuses code in the file itself; here the names are looked at, too, before
Keras sees them, and so are the archive and the sizes of the arrays in it.
"""

import io
import math
import re
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from seqlab._bounded_files import check_archive, parsed, unpacked
from seqlab._tensorflow import keras
from seqlab.errors import SeqlabError

__all__ = ["load_model"]

CONFIG, WEIGHTS = "config.json", "model.weights.h5"
FILES = {"metadata.json", CONFIG, WEIGHTS}
MOST_CONFIG = 2**26  # bytes
ANYHOW = 2**26  # bytes that a file may unpack to, or else a multiple of its own
MOST_MEMORY = (
    2**31
)  # bytes of weights that a config may ask for, or a multiple of those in the file
MULTIPLE, DENSEST = 64, 1100  # the latter is how far zlib can press
# Layers that run code, call other programs' models, or read files that the config names.
REFUSED = {"Lambda", "TorchModuleWrapper", "TFSMLayer", "JaxLayer", "FlaxLayer"}
REFUSED |= {"IndexLookup", "StringLookup", "IntegerLookup", "TextVectorization"}
NO_SIZES = ("seed", "shared_object_id", "start", "stop", "step")  # endings of keys of other numbers
PLAIN = {"__keras_tensor__", "__slice__", "__tensor__", "__tuple__", "__ellipsis__", "__numpy__"}
MODULES = re.compile(
    r"keras(\.(layers|models|initializers|regularizers|constraints|activations|dtype_policies)"
    r"|\.src\.(models\.\w+|ops\.\w+|layers(\.\w+)*|dtype_policies\.\w+))?|seqlab(\.\w+)*"
)
OF_APPLICATIONS = re.compile(  # layers of their own that networks of keras.applications have
    r"keras\.src\.applications\.(convnext\.(LayerScale|StochasticDepth)|inception_resnet_v2\.CustomScaleLayer)"
)


def load_model(path: Path) -> Any:
    """The model in a ``.keras`` file, not compiled.

    Raises:
        SeqlabError: no such file, or a damaged one; one that names what no network needs, or asks for
            more memory than its weights do.
    """
    try:
        if not path.is_file():
            raise ValueError("not a file")
        with path.open("rb") as stream, zipfile.ZipFile(stream) as archive:
            _check(archive)
        return keras.saving.load_model(path, compile=False, safe_mode=True)
    except Exception as error:  # crafted files fail in ways that nobody lists
        first = (str(error).splitlines() or [type(error).__name__])[0]
        raise SeqlabError(f"cannot be read as a model: {first}") from error


def _check(archive: zipfile.ZipFile) -> None:
    check_archive(archive)
    others = set(archive.namelist()) ^ FILES
    if others:
        raise ValueError(f"it has, or lacks, {sorted(others)[:3]}")
    if archive.getinfo(CONFIG).file_size > MOST_CONFIG:
        raise ValueError(f"its {CONFIG} is larger than {MOST_CONFIG} bytes")
    entries = archive.infolist()
    packed = sum(entry.compress_size for entry in entries)
    _check_packed(sum(entry.file_size for entry in entries), packed)
    found = list(_objects(parsed(unpacked(archive, CONFIG).decode())))
    for one in found:
        if "class_name" in one:
            _check_class(one)
    stored = _stored(unpacked(archive, WEIGHTS))
    _check_packed(stored, packed)
    _check_memory(found, stored)


def _check_packed(size: int, packed: int) -> None:
    """Refuse what is mostly packing: Keras itself packs nothing."""
    if size > max(ANYHOW, MULTIPLE * packed):
        raise ValueError(
            f"it unpacks {packed} bytes to {size}, which no network needs. Save it again by Keras"
        )


def _objects(value: Any) -> Iterator[dict[str, Any]]:
    """Every dict, at whatever depth."""
    waiting = [value]
    while waiting:
        one = waiting.pop()
        if isinstance(one, dict):
            yield one
            waiting += one.values()
        elif isinstance(one, list):
            waiting += one


def _check_class(one: dict[str, Any]) -> None:
    """Refuse what is no part of a network: only names are looked at, nothing is imported."""
    name, module, registered = (one.get(k) for k in ("class_name", "module", "registered_name"))
    known = isinstance(registered, str) and keras.saving.get_registered_object(registered)
    if name in REFUSED or registered in REFUSED:
        raise ValueError(f"it holds a layer of the kind {name}, which can run code or read files")
    own = OF_APPLICATIONS.fullmatch(f"{module}.{name}")
    if known or own or (module is None and name in PLAIN):
        return
    if name == "function" and module == "builtins":
        if not hasattr(keras.activations, str(one.get("config"))):
            raise ValueError(f"it names the function {str(one.get('config'))[:60]!r}")
        return
    if not isinstance(module, str) or not MODULES.fullmatch(module):
        raise ValueError(f"it names {str(module)[:60]}.{str(name)[:60]}, which is no part of Keras")


def _stored(content: bytes) -> int:
    """Bytes of all arrays; none may lie elsewhere, or be larger than what is there for it."""
    import h5py

    total = 0
    with h5py.File(io.BytesIO(content), "r") as file:
        groups = [file]
        while groups:
            group = groups.pop()
            for name in group:
                if not isinstance(group.get(name, getlink=True), h5py.HardLink):
                    raise ValueError(f"its weights refer to another place by {name!r}")
                entry = group[name]
                if isinstance(entry, h5py.Group):
                    groups.append(entry)
                else:
                    total += _bytes(entry)
                if len(groups) > 100_000:
                    raise ValueError("its weights are nested without end")
    return total


def _bytes(entry: Any) -> int:
    size = math.prod(entry.shape) * entry.dtype.itemsize
    elsewhere = entry.external or entry.is_virtual or entry.dtype.hasobject
    if elsewhere or size > DENSEST * entry.id.get_storage_size():
        raise ValueError(
            f"its weights hold {size} bytes at {entry.name!r} that are not in the file"
        )
    return size


def _check_memory(found: list[dict[str, Any]], stored: int) -> None:
    """Refuse sizes that the arrays in the file do not come near.

    A layer has no more weights than its own largest number times the largest one of all; recurrent ones a
    few times that. What a network makes of its inputs' size is not counted.
    """
    own = [max((n for n in _numbers(one)), default=1) for one in found]
    asked = 4 * max(own, default=1) * sum(n for n in own if n > 1)
    if asked > max(MOST_MEMORY, MULTIPLE * stored):
        raise ValueError(f"its config asks for up to {asked} bytes, and its arrays are {stored}")


def _numbers(one: dict[str, Any]) -> Iterator[int]:
    """Sizes in a dict and in its lists."""
    for key, value in one.items():
        for number in value if isinstance(value, list) else [value]:
            if type(number) is int and not key.endswith(NO_SIZES):
                yield abs(number)
