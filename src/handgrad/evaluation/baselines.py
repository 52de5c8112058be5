"""Baselines for the network: the majority class, and logistic regression on the pixels."""

import warnings
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression
from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

# Inverse strength of the L2 penalty. Fixed beforehand, so that nothing of the baseline is selected; strong,
# since 3,072 correlated pixels and some thousand images invite overfitting.
REGULARISATION = 0.001
ITERATIONS = 1000


@dataclass(frozen=True)
class LinearClassifier:
    """Logits = inputs @ weight.T + bias; weight [classes, inputs], bias [classes]."""

    weight: NDArray[np.float64]
    bias: NDArray[np.float64]

    def logits(self, inputs: NDArray[np.floating[Any]]) -> NDArray[np.float64]:
        """The logits, [images, classes], of inputs [images, inputs]."""
        logits: NDArray[np.float64] = inputs @ self.weight.T + self.bias
        return logits


def majority_class(labels: NDArray[np.integer[Any]]) -> int:
    """The most frequent label; the lowest one if several are equally frequent."""
    return int(np.bincount(labels).argmax())


def logistic_regression(
    inputs: NDArray[np.floating[Any]], labels: NDArray[np.integer[Any]]
) -> tuple[LinearClassifier, int]:
    """Fit multinomial logistic regression with an L2 penalty by L-BFGS (scikit-learn).

    It runs on one thread, because the number of threads determines the order of summation and with it the
    last bits. It stops after `ITERATIONS` iterations, converged or not.

    Args:
        inputs: [images, inputs], normalised.
        labels: [images], every one of 0 to classes - 1 at least once.

    Returns:
        The classifier and the number of iterations.
    """
    model = LogisticRegression(C=REGULARISATION, max_iter=ITERATIONS)
    with threadpool_limits(1), warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        model.fit(inputs, labels)
    # safetensors assumes C order, which scikit-learn's weights do not always have.
    weight = model.coef_.astype(np.float64, order="C")
    bias = model.intercept_.astype(np.float64)
    if len(weight) == 1:
        # With two classes scikit-learn returns only the logit of the second; that of the first is 0.
        weight, bias = np.vstack([np.zeros_like(weight), weight]), np.array([0.0, bias[0]])
    return LinearClassifier(weight, bias), int(model.n_iter_.max())
