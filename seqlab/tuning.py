"""A search for the options of a training by Optuna, the extra ``[tune]``: which network, and how trained.

Trials are compared by their forecasts of the validation part, in the units of the file, of rows that are
the same for all of them, because losses of different scalings, windows and batches are not comparable.
The search is given data whose test part holds no values, so that it cannot look there.

A search is a folder::

    study.db       Optuna's database (SQLite), with every trial
    tune.json      what is searched on which data, so that another search does not go on with it
    trial-007/     the run folder of the best trial, trained like any other run
"""

import hashlib
import json
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from seqlab import runs, spaces, train
from seqlab._bounded_files import read_json
from seqlab.config import SEARCHED, Config
from seqlab.datasets import Panel, PanelSplit, Series, load, split
from seqlab.errors import SeqlabError, check_positive
from seqlab.series_files import fingerprint
from seqlab.trials import measure_of, try_config

__all__ = ["Trial", "Tuning", "default_folder", "train_best", "tune"]

STARTUP = 8  # trials before Optuna's sampler goes by what it has seen


@dataclass(frozen=True)
class Trial:
    """One that came to its end.

    Attributes:
        values: of the options that are searched, by their names.
        loss: of the validation part; infinite if it could not be trained.
        seconds: that it took.
        error: why it could not be trained; empty if it could.
    """

    values: Mapping[str, Any]
    loss: float
    seconds: float
    error: str = ""

    def to_json(self) -> dict[str, Any]:
        """For ``--json``; no loss is null."""
        return {**asdict(self), "loss": None if self.error else self.loss}


@dataclass(frozen=True)
class Tuning:
    """What a search has found so far.

    Attributes:
        folder: where its database is.
        config: what it began with.
        measure: what a trial's loss is called.
        trials: in the order in which they were chosen.
    """

    folder: Path
    config: Config
    measure: str
    trials: tuple[Trial, ...]

    @property
    def best(self) -> int:
        """The place of the trial with the lowest loss; of equal ones the first."""
        return int(np.argmin([one.loss for one in self.trials]))

    @property
    def best_config(self) -> Config:
        """The config of that trial."""
        return spaces.applied(self.config, self.trials[self.best].values)

    def to_json(self) -> dict[str, Any]:
        """What ``--json`` prints of it."""
        trials = [one.to_json() for one in self.trials]
        return {
            "folder": str(self.folder),
            "database": str(self.folder / "study.db"),
            "measure": self.measure,
            "best": {"trial": self.best + 1, **trials[self.best]},
            "trials": trials,
        }


def tune(
    config: Config,
    folder: Path | None = None,
    searched: Sequence[str] = SEARCHED,
    trials: int = 20,
    jobs: int | None = None,
    data: Series | Panel | None = None,
    report: Callable[[Tuning], None] = lambda _: None,
) -> Tuning:
    """Search for a config with a low loss on the validation part; the test part is never looked at.

    The first trial is the config itself. An interrupted search goes on where it was, and so does a
    finished one that is asked for more trials; it finds what one without interruption would have found.

    Args:
        config: what is not searched, and where the search begins; its seed is the search's own, too.
        folder: of the search; by default `default_folder`.
        searched: names of options; see `seqlab.config.SEARCHED`.
        trials: how many in all.
        jobs: trials at a time, through joblib; None takes what ``joblib.parallel_config`` says, which may
            be a backend of Dask or Ray, or else one. So many trials are chosen at once, and told at once.
        data: what ``load(config.data)`` gives, where that is at hand.
        report: called with what there is, at first and after each round of trials.

    Raises:
        SeqlabError: without Optuna; a folder with another search; nothing to search, or to compare by; no
            trial that could be trained.
    """
    _optuna()
    check_positive("trials", trials)
    if not config.data.validate:
        raise SeqlabError("trials are compared by the validation part: leave out --no-validation")
    data = load(config.data) if data is None else data
    clean = split(data, config.data, config.needs)
    every = (data,) if isinstance(data, Series) else data.series
    space = spaces.space(config, searched, every)
    if not space:
        raise SeqlabError("nothing to search: every option is given. Leave some of them out")
    search = _Search(folder or default_folder(config, searched, data), config, space, data)
    blind = spaces.blinded(data, clean)
    longest = max(config.data.window, *space.get("window", (0,)))
    measure = measure_of(config, isinstance(clean, PanelSplit))
    while True:
        found = Tuning(search.folder, config, measure, search.finished())
        report(found)
        if len(found.trials) >= trials:
            return _trained(found)
        search.round(jobs, trials, blind, longest)


def train_best(found: Tuning, data: Series | Panel, callbacks: Sequence[Any] = ()) -> runs.Run:
    """The best trial as an ordinary run, in the search's folder; an interrupted training goes on."""
    path = found.folder / f"trial-{found.best + 1:03}"
    if (path / "config.json").exists():
        return train.resume(runs.load(path), callbacks)
    config = found.best_config
    return train.start(config, path, callbacks, split(data, config.data, config.needs))


def default_folder(config: Config, searched: Sequence[str], data: Series | Panel) -> Path:
    """A folder in ``runs/`` that the same search on the same data always has."""
    text = json.dumps([config.to_json(), sorted(searched), fingerprint(data)])
    name = f"{Path(config.data.source).stem}-tune-{hashlib.sha256(text.encode()).hexdigest()[:8]}"
    return runs.RUNS / name


class _Search:
    """Optuna's study in a folder: which trials are done, and which come next."""

    def __init__(
        self, folder: Path, config: Config, space: spaces.Space, data: Series | Panel
    ) -> None:
        self.optuna, self.folder, self.config, self.space = _optuna(), folder, config, space
        self.states = self.optuna.trial.TrialState
        _claim(
            folder,
            {"config": config.to_json(), "space": _plain(space), "sha256": fingerprint(data)},
        )
        self.optuna.logging.set_verbosity(self.optuna.logging.WARNING)
        storage = f"sqlite:///{(folder / 'study.db').resolve()}"
        self.study = self.optuna.create_study(
            storage=storage, study_name="tune", load_if_exists=True
        )
        interrupted = self.study.get_trials(states=(self.states.RUNNING,))
        for trial in interrupted:  # they are chosen again, before any other
            self.study.enqueue_trial(trial.params)
            self.study.tell(trial.number, state=self.states.FAIL)
        if not self.study.trials:
            self.study.enqueue_trial(spaces.values_of(config, space))

    def finished(self) -> tuple[Trial, ...]:
        """Those that are done, in the order in which they were chosen."""
        done = self.study.get_trials(states=(self.states.COMPLETE, self.states.PRUNED))
        return tuple(
            Trial(t.params, float("inf") if t.value is None else t.value, **t.user_attrs)
            for t in done
        )

    def round(self, jobs: int | None, trials: int, data: Series | Panel, longest: int) -> None:
        """As many trials as there are jobs."""
        import joblib

        done = len(self.finished())
        count = min(joblib.effective_n_jobs(jobs), trials - done)
        asked = [self._ask(done + i) for i in range(count)]
        work = [
            joblib.delayed(_try)(self.config, trial.params, data, longest, os.getpid())
            for trial in asked
        ]
        for trial, made in zip(asked, joblib.Parallel(n_jobs=jobs)(work), strict=True):
            self._tell(trial, *made)

    def _ask(self, number: int) -> Any:
        """The next trial. Its chance is its number's own: it is the same after an interruption."""
        seed = np.random.SeedSequence((self.config.train.seed, number)).generate_state(1)
        self.study.sampler = self.optuna.samplers.TPESampler(
            seed=int(seed[0]), n_startup_trials=STARTUP
        )
        kinds = self.optuna.distributions
        made = {name: _distribution(kinds, what) for name, what in self.space.items()}
        return self.study.ask(made)

    def _tell(self, trial: Any, loss: float, seconds: float, error: str) -> None:
        trial.set_user_attr("seconds", seconds)
        trial.set_user_attr("error", error)
        if error:  # which the sampler takes as worse than any loss
            self.study.tell(trial, state=self.states.PRUNED)
        else:
            self.study.tell(trial, loss)


def _try(
    config: Config, values: Mapping[str, Any], data: Series | Panel, longest: int, parent: int
) -> tuple[float, float, str]:
    """What a job does; options that contradict each other are an outcome like others."""
    try:
        chosen = spaces.applied(config, values)
    except SeqlabError as error:
        return float("inf"), 0.0, str(error)
    return try_config(chosen, data, longest, parent)


def _trained(found: Tuning) -> Tuning:
    if all(one.error for one in found.trials):
        raise SeqlabError(
            f"none of {len(found.trials)} trials could be trained. The first: {found.trials[0].error}"
        )
    return found


def _claim(folder: Path, facts: dict[str, Any]) -> None:
    """Write what is searched into the folder, or see that it is what is searched there already."""
    file = folder / "tune.json"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if file.exists():
            known = read_json(file)
        elif any(folder.iterdir()):
            raise SeqlabError(f"{folder}: is not empty, and holds no search. Use another --out")
        else:
            known = json.loads(json.dumps(facts))
            with runs.written(file) as temporary:
                temporary.write_text(json.dumps(facts, indent=2) + "\n")
    except (OSError, ValueError) as error:
        if isinstance(error, SeqlabError):
            raise
        raise SeqlabError(f"{folder}: cannot be used: {error}. Use another --out") from error
    if known != json.loads(json.dumps(facts)):
        raise SeqlabError(
            f"{folder}: holds a search with other options or on other data. Repeat its command, or use"
            " another --out"
        )


def _plain(space: spaces.Space) -> dict[str, Any]:
    return {n: asdict(w) if isinstance(w, spaces.Range) else list(w) for n, w in space.items()}


def _distribution(kinds: Any, what: spaces.Range | tuple[Any, ...]) -> Any:
    if not isinstance(what, spaces.Range):
        return kinds.CategoricalDistribution(what)
    whole = isinstance(what.low, int) and isinstance(what.high, int)
    kind = kinds.IntDistribution if whole else kinds.FloatDistribution
    return kind(what.low, what.high, log=what.log)


def _optuna() -> Any:
    try:
        import optuna  # here, because it is not always there and loads slowly
    except ImportError as error:
        raise SeqlabError("a search needs a further package: pip install 'seqlab[tune]'") from error
    return optuna
