"""The figure of loss and accuracy during training."""

from collections.abc import Sequence
from typing import Any, NamedTuple, Self

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure
from numpy.typing import ArrayLike

from handgrad.hyperparameters import HYPERPARAMETERS, Combination, short_label, shown_in
from handgrad.reporting.figures.style import (
    BLUE,
    GREEN,
    GREY,
    ORANGE,
    PALE,
    PURPLE,
    VERMILION,
    new_figure,
    percentages,
    styled,
    whole_numbers,
)

# Colours and line styles of the best runs; the line styles distinguish them in black and white.
BEST = [(BLUE, "-"), (VERMILION, "--"), (GREEN, "-."), (ORANGE, ":"), (PURPLE, (0, (6, 1)))]
# Use a logarithmic axis if the largest loss is more than this many times the smallest.
WIDE_RANGE = 30
# If there are more pale curves than this, draw the range of the middle 90% instead.
MANY_CURVES = 40
MIDDLE = (5, 95)


class Curve(NamedTuple):
    """The histories of a combination: columns epoch, training_loss, validation_loss and the two accuracies.

    `history` is the mean over the seeds; `lowest` and `highest` are the extremes over them, and None if there
    is only one seed.
    """

    combination: Combination
    history: pd.DataFrame
    diverged: bool
    lowest: pd.DataFrame | None = None
    highest: pd.DataFrame | None = None

    @classmethod
    def of(cls, combination: Combination, histories: Sequence[pd.DataFrame], diverged: bool) -> Self:
        """Build the curve of a combination from its histories, one for each seed."""
        if len(histories) == 1:
            return cls(combination, histories[0], diverged)
        values = np.array([history.to_numpy() for history in histories])
        mean, lowest, highest = (
            pd.DataFrame(over_seeds, columns=histories[0].columns)
            for over_seeds in (values.mean(axis=0), values.min(axis=0), values.max(axis=0))
        )
        return cls(combination, mean, diverged, lowest, highest)

    @property
    def finite(self) -> pd.DataFrame:
        """Return the epochs before the first non-finite loss."""
        finite = np.isfinite(self.history[["training_loss", "validation_loss"]].to_numpy()).all(axis=1)
        return self.history[np.logical_and.accumulate(finite)]


@styled
def training_curves(curves: Sequence[Curve], classes: int, seeds: Sequence[int], data: str) -> Figure:
    """Plot loss and accuracy by epoch: training and validation of the selected one above, all below.

    `curves` are ranked, with the selected combination first. Those of several seeds are means, and a band
    shows their range. A diverged combination is drawn up to its last finite loss, marked with a cross.
    """
    several = len(seeds) > 1
    runs = "combinations" if several else "runs"
    figure = new_figure(
        6.8,
        "Loss and accuracy during training",
        f"{data}, {f'mean and range of {len(seeds)} seeds' if several else f'seed {seeds[0]}'}",
    )
    panels = figure.subplots(2, 2, sharex=True)
    panels[0, 0].set_title(f"Selected {runs.removesuffix('s')}")
    panels[1, 0].set_title(f"All {runs} ({len(curves):,}), validation images", pad=8)
    for axes in panels[:, 0]:
        axes.set_ylabel("Cross entropy (nats)")
    for axes in panels[:, 1]:
        axes.set_ylabel("Accuracy")
        percentages(axes.yaxis)
        axes.axhline(1 / classes, color=GREY, linestyle=":", label="chance")
    for column, quantity in enumerate(["loss", "accuracy"]):
        above, below = panels[:, column]
        for split, colour, line in [("training", ORANGE, "--"), ("validation", BLUE, "-")]:
            _line(above, curves[0].history, f"{split}_{quantity}", color=colour, linestyle=line, label=split)
            _range_of_seeds(above, curves[0], f"{split}_{quantity}", colour)
        above.legend()
        _all_runs(below, curves, f"validation_{quantity}")
        below.set_xlabel("Epoch")
        whole_numbers(below)
    _logarithmic_where_wide(panels[0, 0], curves[0].history[["training_loss", "validation_loss"]])
    handles, labels = panels[1, 0].get_legend_handles_labels()
    shown = [HYPERPARAMETERS[name] for name in shown_in(curve.combination for curve in curves)]
    title = ", ".join(f"{parameter.abbreviation}: {parameter.label}" for parameter in shown)
    figure.legend(handles, labels, loc="outside lower left", ncols=2, title=title, alignment="left")
    return figure


def _all_runs(axes: Axes, curves: Sequence[Curve], column: str) -> None:
    """Draw a column of every history: the best in colour, others pale, diverged ones ending in a cross."""
    finished = [curve for curve in curves if not curve.diverged]
    best, others = finished[: len(BEST)], finished[len(BEST) :]
    if others:
        label = f"{len(others):,} other runs" if len(others) > 1 else "1 other run"
        if len(others) > MANY_CURVES:
            _band(axes, [curve.history for curve in others], column, label=f"middle 90% of {label}")
        else:
            _bundle(axes, [curve.history for curve in others], column, color=PALE, label=label)
    shown = shown_in(curve.combination for curve in curves)
    for rank, (curve, (colour, line)) in enumerate(zip(best, BEST, strict=False), start=1):
        label = f"{rank}.  {short_label(curve.combination, shown)}" + (" (selected)" if rank == 1 else "")
        width, front = (2.2, 4) if rank == 1 else (1.4, 3)
        look = {"color": colour, "linestyle": line, "linewidth": width, "zorder": front}
        _line(axes, curve.history, column, label=label, **look)
        if rank == 1:
            _range_of_seeds(axes, curve, column, colour)
    values = np.concatenate([curve.history[column] for curve in finished])
    axes.autoscale_view()
    if column.endswith("loss"):
        _logarithmic_where_wide(axes, values)
    _diverged_runs(axes, [curve.finite for curve in curves if curve.diverged], column)


def _diverged_runs(axes: Axes, histories: Sequence[pd.DataFrame], column: str) -> None:
    """Draw diverged runs within the axis limits of the others; a run above them is clipped at the edge."""
    if not histories:
        return
    low, high = axes.get_ylim()
    _bundle(axes, histories, column, color=VERMILION, linestyle=":", label=None)
    axes.set_ylim(low, high)
    if column.endswith("loss"):
        # A run without any finite epoch gets its cross at the first epoch, at the upper edge.
        ends = [rows[["epoch", column]].to_numpy()[-1] if len(rows) else (1, high) for rows in histories]
        epochs, losses = np.array(ends).T
        label = f"{len(histories):,} diverged (cross: last finite loss)"
        axes.plot(epochs, np.clip(losses, low, high), "x", color=VERMILION, label=label, clip_on=False)


def _range_of_seeds(axes: Axes, curve: Curve, column: str, colour: str) -> None:
    """Shade the range of a column over the seeds; a single epoch has a bar instead."""
    if curve.lowest is None or curve.highest is None:
        return
    epochs, low, high = curve.lowest["epoch"], curve.lowest[column], curve.highest[column]
    if len(epochs) == 1:
        axes.vlines(epochs, low, high, color=colour, alpha=0.4)
    else:
        axes.fill_between(epochs, low, high, color=colour, alpha=0.2, linewidth=0)


def _band(axes: Axes, histories: Sequence[pd.DataFrame], column: str, label: str) -> None:
    """Shade the middle of a column over many histories, epoch by epoch; shorter ones end earlier."""
    longest = max(map(len, histories))
    values = np.full((len(histories), longest), np.nan)
    for row, history in zip(values, histories, strict=True):
        row[: len(history)] = history[column]
    low, high = np.nanpercentile(values, MIDDLE, axis=0)
    epochs = np.arange(1, longest + 1)
    if longest == 1:
        axes.vlines(epochs, low, high, color=PALE, linewidth=6, label=label)
    else:
        axes.fill_between(epochs, low, high, color=PALE, label=label, linewidth=0)


def _bundle(axes: Axes, histories: Sequence[pd.DataFrame], column: str, **look: Any) -> None:
    """Draw a column of several histories as thin lines, thinner and rasterised if there are many."""
    lines = [history[["epoch", column]].to_numpy() for history in histories]
    many = len(lines) > MANY_CURVES
    axes.add_collection(LineCollection(lines, linewidths=0.3 if many else 0.7, rasterized=many, **look))


def _line(axes: Axes, history: pd.DataFrame, column: str, **look: Any) -> None:
    """Draw a column of one history; a single epoch is shown as a dot."""
    axes.plot(history["epoch"], history[column], marker="o" if len(history) == 1 else "", **look)


def _logarithmic_where_wide(axes: Axes, losses: ArrayLike) -> None:
    positive = np.asarray(losses)[np.asarray(losses) > 0]
    if positive.size and positive.max() / positive.min() > WIDE_RANGE:
        axes.set_yscale("log", nonpositive="mask")
