"""The M4 competition's files: one series a row, empty cells where a row is shorter than the longest.

Makridakis, Spiliotis and Assimakopoulos (2020); github.com/Mcompetitions/M4-methods.
"""

import csv
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class M4:
    """One frequency of M4: S series in the order of their file.

    Attributes:
        ids: S names, such as ``H1``.
        training: S arrays ``[N]`` of different lengths.
        truth: ``[S, P]``, what came after.
        season: rows per season, 24 for Hourly.
    """

    ids: list[str]
    training: list[np.ndarray]
    truth: np.ndarray
    season: int

    @property
    def horizon(self):
        return self.truth.shape[1]


def load(folder, frequency="Hourly"):
    """Series of a frequency, from ``m4/`` in the folder of real data."""
    folder = folder / "m4"
    training = rows(folder / f"{frequency}-train.csv")
    after = rows(folder / f"{frequency}-test.csv")
    with open(folder / "M4-info.csv", newline="") as file:
        season = next(
            int(row["Frequency"]) for row in csv.DictReader(file) if row["SP"] == frequency
        )
    truth = np.stack([after[name] for name in training])
    return M4(list(training), list(training.values()), truth, season)


def rows(path):
    """Name to values of each row; what is empty or NA at its end is left out."""
    with open(path, newline="") as file:
        lines = csv.reader(file)
        next(lines)
        return {
            name: np.array([float(cell) for cell in cells if cell not in ("", "NA")])
            for name, *cells in lines
        }
