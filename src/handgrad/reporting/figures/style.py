"""The one look of all figures, and how they become files that are equal to the byte in every run."""

from pathlib import Path

import matplotlib.style
from cycler import cycler
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

# The palette of Okabe and Ito (2008), which people with any colour vision tell apart.
BLUE, ORANGE, GREEN, VERMILION, PURPLE = "#0072B2", "#E69F00", "#009E73", "#D55E00", "#CC79A7"
INK, GREY, PALE = "#222222", "#767676", "#BBBBBB"

# Inches: the width of the text on an A4 page, 16 cm.
WIDTH = 6.3
POINT = 1 / 72

# Decorates what makes or saves a figure: matplotlib's defaults, whatever the user's own, and then ours.
styled = matplotlib.style.context(
    [
        "default",
        {
            "axes.axisbelow": True,
            "axes.edgecolor": INK,
            "axes.grid": True,
            "axes.labelcolor": INK,
            "axes.labelsize": 9,
            "axes.prop_cycle": cycler(color=[BLUE, VERMILION, GREEN, ORANGE, PURPLE]),
            "axes.spines.right": False,
            "axes.spines.top": False,
            "axes.titlelocation": "left",
            "axes.titlesize": 9,
            "figure.constrained_layout.use": True,
            "figure.titlesize": 10,
            "figure.titleweight": "bold",
            "font.family": "DejaVu Sans",
            "font.size": 9,
            "grid.color": "#E4E4E4",
            "grid.linewidth": 0.6,
            "legend.fontsize": 8,
            "legend.frameon": False,
            "legend.title_fontsize": 8,
            "lines.linewidth": 1.4,
            "lines.markersize": 5,
            "savefig.dpi": 200,
            "svg.fonttype": "path",
            "svg.hashsalt": "handgrad",
            "text.color": INK,
            "xtick.color": INK,
            "xtick.labelsize": 8,
            "ytick.color": INK,
            "ytick.labelsize": 8,
        },
    ]
)


def new_figure(height: float, title: str, data: str) -> Figure:
    """An empty figure as wide as the page's text and `height` inches high, headed by what it shows.

    Below the title stands the name of the data, which may be too long for the same line.
    """
    figure = Figure(figsize=(WIDTH, height))
    # The layout keeps the space of the title alone; its empty second line is where the data are named.
    figure.suptitle(f"{title}\n", x=0.01, horizontalalignment="left")
    figure.text(0.01, 1 - 17 * POINT / height, data, verticalalignment="top")
    return figure


@styled
def save(figure: Figure, path: Path, file_format: str) -> None:
    """Write a figure as "svg" or "png", without date and version, so that equal figures are equal files."""
    metadata = {"Date": None, "Creator": None} if file_format == "svg" else {"Software": None}
    figure.savefig(path, format=file_format, metadata=metadata)


def whole_numbers(axes: Axes) -> None:
    """Put the ticks of the x axis on whole numbers: epochs, runs."""
    axes.xaxis.set_major_locator(MaxNLocator(nbins=6, integer=True, steps=[1, 2, 5, 10], min_n_ticks=1))


def percentages(axis: Axis) -> None:
    """Write the fractions along an axis in per cent."""
    axis.set_major_formatter(lambda fraction, _: f"{100 * fraction:.4g}%")


def percent(fraction: float) -> str:
    """0.8575 as "85.8%"."""
    return f"{100 * fraction:.1f}%"
