"""Runs side by side: `seqlab compare`, its curves, and the pictures of image scores."""

import json
import math

import numpy as np
import pytest
from matplotlib.image import imread

from seqlab import checkpoints, cli, comparison, curves, image_plots, plots, preprocessing, runs
from seqlab.config import Config, DataConfig, ImageConfig, ModelConfig, NetworkConfig, TrainConfig
from seqlab.datasets import load
from seqlab.errors import SeqlabError
from seqlab.image_scores import ImageScore, probabilities
from seqlab.run_data import parts


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def make_run(name, losses=(0.5, 0.2, 0.3), metrics=None, **parts):
    """A run folder as a training leaves it, but for the model's content."""
    config = Config(**parts)
    run = runs.create(config, load(config.data), runs.RUNS / name)
    rows = [f"{10 * i},{1 / (i + 1)},{loss},0.01" for i, loss in enumerate(losses)]
    (run.path / "history.csv").write_text("\n".join(["step,loss,val_loss,learning_rate", *rows]))
    (run.path / "model.keras").touch()
    if metrics:
        (run.path / "metrics.json").write_text(json.dumps({"metrics": metrics}))
    return runs.load(run.path)


def test_runs_differ_in_what_was_set_otherwise():
    one = make_run("a", metrics={"rmse": 3.0, "mase": None, "mae": 2.0, "r2": 0.5})
    other = make_run("b", (0.4, 0.1), model=ModelConfig(cell="gru"), train=TrainConfig(seed=7))
    made = comparison.compare([one, other])
    assert [row.settings for row in made.rows] == [
        {"cell": "lstm", "seed": 0},
        {"cell": "gru", "seed": 7},
    ]
    assert [(row.steps, row.best_loss, row.best_step) for row in made.rows] == [
        (20, 0.2, 10),
        (10, 0.1, 10),
    ]
    assert made.rows[0].metrics == {"rmse": 3.0, "mae": 2.0} and made.rows[1].metrics == {}
    assert made.metrics == ("rmse", "mae")
    assert made.best.path == "runs/b" and made.notes == ()


def test_losses_of_different_kinds_choose_nothing():
    one, other = make_run("a"), make_run("b", model=ModelConfig(loss="mae"))
    made = comparison.compare([one, other])
    assert made.best is None
    assert made.notes == ("Losses do not compare: the runs differ in loss.",)


def test_scores_of_different_data_do_not_compare(tmp_path):
    one, other = make_run("a"), make_run("b", data=DataConfig(horizon=3))
    made = comparison.compare([one, other])
    assert made.best is None and len(made.notes) == 2
    assert made.notes[1] == "Test metrics do not compare: the runs differ in horizon."
    for name, values in (("c", range(200)), ("d", range(1, 201))):
        (tmp_path / "my.csv").write_text("\n".join(["sales", *map(str, values)]))
        make_run(name, data=DataConfig(source="my.csv", target="sales"))
    made = comparison.compare([runs.load("runs/c"), runs.load("runs/d")])
    assert made.settings == () and "differ in data." in made.notes[0] and made.best is None


def image_run(name, source="digits", network="mlp", **data):
    """A run of images as its training begins."""
    config = Config(ImageConfig(source, **data), NetworkConfig(network))
    return runs.create(config, parts(config)[0], runs.RUNS / name)


def test_runs_of_images_and_their_seeds(tmp_path):
    one = image_run("a", data_dir="here")
    made = comparison.compare([one, image_run("b", network="lenet5", data_dir="there")])
    assert made.settings == ("network",) and made.notes == () and made.losses_compare
    made = comparison.compare([one, image_run("c", seed=1)])
    assert made.losses_compare and "Validation images differ" in made.notes[0]
    made = comparison.compare([one, image_run("d", validation=100)])
    assert made.notes == ("Losses do not compare: the runs differ in validation.",)
    made = comparison.compare([one, make_run("e")])
    assert made.notes[1].startswith("Test metrics do not compare: the runs differ in kind, source")


def test_the_seed_of_a_folder_decides_its_test_part(tmp_path):
    for i in range(40):
        path = tmp_path / "set" / "ab"[i % 2] / f"{i}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(preprocessing.encode(np.full((3, 3, 3), i, "uint8")).numpy())
    source = str(tmp_path / "set")
    made = comparison.compare([image_run("a", source), image_run("b", source, seed=1)])
    assert made.notes[1] == "Test metrics do not compare: the runs differ in seed."


def test_one_run_or_the_same_twice_is_refused(tmp_path):
    run = make_run("a")
    with pytest.raises(SeqlabError, match="needs two runs"):
        comparison.compare([run])
    with pytest.raises(SeqlabError, match="more than once"):
        comparison.compare([run, runs.load(runs.LATEST)])


def test_settings_of_one_name_are_told_apart():
    flat = comparison._flat({"data": {"seed": 1}, "train": {"seed": 2, "batch": 3}})
    assert comparison._short(list(flat)) == {
        "data.seed": "data.seed",
        "train.seed": "train.seed",
        "train.batch": "batch",
    }


def test_the_command_prints_writes_and_draws(capsys):
    make_run("a", metrics={"rmse": 0.25})
    make_run("b", (0.4, 0.1), train=TrainConfig(batch=8))
    assert cli.main(["compare", "runs/a", "runs/b", "--plot"]) == 0
    told = capsys.readouterr().out
    for words in ("batch", "0.2 at step 10", "test RMSE", "Lowest validation loss: runs/b"):
        assert words in told
    assert "not evaluated yet" in told and imread("comparison.png").std() > 0
    assert cli.main(["compare", "runs/a", "runs/b", "--json", "--plot", "my.png"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["best"] == "runs/b" and told["plots"] == ["my.png"]
    assert told["runs"][0]["metrics"] == {"rmse": 0.25} and "history" not in told["runs"][0]
    assert cli.main(["compare", "runs/a", "runs/none"]) == 2


def test_an_unfinished_run_shows_its_newest_checkpoint():
    unfinished = make_run("b")
    for name in ("model.keras", "history.csv"):
        (unfinished.path / name).unlink()
    kept = checkpoints.Progress(10)
    for step, loss in ((0, 0.7), (10, 0.6), (20, 0.65)):
        kept.rows.append({"step": step, "loss": loss, "val_loss": loss, "learning_rate": 0.1})
        kept.step = step
        checkpoints.save(unfinished.path / "checkpoints", kept, [np.zeros(2)], [])
    row, other = comparison.compare([runs.load("runs/b"), make_run("a")]).rows
    assert (row.finished, row.steps, other.finished) == (False, 20, True)
    assert (row.best_loss, row.best_step) == (0.6, 10) and len(row.history["loss"]) == 3
    checkpoints.newest(unfinished.path / "checkpoints").write_bytes(b"damaged")
    with pytest.raises(SeqlabError, match=r"step-00000020.*cannot be read"):
        comparison.compare([runs.load("runs/b"), make_run("c")])


def test_a_run_without_validation_or_history(capsys):
    one = make_run("a", (math.nan, math.nan), data=DataConfig(validate=False))
    two = make_run("b")
    (two.path / "history.csv").unlink()
    made = comparison.compare([one, runs.load("runs/b")])
    assert [(row.steps, row.best_step) for row in made.rows] == [(10, None), (0, None)]
    assert made.to_json()["runs"][0]["best_loss"] is None
    assert cli.main(["compare", "runs/a", "runs/b", "--plot"]) == 0
    (one.path / "history.csv").unlink()
    assert cli.main(["compare", "runs/a", "runs/b", "--plot"]) == 2
    assert "no curves" in capsys.readouterr().err


# Figures: what is in them, not how they look


def lines(axes):
    return [line.get_ydata().tolist() for line in axes.lines if len(line.get_ydata())]


def history(best=1, accuracy=True):
    losses = [0.9, 0.5, 0.6]
    values = {"step": [0, 10, 20], "loss": [1.0, 0.4, 0.3], "val_loss": losses}
    return {
        **values,
        **({"accuracy": [0.1, 0.6, 0.7], "val_accuracy": [0.2, 0.5, 0.4]} if accuracy else {}),
    }


def test_curves_have_both_parts_and_ring_the_best():
    figure = curves.curves(history(), "a run", epoch=10)
    loss, accuracy = figure.axes
    assert lines(loss) == [[1.0, 0.4, 0.3], [0.9, 0.5, 0.6], [0.5]]
    assert lines(accuracy) == [[0.1, 0.6, 0.7], [0.2, 0.5, 0.4], [0.5]]
    assert loss.lines[0].get_xdata().tolist() == [0, 1, 2] and loss.get_xlabel() == "epoch"
    assert len(curves.curves(history(accuracy=False), "a run").axes) == 1


def test_one_figure_holds_several_runs():
    figure = curves.together({"a": history(), "b": history(accuracy=False)})
    loss, accuracy = figure.axes
    assert len(lines(loss)) == 6 and len(lines(accuracy)) == 3
    shown = [text.get_text() for text in figure.legends[0].get_texts()]
    assert "lowest validation loss" in shown
    assert shown[:2] == ["a", "b"]
    many = curves.together({str(i): history() for i in range(12)})
    assert len({line.get_color() for line in many.axes[0].lines}) == 13  # and black


@pytest.fixture
def score():
    logits = np.random.default_rng(3).normal(size=(60, 3))
    labels = np.arange(60) % 3
    logits[np.arange(60), labels] += 1
    return ImageScore(
        probabilities(logits), labels, ("airplane", "bird", "a very long name of a class")
    )


def test_confusion_is_drawn_with_its_counts(score, tmp_path):
    figure = image_plots.confusion(score)
    shown = {t.get_position()[::-1]: int(t.get_text()) for t in figure.axes[0].texts}
    assert shown == {place: n for place, n in np.ndenumerate(score.confusion) if n}
    many = ImageScore(np.eye(30), np.arange(30), tuple(map(str, range(30))))
    assert not image_plots.confusion(many).axes[0].texts
    plots.save(figure, tmp_path / "a.png")


@pytest.mark.parametrize("channels", [1, 3])
def test_mistakes_show_their_own_pixels(score, channels):
    images = np.random.default_rng(0).integers(0, 256, (60, 4, 5, channels), np.uint8)
    figure = image_plots.mistakes(score, images, count=7)
    shown = [axes for axes in figure.axes if axes.images]
    assert len(shown) == 7 and f"{len(score.mistakes)} of 60 wrong" in figure.get_suptitle()
    for axes, one in zip(shown, score.mistakes, strict=False):
        drawn = axes.images[0].get_array()
        np.testing.assert_array_equal(drawn, images[one.index].squeeze())
        assert f"{100 * one.probability:.0f} %" in axes.get_title().splitlines()[0]


def test_a_sheet_needs_mistakes_and_their_images():
    right = ImageScore(np.eye(2), np.array([0, 1]), ("a", "b"))
    images = np.zeros((2, 3, 3, 1), np.uint8)
    with pytest.raises(SeqlabError, match="every answer is right"):
        image_plots.mistakes(right, images)
    with pytest.raises(SeqlabError, match="must be the 2"):
        image_plots.mistakes(right, images[:1])
