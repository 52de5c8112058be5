"""Figures made of images: samples of each class, and the most confident errors."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from handgrad.figures.style import GREY, new_figure, styled
from handgrad.images import Split

SAMPLES = 10
ERRORS_PER_ROW = 6


@styled
def sample_images(split: Split, classes: Sequence[str], data: str) -> Figure:
    """The first images of each class, one row a class."""
    figure = new_figure(
        0.55 + 0.56 * len(classes), f"Training images ({data}; the first {SAMPLES} of each class)"
    )
    panels = figure.subplots(len(classes), SAMPLES, squeeze=False)
    for label, (name, row) in enumerate(zip(classes, panels, strict=True)):
        chosen = np.flatnonzero(split.labels == label)[:SAMPLES]
        for axes in row:
            axes.set_axis_off()
        for axes, position in zip(row, chosen, strict=False):
            _show(axes, split.images[position])
        row[0].text(-0.1, 0.5, name, transform=row[0].transAxes, ha="right", va="center")
    return figure


@styled
def misclassified_images(split: Split, errors: pd.DataFrame, mistakes: int, data: str) -> Figure:
    """Errors of the selected model with their classes and confidence.

    Args:
        split: the test images.
        errors: the rows of predictions.csv to show, the most confident first.
        mistakes: the number of all errors.
        data: the name of the data.
    """
    rows = max(1, -(-len(errors) // ERRORS_PER_ROW))
    shown = f"{len(errors)} of {mistakes:,} on {len(split):,} test images"
    figure = new_figure(0.5 + 1.55 * rows, f"Most confident errors of the selected model ({data}, {shown})")
    if errors.empty:
        axes = figure.subplots()
        axes.set_axis_off()
        axes.text(0.5, 0.5, "No test image is misclassified.", ha="center", va="center", color=GREY)
        return figure
    panels = figure.subplots(rows, ERRORS_PER_ROW, squeeze=False)
    position = {index: place for place, index in enumerate(split.indices)}
    for axes in panels.flat:
        axes.set_axis_off()
    for axes, error in zip(panels.flat, errors.itertuples(), strict=False):
        _show(axes, split.images[position[error.index]])
        axes.set_title(f"{error.label},\nnot {error.predicted}\n{error.confidence:.1%}", fontsize=8)
    return figure


def _show(axes: Axes, image: NDArray[np.uint8]) -> None:
    """Draw an image, [3, height, width], every pixel as a square."""
    axes.imshow(image.transpose(1, 2, 0), interpolation="nearest")
