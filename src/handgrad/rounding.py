"""Estimates of the rounding error in a loss and its gradients, which a gradient check has to tolerate.

The model is first-order and probabilistic. Every operation incurs a relative error whose standard deviation
is the unit roundoff u of its dtype; the errors are independent and propagate through the derivatives of the
subsequent operations. The error of a sum of n terms is then about sqrt(n) u times the size of its partial
sums, estimated as sqrt(s^2 + sum of t_i^2), where s is the sum and t_i are its terms, to account for
cancellation.

See Higham and Mary, A New Approach to Probabilistic Rounding Error Analysis, SIAM J. Sci.
Comput. 41 (2019); for error bounds computed along with a result, Higham, Accuracy and Stability of Numerical
Algorithms, 3.3.
"""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import torch
from torch import Tensor

# Errors of up to this many standard deviations are attributed to rounding.
DEVIATIONS = 20.0

Function = Callable[[Tensor], Tensor]


class Rounding(NamedTuple):
    """The errors attributed to rounding: of the loss, of each gradient entry, and of the outputs."""

    loss: float
    gradients: list[Tensor]
    outputs: Tensor


def rounding_errors(
    parameters: Sequence[Tensor],
    f: Sequence[Function],
    df: Sequence[Function],
    inputs: Tensor,
    y_true: Tensor,
    loss: str,
    loss_value: Function,
    dtype: torch.dtype,
) -> Rounding:
    """The rounding errors of a forward and backward pass in `dtype`.

    Args:
        parameters: the weight and bias of each layer in turn, float64.
        f, df: the activation of each layer and its derivative.
        inputs: [batch, n_0], float64.
        y_true: the targets for `loss`, float64 or class indices.
        loss: squared_error, mse or cross_entropy.
        loss_value: the loss as a function of the outputs.
        dtype: the dtype of the passes whose errors are estimated.
    """
    unit = torch.finfo(dtype).eps / 2
    # Below the smallest normal number, errors are absolute.
    smallest = torch.finfo(dtype).smallest_normal * torch.finfo(dtype).eps
    weights, biases = parameters[::2], parameters[1::2]

    # Forward: the values of each layer, and the variances of their errors.
    a, var_a = inputs, torch.zeros_like(inputs)
    layers = []
    for weight, bias, activation, derivative in zip(weights, biases, f, df, strict=True):
        z = a @ weight.T + bias
        terms = (a**2) @ (weight**2).T + bias**2
        var_z = var_a @ (weight**2).T + _sum_variance(unit, weight.shape[1] + 1, z, terms) + smallest**2
        slope = _like(derivative(z), z)
        # An error in z changes the derivative: slightly where it is smooth, by the full jump at a kink.
        reach = DEVIATIONS * var_z.sqrt()
        bend = (_like(derivative(z + reach), z) - _like(derivative(z - reach), z)) / DEVIATIONS
        # Cancellation in 1 - tanh(z)^2 and the like: the absolute error is u, however small the result.
        var_slope = bend**2 + (unit * (slope.abs() + 1)) ** 2
        layers.append((weight, a, var_a, slope, var_slope))
        a = activation(z)
        var_a = slope**2 * var_z + (unit * (a.abs() + z.abs())) ** 2

    dL_da, var_da, var_loss = _loss_errors(a, var_a, y_true, loss, loss_value, unit)
    gradients: list[Tensor] = []
    outputs = var_a
    for weight, below, var_below, slope, var_slope in reversed(layers):
        samples, units = dL_da.shape
        dL_dz = dL_da * slope
        var_dz = slope**2 * var_da + dL_da**2 * var_slope + (unit * dL_dz) ** 2
        squares = dL_dz**2
        dL_dw, dL_db = dL_dz.T @ below, dL_dz.sum(0)
        terms = squares.T @ below**2
        var_dw = var_dz.T @ below**2 + squares.T @ var_below + _sum_variance(unit, samples, dL_dw, terms)
        var_db = var_dz.sum(0) + _sum_variance(unit, samples, dL_db, squares.sum(0))
        gradients[:0] = [var_dw, var_db]
        dL_da = dL_dz @ weight
        var_da = var_dz @ weight**2 + _sum_variance(unit, units, dL_da, squares @ weight**2)
    return Rounding(
        DEVIATIONS * max(var_loss, 0.0) ** 0.5,
        [DEVIATIONS * (variance + smallest**2).sqrt() for variance in gradients],
        DEVIATIONS * outputs.sqrt(),
    )


def _loss_errors(
    y: Tensor, var_y: Tensor, y_true: Tensor, loss: str, loss_value: Function, unit: float
) -> tuple[Tensor, Tensor, float]:
    """dL/dy, the variance of its errors, and the variance of the loss's error."""
    value = loss_value(y)
    samples = len(y)
    if loss == "cross_entropy":
        p = torch.softmax(y, dim=1)
        onehot = torch.zeros_like(y).scatter_(1, y_true[:, None], 1)
        dL_dy = (p - onehot) / samples
        carried = p**2 * (var_y + (p**2 * var_y).sum(1, keepdim=True))
        var_dy = (carried + unit**2 * (p**2 * (1 + y**2) + onehot)) / samples**2
        # log softmax is a difference of logits, each with an error of its own.
        own = unit**2 * (1 + y.abs().amax(1) ** 2).sum() / samples**2
        var_loss = (dL_dy**2 * var_y).sum() + own + _sum_variance(unit, samples, value, value**2)
        return dL_dy, var_dy, var_loss.item()
    scale = 2.0 if loss == "squared_error" else 2.0 / y.numel()
    residual = y - y_true
    var_residual = var_y + unit**2 * (y**2 + y_true**2)
    dL_dy = scale * residual
    var_loss = (dL_dy**2 * var_residual).sum() + _sum_variance(unit, y.numel(), value, value**2)
    return dL_dy, scale**2 * var_residual, var_loss.item()


def _sum_variance(unit: float, count: int, total: Tensor, squares: Tensor) -> Tensor:
    """The variance of the error of a sum of `count` terms, given the sum and the sum of squares."""
    return unit**2 * count * (total**2 + squares)


def _like(values: Tensor | float, z: Tensor) -> Tensor:
    """A derivative's values, expanded to the shape of z, since some derivatives return a scalar."""
    return torch.as_tensor(values, dtype=z.dtype, device=z.device).expand(z.shape)
