"""What a run is made of, as frozen values that a JSON file can hold.

This module imports nothing heavy, so that a wrong argument is refused before TensorFlow is loaded.
"""

import dataclasses
from dataclasses import dataclass, field
from typing import Any

from seqlab._bounded_files import parsed
from seqlab._plain_values import plain_values
from seqlab.errors import SeqlabError, check_choice, check_positive
from seqlab.image_config import ImageConfig, NetworkConfig
from seqlab.model_config import CELLS, COUNTS, FORECASTERS, LOSSES, MODELS, ModelConfig
from seqlab.train_config import OPTIMIZERS, PRECISIONS, SCHEDULES, SPREADS, TrainConfig

__all__ = [
    "CELLS",
    "COUNTS",
    "DIFFERENCES",
    "EXPORTS",
    "FORECASTERS",
    "FORMAT",
    "LOSSES",
    "MODELS",
    "NEEDS",
    "OPTIMIZERS",
    "PRECISIONS",
    "RETRAIN",
    "SCALINGS",
    "SCHEDULES",
    "SEARCHED",
    "SHORT",
    "SPREADS",
    "STRATEGIES",
    "TRANSFORMS",
    "WEIGH",
    "Config",
    "DataConfig",
    "ImageConfig",
    "ModelConfig",
    "NetworkConfig",
    "TrainConfig",
]

FORMAT = 1  # version of the run folder; a reader refuses what is newer than itself
# What a model asks for beside the values of a series; see panel.Encoding.
NEEDS: dict[str, tuple[str, ...]] = {
    "encoder_decoder": ("truth",),
    "autoregressive": ("truth",),
    "smoothed": ("series", "phase"),
}
SCALINGS = ("last", "change", "standard", "robust", "minmax", "window", "recent", "mean", "none")
OWN = ("window", "recent")  # by each window's own mean and spread
TRANSFORMS = ("none", "log", "boxcox")
RETRAIN = ("never", "expanding", "sliding")  # the networks of a backtest
MISSING = ("error", "interpolate", "drop")
SHORT = ("error", "drop", "pad")
STRATEGIES = ("direct", "recursive")
DIFFERENCES = ("none", "season")
WEIGH = ("evenly", "relative")  # by the network's scale; by what sMAPE and MASE make of an error
EXPORTS = ("savedmodel", "tflite", "onnx", "numpy")  # formats of `seqlab export`
LAYOUTS = ("steps", "features")
MOST_SEASON = 10**8  # rows: of what a forecaster learns there is one for each
MOST_SYNTHETIC = 10**5  # series: a network has learned what they can teach long before
# What `seqlab tune` chooses, where it is not given.
_NETWORK = ("model", "cell", "layers", "hidden", "dropout")
SEARCHED = (*_NETWORK, "window", "scaling", "batch", "learning_rate")


@dataclass(frozen=True)
class DataConfig:
    """Which series, and how it is cut into windows."""

    source: str = "sin"  # a name that `seqlab data` lists, or a file
    target: str | None = None  # column of a file
    id: str | None = None  # column that says which series a row is of
    wide: bool = False  # every numeric column that has no other role is a series
    time: str | None = None  # column of times
    past: tuple[str, ...] = ()  # columns known up to the row of a forecast
    future: tuple[str, ...] = ()  # columns known ahead
    static: tuple[str, ...] = ()  # numbers that belong to a series as a whole
    categories: tuple[str, ...] = ()  # labels that do
    short: str = "error"  # what becomes of series with too few rows: see SHORT
    window: int = 10  # T
    horizon: int = 1  # P
    season: int | None = None  # rows per season, for the seasonal baseline and MASE
    missing: str = "error"
    scaling: str = "last"  # see scaling.Scaler
    layout: str = "steps"  # [T, D]; "features" is [D, T]: the whole window as ONE step
    validate: bool = True  # keep the end of the training part for validation
    difference: str = "none"  # "season": changes since the season before, in place of values
    validation: int | None = None  # rows of it; None: a share
    transform: str = "none"  # of the values, before they are scaled
    test: str | None = None  # rows of the test part, or the time at which it begins
    strategy: str = "direct"  # all P steps at once; "recursive" is one, on its own output
    weigh: str = "evenly"  # windows of several series: see WEIGH
    look_back: bool = False  # inputs of validation and test may reach back over the cut
    calendar: bool = False  # tell the network where in the day, week and year each row lies
    synthetic: int = 0  # made-up series to learn from, too; see seqlab.companions

    def __post_init__(self) -> None:
        for name in ("past", "future", "static", "categories"):  # which JSON knows as lists
            object.__setattr__(self, name, tuple(getattr(self, name)))
        check_choice("short", self.short, SHORT)
        if self.wide and (self.target is not None or self.id is not None):
            raise SeqlabError("`wide` takes every numeric column: leave out `target` and `id`")
        check_positive("window", self.window)
        check_positive("horizon", self.horizon)
        if self.season is not None:
            check_positive("season", self.season, most=MOST_SEASON)
        if self.validation is not None:
            check_positive("validation", self.validation)
        check_choice("missing", self.missing, MISSING)
        check_choice("scaling", self.scaling, SCALINGS)
        check_choice("layout", self.layout, LAYOUTS)
        check_choice("transform", self.transform, TRANSFORMS)
        check_choice("strategy", self.strategy, STRATEGIES)
        check_choice("weigh", self.weigh, WEIGH)
        check_choice("difference", self.difference, DIFFERENCES)
        if self.strategy == "recursive" and self.past:
            raise SeqlabError(
                "`past` columns are not known ahead, where --strategy recursive needs them."
                " Use --strategy direct, or name them as --future if they are known"
            )
        if self.scaling == "last" and self.window < 2:
            raise SeqlabError(
                "`window` must be at least 2: inputs are changes within it. Received: 1"
            )
        if self.synthetic != 0:
            self._check_synthetic()

    def _check_synthetic(self) -> None:
        check_positive("synthetic", self.synthetic, most=MOST_SYNTHETIC)
        names = ("past", "future", "static", "categories", "calendar")
        if given := [f"--{name}" for name in names if getattr(self, name)]:
            raise SeqlabError(
                f"--synthetic makes up values alone, and no columns beside them: leave out"
                f" {', '.join(given)}, or --synthetic"
            )
        if self.scaling in (
            "none",
            "mean",
        ):  # of which made-up values, of another size, know nothing
            raise SeqlabError(
                "--synthetic makes up series of a size of their own, which --scaling must take away: use"
                f" recent, window, last or another. Received: {self.scaling}"
            )

    @property
    def ahead(self) -> int:
        """Steps that the network itself gives: the horizon, or one."""
        return self.horizon if self.strategy == "direct" else 1


@dataclass(frozen=True)
class Config:
    """Everything that decides a run's result; two runs with equal configs give equal weights.

    Attributes:
        data: a DataConfig, or for images an ImageConfig.
        model: a ModelConfig, or for images a NetworkConfig.
        train: how.
    """

    data: Any = field(default_factory=DataConfig)
    model: Any = field(default_factory=ModelConfig)
    train: TrainConfig = field(default_factory=TrainConfig)

    def __post_init__(self) -> None:
        if (type(self.data), type(self.model)) not in KINDS.values():
            raise SeqlabError(
                "`data` and `model` must be DataConfig and ModelConfig, or ImageConfig and"
                f" NetworkConfig. Received: {type(self.data).__name__}, {type(self.model).__name__}"
            )
        if self.kind == "series":
            self._check_series()

    def _check_series(self) -> None:
        scaling, model = self.data.scaling, self.model.model
        if model == "smoothed" and (
            scaling not in ("none", "mean") or self.data.transform != "none"
        ):
            raise SeqlabError(
                "the model smoothed takes values as they are, or over their mean: use --scaling mean,"
                f" without --transform. Received: {scaling}, {self.data.transform}"
            )
        if self.model.affine and (scaling not in OWN or self.data.layout != "steps"):
            raise SeqlabError(
                f"`affine` is the trained half of scaling each window by itself: use --scaling"
                f" {' or '.join(OWN)}, and the layout steps. Received: {scaling}, {self.data.layout}"
            )
        if self.model.loss == COUNTS:
            self._check_counts()

    def _check_counts(self) -> None:
        """Scaled counts are none; see `seqlab.heads.Counts` for what the network makes of them."""
        changed = {
            name: getattr(self.data, name) for name in ("scaling", "transform", "difference")
        }
        if set(changed.values()) != {"none"}:
            given = ", ".join(f"--{name} {value}" for name, value in changed.items())
            raise SeqlabError(
                f"--loss {COUNTS} is of counts as they are, and the network itself sees them over their"
                " window's mean: use --scaling none, without --transform and --difference."
                f" Received: {given}"
            )
        if self.model.model == "smoothed":
            raise SeqlabError(
                f"the model smoothed takes its logarithm of values, so that --loss {COUNTS} has none for"
                " the zeros among counts. Use --loss gaussian, or another --model"
            )

    def check_new(self) -> None:
        """Refuse what is no use to train, though runs of it are there and load.

        Raises:
            SeqlabError: a network that decodes step by step, which another loop would ask for one step.
        """
        if self.kind == "images" or self.data.strategy != "recursive":
            return
        if self.model.model in FORECASTERS:
            raise SeqlabError(
                f"the model {self.model.model} itself goes step by step over the horizon: leave out"
                f" --strategy recursive, by which it would learn one step, or use --model {MODELS[0]}"
            )

    @property
    def kind(self) -> str:
        """``series`` or ``images``."""
        return "images" if isinstance(self.data, ImageConfig) else "series"

    def to_json(self) -> dict[str, Any]:
        """Plain dicts, for ``config.json``."""
        return {"kind": self.kind, **dataclasses.asdict(self)}

    @property
    def needs(self) -> tuple[str, ...]:
        """What model and loss ask for: beside the values, or of them."""
        counts = (COUNTS,) if self.model.loss == COUNTS else ()
        return (*NEEDS.get(self.model.model, ()), *counts)

    @classmethod
    def from_json(cls, text: str) -> "Config":
        """Read what `to_json` wrote; further keys beside the three parts are left alone.

        Raises:
            SeqlabError: the text is not such an object; or a key or value is unknown to this version.
        """
        try:
            parts = parsed(text)
            data, model = KINDS[parts.get("kind", "series")]  # which older files do not name
            return cls(
                *(
                    plain_values(part, parts[name])
                    for name, part in (("data", data), ("model", model), ("train", TrainConfig))
                )
            )
        except SeqlabError:
            raise
        except (TypeError, KeyError, AttributeError, ValueError, OverflowError) as error:
            raise SeqlabError(f"not a configuration of seqlab: {error}") from error


KINDS: dict[str, tuple[type, type]] = {
    "series": (DataConfig, ModelConfig),
    "images": (ImageConfig, NetworkConfig),
}
