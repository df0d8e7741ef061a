"""Pickles and .npy files: plain arrays come out, and whatever a crafted file asks for does not happen."""

import os
import pickle
import resource
import struct

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from seqlab import _unpickle
from seqlab._unpickle import load_npy, load_pickle
from seqlab.errors import SeqlabError

VALUES = {
    "floats": np.arange(6.0).reshape(2, 3),
    "fortran": np.asfortranarray(np.arange(6, dtype="int16").reshape(2, 3)),
    "big_endian": np.arange(3, dtype=">i4"),
    "texts": np.array(["ab", "c"]),
    "long": np.arange(5000, dtype="uint8"),
    "none": np.empty((0, 3)),
    "objects": np.array([[1, "a"], [None, 2.5]], object),
    "of_one_shape": [np.ones(3), np.zeros(3)],
    "scalar": np.float32(3),
    "plain": [1, -5, 2**40, 2.5, None, True, False, "ä", b"y", (), (1,), (1, 2, 3, 4), {7: []}],
}


class Asks:
    """Pickled, it asks for a call."""

    def __init__(self, function, *arguments):
        self.call = function, arguments

    def __reduce__(self):
        return self.call


def read(folder, content, load=load_pickle, **options):
    path = folder / "my.pickle"
    path.write_bytes(content)
    return load(path, **options)


def refusal(folder, content, load=load_pickle, **options):
    with pytest.raises(SeqlabError) as caught:
        read(folder, content, load, **options)
    message = str(caught.value)
    assert message.startswith(f"{folder / 'my.pickle'}: ") and "\n" not in message
    return message


def npy(array, folder):
    np.save(folder / "saved.npy", array, allow_pickle=True)
    return (folder / "saved.npy").read_bytes()


# What is read


@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
def test_arrays_and_plain_containers_come_out_as_they_went_in(tmp_path, protocol):
    shared = VALUES | {"again": VALUES["floats"]}
    found = read(tmp_path, pickle.dumps(shared, protocol))
    np.testing.assert_equal(found, shared)
    assert found["again"] is found["floats"]
    for name in ("fortran", "big_endian", "texts", "long", "none", "objects"):
        assert found[name].dtype == VALUES[name].dtype and found[name].shape == VALUES[name].shape
    assert [type(v) for v in found["plain"]] == [type(v) for v in VALUES["plain"]]


def test_long_arrays_are_views_of_the_file(tmp_path):
    found = read(tmp_path, pickle.dumps(np.zeros(10_000), 4))
    assert not found.flags.owndata and not found.flags.writeable


def test_texts_of_python_2(tmp_path):
    content = b"\x80\x02}q\x01(U\x04dataU\x02\xe9xT\x03\x00\x00\x00abcK\x01u."
    assert read(tmp_path, content) == {"data": "\xe9x", "abc": 1}


@pytest.mark.parametrize(
    "array", [np.arange(6).reshape(2, 3).T, np.array(2.5), VALUES["objects"]], ids=lambda a: a.dtype
)
def test_npy_files(tmp_path, array):
    np.testing.assert_array_equal(read(tmp_path, npy(array, tmp_path), load_npy), array)


def test_npy_file_of_a_dict_of_layers(tmp_path):
    layers = {"conv1": [np.ones((2, 2, 1, 3), "float32"), np.zeros(3, "float32")]}
    found = read(tmp_path, npy(np.array(layers), tmp_path), load_npy)
    np.testing.assert_equal(found, layers)


def test_the_real_batches_are_read_as_python_reads_them(shared_data):
    path = shared_data / "cifar-10-batches-py" / "test_batch"
    with path.open("rb") as file:
        expected = pickle.load(file, encoding="latin1")
    np.testing.assert_equal(load_pickle(path), expected)


# What is refused


@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
@pytest.mark.parametrize(
    "ask",
    [
        Asks(os.system, "touch ran"),
        Asks(eval, "open('ran', 'w')"),
        Asks(getattr, Asks(__import__, "os"), "system"),
        [np.ones(2), {"x": (Asks(os.mkdir, "ran"),)}],
        np.array([Asks(os.mkdir, "ran")], object),
        Asks(np.fromfile, "/etc/passwd"),
        Asks(np.memmap, "ran", "uint8", "w+", 0, (10,)),
    ],
    ids=["system", "eval", "nested", "in_containers", "in_object_array", "numpy", "memmap"],
)
def test_nothing_that_a_file_asks_for_is_run(tmp_path, monkeypatch, ask, protocol):
    monkeypatch.chdir(tmp_path)
    assert "nothing was run" in refusal(tmp_path, pickle.dumps(ask, protocol))
    assert "nothing was run" in refusal(tmp_path, npy(np.array(ask, object), tmp_path), load_npy)
    assert not (tmp_path / "ran").exists()


RECONSTRUCT = b"cnumpy.core.multiarray\n_reconstruct\n"
ARRAY = RECONSTRUCT + b"cnumpy\nndarray\nK\x00\x85C\x01b\x87R"  # an array without content
NONES = b"NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tb"
UINT8 = b"cnumpy\ndtype\nX\x02\x00\x00\x00u1K\x00K\x01\x87R(K\x03X\x01\x00\x00\x00|" + NONES


def array_of(shape, dtype, data):
    return b"\x80\x02" + ARRAY + b"(K\x01" + shape + dtype + b"\x89" + data + b"tb."


def test_the_crafted_array_would_be_fine_if_its_parts_fitted(tmp_path):
    whole = array_of(b"K\x03\x85", UINT8, b"C\x03abc")
    assert read(tmp_path, whole).tolist() == [97, 98, 99] == pickle.loads(whole).tolist()


@pytest.mark.parametrize(
    ("content", "words"),
    {
        "too few bytes": (array_of(b"K\x04\x85", UINT8, b"C\x03abc"), "needs 4, and has 3"),
        "overflow": (array_of(b"\x8a\x09" + b"\0" * 8 + b"\x01\x85", UINT8, b"C\x00"), "shape"),
        "negative": (array_of(b"J\xff\xff\xff\xff\x85", UINT8, b"C\x03abc"), "shape"),
        "objects from bytes": (
            array_of(b"K\x01\x85", UINT8.replace(b"u1", b"O8"), b"C\x08AAAAAAAA"),
            "from bytes",
        ),
        "bytes from a list": (array_of(b"K\x01\x85", UINT8, b"]"), "from list"),
        "structure": (array_of(b"K\x01\x85", UINT8.replace(b"u1", b"V8"), b"C\x08AAAAAAAA"), "V8"),
        "no type": (array_of(b"K\x03\x85", b"X\x02\x00\x00\x00u1", b"C\x03abc"), "without a type"),
        "no content": (b"\x80\x02" + ARRAY + b".", "unfinished"),
        "no content, hidden": (b"\x80\x02" + ARRAY + b"\x85.", "unfinished"),
        "a name": (b"\x80\x02cnumpy\ndtype\n.", "unfinished"),
        "another class": (
            b"\x80\x02" + RECONSTRUCT + b"K\x01K\x00C\x01b\x87R.",
            "class of its own",
        ),
        "build on a dict": (b"\x80\x02}}b.", "nothing that can be finished"),
        "call of a text": (b"\x80\x02X\x0b\x00\x00\x00numpy.dtype)R.", "nothing that can be made"),
        "call of an array type": (
            b"\x80\x02cnumpy\nndarray\nK\x01\x85R.",
            "nothing that can be made",
        ),
        "append to a text": (b"\x80\x02U\x01aK\x01a.", "no list"),
        "dict of lists": (b"\x80\x02}]K\x01s.", "no dict"),
        "empty stack": (b"\x80\x02.", "damaged"),
        "below the mark": (b"\x80\x02K\x01(a.", "nothing there"),
        "two values": (b"\x80\x02K\x01K\x02.", "damaged"),
        "unknown place": (b"\x80\x02j\xff\xff\xff\xff.", "damaged"),
        "persistent": (b"\x80\x02K\x01Q.", "'Q'"),
        "extension": (b"\x80\x02\x82\x01.", "none that arrays need"),
        "instance": (b"\x80\x02(ios\nsystem\n.", "none that arrays need"),
        "object": (b"\x80\x02(cos\nsystem\no.", "nothing was run"),
        "new": (b"\x80\x02cnumpy\ndtype\n)\x81.", "none that arrays need"),
        "name of a list": (b"\x80\x04]]\x93.", "a name that is no text"),
        "text of python 0": (b"S'os'\n.", "none that arrays need"),
        "long text": (b"\x80\x02X\xff\xff\xff\xffab.", "it ends at byte"),
        "longer text": (b"\x80\x04\x8d" + b"\xff" * 8 + b"ab.", "it ends at byte"),
        "negative text": (b"\x80\x02T\xff\xff\xff\xffab.", "it ends at byte"),
        "empty": (b"", "it ends at byte"),
        "no end": (b"\x80\x02K\x01", "it ends at byte"),
    }.values(),
)
def test_misuse_is_refused(tmp_path, content, words):
    assert words in refusal(tmp_path, content)


def test_every_truncation_is_noticed(tmp_path):
    content = pickle.dumps(VALUES, 2)
    for end in range(0, len(content), 97):
        refusal(tmp_path, content[:end])
    content = npy(VALUES["floats"], tmp_path)
    for end in range(len(content)):
        refusal(tmp_path, content[:end], load_npy)


# Bombs: small files that unfold


def doubling(levels):
    """Lists of one list twice: 2 ** levels values to whoever walks through them."""
    steps = [
        b"](h" + bytes([i]) + b"h" + bytes([i]) + b"eq" + bytes([i + 1]) for i in range(levels)
    ]
    return b"]q\x00" + b"".join(steps)


BOMBS = {
    "many lists": b"\x80\x02" + b"]" * 1_100_000 + b".",
    "name of doubled lists": b"\x80\x04" + doubling(60) + b"h<\x93.",
    "shape of doubled lists": array_of(doubling(60) + b"\x85", UINT8, b"C\x03abc"),
    "type of doubled lists": b"\x80\x02cnumpy\ndtype\n" + doubling(60) + b"\x85R.",
    "text copied over and over": b"\x80\x02X" + struct.pack("<I", 10**6) + b"a" * 10**6 + b"q\x00"
    + b"c_codecs\nencode\nh\x00X\x06\x00\x00\x00latin1\x86R" * 1000 + b".",
    "objects copied over and over": b"\x80\x02](" + b"N" * 300_000 + b"eq\x00"
    + array_of(b"J\xe0\x93\x04\x00\x85", UINT8.replace(b"u1", b"O8"), b"h\x00")[2:-1] * 200 + b".",
    "far places in the memo": b"\x80\x02" + b"".join(
        b"Nr" + struct.pack("<I", 2**32 - 1 - i) for i in range(1000)) + b".",
}  # fmt: skip


@pytest.mark.parametrize("name", BOMBS)
def test_bombs_neither_fill_memory_nor_take_time(tmp_path, name):
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    message = refusal(tmp_path, BOMBS[name])
    assert len(message) < 500
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 200_000  # kilobytes


def test_large_files_are_refused_unread(tmp_path):
    assert "larger than 100 bytes" in refusal(tmp_path, pickle.dumps(VALUES), largest=100)


def test_npy_header_that_lies(tmp_path):
    content = npy(np.arange(6), tmp_path)
    assert "needs" in refusal(tmp_path, content.replace(b"(6,)", b"(7,)"), load_npy)
    assert "needs" in refusal(
        tmp_path, content.replace(b"(6,), }" + b" " * 8, b"(999999999,), }"), load_npy
    )
    refusal(tmp_path, content.replace(b"'<i8'", b"'|O' "), load_npy)
    refusal(tmp_path, b"PK\x03\x04" + content, load_npy)
    depth = b"(" * 9000
    header = b"\x93NUMPY\x01\x00" + struct.pack("<H", len(depth) + 1) + depth + b"\n"
    refusal(tmp_path, header, load_npy)


def test_missing_file_is_named(tmp_path):
    with pytest.raises(SeqlabError, match=r"none\.pickle: cannot be read"):
        load_pickle(tmp_path / "none.pickle")


@settings(
    max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(st.data())
def test_damage_anywhere_gives_a_value_or_an_error_of_ours(tmp_path, data):
    content = bytearray(pickle.dumps(VALUES, data.draw(st.sampled_from([2, 4, 5]))))
    for _ in range(data.draw(st.integers(1, 4))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    try:
        read(tmp_path, bytes(content))
    except SeqlabError as error:
        assert len(str(error)) < 500


def test_steps_are_counted(tmp_path, monkeypatch):
    monkeypatch.setattr(_unpickle, "MOST_STEPS", 10)
    assert "more than 10 operations" in refusal(tmp_path, pickle.dumps(list(range(20)), 2))
