"""Baselines for the network: the majority class, and logistic regression on the pixels."""

import warnings
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression
from threadpoolctl import threadpool_limits

# Inverse strengths of the L2 penalty; one is selected on the validation images. All are strong penalties,
# since 3,072 correlated pixels and a few thousand images invite overfitting.
REGULARISATIONS = (1e-5, 1e-4, 1e-3, 1e-2)
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
    """The most frequent label; the lowest such label if there is a tie."""
    return int(np.bincount(labels).argmax())


def logistic_regression(
    inputs: NDArray[np.floating[Any]], labels: NDArray[np.integer[Any]], regularisation: float
) -> tuple[LinearClassifier, int]:
    """Fit multinomial logistic regression with an L2 penalty by L-BFGS (scikit-learn).

    It runs on a single thread, because the number of threads affects the order of summation and thus the last
    bits of the result. It stops after `ITERATIONS` iterations even if it has not converged.

    Args:
        inputs: [images, inputs], normalised.
        labels: [images]; each of 0 to classes - 1 must occur at least once.
        regularisation: the inverse strength of the penalty, called C in scikit-learn.

    Returns:
        The classifier and the number of iterations.
    """
    model = LogisticRegression(C=regularisation, max_iter=ITERATIONS)
    with threadpool_limits(1), warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        model.fit(inputs, labels)
    # safetensors assumes C order, which scikit-learn's weights do not always have.
    weight = model.coef_.astype(np.float64, order="C")
    bias = model.intercept_.astype(np.float64)
    if len(weight) == 1:
        # With two classes, scikit-learn returns only the logit of the second; that of the first is 0.
        weight, bias = np.vstack([np.zeros_like(weight), weight]), np.array([0.0, bias[0]])
    return LinearClassifier(weight, bias), int(model.n_iter_.max())
