"""ETS and ARIMA, chosen by information criteria: baselines from statsforecast, the extra ``[classical]``.

Like the functions of `naive`: one series ``[N]`` in, the next P values out. Source: Hyndman and
Khandakar (2008), which has both searches.
"""

from collections.abc import Iterable
from types import ModuleType

import numpy as np

from seqlab.errors import SeqlabError, check_positive
from seqlab.naive import checked

__all__ = ["MODELS", "ROWS", "auto_arima", "check_there", "ets", "rolled"]

ETS_ROWS = 7  # statsforecast refuses fewer
MODELS = {"ets": "AutoETS", "auto_arima": "AutoARIMA"}  # and the names of statsforecast
ROWS = (10, 1_000)  # that `rolled` needs, and that it looks at: the last ones


def ets(values: np.ndarray, horizon: int, season: int = 1) -> np.ndarray:
    """Exponential smoothing; error, trend and season are chosen by AICc.

    Args:
        values: ``[N]``.
        horizon: P.
        season: rows per season; 1 is none.

    Raises:
        SeqlabError: without statsforecast, or for values that cannot be forecast.
    """
    return _forecast("AutoETS", checked(values, horizon, rows=ETS_ROWS), season, horizon)


def auto_arima(values: np.ndarray, horizon: int, season: int = 1) -> np.ndarray:
    """ARIMA; its differences are chosen by tests, its orders by AICc. Arguments as of `ets`."""
    return _forecast("AutoARIMA", checked(values, horizon), season, horizon)


def rolled(name: str, known: Iterable[np.ndarray], horizon: int, season: int = 1) -> np.ndarray:
    """Forecasts ``[W, P]`` of one series from W of its rows: fitted at the first, told of the others.

    Orders and coefficients are those of the first fit, as a network's weights are; levels, seasons and
    errors are those of each row.

    Args:
        name: in `MODELS`.
        known: for each forecast all values until then, each longer than the one before.
        horizon: P.
        season: rows per season; 1 is none.

    Raises:
        SeqlabError: without statsforecast, or for values that cannot be forecast.
    """
    check_positive("season", season)
    model, made = None, []
    for values in known:
        values = checked(values, horizon, rows=ROWS[0])[-ROWS[1] :]
        with np.errstate(all="ignore"):
            if model is None:
                model = getattr(_models(), MODELS[name])(season_length=season).fit(y=values)
            made.append(np.asarray(model.forward(y=values, h=horizon)["mean"], np.float64))
    return np.stack(made)


def check_there() -> None:
    """Say at once that statsforecast is missing, where it would be known late.

    Raises:
        SeqlabError: naming what to install.
    """
    _models()


def _forecast(name: str, values: np.ndarray, season: int, horizon: int) -> np.ndarray:
    check_positive("season", season)
    model = getattr(_models(), name)(season_length=season)
    # On short series some candidates have as many parameters as rows, and divide by zero.
    with np.errstate(all="ignore"):
        return np.asarray(model.forecast(y=values, h=horizon)["mean"], np.float64)


def _models() -> ModuleType:
    try:
        from statsforecast import models  # here, because it is not always there and loads slowly
    except ImportError as error:
        raise SeqlabError(
            "ETS and ARIMA need a further package: pip install 'seqlab[classical]'"
        ) from error
    return models
