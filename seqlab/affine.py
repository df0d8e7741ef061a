"""The trained half of reversible instance normalisation: a gain and a shift, undone at the end."""

from typing import Any

from seqlab._tensorflow import keras
from seqlab.likelihoods import LIKELIHOODS

__all__ = ["Affine"]

ops = keras.ops


@keras.saving.register_keras_serializable("seqlab")
class Affine(keras.layers.Layer):
    """``layer(past)``: the target times gamma, plus beta; ``layer(outputs, back=True)`` undoes it.

    They begin at 1 and 0. Gamma is the exponential of what is learned: above 0, where quantiles keep
    their order and distributions have a spread. A network can turn signs by itself.

    Source: Kim et al. (2022), RevIN, equations 2 and 3, whose mean and standard deviation of each window
    are taken and given back by `seqlab.scaling.Scaler`. Columns beside the target are not scaled by
    windows, and so have neither.

    Args:
        loss: of the network, which says what its outputs are.
        kwargs: of Keras' layers.
    """

    def __init__(self, loss: str, **kwargs: Any) -> None:
        super().__init__(**{"dtype": "float32", **kwargs})
        self.loss_name = loss

    def build(self, input_shape: Any) -> None:
        """Make the two numbers."""
        del input_shape
        self.log_gamma = self.add_weight(shape=(), initializer="zeros", name="log_gamma")
        self.beta = self.add_weight(shape=(), initializer="zeros", name="beta")

    def call(self, values: Any, back: bool = False) -> Any:
        """Windows ``[B, T, D]``, the target first; or outputs ``[B, P]`` or ``[B, P, M]`` back."""
        gamma = ops.exp(self.log_gamma)
        if not back:
            target = values[:, :, :1] * gamma + self.beta
            return ops.concatenate([target, values[:, :, 1:]], axis=-1)
        if self.loss_name in LIKELIHOODS:
            likelihood = LIKELIHOODS[self.loss_name]
            return likelihood.rescale(values, 1 / gamma, -self.beta / gamma, ops.stack)
        return (values - self.beta) / gamma

    def get_config(self) -> dict[str, Any]:
        """The arguments of the constructor."""
        return {**super().get_config(), "loss": self.loss_name}
