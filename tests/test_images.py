"""Image sets: what is read from files, what is refused by name, how parts are cut, what batches hold."""

import gzip
import pickle
import resource
import subprocess
import sys

import keras
import numpy as np
import pytest

from seqlab import cnn, images, preprocessing, train
from seqlab.augmentation import CHAPTER_RESNET, NONE, Augmentation
from seqlab.config import TrainConfig
from seqlab.errors import SeqlabError
from seqlab.images import Images, hold_out, load, overlap


def pictures(count=12, classes=3, size=(4, 5), channels=3, seed=0):
    rng = np.random.default_rng(seed)
    values = rng.integers(0, 256, (count, *size, channels), np.uint8)
    return Images(values, np.arange(count) % classes, tuple("abcdef"[:classes]))


def idx(array, magic=None):
    axes = np.array(array.shape, ">u4").tobytes()
    return (magic or bytes([0, 0, 8, array.ndim])) + axes + array.tobytes()


def mnist_folder(folder, zipped=True, train=5, test=3):
    """Four idx files; image i of a part holds i, and its label is i modulo 10."""
    folder.mkdir(exist_ok=True)
    for part, count in (("train", train), ("t10k", test)):
        values = np.arange(count, dtype="uint8")
        pixels = np.broadcast_to(values[:, None, None], (count, 4, 3))
        for name, array in (("images-idx3", pixels), ("labels-idx1", values % 10)):
            path = folder / f"{part}-{name}-ubyte{'.gz' if zipped else ''}"
            path.write_bytes(gzip.compress(idx(array)) if zipped else idx(array))
    return folder


def cifar_folder(folder, count=4):
    folder.mkdir(exist_ok=True)
    for number, name in enumerate([*(f"data_batch_{i}" for i in range(1, 6)), "test_batch"]):
        rows = np.arange(3072 * count, dtype="uint32").reshape(count, 3072) * (number + 3) % 251
        batch = {b"data": rows.astype("uint8"), b"labels": list(range(count)), b"batch_label": b"x"}
        (folder / name).write_bytes(pickle.dumps(batch, 2))
    return folder


def class_folder(folder, counts=(6, 4), size=(4, 5), kind="png"):
    """Pictures of one colour each, another for each."""
    for label, (name, count) in enumerate(zip(("cat", "dog", "eel"), counts, strict=False)):
        (folder / name).mkdir(parents=True)
        for i in range(count):
            values = np.full((*size, 3), 40 * label + i, "uint8")
            content = preprocessing.encode(values, kind).numpy()
            (folder / name / f"{i}.{kind}").write_bytes(content)
    return folder


def refusal(*arguments, **options):
    with pytest.raises(SeqlabError) as caught:
        load(*arguments, **options)
    assert "\n" not in str(caught.value)
    return str(caught.value)


# Named sets


@pytest.mark.parametrize("zipped", [True, False])
@pytest.mark.parametrize("name", ["mnist", "fashion-mnist"])
def test_idx_files(tmp_path, zipped, name):
    mnist_folder(tmp_path / name, zipped)
    for folder in (tmp_path, tmp_path / name):
        split = load(name, folder, validation=0)
        assert split.validation is None and split.name == name
        assert (split.train.split, split.test.split) == ("train", "test")
        assert split.train.input_shape == (4, 3, 1) and split.train.images.dtype == np.uint8
        assert split.train.images[:, 1, 2, 0].tolist() == split.train.labels.tolist() == [*range(5)]
        assert split.test.labels.tolist() == [0, 1, 2]
        assert split.train.classes[9] == {"mnist": "9", "fashion-mnist": "ankle boot"}[name]


def test_cifar_pickles_have_their_channels_first(tmp_path):
    split = load("cifar10", cifar_folder(tmp_path / "cifar-10-batches-py").parent, validation=0)
    assert split.train.images.shape == (20, 32, 32, 3) and len(split.test) == 4
    rows = (np.arange(3072 * 4).reshape(4, 3, 32, 32) * 4 % 251).astype("uint8")  # the second batch
    np.testing.assert_array_equal(split.train.images[4:8], np.moveaxis(rows, 1, 3))
    assert split.train.labels[4:8].tolist() == [0, 1, 2, 3] and split.train.classes[3] == "cat"


def test_digits_are_always_there():
    split = load("digits")
    assert [len(part) for part in (split.train, split.validation, split.test)] == [1221, 216, 360]
    assert split.train.input_shape == (8, 8, 1) and split.train.images.max() == 255
    other = load("digits", seed=1)
    np.testing.assert_array_equal(split.test.images, other.test.images)  # whatever the seed
    assert not np.array_equal(split.validation.images, other.validation.images)


def test_the_real_sets(shared_data):
    split = load("mnist", shared_data)
    assert [len(part) for part in (split.train, split.validation, split.test)] == [
        55000,
        5000,
        10000,
    ]
    assert np.bincount(split.test.labels).tolist()[:3] == [980, 1135, 1032]
    assert split.test.labels[:5].tolist() == [7, 2, 1, 0, 4] and split.test.images[0].sum() == 18454
    assert not len(overlap(split.train, split.test))


MEMORY = """
import resource, sys
from seqlab import images
def used(): return int(open("/proc/self/statm").read().split()[1]) * resource.getpagesize()
before = used()
split = images.load("cifar10", sys.argv[1])
lines = open("/proc/self/status").read().splitlines()
peak = next(int(line.split()[1]) * 1024 for line in lines if line.startswith("VmHWM"))
print(peak - before, len(split.train), len(split.test), split.train.images.mean())
"""


def test_the_whole_of_cifar_takes_its_bytes_and_little_more(shared_data):
    command = [sys.executable, "-c", MEMORY, str(shared_data)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    used, train_count, test_count, mean = map(float, done.stdout.split())
    assert (train_count, test_count) == (45000, 10000) and mean == pytest.approx(120.7, abs=0.3)
    assert 184e6 < used < 250e6


# Damaged files


@pytest.mark.parametrize("zipped", [True, False])
def test_every_damage_to_idx_files_names_the_file(tmp_path, zipped):
    folder = mnist_folder(tmp_path / "mnist", zipped)
    ending = ".gz" if zipped else ""
    path = folder / f"train-images-idx3-ubyte{ending}"
    pack = gzip.compress if zipped else bytes
    whole = path.read_bytes()
    content = gzip.decompress(whole) if zipped else whole
    for damaged, words in {
        whole[: len(whole) // 2]: "Get it again",
        whole[:3]: "",
        b"": "magic number is missing" if not zipped else "",
        pack(content[:-1]): "the header says 60 bytes, and there are 59",
        pack(content + b"x"): "the header says 60 bytes, and there are more",
        pack(b"\0\0\x08\x01" + content[4:]): "the magic number is 00000801, and 00000803",
        pack(b"\0\0\x0d\x03" + content[4:]): "00000d03",
        pack(content[:4] + b"\xff" * 12 + content[16:]): "a header that cannot be",
        pack(content[:4] + b"\0" * 12): "a header that cannot be",
        pack(content[:9]): "a header that cannot be",
        pack(content[:4] + np.array([2**20, 40, 40], ">u4").tobytes()): "there are 0",
        b"hello": "",
    }.items():
        path.write_bytes(damaged)
        message = refusal("mnist", tmp_path)
        assert message.startswith(f"{path}: ") and words in message
    path.unlink()
    assert f"{folder / 'train-images-idx3-ubyte.gz'}: no such file" in refusal("mnist", tmp_path)


def test_counts_and_labels_must_fit(tmp_path):
    folder = mnist_folder(tmp_path, zipped=False)
    labels = folder / "t10k-labels-idx1-ubyte"
    labels.write_bytes(idx(np.zeros(2, "uint8")))
    message = refusal("mnist", tmp_path)
    assert "holds 3 images" in message and f"{labels} 2 labels" in message
    labels.write_bytes(idx(np.array([0, 10, 1], "uint8")))
    assert f"{labels}: labels from 0 to 10, not 0 to 9" in refusal("mnist", tmp_path)


def test_sizes_of_both_parts_must_fit(tmp_path):
    folder = mnist_folder(tmp_path, zipped=False)
    (folder / "t10k-images-idx3-ubyte").write_bytes(idx(np.zeros((3, 6, 6), "uint8")))
    message = refusal("mnist", tmp_path)
    assert "train-images-idx3-ubyte has images of 4x3, t10k-images-idx3-ubyte of 6x6" in message


def test_a_long_header_fills_no_memory(tmp_path):
    folder = mnist_folder(tmp_path, zipped=False)
    path = folder / "train-images-idx3-ubyte"
    path.write_bytes(path.read_bytes()[:4] + np.array([2**19, 60, 60], ">u4").tobytes())
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    assert "the header says 1887436800 bytes" in refusal("mnist", tmp_path)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 100_000


GOOD = np.zeros((4, 3072), "uint8")


@pytest.mark.parametrize(
    ("batch", "words"),
    [
        ({"data": GOOD, "labels": [0, 1, 2]}, "4 images and 3 labels"),
        ({"data": GOOD[:3], "labels": [0, 1, 2]}, "3 images, and 4 in data_batch_1"),
        ({"data": GOOD[:0], "labels": []}, "no images"),
        ({"data": GOOD.astype("int32"), "labels": [0] * 4}, "`data` must be bytes"),
        ({"data": GOOD[:, 1:], "labels": [0] * 4}, "`data` must be bytes"),
        ({"data": GOOD[0], "labels": [0] * 4}, "`data` must be bytes"),
        ({"data": GOOD, "labels": [0, 1, 2, 10]}, "labels from 0 to 10"),
        ({"data": GOOD, "labels": [0, 1, 2, -1]}, "labels from -1 to 2"),
        ({"data": GOOD, "labels": [0, 1, 2, 2**70]}, "labels from 0 to 11"),
        ({"data": GOOD, "labels": ["a"] * 4}, "`labels` must be a list of integers"),
        ({"data": GOOD}, "`labels` must be a list of integers"),
        ([GOOD], "no batch of CIFAR-10"),
        (print, "nothing was run"),
    ],
)
def test_every_damage_to_cifar_names_the_file(tmp_path, batch, words):
    path = cifar_folder(tmp_path) / "data_batch_2"
    path.write_bytes(pickle.dumps(batch, 2))
    message = refusal("cifar10", tmp_path)
    assert message.startswith(f"{path}: ") and words in message
    path.unlink()
    assert f"{path}: cannot be read: No such file" in refusal("cifar10", tmp_path)


def test_wrong_sources_are_refused(tmp_path):
    assert "folder, or one of digits, mnist, fashion-mnist, cifar10" in refusal("nist")
    assert "no such folder" in refusal("mnist", tmp_path / "none")
    with pytest.raises(SeqlabError, match=r"20 images cannot be taken out of 5\. Take fewer"):
        load("mnist", mnist_folder(tmp_path), validation=20)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"validation": -1}, "`validation` must be a positive integer. Received: -1"),
        ({"size": 32}, "`size` must be (height, width). Received: 32"),
        ({"size": (32, 0)}, "`width` must be a positive integer. Received: 0"),
        ({"channels": 4}, "`channels` must be 3, or 1 for grey. Received: 4"),
    ],
)
def test_wrong_numbers_are_refused(options, words):
    assert words in refusal("digits", **options)


# By way of Keras


@pytest.mark.parametrize("name", ["mnist", "fashion-mnist", "cifar10"])
def test_no_network_is_said_in_one_line(monkeypatch, name):
    def fail(*args, **kwargs):
        raise Exception("URL fetch failure on https://x: None -- no host\nmore")  # as Keras does

    for module in (keras.datasets.mnist, keras.datasets.fashion_mnist):
        monkeypatch.setattr(module, "load_data", fail)
    monkeypatch.setattr(keras.utils, "get_file", fail)
    message = refusal(name)
    assert message.startswith(f"{name} could not be downloaded: URL fetch failure")
    assert "--data-dir" in message


def test_downloads(tmp_path, monkeypatch):
    part = np.zeros((4, 28, 28), "uint8"), np.array([1, 2, 3, 4], "uint8")
    monkeypatch.setattr(keras.datasets.mnist, "load_data", lambda: (part, part))
    split = load("mnist", validation=1)
    assert len(split.train) == 3 and split.train.input_shape == (28, 28, 1)
    assert split.test.labels.tolist() == [1, 2, 3, 4]
    cifar_folder(tmp_path / "cifar-10-batches-py")
    monkeypatch.setattr(keras.utils, "get_file", lambda *args, **options: str(tmp_path))
    assert len(load("cifar10", validation=0).train) == 20


# Folders


def test_a_folder_of_classes_is_split_by_chance(tmp_path):
    folder = class_folder(tmp_path / "pets", (20, 20))
    split = load(folder, seed=3)
    assert [len(part) for part in (split.train, split.validation, split.test)] == [29, 5, 6]
    assert split.train.classes == ("cat", "dog") and split.test.split == "test"
    parts = (split.train, split.validation, split.test)
    values = np.concatenate([part.images[:, 0, 0, 0] for part in parts])
    assert sorted(values) == sorted([*range(20), *range(40, 60)])  # each in one part alone
    for part in parts:
        np.testing.assert_array_equal(part.labels, part.images[:, 0, 0, 0] // 40)
    again = load(folder, seed=3)
    np.testing.assert_array_equal(split.test.images, again.test.images)


def test_a_folder_with_parts_keeps_them(tmp_path):
    for part, counts in {"train": (6, 4), "validation": (2, 1), "test": (1, 3)}.items():
        class_folder(tmp_path / "pets" / part, counts)
    split = load(tmp_path / "pets")
    assert [len(part) for part in (split.train, split.validation, split.test)] == [10, 3, 4]
    assert [part.split for part in (split.train, split.validation, split.test)] == [
        "train",
        "validation",
        "test",
    ]
    assert len(overlap(split.train, split.test)) == 4  # the same colours again


def test_pictures_of_different_sizes_need_one(tmp_path):
    folder = class_folder(tmp_path / "pets", (4, 4))
    other = preprocessing.encode(np.full((9, 7, 3), 200, "uint8"), "jpeg").numpy()
    (folder / "dog" / "large.jpg").write_bytes(other)
    message = refusal(folder)
    assert (
        "4x5 (0.png), 9x7 (large.jpg)" in message and "--size 4 5, in Python size=(4, 5)" in message
    )
    split = load(folder, size=(6, 6), validation=1, channels=1)
    assert split.train.input_shape == (6, 6, 1)
    values = {
        int(v) for part in (split.train, split.validation, split.test) for v in part.images.ravel()
    }
    assert values == {0, 1, 2, 3, 40, 41, 42, 43, 200}


def test_parts_of_different_sizes_are_refused(tmp_path):
    class_folder(tmp_path / "train", (3, 3))
    class_folder(tmp_path / "test", (3, 3), size=(5, 5))
    assert "pictures of 4x5 in train, and of 5x5 in test" in (message := refusal(tmp_path))
    assert "--size 4 5, in Python size=(4, 5)" in message


def test_every_bad_picture_is_named(tmp_path):
    folder = class_folder(tmp_path / "pets", (6, 6))
    whole = (folder / "cat" / "0.png").read_bytes()
    (folder / "cat" / "1.png").write_bytes(whole[: len(whole) // 2])
    (folder / "dog" / "2.png").write_bytes(b"<html>")
    (folder / "dog" / "3.jpg").write_bytes(b"")
    (folder / "dog" / "notes.txt").write_text("no picture, and not called one")
    message = refusal(folder)
    for name in ("cat/1.png", "dog/2.png", "dog/3.jpg"):
        assert f"{folder / name}: no picture, or a damaged one" in message
    assert "Remove or mend the files" in message and "notes" not in message


def test_hidden_files_and_folders_are_no_pictures(tmp_path):
    """Thumbnails, and what macOS leaves beside files: of either kind in a class."""
    folder = class_folder(tmp_path / "pets", (6, 6))
    (folder / "cat" / "._0.png").write_bytes(b"no picture")
    class_folder(folder / "dog" / ".thumbnails", (3, 3), size=(1, 1))
    class_folder(folder / "dog" / "more", (2, 2))
    split = load(folder)
    assert len(split.train) + len(split.validation) + len(split.test) == 6 + 6 + 4


def test_classes_must_be_there(tmp_path):
    folder = class_folder(tmp_path / "one", (3,))
    assert "1 class folders. Two or more are needed" in refusal(folder)
    (folder / "empty").mkdir()
    assert f"{folder / 'empty'}: no pictures" in refusal(folder)
    class_folder(tmp_path / "pets" / "train", (2, 2))
    assert "has train, and needs train and test" in refusal(tmp_path / "pets")
    class_folder(tmp_path / "pets" / "test", (2, 2, 2))
    assert "class folders cat, dog, eel. Needed are cat, dog" in refusal(tmp_path / "pets")


# Parts


def test_what_is_held_out_is_fair_and_copies_nothing():
    data = pictures(40, 4)
    before = {image.tobytes(): label for image, label in zip(data.images, data.labels, strict=True)}
    rest, taken = hold_out(data, 8, seed=1)
    assert (len(rest), len(taken), rest.split, taken.split) == (32, 8, "train", "validation")
    assert np.bincount(taken.labels).tolist() == [2, 2, 2, 2]
    assert np.shares_memory(rest.images, data.images) and np.shares_memory(
        taken.images, data.images
    )
    for part in (rest, taken):
        for image, label in zip(part.images, part.labels, strict=True):
            assert before.pop(image.tobytes()) == label
    assert not before
    again = hold_out(pictures(40, 4), 8, seed=1)[1]
    np.testing.assert_array_equal(taken.images, again.images)
    other = hold_out(pictures(40, 4), 8, seed=2)[1]
    assert not np.array_equal(taken.images, other.images)


def test_arrays_that_cannot_be_reordered_are_refused():
    data = pictures()
    data.images.setflags(write=False)
    with pytest.raises(SeqlabError, match="read-only"):
        hold_out(data, 2, seed=0)


def test_validation_never_touches_the_test_part(tmp_path):
    folder = mnist_folder(tmp_path, train=30, test=20)
    plain = load("mnist", folder, validation=0)
    for seed in range(3):
        split = load("mnist", folder, validation=10, seed=seed)
        np.testing.assert_array_equal(split.test.images, plain.test.images)
        parts = np.concatenate([split.train.images, split.validation.images])
        np.testing.assert_array_equal(np.sort(parts, axis=0), np.sort(plain.train.images, axis=0))


def test_overlap_finds_images_byte_for_byte():
    first, second = pictures(12), pictures(12, seed=1)
    assert overlap(first, second).tolist() == []
    second.images[[3, 7]] = first.images[[5, 5]]
    assert overlap(first, second).tolist() == [3, 7]
    second.images[3, 0, 0, 0] ^= 1
    assert overlap(first, second).tolist() == [7]


@pytest.mark.parametrize(
    ("values", "labels", "words"),
    [
        (np.zeros((2, 4, 4, 3)), [0, 1], "must be bytes (uint8, 0 to 255) of shape"),
        (np.zeros((2, 4, 4), "uint8"), [0, 1], "Received: uint8 of shape (2, 4, 4)"),
        (np.zeros((2, 4, 4, 2), "uint8"), [0, 1], "Received: uint8 of shape (2, 4, 4, 2)"),
        (np.zeros((0, 4, 4, 3), "uint8"), [], "N not zero"),
        (np.zeros((2, 4, 4, 3), "uint8"), [0], "array of 2 integers"),
        (np.zeros((2, 4, 4, 3), "uint8"), [0.0, 1.0], "array of 2 integers"),
        (
            np.zeros((2, 4, 4, 3), "uint8"),
            [0, 3],
            "of which there are 3 (at least 2). Received: 0 to 3",
        ),
    ],
)
def test_wrong_arrays_are_refused(values, labels, words):
    with pytest.raises(SeqlabError) as caught:
        Images(values, np.array(labels), ("a", "b", "c"))
    assert words in str(caught.value)


# Batches


def test_evaluation_is_whole_in_order_and_never_augmented():
    data = pictures(10).augmented(
        Augmentation(flip=True, shift=2, brightness=0.5, contrast=(0.2, 2.0))
    )
    found = list(data.dataset(4).as_numpy_iterator())
    assert [x.shape[0] for x, _ in found] == [4, 4, 2]
    values = np.concatenate([x for x, _ in found])
    assert values.dtype == np.float32 and found[0][1].dtype == np.int32
    np.testing.assert_allclose(values, data.images / np.float32(255), rtol=1e-6)
    np.testing.assert_array_equal(np.concatenate([y for _, y in found]), data.labels)


def test_scaling_is_that_of_the_training():
    data = pictures(10).augmented(Augmentation(standardise=True))
    for x in (next(iter(data.dataset(5)))[0], next(iter(data.training(5, 0, [0, 1])))[0][0]):
        np.testing.assert_allclose(np.mean(x, axis=(1, 2, 3)), 0, atol=1e-5)
        np.testing.assert_allclose(np.std(x, axis=(1, 2, 3)), 1, rtol=1e-4)


def drawn(data, seed=0, edges=(0, 3, 5, 8), batch=4):
    found = list(data.training(batch, seed, edges).as_numpy_iterator())
    assert [len(x) for x, _ in found] == list(np.diff(edges))
    return np.concatenate([x for x, _ in found]), np.concatenate([y for _, y in found])


def test_training_takes_every_image_once_an_epoch():
    data = pictures(12)
    x, y = drawn(data, edges=(0, 4, 6))
    assert x.shape == (6, 4, 4, 5, 3) and x.dtype == np.float32 and y.dtype == np.int32
    known = {image.tobytes(): i for i, image in enumerate(data.images)}
    rows = [
        known[np.round(image * 255).astype("uint8").tobytes()] for image in x.reshape(-1, 4, 5, 3)
    ]
    np.testing.assert_array_equal(y.ravel(), data.labels[rows])
    assert sorted(rows[:12]) == list(range(12)) != rows[:12] and rows[:12] != rows[12:]


ALL = Augmentation(True, 1, 0.2, (0.5, 1.5), (0.5, 1.5), 0.1)


@pytest.mark.parametrize(
    "augmentation", [NONE, ALL, CHAPTER_RESNET], ids=["none", "all", "chapter"]
)
def test_a_step_depends_on_seed_and_number_alone(augmentation):
    data = pictures(12).augmented(augmentation)
    whole, labels = drawn(data)
    np.testing.assert_array_equal(drawn(data)[0], whole)
    np.testing.assert_array_equal(drawn(data, edges=(0, 1, 2, 8))[0], whole)  # other chunks
    resumed, resumed_labels = drawn(data, edges=(3, 5, 8))
    np.testing.assert_array_equal(resumed, whole[3:])
    np.testing.assert_array_equal(resumed_labels, labels[3:])
    assert not np.array_equal(drawn(data, seed=1)[0], whole)
    assert augmentation.standardise or (whole.min() >= 0 and whole.max() <= 1)


def test_the_same_image_is_changed_in_another_way_each_time():
    data = pictures(2, 2).augmented(Augmentation(brightness=0.3))
    x, y = drawn(data, batch=2)
    first = [
        image for image, label in zip(x.reshape(-1, 4, 5, 3), y.ravel(), strict=True) if not label
    ]
    assert len({image.tobytes() for image in first}) == len(first) == 8


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"flip": 1}, "`flip` must be true or false. Received: 1"),
        ({"shift": -1}, "`shift` must be an integer from 0 on. Received: -1"),
        ({"brightness": 63}, "`brightness` must be from 0 to 1, the range of pixels. Received: 63"),
        ({"hue": 0.6}, "`hue` must be from 0 to 0.5. Received: 0.6"),
        ({"rotate": 190}, "`rotate` must be from 0 to 180 degrees. Received: 190"),
        ({"zoom": 1.0}, "`zoom` must be from 0 to 0.9 of the size. Received: 1.0"),
        ({"contrast": (1.8, 0.2)}, "`contrast` must be two factors from 0 on, the lower first"),
        ({"saturation": 0.5}, "`saturation` must be two factors"),
        ({"brightness": float("nan")}, "`brightness` must be"),
    ],
)
def test_wrong_augmentations_are_refused(values, words):
    with pytest.raises(SeqlabError) as caught:
        Augmentation(**values)
    assert words in str(caught.value)


def test_colours_of_grey_images_are_refused():
    with pytest.raises(SeqlabError, match=r"`hue` needs images in colour"):
        pictures(channels=1).augmented(Augmentation(hue=0.1))
    assert (
        images.ImageSplit("x", pictures(), None, pictures()).augmented(ALL).test.augmentation == ALL
    )


def test_the_one_trainer_learns_the_digits():
    keras.utils.set_random_seed(0)
    split = load("digits")
    model = cnn.build("mlp", split.train.input_shape, 10, hidden=64)
    trainer = train.Trainer(model.inputs, model.outputs)
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    trainer.compile(keras.optimizers.Adam(3e-3), loss, metrics=["accuracy"], jit_compile=False)
    edges, chunks = train.edges(TrainConfig(batch=32), split.train.input_shape, 300, 10_000)
    data = split.train.training(32, 0, edges)
    trainer.fit(data, epochs=1, steps_per_epoch=len(edges) - 1, shuffle=False, verbose=0)
    assert chunks and trainer.evaluate(split.test.dataset(360), verbose=0)[1] > 0.93
