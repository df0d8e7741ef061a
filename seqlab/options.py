"""From the options of a command to the config that they mean, and back."""

import dataclasses
import os
import shlex
from argparse import Namespace
from typing import Any

from seqlab.config import SEARCHED, Config, DataConfig, ModelConfig, TrainConfig
from seqlab.errors import SeqlabError
from seqlab.image_options import check_kind, is_images, make_image_config, with_data

__all__ = ["make_config", "make_data_config", "make_search", "make_train_config", "train_command"]

# Options that are fields of TrainConfig, whose defaults are theirs.
TRAINING = (
    *("steps", "epochs", "batch", "optimizer", "learning_rate", "schedule", "decay", "staircase"),
    *("momentum", "weight_decay", "l1", "l2", "ema", "precision", "precise_bn", "warm_up"),
    *("clip", "evaluations", "patience", "keep", "seed"),
)


def make_config(options: Namespace) -> Config:
    """The config that `seqlab train`'s options mean.

    Raises:
        SeqlabError: options that contradict each other, or values that cannot be used.
    """
    options = with_data(options)
    check_kind(options)
    if is_images(options):
        return make_image_config(options, _given(options))
    config = Config(
        make_data_config(options),
        ModelConfig(
            _model(options),
            options.cell,
            options.layers,
            options.hidden,
            options.dropout,
            options.loss,
            tuple(options.levels or ModelConfig.levels),
            options.under,
            options.segment,
            options.straight,
            options.affine,
        ),
        make_train_config(options),
    )
    config.check_new()
    return config


def _model(options: Namespace) -> str:
    """The network, which other options may mean, too."""
    asked = {}
    if options.bidirectional:
        asked["--bidirectional"] = "bidirectional"
    if getattr(options, "decoder", False):
        asked["--strategy encoder-decoder"] = "encoder_decoder"
    model: str = options.model or next(iter(asked.values()), "stacked")
    for option, name in asked.items():
        if name != model:
            raise SeqlabError(f"`{option}` contradicts --model {model}: leave out one of them")
    return model


def make_train_config(options: Namespace) -> TrainConfig:
    """The part of it that says how to train.

    Raises:
        SeqlabError: values that contradict each other.
    """
    return TrainConfig(**_given(options))


def _given(options: Namespace) -> dict[str, Any]:
    """The fields of TrainConfig that were written out."""
    spread = getattr(options, "spread", None)
    return {
        name: getattr(options, name) for name in TRAINING if f"--{_flag(name)}" in options.given
    } | ({} if spread is None else {"strategy": spread})


def make_search(options: Namespace) -> tuple[Config, tuple[str, ...]]:
    """The config that `seqlab tune`'s options begin with, and the names of those that are searched.

    What is given is kept, and what is left out is searched.

    Raises:
        SeqlabError: options that contradict each other, or data that are images.
    """
    if is_images(options):
        raise SeqlabError(
            f"{options.data} are images, and tune searches for series. Use seqlab train"
        )
    given = vars(options) | ({"model": "bidirectional"} if options.bidirectional else {})
    searched = tuple(name for name in SEARCHED if given[name] is None)
    usual = {
        field.name: field.default
        for part in (DataConfig, ModelConfig, TrainConfig)
        for field in dataclasses.fields(part)
        if field.name in searched and field.name not in ("model", "window")
    }
    return make_config(Namespace(**vars(options) | usual)), searched


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
        synthetic=getattr(options, "synthetic", 0),
        horizon=options.horizon or (usual.horizon if usual else 1),
        **given,
    )


def train_command(config: Config, out: str | None = None) -> str:
    """The `seqlab train` that means this config, without the options that say what is the default.

    Window and horizon are always written out, since some series have defaults of their own.
    """
    words = ["seqlab", "train", _shown(config.data.source)]
    for part in (config.data, config.model, config.train):
        for field in dataclasses.fields(part):
            value = getattr(part, field.name)
            always = field.name in ("window", "horizon")
            if field.name != "source" and (always or value != field.default):
                words += _words(field.name, value)
    return shlex.join(words + ([] if out is None else ["--out", out]))


def _words(name: str, value: Any) -> list[str]:
    """The option that sets a field of the config to this value."""
    if name == "validate":
        return ["--no-validation"]
    flag = f"--{name.replace('_', '-')}"
    if isinstance(value, bool):
        return [flag]
    values = value if isinstance(value, tuple) else (value,)
    return [flag, *("none" if v is None else str(v) for v in values)]


def _shown(source: str) -> str:
    """A file as it is reached from here, where that is shorter."""
    near = os.path.relpath(source) if os.path.isabs(source) else source
    return near if len(near) < len(source) else source


def _flag(name: str) -> str:
    return name.replace("_", "-")
