"""The training curves of the web page's interactive figure."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

from handgrad.hyperparameters import HYPERPARAMETERS, Combination, short_label

Record = dict[str, Any]

COLUMNS = ("validation_loss", "training_loss", "validation_accuracy", "training_accuracy")
# Limits on the size of the page: so many curves of so many points.
CURVES = 60
POINTS = 100
DIGITS = 4


def curves(
    rows: Sequence[Record], histories: Mapping[Combination, Sequence[Record]], names: Sequence[str]
) -> Record:
    """Return the curves of the best combinations, as means over their seeds, for `curves.js`.

    Args:
        rows: the leaderboard, best combination first.
        histories: those of all seeds of each combination, with the columns `COLUMNS`.
        names: the hyperparameters in the labels.

    Returns:
        `epochs`; `runs`, with one value per epoch in each column, which is None if it is not finite or the
        training has ended; the number of combinations `left_out`; the number of `seeds`; and what the
        `abbreviations` in the labels mean.
    """
    shown = [(row, Combination.of(row)) for row in rows[:CURVES]]
    longest = max(combination.epochs for _, combination in shown)
    step = math.ceil(longest / POINTS)
    # Counted from the last epoch, which is always shown.
    epochs = [*range(longest, 0, -step)][::-1]
    return {
        "epochs": epochs,
        "left_out": len(rows) - len(shown),
        "abbreviations": ", ".join(
            f"{HYPERPARAMETERS[name].abbreviation}: {HYPERPARAMETERS[name].label}" for name in names
        ),
        "seeds": len(histories[Combination.of(rows[0])]),
        "runs": [
            {
                "label": f"{row['rank']}. {short_label(combination, names)}"
                + (" (selected)" if row["rank"] == 1 else " (diverged)" if row["diverged"] else ""),
                "diverged": row["diverged"],
                **{
                    column: [_mean(histories[combination], column, epoch) for epoch in epochs]
                    for column in COLUMNS
                },
            }
            for row, combination in shown
        ],
    }


def _mean(histories: Sequence[Record], column: str, epoch: int) -> float | None:
    """The mean of a column over the seeds after an epoch, rounded; None if any of them has no value."""
    values = [
        history[column][epoch - 1]
        for history in histories
        if epoch <= len(history[column]) and history[column][epoch - 1] is not None
    ]
    if len(values) < len(histories):
        return None
    return float(f"{math.fsum(values) / len(values):.{DIGITS}g}")
