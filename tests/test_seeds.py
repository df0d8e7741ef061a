"""Several seeds of one config: their spread, beside the baselines."""

import json
import math
import statistics
from types import SimpleNamespace

import pytest

from seqlab import cli, runs
from seqlab.errors import SeqlabError
from seqlab.seeds import Spread, gather

QUICK = ["airline", "--window", "12", "--steps", "10", "--layers", "1", "--hidden", "4"]


def run(seed, rmse, losses, accuracy=0.5):
    metrics = {
        "metrics": {"rmse": rmse, "mape": None, "accuracy": accuracy},
        "baselines": {"drift": {"rmse": 4.0, "accuracy": 0.7}, "persistence": {"rmse": 9.0}},
        "best_baseline": "drift",
    }
    config = SimpleNamespace(train=SimpleNamespace(seed=seed))
    return SimpleNamespace(
        path=f"runs/{seed}", metrics=metrics, history={"val_loss": losses}, config=config
    )


def test_mean_and_spread_are_those_of_a_sample():
    found = gather([run(3, 2.0, [5, 1, 2]), run(4, 4.5, [3, 6, 7]), run(5, 3.0, [8])], "rmse")
    assert found.validation.values == (1, 3, 8)
    assert found.metrics["rmse"].mean == pytest.approx(9.5 / 3)
    assert found.metrics["rmse"].sd == pytest.approx(statistics.stdev([2.0, 4.5, 3.0]))
    assert found.verdict == (
        "RMSE 3.17 ± 1.3 over 3 seeds, the worst 4.5; 2 of them beat the best baseline, drift (4)."
    )
    made = found.to_json()
    assert made["seeds"] == [3, 4, 5] and made["metrics"]["mape"]["mean"] is None
    json.dumps(made, allow_nan=False)


def test_of_accuracy_more_is_better():
    shares = (0.8, 0.6, 0.75)
    found = gather([run(i, 1, [1], share) for i, share in enumerate(shares)], "accuracy")
    assert "the worst 0.6; 2 of them beat" in found.verdict


def test_one_seed_has_no_spread():
    assert math.isnan(Spread((2.0,)).sd) and Spread((2.0,)).to_json()["sd"] is None
    assert "±" not in gather([run(0, 2.0, [1])], "rmse").verdict


def test_runs_without_a_score_are_refused():
    with pytest.raises(SeqlabError, match="seqlab evaluate runs/0"):
        gather([SimpleNamespace(path="runs/0", metrics={})], "rmse")


def test_the_command_trains_each_seed_and_prints_their_spread(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    words = ["train", *QUICK, "--seed", "5", "--out", "all"]
    assert cli.main([*words, "--seeds", "2", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["seeds"] == [5, 6] and found["runs"] == ["all/seed-5", "all/seed-6"]
    each = [runs.load(path) for path in found["runs"]]
    assert found["metrics"]["rmse"]["values"] == [one.metrics["metrics"]["rmse"] for one in each]
    assert len(set(found["metrics"]["rmse"]["values"])) == 2
    assert found["validation_loss"]["values"] == [min(one.history["val_loss"]) for one in each]
    assert found["baselines"]["drift"] == each[1].metrics["baselines"]["drift"]
    # A third seed: the first two are there already, and are not trained again.
    before = (tmp_path / "all/seed-5/model.keras").stat().st_mtime_ns
    assert cli.main([*words, "--seeds", "3", "--resume"]) == 0
    assert (tmp_path / "all/seed-5/model.keras").stat().st_mtime_ns == before
    said = capsys.readouterr().out
    for part in (
        "Seed 7",
        "all/seed-7",
        "mean ± standard deviation of 3 seeds",
        "drift",
        "3 seeds",
    ):
        assert part in said


def test_one_training_gives_json_too(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert cli.main(["train", *QUICK, "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["metrics"]["rmse"] == runs.load(found["run"]).metrics["metrics"]["rmse"]
    assert len(found["plots"]) == 3
