"""Figures made of images: samples of each class, and the most confident errors."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from handgrad.data.cifar10 import Split
from handgrad.reporting.figures.style import new_figure, percent, styled

SAMPLES = 10
ERRORS_PER_ROW = 6


@styled
def sample_images(split: Split, classes: Sequence[str], data: str) -> Figure:
    """Show the first images of each class, one row per class."""
    figure = new_figure(
        0.5 + 0.56 * len(classes),
        "Training images by class",
        f"{data}, the first {SAMPLES} of each class among {len(split):,} training images",
    )
    panels = figure.subplots(len(classes), SAMPLES, squeeze=False)
    for label, (name, row) in enumerate(zip(classes, panels, strict=True)):
        for axes in row:
            axes.set_axis_off()
        for axes, position in zip(row, np.flatnonzero(split.labels == label), strict=False):
            _show(axes, split.images[position])
        row[0].text(-0.15, 0.5, name, transform=row[0].transAxes, ha="right", va="center")
    return figure


@styled
def misclassified_images(test: Split, errors: pd.DataFrame, shown: int, data: str) -> Figure:
    """Show the `shown` most confident errors of the selected model, with classes and confidence.

    `errors` are the rows of predictions.csv with a wrong prediction, possibly none.
    """
    worst = errors.sort_values("confidence", ascending=False, kind="stable").head(shown)
    rows = max(1, -(-len(worst) // ERRORS_PER_ROW))
    figure = new_figure(
        0.6 + 1.5 * rows,
        "Most confident errors of the selected model",
        f"{data}, {len(worst)} of {len(errors):,} errors on {len(test):,} test images",
    )
    panels = figure.subplots(rows, ERRORS_PER_ROW, squeeze=False)
    for axes in panels.flat:
        axes.set_axis_off()
    if worst.empty:
        figure.text(0.5, 0.4, "No test image is misclassified.", ha="center")
    positions = {index: position for position, index in enumerate(test.indices)}
    for axes, (_, error) in zip(panels.flat, worst.iterrows(), strict=False):
        _show(axes, test.images[positions[error["index"]]])
        confidence = error["confidence"]
        axes.set_title(
            f"true {error['label']}\npred. {error['predicted']}\n"
            + ("> 99.9%" if confidence > 0.999 else percent(confidence)),
            fontsize=8,
        )
    return figure


def _show(axes: Axes, image: NDArray[np.uint8]) -> None:
    """Draw an image, [3, height, width], with every pixel as a square."""
    axes.imshow(image.transpose(1, 2, 0), interpolation="nearest")
