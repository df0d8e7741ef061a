"""TFRecord files: what is written comes back, in order or shuffled, and never in part."""

import numpy as np
import pytest
import tensorflow as tf

from seqlab import tfrecords
from seqlab.errors import SeqlabError

FEATURES = {
    "pixels": ("int64", ()),
    "label": ("int64", ()),
    "mean": ("float32", (2,)),
    "image_raw": ("bytes", ()),
    "words": ("bytes", None),
}


def example(i):
    raw = np.full((2, 3), i, "uint8")
    return {
        "pixels": 6,
        "label": np.uint8(i),
        "mean": np.array([i, i / 2]),
        "image_raw": raw.tobytes(),
        "words": ["a"] * (i % 3 + 1),
    }


def written(folder, count=10, shards=2):
    return tfrecords.write(folder / "my", (example(i) for i in range(count)), shards)


def labels(dataset):
    return [int(found["label"]) for found in dataset]


def refusal(function, *arguments, **options):
    with pytest.raises(SeqlabError) as caught:
        function(*arguments, **options)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_examples_come_back_as_they_were(tmp_path):
    files = written(tmp_path)
    assert [file.name for file in files] == ["my-00000-of-00002", "my-00001-of-00002"]
    assert sorted(tmp_path.iterdir()) == files
    found = tfrecords.read(tmp_path / "my-*", FEATURES)
    assert labels(found) == list(range(10)) and int(found.cardinality()) == 10
    for i, values in enumerate(found.as_numpy_iterator()):
        assert values["pixels"] == 6 and values["mean"].tolist() == [i, i / 2]
        assert np.frombuffer(values["image_raw"], "uint8").tolist() == [i] * 6
        assert values["words"].tolist() == [b"a"] * (i % 3 + 1)


def test_files_hold_every_shards_own_examples_in_the_usual_format(tmp_path):
    files = written(tmp_path, 5)
    for shard, file in enumerate(files):
        records = [
            tf.train.Example.FromString(r.numpy()) for r in tf.data.TFRecordDataset(str(file))
        ]
        found = [record.features.feature["label"].int64_list.value[0] for record in records]
        assert found == list(range(shard, 5, 2))
        assert list(records[0].features.feature["mean"].float_list.value) == [shard, shard / 2]


def test_a_seed_shuffles_across_files(tmp_path):
    written(tmp_path, 40, 4)
    found = tfrecords.read(tmp_path / "my-*", FEATURES, seed=3)
    first, second = labels(found), labels(found)
    assert sorted(first) == sorted(second) == list(range(40))
    assert list(range(40)) != first != second
    assert len({i % 4 for i in first[:8]}) > 1
    again = tfrecords.read(tmp_path / "my-*", FEATURES, seed=3)
    assert [labels(again), labels(again)] == [first, second]
    assert labels(tfrecords.read(tmp_path / "my-*", FEATURES, seed=4)) != first


def test_batches_of_images(tmp_path):
    written(tmp_path)
    found = tfrecords.read(tmp_path / "my-*", {"image_raw": ("bytes", ())})
    images = found.map(
        lambda x: tf.reshape(tf.io.decode_raw(x["image_raw"], tf.uint8), (2, 3))
    ).batch(4)
    assert next(iter(images)).numpy()[:, 1, 1].tolist() == [0, 1, 2, 3]


# What is refused


def test_damaged_files_are_named_and_give_nothing(tmp_path):
    path = written(tmp_path)[1]
    whole = path.read_bytes()
    broken = bytearray(whole)
    broken[len(whole) // 2] ^= 1
    for content in (whole[:-1], whole[: len(whole) // 2], bytes(broken), b"hello hello hello"):
        path.write_bytes(content)
        message = refusal(tfrecords.read, tmp_path / "my-*", FEATURES)
        assert message == f"{path}: truncated or damaged. Get it again"
    path.write_bytes(b"")
    assert f"{path}: no examples" in refusal(tfrecords.read, tmp_path / "my-*", FEATURES)


def test_missing_shards_are_named(tmp_path):
    files = written(tmp_path, shards=3)
    files[1].unlink()
    message = refusal(tfrecords.read, tmp_path / "my-*", FEATURES)
    assert "1 of 3 shards are missing, first my-00001-of-00003" in message
    assert "2 of 3 shards" in refusal(tfrecords.read, files[2], FEATURES)
    assert "no such files" in refusal(tfrecords.read, tmp_path / "other-*", FEATURES)


@pytest.mark.parametrize(
    ("features", "words"),
    [
        ({"labels": ("int64", ())}, "labels"),
        ({"label": ("float32", ())}, "label"),
        ({"mean": ("float32", (3,))}, "mean"),
    ],
)
def test_examples_must_have_the_features(tmp_path, features, words):
    path = written(tmp_path)[0]
    message = refusal(tfrecords.read, tmp_path / "my-*", features)
    assert message.startswith(f"{path}: its examples do not fit `features`: ") and words in message
    message = refusal(tfrecords.read, tmp_path / "my-*", {"label": ("int32", ())})
    assert "`kind of label` must be one of int64, float32, bytes" in message


def test_nothing_half_written_stays(tmp_path):
    def failing():
        yield example(0)
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        tfrecords.write(tmp_path / "my", failing(), 2)
    assert "1 examples for 2 shards" in refusal(tfrecords.write, tmp_path / "my", [example(0)], 2)
    odd = [example(0), {"label": 1}]
    assert "example 2 has" in refusal(tfrecords.write, tmp_path / "my", odd)
    assert "feature 'x' must be" in refusal(tfrecords.write, tmp_path / "my", [{"x": None}])
    assert "feature 'x' must be" in refusal(tfrecords.write, tmp_path / "my", [{"x": []}])
    assert not list(tmp_path.iterdir())
    (tmp_path / "file").write_text("")
    assert "cannot be written" in refusal(tfrecords.write, tmp_path / "file" / "my", [example(0)])
