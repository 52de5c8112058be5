"""The figure of paired effects: what each step of one hyperparameter changed."""

from typing import NamedTuple

import numpy as np
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from handgrad.hyperparameters import HYPERPARAMETERS, Combination, short_label, short_value, shown_in
from handgrad.records.selection import Selection
from handgrad.reporting.figures.style import BLUE, GREY, INK, new_figure, styled
from handgrad.reporting.statements import SIGNIFICANCE

# Of more steps, those with the largest effects are shown.
STEPS = 40


class Step(NamedTuple):
    """Two combinations that differ in one hyperparameter; differences are in percentage points."""

    parameter: str
    label: str
    difference: float
    interval: tuple[float, float]
    significant: bool


@styled
def paired_effects(selection: Selection, data: str) -> Figure:
    """Plot the paired difference in validation accuracy of every step, grouped by hyperparameter.

    `selection` is the content of selection.json. Intervals are those of the paired difference, and filled
    markers are significant after Holm's correction.
    """
    found = steps(selection)
    shown = sorted(found, key=lambda step: -abs(step.difference))[:STEPS]
    groups = [[step for step in shown if step.parameter == name] for name in HYPERPARAMETERS]
    groups = [group for group in groups if group]
    images = f"{selection['validation_images']:,} validation images"
    part = f"the {len(shown)} largest of {len(found):,} steps" if len(shown) < len(found) else "every step"
    figure = new_figure(
        max(2.9, 1.8 + 0.2 * len(shown) + 0.35 * len(groups)),
        "Effects of single hyperparameters on validation accuracy",
        f"{data}, {images}, {part}",
    )
    axes = figure.subplots()
    axes.axvline(0, color=GREY, linewidth=1)
    positions, labels, position = [], [], 0.0
    for group in groups:
        heading = HYPERPARAMETERS[group[0].parameter].label.capitalize()
        axes.text(0.01, position, heading, transform=axes.get_yaxis_transform(), va="center", weight="bold")
        for step in group:
            position += 1
            fill = BLUE if step.significant else "white"
            axes.hlines(position, *step.interval, color=BLUE if step.significant else INK)
            axes.plot(
                step.difference, position, "o", markerfacecolor=fill, color=BLUE if step.significant else INK
            )
            positions.append(position)
            labels.append(step.label)
        position += 1.4
    if not shown:
        figure.text(0.5, 0.55, "No two combinations differ in one hyperparameter alone.", ha="center")
    axes.set_yticks(positions, labels)
    axes.set_ylim(position - 0.4, -0.8)
    axes.set_ylabel("Step (and the others)")
    axes.set_xlabel("Percentage points, with 95% interval")
    axes.grid(axis="y", visible=False)
    handles = [
        Line2D([], [], marker="o", color=BLUE, label="significant after Holm's correction"),
        Line2D([], [], marker="o", color=INK, markerfacecolor="white", label="not distinguished"),
    ]
    figure.legend(handles=handles, loc="outside lower left", ncols=2)
    return figure


def steps(selection: Selection) -> list[Step]:
    """Return all steps, with labels such as 0 → 0.9 (lr 0.01, wd 0)."""
    accuracies = {Combination.of(row): row["validation_accuracy"] for row in selection["ranking"]}
    names = shown_in(accuracies)
    found = []
    for name, pairs in selection["steps"].items():
        others = [other for other in names if other != name]
        for pair in pairs:
            before, after = Combination.of(pair["before"]), Combination.of(pair["after"])
            values = " → ".join(short_value(getattr(one, name)) for one in (before, after))
            low, high = 100 * np.array(pair["difference_interval"])
            found.append(
                Step(
                    parameter=name,
                    label=f"{values}  ({short_label(before, others)})",
                    difference=100 * (accuracies[after] - accuracies[before]),
                    interval=(low, high),
                    significant=pair["p_value_holm"] < SIGNIFICANCE,
                )
            )
    return found
