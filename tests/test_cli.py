"""The commands as a person uses them, on small trainings; what they print and what they leave."""

import csv
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from seqlab import cli, metrics, runs, train
from seqlab.config import FORECASTERS, Config, DataConfig, ModelConfig
from seqlab.errors import SeqlabError

ROOT = Path(__file__).parents[1]
QUICK = ["--steps", "40", "--hidden", "6", "--layers", "1"]
PNG = b"\x89PNG"


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Where two runs were made: airline, twelve months ahead; then a file of daily sales."""
    path = tmp_path_factory.mktemp("work")
    days = [f"2024-{m:02}-{d:02}" for m in range(1, 13) for d in range(1, 29)]
    days = np.arange("2024-01-01", "2024-12-01", dtype="datetime64[D]").astype(str)
    rows = [f"{day},{20 + 5 * np.sin(i / 7 * 6.283):.3f}" for i, day in enumerate(days)]
    (path / "my.csv").write_text("\n".join(["date,sales", *rows]) + "\n")
    before = os.getcwd()
    os.chdir(path)
    assert (
        cli.main(["train", "airline", "--window", "12", "--horizon", "3", "--quiet", *QUICK]) == 0
    )
    train = ["train", "my.csv", "--target", "sales", "--window", "14", "--horizon", "7"]
    assert cli.main([*train, "--out", "sales", "--quiet", *QUICK]) == 0
    os.chdir(before)
    return path


@pytest.fixture(autouse=True)
def in_folder(folder, monkeypatch):
    monkeypatch.chdir(folder)


def test_a_run_holds_what_it_promises(folder):
    run = folder / "sales"
    names = {path.name for path in run.iterdir()}
    assert names == {
        "config.json", "series.npz", "checkpoints", "history.csv", "model.keras", "metrics.json", "plots",
    }  # fmt: skip
    for name in ("prediction", "residuals", "learning_curves", "error_per_step"):
        assert (run / "plots" / f"{name}.png").read_bytes().startswith(PNG)
    assert (folder / "runs" / "latest").resolve() == run.resolve()


def test_evaluate_takes_the_newest_run_and_says_which(capsys):
    assert cli.main(["evaluate", "--rmse", "--plot"]) == 0
    said = capsys.readouterr().out
    assert "sales" in said
    assert "RMSE" in said and "MAE" not in said
    for word in (
        "persistence",
        "seasonal naive",
        "linear autoregression",
        "The network",
        "Copy check",
    ):
        assert word in said


def test_evaluate_json_is_one_object_and_repeats(capsys):
    found = []
    for _ in range(2):
        assert cli.main(["evaluate", "sales", "--json"]) == 0
        found.append(json.loads(capsys.readouterr().out))
    assert found[0] == found[1]
    assert set(found[0]["metrics"]) == set(cli.METRICS)
    assert found[0]["baselines"]["persistence"]["rmse"] > 0
    assert found[0]["horizon"] == len(found[0]["rmse_per_step"]["network"]) == 7
    assert (
        found[0]["metrics"]["rmse"]
        == json.loads(Path("sales/metrics.json").read_text())["metrics"]["rmse"]
    )


def test_evaluate_plots_where_told(tmp_path):
    assert cli.main(["evaluate", "sales", "--plot", str(tmp_path / "p.png")]) == 0
    assert (tmp_path / "p.png").read_bytes().startswith(PNG)


def test_the_light_list_of_metrics_is_the_real_one():
    assert tuple(metrics.METRICS) == cli.METRICS


def test_forecast_continues_the_dates(capsys, tmp_path):
    out = tmp_path / "out.csv"
    assert cli.main(["forecast", "sales", "--steps", "5", "--csv", str(out), "--plot"]) == 0
    rows = list(csv.DictReader(out.read_text().splitlines()))
    assert [row["time"] for row in rows][::4] == ["2024-12-01", "2024-12-05"]
    assert all(0 < float(row["sales"]) < 40 for row in rows)
    assert "5 steps after the last row." in capsys.readouterr().out
    assert Path("sales/plots/forecast.png").read_bytes().startswith(PNG)


def test_a_direct_network_is_not_asked_for_more_than_it_learned(capsys):
    assert cli.main(["forecast", "sales", "--steps", "10"]) == 2
    said = capsys.readouterr().err
    assert "7 steps at once, and asked for 10" in said and "--strategy recursive" in said


def test_forecast_json_and_months(capsys):
    run = str(runs.listed()[0].path)
    assert cli.main(["forecast", run, "--json"]) == 0
    found = json.loads(capsys.readouterr().out)["forecast"]
    assert [point["time"] for point in found] == ["1961-01-01", "1961-02-01", "1961-03-01"]


def test_forecast_is_the_models_own(capsys):
    run = runs.load("sales")
    window = run.series.values[-14:]
    scaled = run.split.scaler.inputs(window[None])
    outputs = run.model(scaled).numpy()
    expected = run.split.scaler.restore(window[None], outputs)[0]
    cli.main(["forecast", "sales", "--json"])
    found = json.loads(capsys.readouterr().out)["forecast"]
    np.testing.assert_allclose([p["forecast"] for p in found], expected, rtol=1e-5)


@pytest.mark.parametrize(
    ("command", "words"),
    [
        ("data", ["sin", "sunspots", "mackey-glass"]),
        ("models", ["stacked", "bidirectional", "gru"]),
        ("runs", ["airline-lstm-1x6-001", "finished"]),
    ],
)
def test_lists(command, words, capsys):
    assert cli.main([command]) == 0
    said = capsys.readouterr().out
    assert all(word in said for word in words)


def test_the_file_may_go_after_training(folder, capsys):
    (folder / "my.csv").rename(folder / "gone.csv")
    try:
        assert cli.main(["evaluate", "sales", "--rmse"]) == 0
    finally:
        (folder / "gone.csv").rename(folder / "my.csv")


def test_the_same_out_twice_is_refused_and_resume_says_done(capsys):
    train = [
        "train",
        "my.csv",
        "--target",
        "sales",
        "--window",
        "14",
        "--horizon",
        "7",
        "--out",
        "sales",
    ]
    assert cli.main([*train, *QUICK]) == 2
    assert "--resume" in capsys.readouterr().err
    assert cli.main([*train, *QUICK, "--resume"]) == 0
    assert "finished already" in capsys.readouterr().out
    assert cli.main([*train, *QUICK, "--seed", "5", "--resume"]) == 2
    assert "seed 0, now 5" in capsys.readouterr().err


def test_interrupt_keeps_a_checkpoint_and_resume_goes_on(tmp_path):
    command = [sys.executable, "-m", "seqlab", "train", "sin", "--steps", "4000", "--out", "cut"]
    process = subprocess.Popen(
        command, cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    limit = time.monotonic() + 60
    while (
        not list(tmp_path.glob("cut/checkpoints/step-00000[4-9]*.npz")) and time.monotonic() < limit
    ):
        time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 130
    assert len(err.strip().splitlines()) == 1
    assert "--resume" in err and "checkpoint of step" in err
    done = subprocess.run(
        [*command, "--resume", "--quiet"], cwd=tmp_path, capture_output=True, text=True
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert runs.load(tmp_path / "cut").history["step"][-1] == 4000


def test_a_strategy_may_be_a_network(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    words = "train sin --strategy encoder-decoder --horizon 3 --steps 5 --quiet --out run"
    assert cli.main(words.split()) == 0
    config = runs.load("run").config
    assert config.model.model == "encoder_decoder" and config.data.strategy == "direct"


@pytest.mark.parametrize("name", FORECASTERS)
def test_a_network_that_decodes_step_by_step_is_not_asked_for_one_step(
    tmp_path, monkeypatch, name, capsys
):
    monkeypatch.chdir(tmp_path)
    words = (
        f"airline --model {name} --strategy recursive --horizon 3 --loss gaussian --scaling mean"
    )
    for command in ("train", "tune"):
        assert cli.main([command, *words.split(), "--steps", "2"]) == 2
        said = capsys.readouterr().err
        assert f"the model {name} itself goes step by step" in said and "--model stacked" in said
    data = DataConfig("airline", horizon=3, strategy="recursive", scaling="mean")
    config = Config(data, ModelConfig(name, loss="gaussian"))
    assert Config.from_json(json.dumps(config.to_json())) == config  # runs of it still load
    with pytest.raises(SeqlabError, match="itself goes step by step"):
        train.start(config)
    assert not (tmp_path / "runs").exists()


def test_options_reach_the_config():
    text = (
        "train sin --model bidirectional --cell gru --layers 3 --hidden 7 --dropout 0.2 --window 5"
        " --horizon 2 --steps 11 --batch 4 --optimizer sgd --learning-rate 0.5 --seed 9 --season 8"
        " --missing drop --scaling standard"
    )
    from seqlab.options import make_config

    config = make_config(cli.parser().parse_args(text.split()))
    assert config.model.__dict__ == {
        "model": "bidirectional", "cell": "gru", "layers": 3, "hidden": 7, "dropout": 0.2,
            "loss": "mse", "levels": (0.1, 0.5, 0.9), "under": 10.0,
            "segment": None, "straight": False, "affine": False,
    }  # fmt: skip
    assert (config.data.window, config.data.horizon, config.data.season) == (5, 2, 8)
    assert (config.data.missing, config.data.scaling) == ("drop", "standard")
    train = config.train
    assert (train.steps, train.batch, train.optimizer) == (11, 4, "sgd")
    assert (train.learning_rate, train.seed) == (0.5, 9)
    assert Config.from_json(json.dumps(config.to_json())) == config
    text = "train sin --model segments --segment 5 --straight"
    segments = make_config(cli.parser().parse_args(text.split())).model
    assert (segments.segment, segments.straight) == (5, True)
