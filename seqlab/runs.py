"""The run folder: everything that a training left behind, enough to score and forecast from it alone.

::

    runs/sin-lstm-2x30-001/
      config.json    the config, and the versions and the processor that made it
      series.npz     the data; images stay where they are, and their fingerprint is in config.json
      checkpoints/   step-00000500.npz and so on, the newest few
      history.csv    losses at each evaluation
      model.keras    the best weights; written last, so a folder without it is unfinished
      metrics.json   the last evaluation
      plots/

Files appear under a temporary name and are renamed, so that none is ever half there. Nothing in the
folder is a pickle.
"""

import csv
import dataclasses
import json
import os
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from seqlab import provenance
from seqlab._bounded_files import parsed, read_json, read_text
from seqlab._written import written
from seqlab.config import FORMAT, Config
from seqlab.datasets import Series
from seqlab.errors import SeqlabError
from seqlab.image_config import IMAGE_SETS
from seqlab.run_data import STORES, Store

__all__ = ["RUNS", "Run", "create", "find", "listed", "load", "written"]

RUNS = Path("runs")  # where runs go unless told otherwise
LATEST = RUNS / "latest"
COPY = "series.npz"
HISTORY = ("step", "loss", "val_loss", "learning_rate")  # columns of every history.csv


@dataclass(frozen=True)
class Run:
    """A run folder, read when asked.

    Attributes:
        path: the folder.
        config: what it was made from.
    """

    path: Path
    config: Config

    @property
    def store(self) -> Store:
        """How this kind of run handles its data."""
        return STORES[self.config.kind]

    @cached_property
    def data(self) -> Any:
        """The data that the run was trained on, all of it: a Series, a Panel, or an ImageSplit.

        Raises:
            SeqlabError: the images are not there any more, or are others.
        """
        return self.store.read(self.path, self.config)

    @property
    def series(self) -> Series:
        """The same, where it is one series.

        Raises:
            SeqlabError: it is several.
        """
        self.demand("series")
        if isinstance(self.data, Series):
            return self.data
        raise SeqlabError(
            f"{self.path}: trained on {len(self.data)} series: this takes a run of one"
        )

    @cached_property
    def split(self) -> Any:
        """The parts that are trained on and scored, made again from the data."""
        return self.store.split(self.data, self.config)

    @cached_property
    def model(self) -> Any:
        """The ``keras.Model`` with the best weights.

        Raises:
            SeqlabError: the run is not finished, or its model cannot be read.
        """
        if not self.finished:
            raise SeqlabError(
                f"{self.path}: the training is not finished: no model.keras."
                " Run the same command again with --resume"
            )
        from seqlab import _pixels, cnn, models  # noqa: F401  (registers the layers)
        from seqlab._safe_models import load_model

        try:
            return load_model(self.path / "model.keras")
        except SeqlabError as error:
            raise SeqlabError(
                f"{self.path}/model.keras: damaged, or of another version: {error}."
                " The same command with --resume makes a damaged one again from its checkpoints; train"
                " the run again, if it is another version's"
            ) from error

    @property
    def finished(self) -> bool:
        """Whether the training came to its end."""
        return (self.path / "model.keras").exists()

    @cached_property
    def history(self) -> dict[str, list[float]]:
        """Columns of ``history.csv``: step, loss, penalty, val_loss, learning_rate, and metrics."""
        path = self.path / "history.csv"
        if not path.exists():
            return {}
        try:
            reader = csv.DictReader(read_text(path).splitlines())
            names = {**dict.fromkeys(reader.fieldnames or ()), **dict.fromkeys(HISTORY)}
            rows = list(reader)
            found = {name: [float(row[name]) for row in rows] for name in names}
            if not rows or not np.isfinite(found["step"]).all():
                raise ValueError("no rows, or a step that is no number")
            return found
        except (OSError, ValueError, TypeError, KeyError, csv.Error) as error:
            raise SeqlabError(f"{path}: cannot be read: {error}. Train the run again") from error

    @cached_property
    def record(self) -> dict[str, Any]:
        """All of ``config.json``: also the data's fingerprint, names of classes, versions."""
        try:
            return dict(read_json(self.path / "config.json"))
        except (OSError, ValueError, TypeError) as error:
            raise SeqlabError(f"{self.path}/config.json: cannot be read: {error}") from error

    @property
    def metrics(self) -> dict[str, Any]:
        """The last evaluation, or nothing."""
        path = self.path / "metrics.json"
        try:
            found = dict(read_json(path))
            measured = [found["metrics"], *found.get("baselines", {}).values()]
            plain = all(
                value is None or isinstance(value, float | int)
                for values in measured
                for value in values.values()
            )
        except (OSError, ValueError, TypeError, KeyError, AttributeError):  # none yet, or damaged
            return {}
        return found if plain else {}  # evaluating makes it anew

    def keep_metrics(self, score: Any) -> None:
        """Write ``metrics.json``; a run on a read-only disk can be scored all the same."""
        with suppress(OSError), written(self.path / "metrics.json") as temporary:
            temporary.write_text(json.dumps(score.to_json(), indent=2) + "\n")

    def at(self, data_dir: str) -> "Run":
        """The same run, whose images are now here."""
        data = self.config.data
        place = "data_dir" if data.source in IMAGE_SETS else "source"
        moved = dataclasses.replace(data, **{place: data_dir})
        return Run(self.path, dataclasses.replace(self.config, data=moved))

    def demand(self, kind: str) -> None:
        """Refuse a run of another kind.

        Raises:
            SeqlabError: it is one.
        """
        if self.config.kind != kind:
            raise SeqlabError(
                f"{self.path}: a run of {self.config.kind}; this takes a run of {kind}"
            )

    def plots(self) -> Path:
        """The folder for pictures, made if need be."""
        folder = self.path / "plots"
        folder.mkdir(exist_ok=True)
        return folder


def create(config: Config, data: Any, path: Path | None = None, split: Any = None) -> Run:
    """Make the folder of a new run and write what it starts from.

    Args:
        config: of the run.
        data: all of it.
        path: of the folder; by default a new one in ``runs/``.
        split: the parts of the data, where they are at hand, so that they are not made again.

    Raises:
        SeqlabError: the folder cannot be written, or holds something already.
    """
    path, store = path or _next_name(config), STORES[config.kind]
    if path.exists() and not path.is_dir():
        raise SeqlabError(f"{path}: this is a file. Use another --out")
    if path.exists() and not all(map(_is_begun, path.iterdir())):
        what = "holds a run" if (path / "config.json").exists() else "is not empty"
        raise SeqlabError(f"{path}: {what} already. Use --resume, or another --out")
    try:
        (path / "checkpoints").mkdir(parents=True, exist_ok=True)
        for left in path.glob(".*"):  # half-written
            left.unlink()
        if store.arrays is not None:
            with written(path / COPY) as temporary:
                np.savez_compressed(temporary, allow_pickle=False, **store.arrays(data))
        record = {**_record(config), **store.record(data)}
        with written(path / "config.json") as temporary:
            temporary.write_text(json.dumps(record, indent=2) + "\n")
    except OSError as error:
        raise SeqlabError(
            f"{path}: cannot be written: {error.strerror}. Use another --out"
        ) from error
    point_at(path)
    run = Run(path, config)
    known = {"data": data, "split": split}
    run.__dict__.update({name: value for name, value in known.items() if value is not None})
    return run


def load(path: str | Path) -> Run:
    """Open a run folder.

    Raises:
        SeqlabError: there is none, it is half-written, or a newer version wrote it.
    """
    path = Path(path)
    file = path / "config.json"
    if not path.exists():
        raise SeqlabError(f"{path}: no such run. `seqlab runs` lists what there is")
    if not file.exists():
        raise SeqlabError(
            f"{path}: not a run: it has no config.json. `seqlab runs` lists what there is"
        )
    try:
        text = read_text(file)
        found = parsed(text).get("format")
    except (OSError, AttributeError, ValueError) as error:
        raise SeqlabError(f"{file}: cannot be read: {error}. Train the run again") from error
    if not isinstance(found, int):
        raise SeqlabError(f"{file}: it names no format version. Train the run again")
    if found > FORMAT:
        raise SeqlabError(
            f"{path}: written by a newer version (format {found}; this one reads up to {FORMAT})."
            " Upgrade seqlab"
        )
    try:
        run = Run(path, Config.from_json(text))
    except SeqlabError as error:
        raise SeqlabError(f"{file}: {error}. Train the run again") from error
    if run.store.arrays is not None and not (path / COPY).exists():
        raise SeqlabError(f"{path}: half-written: it has no {COPY}. Train it again")
    return run


def find(path: str | Path | None = None, kind: str | None = None) -> Run:
    """The run of this path, or without one the newest.

    Args:
        path: of its folder.
        kind: that it must be of: ``series`` or ``images``.

    Raises:
        SeqlabError: there is none; saying how to make one.
    """
    if path is None and not LATEST.exists():
        raise SeqlabError("no runs here yet. Make one: seqlab train sin")
    run = load(os.path.relpath(LATEST.resolve()) if path is None else path)
    if kind is not None:
        run.demand(kind)
    return run


def listed(folder: Path = RUNS) -> list[Run]:
    """The runs in a folder that can be opened, oldest first."""
    if not folder.is_dir():
        return []
    paths = [p for p in folder.iterdir() if (p / "config.json").exists() and not p.is_symlink()]
    found = []
    for path in sorted(paths, key=lambda p: (p / "config.json").stat().st_mtime):
        try:
            found.append(load(path))
        except SeqlabError:  # a listing goes on; opening that run says what is wrong
            continue
    return found


def _is_begun(path: Path) -> bool:
    """Whether a process that was killed may have left this before the run had its config."""
    return path.name == COPY or path.name.startswith((".series-", ".config-")) or _is_empty(path)


def _is_empty(path: Path) -> bool:
    return path.name == "checkpoints" and not any(path.iterdir())


def _record(config: Config) -> dict[str, Any]:
    return {"format": FORMAT, **config.to_json(), **provenance.machine()}


def _next_name(config: Config) -> Path:
    base = f"{Path(config.data.source).stem}-{config.model.name}"
    number = 1
    while (RUNS / f"{base}-{number:03}").exists():
        number += 1
    return RUNS / f"{base}-{number:03}"


def point_at(path: Path) -> None:
    """Let ``runs/latest`` point at the newest run, wherever that is; without links, do without."""
    try:
        RUNS.mkdir(exist_ok=True)
        link = RUNS / f".latest-{os.getpid()}"
        link.symlink_to(os.path.relpath(path.resolve(), RUNS.resolve()), target_is_directory=True)
        link.replace(LATEST)
    except OSError:
        return
