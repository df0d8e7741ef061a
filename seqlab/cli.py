"""The command line: parse, call, print. Nothing heavy is imported before the arguments are right."""

import argparse
import errno
import re
import sys
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, NoReturn

from seqlab import (
    __version__,
    commands,
    export_commands,
    image_commands,
    inspect_commands,
    listings,
    network_commands,
    train_commands,
)
from seqlab._signals import number_of
from seqlab._told import unheard
from seqlab.arguments import finite, keras_file, natural, picture, rate, whole
from seqlab.config import RETRAIN
from seqlab.errors import SeqlabError
from seqlab.train_options import (
    add_data_options,
    add_model_options,
    add_train_options,
    add_tune_options,
)

__all__ = ["add_model_options", "main", "parser"]

METRICS = (
    "rmse",
    "mae",
    "mape",
    "smape",
    "mase",
    "rmsse",
    "r2",
)  # a test holds this to metrics.METRICS


MEMORY = (
    "there is not enough memory for that. Use a smaller --hidden, --layers, --batch or --window,"
    " or a machine with more"
)
FULL = "No space left on device"  # as the system says it; TensorFlow takes it for a lack of memory
ROOM = "no space is left on the disk. Free some, and go on; a training by --resume"


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
    """Call, and turn what a person can mend into one line on stderr and status 2; a signal likewise."""
    try:
        command()
        sys.stdout.flush()
    except KeyboardInterrupt as error:
        print(f"{name}: {error or 'interrupted'}", file=sys.stderr)  # noqa: T201
        return 128 + number_of(error)
    except SeqlabError as error:
        print(f"{name}: error: {' '.join(str(error).split())}", file=sys.stderr)  # noqa: T201
        return 2
    except BrokenPipeError:  # the reader, `head` say, has had enough
        unheard()
        return 0
    except OSError as error:  # what no command foresaw: a full disk, a name that is too long
        what = f"{error.filename}: " if error.filename else ""
        said = ROOM if error.errno == errno.ENOSPC else error.strerror or error
        print(f"{name}: error: {what}{said}", file=sys.stderr)  # noqa: T201
        return 2
    except Exception as error:
        if not isinstance(error, MemoryError) and type(error).__name__ != "ResourceExhaustedError":
            raise
        print(f"{name}: error: {_lacking(error)}", file=sys.stderr)  # noqa: T201
        return 2
    return 0


def _lacking(error: Exception) -> str:
    """Memory, or room on a disk, whose file TensorFlow names before a semicolon."""
    said = str(error)
    if FULL not in said:
        return MEMORY
    found = re.search(r"(?:^|\}\} )(/[^;\n]*); " + FULL, said)  # behind the node, if it names one
    return f"{found[1]}: {ROOM}" if found else ROOM


def parser() -> argparse.ArgumentParser:
    """All commands and their options."""
    top = Parser(prog="seqlab", description="Recurrent sequence models, scored beside baselines.")
    top.add_argument("--version", action="version", version=f"seqlab {__version__}")
    sub = top.add_subparsers(dest="command", required=True, metavar="COMMAND", parser_class=Parser)
    add_train_options(
        _command(
            sub, "train", train_commands.train, "train a model on series or images, and score it"
        )
    )
    add_tune_options(_command(sub, "tune", commands.tune, "search for the options of a training"))
    _evaluate(_command(sub, "evaluate", commands.evaluate, "score a run beside its baselines"))
    network_commands.add(partial(_command, sub))
    inspect_commands.add(partial(_command, sub))
    export_commands.add(partial(_command, sub))
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
    _predict(_command(sub, "predict", image_commands.predict, "say what is in picture files"))
    _compare(_command(sub, "compare", listings.compare, "put runs side by side"))
    _command(sub, "data", listings.data, "list the series that come with the package")
    _command(sub, "models", listings.models, "list the models and cells")
    _command(sub, "runs", listings.runs, "list the runs in ./runs")
    return top


def _scored(to: argparse.ArgumentParser) -> None:
    to.add_argument(
        "--classical", action="store_true", help="ETS and ARIMA among the baselines; takes a while"
    )
    _adaptive(to)


def _adaptive(to: argparse.ArgumentParser) -> None:
    to.add_argument(
        "--adaptive", action="store_true", help="conformal intervals learn from earlier errors"
    )


def _runs(to: argparse.ArgumentParser) -> None:
    to.add_argument(
        "run_paths", nargs="*", metavar="RUN", help="of several, the mean; default: the newest"
    )


def _evaluate(to: argparse.ArgumentParser) -> None:
    _scored(to)
    to.add_argument("run_path", nargs="?", metavar="RUN", help="a run folder; default: the newest")
    to.add_argument("--data-dir", metavar="DIR", help="where the images of the run are now")
    for name in METRICS:
        to.add_argument(f"--{name}", action="append_const", dest="metrics", const=name)
    to.add_argument(
        "--plot", nargs="?", const=True, type=picture, metavar="FILE", help="write PNG pictures"
    )
    to.add_argument("--json", action="store_true", help="print one JSON object and nothing else")


def _backtest(to: argparse.ArgumentParser) -> None:
    _scored(to)
    _runs(to)
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
    _runs(to)
    to.add_argument("--steps", type=whole, metavar="N", help="default: the run's horizon")
    to.add_argument(
        "--data", metavar="FILE", help="newer rows to go on from; default: those it was trained on"
    )
    _adaptive(to)
    to.add_argument("--csv", metavar="FILE", help="write the forecast as CSV")
    to.add_argument(
        "--samples", type=whole, default=0, metavar="N", help="draw paths that may come"
    )
    to.add_argument("--paths", metavar="FILE", help="write them as CSV")
    to.add_argument("--seed", type=natural, default=0, metavar="N", help="of them; default: 0")
    to.add_argument(
        "--plot", nargs="?", const=True, type=picture, metavar="FILE", help="write a PNG picture"
    )
    to.add_argument("--json", action="store_true", help="print one JSON object and nothing else")


def _windows(to: argparse.ArgumentParser) -> None:
    add_data_options(to)
    to.add_argument("--json", action="store_true", help="print one JSON object and nothing else")


def _audit(to: argparse.ArgumentParser) -> None:
    to.add_argument("run_path", nargs="?", metavar="RUN", help="a run folder; default: the newest")
    to.add_argument("--json", action="store_true", help="print one JSON object and nothing else")


def _predict(to: argparse.ArgumentParser) -> None:
    to.add_argument(
        "run_path", metavar="RUN", help="the folder of a run of images, or AlexNet's .npy file"
    )
    to.add_argument("--names", metavar="FILE", help="of the .npy file's classes, one per line")
    to.add_argument("files", nargs="+", metavar="FILE", help="JPEG, PNG, GIF or BMP, of any size")
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
