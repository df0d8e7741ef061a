"""What malformed input once broke, each as one small case: a line that names it, and status 2."""

import json
import os
import shutil

import numpy as np
import pytest
from small import SMALL, StopAt, series
from test_predict import finished, wave

from seqlab import checkpoints, cli, commands, runs, series_files, train
from seqlab.datasets import split
from seqlab.errors import SeqlabError
from seqlab.image_config import ImageConfig, NetworkConfig

DAYS = [f"2024-01-{day:02}" for day in range(1, 29)]


@pytest.fixture(scope="module")
def honest(tmp_path_factory):
    """A finished run, one that was cut off, and one of images."""
    home = tmp_path_factory.mktemp("honest")
    finished(home / "run", wave())
    few = train.TrainConfig(steps=2, evaluations=1)
    images = ImageConfig("digits"), NetworkConfig("mlp", {"hidden": 3})
    train.start(train.Config(*images, few), home / "images")
    with pytest.MonkeyPatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.chdir(home)
        train.start(SMALL, home / "cut", [StopAt(1)], split(series(), SMALL.data))
    return home


@pytest.fixture
def place(honest, tmp_path, monkeypatch):
    shutil.copytree(honest, tmp_path / "home")
    monkeypatch.chdir(tmp_path / "home")
    return tmp_path / "home"


@pytest.fixture
def refused(place, capsys):
    def call(*words, part):
        if words == ("resume",):
            run = runs.load("cut")
            status = cli.guarded("x", lambda: commands.train_run(run.config, "cut", True, True))
        else:
            status = cli.main(list(words))
        said = capsys.readouterr().err
        assert (status, said.count("\n")) == (2, 1), said
        assert part in said

    return call


# Tables


@pytest.mark.parametrize("year", ["0001", "1500", "2262", "9999"])
def test_times_that_runs_cannot_keep(year, place, refused):
    days = [f"{year}{day[4:]}" for day in DAYS]
    (place / "old.csv").write_text("day,v\n" + "".join(f"{d},{i}\n" for i, d in enumerate(days)))
    refused("windows", "old.csv", part="is not in the years 1678 to 2261. Correct it, or leave")


@pytest.mark.parametrize("column", ["v", "w"])
def test_values_that_no_network_holds(column, place, refused):
    values = {"v": range(28), "w": range(28)} | {column: [*range(5), -4e38, *range(22)]}
    rows = zip(DAYS, values["v"], values["w"], strict=True)
    (place / "large.csv").write_text("day,v,w\n" + "".join(f"{d},{v},{w}\n" for d, v, w in rows))
    words = ["windows", "large.csv", "--target", "v", "--past", "w"]
    refused(*words, part=f"row 6, column '{column}': -4e+38 is more than 3.4e+38")


@pytest.mark.parametrize("role", ["--target v", "--target w --past v", "--target w --static v"])
def test_an_integer_of_hundreds_of_digits(role, place, refused):
    rows = [f"{day},{'9' * 400},{i}\n" for i, day in enumerate(DAYS)]
    (place / "long.csv").write_text("day,v,w\n" + "".join(rows))
    refused("windows", "long.csv", *role.split(), part="column 'v': ")


@pytest.mark.parametrize("name", ["pipe.csv", "pipe.parquet"])
def test_a_pipe_is_not_waited_for(name, place, refused):
    os.mkfifo(place / name)
    refused("windows", name, part="not a file")


# Run folders


@pytest.mark.parametrize("name", ["series.npz", "checkpoints/step-00000020.npz", "model.keras"])
def test_a_pipe_in_a_run_is_not_waited_for(name, place, refused):
    folder = place / ("cut" if "step" in name else "run")
    (folder / name).unlink()
    os.mkfifo(folder / name)
    if "step" in name:
        refused("weights", "cut", part="not a file")
    else:
        refused("forecast", "run", part="not a file")


def test_a_device_is_not_read_to_its_end(place, capsys):
    path = place / "cut" / "checkpoints" / "step-00000020.npz"
    path.unlink()
    path.symlink_to("/dev/zero")
    assert cli.main(["inspect", "cut"]) == 0
    assert "step-00000020.npz: OSError: [Errno 0] not a file" in capsys.readouterr().out


def test_a_device_is_no_picture(refused):
    refused("predict", "images", "/dev/zero", part="/dev/zero: cannot be read: not a file")


HISTORIES = ["step,loss,val_loss,learning_rate\n", "step,loss,val_loss,learning_rate\nnan,1,1,1\n"]


@pytest.mark.parametrize("text", HISTORIES)
def test_a_history_without_steps(text, place, refused):
    (place / "run" / "history.csv").write_text(text)
    refused("compare", "run", "cut", part="history.csv: cannot be read")


@pytest.mark.parametrize("text", ['{"metrics": 3}', '{"metrics": {"rmse": "low"}}', "{}", "[[]]"])
def test_metrics_that_are_none_are_left_out(text, place):
    (place / "run" / "metrics.json").write_text(text)
    assert runs.load(place / "run").metrics == {}
    assert cli.main(["compare", "run", "cut"]) == 0


ABOUTS = [
    ("series", []),
    ("panel", 5),
    ("name", None),
    ("season", "x"),
    ("season", 0),
    ("season", 10**12),
    ("test_rows", -1),
    ("rows", 10**30),
    ("rows", 1.0),
    ("categories", [1]),
]


@pytest.mark.parametrize(("name", "value"), ABOUTS)
def test_series_that_are_not_described(name, value, place, refused):
    arrays = series_files.arrays_of(wave())
    about = json.loads(str(arrays["about"]))
    (about if name in about else about["series"][0])[name] = value
    arrays["about"] = np.array(json.dumps(about))
    np.savez(place / "run" / "series.npz", **arrays)
    refused("forecast", "run", part="series.npz: cannot be read")


@pytest.mark.parametrize("values", [np.zeros((4, 4)), np.full(9, np.nan), np.zeros(9, "i8")])
def test_values_that_are_no_series(values, place, refused):
    arrays = {**series_files.arrays_of(wave()), "values": values}
    np.savez(place / "run" / "series.npz", **arrays)
    refused("forecast", "run", part="its values are not a row of finite numbers")


@pytest.mark.parametrize("command", ["evaluate", "predict", "export"])
def test_a_model_that_takes_no_images(command, place, refused):
    shutil.copyfile(place / "run" / "model.keras", place / "images" / "model.keras")
    more = {"predict": ["x.png"], "export": ["--format", "numpy"]}.get(command, [])
    refused(command, "images", *more, part="it is none for these images. Train the run again")


@pytest.mark.parametrize("classes", [3, [], ["a"], [1] * 10, None])
def test_classes_that_are_none(classes, place, refused):
    config = json.loads((place / "images" / "config.json").read_text())
    (place / "images" / "config.json").write_text(json.dumps({**config, "classes": classes}))
    part = "`classes` must be 10 names" if classes == ["a"] else "names no classes"
    refused("predict", "images", "x.png", part=part)


# Checkpoints, with a checksum that is right


def changed(path, **arrays):
    with np.load(path) as file:
        kept = {name: file[name] for name in file.files}
    whole = {name: v for name, v in {**kept, **arrays}.items() if v is not None}
    checkpoints._write(path, whole)


def newest(place):
    return place / "cut" / "checkpoints" / "step-00000020.npz"


PROGRESS = [
    {"step": "7"},
    {"step": 2.0},
    {"rows": 5},
    {"rows": [[]]},
    {"rows": [{"step": 0, "loss": "x", "val_loss": 1.0}]},
    {"best_loss": None},
    {"best_loss": 10**400},
    {"more": 1},
]


@pytest.mark.parametrize("change", PROGRESS)
def test_a_progress_that_is_none(change, place, refused):
    progress = json.loads(str(np.load(newest(place))["progress"]))
    changed(newest(place), progress=np.array(json.dumps({**progress, **change})))
    for command in ("weights", "watch"):
        refused(command, "cut", part="cannot be read")
    (place / "cut" / "history.csv").unlink()
    refused("compare", "run", "cut", part="cannot be read")
    with pytest.raises(checkpoints.Damaged):
        checkpoints.restore(newest(place), [])


ARRAYS = [
    ({"best_0": None}, "of another model"),
    ({"best_0": np.zeros((7, 7), "f4")}, "a checkpoint is of another model"),
    ({"best_0": np.full((2, 2), "x")}, "a checkpoint is of another model"),
    ({"running_0": np.zeros(3, "f4")}, "of another model"),
    ({"variable_0": None}, "of another model"),
    ({"variable_0": np.zeros((7, 7), "f4")}, "a checkpoint is of another model"),
    ({"variable_0": np.zeros(1, [("a", "f4")])}, "a checkpoint is of another model"),
]


@pytest.mark.parametrize(("change", "part"), ARRAYS, ids=str)
def test_values_of_another_model(change, part, place, refused):
    changed(newest(place), **change)
    refused("resume", part=part)


def test_a_step_that_the_training_does_not_have(place, refused):
    progress = json.loads(str(np.load(newest(place))["progress"]))
    changed(newest(place), progress=np.array(json.dumps({**progress, "step": 7})))
    refused("resume", part="holds a checkpoint of step 7, where this training has none")


def test_a_checkpoint_with_more_digits_is_newer(tmp_path):
    for name in ("step-99999999.npz", "step-100000000.npz", "step-abc.npz", "step-1.npz"):
        (tmp_path / name).touch()
    assert [p.name for p in checkpoints.files(tmp_path)] == [
        "step-99999999.npz",
        "step-100000000.npz",
    ]
    assert checkpoints.newest(tmp_path).name == "step-100000000.npz"


def test_a_length_without_end():
    with pytest.raises(SeqlabError, match=r"`steps` must be at most 1,000,000,000"):
        train.TrainConfig(steps=10**12)
    with pytest.raises(SeqlabError, match=r"`evaluations` must be at most 1,000,000\."):
        train.TrainConfig(evaluations=10**9)
