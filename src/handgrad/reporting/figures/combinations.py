"""The figure with one row per combination: the leaderboard."""

from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from handgrad.hyperparameters import HYPERPARAMETERS, Combination, short_value, shown_in
from handgrad.records.selection import Row, Selection
from handgrad.reporting.figures.style import (
    BLUE,
    GREY,
    INK,
    PALE,
    VERMILION,
    new_figure,
    percent,
    percentages,
    styled,
)

LEADERBOARD_ROWS = 20
# Columns beside the leaderboard, in points: the width of a character and the gap between columns.
CHARACTER, GAP = 5, 12


@styled
def leaderboard(selection: Selection, baselines: dict[str, float], data: str) -> Figure:
    """Plot the validation accuracy of the best combinations and the last one, with 95% intervals.

    With several seeds, grey bars show their spread: one standard deviation to either side of the mean.

    Args:
        selection: the content of selection.json.
        baselines: up to three validation accuracies to compare with, by name.
        data: the name of the data.
    """
    ranking, seeds = selection["ranking"], selection["seeds"]
    shown = ranking if len(ranking) <= LEADERBOARD_ROWS else [*ranking[: LEADERBOARD_ROWS - 1], ranking[-1]]
    positions = np.arange(len(shown))
    if len(shown) < len(ranking):
        # An empty row marks the omitted combinations.
        positions[-1] += 1
    images = f"{selection['validation_images']:,} validation images"
    figure = new_figure(
        2.1 + 0.2 * len(shown),
        "Validation accuracy by combination of hyperparameters",
        f"{data}, {images}, " + (f"mean of {len(seeds)} seeds" if len(seeds) > 1 else f"seed {seeds[0]}"),
    )
    axes = figure.subplots()
    groups = [
        ("selected", BLUE, "D", [row["rank"] == 1 for row in shown]),
        ("not selected", INK, "o", [row["rank"] > 1 and not row["diverged"] for row in shown]),
        ("diverged, not eligible", VERMILION, "X", [row["diverged"] for row in shown]),
    ]
    accuracies = np.array([row["validation_accuracy"] for row in shown])
    intervals = np.array([row["validation_accuracy_interval"] for row in shown])
    if len(seeds) > 1:
        spread = np.array([row["validation_accuracy_std"] for row in shown])
        label = "± one standard deviation over the seeds"
        axes.hlines(positions, accuracies - spread, accuracies + spread, color=PALE, linewidth=7, label=label)
    for label, colour, marker, members in groups:
        if any(members):
            axes.hlines(positions[members], *intervals[members].T, color=colour)
            axes.plot(accuracies[members], positions[members], marker, color=colour, label=label)
    for (name, accuracy), line in zip(baselines.items(), [":", "--", "-."], strict=False):
        axes.axvline(accuracy, color=GREY, linestyle=line, label=f"{name} ({percent(accuracy)})")
    if len(shown) < len(ranking):
        left_out = f"{len(ranking) - len(shown):,} more combinations"
        axes.text(
            0.5, positions[-1] - 1, left_out, transform=axes.get_yaxis_transform(), ha="center", va="center"
        )
    _columns(axes, positions, shown)
    axes.set_yticks(positions, [])
    axes.set_ylim(positions[-1] + 0.7, -0.7)
    axes.set_xlabel("Accuracy (bars: 95% Wilson intervals)")
    axes.margins(x=0.04)
    percentages(axes.xaxis)
    axes.grid(axis="y", visible=False)
    figure.legend(loc="outside lower left", ncols=2)
    return figure


def _columns(axes: Axes, positions: NDArray[np.int_], rows: list[Row]) -> None:
    """Write the rank and hyperparameters of the rows in columns left of the axis, with headings."""
    look: dict[str, Any] = {"textcoords": "offset points", "horizontalalignment": "right", "fontsize": 8}
    beside = axes.get_yaxis_transform()
    columns = {"Rank": [f"{row['rank']:,}" for row in rows]}
    combinations = [Combination.of(row) for row in rows]
    for name in shown_in(combinations):
        head = HYPERPARAMETERS[name].label.capitalize().replace(" ", "\n")
        columns[head] = [short_value(getattr(combination, name)) for combination in combinations]
    distance = GAP
    for head, texts in reversed(columns.items()):
        axes.annotate(head, (0, 1), xytext=(-distance, 2), xycoords="axes fraction", va="bottom", **look)
        for position, text in zip(positions, texts, strict=True):
            axes.annotate(text, (0, position), xytext=(-distance, 0), xycoords=beside, va="center", **look)
        distance += CHARACTER * max(map(len, [*head.split("\n"), *texts])) + GAP
