"""What a network is given beside the values: columns, what is known ahead, attributes of a series."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

__all__ = ["Covariates", "one_hot", "seen"]


@dataclass(frozen=True)
class Covariates:
    """Scaled columns and attributes, in the rows of the values that they belong to.

    Attributes:
        past: ``[N, C]``, known up to a row; or None.
        future: ``[N, F]``, known of rows to come, too, such as the calendar or a price list; or None.
        static: ``[S, C]``, attributes of the series; or None.
        categories: int32 ``[S, K]``, codes of the series' categories, 0 for what the training part
            has not seen; or None.
        series: int32 ``[S]``, which series, for networks that learn something of each; or None.
        phase: int32 ``[N]``, the row's place in its season; or None.
        truth: whether the targets are among the inputs, for networks that feed them back in training.
    """

    past: np.ndarray | None = None
    future: np.ndarray | None = None
    static: np.ndarray | None = None
    categories: np.ndarray | None = None
    series: np.ndarray | None = None
    phase: np.ndarray | None = None
    truth: bool = False

    def __bool__(self) -> bool:
        return self.truth or any(
            value is not None for value in vars(self).values() if value is not False
        )

    @classmethod
    def joined(cls, parts: Sequence["Covariates"]) -> "Covariates":
        """Those of several series, end to end as their values are."""
        names = ("past", "future", "static", "categories", "series", "phase")
        columns = {name: [getattr(part, name) for part in parts] for name in names}
        joined = {n: np.concatenate(c) for n, c in columns.items() if c[0] is not None}
        return cls(**joined, truth=parts[0].truth)

    def __getitem__(self, rows: slice | np.ndarray) -> "Covariates":
        """Those of some of the rows."""
        cut = {name: getattr(self, name) for name in ("past", "future", "phase")}
        return replace(self, **{name: v[rows] for name, v in cut.items() if v is not None})

    @property
    def features(self) -> int:
        """Columns that are joined to the values' own at each step of a window."""
        return sum(v.shape[1] for v in (self.past, self.future) if v is not None)

    def inputs(
        self, scaled: np.ndarray, starts: np.ndarray, owner: np.ndarray, horizon: int
    ) -> dict[str, np.ndarray]:
        """A network's inputs by name, for windows that begin at these rows.

        Args:
            scaled: ``[..., T, D]``, the values' own features.
            starts: ``[...]``, each window's first row.
            owner: ``[...]``, each window's series.
            horizon: P.
        """
        window = scaled.shape[-2]
        steps = starts[..., None] + np.arange(window)
        columns = [v[steps] for v in (self.past, self.future) if v is not None]
        made = {"past": np.concatenate([scaled, *columns], axis=-1) if columns else scaled}
        if self.future is not None:
            made["future"] = self.future[starts[..., None] + window + np.arange(horizon)]
        for name in ("static", "categories", "series"):
            of_series = getattr(self, name)
            if of_series is not None:
                made[name] = of_series[owner]
        if self.phase is not None:
            made["phase"] = self.phase[starts]
        return made


def seen(
    columns: Sequence[np.ndarray], labels: Sequence[Sequence[str]]
) -> tuple[np.ndarray | None, ...]:
    """Of each column the codes that these rows ``[N, C]`` of several series hold; None for numbers."""
    return tuple(
        np.unique(np.concatenate([rows[:, j] for rows in columns])) if names else None
        for j, names in enumerate(labels)
    )


def one_hot(
    columns: np.ndarray, scaled: np.ndarray, known: Sequence[np.ndarray | None]
) -> np.ndarray:
    """Of ``columns [N, C]`` the scaled numbers, and a column of 0 and 1 for each label that is known.

    A label that is not has zeros in all of them.
    """
    parts = [
        scaled[:, j : j + 1] if codes is None else (columns[:, j : j + 1] == codes)
        for j, codes in enumerate(known)
    ]
    return np.concatenate(parts, axis=1, dtype=np.float32) if parts else scaled
