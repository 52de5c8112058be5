"""Gradients by hand, compared with autograd and with finite differences.

The model is any that `backpropagation` takes, with f[l] beside df[l]. Gradients are listed as dL_dw[1],
dL_db[1], dL_dw[2], ..., which is the order of model.parameters().
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import linear_regression
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from handgrad.backprop import backpropagation
from handgrad.errors import GradientError

LOSS_VALUES: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
    "squared_error": lambda y_pred, y_true: ((y_pred - y_true) ** 2).sum(),
    "mse": functional.mse_loss,
    "cross_entropy": functional.cross_entropy,
}
AUTOGRAD_TOLERANCE = 1e-12
CENTRAL_TOLERANCE = 1e-6
# Near the best for central differences in float64, the cube root of the rounding unit.
EPSILON = 1e-5
# By how many rounding units a sum over a batch may be off.
ROUNDINGS = 100
# From 1e-1 to 1e-13 in half decades.
SWEEP = tuple(10 ** (-exponent / 2) for exponent in range(2, 27))


@dataclass(frozen=True)
class AutogradCheck:
    """How far the gradients are from autograd's, relative to the largest entry of each weight and bias."""

    largest_relative_error: float
    bit_identical: bool


@dataclass(frozen=True)
class CentralCheck:
    """How far the gradients are from central differences; kinks are parameters that could not be judged."""

    parameters: int
    parameters_checked: int
    kinks: int
    largest_relative_error: float


@dataclass(frozen=True)
class Curve:
    """One kind of difference over epsilon: its smallest error, and the slope of its truncation error."""

    best_epsilon: float
    best_error: float
    slope: float


@dataclass(frozen=True)
class EpsilonSweep:
    """The relative error of the whole gradient by forward and by central differences, for each epsilon."""

    epsilons: tuple[float, ...]
    forward_errors: tuple[float, ...]
    central_errors: tuple[float, ...]
    forward: Curve
    central: Curve


def gradients_by_hand(model: Any, inputs: Tensor, y_true: Tensor, loss: str) -> list[Tensor]:
    """The gradients that `backpropagation` computes after a forward pass."""
    with torch.no_grad():
        backpropagation(model, y_true, model(inputs), loss)
    return [gradient for layer in _layers(model) for gradient in (model.dL_dw[layer], model.dL_db[layer])]


def check_against_autograd(
    model: Any,
    inputs: Tensor,
    y_true: Tensor,
    loss: str = "squared_error",
    gradients: Sequence[Tensor] | None = None,
    *,
    tolerance: float = AUTOGRAD_TOLERANCE,
) -> AutogradCheck:
    """Compare `gradients`, or else those of `backpropagation`, with autograd's.

    Raises:
        GradientError: if a relative error is above `tolerance`: the layer, the parameter and both values.
    """
    if gradients is None:
        gradients = gradients_by_hand(model, inputs, y_true, loss)
    with torch.enable_grad():
        references = torch.autograd.grad(LOSS_VALUES[loss](model(inputs), y_true), _parameters(model))
    largest = 0.0
    for position, (gradient, reference) in enumerate(zip(gradients, references, strict=True)):
        _check_shape(position, gradient, reference)
        differences = (gradient - reference).abs()
        index = int(differences.argmax())
        error = _ratio(differences.max().item(), reference.abs().max().item())
        if not error <= tolerance:
            by_hand, by_autograd = gradient.flatten()[index].item(), reference.flatten()[index].item()
            raise GradientError(
                f"{_name(position, index, reference)}: the gradient is {by_hand!r} by hand and "
                f"{by_autograd!r} by autograd ({loss}; relative error {error:.1e}, tolerance {tolerance:.0e})"
            )
        largest = max(largest, error)
    return AutogradCheck(largest, bit_identical=all(map(torch.equal, gradients, references)))


@torch.no_grad()
def check_gradients(
    model: Any,
    inputs: Tensor,
    y_true: Tensor,
    loss: str = "squared_error",
    gradients: Sequence[Tensor] | None = None,
    *,
    n_samples_per_layer: int | None = None,
    seed: int = 0,
    epsilon: float = EPSILON,
    tolerance: float = CENTRAL_TOLERANCE,
) -> CentralCheck:
    """Compare `gradients`, or else those of `backpropagation`, with central differences of the loss.

    These are (L(w + epsilon) - L(w - epsilon)) / (2 epsilon), in float64 on copies of the parameters, for
    every parameter or for a sample: `n_samples_per_layer` weights and as many biases a layer, by `seed`. An
    error is relative to the larger of the two values, but to no less than a value of which the tolerance is
    what rounding alone can make of the difference.

    Where the perturbation takes some z across a kink of its activation (relu and leaky_relu at 0), the
    difference says nothing about the derivative: the parameter is counted as a kink and not judged. So is one
    at which the loss is not finite.

    Raises:
        GradientError: if a relative error is above `tolerance`: the layer, the parameter and both values.
    """
    if gradients is None:
        gradients = gradients_by_hand(model, inputs, y_true, loss)
    landscape = _Landscape(model, inputs, y_true, loss)
    generator = torch.Generator().manual_seed(seed)
    checked, kinks, largest = 0, 0, 0.0
    for position, (gradient, parameter) in enumerate(zip(gradients, landscape.parameters, strict=True)):
        _check_shape(position, gradient, parameter)
        gradient_rounding = ROUNDINGS * torch.finfo(gradient.dtype).eps * gradient.abs().max().item()
        for index in torch.randperm(parameter.numel(), generator=generator)[:n_samples_per_layer].tolist():
            by_hand = gradient.flatten()[index].item()
            difference, error = landscape.compare(
                position, index, by_hand, gradient_rounding, epsilon, tolerance
            )
            if math.isnan(difference):
                kinks += 1
            elif error <= tolerance:
                checked, largest = checked + 1, max(largest, error)
            else:
                raise GradientError(
                    f"{_name(position, index, parameter)}: the gradient is {by_hand!r} by hand and "
                    f"{difference!r} by central differences ({loss}; relative error {error:.1e}, tolerance "
                    f"{tolerance:.0e})"
                )
    return CentralCheck(sum(gradient.numel() for gradient in gradients), checked, kinks, largest)


@torch.no_grad()
def sweep_epsilon(model: Any, inputs: Tensor, y_true: Tensor, loss: str = "squared_error") -> EpsilonSweep:
    """The error of forward and central differences for epsilon from 1e-1 to 1e-13, of a smooth float64 model.

    The truncation error of forward differences is proportional to epsilon, that of central ones to its square
    (slopes 1 and 2); the rounding error is proportional to 1/epsilon for both. They balance near the square
    and the cube root of the rounding unit: Nocedal and Wright, Numerical Optimization, section 8.1.
    """
    gradient = torch.cat([part.flatten() for part in gradients_by_hand(model, inputs, y_true, loss)])
    landscape = _Landscape(model, inputs, y_true, loss)
    places = [(p, i) for p, parameter in enumerate(landscape.parameters) for i in range(parameter.numel())]

    def error(differences: list[float]) -> float:
        return ((gradient.new_tensor(differences) - gradient).norm() / gradient.norm()).item()

    forward = [error([landscape.forward_difference(*place, step) for place in places]) for step in SWEEP]
    central = [error([landscape.central_difference(*place, step) for place in places]) for step in SWEEP]
    return EpsilonSweep(SWEEP, tuple(forward), tuple(central), _curve(forward), _curve(central))


def _curve(errors: list[float]) -> Curve:
    best_error, best_epsilon = min(zip(errors, SWEEP, strict=True))
    # Truncation alone: well above the best epsilon, well below where higher orders show.
    truncation = [
        (math.log10(epsilon), math.log10(error))
        for epsilon, error in zip(SWEEP, errors, strict=True)
        if 10 * best_epsilon <= epsilon <= 1e-2
    ]
    return Curve(best_epsilon, best_error, linear_regression(*zip(*truncation, strict=True)).slope)


class _Landscape:
    """The loss as a function of the parameters, in float64 and on copies: the model stays as it is."""

    def __init__(self, model: Any, inputs: Tensor, y_true: Tensor, loss: str) -> None:
        self._f = [model.f[layer] for layer in _layers(model)]
        self._kinked = [_has_kink(model.df[layer]) for layer in _layers(model)]
        self._loss = LOSS_VALUES[loss]
        parameters = [parameter.detach() for parameter in _parameters(model)]
        self.parameters = [parameter.double().clone() for parameter in parameters]
        self._inputs = inputs.flatten(1).double()
        self._y_true = y_true.double() if y_true.is_floating_point() else y_true
        value, self._active = self._evaluate()
        self._rounding = ROUNDINGS * torch.finfo(torch.float64).eps * max(1.0, abs(value))
        # Of each layer the units that the model's own precision puts on the other side of their kink.
        _, active = self._forward(parameters, inputs.flatten(1))
        self._misplaced = [(own != ours).any(dim=0) for own, ours in zip(active, self._active, strict=True)]

    def compare(
        self, position: int, index: int, by_hand: float, rounding: float, epsilon: float, tolerance: float
    ) -> tuple[float, float]:
        """The central difference, and the relative error of the gradient `by_hand`, itself off by `rounding`.

        Above the tolerance, smaller epsilons are tried: the truncation error of the difference shrinks with
        them, a mistake in the gradient does not.
        """
        for step in (epsilon, epsilon / 10, epsilon / 100):
            difference = self.central_difference(position, index, step)
            floor = (rounding + self._rounding / step) / tolerance
            error = _ratio(abs(by_hand - difference), max(abs(by_hand), abs(difference), floor))
            if math.isnan(difference) or error <= tolerance:
                break
        return difference, error

    def central_difference(self, position: int, index: int, epsilon: float) -> float:
        """NaN where a kink lies between the points or in the gradient's way, or the loss is not finite."""
        above, below, step = self._values(position, index, epsilon, -epsilon)
        return math.nan if self._is_misplaced(position, index) else (above - below) / step

    def forward_difference(self, position: int, index: int, epsilon: float) -> float:
        above, below, step = self._values(position, index, epsilon, 0.0)
        return (above - below) / step

    def _values(self, position: int, index: int, up: float, down: float) -> tuple[float, float, float]:
        """The loss at the two points, NaN beyond a kink, and the distance of the points as rounded."""
        parameter = self.parameters[position].view(-1)
        centre = parameter[index].item()
        values = []
        for point in (centre + up, centre + down):
            parameter[index] = point
            value, active = self._evaluate()
            same = all(map(torch.equal, active, self._active))
            values.append(value if same and math.isfinite(value) else math.nan)
        parameter[index] = centre
        return values[0], values[1], (centre + up) - (centre + down)

    def _is_misplaced(self, position: int, index: int) -> bool:
        """Whether the gradient of a parameter has passed a misplaced unit: its own, or one above."""
        own, *above = self._misplaced[position // 2 :]
        unit = index // (self.parameters[position].numel() // len(own))
        return bool(own[unit]) or any(bool(units.any()) for units in above)

    def _evaluate(self) -> tuple[float, list[Tensor]]:
        y_pred, active = self._forward(self.parameters, self._inputs)
        return self._loss(y_pred, self._y_true).item(), active

    def _forward(self, parameters: list[Tensor], a: Tensor) -> tuple[Tensor, list[Tensor]]:
        """The outputs, and for each layer where z > 0, if its activation has a kink there."""
        active = []
        layers = zip(parameters[::2], parameters[1::2], self._f, self._kinked, strict=True)
        for weight, bias, f, kinked in layers:
            z = functional.linear(a, weight, bias)
            active.append((z > 0) & kinked)
            a = f(z)
        return a, active


def _has_kink(derivative: Callable[[Tensor], Tensor]) -> bool:
    """Whether the derivative jumps at 0."""
    left, right = derivative(torch.tensor([[-1e-9, 1e-9]], dtype=torch.float64)).expand(1, 2)[0].tolist()
    return abs(right - left) > 1e-3


def _layers(model: Any) -> range:
    return range(1, model.L + 1)


def _parameters(model: Any) -> list[Tensor]:
    linears = [model.fc[str(layer)] for layer in _layers(model)]
    return [parameter for linear in linears for parameter in (linear.weight, linear.bias)]


def _name(position: int, index: int, parameter: Tensor) -> str:
    """Such as `layer 2, weight[0, 3]`."""
    place = [int(i) for i in torch.unravel_index(torch.tensor(index), parameter.shape)]
    return f"layer {position // 2 + 1}, {'bias' if position % 2 else 'weight'}{place}"


def _check_shape(position: int, gradient: Tensor, parameter: Tensor) -> None:
    if gradient.shape != parameter.shape:
        raise GradientError(
            f"layer {position // 2 + 1}, {'bias' if position % 2 else 'weight'}: the gradient has the shape "
            f"{[*gradient.shape]}; expected {[*parameter.shape]}"
        )


def _ratio(difference: float, scale: float) -> float:
    return difference / scale if difference else 0.0
