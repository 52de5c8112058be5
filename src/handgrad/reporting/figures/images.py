"""Figures made of images: samples of each class, and the errors by kind."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from handgrad.data.cifar10 import Split
from handgrad.reporting.figures.style import new_figure, percent, styled

SAMPLES = 10
# Rows and columns of the figure of errors.
KINDS_OF_ERRORS, ERRORS_PER_ROW = 4, 6


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
def misclassified_images(test: Split, errors: pd.DataFrame, data: str) -> Figure:
    """Show the most confident errors of the selected model, one row for each kind, the most common first.

    `errors` are the rows of predictions.csv with a wrong prediction, possibly none. Above each image are its
    index in the test files and the confidence.
    """
    errors = errors.sort_values("confidence", ascending=False, kind="stable")
    kinds = [kind for _, kind in errors.groupby(["label", "predicted"], sort=False)]
    kinds = sorted(kinds, key=len, reverse=True)[:KINDS_OF_ERRORS]
    rows = max(1, len(kinds))
    figure = new_figure(
        0.7 + 1.3 * rows,
        "Errors of the selected model",
        f"{data}, {len(errors):,} errors on {len(test):,} test images",
    )
    panels = figure.subplots(rows, ERRORS_PER_ROW, squeeze=False)
    for axes in panels.flat:
        axes.set_axis_off()
    if errors.empty:
        figure.text(0.5, 0.4, "No test image is misclassified.", ha="center")
    positions = {index: position for position, index in enumerate(test.indices)}
    for row, kind in zip(panels, kinds, strict=False):
        first = kind.iloc[0]
        name = f"{first['label']}\n→ {first['predicted']}\n\n{len(kind):,} " + (
            "error" if len(kind) == 1 else "errors"
        )
        row[0].text(-0.15, 0.5, name, transform=row[0].transAxes, ha="right", va="center")
        for axes, (_, error) in zip(row, kind.iterrows(), strict=False):
            _show(axes, test.images[positions[error["index"]]])
            confidence = error["confidence"]
            shown = "> 99.9%" if confidence > 0.999 else percent(confidence)
            axes.set_title(f"no. {error['index']}\n{shown}", fontsize=8)
    return figure


def _show(axes: Axes, image: NDArray[np.uint8]) -> None:
    """Draw an image, [3, height, width], with every pixel as a square."""
    axes.imshow(image.transpose(1, 2, 0), interpolation="nearest")
