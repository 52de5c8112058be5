"""summary.json: a description of the prepared images."""

from typing import TypedDict


class SplitSummary(TypedDict):
    """See `handgrad.data.cifar10.describe`."""

    images: int
    class_counts: dict[str, int]
    minimum: int
    maximum: int
    black: float
    white: float
    missing: int
    blank: int
    mean: list[float]
    std: list[float]
    duplicates: int


class Normalisation(TypedDict):
    """Mean and standard deviation of each channel of the training images."""

    mean: list[float]
    std: list[float]


class Summary(TypedDict):
    """Splits are train, validation and test; a pair is written as in train/validation."""

    classes: list[str]
    splits: dict[str, SplitSummary]
    duplicates_between: dict[str, int]
    normalisation: Normalisation
    official_training_images: int
    official_test_images: int
