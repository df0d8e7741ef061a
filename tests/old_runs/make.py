"""Makes tests/old_runs/VERSION: tiny runs of the present format, and the scores that they must keep.

To be called when `config.FORMAT` was raised, or `RUNS` has one more, and committed:

    python tests/old_runs/make.py

The sine is generated and the digits are scikit-learn's, so there is nobody's data in them, and no path.
Nothing that is there is written again: what was kept is what the version of its time wrote.
"""

import json
import shutil
import tempfile
from pathlib import Path

import numpy as np

from seqlab import runs, train
from seqlab.config import FORMAT, Config, DataConfig, ModelConfig, TrainConfig
from seqlab.datasets import Series, split
from seqlab.evaluate import evaluate
from seqlab.image_config import ImageConfig, NetworkConfig
from seqlab.image_evaluate import evaluate as evaluate_images

__all__ = ["FOLDER", "KEPT", "make", "score"]

FOLDER = Path(__file__).parent
KEPT = ("config.json", "series.npz", "history.csv", "model.keras")  # of a run folder
SHORT = TrainConfig(steps=30, batch=8, evaluations=3, learning_rate=0.02)
RUNS = {
    "sin": Config(DataConfig("sin", window=8), ModelConfig(layers=2, hidden=3), SHORT),
    "digits": Config(ImageConfig("digits"), NetworkConfig("mlp", {"hidden": 4}), SHORT),
    # With a convolution, batch normalisation and dropout, all of them layers of seqlab.
    "convolved": Config(ImageConfig("digits", augment="chapter"), NetworkConfig("baseline"), SHORT),
}


def score(path):
    """The numbers that a run is judged by: floats by name."""
    run = runs.load(path)
    if run.config.kind == "series":
        found = evaluate(run).metrics
        return {name: found[name] for name in ("rmse", "mae", "mase")}
    found = evaluate_images(run).to_json()["metrics"]
    return {name: found[name] for name in ("accuracy", "loss")}


def make(folder):
    """Train each of `RUNS` that is not there yet into a folder, and write its score beside it."""
    table = folder / "scores.json"
    scores = json.loads(table.read_text()) if table.exists() else {}
    for name in [name for name in RUNS if name not in scores]:
        config = RUNS[name]
        with tempfile.TemporaryDirectory() as place:
            path = Path(place, name)
            values = np.sin(np.arange(600) / 12)  # enough: the whole series would be 90 kB
            data = split(Series("sin", values), config.data) if name == "sin" else None
            train.start(config, path, data=data)
            scores[name] = score(path)
            (folder / name).mkdir(parents=True)
            for file in KEPT:
                if (path / file).exists():
                    shutil.copyfile(path / file, folder / name / file)
    table.write_text(json.dumps(scores, indent=2) + "\n")


if __name__ == "__main__":
    make(FOLDER / str(FORMAT))
