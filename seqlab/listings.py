"""The commands that show or take in what is there: series, models, runs, checkpoints of TensorFlow 1."""

import json
from argparse import Namespace
from collections.abc import Sequence
from pathlib import Path

from seqlab.config import NEEDS, ModelConfig
from seqlab.terminal import lay_out, say

SHAPES: dict[str, tuple[int, ...]] = {"truth": (1,), "series": (), "phase": ()}

__all__ = ["compare", "data", "import_tf1", "models", "runs"]


def import_tf1(options: Namespace) -> None:
    """``seqlab import-tf1``: a Keras model with the cells of a TensorFlow 1 checkpoint."""
    from seqlab._tf1_files import find

    prefix = find(options.checkpoint)
    path = Path(options.out or f"{prefix.name}.keras")
    from seqlab import tf1  # after the checkpoint was found: it loads TensorFlow

    clips = {"cell_clip": options.cell_clip, "proj_clip": options.proj_clip}
    made = tf1.load(prefix, scope=options.scope, forget_bias=options.forget_bias, **clips)
    tf1.save(made, path)
    if options.json:
        say(json.dumps({**made.to_json(), "file": str(path)}))
        return
    from seqlab.report import import_tables

    lay_out(*import_tables(made))
    say(
        f"Wrote {path}. For x [B, T, {made.features}], and lengths [B] or None:",
        "  import seqlab.cells, keras",
        f"  outputs, states = keras.saving.load_model({str(path)!r})([x, lengths])",
    )


def compare(options: Namespace) -> None:
    """``seqlab compare``: runs side by side, and their curves in one figure."""
    from seqlab import comparison
    from seqlab import runs as folders

    made = comparison.compare([folders.load(path) for path in _without_links(options.run_paths)])
    files = []
    if options.plot is not None:
        from seqlab import curves, plots

        figure = curves.together({row.path: row.history for row in made.rows if row.history})
        files = [
            plots.save(figure, Path("comparison.png" if options.plot is True else options.plot))
        ]
    if options.json:
        say(json.dumps({**made.to_json(), "plots": [str(path) for path in files]}))
        return
    from seqlab.report import comparison_tables

    lay_out(*comparison_tables(made))
    if files:
        say(f"Picture: {files[0]}")


def _without_links(paths: Sequence[str]) -> list[str]:
    """The paths, less links to others of them: ``runs/*`` is every run, and ``runs/latest`` one again."""
    named = {Path(path).resolve() for path in paths if not Path(path).is_symlink()}
    return [
        path for path in paths if not (Path(path).is_symlink() and Path(path).resolve() in named)
    ]


def data(_: Namespace) -> None:
    """``seqlab data``: the named series, and the named sets of images."""
    from seqlab.report import table
    from seqlab.series import NAMED

    rows = [(name, n.about, str(n.window), str(n.horizon)) for name, n in NAMED.items()]
    lay_out(table(("name", "what", "usual window", "horizon"), rows))
    say("Or a file of your own: seqlab train my.csv --target COLUMN --window 30 --horizon 7")
    from seqlab.images import SETS

    sets = [(name, *map(str, about)) for name, about in SETS.items()]
    lay_out(table(("images", "what", "size", "training", "test"), sets))
    say("Or a folder with a sub-folder per class: seqlab train my_pictures --size 96 96")


def models(_: Namespace) -> None:
    """``seqlab models``: every model with every cell, at the default size; networks for images."""
    from seqlab import cnn
    from seqlab import models as registry
    from seqlab.cells import CELLS
    from seqlab.report import table

    rows = []
    for name, build in registry.MODELS.items():
        for cell in CELLS:
            model = registry.build(ModelConfig(name, cell), (10, 2))
            about = (build.__doc__ or "").splitlines()[0]
            rows.append((name, cell, f"{model.count_params():,}", about))
    for name, kind in registry.FORECASTERS.items():  # which take every cell, too
        loss = "gaussian" if name == "autoregressive" else "mse"
        shapes = {"past": (10, 2), **{need: SHAPES[need] for need in NEEDS[name]}}
        model = registry.build(ModelConfig(name, loss=loss), shapes)
        about = (kind.__doc__ or "").splitlines()[0]
        rows.append((name, "lstm", f"{model.count_params():,}", about))
    lay_out(table(("--model", "--cell", "parameters", "what"), rows))
    say("Parameters are those of 2 layers of 30 units, 2 features and a horizon of 1.")
    rows = []
    for name, network in cnn.NETWORKS.items():
        model = cnn.build(name)
        size = "x".join(map(str, network.shape))
        least = f"{network.least}x{network.least}" if network.least > 1 else "any"
        rows.append((name, size, least, f"{model.count_params():,}"))
    lay_out(table(("--model, of images", "as in its chapter", "from", "parameters"), rows))


def runs(_: Namespace) -> None:
    """``seqlab runs``: the runs in ./runs."""
    from seqlab import runs as folders

    found = folders.listed()
    if not found:
        say("No runs here yet. Make one: seqlab train sin")
        return
    from seqlab.report import runs_table

    lay_out(runs_table(found))
