"""A run as files that other programs run: raw values in, forecasts in original units out.

Every artefact is read back, run, and compared with the model; one that differs is not kept. It is written
to a temporary folder beside its place and renamed, so that none is ever half there.
"""

import hashlib
import json
import os
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

from seqlab._export_formats import WRITERS, check_installed
from seqlab._raw_columns import columns_of
from seqlab._raw_graphs import RawGraph, of_images, of_series
from seqlab.config import EXPORTS
from seqlab.errors import SeqlabError, check_choice
from seqlab.image_predict import check_model, classes_of
from seqlab.origins import at_origins
from seqlab.predict import Predictor
from seqlab.runs import Run

__all__ = ["CLOSE", "Exported", "export"]

CLOSE = 1e-5  # of the series' scale; of a probability
COMPARED = 32  # windows or images
ABOUT = "about.json"


@dataclass(frozen=True)
class Exported:
    """What was written.

    Attributes:
        path: the folder.
        kind: the format.
        difference: the largest from the model, in the series' scale.
        compared: windows or images.
    """

    path: Path
    kind: str
    difference: float
    compared: int

    def to_json(self) -> dict[str, Any]:
        """What ``--json`` prints."""
        files = sorted(str(file) for file in self.path.rglob("*") if file.is_file())
        return {
            "format": self.kind,
            "folder": str(self.path),
            "files": files,
            "difference": self.difference,
            "compared": self.compared,
        }


def export(
    run: Run, kind: str, out: str | Path | None = None, series: str | int | None = None
) -> Exported:
    """Write a finished run in another format, and check what was written.

    Args:
        run: of series or of images.
        kind: ``savedmodel``, ``tflite``, ``onnx`` or ``numpy``.
        out: the folder to write, replaced if it is an export; by default ``export/KIND`` in the run.
        series: whose scale is built in, of a run of several.

    Raises:
        SeqlabError: a network that the format cannot carry, or whose answers differ in it; a folder
            with something else in it, or that cannot be written; no package for the format.
    """
    check_choice("format", kind, EXPORTS)
    check_installed(kind)
    path = Path(out) if out else run.path / "export" / kind
    _check_place(path)
    case = _images(run) if run.config.kind == "images" else _windows(run, series)
    temporary = path.with_name(f".{path.name}-{os.getpid()}")
    try:
        temporary.mkdir(parents=True)
        difference = case.difference(WRITERS[kind](case.make, temporary))
        if not difference <= CLOSE:
            raise SeqlabError(_differs(run, kind, difference))
        made = Exported(path, kind, difference, len(case.raw))
        _describe(temporary / ABOUT, run, case, made, series)
        _moved(temporary, path)
    except OSError as error:
        raise SeqlabError(
            f"{path}: cannot be written: {error.strerror or error}. Name another --out"
        ) from error
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
    return made


@dataclass(frozen=True)
class _Case:
    """A run as a graph, and what the model makes of some raw inputs."""

    make: Callable[[str], RawGraph]
    raw: np.ndarray
    wanted: np.ndarray
    scale: float

    def difference(self, runs: Callable[[np.ndarray], np.ndarray]) -> float:
        found = runs(self.raw)
        if found.shape != self.wanted.shape:
            return float("inf")
        return float(np.abs(found - self.wanted).max() / self.scale)


def _windows(run: Run, series: str | int | None) -> _Case:
    """Windows from all of a series, and the model's forecasts for them."""
    predictor, make = Predictor(run), partial(of_series, run, series=series)
    part = run.split.parts[predictor.plain.of(series, rows=True).number]
    first, last = predictor.window, len(part.series) - predictor.horizon
    if last < first:
        raise SeqlabError(
            f"{part.series.name}: {len(part.series)} rows hold no window of {first} and its horizon, with"
            " which an export could be compared. Name a longer series by --series, or train on more rows"
        )
    origins = np.linspace(first, last, COMPARED).astype(int)
    windows = at_origins(part, run.config, [origins], predictor.horizon)
    values = windows.raw()[0].astype(np.float64)
    raw = columns_of(run, part.number).rows(part.series, values, origins - first, predictor.horizon)
    return _Case(make, raw, predictor(windows), float(np.std(part.series.values)) or 1.0)


def _images(run: Run) -> _Case:
    """Pictures of noise, for the run's own may be far away, and the model's answers."""
    check_model(run.model, len(classes_of(run)))
    shape = (COMPARED, *run.model.input_shape[1:])
    raw = np.random.default_rng(0).integers(0, 256, shape, np.uint8)
    raw[: COMPARED // 2] //= np.arange(2, 2 + COMPARED // 2, dtype=np.uint8)[:, None, None, None]
    graph = of_images(run)
    return _Case(lambda _: graph, raw, np.asarray(graph.function()(raw)), 1.0)


def _differs(run: Run, kind: str, difference: float) -> str:
    better = "" if kind == "savedmodel" else ". Use savedmodel, which computes as the training did"
    return (
        f"{run.path}: as {kind} its answers differ from the model's by {difference:.1e} of the scale"
        f" (at most {CLOSE:g}), so that nothing was kept{better}"
    )


def _describe(file: Path, run: Run, case: _Case, made: Exported, series: Any) -> None:
    graph = case.make("float64")
    about = {
        "run": run.path.name,
        "model_sha256": hashlib.sha256((run.path / "model.keras").read_bytes()).hexdigest(),
        "format": made.kind,
        "takes": {
            "name": graph.takes,
            "shape": ["batch", *graph.shape],
            **_columns(graph),
        },
        "gives": {"name": graph.gives, "shape": ["batch", *case.wanted.shape[1:]]},
        "series": series,
        "classes": run.record.get("classes"),
        "difference": made.difference,
        "compared": made.compared,
        "versions": {name: version(name) for name in ("seqlab", "tensorflow", "keras", "numpy")},
    }
    file.write_text(json.dumps(about, indent=2) + "\n")


def _columns(graph: RawGraph) -> dict[str, Any]:
    """Of a table the names of its columns, and what the numbers of words count."""
    if graph.columns is None or len(graph.columns.names) == 1:
        return {}
    labels = graph.columns.labels
    return {"columns": graph.columns.names, **({"labels": labels} if labels else {})}


def _check_place(path: Path) -> None:
    """A folder that is empty, is not there, or holds an export."""
    if path.exists() and not path.is_dir():
        raise SeqlabError(f"{path}: this is a file. Name another --out")
    if path.exists() and any(path.iterdir()) and not (path / ABOUT).exists():
        raise SeqlabError(f"{path}: is not empty, and holds no export. Name another --out")


def _moved(temporary: Path, path: Path) -> None:
    """Put a whole folder in its place; what was there before goes when the new one is there."""
    old = path.with_name(f".{path.name}-{os.getpid()}-old")
    if path.exists():
        path.rename(old)
    temporary.rename(path)
    shutil.rmtree(old, ignore_errors=True)
