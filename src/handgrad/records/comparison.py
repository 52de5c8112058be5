"""comparison.json: how far apart the trainers are, run by run."""

from typing import TypedDict

from handgrad.hyperparameters import Settings


class ComparedRun(Settings):
    """`sha256` has that of the files of each trainer's run."""

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
    """`runs` are those that every trainer trained."""

    tolerance: float
    trainers: list[str]
    bit_identical: bool
    largest_loss_difference: float
    largest_parameter_difference: float
    runs: list[ComparedRun]
    others: list[OtherRun]
