"""The common style of all figures, and saving them as files that are byte-identical in every run."""

from pathlib import Path

import matplotlib.style
from cycler import cycler
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

# The colour-blind-safe palette of Okabe and Ito (2008).
BLUE, ORANGE, GREEN, VERMILION, PURPLE = "#0072B2", "#E69F00", "#009E73", "#D55E00", "#CC79A7"
INK, GREY, PALE = "#222222", "#767676", "#BBBBBB"

# In inches: the text width of an A4 page, 16 cm.
WIDTH = 6.3
POINT = 1 / 72

# Decorator for functions that create or save figures: matplotlib's defaults, not the user's, plus our style.
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
    """Create an empty figure as wide as the text and `height` inches high, with a title.

    The name of the data goes below the title, since both may be too long for one line.
    """
    figure = Figure(figsize=(WIDTH, height))
    # The layout reserves space only for the title; its empty second line holds the name of the data.
    figure.suptitle(f"{title}\n", x=0.01, horizontalalignment="left")
    figure.text(0.01, 1 - 17 * POINT / height, data, verticalalignment="top")
    return figure


@styled
def save(figure: Figure, path: Path, file_format: str) -> None:
    """Save a figure as "svg" or "png", without date or version, so that equal figures give equal files."""
    metadata = {"Date": None, "Creator": None} if file_format == "svg" else {"Software": None}
    figure.savefig(path, format=file_format, metadata=metadata)


def whole_numbers(axes: Axes) -> None:
    """Put the ticks of the x-axis on integers, such as epochs or runs."""
    axes.xaxis.set_major_locator(MaxNLocator(nbins=6, integer=True, steps=[1, 2, 5, 10], min_n_ticks=1))


def percentages(axis: Axis) -> None:
    """Format the fractions along an axis as percentages."""
    axis.set_major_formatter(lambda fraction, _: f"{100 * fraction:.4g}%")


def percent(fraction: float) -> str:
    """Format a fraction as a percentage: 0.8575 as "85.8%"."""
    return f"{100 * fraction:.1f}%"
