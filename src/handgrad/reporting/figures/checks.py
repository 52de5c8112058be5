"""Figures for checks of submitted code: errors by layer, trajectories, loss curves."""

from typing import Any

from matplotlib.figure import Figure

from handgrad.reporting.figures.style import BLUE, GREY, VERMILION, new_figure, styled, whole_numbers

# Range of relative errors, from rounding to wrong; smaller ones, including zero, are drawn at the lower end.
LOWEST, HIGHEST = 1e-17, 1e2
TOLERANCE = 1e-5
CURVES = 6


@styled
def gradient_errors(layers: list[dict[str, Any]], name: str) -> Figure:
    """Plot the relative error of each layer's gradients; `layers` is `errors` in a finding of check.json.

    An error of None, for a wrong shape or a non-finite number, is drawn at the upper end.
    """
    figure = new_figure(2.8, "Relative error of the gradients by layer", f"{name}, against autograd")
    axes = figure.subplots()
    for offset, kind, colour in ((-0.18, "weight", BLUE), (0.18, "bias", VERMILION)):
        positions = [layer["layer"] + offset for layer in layers]
        errors = [HIGHEST if layer[kind] is None else max(layer[kind], 2 * LOWEST) for layer in layers]
        axes.bar(
            positions, errors, width=0.34, color=colour, label={"weight": "dL_dw", "bias": "dL_db"}[kind]
        )
    axes.axhline(TOLERANCE, color=GREY, linestyle="--", label="accepted below")
    axes.set_yscale("log")
    axes.set_ylim(LOWEST, HIGHEST)
    axes.set_xticks([layer["layer"] for layer in layers])
    axes.set_xlabel("Layer")
    axes.set_ylabel("Relative error")
    figure.legend(loc="outside lower left", ncols=3)
    return figure


@styled
def trajectories(trainings: list[dict[str, Any]], name: str) -> Figure:
    """Plot the distance of the parameters from those of torch.optim.SGD, and the losses, step by step."""
    figure = new_figure(5.6, "Training step by step, beside torch.optim.SGD", name)
    upper, lower = figure.subplots(2, 1, sharex=True)
    for number, training in enumerate(trainings[:CURVES]):
        distances = [HIGHEST if d is None else max(d, 2 * LOWEST) for d in training["distances"]]
        colour = f"C{number}" if number < 5 else GREY
        upper.plot(distances, marker="o", markersize=3, color=colour, label=training["setting"])
        lower.plot(training["losses"], color=colour)
        lower.plot(training["reference_losses"], color=colour, linestyle=":", linewidth=2.2)
    upper.set_yscale("log")
    upper.set_ylim(LOWEST, HIGHEST)
    upper.set_ylabel("Relative distance of\nthe parameters")
    lower.set_ylabel("Loss (dotted:\ntorch.optim.SGD)")
    lower.set_xlabel("Steps")
    whole_numbers(lower)
    figure.legend(loc="outside lower left", ncols=2)
    return figure
