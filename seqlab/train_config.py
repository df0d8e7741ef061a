"""How a model is trained, of series or of images: frozen values that a JSON file can hold.

This module imports nothing heavy, so that a wrong argument is refused before TensorFlow is loaded.
"""

from dataclasses import dataclass

from seqlab.errors import SeqlabError, check_choice, check_fraction, check_positive, check_seed

__all__ = ["MOMENTUM", "OPTIMIZERS", "PRECISIONS", "SCHEDULES", "SPREADS", "TrainConfig"]

OPTIMIZERS = ("adam", "adagrad", "rmsprop", "sgd")
MOMENTUM = ("sgd", "rmsprop")  # optimizers that have it
PRECISIONS = ("float32", "mixed_bfloat16")
SPREADS = ("auto", "one", "mirrored", "multiworker")
MOST_STEPS, MOST_EVALUATIONS = 10**9, 10**6  # whose edges still fit into memory
SCHEDULES = ("cosine", "exponential", "constant", "one-cycle", "plateau")


@dataclass(frozen=True)
class TrainConfig:
    """How a model is trained."""

    steps: int | None = None  # None: by epochs, or 40 of them, within 1 000 and 10 000 steps
    batch: int = 32  # B
    optimizer: str = "adam"
    learning_rate: float = 0.01
    schedule: str = "cosine"  # see train.make_optimizer
    clip: float | None = 1.0  # bound on the global norm of the gradient
    seed: int = 0
    evaluations: int = 20  # evenly spread; each takes the validation loss and writes a checkpoint
    patience: int | None = 8  # evaluations with a lower training but no lower validation loss
    epochs: int | None = None  # passes over the training part, instead of steps
    decay: float | None = None  # of exponential: factor per epoch; of plateau: at each, or a half
    staircase: bool = False  # that factor at the end of each epoch, not a little at each step
    momentum: float = 0.0  # of sgd and rmsprop
    weight_decay: float | None = None  # decoupled, of weights with more than one axis
    ema: float | None = None  # the weights' moving average, which is what evaluation uses
    precision: str = "float32"
    precise_bn: int | None = None  # rows whose statistics batch normalisation is evaluated with
    warm_up: float | None = None  # share of steps to rise in; None: as the schedule does
    keep: int = 3  # newest checkpoints that stay on disk; each has the best weights, too
    l1: float | None = None  # times the sum of |w| of all kernels, added to the loss of training
    l2: float | None = None  # times half the sum of their squares, TensorFlow 1's meaning
    strategy: str = "auto"  # of devices and workers; see docs/distributed.md

    def __post_init__(self) -> None:
        for name in ("steps", "epochs", "patience", "precise_bn"):
            if getattr(self, name) is not None:
                check_positive(name, getattr(self, name), most=MOST_STEPS)
        for name in ("clip", "decay", "weight_decay", "l1", "l2"):
            if getattr(self, name) is not None:
                check_positive(name, getattr(self, name), float)
        check_positive("batch", self.batch)
        check_positive("keep", self.keep)
        check_choice("optimizer", self.optimizer, OPTIMIZERS)
        check_positive("learning_rate", self.learning_rate, float)
        check_choice("schedule", self.schedule, SCHEDULES)
        check_positive("evaluations", self.evaluations, most=MOST_EVALUATIONS)
        check_fraction("momentum", self.momentum)
        if self.ema is not None:
            check_fraction("ema", self.ema)
        check_choice("precision", self.precision, PRECISIONS)
        check_choice("strategy", self.strategy, SPREADS)
        check_seed(self.seed)
        self._check_together()

    def _check_together(self) -> None:
        if self.steps is not None and self.epochs is not None:
            raise SeqlabError("`steps` and `epochs` both say how long: leave out one of them")
        if self.momentum and self.optimizer not in MOMENTUM:
            raise SeqlabError(
                f"`momentum` is of {' and '.join(MOMENTUM)}. Received: {self.optimizer}"
            )
        falls = ("exponential", "plateau")[: 1 if self.staircase else 2]
        if (self.decay is not None or self.staircase) and self.schedule not in falls:
            raise SeqlabError(
                f"`decay` and `staircase` are of the schedule exponential. Received: {self.schedule}"
            )
        if self.warm_up is not None:
            check_fraction("warm_up", self.warm_up)
            if self.schedule == "plateau":
                raise SeqlabError("`warm_up` is not of the schedule plateau: leave out one of them")
        if self.staircase and self.decay is None:
            raise SeqlabError("`staircase` needs `decay`, the factor at the end of each epoch")
