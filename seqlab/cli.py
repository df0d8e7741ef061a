"""The command line: parse, call, print. Nothing heavy is imported before the arguments are right."""

import argparse
import sys
from collections.abc import Callable, Sequence
from typing import Any, NoReturn

from seqlab import __version__, commands, listings
from seqlab.arguments import finite, keras_file, level, natural, picture, rate, share, whole
from seqlab.config import (
    CELLS,
    DIFFERENCES,
    FORECASTERS,
    LOSSES,
    MISSING,
    MODELS,
    OPTIMIZERS,
    RETRAIN,
    SCALINGS,
    SCHEDULES,
    SEARCHED,
    SHORT,
    STRATEGIES,
    TRANSFORMS,
    WEIGH,
)
from seqlab.errors import SeqlabError

__all__ = ["main", "parser"]

METRICS = (
    "rmse",
    "mae",
    "mape",
    "smape",
    "mase",
    "rmsse",
    "r2",
)  # a test holds this to metrics.METRICS

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
    _tune(_command(sub, "tune", commands.tune, "search for the options of a training"))
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
    _command(sub, "data", listings.data, "list the series that come with the package")
    _command(sub, "models", listings.models, "list the models and cells")
    _command(sub, "runs", listings.runs, "list the runs in ./runs")
    return top


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
        "--batch", type=whole, default=32, metavar="B", help="windows a step; default: 32"
    )
    to.add_argument("--seed", type=natural, default=0, metavar="N", help="default: 0")
    to.add_argument("--out", metavar="DIR", help="the run folder; default: a new one in runs/")


def _data(to: argparse.ArgumentParser) -> None:
    to.add_argument(
        "data", metavar="DATA", help="a name from `seqlab data`, or a CSV or Parquet file"
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
    add_model_options(to)
    _training(to)


def _tune(to: argparse.ArgumentParser) -> None:
    _data(to)
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
    to.add_argument("--model", choices=(*MODELS, *FORECASTERS), help="default: stacked")
    to.add_argument("--segment", type=whole, metavar="N", help="rows in a step of --model segments")
    to.add_argument("--straight", action="store_true", help="--model segments: a line beside it")
    to.add_argument("--loss", choices=LOSSES, default="mse", help="default: mse")
    to.add_argument("--levels", nargs="+", type=level, metavar="Q", help="of --loss quantile")
    to.add_argument("--under", type=rate, default=10.0, metavar="C", help="of --loss asymmetric")
    to.add_argument(
        "--no-validation",
        action="store_true",
        help="train on these rows, too, and keep the last weights",
    )
    to.add_argument("--optimizer", choices=OPTIMIZERS, default="adam", help="default: adam")
    to.add_argument("--learning-rate", type=rate, default=0.01, metavar="R", help="default: 0.01")
    to.add_argument("--schedule", choices=SCHEDULES, default="cosine", help="default: cosine")
    to.add_argument("--quiet", action="store_true", help="print nothing but errors")


def _classical(to: argparse.ArgumentParser) -> None:
    to.add_argument(
        "--classical", action="store_true", help="ETS and ARIMA among the baselines; takes a while"
    )


def _evaluate(to: argparse.ArgumentParser) -> None:
    _classical(to)
    to.add_argument("run_path", nargs="?", metavar="RUN", help="a run folder; default: the newest")
    for name in METRICS:
        to.add_argument(f"--{name}", action="append_const", dest="metrics", const=name)
    to.add_argument(
        "--plot", nargs="?", const=True, type=picture, metavar="FILE", help="write PNG pictures"
    )
    to.add_argument("--json", action="store_true", help="print one JSON object and nothing else")


def _backtest(to: argparse.ArgumentParser) -> None:
    _classical(to)
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
