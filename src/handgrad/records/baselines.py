"""baselines.json: the results of the baselines on the validation images."""

from typing import TypedDict

Majority = TypedDict("Majority", {"class": str, "validation_accuracy": float})


class Tried(TypedDict):
    regularisation: float
    validation_accuracy: float


class LogisticRegression(TypedDict):
    """`regularisation` is the value in `tried` with the best validation accuracy."""

    training_accuracy: float
    validation_accuracy: float
    regularisation: float
    iterations: int
    converged: bool
    tried: list[Tried]


class Random(TypedDict):
    accuracy: float


class Baselines(TypedDict):
    majority: Majority
    logistic_regression: LogisticRegression
    random: Random
