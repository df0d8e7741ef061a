"""Columns of words that change in time: codes in their place, from which `covariates` makes columns."""

from collections.abc import Iterable

import numpy as np
import pandas as pd

from seqlab import tables
from seqlab.errors import SeqlabError

__all__ = ["coded"]

NUMBER = r"[\W\d_]*\d[\W\d_]*"  # no letter: with a comma, a currency, a per cent, or dashes, a date
MOST = 100  # labels of a column, each of which is a column of the network's inputs


def coded(
    frame: pd.DataFrame, names: Iterable[str]
) -> tuple[pd.DataFrame, dict[str, tuple[str, ...]]]:
    """The table with the place of each label, counted from 0, instead of it; and the labels, sorted.

    Columns that hold a number, or what is meant for one, such as 1,5, are left as they are: words in them
    are refused later.

    Raises:
        SeqlabError: a column of too many labels.
    """
    found, codes = {}, {}
    for name in names:
        column = frame[name].astype(object)
        there = column.notna().to_numpy()
        if not there.any() or tables.numeric(column).notna().any():
            continue
        if column[there].astype(str).str.fullmatch(NUMBER).any():
            continue
        labels, places = np.unique(column[there].astype(str).to_numpy(str), return_inverse=True)
        if len(labels) > MOST:
            raise SeqlabError(
                f"column {name!r}: {len(labels):,} different labels, {str(labels[0])!r} the first; at"
                f" most {MOST} can be told apart. Group them, or leave the column out"
            )
        codes[name] = np.full(len(frame), np.nan)
        codes[name][there] = places
        found[name] = tuple(labels.tolist())
    return (frame.assign(**codes) if codes else frame), found
