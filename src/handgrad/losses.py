"""Loss functions, each with its gradient.

To add one, write its functions and add an entry to `LOSSES`.
"""

from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional

from handgrad.activations import exp_minus_abs
from handgrad.arguments import broadcasts

NO_CLASS = -(2**63)  # ignore_index for nll_loss, whose default (-100) would silently skip samples


class Loss(NamedTuple):
    """A loss L and its gradient dL/dy_pred, both computed from a shared intermediate result.

    The intermediate result, [batch, outputs], holds the residuals of a squared error or the log-probabilities
    of cross entropy.

    Attributes:
        checked: takes y_true and y_pred; returns y_true with one row per sample, or raises ValueError if the
            two do not match.
        intermediate: takes y_pred, y_true and an output tensor, or None to allocate one; returns the
            intermediate result.
        value: takes the intermediate result and y_true; returns L.
        gradient: takes the intermediate result, which it overwrites, and y_true; returns dL/dy_pred.
    """

    checked: Callable[[Tensor, Tensor], Tensor]
    intermediate: Callable[[Tensor, Tensor, Tensor | None], Tensor]
    value: Callable[[Tensor, Tensor], Tensor]
    gradient: Callable[[Tensor, Tensor], Tensor]


def _checked_targets(y_true: Tensor, y_pred: Tensor) -> Tensor:
    _check_is_tensor(y_true)
    if y_true.shape != y_pred.shape and not broadcasts(y_true.shape, y_pred.shape):
        raise ValueError(
            f"y_true has the shape {[*y_true.shape]}; expected that of y_pred, {[*y_pred.shape]}, "
            "or one that broadcasts to it"
        )
    if y_true.dtype != y_pred.dtype and torch.result_type(y_pred, y_true) != y_pred.dtype:
        raise ValueError(f"y_true is {y_true.dtype}; expected {y_pred.dtype}, like y_pred")
    return y_true if y_pred.ndim == 2 else y_true.expand_as(y_pred).reshape(-1, y_pred.shape[-1])


def _check_is_tensor(y_true: Tensor) -> None:
    if not isinstance(y_true, Tensor):
        raise TypeError(f"y_true is a {type(y_true).__name__}; expected a torch.Tensor")


def _residuals(y_pred: Tensor, y_true: Tensor, out: Tensor | None) -> Tensor:
    return torch.sub(y_pred, y_true, out=out)


def _sum_of_squares(residuals: Tensor, y_true: Tensor) -> Tensor:
    return (residuals**2).sum()


def _sum_gradient(residuals: Tensor, y_true: Tensor) -> Tensor:
    return residuals.mul_(2)


def _mean_of_squares(residuals: Tensor, y_true: Tensor) -> Tensor:
    return (residuals**2).mean()


def _mean_gradient(residuals: Tensor, y_true: Tensor) -> Tensor:
    return residuals.mul_(2 / residuals.numel())


def _checked_classes(y_true: Tensor, y_pred: Tensor) -> Tensor:
    _check_is_tensor(y_true)
    if y_true.dtype != torch.int64 or y_true.shape != y_pred.shape[:-1]:
        raise ValueError(
            f"y_true is {y_true.dtype} of the shape {[*y_true.shape]}; expected class indices, "
            f"torch.int64 of the shape {[*y_pred.shape[:-1]]}"
        )
    if not y_true.is_cpu:  # on a GPU, an out-of-range index aborts the process
        _check_range(y_true, y_pred.shape[-1])
    return y_true if y_true.ndim == 1 else y_true.reshape(-1)


def _check_range(y_true: Tensor, classes: int) -> None:
    lowest, highest = torch.aminmax(y_true)
    if lowest < 0 or highest >= classes:
        raise ValueError(f"y_true has classes from {lowest} to {highest}; expected 0 to {classes - 1}")


def _log_probabilities(y_pred: Tensor, y_true: Tensor, out: Tensor | None) -> Tensor:
    return torch.log_softmax(y_pred, 1, out=out)


def _mean_of_logs(log_probabilities: Tensor, y_true: Tensor) -> Tensor:
    try:
        return functional.nll_loss(log_probabilities, y_true, ignore_index=NO_CLASS)
    except (IndexError, RuntimeError):
        _check_range(y_true, log_probabilities.shape[1])
        raise


def _softmax_minus_onehot(log_probabilities: Tensor, y_true: Tensor) -> Tensor:
    """(softmax(y_pred) - onehot(y_true)) / batch, rounded as autograd does it: share * p - share * onehot."""
    probabilities = exp_minus_abs(log_probabilities)
    share = 1 / len(y_true)
    gradient = log_probabilities.zero_()
    try:
        gradient.scatter_(1, y_true.unsqueeze(1), -share)
    except RuntimeError:
        _check_range(y_true, log_probabilities.shape[1])
        raise
    return gradient.add_(probabilities, alpha=share)


def _textbook_gradient(log_probabilities: Tensor, y_true: Tensor) -> Tensor:
    """(softmax(y_pred) - onehot(y_true)) / batch, in this order: autograd's gradient up to rounding."""
    probabilities = log_probabilities.exp_()
    probabilities.scatter_add_(1, y_true.unsqueeze(1), probabilities.new_tensor(-1.0).expand(len(y_true), 1))
    return probabilities.div_(len(y_true))


LOSSES = {
    "squared_error": Loss(_checked_targets, _residuals, _sum_of_squares, _sum_gradient),
    "mse": Loss(_checked_targets, _residuals, _mean_of_squares, _mean_gradient),
    "cross_entropy": Loss(_checked_classes, _log_probabilities, _mean_of_logs, _softmax_minus_onehot),
}

# Alternative ways to compute the gradient of a loss; accepted wherever a loss name is.
VARIANTS = {
    "textbook_cross_entropy": LOSSES["cross_entropy"]._replace(gradient=_textbook_gradient),
}


def find_loss(name: str) -> Loss:
    """The loss or variant with this name.

    Raises:
        ValueError: if there is none with this name.
    """
    loss = LOSSES.get(name) or VARIANTS.get(name)
    if loss is None:
        raise ValueError(f"no loss is named {name!r}; expected one of {', '.join(LOSSES)}")
    return loss
