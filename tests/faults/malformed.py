"""Malformed tables, configs, run folders and checkpoints, as Hypothesis draws them."""

import copy
import io
import json
import os
import zipfile
from datetime import date, timedelta

import numpy as np
from hypothesis import strategies as st

from seqlab import checkpoints

one_of = st.sampled_from
share = one_of([k / 997 for k in range(997)])

# Tables

ODD = ["", " ", "NaN", "null", "inf", "-inf", "1e308", "-1e308", "1e400", "5e-324", "9" * 400, "-0"]
ODD += [
    "9" * 5000,
    str(2**63),
    str(2**64),
    "-" + str(2**63),
    "0x10",
    "1_000",
    "1,5",
    "1 000",
    "1.5.6",
]
ODD += [
    "١٢",
    "½",
    "True",
    "abc",
    '"',
    '""',
    '"a',
    "a,b",
    "\0",
    "\x1a",
    "\ufeff",
    "\u2028",
    "1+2j",
    "%d",
]
ODD += ["2024-02-30", "2024-13-01", "0001-01-01", "9999-12-31", "1677-09-20", "2262-04-12", "now"]
ODD += ["today", "NaT", "24:00", "2024-W05", "2024-01-01T00:00Z", "2024-01-01 00:00+25:00", "44927"]
ODD += [
    "1/2/2024",
    "13/13/2024",
    "31.12.2024",
    "-4712-01-01",
    "2024-01-01T23:59:60",
    "20240101",
    "Q1 2024",
]
DAYS = [
    lambda i: str(date(2020, 1, 1) + timedelta(i)),
    lambda i: f"{date(2020, 1, 1) + timedelta(i):%d.%m.%Y}",
    lambda i: f"{date(2020, 1, 1) + timedelta(i):%m/%d/%y}",
    lambda i: f"{date(2020, 1, 1) + timedelta(i // 24)}T{i % 24:02}:00:00Z",
    lambda i: f"{2000 + i}",
    lambda i: f"{1 + i:04}-01-01",
    lambda i: f"{9999 - i:04}-12-31",
    lambda i: f"{2000 + i // 12}-{1 + i % 12:02}",
    lambda i: str(1577836800 + 86400 * i),
    lambda i: str(date(2020, 1, 1) + timedelta(i * i)),
    lambda i: str(date(2020, 1, 1) + timedelta(-i)),
    lambda i: "2020-01-01",
    lambda i: "",
]
ENCODINGS = ["utf-8-sig", "utf-16", "utf-32", "latin-1", "cp1252", "cp037"]
OPTIONS = ["--target sales", "--target price", "--target nope", "--id shop", "--id day", "--wide"]
OPTIONS += ["--time day", "--time sales", "--missing interpolate", "--missing drop", "--season 7"]
OPTIONS += [
    "--season 1000000000000",
    "--window 3",
    "--window 1000000000",
    "--horizon 2",
    "--calendar",
]
OPTIONS += ["--horizon 1000000000000", "--test 10", "--test 2020-02-01", "--test x", "--test -5"]
OPTIONS += ["--test 9999-12-31", "--validation 5", "--validation 1000000000", "--transform log"]
OPTIONS += [
    "--transform boxcox",
    "--difference season",
    "--past price",
    "--future price",
    "--past day",
]
OPTIONS += [
    "--static price",
    "--categories shop",
    "--categories day",
    "--short pad",
    "--short drop",
]
OPTIONS += [
    "--look-back",
    "--strategy recursive",
    "--weigh relative",
    "--test 0",
]
OPTIONS += [
    f"--scaling {name}" for name in ("none", "standard", "minmax", "robust", "window", "mean")
]


WAYS = ["header", "few", "days", "cells", "cells", "rows", "separator", "encoding", "bytes"]
HEADERS = [
    ["a"] * 4,
    ["", "1", "2", "x"],
    ["day"],
    ["inf", "nan", "day", "1e5"],
    ["day", "sales"] * 2,
]


@st.composite
def tables(draw):
    """The bytes of a table that has gone wrong, in one to three ways."""
    ways = draw(st.sets(one_of(WAYS), min_size=1, max_size=3))

    def wrong(way, among, else_):
        return draw(one_of(among)) if way in ways else else_

    header = wrong("header", HEADERS, ["day", "sales", "price", "shop"])
    count, day = wrong("few", [0, 1, 2, 3, 8], 80), wrong("days", DAYS, DAYS[0])
    cells = [[day(i), str(i % 7), str(0.5 * i), "ab"[i % 2]] for i in range(count)]
    rows = [list(header), *cells]
    if "cells" in ways:
        for at, column, cell in draw(
            st.lists(st.tuples(share, share, _cells), min_size=1, max_size=4)
        ):
            rows[_place(at, rows)][_place(column, header)] = cell
    if "rows" in ways:
        _spoil(
            rows, _place(draw(share), rows), draw(one_of(["longer", "shorter", "twice", "gone"]))
        )
    between, end = (
        wrong("separator", [*";\t| ", ", ", ",,"], ","),
        wrong("rows", ["\r\n", "\r", "\n\n"], "\n"),
    )
    text = end.join(between.join(row) for row in rows) + wrong("rows", ["", end * 3], end)
    data = text.encode(wrong("encoding", ENCODINGS, "utf-8"), "replace")
    return draw(damaged(data, 2)) if "bytes" in ways else data


_cells = st.one_of(
    one_of(ODD), one_of(ODD), st.text(max_size=8), st.floats().map(repr), st.integers().map(str)
)


def _place(at, of):
    return min(int(at * len(of)), len(of) - 1)


def _spoil(rows, at, how):
    if how == "longer":
        rows[at] = rows[at] * 3
    elif how == "shorter":
        rows[at] = rows[at][:1]
    elif how == "twice":
        rows.insert(at, list(rows[at]))
    elif len(rows) > 1:
        del rows[at]


def damaged(data, most):
    """These bytes, or such as are damaged in up to so many places."""
    places = st.lists(st.tuples(share, one_of(HOW)), max_size=most)
    return places.map(lambda found: _damage(data, found))


HOW = [b"", b"\0", b'"', b"\xff", b"\n", bytes(300), b"flip", b"end", b"empty"]


def _damage(data, places):
    for at, how in places:
        i = int(at * len(data))
        if how == b"end":
            data = data[:i]
        elif how == b"empty":
            data = b""
        elif how == b"flip" and i < len(data):
            data = data[:i] + bytes([data[i] ^ 1 << i % 8]) + data[i + 1 :]
        else:
            data = data[:i] + how + data[i:]
    return data


options = st.lists(one_of(OPTIONS[:1] * 20 + OPTIONS), max_size=3, unique=True).map(
    lambda found: " ".join(found).split()
)

# Configs

VALUES = [
    None,
    True,
    False,
    -1,
    0,
    1,
    2,
    7,
    10**6,
    10**9,
    10**12,
    10**30,
    10**400,
    0.5,
    1.5,
    -0.1,
    1e308,
]
VALUES += [
    float("nan"),
    float("inf"),
    -float("inf"),
    "",
    "x",
    "7",
    "nan",
    [],
    {},
    [[]],
    [1],
    ["x"],
    [0.5],
]
VALUES += [{"a": 1}, "\0", "../x", "/dev/zero", "n" * 5000, [0.9, 0.1], [0.1, 0.9], [2.0]]
values = one_of(VALUES).map(copy.deepcopy)  # for what is drawn may be changed further
LEGAL = ["stacked", "bidirectional", "segments", "encoder_decoder", "autoregressive", "smoothed"]
LEGAL += [
    "gru",
    "rnn",
    "mingru",
    "slstm",
    "mae",
    "quantile",
    "gaussian",
    "negative_binomial",
    "none",
]
LEGAL += [
    "change",
    "standard",
    "minmax",
    "mean",
    "log",
    "boxcox",
    "season",
    "recursive",
    "features",
    "pad",
]
LEGAL += [
    "drop",
    "interpolate",
    "relative",
    "adagrad",
    "plateau",
    "one-cycle",
    "exponential",
    "images",
]
LEGAL += ["mixed_bfloat16", "series", "digits", "cifar10", "airline", "resnet18", "mlp"]
NAMES = [
    "kind",
    "format",
    "hidden",
    "window",
    "__class__",
    "",
    "self",
    "data",
    "options",
    "versions",
]


@st.composite
def configs(draw, record):
    """The text of a config.json that is not what was written."""
    record = json.loads(json.dumps(record))
    for _ in range(draw(st.integers(0, 3))):
        inside = draw(one_of([record] + 4 * [v for v in record.values() if isinstance(v, dict)]))
        if not inside:
            continue
        name = draw(one_of(list(inside)))
        how = draw(one_of(["value", "value", "legal", "gone", "new", "swapped"]))
        if how in ("value", "legal"):
            inside[name] = draw(values if how == "value" else one_of(LEGAL))
        elif how == "new":
            inside[draw(one_of(NAMES))] = draw(values)
        elif how == "swapped":
            inside[name] = inside[draw(one_of(list(inside)))]
        else:
            del inside[name]
    text = json.dumps(record, indent=2).encode()
    return draw(damaged(text, draw(one_of([0, 0, 0, 1]))))


SIZES = [
    "window",
    "horizon",
    "hidden",
    "layers",
    "batch",
    "season",
    "segment",
    "keep",
    "validation",
]
SIZES += ["steps", "epochs", "precise-bn", "memory", "seed"]
CHOSEN = [
    "model",
    "cell",
    "loss",
    "optimizer",
    "schedule",
    "scaling",
    "transform",
    "precision",
    "recipe",
]
CHOSEN += ["strategy", "missing", "short", "weigh", "difference"]
NUMBERS = [
    "learning-rate",
    "dropout",
    "decay",
    "momentum",
    "weight-decay",
    "ema",
    "warm-up",
    "under",
    "levels",
]
HUGE = ["1000000000", "1000000000000", "9" * 30, "9" * 5000]
WRONG = ["0", "-1", "2.5", "nan", "inf", "", "x", "٣", "1e9", "\ud800", "--", "-", "0x10"]
FEW = ["1", "2", "3", "7"]
RATES = ["0.5", "1e-30", "1e30", "1", "0.999999999999", "1e308"]


@st.composite
def arguments(draw):
    """Options of `seqlab train`, most of them wrong."""
    words = []
    for _ in range(draw(st.integers(1, 3))):
        kind = draw(one_of(["sizes", "sizes", "chosen", "numbers"]))
        name = draw(one_of({"sizes": SIZES, "chosen": CHOSEN, "numbers": NUMBERS}[kind]))
        good = {"sizes": FEW, "chosen": LEGAL, "numbers": RATES}[kind]
        large = HUGE if kind == "sizes" and name not in ("steps", "epochs") else WRONG
        words += [f"--{name}", draw(one_of(draw(one_of([good, large, WRONG]))))]
    return words


# Run folders


@st.composite
def folder_damage(draw, names):
    """What is done to a run folder: names of files, and for each how it is changed."""
    how = one_of(
        ["gone", "empty", "folder", "loop", "nowhere", "zeros", "pipe", "another", "bytes", "bytes"]
    )
    few = draw(
        st.lists(
            st.tuples(one_of(names), how, one_of(names), share, one_of(HOW)), min_size=1, max_size=3
        )
    )
    return few


def spoil(run, changes):
    """Change a run folder like that."""
    for name, how, other, at, bytes_ in changes:
        path = run / name
        old = path.read_bytes() if path.is_file() and not path.is_symlink() else b""
        new = _new_content(run, how, other, old, at, bytes_)
        if path.is_symlink() or path.is_fifo() or path.is_file():
            path.unlink()
        elif path.is_dir():
            continue
        _put(path, how, new)


def _new_content(run, how, other, old, at, bytes_):
    if how == "bytes":
        return _damage(old, [(at, bytes_)])
    plain = (run / other).is_file() and not (run / other).is_symlink()
    return (run / other).read_bytes() if how == "another" and plain else b""


def _put(path, how, new):
    links = {"loop": path.name, "nowhere": "nowhere", "zeros": "/dev/zero"}
    path.parent.mkdir(parents=True, exist_ok=True)
    if how == "folder":
        path.mkdir()
    elif how == "pipe":
        os.mkfifo(path)
    elif how in links:
        path.symlink_to(links[how])
    elif how != "gone":
        path.write_bytes(new)


# Checkpoints

ARRAYS = {
    "turned": lambda a: a.T.copy(),
    "flat": lambda a: a.ravel(),
    "longer": lambda a: np.concatenate([a.ravel(), a.ravel()]),
    "empty": lambda a: a.ravel()[:0],
    "deeper": lambda a: a[None],
    "wider": lambda a: a.astype("f8") if a.dtype.kind == "f" else a,
    "whole": lambda a: np.zeros(a.shape, "i8"),
    "text": lambda a: np.full(a.shape, "x"),
    "bytes": lambda a: np.full(a.shape, b"x"),
    "complex": lambda a: np.full(a.shape, 1j),
    "record": lambda a: np.zeros(a.shape, [("a", "f4")]),
    "time": lambda a: np.zeros(a.shape, "M8[s]"),
    "nan": lambda a: np.full(a.shape, np.nan, "f4"),
    "infinite": lambda a: np.full(a.shape, np.inf, "f4"),
    "huge": lambda a: np.full(a.shape, 2**62),
    "negative": lambda a: np.full(a.shape, -1, a.dtype) if a.dtype.kind in "if" else a,
}
PROGRESS = ["step", "best_loss", "best_step", "rows", "extra", "row", "column", "text"]
FILE_NAMES = ["step-00000004.npz"] * 8 + [
    "step-99999999999999999999.npz",
    "step-abc.npz",
    "step-.npz",
]
FILE_NAMES += ["step--0000001.npz", "step-00000003.npz", "step-1e3.npz", "step-00000000.npz"]


@st.composite
def checkpoint(draw, whole):
    """A name and bytes, made of those of a whole one; and whether a right checksum is to end them."""
    content = draw(crafted(whole, "progress"))
    return draw(one_of(FILE_NAMES)), content, draw(one_of([True, True, True, False]))


@st.composite
def crafted(draw, whole, text):
    """The bytes of a file of arrays, one of which is JSON; most can be opened."""
    entries = _arrays(whole)
    for _ in range(draw(st.integers(0, 3))):
        name = draw(one_of([*entries, text, text]))
        how = draw(one_of(["array", "array", "gone", "renamed", "objects", "hollow"]))
        if name == text and text in entries:
            made = progress if text == "progress" else about
            entries[text] = np.array(draw(made(str(entries[text]))))
        elif name in entries and how == "array" and isinstance(entries[name], np.ndarray):
            entries[name] = ARRAYS[draw(one_of(list(ARRAYS)))](entries[name])
        elif name in entries and how == "renamed":
            new = draw(
                one_of(["variable_0", "variable_99", "best_7", "running_0", "progress", "best_0"])
            )
            entries[new] = entries.pop(name)
        elif name in entries:
            entries[name] = {"objects": _objects(), "hollow": _hollow()}.get(how)
    content = _zipped(entries, draw(st.booleans()))
    return draw(damaged(content, draw(one_of([0, 0, 0, 1]))))


def _parsed(text):
    """What was drawn before may be no JSON any more, or no object."""
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):  # nested a thousand deep
        return {}
    return found if isinstance(found, dict) else {}


@st.composite
def about(draw, text):
    """What series.npz says of its arrays, changed."""
    found = {"series": [], **_parsed(text)}
    listed = found["series"] if isinstance(found["series"], list) else []
    inside = draw(one_of([found, *(one for one in listed if isinstance(one, dict) and one)]))
    inside[draw(one_of(list(inside)))] = draw(values)
    return json.dumps(found)


@st.composite
def progress(draw, text):
    """What a checkpoint says of how far it is, changed."""
    found = _parsed(text)
    how, value = draw(one_of(PROGRESS)), draw(values)
    rows = found.get("rows") if isinstance(found.get("rows"), list) else []
    if how == "text":
        return draw(one_of(["", "[", "[]", "null", "{}", "[" * 5000, text[:30], '{"step": NaN}']))
    if how == "row":
        found["rows"] = [*rows, value]
    elif how == "column":
        found["rows"] = [
            {**row, draw(one_of(["step", "loss", "new"])): value}
            for row in rows
            if isinstance(row, dict)
        ]
    else:
        found[how] = value
    return json.dumps(found)


def write(path, content, sealed):
    """Write a checkpoint, with its checksum or as it is."""
    path.write_bytes(content)
    if sealed and content[-22:].startswith(checkpoints.PLAIN):
        with path.open("r+b") as file:
            checkpoints._seal(file)


def _arrays(path):
    with np.load(path) as file:
        return {name: file[name] for name in file.files}


def _zipped(entries, packed):
    stream = io.BytesIO()
    with zipfile.ZipFile(
        stream, "w", zipfile.ZIP_DEFLATED if packed else zipfile.ZIP_STORED
    ) as file:
        for name, value in entries.items():
            if value is not None:
                file.writestr(f"{name}.npy", value if isinstance(value, bytes) else _npy(value))
    return stream.getvalue()


def _npy(array, **more):
    stream = io.BytesIO()
    np.save(stream, array, **more)
    return stream.getvalue()


def _objects():
    return _npy(np.array([{}], object), allow_pickle=True)


def _hollow():
    stream = io.BytesIO()
    np.lib.format.write_array_header_1_0(
        stream, {"descr": "<f8", "fortran_order": False, "shape": (10**12,)}
    )
    return stream.getvalue()
