"""baselines.json: the baselines on the validation images."""

from typing import TypedDict

Majority = TypedDict("Majority", {"class": str, "validation_accuracy": float})


class LogisticRegression(TypedDict):
    training_accuracy: float
    validation_accuracy: float
    regularisation: float
    iterations: int
    converged: bool


class Random(TypedDict):
    accuracy: float


class Baselines(TypedDict):
    majority: Majority
    logistic_regression: LogisticRegression
    random: Random
