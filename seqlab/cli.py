"""The command line: parse, call, print. Nothing heavy is imported before the arguments are right."""

import argparse
import sys
from collections.abc import Callable, Sequence
from typing import Any, NoReturn

from seqlab import __version__, commands, listings, recipes
from seqlab.arguments import finite, keras_file, level, natural, picture, rate, share, whole
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
    RETRAIN,
    SCALINGS,
    SCHEDULES,
    SHORT,
    STRATEGIES,
    TRANSFORMS,
    WEIGH,
)
from seqlab.errors import SeqlabError
from seqlab.image_config import NETWORKS

__all__ = ["main", "parser"]

METRICS = ("rmse", "mae", "mape", "smape", "mase", "r2")  # a test holds this to metrics.METRICS

COLUMNS = {
    "past": "columns known up to the row of a forecast",
    "future": "columns known ahead, in rows behind the last value, too",
    "static": "numbers that belong to a series as a whole",
    "categories": "labels that do",
}


class Parser(argparse.ArgumentParser):
    """Errors take one line, and the status is 2; options are written out."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **{"allow_abbrev": False, **options})

    def parse_known_args(self, args: Any = None, namespace: Any = None) -> tuple[Any, list[str]]:
        """As argparse; `given` are the options that were written out."""
        words = sys.argv[1:] if args is None else list(args)
        found, rest = super().parse_known_args(words, namespace)
        found.given = {word.partition("=")[0] for word in words if word.startswith("--")}
        return found, rest

    def error(self, message: str) -> NoReturn:
        """Print and leave."""
        self.exit(2, f"{self.prog}: error: {' '.join(message.split())}. See {self.prog} --help\n")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command; the exit status."""
    options = parser().parse_args(arguments)
    return guarded(f"seqlab {options.command}", lambda: options.run(options))


def guarded(name: str, command: Callable[[], None]) -> int:
    """Call, and turn what a person can mend into one line on stderr and status 2."""
    try:
        command()
        sys.stdout.flush()
    except (SeqlabError, KeyboardInterrupt) as error:
        text = str(error) or "interrupted"
        print(f"{name}: error: {' '.join(text.split())}", file=sys.stderr)  # noqa: T201
        return 2
    except BrokenPipeError:  # the reader, `head` say, has had enough
        sys.stderr.close()
        return 0
    except OSError as error:  # what no command foresaw: a full disk, a name that is too long
        what = f"{error.filename}: " if error.filename else ""
        print(f"{name}: error: {what}{error.strerror or error}", file=sys.stderr)  # noqa: T201
        return 2
    return 0


def parser() -> argparse.ArgumentParser:
    """All commands and their options."""
    top = Parser(prog="seqlab", description="Recurrent sequence models, scored beside baselines.")
    top.add_argument("--version", action="version", version=f"seqlab {__version__}")
    sub = top.add_subparsers(dest="command", required=True, metavar="COMMAND", parser_class=Parser)
    _train(_command(sub, "train", commands.train, "train a model on a series, and score it"))
    _evaluate(_command(sub, "evaluate", commands.evaluate, "score a run beside its baselines"))
    _forecast(_command(sub, "forecast", commands.forecast, "continue the series of a run"))
    _backtest(_command(sub, "backtest", commands.backtest, "forecast from many origins in turn"))
    _windows(
        _command(sub, "windows", commands.windows, "show which rows are in which windows, and why")
    )
    _audit(_command(sub, "audit", commands.audit, "prove that nothing leaks from behind the cuts"))
    _import_tf1(
        _command(
            sub, "import-tf1", listings.import_tf1, "take the cells of a TensorFlow 1 checkpoint"
        )
    )
    _compare(_command(sub, "compare", listings.compare, "put runs side by side"))
    _command(sub, "data", listings.data, "list the series that come with the package")
    _command(sub, "models", listings.models, "list the models and cells")
    _command(sub, "runs", listings.runs, "list the runs in ./runs")
    return top


def add_model_options(to: argparse.ArgumentParser) -> None:
    """The options that scripts share with `seqlab train`."""
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
    to.add_argument(
        "--resume", action="store_true", help="go on with this command's unfinished run"
    )


def _data(to: argparse.ArgumentParser) -> None:
    to.add_argument(
        "data",
        metavar="DATA",
        help="a name from `seqlab data`; a CSV or Parquet file; a folder of classes of images",
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
        "--short", choices=SHORT, default="error", help="too short series; default: error"
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
        choices=STRATEGIES,
        default="direct",
        help="the horizon at once, or step by step on its own output; default: direct",
    )
    to.add_argument("--validation", type=whole, metavar="N", help="rows of the validation part")
    to.add_argument("--weigh", choices=WEIGH, default="evenly", help="errors; default: evenly")
    to.add_argument(
        "--look-back",
        action="store_true",
        help="inputs may reach back over a cut; targets never do",
    )


def _train(to: argparse.ArgumentParser) -> None:
    _data(to)
    to.add_argument(
        "--model",
        choices=(*MODELS, *FORECASTERS, *NETWORKS),
        metavar="NAME",
        help="see `seqlab models`; default: stacked, and for images lenet5_book",
    )
    _images(to)
    to.add_argument("--segment", type=whole, metavar="N", help="rows in a step of --model segments")
    to.add_argument("--straight", action="store_true", help="--model segments: a line beside it")
    add_model_options(to)
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
    to.add_argument("--decay", type=rate, metavar="F", help="per epoch: of --schedule exponential")
    to.add_argument("--staircase", action="store_true", help="--decay at the end of an epoch only")
    to.add_argument("--momentum", type=share, default=0.0, metavar="M", help="of sgd and rmsprop")
    to.add_argument("--weight-decay", type=rate, metavar="W", help="decoupled; default: none")
    to.add_argument("--ema", type=share, metavar="D", help="evaluate a moving average of weights")
    to.add_argument("--precision", choices=PRECISIONS, default="float32", help="default: float32")
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
    to.add_argument("--channels", type=int, choices=(1, 3), help="images: 3, or 1 for grey")


def _evaluate(to: argparse.ArgumentParser) -> None:
    to.add_argument("run_path", nargs="?", metavar="RUN", help="a run folder; default: the newest")
    to.add_argument("--data-dir", metavar="DIR", help="where the images of the run are now")
    for name in METRICS:
        to.add_argument(f"--{name}", action="append_const", dest="metrics", const=name)
    to.add_argument(
        "--plot", nargs="?", const=True, type=picture, metavar="FILE", help="write PNG pictures"
    )
    to.add_argument("--json", action="store_true", help="print one JSON object and nothing else")


def _backtest(to: argparse.ArgumentParser) -> None:
    to.add_argument("run_path", nargs="?", metavar="RUN", help="a run folder; default: the newest")
    to.add_argument(
        "--start", metavar="N|TIME", help="rows at the end, or when; default: the run's test part"
    )
    to.add_argument(
        "--step", type=whole, default=1, metavar="N", help="between origins; default: 1"
    )
    to.add_argument("--retrain", choices=RETRAIN, default="never", help="default: never")
    to.add_argument(
        "--rows", type=whole, metavar="N", help="rows to train on, of --retrain sliding"
    )
    to.add_argument(
        "--csv", metavar="FILE", help="every forecast; default: backtest.csv in the run"
    )
    to.add_argument(
        "--plot", nargs="?", const=True, type=picture, metavar="FILE", help="write PNG pictures"
    )
    to.add_argument("--json", action="store_true", help="print one JSON object and nothing else")


def _forecast(to: argparse.ArgumentParser) -> None:
    to.add_argument("run_path", nargs="?", metavar="RUN", help="a run folder; default: the newest")
    to.add_argument("--steps", type=whole, metavar="N", help="default: the run's horizon")
    to.add_argument("--csv", metavar="FILE", help="write the forecast as CSV")
    to.add_argument(
        "--plot", nargs="?", const=True, type=picture, metavar="FILE", help="write a PNG picture"
    )
    to.add_argument("--json", action="store_true", help="print one JSON object and nothing else")


def _windows(to: argparse.ArgumentParser) -> None:
    _data(to)
    to.add_argument("--json", action="store_true", help="print one JSON object and nothing else")


def _audit(to: argparse.ArgumentParser) -> None:
    to.add_argument("run_path", nargs="?", metavar="RUN", help="a run folder; default: the newest")
    to.add_argument("--json", action="store_true", help="print one JSON object and nothing else")


def _compare(to: argparse.ArgumentParser) -> None:
    to.add_argument("run_paths", nargs="+", metavar="RUN", help="run folders, two or more")
    to.add_argument(
        "--plot",
        nargs="?",
        const=True,
        type=picture,
        metavar="FILE",
        help="write their curves as a PNG; default: comparison.png, in this folder",
    )
    to.add_argument("--json", action="store_true", help="print one JSON object and nothing else")


def _import_tf1(to: argparse.ArgumentParser) -> None:
    to.add_argument("checkpoint", metavar="CHECKPOINT", help="model.ckpt-10000, or its folder")
    to.add_argument("--scope", metavar="S", help="which network, where there are several")
    to.add_argument(
        "--forget-bias",
        type=finite,
        default=1.0,
        metavar="F",
        help="as the LSTM cells were given it, for a checkpoint does not tell; default: 1.0",
    )
    for name in ("cell", "proj"):
        to.add_argument(f"--{name}-clip", type=rate, metavar="C", help="the same; default: none")
    to.add_argument(
        "--out", type=keras_file, metavar="FILE", help="default: CHECKPOINT.keras, in this folder"
    )
    to.add_argument("--json", action="store_true", help="print one JSON object and nothing else")


def _command(sub: Any, name: str, run: Callable[..., None], about: str) -> argparse.ArgumentParser:
    made: argparse.ArgumentParser = sub.add_parser(name, help=about, description=about)
    made.set_defaults(run=run)
    return made
