"""Scores of image networks: against scikit-learn where it has them, by hand where it has not."""

import io
import json

import keras
import numpy as np
import pytest
from rich.console import Console
from sklearn import metrics
from sklearn.neighbors import NearestCentroid

from seqlab import _pictures, image_predict, images, preprocessing
from seqlab.augmentation import Augmentation
from seqlab.errors import SeqlabError
from seqlab.image_predict import Guess
from seqlab.image_report import guess_table, image_tables
from seqlab.image_scores import ImageScore, baselines, probabilities, ranked

NAMES = tuple("abcdefg")


def random_score(count=300, classes=7, seed=0, **more):
    """Of a network that is right more often than not, and better at some classes than at others."""
    rng = np.random.default_rng(seed)
    labels = rng.choice(classes, count, p=np.arange(1, classes + 1) / sum(range(classes + 1)))
    logits = rng.normal(size=(count, classes))
    logits[np.arange(count), labels] += labels / 2
    return ImageScore(probabilities(logits), labels, NAMES[:classes], **more)


@pytest.fixture(scope="module")
def digits():
    return images.load("digits")


def test_numbers_are_scikit_learns():
    score = random_score()
    labels, chances, answers = score.labels, score.probabilities, score.answers
    np.testing.assert_array_equal(answers, chances.argmax(axis=1))
    assert score.accuracy == metrics.accuracy_score(labels, answers)
    assert score.metrics["top5"] == metrics.top_k_accuracy_score(labels, chances, k=5)
    assert score.metrics["top5"] > score.accuracy
    assert score.metrics["loss"] == pytest.approx(metrics.log_loss(labels, chances))
    assert score.metrics["f1"] == pytest.approx(metrics.f1_score(labels, answers, average="macro"))
    np.testing.assert_array_equal(score.confusion, metrics.confusion_matrix(labels, answers))
    report = metrics.classification_report(labels, answers, output_dict=True)
    wrong = score.confusion * (1 - np.eye(7, dtype=int))
    for i, one in enumerate(score.per_class):
        assert one.mistaken == (NAMES[wrong[i].argmax()], wrong[i].max())
        expected = report[str(i)]
        found = one.precision, one.recall, one.f1, one.images
        assert found == pytest.approx(
            tuple(expected[k] for k in ("precision", "recall", "f1-score", "support"))
        )


def test_classes_by_hand():
    answers = np.array([0, 1, 1, 2, 1, 0])
    score = ImageScore(np.eye(4)[answers], np.array([0, 0, 0, 0, 1, 1]), tuple("abcd"))
    a, b, c, d = score.per_class
    assert (a.images, a.said, a.precision, a.recall, a.mistaken) == (4, 2, 0.5, 0.25, ("b", 2))
    assert (b.images, b.said, b.mistaken) == (2, 3, ("a", 1))
    assert (c.images, c.said, c.precision, c.mistaken) == (0, 1, 0, None)
    assert np.isnan([c.recall, d.precision, d.recall, d.f1]).all()
    assert score.confusion.tolist() == [[1, 2, 1, 0], [1, 1, 0, 0], [0] * 4, [0] * 4]
    assert np.isnan(score.metrics["top5"])  # of four classes five say nothing
    told = json.loads(json.dumps(score.to_json(), allow_nan=False))
    assert told["metrics"]["top5"] is None and told["per_class"][3]["recall"] is None
    assert told["per_class"][0]["mistaken"] == ["b", 2]


def test_sure_mistakes_cost_what_the_logits_say():
    logits = np.array([[100.0, 0.0], [0.0, 3.0]], np.float32)
    score = ImageScore(probabilities(logits), np.array([1, 1]), ("a", "b"))
    expected = keras.losses.SparseCategoricalCrossentropy(from_logits=True)(
        np.array([1, 1]), logits
    )
    assert score.metrics["loss"] == pytest.approx(float(expected), rel=1e-6)
    assert score.metrics["loss"] > 50


def test_of_equal_answers_the_first_counts_everywhere():
    equal = ImageScore(np.full((4, 8), 1 / 8), np.array([0, 4, 5, 7]), tuple("abcdefgh"))
    assert equal.accuracy == 0.25 and equal.metrics["top5"] == 0.5
    assert ranked(np.array([[1.0, 3.0, 2.0, 3.0]]), 3).tolist() == [[1, 3, 2]]
    assert "It answers 'a' for 100 % of them." in equal.verdict


def test_mistakes_begin_with_the_surest():
    chances = [[0.6, 0.4], [0.1, 0.9], [0.8, 0.2], [0.3, 0.7]]
    score = ImageScore(np.array(chances), np.array([1, 0, 0, 1]), ("cat", "dog"))
    assert [one.index for one in score.mistakes] == [1, 0]
    first = score.mistakes[0]
    assert (first.truth, first.said, first.probability, first.of_truth) == ("cat", "dog", 0.9, 0.1)


def test_the_verdict_knows_chance_from_skill():
    labels = np.zeros(100, int)
    answers = np.where(np.arange(100) < 80, 0, 1)

    def verdict(accuracy):
        others = {
            "weak": {"accuracy": 0.1, "top5": 1.0},
            "nearest_mean_image": {"accuracy": accuracy},
        }
        return ImageScore(np.eye(2)[answers], labels, ("a", "b"), "d", others).verdict

    assert verdict(0.5).startswith(
        "The network beats every baseline: 80.0 % of 100 images right (95 % interval: 71.1 % to 86.7 %)"
    )
    assert "against 50.0 % of nearest mean image, the best" in verdict(0.5)
    assert verdict(0.95).startswith("The network loses to a baseline")
    assert verdict(0.75).startswith("The network cannot be told from a baseline")
    assert verdict(0.85).startswith("The network cannot be told from a baseline")


@pytest.mark.filterwarnings("ignore:self.within_class_std_dev_")  # pixels that are always dark
def test_baselines_are_scikit_learns(digits, monkeypatch):
    monkeypatch.setattr(_pictures, "PIECE", 50 * 64)  # so that classes and tests are in several
    train, test = digits.train, digits.test
    found = baselines(train, test)
    flat = [part.images.reshape(len(part), -1).astype(float) for part in (train, test)]
    nearest = NearestCentroid().fit(flat[0], train.labels).score(flat[1], test.labels)
    assert found["nearest_mean_image"]["accuracy"] == nearest > 0.85
    most = np.bincount(train.labels).argmax()
    assert found["most_frequent_class"]["accuracy"] == (test.labels == most).mean()
    assert found["nearest_mean_image"]["top5"] > nearest
    assert found["most_frequent_class"]["top5"] == pytest.approx(0.5, abs=0.02)


def test_a_class_without_training_images_is_nobodys_neighbour():
    values = np.zeros((4, 2, 2, 1), "uint8")
    values[2:] = 200
    train = images.Images(values, np.array([1, 1, 2, 2]), ("none", "dark", "light"))
    test = images.Images(values, np.array([0, 1, 2, 2]), train.classes)
    assert baselines(train, test)["nearest_mean_image"]["accuracy"] == 0.75


@pytest.mark.parametrize(
    ("values", "labels", "says"),
    [
        (np.full((3, 2), 0.5), [0, 1], "must be of shape \\(2, 2\\)"),
        (np.array([[0.5, np.nan]]), [0], "diverged"),
        (np.array([[3.0, -2.0]]), [0], "image_scores.probabilities"),
        (np.array([[3.0, 2.0]]), [0], "image_scores.probabilities"),
        (np.zeros((0, 2)), [], "images, classes"),
    ],
)
def test_what_is_no_score_is_refused(values, labels, says):
    with pytest.raises(SeqlabError, match=says):
        ImageScore(values, np.array(labels, int), ("a", "b"))


# Pictures in files


def mean_colours():
    """A network whose logits are the means of the three channels, apart."""
    x = keras.Input((4, 6, 3))
    scaled = keras.layers.Rescaling(8.0)(keras.layers.GlobalAveragePooling2D()(x))
    return keras.Model(x, scaled)


def write(path, values):
    path.write_bytes(preprocessing.encode(np.asarray(values, "uint8"), path.suffix[1:]).numpy())
    return path


def test_pictures_of_any_size_get_their_likeliest_classes(tmp_path):
    red = write(tmp_path / "red.png", np.broadcast_to([250, 100, 0], (20, 30, 3)))
    blue = write(tmp_path / "blue.jpeg", np.broadcast_to([0, 100, 250], (9, 3, 3)))
    grey = write(tmp_path / "grey.png", np.full((4, 6, 1), 99))
    found = image_predict.classify(mean_colours(), [red, blue, grey], ("red", "green", "blue"))
    assert [one.classes for one in found[:2]] == [
        ("red", "green", "blue"),
        ("blue", "green", "red"),
    ]
    np.testing.assert_allclose(
        found[0].probabilities, probabilities([[8 * 250 / 255, 800 / 255, 0]])[0], rtol=1e-5
    )
    np.testing.assert_allclose(found[2].probabilities, 1 / 3, rtol=1e-6)
    told = found[1].to_json()
    assert told["file"] == str(blue) and told["classes"][0]["class"] == "blue"
    assert len(image_predict.classify(mean_colours(), [red], "abc", count=2)[0].classes) == 2


def test_files_go_the_way_of_the_test_part(tmp_path, digits):
    """What a network hears of a file is what it heard of the same image in the set."""
    x = keras.Input((8, 8, 1))
    keras.utils.set_random_seed(1)
    model = keras.Model(x, keras.layers.Dense(10)(keras.layers.Flatten()(x)))
    scaled = digits.test.augmented(Augmentation(standardise=True))
    expected = ranked(probabilities(image_predict.logits(model, scaled)))
    files = [write(tmp_path / f"{i}.png", scaled.images[i]) for i in range(4)]
    found = image_predict.classify(model, files, digits.test.classes, scaled.augmentation)
    assert [[int(c) for c in one.classes] for one in found] == expected[:4].tolist()
    plain = image_predict.classify(model, files, digits.test.classes)
    assert plain[0].probabilities != found[0].probabilities


def test_a_colour_picture_becomes_grey(tmp_path):
    red = write(tmp_path / "red.png", np.broadcast_to([255, 0, 0], (5, 5, 3)))
    assert image_predict.pictures([red], (5, 5, 1))[0, 0, 0, 0] == 76  # 0.2989 of 255
    assert image_predict.pictures([red], (2, 3, 3)).shape == (1, 2, 3, 3)


def test_files_that_are_no_pictures_are_all_named(tmp_path):
    good = write(tmp_path / "good.png", np.zeros((4, 6, 3)))
    (tmp_path / "notes.jpg").write_text("no picture")
    names = [tmp_path / "notes.jpg", good, tmp_path / "missing.png"]
    with pytest.raises(SeqlabError, match=r"notes.jpg: no picture.*missing.png: cannot be read"):
        image_predict.classify(mean_colours(), names, "abc")


def test_names_must_be_as_many_as_outputs(tmp_path):
    good = write(tmp_path / "good.png", np.zeros((4, 6, 3)))
    with pytest.raises(SeqlabError, match="must be 3 names"):
        image_predict.classify(mean_colours(), [good], ("a", "b"))


# Tables


def shown(*parts):
    screen = Console(width=200, record=True, file=io.StringIO(), highlight=False)
    for part in parts:
        screen.print(part)
    return screen.export_text()


def test_tables_of_a_score():
    others = {"nearest_mean_image": {"accuracy": 0.25, "top5": 0.75}}
    score = random_score(baselines=others)
    told = shown(*image_tables(score))
    rows = {
        line.split("  ")[1].strip(): line for line in told.splitlines() if line.startswith("  ")
    }
    assert rows["network"].split()[1] == f"{100 * score.accuracy:.1f}"
    assert rows["nearest mean image"].split()[3:] == ["25.0", "%", "75.0", "%"]
    for one in score.per_class:
        found = rows[one.name].split()
        expected = [one.images, *(f"{100 * v:.1f}" for v in (one.recall, one.precision, one.f1))]
        assert found[1:5] == list(map(str, expected))
        assert found[5:] == [f"{one.mistaken[0]},", f"{one.mistaken[1]}x"]
    assert score.verdict in told


def test_tables_of_many_and_of_few_classes():
    answers = np.arange(60) % 30
    labels = np.where(np.arange(60) == 7, 8, answers)  # 7 and 8 are known worst
    many = shown(
        *image_tables(ImageScore(np.eye(30)[answers], labels, tuple(f"n{i}" for i in range(30))))
    )
    assert "lowest F1 of 30" in many and many.index("n7 ") < many.index("n0 ")
    assert "n29" not in many
    few = shown(*image_tables(ImageScore(np.eye(3)[[0, 1]], np.array([0, 1]), ("a", "b", "c"))))
    assert "top-5" not in few and few.split("c  ")[1].split()[:5] == ["0", "-", "-", "-", "-"]


def test_table_of_guesses():
    guesses = [
        Guess("a.png", ("cat", "dog"), (0.75, 0.25)),
        Guess("b.png", ("dog", "cat"), (0.6, 0.4)),
    ]
    told = shown(guess_table(guesses))
    assert "cat 75.0 %" in told and told.index("dog 60.0 %") < told.index("cat 40.0 %")
