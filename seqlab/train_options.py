"""The options of `seqlab train`, of which some are those of other commands and scripts, too."""

import argparse
from typing import Any

from seqlab import recipes
from seqlab.arguments import bound, level, limit, natural, picture, rate, share, whole
from seqlab.augmentation import CHAINS
from seqlab.config import (
    CELLS,
    DIFFERENCES,
    FORECASTERS,
    LOSSES,
    MISSING,
    MODELS,
    OPTIMIZERS,
    PRECISIONS,
    SCALINGS,
    SCHEDULES,
    SEARCHED,
    SHORT,
    SPREADS,
    STRATEGIES,
    TRANSFORMS,
    WEIGH,
)
from seqlab.image_config import MEMORY, NETWORKS, PIXELS

__all__ = ["add_data_options", "add_model_options", "add_train_options", "add_tune_options"]

DEVICES = ("auto", "cpu", "gpu")
COLUMNS = {
    "past": "columns known up to the row of a forecast",
    "future": "columns known ahead, in rows behind the last value, too",
    "static": "numbers that belong to a series as a whole",
    "categories": "labels that do",
}


def add_model_options(to: argparse.ArgumentParser) -> None:
    """The options that scripts share with `seqlab train`."""
    _network(to)
    to.add_argument(
        "--resume", action="store_true", help="go on with this command's unfinished run"
    )


def _network(to: argparse.ArgumentParser) -> None:
    to.add_argument("--cell", choices=CELLS, default="lstm", help="default: lstm")
    to.add_argument("--layers", type=whole, default=2, metavar="N", help="default: 2")
    to.add_argument(
        "--hidden", type=whole, default=30, metavar="H", help="units a layer; default: 30"
    )
    to.add_argument("--bidirectional", action="store_true", help="read the window both ways")
    to.add_argument(
        "--dropout",
        type=share,
        default=0.0,
        metavar="P",
        help="share of outputs dropped; default: 0",
    )
    to.add_argument(
        "--steps", type=whole, metavar="N", help="default: 40 epochs, within 1000 and 10000 steps"
    )
    to.add_argument(
        "--batch", type=whole, default=32, metavar="B", help="rows a step; default: 32, images 64"
    )
    to.add_argument("--seed", type=natural, default=0, metavar="N", help="default: 0")
    to.add_argument("--out", metavar="DIR", help="the run folder; default: a new one in runs/")


DECODER = "encoder-decoder"


class _Strategy(argparse.Action):
    """One option with two meanings, told apart by its value: of forecasts, and of devices."""

    def __call__(self, _: Any, options: Any, value: Any, __: Any = None) -> None:
        if value == DECODER:  # which is a network of its own, and gives the horizon at once
            options.decoder = True
        else:
            setattr(options, "spread" if value in SPREADS else "strategy", value)


def add_data_options(to: argparse.ArgumentParser, spreads: tuple[str, ...] = ()) -> None:
    """Which data, and how series are cut into windows.

    Args:
        to: a parser.
        spreads: strategies of devices, for a command that trains.
    """
    to.add_argument(
        "data",
        nargs="?" if spreads else None,
        metavar="DATA",
        help="a name from `seqlab data`; a CSV or Parquet file; a folder of classes of images"
        + ("; default, for networks of images: digits" if spreads else ""),
    )
    to.add_argument("--target", metavar="COLUMN", help="column of the file to forecast")
    to.add_argument("--id", metavar="COLUMN", help="column that says which series a row is of")
    to.add_argument("--wide", action="store_true", help="every other numeric column is a series")
    to.add_argument("--time", metavar="COLUMN", help="column of times; default: the first of dates")
    for name, what in COLUMNS.items():
        to.add_argument(f"--{name}", nargs="+", metavar="COLUMN", help=what)
    to.add_argument("--calendar", action="store_true", help="tell the network day, week and year")
    to.add_argument("--window", type=whole, metavar="T", help="rows that the network sees")
    to.add_argument("--horizon", type=whole, metavar="P", help="rows ahead that it forecasts")
    to.add_argument("--season", type=whole, metavar="N", help="rows per season, for the baselines")
    to.add_argument("--missing", choices=MISSING, default="error", help="default: error")
    to.add_argument(
        "--short", choices=SHORT, default="error", help="too few rows in a series; default: error"
    )
    to.add_argument("--scaling", choices=SCALINGS, default="last", help="default: last")
    to.add_argument("--transform", choices=TRANSFORMS, default="none", help="first; default: none")
    to.add_argument(
        "--difference",
        choices=DIFFERENCES,
        default="none",
        help="season: changes since the last one",
    )
    to.add_argument("--test", metavar="N|TIME", help="rows of the test part, or when it begins")
    to.add_argument(
        "--strategy",
        action=_Strategy,
        choices=(*STRATEGIES, *([DECODER] if spreads else []), *spreads),
        default="direct",
        help="the horizon at once, or step by step on its own output; default: direct"
        + ("; and on what to train (docs/distributed.md); default: auto" if spreads else ""),
    )
    to.add_argument("--validation", type=whole, metavar="N", help="rows of the validation part")
    to.add_argument("--weigh", choices=WEIGH, default="evenly", help="errors; default: evenly")
    to.add_argument(
        "--look-back",
        action="store_true",
        help="inputs may reach back over a cut; targets never do",
    )


def add_train_options(to: argparse.ArgumentParser) -> None:
    """All of `seqlab train`."""
    add_data_options(to, SPREADS)
    to.add_argument(
        "--model",
        choices=(*MODELS, *FORECASTERS, *NETWORKS),
        metavar="NAME",
        help="see `seqlab models`; default: stacked, and for images lenet5_book",
    )
    _images(to)
    add_model_options(to)
    _training(to)
    _ways(to)


def add_tune_options(to: argparse.ArgumentParser) -> None:
    """All of `seqlab tune`."""
    add_data_options(to)
    to.add_argument("--model", choices=(*MODELS, *FORECASTERS), help="default: searched")
    _network(to)
    _training(to)
    to.set_defaults(**dict.fromkeys(SEARCHED))
    names = ", ".join(f"--{name.replace('_', '-')}" for name in SEARCHED)
    to.description = (
        f"Search for the options of a training. Those that are left out of {names} are searched."
    )
    to.add_argument(
        "--trials", type=whole, default=20, metavar="N", help="networks to try; default: 20"
    )
    to.add_argument(
        "--jobs", type=whole, default=1, metavar="J", help="of them at a time; default: 1"
    )
    to.add_argument("--json", action="store_true", help="print one JSON object and nothing else")


def _training(to: argparse.ArgumentParser) -> None:
    to.add_argument("--segment", type=whole, metavar="N", help="rows in a step of --model segments")
    to.add_argument("--straight", action="store_true", help="--model segments: a line beside it")
    to.add_argument(
        "--affine", action="store_true", help="--scaling window, recent: a trained gain and shift"
    )
    to.add_argument(
        "--synthetic",
        type=natural,
        default=0,
        metavar="N",
        help="made-up series to learn from, too, where a series is short; default: 0",
    )
    to.add_argument("--loss", choices=LOSSES, default="mse", help="default: mse")
    to.add_argument("--levels", nargs="+", type=level, metavar="Q", help="of --loss quantile")
    to.add_argument("--under", type=rate, default=10.0, metavar="C", help="of --loss asymmetric")
    to.add_argument(
        "--no-validation",
        action="store_true",
        help="train on these rows, too, and keep the last weights",
    )
    to.add_argument("--epochs", type=whole, metavar="N", help="passes, instead of --steps")
    to.add_argument("--optimizer", choices=OPTIMIZERS, default="adam", help="default: adam")
    to.add_argument(
        "--learning-rate", type=rate, metavar="R", help="default: 0.01, and for images 0.001"
    )
    to.add_argument("--schedule", choices=SCHEDULES, default="cosine", help="default: cosine")
    to.add_argument("--decay", type=rate, metavar="F", help="of --schedule exponential or plateau")
    to.add_argument("--staircase", action="store_true", help="--decay at the end of an epoch only")
    to.add_argument("--warm-up", type=share, metavar="S", help="share of steps; of cosine: 0.05")
    to.add_argument("--momentum", type=share, default=0.0, metavar="M", help="of sgd and rmsprop")
    to.add_argument("--weight-decay", type=rate, metavar="W", help="decoupled; default: none")
    to.add_argument("--l1", type=rate, metavar="L", help="times sum(|w|) of kernels; default: none")
    to.add_argument("--l2", type=rate, metavar="L", help="times sum(w^2) / 2; default: none")
    to.add_argument("--ema", type=share, metavar="D", help="evaluate a moving average of weights")
    to.add_argument("--precision", choices=PRECISIONS, default="float32", help="default: float32")
    to.add_argument(
        "--clip",
        type=bound,
        metavar="NORM",
        help="bound on the gradient's norm, or none; default: 1, images none",
    )
    to.add_argument(
        "--evaluations",
        type=whole,
        metavar="N",
        help="how often to evaluate and write a checkpoint; default: 20, with a recipe its epochs",
    )
    to.add_argument(
        "--patience",
        type=limit,
        metavar="N",
        help="evaluations that learn by heart before the end, or none; default: 8, recipes none",
    )
    to.add_argument("--keep", type=whole, default=3, metavar="N", help="checkpoints; default: 3")
    to.add_argument("--quiet", action="store_true", help="print nothing but errors")


def _images(to: argparse.ArgumentParser) -> None:
    to.add_argument("--data-dir", metavar="DIR", help="images: where the files of a named set are")
    to.add_argument(
        "--recipe",
        choices=recipes.KINDS,
        help="images: settings to start from, the chapter's or the best known",
    )
    to.add_argument("--augment", choices=CHAINS, help="images: random changes; default: none")
    to.add_argument("--label-smoothing", type=share, metavar="S", help="images: default: 0")
    to.add_argument(
        "--size", type=whole, nargs=2, metavar=("H", "W"), help="images: resize a folder's pictures"
    )
    to.add_argument(
        "--precise-bn",
        type=whole,
        metavar="N",
        help="images: evaluate batch normalisation with statistics taken anew over N of them",
    )
    to.add_argument(
        "--memory",
        type=whole,
        metavar="MB",
        help=f"images: of a larger folder read each batch from its files; default: {MEMORY}",
    )
    to.add_argument(
        "--from",
        dest="base",
        metavar="RUN|FILE",
        help="images: begin with a run's network, a .keras file's, or AlexNet's (.npy)",
    )
    to.add_argument(
        "--freeze",
        nargs="+",
        metavar="PATTERN",
        help="with --from: layers that rest, such as 'conv*', or '*' for all but the last",
    )
    to.add_argument(
        "--batch-norm", action="store_true", help="with --from: batch normalisation learns, too"
    )
    to.add_argument(
        "--pixels", choices=PIXELS, help="with --from FILE: what its network was trained on"
    )
    to.add_argument("--channels", type=int, choices=(1, 3), help="images: 3, or 1 for grey")


def _ways(to: argparse.ArgumentParser) -> None:
    """What else `seqlab train` can do with a config, and where."""
    to.add_argument(
        "--device", choices=DEVICES, default="auto", help="default: a GPU where there is one"
    )
    to.add_argument(
        "--seeds", type=whole, metavar="N", help="train N, from --seed on; print mean and spread"
    )
    to.add_argument(
        "--find-rate",
        nargs="?",
        const="rate.png",
        type=picture,
        metavar="FILE",
        help="train nothing: suggest a --learning-rate, and draw why; default: rate.png",
    )
    to.add_argument(
        "--tensorboard", action="store_true", help="write the curves for TensorBoard, too"
    )
    to.add_argument("--json", action="store_true", help="print one JSON object and nothing else")
