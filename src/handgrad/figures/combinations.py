"""Figures with one row or point a combination: the leaderboard and the agreement of the trainers."""

from typing import Any

import numpy as np
from matplotlib.figure import Figure

from handgrad.figures.style import (
    ABBREVIATIONS,
    BLUE,
    GREY,
    INK,
    VERMILION,
    new_figure,
    short,
    styled,
    whole_numbers,
)
from handgrad.selection import Combination

LEADERBOARD_ROWS = 20
# The distance from 1 to the next number of 64 bits.
FLOAT64_STEP = 2.0**-52


@styled
def leaderboard(selection: dict[str, Any], baselines: dict[str, float], data: str) -> Figure:
    """Validation accuracy of the best combinations and the last one, with 95 % Wilson intervals.

    Args:
        selection: the content of selection.json.
        baselines: up to three validation accuracies to compare with, by name.
        data: the name of the data.
    """
    ranking = selection["ranking"]
    shown = ranking if len(ranking) <= LEADERBOARD_ROWS else [*ranking[: LEADERBOARD_ROWS - 1], ranking[-1]]
    left_out = len(ranking) - len(shown)
    positions = np.arange(len(shown))
    if left_out:
        positions[-1] += 1
    figure = new_figure(
        1.9 + 0.21 * len(shown),
        f"Validation accuracy by combination ({data}, {selection['validation_images']:,} images)",
    )
    axes = figure.subplots()
    groups = [
        ("selected", BLUE, "D", [row["rank"] == 1 for row in shown]),
        ("not selected", INK, "o", [row["rank"] > 1 and not row["diverged"] for row in shown]),
        ("diverged, not eligible", VERMILION, "X", [row["diverged"] for row in shown]),
    ]
    accuracies = np.array([row["validation_accuracy"] for row in shown])
    intervals = np.array([row["validation_accuracy_interval"] for row in shown])
    for label, colour, marker, members in groups:
        if any(members):
            axes.hlines(positions[members], *intervals[members].T, color=colour, linewidth=1.4)
            axes.plot(accuracies[members], positions[members], marker, color=colour, label=label)
    for (label, accuracy), line in zip(baselines.items(), [":", "--", "-."], strict=False):
        axes.axvline(accuracy, color=GREY, linestyle=line, linewidth=1, label=f"{label}: {accuracy:.3f}")
    if left_out:
        axes.text(
            accuracies[-2], positions[-1] - 1, f"{left_out:,} more", va="center", ha="center", color=GREY
        )
    axes.set_yticks(positions, [f"{row['rank']:,}.  {short(_combination(row))}" for row in shown])
    axes.set_ylim(positions[-1] + 0.7, -0.7)
    axes.set_xlabel("Accuracy (mean over seeds)" if len(selection["seeds"]) > 1 else "Accuracy")
    axes.set_ylabel("Rank and combination")
    axes.grid(axis="y", visible=False)
    figure.legend(
        loc="outside lower left",
        ncols=3,
        title=f"Bars: 95 % Wilson intervals.  {ABBREVIATIONS}",
        alignment="left",
    )
    return figure


@styled
def trainer_agreement(comparison: dict[str, Any], data: str) -> Figure:
    """The largest differences between the trainers in every run, in the order of the config.

    `comparison` is the content of comparison.json. The scale is logarithmic and holds 0 too, at its foot.
    """
    runs, tolerance = comparison["runs"], comparison["tolerance"]
    figure = new_figure(3.4, f"Largest difference between {len(comparison['trainers'])} trainers ({data})")
    axes = figure.subplots()
    numbers = np.arange(1, len(runs) + 1)
    for key, label, marker, colour in [
        ("loss", "losses", "o", BLUE),
        ("parameter", "parameters", "x", VERMILION),
    ]:
        differences = [run[f"{key}_difference"] for run in runs]
        axes.plot(
            numbers,
            differences,
            marker,
            color=colour,
            markerfacecolor="none",
            label=f"of {label}",
            markersize=7 if marker == "o" else 5,
            clip_on=False,
            zorder=3,
        )
    axes.axhline(tolerance, color=INK, linestyle="--", label=f"tolerance: {tolerance:g}")
    axes.axhline(FLOAT64_STEP, color=GREY, linestyle=":", label="one bit of a float64 near 1")
    largest = max(
        tolerance, comparison["largest_loss_difference"], comparison["largest_parameter_difference"], 1e-13
    )
    decades = np.arange(-17, np.ceil(np.log10(largest)) + 1)
    axes.set_yscale("symlog", linthresh=1e-18)
    axes.set_ylim(0, 10 ** decades[-1])
    axes.set_yticks([0, *10 ** decades[:: len(decades) // 6 + 1]])
    axes.set_xlabel("Run, in the order of the config")
    axes.set_ylabel("Largest absolute difference")
    whole_numbers(axes)
    figure.legend(loc="outside lower left", ncols=4)
    return figure


def _combination(row: dict[str, Any]) -> Combination:
    return Combination(row["lr"], row["weight_decay"], row["momentum"])
