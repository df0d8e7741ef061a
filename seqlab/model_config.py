"""How a recurrent model is built, as a part of a run's config."""

from dataclasses import dataclass
from typing import Any

from seqlab.errors import SeqlabError, check_choice, check_fraction, check_positive

__all__ = ["CELLS", "COUNTS", "FORECASTERS", "LIKELIHOODS", "LOSSES", "MODELS", "ModelConfig"]

# A test holds these equal to the classes of cells.CELLS and to the builders of models.MODELS.
CELLS = ("rnn", "lstm", "gru", "layernorm_lstm", "coupled_lstm", "mingru", "minlstm", "slstm")
MODELS = ("stacked", "bidirectional", "segments")
FORECASTERS = ("encoder_decoder", "autoregressive", "smoothed")  # models.FORECASTERS
# The likelihood of counts, and what asks for them among `Config.needs`.
COUNTS = "negative_binomial"
LIKELIHOODS = ("gaussian", "student", COUNTS)
LOSSES = ("mse", "mae", "huber", "asymmetric", "quantile", *LIKELIHOODS)
LAYERS = 1_000  # at most: each is traced by itself, so that more of them take hours


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
