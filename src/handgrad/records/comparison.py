"""comparison.json: the differences between the trainers, run by run."""

from typing import TypedDict

from handgrad.hyperparameters import Settings


class ComparedRun(Settings):
    """`sha256` maps each trainer to the SHA-256 of its files for this run."""

    seed: int
    loss_difference: float
    parameter_difference: float
    bit_identical: bool
    sha256: dict[str, str]


class OtherRun(Settings):
    """A run that only the first trainer trained."""

    seed: int
    sha256: dict[str, str]


class Comparison(TypedDict):
    """`runs` are the runs that every trainer trained."""

    tolerance: float
    trainers: list[str]
    bit_identical: bool
    largest_loss_difference: float
    largest_parameter_difference: float
    runs: list[ComparedRun]
    others: list[OtherRun]
