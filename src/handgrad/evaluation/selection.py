"""Select the best combination of hyperparameters, using validation metrics only."""

import math
import statistics
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from handgrad.errors import HandgradError
from handgrad.hyperparameters import HYPERPARAMETERS, Combination


@dataclass(frozen=True)
class Run:
    """The validation metrics of one training run after its last epoch; values that are not finite are None.

    `correct`, [validation images], marks the images that were classified correctly; `predicted_classes` is
    the number of distinct classes that were predicted.
    """

    combination: Combination
    seed: int
    folder: str
    diverged: bool
    training_loss: float | None
    training_accuracy: float | None
    validation_loss: float | None
    correct: NDArray[np.bool_]
    predicted_classes: int

    @property
    def validation_accuracy(self) -> float:
        return int(self.correct.sum()) / len(self.correct)


@dataclass(frozen=True)
class Candidate:
    """A combination with its runs, one per seed; its metrics are means over the seeds."""

    combination: Combination
    runs: Sequence[Run]

    @property
    def diverged(self) -> bool:
        return any(run.diverged for run in self.runs)

    @property
    def correct(self) -> int:
        """Correct predictions over all seeds, an integer so that equal accuracies compare equal."""
        return sum(int(run.correct.sum()) for run in self.runs)

    @property
    def outcomes(self) -> NDArray[np.bool_]:
        """Which validation images were classified correctly with each seed, [seeds, validation images]."""
        return np.array([run.correct for run in self.runs])

    @property
    def validation_accuracy(self) -> float:
        return self.correct / sum(len(run.correct) for run in self.runs)

    @property
    def validation_accuracy_std(self) -> float | None:
        """The sample standard deviation over the seeds; None for a single seed."""
        if len(self.runs) == 1:
            return None
        return statistics.stdev(run.validation_accuracy for run in self.runs)

    @property
    def validation_loss(self) -> float | None:
        return _mean(run.validation_loss for run in self.runs)

    @property
    def training_loss(self) -> float | None:
        return _mean(run.training_loss for run in self.runs)

    @property
    def training_accuracy(self) -> float | None:
        return _mean(run.training_accuracy for run in self.runs)

    @property
    def predicted_classes(self) -> int:
        """The smallest number of distinct classes predicted with any seed; 1 indicates a collapsed model."""
        return min(run.predicted_classes for run in self.runs)

    @property
    def best_run(self) -> Run:
        """The run with the best validation accuracy; ties are broken by lower loss, then by order."""
        return min(self.runs, key=_merit)


def rank(runs: Iterable[Run]) -> list[Candidate]:
    """The combinations, best first: by mean validation accuracy, then lower mean validation loss, then order.

    Combinations that diverged with any seed come after all others.

    Raises:
        HandgradError: if every combination diverged.
    """
    by_combination: dict[Combination, list[Run]] = {}
    for run in runs:
        by_combination.setdefault(run.combination, []).append(run)
    candidates = [Candidate(combination, group) for combination, group in by_combination.items()]
    if all(candidate.diverged for candidate in candidates):
        raise HandgradError(
            f"hyperparameters: all {len(candidates)} combinations diverged, none can be selected; "
            "add one with a lower lr"
        )
    # sorted() is stable: tied candidates stay in the order of the config.
    return sorted(candidates, key=_merit)


def neighbours(candidates: Sequence[Candidate]) -> list[tuple[str, Candidate, Candidate]]:
    """Pairs of candidates that differ in a single hyperparameter, by one step between values that were tried.

    Each pair comes with the name of the hyperparameter. Candidates that diverged are excluded.
    """
    finished = [candidate for candidate in candidates if not candidate.diverged]
    pairs = []
    for name in HYPERPARAMETERS:
        lines: dict[Combination, list[Candidate]] = {}
        for candidate in finished:
            others = replace(candidate.combination, **{name: HYPERPARAMETERS[name].default})
            lines.setdefault(others, []).append(candidate)
        for line in lines.values():
            line.sort(key=lambda candidate: getattr(candidate.combination, name))
            pairs += [(name, before, after) for before, after in pairwise(line)]
    return pairs


def same_steady_steps(candidates: Sequence[Candidate]) -> list[tuple[Candidate, Candidate]]:
    """Pairs of candidates without and with momentum that have the same step size under a constant gradient.

    Under a constant gradient, momentum multiplies the step by (1 - dampening) / (1 - momentum). All other
    hyperparameters of a pair are equal.
    """

    def steady(combination: Combination) -> float:
        return combination.lr * (1 - combination.dampening) / (1 - combination.momentum)

    def others(combination: Combination) -> Combination:
        return replace(combination, lr=1.0, momentum=0.0, dampening=0.0, nesterov=False)

    finished = [candidate for candidate in candidates if not candidate.diverged]
    with_momentum: dict[Combination, list[Candidate]] = {}
    for candidate in finished:
        if candidate.combination.momentum > 0:
            with_momentum.setdefault(others(candidate.combination), []).append(candidate)
    return [
        (plain, fast)
        for plain in finished
        if plain.combination.momentum == 0
        for fast in with_momentum.get(others(plain.combination), [])
        if math.isclose(plain.combination.lr, steady(fast.combination), rel_tol=1e-6)
    ]


def decided_by(
    ranking: Sequence[Candidate],
) -> Literal["only_candidate", "validation_accuracy", "validation_loss", "config_order"]:
    """The criterion by which the first candidate of a ranking beats the second."""
    candidates = [candidate for candidate in ranking if not candidate.diverged]
    if len(candidates) == 1:
        return "only_candidate"
    first, second = candidates[:2]
    if first.correct != second.correct:
        return "validation_accuracy"
    if first.validation_loss != second.validation_loss:
        return "validation_loss"
    return "config_order"


def _merit(figures: Run | Candidate) -> tuple[Any, ...]:
    """A sort key that puts better candidates first."""
    if figures.diverged:
        return (1,)
    return 0, -figures.validation_accuracy, figures.validation_loss


def _mean(values: Iterable[float | None]) -> float | None:
    """The mean, independent of order (fmean rounds only once, at the end); None if any value is None."""
    values = list(values)
    return None if None in values else statistics.fmean(value for value in values if value is not None)
