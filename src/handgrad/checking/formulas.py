"""Backpropagation and the SGD update as tables of formulas, so that a mistake is a change to an entry.

A formula is a Python expression in which `{name}` refers to another formula of the table. The tables are only
evaluated on small networks, to compare observed numbers with those of each known mistake, and their formulas
are printed in diagnoses. The implementations to read and use are `handgrad.backprop` and `handgrad.sgd`.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from types import CodeType
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

Formulas = Mapping[str, str]

# One row per sample. n: the batch size; W[l], b[l]: the weights and biases of layer l; dL_da: the gradient
# with respect to the outputs. The numbering BP1 to BP4 follows `handgrad.backprop.backpropagation`.
LOSS_GRADIENTS = {
    "squared_error": {"dL_da": "{factor} * {residual}", "factor": "2", "residual": "(y_pred - y_true)"},
    "mse": {
        "dL_da": "{factor} * {residual} / {count}",
        "factor": "2",
        "residual": "(y_pred - y_true)",
        "count": "y_pred.numel()",
    },
    "cross_entropy": {
        "dL_da": "{residual} / {count}",
        "residual": "({probabilities} - onehot(y_true))",
        "probabilities": "softmax(y_pred, dim=1)",
        "count": "n",
    },
}
BACKPROPAGATION = {
    "dL_dz[L]": "dL_da * {output_slope}",  # BP1
    "output_slope": "df[L](z[L])",
    "dL_dz[l]": "{back} * {slope}",  # BP2
    "back": "(dL_dz[l+1] @ W[l+1])",
    "slope": "df[l](z[l])",
    "dL_db[l]": "dL_dz[l].sum(dim=0)",  # BP3
    "dL_dw[l]": "dL_dz[l].T @ {below}",  # BP4
    "below": "a[l-1]",
}
EQUATIONS = {"dL_dz[L]": "BP1", "dL_dz[l]": "BP2", "dL_db[l]": "BP3", "dL_dw[l]": "BP4"}

# dL_dp: the gradient of the current batch at the current parameters p, all in one vector; late: that of the
# batch before, also at p; t: the step, counted from 0.
UPDATE = {
    "g": "{gradient} + {decay}",
    "gradient": "dL_dp",
    "decay": "weight_decay * p",
    "v": "{first} if t == 0 else {next}",
    "first": "g",
    "next": "{kept} + {fresh}",
    "kept": "momentum * v",
    "fresh": "g",
    "d": "v",
    "p": "p - {rate} * d",
    "rate": "lr",
}
# Replacements for functions that have the corresponding parameter.
DAMPENING = {"fresh": "(1 - dampening) * g"}
NESTEROV = {"d": "(g + momentum * v if nesterov else v)"}

FORWARD = {"z[l]": "a[l-1] @ W[l].T + b[l]", "a[l]": "f[l](z[l])"}
DERIVATIVE = {"df(z)": "slope(z)"}


@dataclass(frozen=True)
class Pass:
    """The inputs of backpropagation: the network after a forward pass, and its state before it."""

    W: dict[int, Tensor]
    df: dict[int, Any]
    f: dict[int, Any]
    z: dict[int, Tensor]
    a: dict[int, Tensor]
    y_true: Tensor
    y_pred: Tensor
    old_a: dict[int, Tensor]
    old_dw: dict[int, Tensor]
    old_db: dict[int, Tensor]


@dataclass(frozen=True)
class Steps:
    """An observed training run: the parameters before each step, and the gradients there.

    `points` has one more row than `gradients`: the parameters after the last step. `late_gradients` are the
    gradients of the batch before, at the same parameters; zero in the first step.
    """

    points: Tensor
    gradients: Tensor
    late_gradients: Tensor
    batch_sizes: list[int]
    steps_per_epoch: int
    is_bias: Tensor
    is_last_layer: Tensor
    settings: dict[str, Any]


def written(formulas: Formulas, name: str) -> str:
    """A formula with all references to other formulas expanded."""
    text = formulas[name]
    while "{" in text:
        text = text.format_map(formulas)
    return text


def gradients(formulas: Formulas, state: Pass) -> list[Tensor | None]:
    """dL_dw[1], dL_db[1], dL_dw[2], ... according to a table of formulas; None if a formula has no value."""
    last = len(state.W)
    dL_dz: dict[int, Tensor] = {}
    scope = vars(state) | _FUNCTIONS | {"n": len(state.y_pred), "L": last, "l": last, "dL_dz": dL_dz}
    scope |= {"dL_dw": (dL_dw := {}), "dL_db": (dL_db := {})}
    scope["dL_da"] = _value(formulas, "dL_da", scope)
    for layer in range(last, 0, -1):
        scope["l"] = layer
        dL_dz[layer] = _value(formulas, "dL_dz[L]" if layer == last else "dL_dz[l]", scope)
        dL_dw[layer] = _value(formulas, "dL_dw[l]", scope)
        dL_db[layer] = _value(formulas, "dL_db[l]", scope)
    return [gradient for layer in range(1, last + 1) for gradient in (dL_dw[layer], dL_db[layer])]


def trajectory(formulas: Formulas, steps: Steps) -> Tensor:
    """The parameters after each step according to a table of formulas, starting from the observed points."""
    zeros = torch.zeros_like(steps.points[0])
    scope = steps.settings | _FUNCTIONS | {"is_bias": steps.is_bias, "is_last_layer": steps.is_last_layer}
    started = ("v", "v_before", "g_before", "previous", "accumulated", "epoch_sum")
    scope |= dict.fromkeys(started, zeros)
    after = []
    for t, gradient in enumerate(steps.gradients):
        epoch, step = divmod(t, steps.steps_per_epoch)
        scope |= {"t": t, "epoch": epoch, "step": step, "last_step": step == steps.steps_per_epoch - 1}
        scope |= {
            "dL_dp": gradient,
            "late": steps.late_gradients[t],
            "p": steps.points[t],
            "n": steps.batch_sizes[step],
        }
        scope["epoch_sum"] = gradient if step == 0 else scope["epoch_sum"] + gradient
        scope["g"] = _value(formulas, "g", scope)
        scope["v"] = _value(formulas, "v", scope)
        scope["d"] = _value(formulas, "d", scope)
        after.append(_value(formulas, "p", scope))
        scope |= {"g_before": scope["g"], "v_before": scope["v"], "previous": gradient}
        scope["accumulated"] = scope["accumulated"] + gradient
    return torch.stack(after)


def value(formulas: Formulas, name: str, scope: dict[str, Any]) -> Any:
    """The value of a formula, evaluated with the names in `scope`."""
    return _value(formulas, name, scope | _FUNCTIONS)


_FUNCTIONS: dict[str, Any] = {
    "__builtins__": {},
    "softmax": torch.softmax,
    "log_softmax": torch.log_softmax,
    "sign": torch.sign,
    "abs": torch.abs,
    "tanh": torch.tanh,
    "zeros_like": torch.zeros_like,
    "where": torch.where,
    "exp": torch.exp,
    "cosh": torch.cosh,
    "ndtr": torch.special.ndtr,
}


def _value(formulas: Formulas, name: str, scope: dict[str, Any]) -> Any:
    if "y_pred" in scope:
        classes = scope["y_pred"].shape[1]
        scope = scope | {"onehot": lambda y: functional.one_hot(y, classes).to(scope["y_pred"].dtype)}
    return eval(_compiled(written(formulas, name)), scope)


@cache
def _compiled(expression: str) -> CodeType:
    return compile(expression, "<formula>", "eval")
