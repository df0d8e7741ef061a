"""Several series that one network learns together, and the columns that come beside their values."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from seqlab import calendars
from seqlab.covariates import Covariates, one_hot, seen
from seqlab.errors import SeqlabError
from seqlab.series import Series

__all__ = ["Encoding", "Panel"]

Known = tuple[np.ndarray | None, ...]


@dataclass(frozen=True)
class Panel:
    """S series with the same columns beside them.

    Attributes:
        name: what plots and tables call it.
        series: S of them, with different names.
        empty: names of further ones, of which the table holds no value.
    """

    name: str
    series: tuple[Series, ...]
    empty: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.series)


@dataclass(frozen=True)
class Encoding:
    """How columns become numbers for a network; all of it learned from the training parts.

    Attributes:
        past: mean and standard deviation of each past column, ``[C]`` each.
        future: the same of the columns that are known ahead, ``[F]``.
        static: the same of the attributes of series, ``[C]``.
        codes: for each category, its values to 1, 2, ...; 0 is for what is not among them.
        cycles: of the calendar, those that the longest training part has seen.
        labels: of past and of future columns of words, the codes that the training parts hold.
    """

    past: tuple[np.ndarray, np.ndarray]
    future: tuple[np.ndarray, np.ndarray]
    static: tuple[np.ndarray, np.ndarray]
    codes: tuple[dict[str, int], ...] = field(default=())
    cycles: tuple[str, ...] = ()
    labels: tuple[Known, Known] = ((), ())

    @classmethod
    def fit(cls, series: Sequence[Series], rows: Sequence[int]) -> "Encoding":
        """Measure the first rows of each series, as many as its training part has."""
        pairs = list(zip(series, rows, strict=True))
        times = [s.times[:n] for s, n in pairs if s.times is not None]
        labels = zip(*(s.categories for s in series), strict=True)
        past = [s.past[:n] for s, n in pairs if s.past is not None]
        future = [s.future[:n] for s, n in pairs if s.future is not None]
        return cls(
            _measure(past),
            _measure(future),
            _measure([s.static[None] for s in series if s.static is not None]),
            tuple({label: i + 1 for i, label in enumerate(sorted(set(found)))} for found in labels),
            max(map(calendars.cycles, times), key=len, default=()),
            (seen(past, series[0].past_labels), seen(future, series[0].future_labels)),
        )

    def of(
        self,
        series: Series,
        number: int,
        needs: Sequence[str],
        calendar: bool = False,
        ahead: int = 0,
        padding: int | None = None,
        later: int = 0,
    ) -> Covariates | None:
        """What a network is given beside the values of this series, all its rows; None if nothing.

        Args:
            series: it.
            number: its place in the panel, from 0.
            needs: what else a model asks for: ``series``, ``phase``, ``truth``.
            calendar: whether to add the calendar's columns to those that are known ahead.
            ahead: rows beyond the last value.
            padding: rows of it before the first value. If it is not None a past column says which rows
                are values, 1, and which are padding, 0.
            later: rows by which it begins after the one whose season was learned.

        Raises:
            SeqlabError: a calendar without times.
        """
        future = _scaled(series.future, self.future, self.labels[1])
        if calendar:
            columns = self._calendar(series, ahead)
            known = [] if future is None else [future[: len(columns)]]
            future = np.concatenate([*known, columns], axis=1)
        rows, before = len(series) + ahead, padding or 0
        phase = np.arange(later - before, later + rows, dtype=np.int32) % (series.season or 1)
        past = _longer(_scaled(series.past, self.past, self.labels[0]), ahead)
        made = Covariates(
            past=past if padding is None else _marked(past, rows, before),
            future=future if future is None else _behind(future[:rows], before),
            static=None if series.static is None else _scaled(series.static[None], self.static),
            categories=self._codes(series),
            series=np.array([number], np.int32) if "series" in needs else None,
            phase=phase if "phase" in needs else None,
            truth="truth" in needs,
        )
        return made or None

    def unseen(self, series: Sequence[Series]) -> dict[str, int]:
        """Labels in columns of words that no training part holds, and how many rows do."""
        found: Counter[str] = Counter()
        for one in series:
            columns = (one.past, one.past_labels), (one.future, one.future_labels)
            for (values, labels), known in zip(columns, self.labels, strict=True):
                for j, codes in enumerate(known):
                    if values is not None and codes is not None:
                        new = values[~np.isin(values[:, j], codes), j]
                        found.update(labels[j][int(code)] for code in new)
        return found

    @property
    def sizes(self) -> tuple[int, ...]:
        """How many codes each category has, the 0 included."""
        return tuple(len(codes) + 1 for codes in self.codes)

    def _calendar(self, series: Series, ahead: int) -> np.ndarray:
        times = series.times
        if times is None:
            raise SeqlabError(
                f"{series.name}: --calendar needs times, and its rows are only counted"
            )
        more = series.times_ahead(ahead)
        if ahead and more is None:
            raise SeqlabError(
                f"{series.name}: --calendar needs times at an even step to look ahead"
            )
        return calendars.features(times.append(more) if ahead else times, self.cycles)

    def _codes(self, series: Series) -> np.ndarray | None:
        if not series.categories:
            return None
        pairs = zip(self.codes, series.categories, strict=True)
        return np.array([[codes.get(label, 0) for codes, label in pairs]], np.int32)


def _longer(columns: np.ndarray | None, rows: int) -> np.ndarray | None:
    """With rows behind the end, so that it is as long as the values; no window looks at them."""
    return columns if columns is None else np.pad(columns, ((0, rows), (0, 0)))


def _behind(columns: np.ndarray, rows: int) -> np.ndarray:
    """With so many rows before them, which repeat the first."""
    return np.pad(columns, ((rows, 0), (0, 0)), mode="edge")


def _marked(columns: np.ndarray | None, rows: int, before: int) -> np.ndarray:
    """Columns behind padding, and one more that tells them apart from it."""
    mark = np.r_[np.zeros(before, np.float32), np.ones(rows, np.float32)][:, None]
    return mark if columns is None else np.concatenate([_behind(columns, before), mark], axis=1)


def _measure(columns: Sequence[np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    if not columns:
        return np.empty(0), np.empty(0)
    values = np.concatenate(columns).astype(np.float64)
    spread = values.std(axis=0)
    return values.mean(axis=0), np.where(spread > 0, spread, 1.0)


def _scaled(
    columns: np.ndarray | None, about: tuple[np.ndarray, np.ndarray], known: Known = ()
) -> np.ndarray | None:
    if columns is None:
        return None
    mean, spread = about
    scaled = np.asarray((columns - mean) / spread, np.float32)
    return one_hot(columns, scaled, known) if known else scaled
