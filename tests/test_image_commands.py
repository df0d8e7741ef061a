"""What a person does with a run of images: train, evaluate with pictures, predict, compare."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from matplotlib.image import imread
from small import commanded

from seqlab import cli, image_plots, image_predict, images, preprocessing, runs
from seqlab.errors import SeqlabError


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    command = "train digits --model mlp --steps 150 --batch 32 --augment standardise --quiet"
    return commanded(tmp_path_factory.mktemp("work"), command)


@pytest.fixture(autouse=True)
def in_folder(folder, monkeypatch):
    monkeypatch.chdir(folder)


@pytest.fixture(scope="module")
def digits(folder):
    """Files with the first images of the test part, and their labels."""
    test = images.load("digits").test
    files = [folder / f"digit-{i}.png" for i in range(12)]
    for file, image in zip(files, test.images, strict=False):
        file.write_bytes(preprocessing.encode(image).numpy())
    return [file.name for file in files], test.labels[:12]


def told(capsys, *words):
    """What a command prints with ``--json``."""
    assert cli.main([*words, "--json"]) == 0
    return json.loads(capsys.readouterr().out)


def test_training_leaves_its_pictures(folder):
    pictures = {path.name for path in (folder / "runs/latest/plots").iterdir()}
    assert pictures == {"learning_curves.png", "confusion.png", "mistakes.png"}
    run = runs.find()
    from seqlab.image_evaluate import evaluate

    loss, accuracy = image_plots.all_of(run, evaluate(run))["learning_curves.png"].axes
    assert loss.get_xlabel() == "epoch" and accuracy.get_ylabel() == "accuracy"
    assert loss.lines[0].get_xdata()[-1] == pytest.approx(150 * 32 / 1221)


def test_evaluate_draws_where_told(capsys, tmp_path):
    assert told(capsys, "evaluate")["plots"] == []
    found = told(capsys, "evaluate", "--plot")
    assert len(found["plots"]) == 3 and found["plots"][1].endswith("plots/confusion.png")
    found = told(capsys, "evaluate", "--plot", str(tmp_path / "a.png"))
    assert found["plots"] == [str(tmp_path / "a.png")] and imread(tmp_path / "a.png").std() > 0
    assert cli.main(["evaluate", "--plot"]) == 0
    said = capsys.readouterr().out
    assert "most often taken for" in said and "mistakes.png" in said


def test_predict_knows_the_files_of_the_test_part(capsys, digits):
    files, labels = digits
    found = told(capsys, "predict", "runs/latest", *files)["pictures"]
    assert [one["file"] for one in found] == files
    assert {len(one["classes"]) for one in found} == {5}
    first = [int(one["classes"][0]["class"]) for one in found]
    assert np.mean(first == labels) > 0.8
    assert cli.main(["predict", "runs/latest", files[0]]) == 0
    said = capsys.readouterr().out
    share = found[0]["classes"][0]["probability"]
    assert files[0] in said and f"{first[0]} {100 * share:.1f} %" in said


def test_predict_says_what_evaluate_scored(digits):
    files, _ = digits
    run = runs.find()
    scored = image_predict.logits(run.model, run.split.test)
    guesses = image_predict.predict(run, files)
    for guess, row in zip(guesses, scored, strict=False):
        assert int(guess.classes[0]) == row.argmax()
        assert np.log(guess.probabilities[0] / guess.probabilities[1]) == pytest.approx(
            np.diff(np.sort(row)[-2:])[0], rel=1e-3, abs=1e-4
        )


@pytest.mark.parametrize(
    ("words", "says"),
    [
        ("predict runs/latest notes.txt", "notes.txt: no picture"),
        ("predict runs/latest none.png digit-0.png", "none.png: cannot be read"),
        ("predict runs/none digit-0.png", "no such run"),
        ("evaluate --rmse", "is for series"),
    ],
)
def test_wrong_words_take_one_line(words, says, capsys, folder, digits):
    (folder / "notes.txt").write_text("no picture")
    assert cli.main(words.split()) == 2
    said = capsys.readouterr()
    assert says in said.err and said.err.count("\n") == 1 and said.out == ""


def test_a_run_of_series_sees_no_pictures(folder, capsys, digits):
    from seqlab.config import Config
    from seqlab.datasets import load

    runs.create(Config(), load(Config().data), runs.RUNS / "series")
    runs.LATEST.unlink()
    runs.LATEST.symlink_to("digits-mlp-001")
    assert cli.main(["predict", "runs/series", digits[0][0]]) == 2
    assert "this takes a run of images" in capsys.readouterr().err
    with pytest.raises(SeqlabError, match="a run of series"):
        image_predict.predict(runs.load("runs/series"), digits[0])


def test_predict_needs_no_images_but_the_files(digits, folder):
    run = folder / "runs" / "alone"
    shutil.copytree(folder / "runs" / "digits-mlp-001", run)
    record = json.loads((run / "config.json").read_text())
    assert record["classes"] == list("0123456789")
    record["data"]["source"] = "mnist"
    record["data"]["data_dir"] = "nowhere"
    (run / "config.json").write_text(json.dumps({**record, "classes": list("abcdefghij")}))
    guess = image_predict.predict(runs.load(run), digits[0][:1])[0]
    assert guess.classes[0] == "abcdefghij"[digits[1][0]]
    (run / "config.json").write_text(json.dumps({**record, "classes": None}))
    with pytest.raises(SeqlabError, match="names no classes"):
        image_predict.predict(runs.load(run), digits[0][:1])


def test_compare_leaves_out_a_link_to_a_run_that_is_named(folder, capsys):
    shutil.copytree(folder / "runs" / "digits-mlp-001", folder / "runs" / "again")
    assert Path("runs/latest").is_symlink()
    names = ["runs/again", "runs/digits-mlp-001", "runs/latest"]  # as runs/* gives
    assert [row["path"] for row in told(capsys, "compare", *names)["runs"]] == names[:2]
    assert cli.main(["compare", "runs/latest", "runs/again"]) == 0
    assert "runs/latest" in capsys.readouterr().out
    assert cli.main(["compare", *names[:2], names[1]]) == 2
    assert "named more than once" in capsys.readouterr().err


def test_compare_runs_of_images(folder, capsys):
    other = folder / "runs" / "other"
    shutil.copytree(folder / "runs" / "digits-mlp-001", other)
    record = json.loads((other / "config.json").read_text())
    record["model"]["label_smoothing"] = 0.1
    (other / "config.json").write_text(json.dumps(record))
    found = told(capsys, "compare", "runs/digits-mlp-001", "runs/other", "--plot", "both.png")
    assert found["runs"][1]["settings"] == {"label_smoothing": 0.1} and found["best"] is None
    assert list(found["runs"][0]["metrics"]) == ["accuracy", "top5", "loss", "f1"]
    assert imread("both.png").shape[1] > 1000  # loss and accuracy side by side
