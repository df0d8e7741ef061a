"""From the options of a command to the config that they mean."""

import os
from argparse import Namespace
from typing import Any

from seqlab.config import Config, DataConfig, ModelConfig, TrainConfig
from seqlab.errors import SeqlabError

__all__ = ["make_config", "make_data_config"]


def make_config(options: Namespace) -> Config:
    """The config that `seqlab train`'s options mean.

    Raises:
        SeqlabError: options that contradict each other, or values that cannot be used.
    """
    model = options.model or ("bidirectional" if options.bidirectional else "stacked")
    if options.bidirectional and model != "bidirectional":
        raise SeqlabError(f"`--bidirectional` contradicts --model {model}: leave out one of them")
    return Config(
        make_data_config(options),
        ModelConfig(
            model,
            options.cell,
            options.layers,
            options.hidden,
            options.dropout,
            options.loss,
            tuple(options.levels or ModelConfig.levels),
            options.under,
            options.segment,
            options.straight,
        ),
        TrainConfig(
            options.steps,
            options.batch,
            options.optimizer,
            options.learning_rate,
            options.schedule,
            seed=options.seed,
        ),
    )


def make_data_config(options: Namespace) -> DataConfig:
    """The part of it that says which rows become which windows.

    Raises:
        SeqlabError: values that cannot be used.
    """
    from seqlab.series import NAMED

    usual = NAMED.get(options.data)
    source = options.data if usual else os.path.abspath(options.data)
    same = [
        "target",
        "id",
        "wide",
        "time",
        "short",
        "season",
        "missing",
        "scaling",
        "transform",
        "strategy",
        "weigh",
        "validation",
    ]
    same += ["test", "look_back", "calendar"]
    columns = ["past", "future", "static", "categories"]
    given: dict[str, Any] = {name: getattr(options, name) for name in same}
    given |= {name: tuple(getattr(options, name) or ()) for name in columns}
    return DataConfig(
        source if usual or os.path.exists(source) else options.data,
        window=options.window or (usual.window if usual else 30),
        validate=not getattr(options, "no_validation", False),
        horizon=options.horizon or (usual.horizon if usual else 1),
        **given,
    )
