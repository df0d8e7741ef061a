"""What a run is made of, as frozen values that a JSON file can hold.

This module imports nothing heavy, so that a wrong argument is refused before TensorFlow is loaded.
"""

import dataclasses
from dataclasses import dataclass, field
from typing import Any

from seqlab._bounded_files import parsed
from seqlab._plain_values import plain_values
from seqlab.errors import SeqlabError, check_choice, check_fraction, check_positive
from seqlab.image_config import ImageConfig, NetworkConfig
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
# A test holds these equal to the classes of cells.CELLS and to the builders of models.MODELS.
CELLS = ("rnn", "lstm", "gru", "layernorm_lstm", "coupled_lstm", "mingru", "minlstm", "slstm")
MODELS = ("stacked", "bidirectional", "segments")
FORECASTERS = ("encoder_decoder", "autoregressive", "smoothed")  # models.FORECASTERS
COUNTS = (
    "negative_binomial"  # the likelihood of counts, and what asks for them among `Config.needs`
)
LIKELIHOODS = ("gaussian", "student", COUNTS)
LOSSES = ("mse", "mae", "huber", "asymmetric", "quantile", *LIKELIHOODS)
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
LAYERS = 1_000  # at most: each is traced by itself, so that more of them take hours
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
class ModelConfig:
    """A recurrent model: everything but the shapes, which the data decide."""

    model: str = "stacked"
    cell: str = "lstm"
    layers: int = 2
    hidden: int = 30  # H, in every layer
    dropout: float = 0.0  # share of each layer's outputs that is dropped while training
    loss: str = "mse"  # see losses.LOSSES; it brings the network's last layer with it
    levels: tuple[float, ...] = (0.1, 0.5, 0.9)  # of the loss `quantile`
    under: float = (
        10.0  # of the loss `asymmetric`: the cost of a unit too little, to 1 for one too much
    )
    segment: int | None = None  # rows in one recurrent step of the model segments; see there
    straight: bool = False  # segments: a straight line from the window to the forecast beside it
    affine: bool = False  # a trained gain and shift around the network; see affine.Affine

    def __post_init__(self) -> None:
        object.__setattr__(self, "levels", tuple(self.levels))  # which JSON knows as a list
        check_choice("loss", self.loss, LOSSES)
        check_positive("under", self.under, float)
        check_choice("model", self.model, (*MODELS, *FORECASTERS))
        check_choice("cell", self.cell, CELLS)
        check_positive("layers", self.layers, most=LAYERS)
        check_positive("hidden", self.hidden)
        check_fraction("dropout", self.dropout)
        if self.segment is not None:
            check_positive("segment", self.segment)
        if self.model == "autoregressive" and self.loss not in LIKELIHOODS:
            raise SeqlabError(
                "the model autoregressive draws from a likelihood: use --loss"
                f" {' or '.join(LIKELIHOODS)}. Received: {self.loss}"
            )
        if self.model != "segments" and (self.segment is not None or self.straight):
            raise SeqlabError(
                f"`segment` and `straight` are of the model segments. Received: {self.model}"
            )

        if self.affine and self.model in FORECASTERS:
            raise SeqlabError(
                f"`affine` is around a network that gives its outputs at once, and the model {self.model}"
                f" brings its own scale: use {', '.join(MODELS)}, or leave it out"
            )

    @property
    def name(self) -> str:
        """As in the names of runs."""
        kind = self.cell if self.model == "stacked" else f"{self.model}-{self.cell}"
        return f"{kind}-{self.layers}x{self.hidden}"

    @property
    def about(self) -> str:
        """As in lists of runs."""
        return f"{self.model} {self.cell} {self.layers}x{self.hidden}"

    @property
    def loss_options(self) -> dict[str, Any]:
        """What this loss takes of the above."""
        options: dict[str, dict[str, Any]] = {
            "quantile": {"levels": self.levels},
            "asymmetric": {"under": self.under},
        }
        return options.get(self.loss, {})


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
