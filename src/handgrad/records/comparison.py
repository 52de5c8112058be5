"""comparison.json: the differences between the trainers, run by run."""

from typing import TypedDict

from handgrad.hyperparameters import Settings


class ComparedRun(Settings):
    """A run that every trainer trained.

    `digests` maps each trainer to the SHA-256 of its final parameters, see `evaluation.agreement.digest`, and
    `sha256` to that of its files; `first_different_epoch` is None if all losses are bit-identical.
    """

    seed: int
    loss_difference: float
    parameter_difference: float
    bit_identical: bool
    first_different_epoch: int | None
    digests: dict[str, str]
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
