"""One training of a command: made or gone on with, where it is to run, shown while it goes.

TensorFlow is loaded where it is needed.
"""

import dataclasses
from pathlib import Path
from typing import Any

from seqlab import image_commands
from seqlab._cluster import chief, of_environment
from seqlab._leftovers import put_aside
from seqlab._signals import Interrupted, number_of
from seqlab._told import told
from seqlab.config import Config
from seqlab.errors import SeqlabError
from seqlab.terminal import say

__all__ = ["progress", "train_run"]


def train_run(
    config: Config,
    out: str | None,
    resume: bool = False,
    quiet: bool = False,
    tensorboard: bool = False,
    device: str = "auto",
) -> Any:
    """Train with a progress bar, from the beginning or from where an equal run was interrupted.

    With `tensorboard`, also write files for it into the run's folder. Of several workers the chief does
    this; the others train with it and write nothing.
    """
    workers = of_environment(config.train.strategy) is not None
    if workers:  # which are joined before anything is computed
        _place(config, quiet, device)
    if not chief(config.train.strategy):
        return _follow(config)
    run = _begun(config, out, resume)
    put_aside(run)  # a new run has none
    if _finished(run, config.train.strategy):
        say(*([] if quiet else [f"{run.path}: finished already; nothing to resume"]))
        return run
    shown: list[Any] = []
    try:
        from seqlab import train as trainer

        if not workers:
            _place(config, quiet, device)
        if config.kind == "images" and not quiet:
            told(*image_commands.notes(run))
        shown += [] if quiet else [progress(), *_diagnosis(run)]
        return trainer.resume(run, [*shown, *(_events(run) if tensorboard else [])])
    except KeyboardInterrupt as error:
        raise _interrupted(run, error) from None
    finally:
        for callback in shown:  # Keras does not call this when something is raised
            callback.on_train_end()


def _begun(config: Config, out: str | None, resume: bool) -> Any:
    """The run to go on with, or else a new one."""
    from seqlab import runs as folders
    from seqlab.run_data import parts

    run = _unfinished(config, out) if resume else None
    if run is not None:
        return run
    whole, split = parts(config)
    return folders.create(config, whole, Path(out) if out else None, split)


def _interrupted(run: Any, error: KeyboardInterrupt) -> Interrupted:
    from seqlab.checkpoints import newest, step_of

    kept = newest(run.path / "checkpoints")
    step = step_of(kept) if kept else 0
    return Interrupted(
        f"interrupted; {run.path} keeps the checkpoint of step {step}."
        " Go on with the same command and --resume",
        number_of(error),
    )


def _place(config: Config, quiet: bool, device: str) -> None:
    """Set threads and devices, meet the other workers if there are any, and say what was taken."""
    from seqlab import _strategy, tasks

    tasks.set_threads(config)
    lines = [*_strategy.use_device(device), _strategy.chosen(config.train.strategy).about]
    if not quiet:
        told(*lines)


def _follow(config: Config) -> Any:
    """The training of a worker that is not the chief."""
    from seqlab import _strategy
    from seqlab import train as trainer
    from seqlab.run_data import parts

    data = parts(config)[1]
    if _strategy.chosen(config.train.strategy).agreed(0):  # the chief's run is finished
        return None
    try:
        return trainer.start(config, data=data)
    except KeyboardInterrupt as error:
        raise Interrupted(
            "interrupted; the chief keeps the checkpoint. Go on with the same command and --resume",
            number_of(error),
        ) from None


def _finished(run: Any, strategy: str) -> bool:
    """Whether there is nothing to do; other workers are told."""
    if of_environment(strategy) is None:
        return bool(run.finished)
    from seqlab import _strategy

    return bool(_strategy.chosen(strategy).agreed(int(run.finished)))


def _unfinished(config: Config, out: str | None) -> Any:
    """The run to go on with: in this folder, or the newest of this config that is not finished."""
    from seqlab import runs as folders

    if out:
        run = folders.load(out) if Path(out, "config.json").exists() else None
        if run is not None and run.config != config:
            raise SeqlabError(
                f"{out}: made with other options ({_difference(run.config, config)})."
                " Repeat its command, or use another --out"
            )
        return run
    equal = [run for run in folders.listed() if run.config == config]
    return next((run for run in reversed(equal) if not run.finished), equal[-1] if equal else None)


def _difference(one: Config, other: Config) -> str:
    parts = []
    for field in dataclasses.fields(Config):
        old, new = (dataclasses.asdict(getattr(c, field.name)) for c in (one, other))
        parts += [
            f"{name} {old[name]!r}, now {new[name]!r}" for name in old if old[name] != new[name]
        ]
    return "; ".join(parts)


def _diagnosis(run: Any) -> list[Any]:
    if run.config.kind != "images":
        return []
    from seqlab.diagnostics import Diagnosis

    return [Diagnosis(run.split, told)]


def _events(run: Any) -> list[Any]:
    from seqlab.event_files import FOLDER, EventFiles

    return [EventFiles(run.path / FOLDER)]


def progress() -> Any:
    """A callback that shows how far a training is: a bar in a terminal, lines elsewhere."""
    import sys

    from seqlab.progress import ProgressBar, ProgressLines

    return ProgressBar() if sys.stdout.isatty() else ProgressLines()
