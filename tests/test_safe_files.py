"""Runs and models from a stranger: crafted ones end in one line, and nothing in them is executed."""

import io
import json
import os
import re
import shutil
import struct
import subprocess
import sys
import tracemalloc
import zipfile

import h5py
import numpy as np
import pytest
from test_predict import finished, wave

from seqlab import (
    _bounded_files,
    _numpy_runtime,
    checkpoints,
    cli,
    runs,
    series_files,
    streams,
    transfer,
)
from seqlab._bounded_files import arrays
from seqlab._tensorflow import keras
from seqlab.cells import LSTMCell
from seqlab.errors import SeqlabError


@pytest.fixture(scope="module")
def honest(tmp_path_factory):
    return finished(tmp_path_factory.mktemp("honest") / "run", wave()).path


@pytest.fixture
def run(honest, tmp_path, monkeypatch):
    """A copy of an honest run to be spoilt, in a folder with a module of the stranger's."""
    shutil.copytree(honest, tmp_path / "run")
    (tmp_path / "evil.py").write_text(
        "open('executed', 'w').close()\ndef load(*a): pass\nLayer = load\n"
    )
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    yield tmp_path / "run"
    assert not (tmp_path / "executed").exists() and not (tmp_path.parent / "outside").exists()


# Archives of arrays


def npy(shape, content=b"", dtype="<f8"):
    """A ``.npy`` file whose header says this."""
    stream = io.BytesIO()
    header = {"descr": dtype, "fortran_order": False, "shape": shape}
    np.lib.format.write_array_header_1_0(stream, header)
    return stream.getvalue() + content


def pickled():
    stream = io.BytesIO()
    np.save(stream, np.array([Calls()], object), allow_pickle=True)
    return stream.getvalue()


class Calls:
    def __reduce__(self):
        return open, ("executed", "w")


def archive(path, entries, kind=zipfile.ZIP_DEFLATED):
    with zipfile.ZipFile(path, "w", kind) as file:
        for name, content in entries:
            file.writestr(name, content)


def understated(content, size=300 * 10**6):
    """An archive whose directory says of the entry of this size that it has 1000 bytes."""
    head, _, tail = content.rpartition(struct.pack("<I", size))
    return head + struct.pack("<I", 1000) + tail


def read_series(path):
    return series_files.read(path)


def read_checkpoint(path):
    return checkpoints.restore(path, [])


def read_state(path):
    cell = LSTMCell(2)
    cell.build((None, 1))
    return streams.load_state(path, cell)


def read_runtime(path):
    return _numpy_runtime.load(path)


NAMES = ("about", "values", "progress", "structure", "part_0", "graph")
CRAFTED = {
    "too large": npy((10**13,)),
    "negative": npy((-1,), bytes(8)),
    "overflowing": npy((2**40, 2**40), bytes(8)),
    "more than there is": npy((3,), bytes(8)),
    "a pickle": pickled(),
    "no array": b"nothing of the kind",
    "a program for a header": b"\x93NUMPY\x01\x00\x40\x00"
    + b"__import__('os').mkdir('executed')".ljust(64),
    "version 9": b"\x93NUMPY\x09\x00" + bytes(64),
    "deep": npy((), np.array("[" * 50_000).tobytes(), "<U50000"),
}


@pytest.mark.parametrize("read", [read_series, read_checkpoint, read_state, read_runtime])
@pytest.mark.parametrize("name", CRAFTED)
def test_arrays_that_lie_are_refused(read, name, run):
    path = run / "crafted.npz"
    archive(path, [(f"{entry}.npy", CRAFTED[name]) for entry in NAMES])
    with pytest.raises(ValueError if read is read_runtime else SeqlabError, match=r"."):
        read(path)
    path.write_bytes(path.read_bytes()[:-30])
    with pytest.raises((ValueError, OSError) if read is read_runtime else SeqlabError):
        read(path)


@pytest.mark.parametrize("size", [0, 8, 24, 2**20])
def test_an_array_is_what_its_header_says_and_no_more(size, tmp_path):
    archive(tmp_path / "a.npz", [("a.npy", npy((2,), bytes(size)))])
    with (
        (tmp_path / "a.npz").open("rb") as stream,
        arrays(stream) as found,
        pytest.raises(ValueError, match=rf"{size} bytes are not an array of shape \(2,\)"),
    ):
        found["a"]


def test_archives_are_bounded(tmp_path):
    path = tmp_path / "bomb.npz"
    archive(path, [(f"a{i}.npy", npy((10**5,), bytes(8 * 10**5))) for i in range(3)])
    assert path.stat().st_size < 20_000
    with path.open("rb") as stream, arrays(stream) as found:
        assert found["a1"].shape == (10**5,) and len(found) == 3
    with (
        path.open("rb") as stream,
        pytest.raises(ValueError, match=r"3 files of 24\d+ bytes"),
        arrays(stream, 10**6),
    ):
        pass


def test_an_array_that_unpacks_to_more_than_its_archive_says_takes_no_memory(tmp_path):
    size = 30 * 10**6
    path = tmp_path / "a.npz"
    archive(path, [("a.npy", bytes(size))])
    path.write_bytes(understated(path.read_bytes(), size))
    tracemalloc.start()
    with (
        path.open("rb") as stream,
        arrays(stream) as found,
        pytest.raises(ValueError, match="Bad CRC-32"),
    ):
        found["a"]
    assert tracemalloc.get_traced_memory()[1] < 2**23
    tracemalloc.stop()


@pytest.mark.parametrize(
    "name", ["../outside", "/outside", "a/../../outside", "..\\outside", "C:/x"]
)
def test_names_that_lead_elsewhere_are_refused(name, run, tmp_path):
    archive(tmp_path / "a.npz", [(name, b"x")])
    with zipfile.ZipFile(tmp_path / "a.npz") as file, pytest.raises(ValueError, match=r"named"):
        _bounded_files.check_archive(file)
    with zipfile.ZipFile(run / "model.keras", "a") as file:
        file.writestr(name, b"x")
    refused(run, "a file named")


# Models


def refused(run, part):
    for read in (lambda: runs.load(run).model, lambda: transfer.load(run / "model.keras")):
        with pytest.raises(SeqlabError, match=part):
            read()


def rewritten(run, change=None, weights=None):
    """The model of a run with another config or other weights."""
    path = run / "model.keras"
    with zipfile.ZipFile(path) as file:
        entries = {name: file.read(name) for name in file.namelist()}
    if change:
        config = json.loads(entries["config.json"])
        entries["config.json"] = json.dumps(change(config) or config).encode()
    archive(path, ({**entries} | ({"model.weights.h5": weights} if weights else {})).items())


def layer(module, name, config=None, **more):
    """A config with one more layer, which Keras would make on its way."""

    def change(config_of_model):
        made = {"module": module, "class_name": name, "config": config or {"name": "x"}, **more}
        entry = {**made, "name": "x", "inbound_nodes": []}
        config_of_model["config"]["layers"].insert(0, entry)

    return change


def code():
    """A Lambda layer that holds a program."""
    made = keras.layers.Lambda(lambda x: open("executed", "w") and x, name="x")  # noqa: SIM115
    return keras.saving.serialize_keras_object(made)["config"]


LAYERS = {
    "lambda": ("kind Lambda", layer("keras.layers", "Lambda", code())),
    "lambda by its registered name": (
        "can run code",
        layer("keras.layers", "Layer", code(), registered_name="Lambda"),
    ),
    "savedmodel": ("kind TFSMLayer", layer("keras.layers", "TFSMLayer", {"filepath": "x"})),
    "torch": (
        "kind TorchModuleWrapper",
        layer("keras.layers", "TorchModuleWrapper", {"module": "x"}),
    ),
    "file reader": (
        "kind IndexLookup",
        layer("keras.layers", "IndexLookup", {"vocabulary": "/etc/passwd"}),
    ),
    "file reader of another name": (
        "kind StringLookup",
        layer("keras.layers", "StringLookup", {"vocabulary": "/etc/passwd"}),
    ),
    "module": ("names evil.Layer", layer("evil", "Layer")),
    "module by its registered name": (
        "names evil.Layer",
        layer("evil", "Layer", registered_name="seqlab>No"),
    ),
    "system": ("names os.system", layer("os", "system")),
    "nested": (
        "names evil.load",
        layer(
            "keras.layers",
            "Dense",
            {"units": 1, "kernel_initializer": {"module": "evil", "class_name": "load"}},
        ),
    ),
    "function": (
        "names the function 'eval'",
        layer("builtins", "function", "eval", registered_name="function"),
    ),
    "download": (
        "names keras.utils.get_file",
        layer("keras.utils", "get_file", {"origin": "http://x"}),
    ),
    "odd names": ("be read", layer([], {})),
    "memory": (
        "config asks for up to",
        layer("keras.layers", "Dense", {"units": 10**9, "name": "x"}),
    ),
    "no layers": (
        "cannot be read|no attribute|be read",
        lambda config: {"class_name": "Functional"},
    ),
    "a list": ("be read", lambda config: [[]]),
}


@pytest.mark.parametrize("name", LAYERS)
def test_models_of_more_than_layers_are_refused(name, run):
    part, change = LAYERS[name]
    rewritten(run, change)
    refused(run, part)


def weights(make):
    stream = io.BytesIO()
    with h5py.File(stream, "w") as file:
        make(file)
    return stream.getvalue()


WEIGHTS = {
    "external": (
        "another place",
        lambda f: f.__setitem__("layers", h5py.ExternalLink("/etc/passwd", "/")),
    ),
    "soft": ("another place", lambda f: f.__setitem__("layers", h5py.SoftLink("/layers"))),
    "hollow": ("not in the file", lambda f: f.create_dataset("a", (10**9,), "f4", chunks=(10**6,))),
    "virtual": (
        "not in the file",
        lambda f: f.create_virtual_dataset("a", h5py.VirtualLayout((10,), "f4")),
    ),
    "objects": (
        "not in the file",
        lambda f: f.create_dataset("a", data=["x"], dtype=h5py.string_dtype()),
    ),
}


@pytest.mark.parametrize("name", WEIGHTS)
def test_weights_that_lie_elsewhere_are_refused(name, run):
    part, make = WEIGHTS[name]
    rewritten(run, weights=weights(make))
    refused(run, part)


def packed(run, name, change=lambda content: content):
    """The model with this entry, which is packed; `change` is made to the archive's directory."""
    rewritten(run, weights=bytes(300 * 10**6) if name == "bomb" else weights(LARGE))
    path = run / "model.keras"
    path.write_bytes(change(path.read_bytes()))
    assert path.stat().st_size < 10**6


def LARGE(file):
    """300 MB of zeros, packed by HDF5 itself."""
    file.create_dataset("a", data=np.zeros(75 * 10**6, "f4"), compression="gzip", chunks=(10**6,))


@pytest.mark.parametrize(
    ("name", "change", "part"),
    [
        ("bomb", bytes, "unpacks .* bytes to 300"),
        ("bomb", understated, "Bad CRC-32"),
        ("dense", bytes, "unpacks .* bytes to 300000000"),
    ],
)
def test_what_unpacks_to_much_takes_no_memory(name, change, part, run):
    """In a process of its own, whose peak is looked at: beside TensorFlow, a quarter of it at most."""
    packed(run, name, change)
    script = (
        "import resource, sys; from pathlib import Path; from seqlab import _safe_models\n"
        "peak = lambda: resource.getrusage(resource.RUSAGE_SELF).ru_maxrss\n"
        "before = peak()\n"
        "try: _safe_models.load_model(Path(sys.argv[1]))\n"
        "except Exception as error: print((peak() - before) // 1000, error)"
    )
    command = [sys.executable, "-c", script, run / "model.keras"]
    said = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    assert re.search(part, said) and int(said.split()[0]) < 75, said


@pytest.mark.parametrize("method", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_other_packings_are_refused(method, run):
    """Python unpacks them without a bound."""
    with zipfile.ZipFile(run / "model.keras") as file:
        entries = [(name, file.read(name)) for name in file.namelist()]
    archive(run / "model.keras", entries, method)
    refused(run, "another method than Deflate")


def test_files_that_are_no_models_are_refused(run):
    path = run / "model.keras"
    whole = path.read_bytes()
    for content in (
        b"",
        b"PK",
        whole[:-40],
        whole[:100] + bytes(50) + whole[150:],
        b"\x89HDF\r\n\x1a\n" + bytes(99),
    ):
        path.write_bytes(content)
        refused(run, "cannot be read")
    with zipfile.ZipFile(path, "w") as file:
        file.writestr("config.json", "[" * 100_000)
        file.writestr("metadata.json", "{}")
        file.writestr("model.weights.h5", b"")
    refused(run, "nested too deeply")
    archive(path, [("config.json", "{}")])
    refused(run, "has, or lacks")
    path.unlink()
    path.mkdir()
    with pytest.raises(SeqlabError, match=r"not a file"):
        _ = runs.load(run).model


# Configs


ODD = [
    *(
        ("data", name, value)
        for name in ("source", "test", "season")
        for value in ({}, [1], True, 1.5)
    ),
    *(("data", "window", value) for value in ("3", 1e400, None, [], True, 10**30, -1)),
    *(("data", "past", value) for value in (5, "price", [1], [None], {"a": 1})),
    *(("model", "levels", value) for value in ("abc", [[]], [0.1, "x"], 3)),
    *(
        ("model", name, value)
        for name in ("cell", "dropout", "loss")
        for value in ({}, [], "no", None)
    ),
    *(
        ("train", name, value)
        for name in ("steps", "seed", "precision")
        for value in ({}, "no", [1])
    ),
    *(
        (part, None, value)
        for part in ("data", "model", "train")
        for value in (5, [], [[]], "x", None)
    ),
    *((None, name, value) for name in ("kind", "format") for value in ([], {}, "x")),
]


@pytest.mark.parametrize(("part", "name", "value"), ODD, ids=lambda v: str(v)[:12])
def test_configs_of_odd_types_are_refused(part, name, value, run):
    file = run / "config.json"
    config = json.loads(file.read_text())
    where = config[part] if part and name else config
    where[name or part] = value
    file.write_text(json.dumps(config))
    if value == 10**30:  # a size like others, until rows are counted
        assert cli.main(["forecast", str(run)]) == 2
    else:
        with pytest.raises(SeqlabError, match=r"config.json"):
            runs.load(run)


def test_files_without_end_are_refused(run):
    file = run / "config.json"
    text = file.read_text()
    with file.open("r+b") as stream:
        stream.truncate(2**30)  # of which none takes room on the disk
    tracemalloc.start()
    with pytest.raises(SeqlabError, match=r"larger than"):
        runs.load(run)
    assert tracemalloc.get_traced_memory()[1] < 2**28
    tracemalloc.stop()
    for content in (
        "[" * 100_000,
        '{"a":' * 50_000,
        "\udc80".encode("utf-8", "surrogateescape").decode("latin1"),
    ):
        file.write_text(content)
        with pytest.raises(SeqlabError, match=r"cannot be read"):
            runs.load(run)
    file.unlink()
    os.mkfifo(file)
    with pytest.raises(SeqlabError, match=r"cannot be read"):
        runs.load(run)
    file.unlink()
    file.write_text(text)
    with (run / "metrics.json").open("wb") as stream:
        stream.truncate(2**30)
    assert runs.load(run).metrics == {}
    with (run / "history.csv").open("wb") as stream:
        stream.truncate(2**30)
    with pytest.raises(SeqlabError, match=r"larger than"):
        _ = runs.load(run).history
    for content in (
        "step,loss\n1\n",
        "step\n" + "1" * 200_000,
        "a\n\0",
        "step,loss,val_loss,learning_rate\n1,2,3,x",
    ):
        (run / "history.csv").write_text(content)
        with pytest.raises(SeqlabError, match=r"history.csv: cannot be read"):
            _ = runs.load(run).history


def test_an_honest_run_loads(run):
    assert cli.main(["forecast", str(run)]) == 0
    assert transfer.load(run / "model.keras").count_params() > 0
