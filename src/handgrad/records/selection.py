"""selection.json: the ranking by validation metrics, and the selected run."""

from collections.abc import Sequence
from typing import Literal, TypedDict

from handgrad.hyperparameters import Settings


class StandardErrors(TypedDict):
    """Of the mean validation accuracy, by source: other seeds, other images; None if there is one seed."""

    standard_error_seeds: float | None
    standard_error_images: float | None


class Row(Settings, StandardErrors):
    """A combination in the leaderboard; metrics are means over the seeds.

    The p-values, raw and after Holm's correction, are those of the paired test against the selected
    combination: McNemar's test if there is one seed, else a t-test, see `significance.paired_test`.
    """

    rank: int
    diverged: bool
    validation_accuracy: float
    validation_accuracy_std: float | None
    validation_accuracy_interval: Sequence[float]
    validation_loss: float | None
    training_accuracy: float | None
    training_loss: float | None
    predicted_classes: int
    tied_accuracy_with_selected: bool
    p_value: float | None
    p_value_holm: float | None


class Selected(Settings):
    """The run whose model is evaluated; `run` is its folder."""

    seed: int
    trainer: str
    run: str
    model_sha256: str
    validation_accuracy: float
    validation_loss: float | None
    training_accuracy: float | None
    training_loss: float | None
    decided_by: Literal["only_candidate", "validation_accuracy", "validation_loss", "config_order"]


class PairedTest(TypedDict):
    only_selected_correct: int
    only_runner_up_correct: int
    p_value: float
    p_value_holm: float


class RunnerUp(Settings):
    validation_accuracy: float
    test: PairedTest


class Pair(TypedDict):
    """Two combinations on the same validation images; `p_value_holm` is adjusted for all pairs in a table."""

    before: Settings
    after: Settings
    only_before_correct: int
    only_after_correct: int
    difference_interval: Sequence[float]
    p_value: float
    p_value_holm: float


class Outcome(TypedDict):
    metric: Literal["validation_accuracy"]
    validation_images: int
    combinations: int
    diverged: int
    trainer: str
    seeds: list[int]
    selected: Selected
    runner_up: RunnerUp | None


class Selection(Outcome):
    ranking: list[Row]
    steps: dict[str, list[Pair]]  # keyed by the hyperparameter in which the two differ
    same_steady_steps: list[Pair]
