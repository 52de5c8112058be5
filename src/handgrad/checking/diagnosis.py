"""Find the known mistake that reproduces the observed numbers, or else describe the error."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import combinations

import torch
from torch import Tensor

from handgrad.checking.catalogue import Mistake
from handgrad.checking.formulas import EQUATIONS, Formulas, written

# Numbers that differ only by rounding, or by float32 computations in a float64 network, agree to within this
# tolerance; on random networks, different formulas differ by far more.
TOLERANCES = {torch.float64: 1e-5, torch.float32: 1e-3}
MOST_NAMED = 3

# Whether a table of formulas gives the numbers observed in a case; None if the case is inconclusive.
Agrees = Callable[[Formulas], bool | None]


def explanations(
    mistakes: Iterable[Mistake], formulas: Formulas, cases: Sequence[Agrees]
) -> list[tuple[Mistake, ...]]:
    """The single mistakes that agree with every case, or if there are none, the pairs, in catalogue order."""
    candidates = [mistake for mistake in mistakes if mistake.changes.keys() <= formulas.keys()]
    singles: list[tuple[Mistake, ...]] = [
        (mistake,) for mistake in candidates if _agree(_changed(formulas, mistake), cases)
    ]
    return singles or [pair for pair in _pairs(candidates) if _agree(_changed(formulas, *pair), cases)]


def _pairs(mistakes: list[Mistake]) -> Iterator[tuple[Mistake, ...]]:
    for one, other in combinations(mistakes, 2):
        if one.changes.keys().isdisjoint(other.changes):
            yield one, other


def _changed(formulas: Formulas, *mistakes: Mistake) -> Formulas:
    return {**formulas, **{name: text for mistake in mistakes for name, text in mistake.changes.items()}}


def _agree(formulas: Formulas, cases: Sequence[Agrees]) -> bool:
    told = False
    for agrees in cases:
        answer = agrees(formulas)
        if answer is False:
            return False
        told = told or answer is True
    return told


def formula_lines(mistakes: tuple[Mistake, ...], formulas: Formulas) -> Iterator[str]:
    """Lines with the correct and the observed version of each changed formula, and what to do instead."""
    changed = _changed(formulas, *mistakes)
    for name in formulas:
        # A subexpression is shown within the formula that contains it.
        right, wrong = written(formulas, name), written(changed, name)
        if right != wrong and not any(f"{{{name}}}" in text for text in formulas.values()):
            number = f" ({EQUATIONS[name]})" if name in EQUATIONS else ""
            yield f"expected:     {name} = {right}{number}"
            yield f"your numbers: {name} = {wrong}"
    yield from dict.fromkeys(mistake.advice for mistake in mistakes)


def named(found: Sequence[tuple[Mistake, ...]]) -> str:
    """The explanations in words."""
    texts = [" and ".join(mistake.name for mistake in mistakes) for mistakes in found[:MOST_NAMED]]
    more = f", or one of {len(found) - MOST_NAMED} others" if len(found) > MOST_NAMED else ""
    return ", or ".join(texts) + more


def relative_error(found: Tensor | None, expected: Tensor | None, scale: float = 0.0) -> float:
    """The largest difference, divided by the larger of the largest expected entry and `scale`.

    None means that the numbers were never computed; it agrees with zeros. Different shapes never agree.
    """
    if found is None or expected is None:
        other = expected if found is None else found
        return 0.0 if other is None or not bool(other.any()) else float("inf")
    if found.shape != expected.shape:
        return float("inf")
    difference = (found - expected).abs().max().item()
    if difference != difference:  # NaN
        return float("inf")
    largest = max(expected.abs().max().item(), scale)
    if difference == 0:
        return 0.0
    return difference / largest if largest else float("inf")


def pattern(found: Tensor | None, expected: Tensor) -> str:
    """Describe the pattern of an array's errors, such as "has the opposite sign"; empty if there is none."""
    if found is None or not bool(found.any()):
        return "is zero or was never set"
    if not bool(found.isfinite().all()):
        return "has entries that are not finite"
    if found.shape != expected.shape:
        shape = f"has the shape {[*found.shape]} instead of {[*expected.shape]}"
        return shape + (" (transposed?)" if found.shape == expected.T.shape else "")
    if relative_error(found, -expected) < 1e-5:
        return "has the opposite sign"
    ratio = float((found * expected).sum() / (expected * expected).sum())
    if relative_error(found, ratio * expected, expected.abs().max().item()) < 1e-5 and expected.numel() > 1:
        return f"is {ratio:.4g} times what it should be, in every entry"
    if found.ndim == 2 and found.shape[0] == found.shape[1] and relative_error(found.T, expected) < 1e-5:
        return "is the transpose of what it should be"
    wrong = (found - expected).abs() > 1e-5 * expected.abs().max()
    if wrong.sum() < wrong.numel():
        rows = wrong.reshape(len(wrong), -1).any(dim=1)
        if rows.sum() < len(rows):
            units = ", ".join(str(int(unit)) for unit in rows.nonzero().flatten())
            return f"is wrong in row {units} only"
    return ""


def largest_difference(found: Tensor, expected: Tensor) -> tuple[list[int], float, float]:
    """The index at which two arrays of equal shape differ most, and both values there."""
    index = int((found - expected).abs().argmax())
    place = [int(i) for i in torch.unravel_index(torch.tensor(index), expected.shape)]
    return place, found.flatten()[index].item(), expected.flatten()[index].item()


def in_common(failing: Sequence[Mapping[str, bool]], passing: Sequence[Mapping[str, bool]]) -> list[str]:
    """The conditions that hold in all failing cases and in no passing case."""
    if not passing:
        return []
    return [
        condition
        for condition in failing[0]
        if all(case[condition] for case in failing) and not any(case[condition] for case in passing)
    ]
