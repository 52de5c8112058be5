"""evaluation.json: the results of the selected model and the baselines on the test images."""

from collections.abc import Sequence
from typing import Any, TypedDict


class ClassScores(TypedDict):
    """`precision` is None if no image was assigned to the class."""

    name: str
    support: int
    share: float
    precision: float | None
    recall: float
    recall_interval: Sequence[float]
    f1: float


class Bin(TypedDict):
    """Confidence and accuracy are None if the bin has no images."""

    lower: float
    upper: float
    images: int
    confidence: Any
    accuracy: Any


class Calibration(TypedDict):
    expected_calibration_error: float
    bins: list[Bin]


class Scores(TypedDict):
    """See `handgrad.evaluation.metrics.evaluate`."""

    classes: list[str]
    images: int
    accuracy: float
    accuracy_interval: Sequence[float]
    loss: float
    confusion_matrix: list[list[int]]
    per_class: list[ClassScores]
    calibration: Calibration
    predicted_classes: int
    output_deviation: float


class Random(TypedDict):
    accuracy: float


Majority = TypedDict(
    "Majority",
    {"class": str, "accuracy": float, "accuracy_interval": Sequence[float], "validation_accuracy": float},
)


class LogisticRegression(TypedDict):
    accuracy: float
    accuracy_interval: Sequence[float]
    loss: float
    validation_accuracy: float


class TestedBaselines(TypedDict):
    random: Random
    majority: Majority
    logistic_regression: LogisticRegression


class McNemar(TypedDict):
    baseline: str
    only_model_correct: int
    only_baseline_correct: int
    p_value: float


class AgainstBaselines(TypedDict):
    baselines: TestedBaselines
    mcnemar_baseline: McNemar


class ConfidentError(TypedDict):
    """`index` is the image's index in the official test set."""

    index: int
    label: str
    predicted: str
    confidence: float


class ModelScores(Scores):
    """The scores of the selected model, with its accuracies on the other images."""

    most_confident_errors: list[ConfidentError]
    training_accuracy: float
    training_accuracy_interval: Sequence[float]
    validation_accuracy: float
    validation_accuracy_interval: Sequence[float]


class Evaluation(ModelScores, AgainstBaselines):
    pass
