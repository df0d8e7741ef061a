"""scikit-learn estimators: a recurrent regressor and a recurrent classifier.

Both take sequences as ``[N, T]`` (each column is a step of one feature) or ``[N, T, D]``, and go where
scikit-learn's estimators go: pipelines, grid searches, cross validation. N counts rows here, one
sequence each. A fitted estimator holds arrays only, so it is pickled and copied as any other.
"""

import dataclasses
from typing import Any

import numpy as np
from sklearn.base import BaseEstimator, ClassifierMixin, RegressorMixin
from sklearn.model_selection import train_test_split
from sklearn.utils import check_random_state
from sklearn.utils.extmath import softmax
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import _check_sample_weight, check_is_fitted, validate_data

from seqlab import _networks
from seqlab._networks import Network, Rows
from seqlab.config import ModelConfig, TrainConfig
from seqlab.errors import SeqlabError, check_fraction, check_positive
from seqlab.train import count_steps

__all__ = ["RecurrentClassifier", "RecurrentRegressor"]

PATIENCE = 5  # evaluations, of which there are 20
FLOATS = [np.float64, np.float32]  # types of X that stay as they are

Arrays = tuple[np.ndarray, np.ndarray, np.ndarray]  # inputs, targets, weights of the same rows


class _Recurrent(BaseEstimator):
    """What the two share."""

    def __init__(
        self,
        cell: str = "lstm",
        *,
        layers: int = 1,
        units: int = 32,
        bidirectional: bool = False,
        dropout: float = 0.0,
        steps: int | None = None,
        batch_size: int = 32,
        learning_rate: float = 0.01,
        validation_fraction: float = 0.0,
        random_state: Any = None,
        verbose: int = 0,
    ) -> None:
        self.cell = cell
        self.layers = layers
        self.units = units
        self.bidirectional = bidirectional
        self.dropout = dropout
        self.steps = steps
        self.batch_size = batch_size
        self.learning_rate = learning_rate
        self.validation_fraction = validation_fraction
        self.random_state = random_state
        self.verbose = verbose

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.three_d_array = True
        return tags

    @property
    def model_(self) -> Any:
        """A new Keras model with the fitted weights."""
        check_is_fitted(self)
        model = _networks.build(self._network)
        model.set_weights(self.weights_)
        return model

    def _sequences(self, x: np.ndarray) -> np.ndarray:
        """``[N, T]`` or ``[N, T, D]`` to the latter."""
        if x.ndim > 3 or 0 in x.shape:
            raise SeqlabError(
                "X must be [rows, steps] or [rows, steps, features], with at least one of each."
                f" Received: {list(x.shape)}"
            )
        return x[..., None] if x.ndim == 2 else x

    def _fit(self, x: np.ndarray, targets: np.ndarray, outputs: int, weight: Any) -> None:
        """Train on sequences, and targets ``[N, P]`` or, of classes, ``[N]``."""
        config = self._config(outputs, x.shape[1:])
        weight = _check_sample_weight(weight, x, dtype=np.float64, ensure_non_negative=True)
        if not weight.any():
            raise SeqlabError("sample_weight is zero for every row. Give some a positive weight")
        arrays = _at(weight > 0, x, targets, weight)
        trained, held = self._cut(arrays[1], config.seed)
        merged = _merged(*_at(trained, *arrays))
        self._set_scales(*merged)
        self.n_steps_in_, self.n_channels_in_ = x.shape[1:]
        self.weights_, self.history_ = _networks.fit(
            self._network,
            dataclasses.replace(config, steps=count_steps(config, len(merged[0]))),
            self._rows(*merged),
            self._rows(*_at(held, *arrays)) if len(held) else None,
            self.verbose,
        )
        self.n_iter_ = self.history_["step"][-1]

    def _config(self, outputs: int, input_shape: tuple[int, int]) -> TrainConfig:
        """How to train; sets which network. Wrong parameters are refused by their own names."""
        check_positive("units", self.units)
        check_positive("batch_size", self.batch_size)
        check_fraction("validation_fraction", self.validation_fraction)
        kind = "bidirectional" if self.bidirectional else "stacked"
        model = ModelConfig(kind, self.cell, self.layers, self.units, self.dropout)
        self._network = Network(model, input_shape, outputs)
        return TrainConfig(
            steps=self.steps,
            batch=self.batch_size,
            learning_rate=self.learning_rate,
            seed=int(check_random_state(self.random_state).randint(2**31 - 1)),
            patience=PATIENCE,
        )

    def _cut(self, targets: np.ndarray, seed: int) -> tuple[np.ndarray, np.ndarray]:
        """Indices of the rows to train on, and of those held back."""
        raise NotImplementedError

    def _set_scales(self, x: np.ndarray, targets: np.ndarray, weight: np.ndarray) -> None:
        """Measure how to standardise."""
        del targets
        self.x_mean_, self.x_scale_ = _moments(x, weight)

    def _rows(self, x: np.ndarray, targets: np.ndarray, weight: np.ndarray) -> Rows:
        """Standardised, and weights of mean 1."""
        weight = (weight / weight.mean()).astype(np.float32)
        return Rows(self._standardised(x), targets.astype(np.float32), weight)

    def _standardised(self, x: np.ndarray) -> np.ndarray:
        return ((x - self.x_mean_) / self.x_scale_).astype(np.float32)

    def _outputs(self, X: Any) -> np.ndarray:
        """What the network answers to new rows, ``[N, P]`` in float64."""
        check_is_fitted(self)
        x = self._sequences(validate_data(self, X, reset=False, allow_nd=True, dtype=FLOATS))
        if x.shape[2] != self.n_channels_in_:
            raise SeqlabError(
                f"X has {x.shape[2]} features per step, but {type(self).__name__} was fitted on"
                f" {self.n_channels_in_}"
            )
        outputs = _networks.predict(self._network, self.weights_, self._standardised(x))
        return outputs.astype(np.float64)


class RecurrentRegressor(RegressorMixin, _Recurrent):
    """A recurrent network that answers each sequence with one number, or several.

    Layers over the sequence, then the last output of the top one through a dense layer.

    Inputs are standardised inside, each of the D features over all rows and steps that are trained on,
    and so are targets. Equal rows count as one row with the sum of their weights, and the order of
    the rows makes no difference (but for `validation_fraction`). The optimizer is Adam; its rate rises,
    then falls along a cosine. With the same `random_state` predictions have the same bits, whatever other
    rows they are made with.

    Args:
        cell: a name of `seqlab.config.CELLS`.
        layers: recurrent layers on top of each other.
        units: H of each layer.
        bidirectional: whether a second stack reads backwards.
        dropout: share of each layer's outputs that is dropped while training.
        steps: of the optimizer; None means 40 epochs, but at least 1 000 and at most 10 000 steps.
        batch_size: B.
        learning_rate: the highest.
        validation_fraction: share of the rows that is held back. Above 0 the weights of the best of 20
            evaluations on them are kept, and training ends when these are 5 evaluations old. The last
            rows are held back, which in order of time are the newest.
        random_state: seed of weights, batches and dropout, as scikit-learn has it.
        verbose: above 0, print a line per evaluation.

    Attributes:
        n_features_in_: columns of X, which are its steps: T.
        n_steps_in_: T.
        n_channels_in_: D.
        weights_: of the network, a list of arrays.
        model_: a new Keras model with these weights, from standardised inputs to standardised targets.
        x_mean_, x_scale_: ``[D]``, how inputs are standardised.
        y_mean_, y_scale_: ``[P]``, how targets are.
        history_: step, loss, learning_rate and with validation val_loss at each evaluation, each a list.
        n_iter_: optimizer steps taken.
    """

    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> "RecurrentRegressor":
        """Train a new network.

        Args:
            X: ``[N, T]`` or ``[N, T, D]``.
            y: ``[N]`` or ``[N, P]``.
            sample_weight: ``[N]``; by default all ones.

        Raises:
            ValueError: shapes, values or parameters that cannot be used; a training that diverges.
        """
        checks = {"dtype": FLOATS, "allow_nd": True, "multi_output": True, "y_numeric": True}
        X, y = validate_data(self, X, y, **checks)
        self._single = y.ndim == 1
        targets = y.reshape(len(y), -1)
        self._fit(self._sequences(X), targets, targets.shape[1], sample_weight)
        return self

    def predict(self, X: Any) -> np.ndarray:
        """Answers ``[N]`` or ``[N, P]``, as in training."""
        answers = self._outputs(X) * self.y_scale_ + self.y_mean_
        return answers[:, 0] if self._single else answers

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.target_tags.multi_output = True
        return tags

    def _cut(self, targets: np.ndarray, seed: int) -> tuple[np.ndarray, np.ndarray]:
        del seed
        indices = np.arange(len(targets))
        held = int(np.ceil(self.validation_fraction * len(targets)))
        if held == len(targets):
            raise SeqlabError(
                f"`validation_fraction` leaves none of {held} rows to train on. Give more rows, or 0"
            )
        return indices[: len(targets) - held], indices[len(targets) - held :]

    def _set_scales(self, x: np.ndarray, targets: np.ndarray, weight: np.ndarray) -> None:
        super()._set_scales(x, targets, weight)
        self.y_mean_, self.y_scale_ = _moments(targets, weight)

    def _rows(self, x: np.ndarray, targets: np.ndarray, weight: np.ndarray) -> Rows:
        return super()._rows(x, (targets - self.y_mean_) / self.y_scale_, weight)


class RecurrentClassifier(ClassifierMixin, _Recurrent):
    """A recurrent network that says to which class each sequence belongs.

    Arguments, attributes and what is done to inputs and rows are those of `RecurrentRegressor`, but
    `validation_fraction` holds back rows at random, the same share of every class, and the outputs of
    `model_` are logits. The loss is the cross entropy.

    Attributes:
        classes_: the labels, sorted.
    """

    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> "RecurrentClassifier":
        """Train a new network.

        Args:
            X: ``[N, T]`` or ``[N, T, D]``.
            y: labels ``[N]``, numbers or strings.
            sample_weight: ``[N]``; by default all ones.

        Raises:
            ValueError: shapes, values or parameters that cannot be used; a training that diverges.
        """
        X, y = validate_data(self, X, y, dtype=FLOATS, allow_nd=True)
        check_classification_targets(y)
        self.classes_, codes = np.unique(y, return_inverse=True)
        self._fit(self._sequences(X), codes, len(self.classes_), sample_weight)
        return self

    def predict(self, X: Any) -> np.ndarray:
        """The most probable label of each row, ``[N]``."""
        chances = self.predict_proba(X)  # first: it refuses what is not fitted
        return self.classes_[chances.argmax(axis=1)]

    def predict_proba(self, X: Any) -> np.ndarray:
        """Probabilities ``[N, classes]``, in the order of `classes_`."""
        return softmax(self._outputs(X))

    def _cut(self, targets: np.ndarray, seed: int) -> tuple[np.ndarray, np.ndarray]:
        indices = np.arange(len(targets))
        if not self.validation_fraction:
            return indices, indices[:0]
        return train_test_split(
            indices, test_size=self.validation_fraction, stratify=targets, random_state=seed
        )


def _at(index: np.ndarray, *arrays: np.ndarray) -> Arrays:
    """The same rows of inputs, targets and weights."""
    x, targets, weight = (array[index] for array in arrays)
    return x, targets, weight


def _merged(x: np.ndarray, targets: np.ndarray, weight: np.ndarray) -> Arrays:
    """Equal rows as one that has the sum of their weights, sorted in some way.

    A row of weight two is then two rows to the last bit.
    """
    count = len(x)
    flat = np.concatenate([x.reshape(count, -1), targets.reshape(count, -1)], axis=1) + 0.0  # no -0
    keys = np.ascontiguousarray(flat).view(np.dtype((np.void, flat.dtype.itemsize * flat.shape[1])))
    _, first, inverse = np.unique(keys[:, 0], return_index=True, return_inverse=True)
    return x[first], targets[first], np.bincount(inverse, weight)


def _moments(values: np.ndarray, weight: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Mean and standard deviation ``[D]`` of ``[N, ..., D]``, the rows weighted; one where it is zero."""

    def mean_of(values: np.ndarray) -> np.ndarray:
        rows = values.reshape(len(values), -1, values.shape[-1]).mean(axis=1, dtype=np.float64)
        return np.average(rows, axis=0, weights=weight)

    mean = mean_of(values)
    std = np.sqrt(mean_of(np.square(values - mean)))
    rounding = 10 * np.finfo(values.dtype).eps if values.dtype.kind == "f" else 0
    return mean, np.where(std > rounding * np.abs(mean), std, 1.0)
