"""From the options of a command to the config that they mean."""

import os
from argparse import Namespace
from typing import Any

from seqlab.config import Config, DataConfig, ModelConfig, TrainConfig
from seqlab.errors import SeqlabError
from seqlab.image_options import check_kind, is_images, make_image_config

__all__ = ["make_config", "make_data_config", "make_train_config"]

# Options that are fields of TrainConfig, whose defaults are theirs.
TRAINING = (
    *("steps", "epochs", "batch", "optimizer", "learning_rate", "schedule", "decay", "staircase"),
    *("momentum", "weight_decay", "ema", "precision", "seed"),
)


def make_config(options: Namespace) -> Config:
    """The config that `seqlab train`'s options mean.

    Raises:
        SeqlabError: options that contradict each other, or values that cannot be used.
    """
    check_kind(options)
    if is_images(options):
        return make_image_config(options, _given(options))
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
        make_train_config(options),
    )


def make_train_config(options: Namespace) -> TrainConfig:
    """The part of it that says how to train.

    Raises:
        SeqlabError: values that contradict each other.
    """
    return TrainConfig(**_given(options))


def _given(options: Namespace) -> dict[str, Any]:
    """The fields of TrainConfig that were written out."""
    return {
        name: getattr(options, name) for name in TRAINING if f"--{_flag(name)}" in options.given
    }


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
        "difference",
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


def _flag(name: str) -> str:
    return name.replace("_", "-")
