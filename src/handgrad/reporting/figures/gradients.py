"""The figure of the error of finite differences against their step size."""

from typing import Literal

import numpy as np
from matplotlib.figure import Figure

from handgrad.records.gradient_check import EpsilonSweep
from handgrad.reporting.figures.style import BLUE, GREY, VERMILION, new_figure, styled

# Factor by which the guide lines lie above the measured errors.
CLEARANCE = 4


@styled
def epsilon_sweep(sweep: EpsilonSweep) -> Figure:
    """Plot the relative error of forward and central differences by step, with guides of slope 1 and 2.

    `sweep` is `epsilon_sweep` in check.json.
    """
    network = "-".join(map(str, sweep["network"]))
    loss = sweep["loss"].replace("_", " ")
    figure = new_figure(
        4.2,
        "Error of finite differences against backpropagation",
        f"Drawn inputs, network {network}, {sweep['activation']}, {loss}",
    )
    axes = figure.subplots()
    epsilons = np.array([point["epsilon"] for point in sweep["points"]])
    kinds: list[tuple[Literal["forward", "central"], int, str, str]]
    kinds = [("forward", 1, "o", BLUE), ("central", 2, "s", VERMILION)]
    for name, order, marker, colour in kinds:
        errors = np.array([point[name] for point in sweep["points"]])
        best, best_error = sweep[name]["best_epsilon"], sweep[name]["best_error"]
        label = f"{name}: slope {sweep[name]['slope']:.2f}, best step {_power_of_ten(best)}"
        axes.loglog(epsilons, errors, marker=marker, markersize=4, color=colour, label=label)
        axes.plot(best, best_error, "*", color=colour, markersize=13, markeredgecolor="white", zorder=3)
        falling = epsilons[epsilons >= best]
        guide = CLEARANCE * errors[epsilons.argmax()] * (falling / falling.max()) ** order
        axes.plot(falling, guide, color=GREY, linestyle=[":", "--"][order - 1], label=f"slope {order}")
    axes.set_xlabel("Step ε (dimensionless)")
    axes.set_ylabel("Relative error of the gradient")
    figure.legend(loc="outside lower left", ncols=2)
    return figure


def _power_of_ten(number: float) -> str:
    """Typeset a number in scientific notation: 3.2e-08 as 3.2 x 10^-8."""
    mantissa, exponent = f"{number:.1e}".split("e")
    return rf"${mantissa} \times 10^{{{int(exponent)}}}$"
