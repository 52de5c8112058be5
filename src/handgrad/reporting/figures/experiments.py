"""The figure that compares the selected runs of several experiments."""

from collections.abc import Mapping

import pandas as pd
from matplotlib.figure import Figure

from handgrad.reporting.figures.curves import BEST
from handgrad.reporting.figures.style import new_figure, percentages, styled, whole_numbers


@styled
def experiment_curves(histories: Mapping[str, pd.DataFrame]) -> Figure:
    """Plot validation loss and accuracy by epoch of each experiment's selected run; keys are their names."""
    figure = new_figure(3.6, "Validation of the selected runs", "By epoch, one line for each experiment")
    losses, accuracies = figure.subplots(1, 2, sharex=True)
    for position, (name, history) in enumerate(histories.items()):
        colour, line = BEST[position % len(BEST)]
        marker = "o" if len(history) == 1 else ""
        look = {"color": colour, "linestyle": line, "marker": marker}
        losses.plot(history["epoch"], history["validation_loss"], label=name, **look)
        accuracies.plot(history["epoch"], history["validation_accuracy"], **look)
    losses.set_ylabel("Cross entropy (nats)")
    accuracies.set_ylabel("Accuracy")
    percentages(accuracies.yaxis)
    for axes in (losses, accuracies):
        axes.set_xlabel("Epoch")
        whole_numbers(axes)
    figure.legend(loc="outside lower left", ncols=4)
    return figure
