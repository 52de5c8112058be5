"""Figures of the selected model's predictions on the test images: confusion matrix and calibration."""

from typing import Any

import numpy as np
from matplotlib.figure import Figure

from handgrad.evaluation.significance import wilson_interval
from handgrad.records.evaluation import Scores
from handgrad.reporting.figures.style import BLUE, GREY, INK, new_figure, percent, percentages, styled


@styled
def confusion_matrix(evaluation: Scores, data: str) -> Figure:
    """Plot counts, and percentages of each true class, by true class (rows) and predicted class (columns).

    `evaluation` is the content of evaluation.json.
    """
    classes = evaluation["classes"]
    few = len(classes) <= 5
    counts = np.array(evaluation["confusion_matrix"])
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    figure = new_figure(
        3.2 if few else 4.8,
        "Confusion matrix of the selected model",
        f"{data}, {evaluation['images']:,} test images",
    )
    axes = figure.subplots()
    mesh = axes.pcolormesh(shares, cmap="Blues", vmin=0, vmax=1, edgecolors="white", linewidth=1)
    for (row, column), share in np.ndenumerate(shares):
        axes.text(
            column + 0.5,
            row + 0.5,
            f"{counts[row, column]:,}\n{percent(share)}",
            horizontalalignment="center",
            verticalalignment="center",
            fontsize=9 if few else 7,
            color="white" if share > 0.5 else INK,
        )
    centres = np.arange(len(classes)) + 0.5
    slant: dict[str, Any] = {} if few else {"rotation": 30, "ha": "right", "rotation_mode": "anchor"}
    axes.set_xticks(centres, classes, **slant)
    axes.set_yticks(centres, classes)
    axes.set(xlabel="Predicted class", ylabel="True class", ylim=(len(classes), 0))
    axes.grid(visible=False)
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)
    percentages(figure.colorbar(mesh, ax=axes, label="Part of the true class", pad=0.02).ax.yaxis)
    return figure


@styled
def calibration(evaluation: Scores, data: str) -> Figure:
    """Plot a reliability diagram: accuracy by confidence, with 95% Wilson intervals, above image counts.

    `evaluation` is the content of evaluation.json.
    """
    scores = evaluation["calibration"]
    bins = [row for row in scores["bins"] if row["images"]]
    figure = new_figure(
        4.8, "Calibration of the selected model", f"{data}, {evaluation['images']:,} test images"
    )
    above, below = figure.subplots(2, 1, sharex=True, height_ratios=[3, 1])
    lowest = scores["bins"][0]["lower"]
    above.plot([lowest, 1], [lowest, 1], color=GREY, linestyle="--", label="perfect calibration")
    confidences = [row["confidence"] for row in bins]
    intervals = [wilson_interval(row["accuracy"], row["images"]) for row in bins]
    above.vlines(confidences, *np.transpose(intervals), color=BLUE, alpha=0.5, label="95% Wilson interval")
    error = percent(scores["expected_calibration_error"])
    above.plot(
        confidences,
        [row["accuracy"] for row in bins],
        "-o",
        color=BLUE,
        label=f"selected model (expected calibration error {error})",
    )
    above.set(ylabel="Accuracy", ylim=(-0.02, 1.02))
    above.legend(loc="lower right")
    below.bar(
        [row["lower"] for row in bins],
        [row["images"] for row in bins],
        [row["upper"] - row["lower"] for row in bins],
        align="edge",
        color=BLUE,
        edgecolor="white",
    )
    below.set(xlabel="Confidence (probability of the predicted class)", ylabel="Images")
    percentages(above.yaxis)
    percentages(below.xaxis)
    return figure
