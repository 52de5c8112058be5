"""The figure of the error of finite differences against their step."""

from typing import Any

import numpy as np
from matplotlib.figure import Figure

from handgrad.figures.style import BLUE, GREY, VERMILION, new_figure, styled


@styled
def epsilon_sweep(sweep: dict[str, Any]) -> Figure:
    """Relative error of forward and central differences by step, with guides of slope 1 and 2.

    `sweep` is the part `epsilon_sweep` of check.json.
    """
    network = "-".join(map(str, sweep["network"]))
    loss = sweep["loss"].replace("_", " ")
    figure = new_figure(
        3.8, f"Error of finite differences (network {network}, {sweep['activation']}, {loss}, drawn inputs)"
    )
    axes = figure.subplots()
    epsilons = np.array([point["epsilon"] for point in sweep["points"]])
    for name, order, marker, colour in [("forward", 1, "o", BLUE), ("central", 2, "s", VERMILION)]:
        errors = np.array([point[name] for point in sweep["points"]])
        best, slope = sweep[name]["best_epsilon"], sweep[name]["slope"]
        axes.loglog(
            epsilons, errors, marker=marker, color=colour, label=f"{name} differences (slope {slope:.2f})"
        )
        axes.plot(
            best,
            sweep[name]["best_error"],
            "*",
            color=colour,
            markersize=13,
            markeredgecolor="white",
            label=f"best {name} step: {best:.0e}",
        )
        falling = epsilons[epsilons > best]
        if falling.size:
            middle = np.sort(falling)[falling.size // 2]
            guide = errors[epsilons == middle][0] * (falling / middle) ** order
            axes.plot(
                falling, guide, color=GREY, linestyle=":" if order == 1 else "--", label=f"slope {order}"
            )
    axes.set_xlabel("Step ε (in units of the parameter)")
    axes.set_ylabel("Largest relative error")
    axes.legend()
    return figure
