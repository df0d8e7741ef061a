"""The tasks of forecasting.py for others to train on: plain arrays, and one way to measure forecasts."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property, partial

import _forecasting_tasks as tasks
import _m4
import numpy as np

from seqlab import datasets, metrics, naive
from seqlab.companions import companions
from seqlab.config import Config, DataConfig, ModelConfig, TrainConfig
from seqlab.datasets import PanelSplit, Split


@dataclass(frozen=True)
class Job:
    """What is trained on, seqlab's settings for it, and ``measures(forecast)`` of ``[W, P]`` by name."""

    split: Split | PanelSplit
    data: DataConfig
    model: ModelConfig
    training: TrainConfig
    measures: Callable

    @property
    def windows(self):
        """How many windows a training sees, each as often as it is drawn."""
        return self.training.steps * self.training.batch

    @property
    def series(self):
        """The training rows ``[N]`` of each series."""
        return [part.train.values for part in self.split.parts]

    @property
    def made_up(self):
        """The values ``[N]`` of each made-up series that is trained on beside them."""
        config = Config(self.data, self.model, self.training)
        return [one.values for one in companions(config, self.split)] if self.data.synthetic else []

    def inputs(self, rows):
        """``[W, rows]``: the last that is known before each forecast that is measured."""
        values = [part.series.values for part in self.split.parts]
        pairs = zip(self.owner, self.ends, strict=True)
        return np.stack([values[s][end - rows : end] for s, end in pairs])

    @cached_property
    def owner(self):
        """``[W]``: the series of each."""
        parts = self.split.parts
        return np.repeat(np.arange(len(parts)), [len(part.test) for part in parts])

    @cached_property
    def ends(self):
        """``[W]``: the row of its series that each forecasts first."""
        firsts = [p.test.first_row + p.test.begins(slice(None)) for p in self.split.parts]
        return np.concatenate(firsts) + self.data.window


def airline(folder):
    config = tasks.AIRLINE
    split = _split(datasets.load(config.data), config.data, config.model)

    def measures(forecast):
        truth = split.test.raw()[1]
        return {"MAPE": metrics.mape(truth, forecast), "RMSE": metrics.rmse(truth, forecast)}

    return Job(split, config.data, config.model, config.train, measures)


def m4_hourly(folder):
    m4, data = _m4.load(folder), tasks.replace(tasks.M4_DATA, validate=False)
    split = _split(tasks.m4_panel(m4), data, tasks.M4_MODEL)
    naive2 = np.stack([naive.naive2(v, m4.horizon, m4.season) for v in m4.training])
    return Job(
        split,
        data,
        tasks.M4_MODEL,
        tasks.M4_TRAINING,
        lambda forecast: tasks.m4_scores(m4, forecast, naive2),
    )


def ett_long(folder):
    data = tasks.ETT_DATA
    split = _split(tasks.ett(folder, 20 * tasks.MONTH), data, tasks.ETT_MODEL)
    return Job(split, data, tasks.ETT_MODEL, tasks.ETT_TRAINING, partial(tasks.ett_scores, split))


def ett_short(folder):
    panel = tasks.ett(folder, None)
    data = tasks.short_data(panel)
    split = _split(panel, data, tasks.SHORT_MODEL)

    def measures(forecast):
        scales = [metrics.mase_scale(p.train.values, data.season) for p in split.parts]
        scale = np.repeat(scales, [len(part.test) for part in split.parts])
        return {"MASE": metrics.mase(split.test.raw()[1], forecast, scale)}

    return Job(split, data, tasks.SHORT_MODEL, tasks.SHORT_TRAINING, measures)


def _split(panel, data, model):
    return datasets.split(panel, data, Config(data, model).needs)


JOBS = {"airline": airline, "m4": m4_hourly, "ett-long": ett_long, "ett-short": ett_short}
