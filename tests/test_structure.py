"""The shape of the package: one direction of imports, light modules, public names, docstrings."""

import ast
import importlib
import inspect
import subprocess
import sys
from pathlib import Path

import pytest

import seqlab

PACKAGE = Path(seqlab.__file__).parent
MODULES = sorted(path.stem for path in PACKAGE.glob("*.py"))
PUBLIC = [name for name in MODULES if not name.startswith("__")]

# A module may import those to the left of it, and its neighbours in the same group.
ORDER = [
    ["errors", "arguments", "repair", "covariates", "calendars", "provenance", "_bounded_files"],
    ["augmentation", "_lock", "_signals", "_told", "_written", "_plain_values", "_cluster"],
    ["image_config", "model_config", "train_config", "_numpy_runtime"],
    [
        "config",
        "metrics",
        "naive",
        "interval_metrics",
        "likelihoods",
        "_tensorflow",
        "_unroll",
        "_operations",
        "_tf1_files",
        "_tf1_parts",
        "_pickled_arrays",
    ],
    [
        "_unpickle",
        "recipes",
        "bases",
        "series",
        "sequences",
        "_even_times",
        "_time_zones",
        "table_files",
        "scaling",
        "chunks",
        "panel_metrics",
        "classical",
        "structural",
        "_cudnn",
        "_fused",
        "_scan",
        "_adam",
        "_sgd",
        "_gradients",
        "_penalties",
        "_schedules",
        "_batch_norm",
        "_dropout",
        "_average",
        "_lost",
        "heads",
        "_loop",
        "_states",
        "_steps",
        "_tf1_names",
        "_plans",
        "_safe_models",
    ],
    [
        "windows",
        "panel",
        "cuts",
        "_image_files",
        "_alexnet_file",
        "_colours",
        "_decoding",
        "_moves",
        "tfrecords",
        "_convolution",
        "tables",
        "losses",
        "image_options",
        "train_options",
        "optimizers",
        "_replicas",
        "sequence_files",
        "_cell",
        "_fused_lstm",
        "_fused_gru",
        "wrappers",
        "_over_time",
        "_graph_scaling",
        "_onnx_graph",
    ],
    ["_labels"],
    ["_strategy", "panel_tables", "series_files", "options", "_sizes", "_blocks"],
    ["splits"],
    [
        "datasets",
        "preprocessing",
        "_lenets",
        "_deep_nets",
        "_parts",
        "lstms",
        "scans",
        "attention",
        "connections",
        "dropouts",
    ],
    ["_pictures", "companions", "panel_scores"],
    ["_layers", "_labelled_images", "cnn", "_pixels", "_resting", "_plain_windows"],
    ["_image_folder", "_new_head"],
    ["_drivers", "images", "diagnostics", "_first_network", "_sides"],
    ["cells", "image_scores", "curves"],
    ["_stacks", "affine", "attributes", "dilated", "smoothing"],
    ["_forecaster"],
    ["encoder_decoder", "autoregressive", "smoothed", "segments"],
    ["models", "run_data"],
    ["tasks"],
    ["trainer"],
    ["runs", "baselines", "_tf1_cells", "inspection", "origins", "spaces", "perturbations"],
    ["checkpoints", "_leftovers", "predict", "image_predict", "streams", "tf1", "_raw_columns"],
    ["conformal"],
    ["intervals", "weights", "_raw_graphs", "newer"],
    ["_continued", "_export_formats"],
    ["forecasts"],
    ["export"],
    [
        "callbacks",
        "progress",
        "event_files",
        "seeds",
        "evaluate",
        "audit",
        "image_evaluate",
        "comparison",
        "anatomy",
        "microscope",
    ],
    ["train"],
    ["backtest", "watch", "transfer", "trials", "rates"],
    ["tuning"],
    ["plots", "report"],
    [
        "image_report",
        "image_plots",
        "inspect_report",
        "microscope_plots",
        "rate_plots",
        "seed_report",
    ],
    ["terminal"],
    ["image_commands"],
    ["_train_run"],
    ["commands"],
    ["train_commands", "listings", "network_commands", "inspect_commands", "export_commands"],
    ["_networks"],
    ["cli", "estimators"],
    ["__main__"],
]
LIGHT = [
    "errors",
    "config",
    "metrics",
    "series",
    "scaling",
    "windows",
    "tables",
    "datasets",
    "splits",
]
LIGHT += ["chunks", "sequences", "sequence_files", "repair", "_even_times", "_time_zones"]
LIGHT += ["naive", "interval_metrics", "panel_metrics", "panel_scores", "classical"]
LIGHT += ["cuts", "runs", "baselines", "evaluate", "checkpoints", "commands", "cli"]
LIGHT += ["covariates", "calendars", "panel", "series_files", "panel_tables", "table_files"]
LIGHT += ["arguments", "terminal", "listings", "options", "origins", "conformal", "intervals"]
LIGHT += ["newer"]
LIGHT += ["_pickled_arrays", "_unpickle", "augmentation", "_image_files", "_labelled_images"]
LIGHT += ["_alexnet_file", "network_commands", "export_commands"]
LIGHT += ["_bounded_files", "_plain_values"]
LIGHT += ["_image_folder", "images", "image_scores", "image_predict", "comparison"]
LIGHT += ["recipes", "image_config", "image_options", "train_options", "run_data"]
LIGHT += ["train_config", "provenance", "inspect_commands", "train_commands", "seeds"]
LIGHT += ["train_config", "bases", "model_config", "_pictures", "_labels"]
LIGHT += ["_lock", "_signals", "_cluster", "_train_run"]
LIGHT += ["_written", "_told", "_sizes", "_leftovers"]
LIGHT += ["image_evaluate", "image_commands"]
LIGHT += ["structural", "companions"]
LIGHT += ["likelihoods", "_tf1_files", "_tf1_parts", "_tf1_names"]


def imported(name, everywhere):
    """Modules of ours that a module imports: at its top, or also inside functions."""
    tree = ast.parse((PACKAGE / f"{name}.py").read_text())
    found = set()
    for node in ast.walk(tree) if everywhere else tree.body:
        if isinstance(node, ast.ImportFrom) and node.module == "seqlab":
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and (node.module or "").startswith("seqlab."):
            found.add(node.module.split(".")[1])
    return found & set(MODULES)


@pytest.mark.parametrize("name", PUBLIC)
def test_imports_go_one_way(name):
    level = {module: i for i, group in enumerate(ORDER) for module in group}
    assert set(level) == set(MODULES) - {"__init__"}, "place new modules in ORDER"
    for other in imported(name, everywhere=True):
        if other != "_tensorflow":
            assert level[other] < level[name], f"{name} imports {other}"


def test_data_and_models_do_not_know_each_other():
    for name in (
        "datasets",
        "windows",
        "scaling",
        "series",
        "sequences",
        "tables",
        "sequence_files",
        "panel",
        "covariates",
    ):
        assert not imported(name, True) & {"cells", "models", "train", "evaluate"}
    models = ("models", "_forecaster", "encoder_decoder", "autoregressive", "smoothed")
    for name in (*models, "cells", "heads", "losses", "_drivers", "_layers", "_fused"):
        assert not imported(name, True) & {"datasets", "windows", "series", "train"}


@pytest.mark.parametrize("name", LIGHT)
def test_light_modules_load_nothing_heavy_at_their_top(name):
    assert not imported(name, everywhere=False) & (set(MODULES) - set(LIGHT) - {"__init__"})
    text = (PACKAGE / f"{name}.py").read_text()
    top = {
        alias.name.split(".")[0]
        for node in ast.parse(text).body
        if isinstance(node, (ast.Import, ast.ImportFrom))
        for alias in (
            node.names if isinstance(node, ast.Import) else [ast.alias(node.module or "")]
        )
    }
    assert not top & {"tensorflow", "keras", "matplotlib", "rich"}


def test_importing_the_package_costs_nothing():
    heavy = {"numpy", "pandas", "tensorflow", "keras"}
    code = f"import seqlab, sys; print(sorted({heavy} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_tensorflow_says_nothing_while_it_loads():
    code = "import numpy as np; from seqlab.cells import *; dynamic_rnn(LSTMCell(2), np.ones((1, 2, 1)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert (done.stdout, done.stderr) == ("", "")


@pytest.mark.parametrize("name", PUBLIC)
def test_public_names_are_listed_and_documented(name):
    module = importlib.import_module(f"seqlab.{name}")
    assert module.__doc__
    for public in module.__all__:
        value = getattr(module, public)
        if inspect.isclass(value) or inspect.isfunction(value):
            assert value.__doc__, f"{name}.{public} has no docstring"


def test_no_private_parts_of_keras():
    for path in [*PACKAGE.glob("*.py"), *(PACKAGE.parent / "scripts").glob("*.py")]:
        assert "keras.src" not in path.read_text()


def test_files_stay_small():
    lengths = {path.name: len(path.read_text().splitlines()) for path in PACKAGE.glob("*.py")}
    assert max(lengths.values()) <= 330, lengths
    assert sorted(lengths.values())[len(lengths) // 2] <= 180, lengths
