"""How each image network is trained: as its chapter says, with the trap mended; and as well as we know.

A recipe is what `seqlab train --recipe` starts from; every option beside it replaces a part of it. The
best ones were chosen on validation images, and so that five epochs of CIFAR-10 are enough.
`benchmarks/images.py` measures both kinds; docs/results/images.md has what came of it.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Any

from seqlab.config import Config, ImageConfig, NetworkConfig, TrainConfig
from seqlab.errors import SeqlabError, check_choice

__all__ = ["KINDS", "RECIPES", "USUAL", "Recipe", "find"]

KINDS = ("chapter", "best")
BFLOAT16 = "mixed_bfloat16"
STATISTICS = 10_000  # images that those of batch normalisation are taken over


@dataclass(frozen=True)
class Recipe:
    """The settings of a training.

    Attributes:
        train: how.
        augment: a name of `augmentation.CHAINS`.
        label_smoothing: see `losses.SparseCrossEntropy`.
        options: of the network.
    """

    train: TrainConfig
    augment: str = "none"
    label_smoothing: float = 0.0
    options: Mapping[str, Any] = field(default_factory=dict)

    def config(
        self, network: str, source: str, data_dir: str | None = None, **train: Any
    ) -> Config:
        """The config of a run.

        Args:
            network: whose recipe it is.
            source: the images; see `ImageConfig`.
            data_dir: where their files are.
            train: fields of TrainConfig to be others than the recipe's.
        """
        return Config(
            ImageConfig(source, data_dir, augment=self.augment),
            NetworkConfig(network, dict(self.options), self.label_smoothing),
            self.trained(**train),
        )

    def trained(self, **changes: Any) -> TrainConfig:
        """`train` with changes; what goes with a setting that is replaced goes, too."""
        away: dict[str, Any] = {}
        if {"steps", "epochs"} & set(changes):
            away |= {"steps": None, "epochs": None}
        if "schedule" in changes:
            away |= {"decay": None, "staircase": False}
        if "optimizer" in changes:
            away |= {"momentum": 0.0}
        if changes.get("epochs"):
            away["evaluations"] = changes["epochs"]
        return replace(self.train, **{**away, **changes})


def find(network: str, kind: str, source: str | None = None) -> Recipe:
    """The recipe of a network, for these images where they have one of their own.

    Raises:
        SeqlabError: no such kind, or a network without recipes.
    """
    check_choice("recipe", kind, KINDS)
    if network not in RECIPES:
        names = ", ".join(RECIPES)
        raise SeqlabError(f"{network} has no recipe. There are some for {names}")
    return OF_SETS.get((network, source), RECIPES[network])[kind]


def _train(**settings: Any) -> TrainConfig:
    """Without the bounds and the early end that are usual for series; an evaluation per epoch."""
    usual: dict[str, Any] = {"clip": None, "patience": None, "learning_rate": 0.001}
    return TrainConfig(**{**usual, "evaluations": settings.get("epochs", 20), **settings})


def _lectures(batch: int = 32, precise_bn: int | None = STATISTICS) -> Recipe:
    """The habits of the lectures (C14).

    At a constant rate, or with few steps in an epoch, moving statistics of batch normalisation trail
    behind (C9); these are taken anew.
    """
    return Recipe(
        _train(epochs=5, batch=batch, schedule="constant", precise_bn=precise_bn),
    )


def _book(rate: float, steps: int) -> TrainConfig:
    """The book's training: gradient descent whose rate falls by 1 % per epoch, averaged weights."""
    return _train(
        steps=steps,
        batch=100,
        optimizer="sgd",
        learning_rate=rate,
        schedule="exponential",
        decay=0.99,
        staircase=True,
        ema=0.99,
        evaluations=steps // 1000,
    )


def _fast(epochs: int, batch: int, rate: float, **settings: Any) -> TrainConfig:
    """Adam up to a high rate and down to zero, averaged weights."""
    return _train(epochs=epochs, batch=batch, learning_rate=rate, ema=0.99, **settings)


def _deep(batch: int = 64, rate: float = 0.001, **settings: Any) -> Recipe:
    return Recipe(_fast(5, batch, rate, precision=BFLOAT16, **settings), "flip-shift")


USUAL = Recipe(TrainConfig(batch=64, learning_rate=0.001, clip=None))  # without --recipe
RECIPES: Mapping[str, Mapping[str, Recipe]] = MappingProxyType(
    {
        "mlp": {
            "chapter": Recipe(_book(0.8, 15_000)),
            "best": Recipe(_fast(15, 100, 0.002, precision=BFLOAT16), "shift-1"),
        },
        # LeCun et al. (1998) pass 20 times over the set, at a rate that falls.
        "lenet5": {
            "chapter": Recipe(_train(epochs=20, batch=64)),
            "best": Recipe(_fast(12, 64, 0.003), "shift-1"),
        },
        # The printed rate of 0.8 is the trap: nothing is learned with it.
        "lenet5_book": {
            "chapter": Recipe(_book(0.01, 30_000)),
            "best": Recipe(_fast(8, 64, 0.002, precision=BFLOAT16), "shift-1"),
        },
        "lenet_three": {
            "chapter": Recipe(
                _train(epochs=100, batch=128, optimizer="rmsprop", schedule="constant")
            ),
            "best": Recipe(_fast(40, 64, 0.001, precision=BFLOAT16), "turn"),
        },
        "baseline": {
            "chapter": _lectures(),
            "best": Recipe(
                _fast(5, 64, 0.002), "flip-standardise", options={"dropout": 0.0, "ghost": 32}
            ),
        },
        "lenet5_sigmoid": {
            "chapter": _lectures(precise_bn=None),
            "best": Recipe(_fast(5, 64, 0.008), "flip-standardise", options={"gain": 3.0}),
        },
        # Krizhevsky et al. (2012), section 5; the chapter itself loads weights and does not train.
        "alexnet": {
            "chapter": Recipe(
                _train(
                    epochs=90,
                    batch=128,
                    optimizer="sgd",
                    momentum=0.9,
                    learning_rate=0.01,
                    schedule="plateau",
                    weight_decay=5e-4,
                ),
                "flip-shift",
            ),
            "best": _deep(),
        },
        "alexnet8": {"chapter": _lectures(), "best": _deep()},
        # Averaged weights of so many layers do not fit averages of their statistics.
        "vgg16": {"chapter": _lectures(), "best": _deep(precise_bn=2000)},
        # See `inception10` for the rest of its traps.
        "inception10": {
            "chapter": _lectures(1024),
            "best": Recipe(_fast(5, 64, 0.004, precision=BFLOAT16), "flip-shift-2"),
        },
        "resnet18": {"chapter": _lectures(), "best": _deep()},
        "resnet_small": {
            "chapter": Recipe(
                _train(
                    steps=100_000,
                    batch=20,
                    schedule="constant",
                    evaluations=40,
                    precise_bn=STATISTICS,
                ),
                "chapter",
            ),
            "best": _deep(32, 0.002),
        },
    }
)
# Few images need more epochs.
OF_SETS: Mapping[tuple[str, str | None], Mapping[str, Recipe]] = MappingProxyType(
    {
        ("lenet5_book", "digits"): {
            "chapter": RECIPES["lenet5_book"]["chapter"],
            "best": Recipe(_fast(100, 32, 0.002), "turn-1"),
        }
    }
)
