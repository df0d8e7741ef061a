"""Labelled sequences: what is read from files, what is refused with its line, and how batches are cut."""

from itertools import chain

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from seqlab.datasets import LabelledSequences, batches, load_sequences
from seqlab.errors import SeqlabError

HEADER = "# a comment\n@problemName Hands\n@classLabel true left right\n@data\n"
TS = HEADER + "1,2.5,3:4,5,6:right\n\n-1:0.5:left\n"


def load(folder, text, name="my.ts", classes=None):
    path = folder / name
    path.write_bytes(text.encode())
    return load_sequences(path, classes)


def refusal(folder, text, name="my.ts", classes=None):
    with pytest.raises(SeqlabError) as caught:
        load(folder, text, name, classes)
    message = str(caught.value)
    assert message.startswith(f"{folder / name}: ") and "\n" not in message
    return message.removeprefix(f"{folder / name}: ")


def counting(lengths):
    """One sequence per length; sequence i holds i + 1 everywhere, and its label is i modulo 3."""
    values = tuple(np.full((n, 2), i + 1, "float32") for i, n in enumerate(lengths))
    return LabelledSequences(values, np.arange(len(values)) % 3, ("a", "b", "c"))


def drawn(dataset):
    """The sequences in each batch of one pass, checked to be whole and padded with zeros."""
    found = []
    for (inputs, lengths), labels in dataset.as_numpy_iterator():
        assert inputs.dtype == np.float32 and lengths.dtype == labels.dtype == np.int32
        assert inputs.shape == (len(labels), lengths.max(), 2)
        rows = inputs[:, 0, 0].astype(int) - 1
        going = np.arange(lengths.max()) < lengths[:, None]
        np.testing.assert_array_equal(inputs, (going * (rows + 1)[:, None])[:, :, None] + [0, 0])
        np.testing.assert_array_equal(labels, rows % 3)
        found.append(list(rows))
    return found


# What is read


@pytest.mark.parametrize("end", ["\n", "\r\n"])
@pytest.mark.parametrize("mark", ["", "\ufeff"], ids=["plain", "bom"])
def test_ts_holds_dimensions_of_any_length(tmp_path, end, mark):
    data = load(tmp_path, mark + TS.replace("\n", end))
    np.testing.assert_array_equal(data.sequences[0], [[1, 4], [2.5, 5], [3, 6]])
    np.testing.assert_array_equal(data.sequences[1], [[-1, 0.5]])
    assert all(values.dtype == np.float32 for values in data.sequences)
    assert data.labels.tolist() == [1, 0] and data.classes == ("left", "right")
    assert data.lengths.tolist() == [3, 1] and len(data) == 2


@pytest.mark.parametrize("separator", [" ", "   ", "\t", ",", ", "])
def test_plain_lines_begin_with_the_label(tmp_path, separator):
    lines = [["1.0e0", "0.5", "-2e-1"], ["-1", "7", "8"], ["10", "0", "0"]]
    data = load(tmp_path, " " + "\n".join(separator.join(line) for line in lines), "my_TRAIN")
    assert data.classes == ("-1", "1", "10") and data.labels.tolist() == [1, 0, 2]
    np.testing.assert_array_equal(data.sequences[0], np.float32([[0.5], [-0.2]]))


def test_plain_lines_may_be_padded_at_their_end_as_the_archive_does(tmp_path):
    data = load(tmp_path, "1\t4\t5\tNaN\tNaN\n1.5\t6\t7\t8\t9\n", "my.tsv")
    assert data.lengths.tolist() == [2, 4] and data.classes == ("1", "1.5")


def test_labels_mean_the_same_in_both_parts_if_the_classes_are_given(tmp_path):
    train = load(tmp_path, "3 1\n1 1\n2 1\n", "TRAIN")
    test = load(tmp_path, "3 5\n", "TEST", train.classes)
    assert test.labels.tolist() == [2] and test.classes == train.classes
    assert load(tmp_path, TS, classes=("right", "left")).labels.tolist() == [0, 1]


FLOATS = st.floats(width=32, allow_nan=False, allow_infinity=False)
NAMES = st.text("abcXYZ019_-.", min_size=1, max_size=4)


def arrays(draw, dimensions):
    steps = draw(st.integers(1, 5))
    rows = st.lists(FLOATS, min_size=dimensions, max_size=dimensions)
    return np.array(draw(st.lists(rows, min_size=steps, max_size=steps)), "float32")


@st.composite
def data_sets(draw, classes, dimensions):
    classes = tuple(draw(classes))
    dimensions = draw(dimensions)
    values = tuple(arrays(draw, dimensions) for _ in range(draw(st.integers(1, 4))))
    label = st.integers(0, len(classes) - 1)
    labels = draw(st.lists(label, min_size=len(values), max_size=len(values)))
    return LabelledSequences(values, np.array(labels), classes)


def assert_same(found, expected):
    assert found.classes == expected.classes
    np.testing.assert_array_equal(found.labels, expected.labels)
    for a, b in zip(found.sequences, expected.sequences, strict=True):
        np.testing.assert_array_equal(a, b)


@settings(max_examples=60, deadline=None)
@given(data_sets(st.lists(NAMES, min_size=1, max_size=3, unique=True), st.integers(1, 3)))
def test_ts_round_trip(tmp_path_factory, data):
    lines = ["@classLabel true " + " ".join(data.classes), "@data"]
    for values, label in zip(data.sequences, data.labels, strict=True):
        dimensions = [",".join(map(repr, column)) for column in values.T.tolist()]
        lines.append(":".join([*dimensions, data.classes[label]]))
    assert_same(load(tmp_path_factory.getbasetemp(), "\n".join(lines)), data)


@settings(max_examples=60, deadline=None)
@given(data_sets(st.sets(st.integers(-3, 12), min_size=1).map(sorted), st.just(1)))
def test_plain_round_trip(tmp_path_factory, data):
    classes = tuple(map(str, data.classes))
    lines = [
        " ".join([classes[label], *map(repr, values[:, 0].tolist())])
        for values, label in zip(data.sequences, data.labels, strict=True)
    ]
    expected = LabelledSequences(data.sequences, data.labels, classes)
    found = load(tmp_path_factory.getbasetemp(), "\n".join(lines), "plain", classes)
    assert_same(found, expected)


@pytest.mark.parametrize(
    ("name", "train", "test", "classes", "shape"),
    [
        ("ucr/GunPoint/GunPoint_{}.ts", 50, 150, 2, (150, 150, 1)),
        ("ucr/ECG200/ECG200_{}", 100, 100, 2, (96, 96, 1)),
        ("ucr/ItalyPowerDemand/ItalyPowerDemand_{}.ts", 67, 1029, 2, (24, 24, 1)),
        ("uea/JapaneseVowels/JapaneseVowels_{}.ts", 270, 370, 9, (7, 29, 12)),
    ],
)
def test_the_real_files(shared_data, name, train, test, classes, shape):
    parts = [load_sequences(shared_data / name.format(part)) for part in ("TRAIN", "TEST")]
    lengths = np.concatenate([part.lengths for part in parts])
    assert [len(part) for part in parts] == [train, test]
    assert (lengths.min(), lengths.max(), parts[0].sequences[0].shape[1]) == shape
    for part in parts:
        assert part.classes == tuple(map(str, range(1, classes + 1)))
        assert set(part.labels) == set(range(classes))


# What is refused


REFUSED_TS = {
    "1,2:left\n": "line 1: no @data line before the values. Add one above",
    "@classLabel true a\n# end\n": "no @data line. The sequences follow it, one a line",
    "": "no @data line. The sequences follow it, one a line",
    HEADER: "no sequences. Name a file that holds one a line",
    "@data\n1:a\n": "no classes in the header. Name them: @classLabel true A B",
    "@classLabel false\n@data\n1\n": "no classes in the header. Name them: @classLabel true A B",
    "@timestamps True\n" + HEADER: "@timeStamps true: times are not read. Save the values alone, at"
    " even steps",
    HEADER + "1,2\n": "line 5: no class label. It stands last, after ':'",
    HEADER + "1:up\n": "line 5: class label 'up' is unknown. Mend it, or name it among the classes,"
    " which are left, right",
    HEADER
    + "1,2:3,?:left\n": "line 5: dimension 2: value 2 is missing: '?'. Fill it in, or leave the"
    " sequence out",
    HEADER
    + "1,NaN:3,4:left\n": "line 5: dimension 1: value 2 is missing: 'NaN'. Fill it in, or leave"
    " the sequence out",
    HEADER + "1,,2:left\n": "line 5: dimension 1: value 2 is missing: ''. Fill it in, or leave the"
    " sequence out",
    HEADER
    + "1,2:x,2:left\n": "line 5: dimension 2: value 1 is not a number: 'x'. Mend it, or leave"
    " the sequence out",
    HEADER
    + "1,1e39:left\n": "line 5: dimension 1: value 2 does not fit into float32: '1e39'. Scale"
    " the values first",
    HEADER + "1::left\n": "line 5: dimension 2: no values. Leave the line out",
    HEADER
    + "1:2:left\n\n1,2:3:left\n": "line 7: dimensions of different length, 2, 1. Each needs one"
    " value per step",
    HEADER
    + "1:2:left\n1:left\n": "line 6: 1 dimensions, where the header or the first sequence has 2."
    " Each sequence needs the same, separated by ':'",
    "@dimensions 3\n" + HEADER + "1:2:left\n": "line 6: 2 dimensions, where the header or the first"
    " sequence has 3. Each sequence needs the same, separated by ':'",
}
REFUSED_PLAIN = {
    "": "no sequences. Name a file that holds one a line",
    "1 2 3\n\nup 2 3\n": "line 3: the class label 'up' is not a number. Lines must begin with one; files"
    " with a header must end in .ts",
    "1 2\nnan 2 3\n": "line 2: the class label 'nan' is not a number. Lines must begin with one; files"
    " with a header must end in .ts",
    "1 2 nan 3\n": "line 1: value 2 is missing: 'nan'. Fill it in, or leave the sequence out",
    "1 2 3\n2 inf\n": "line 2: value 1 does not fit into float32: 'inf'. Scale the values first",
    "1 2 3\n2\n": "line 2: no values. Leave the line out",
    "1 2 3\n2 nan\n": "line 2: no values. Leave the line out",
}


@pytest.mark.parametrize("text", REFUSED_TS)
def test_refused_ts(tmp_path, text):
    assert refusal(tmp_path, text) == REFUSED_TS[text]


@pytest.mark.parametrize("text", REFUSED_PLAIN)
def test_refused_plain(tmp_path, text):
    assert refusal(tmp_path, text, "my.txt") == REFUSED_PLAIN[text]


def test_labels_outside_the_given_classes_are_refused(tmp_path):
    message = refusal(tmp_path, "1 5\n4 5\n", "TEST", ("1", "2", "3"))
    assert message.startswith("line 2: class label '4' is unknown.") and "1, 2, 3" in message


def test_files_that_cannot_be_read(tmp_path):
    assert refusal(tmp_path, "\0\1\2", "binary").startswith("line 1: the class label")
    for path in (tmp_path, tmp_path / "none.ts"):
        with pytest.raises(SeqlabError, match=rf"{path}: cannot be read: \w+"):
            load_sequences(path)


VALUES = np.zeros((3, 2), "float32")


@pytest.mark.parametrize(
    ("sequences", "labels", "found"),
    [
        ((), [], "at least one sequence. Received: none"),
        ((VALUES, VALUES[:, :1]), [0, 0], r"at 1: float32 of shape \(3, 1\)"),
        ((VALUES, VALUES[:0]), [0, 0], r"at 1: float32 of shape \(0, 2\)"),
        ((VALUES[:, 0],), [0], r"at 0: float32 of shape \(3,\)"),
        ((VALUES.astype("float64"),), [0], "at 0: float64"),
        ((VALUES.tolist(),), [0], "at 0: list"),
        ((VALUES, VALUES), [0], r"shape \(2,\). Received: int64 of shape \(1,\)"),
        ((VALUES,), [0.0], "Received: float64"),
        ((VALUES,), [2], "0 to 1. Received: 2 to 2"),
        ((VALUES,), [-1], "0 to 1. Received: -1 to -1"),
    ],
)
def test_arrays_that_are_no_labelled_sequences(sequences, labels, found):
    with pytest.raises(SeqlabError, match=found):
        LabelledSequences(sequences, np.array(labels), ("a", "b"))


# Parts and batches


def test_a_part_keeps_its_labels():
    part = counting([1, 2, 3, 4]).take([3, 1])
    assert part.lengths.tolist() == [4, 2] and part.labels.tolist() == [0, 1]
    assert part.classes == ("a", "b", "c")


def test_without_a_seed_batches_follow_the_data():
    data = counting([5, 2, 9, 2, 7])
    assert drawn(batches(data, 2)) == [[0, 1], [2, 3], [4]]
    assert drawn(batches(data, 2, buckets=5)) == [[1, 3], [0, 4], [2]]
    assert drawn(batches(data, 3, buckets=2)) == [[0, 1, 3], [2, 4]]


@settings(max_examples=12, deadline=None)
@given(
    lengths=st.lists(st.integers(1, 9), min_size=1, max_size=17),
    batch_size=st.integers(1, 6),
    buckets=st.integers(1, 20),
    seed=st.integers(0, 3),
)
def test_every_sequence_once_per_pass_and_the_same_again(lengths, batch_size, buckets, seed):
    data = counting(lengths)
    dataset, again = (batches(data, batch_size, seed=seed, buckets=buckets) for _ in range(2))
    for _ in range(2):
        rows = drawn(dataset)
        assert len(rows) == dataset.cardinality() and max(map(len, rows)) <= batch_size
        assert sorted(chain(*rows)) == list(range(len(lengths)))
        assert rows == drawn(again)


@pytest.mark.parametrize("buckets", [1, 4])
def test_orders_differ_between_passes_and_seeds(buckets):
    data = counting(range(1, 41))
    first, other = (batches(data, 4, seed=seed, buckets=buckets) for seed in (0, 1))
    orders = [drawn(first), drawn(first), drawn(other)]
    assert all(a != b for i, a in enumerate(orders) for b in orders[:i])
    groups = [{frozenset(rows) for rows in order} for order in orders]
    assert all(len(a & b) < 4 for i, a in enumerate(groups) for b in groups[:i])


def test_repeated_passes_differ_too():
    rows = drawn(batches(counting(range(1, 21)), 4, seed=0).repeat(2))
    assert len(rows) == 10 and rows[:5] != rows[5:]
    assert sorted(chain(*rows[:5])) == sorted(chain(*rows[5:])) == list(range(20))


def test_buckets_hold_neighbours_in_length_and_come_in_any_order():
    lengths = np.random.default_rng(0).permutation(np.arange(1, 81))
    orders = drawn(batches(counting(lengths), 4, seed=0, buckets=5))
    spans = [np.ptp(lengths[rows]) for rows in orders]
    assert max(spans) < 16 and np.mean(spans) > 3  # 16 to a bucket, and mixed inside
    middles = [lengths[rows].mean() for rows in orders]
    assert middles != sorted(middles) and middles[::-1] != sorted(middles)


def test_the_smaller_batch_is_not_always_of_long_sequences():
    dataset = batches(counting(range(1, 42)), 4, seed=0, buckets=10)
    alone = {rows[0] for _ in range(8) for rows in drawn(dataset) if len(rows) == 1}
    assert len(alone) > 4 and min(alone) < 20


@pytest.mark.parametrize("options", [{"batch_size": 0}, {"batch_size": 2, "buckets": 0}])
def test_sizes_must_be_positive(options):
    with pytest.raises(SeqlabError, match=r"must be a positive integer\. Received: 0"):
        batches(counting([1, 2]), **options)
