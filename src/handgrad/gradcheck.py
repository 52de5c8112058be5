"""Compare gradients computed by hand with autograd and with finite differences.

The model can be any that `backpropagation` accepts, provided it has f[l] as well as df[l]. Gradients are
listed as dL_dw[1], dL_db[1], dL_dw[2], ..., which is the order of model.parameters().

When is a gradient wrong? Let g be the gradient of a parameter and r its reference. The relative error is
|g - r| / max(|g|, |r|). The gradient is wrong if this exceeds the tolerance and |g - r| also exceeds the
error expected from rounding (`handgrad.rounding`) and, for finite differences, truncation (see
`check_gradients`). Where rounding alone can exceed the tolerance, as for gradients that are zero up to
rounding, the relative error is meaningless: such parameters are only compared to within rounding error, and
count as not measurable.
"""

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from statistics import linear_regression
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from handgrad import arguments
from handgrad.backprop import backpropagation
from handgrad.errors import GradientError
from handgrad.rounding import Rounding, rounding_errors

LOSS_VALUES: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
    "squared_error": lambda y_pred, y_true: ((y_pred - y_true) ** 2).sum(),
    "mse": functional.mse_loss,
    "cross_entropy": functional.cross_entropy,
}
# A few thousand times the unit roundoff.
AUTOGRAD_TOLERANCE = {torch.float64: 1e-12, torch.float32: 1e-4}
CENTRAL_TOLERANCE = {torch.float64: 1e-6, torch.float32: 1e-4}
# Close to the optimum for central differences in float64, the cube root of the unit roundoff.
EPSILON = 1e-5
# Maximum number of times the step is halved if the truncation error of a difference is too large.
HALVINGS = 6
# From 1e-1 to 1e-13 in steps of half a decade.
SWEEP = tuple(10 ** (-exponent / 2) for exponent in range(2, 27))


@dataclass(frozen=True)
class Verdict:
    """The verdict on one weight or bias tensor: how many entries were checked and how large the errors are.

    Attributes:
        name: such as "layer 2, weight".
        entries: the number of entries in the weight or bias.
        checked: how many entries were compared with the tolerance.
        kinks: how many were skipped because their perturbation crosses a kink of an activation.
        unmeasurable: how many have no significant digits left after rounding, or a loss that is not finite.
        wrong: how many were found to be wrong.
        largest_relative_error: the largest relative error among the checked entries.
    """

    name: str
    entries: int
    checked: int = 0
    kinks: int = 0
    unmeasurable: int = 0
    wrong: int = 0
    largest_relative_error: float = 0.0

    def __str__(self) -> str:
        judged = self.checked + self.wrong
        line = f"{self.name}: "
        line += (
            f"{self.wrong} of {judged} checked are WRONG" if self.wrong else f"{judged} checked, all right"
        )
        if self.kinks:
            line += f", {self.kinks} at kinks"
        if self.unmeasurable:
            line += f", {self.unmeasurable} not measurable"
        return f"{line}; largest relative error {self.largest_relative_error:.1e}"


@dataclass(frozen=True)
class _Check:
    """The verdicts on the weights and biases, layer by layer; print the object to see them."""

    verdicts: tuple[Verdict, ...]

    @property
    def parameters(self) -> int:
        """The total number of entries in the weights and biases."""
        return sum(verdict.entries for verdict in self.verdicts)

    @property
    def parameters_checked(self) -> int:
        return sum(verdict.checked for verdict in self.verdicts)

    @property
    def kinks(self) -> int:
        return sum(verdict.kinks for verdict in self.verdicts)

    @property
    def unmeasurable(self) -> int:
        return sum(verdict.unmeasurable for verdict in self.verdicts)

    @property
    def largest_relative_error(self) -> float:
        """The largest relative error among the checked entries."""
        return max((verdict.largest_relative_error for verdict in self.verdicts), default=0.0)

    def __str__(self) -> str:
        return "\n".join(map(str, self.verdicts))

    def __repr__(self) -> str:
        return (
            f"{type(self).__name__}({self.parameters_checked} of {self.parameters} checked, all right; "
            f"largest_relative_error={self.largest_relative_error:.1e})"
        )


@dataclass(frozen=True, repr=False)
class AutogradCheck(_Check):
    """The result of a comparison with autograd."""

    bit_identical: bool


@dataclass(frozen=True, repr=False)
class CentralCheck(_Check):
    """The result of a comparison with central differences."""


@dataclass(frozen=True)
class Curve:
    """The error curve of one difference scheme: its smallest error and the slope of its truncation error."""

    best_epsilon: float
    best_error: float
    slope: float


@dataclass(frozen=True, repr=False)
class EpsilonSweep:
    """The relative error of the full gradient from forward and central differences, for each epsilon."""

    epsilons: tuple[float, ...]
    forward_errors: tuple[float, ...]
    central_errors: tuple[float, ...]
    forward: Curve
    central: Curve

    def __repr__(self) -> str:
        return f"EpsilonSweep(forward={self.forward}, central={self.central})"


def gradients_by_hand(model: Any, inputs: Tensor, y_true: Tensor, loss: str) -> list[Tensor | None]:
    """The gradients that `backpropagation` computes after a forward pass."""
    _check_arguments(model, inputs, y_true, loss)
    with torch.no_grad():
        backpropagation(model, y_true, model(inputs), loss)
    layers = _layers(model)
    return [part.get(layer) for layer in layers for part in (model.dL_dw, model.dL_db)]


@torch.no_grad()
def check_against_autograd(
    model: Any,
    inputs: Tensor,
    y_true: Tensor,
    loss: str = "squared_error",
    gradients: Sequence[Tensor | None] | None = None,
    *,
    tolerance: float | None = None,
) -> AutogradCheck:
    """Compare `gradients` (by default, those of `backpropagation`) with autograd's.

    Args:
        model: a MyNet, or a network with its attributes.
        inputs: [batch, ...], of the model's dtype.
        y_true: the targets for `loss`, which is squared_error, mse or cross_entropy.
        gradients: dL_dw[1], dL_db[1], dL_dw[2], ...
        tolerance: largest relative error allowed; by default, AUTOGRAD_TOLERANCE for the model's dtype.

    Raises:
        TypeError, ValueError: if an argument is not as described.
        GradientError: if a gradient is wrong; with the parameter, both values and a verdict for each layer.
    """
    gradients = _checked(model, inputs, y_true, loss, gradients)
    dtype = _parameters(model)[0].dtype
    tolerance = _tolerance(tolerance, AUTOGRAD_TOLERANCE, dtype)
    with torch.enable_grad():
        parameters = _parameters(model)
        required = [parameter.requires_grad for parameter in parameters]
        for parameter in parameters:
            parameter.requires_grad_(True)
        try:
            references = torch.autograd.grad(LOSS_VALUES[loss](model(inputs), y_true), parameters)
        finally:
            for parameter, before in zip(parameters, required, strict=True):
                parameter.requires_grad_(before)
    landscape = _Landscape(model, inputs, y_true, loss)
    comparison = _Comparison("autograd", loss, tolerance)
    noises = landscape.rounding(dtype).gradients
    for position, (gradient, reference, noise) in enumerate(zip(gradients, references, noises, strict=True)):
        # Equal entries need no judgement, and are nearly all of them.
        equal = (gradient == reference) & reference.isfinite() & ~noise.isnan()
        others = (~equal).flatten().nonzero().flatten().tolist()
        values = [tensor.flatten()[others].tolist() for tensor in (gradient, reference, noise)]
        found = zip(others, *values, strict=True)
        comparison.judge(position, reference, found, equal=int(equal.sum()))
    same = all(
        torch.equal(gradient, reference) for gradient, reference in zip(gradients, references, strict=True)
    )
    return AutogradCheck(comparison.verdicts(), bit_identical=same)


@torch.no_grad()
def check_gradients(
    model: Any,
    inputs: Tensor,
    y_true: Tensor,
    loss: str = "squared_error",
    gradients: Sequence[Tensor | None] | None = None,
    *,
    n_samples_per_layer: int | None = None,
    seed: int = 0,
    epsilon: float = EPSILON,
    tolerance: float | None = None,
) -> CentralCheck:
    """Compare `gradients` (by default, those of `backpropagation`) with central differences of the loss.

    These are D(h) = (L(w + h) - L(w - h)) / 2h with h = epsilon, computed in float64 on copies of the
    parameters, either for every parameter or for a random sample: `n_samples_per_layer` weights and as many
    biases per layer, drawn with `seed`.

    Two sources of error are allowed for. Rounding: evaluating L incurs rounding errors, which D(h) amplifies
    by 1/h; the gradient has the rounding errors of its own dtype (`handgrad.rounding`). Truncation: to
    leading order, the error of D(h) is proportional to h^2. If D(h) does not confirm a gradient, h is halved
    repeatedly and D(h) is extrapolated to h = 0; the change between extrapolated values estimates the
    truncation error (Ridders' method: Press et al., Numerical Recipes, section 5.7). A mistake in the
    gradient does not shrink with h, so it is still detected.

    If the perturbation moves some z across a kink of its activation (relu and leaky_relu at 0), the
    difference says nothing about the derivative: the parameter is counted as a kink and not judged. A
    parameter is not measurable if the loss is not finite there, or if the parameter is so large that adding
    epsilon does not change it.

    Args:
        model, inputs, y_true, loss, gradients: see `check_against_autograd`.
        tolerance: largest relative error allowed; by default, CENTRAL_TOLERANCE for the model's dtype.

    Raises:
        TypeError, ValueError: if an argument is not as described.
        GradientError: if a gradient is wrong; with the parameter, both values and a verdict for each layer.
    """
    gradients = _checked(model, inputs, y_true, loss, gradients)
    if n_samples_per_layer is not None:
        arguments.check_integer("n_samples_per_layer", n_samples_per_layer, 1)
    if not epsilon > 0:
        raise ValueError(f"epsilon is {epsilon}; expected a number above 0")
    dtype = _parameters(model)[0].dtype
    tolerance = _tolerance(tolerance, CENTRAL_TOLERANCE, dtype)
    landscape = _Landscape(model, inputs, y_true, loss)
    rounding = landscape.rounding(dtype)
    comparison = _Comparison("central differences", loss, tolerance)
    generator = torch.Generator().manual_seed(seed)
    for position, (gradient, parameter) in enumerate(zip(gradients, landscape.parameters, strict=True)):
        indices = torch.randperm(parameter.numel(), generator=generator)[:n_samples_per_layer].tolist()
        by_hand, noise = _values(gradient), _values(rounding.gradients[position])
        found = [
            (
                index,
                by_hand[index],
                *landscape.reference(position, index, by_hand[index], noise[index], epsilon, tolerance),
            )
            for index in indices
        ]
        comparison.judge(position, parameter, found)
    return CentralCheck(comparison.verdicts())


@torch.no_grad()
def sweep_epsilon(model: Any, inputs: Tensor, y_true: Tensor, loss: str = "squared_error") -> EpsilonSweep:
    """Errors of forward and central differences of a smooth float64 model, for epsilon from 1e-1 to 1e-13.

    The truncation error is proportional to epsilon for forward differences and to epsilon^2 for central ones
    (slopes 1 and 2); the rounding error is proportional to 1/epsilon for both. The two errors balance near
    the square root and the cube root of the unit roundoff, respectively: Nocedal and Wright, Numerical
    Optimization, section 8.1.
    """
    landscape, gradients = _sweepable(model, inputs, y_true, loss)
    places = [(p, i) for p, parameter in enumerate(landscape.parameters) for i in range(parameter.numel())]
    forward = [[landscape.forward_difference(*place, step) for place in places] for step in SWEEP]
    central = [[landscape.central_difference(*place, step)[0] for place in places] for step in SWEEP]
    gradient = torch.cat([part.flatten() for part in gradients])
    differences = gradient.new_tensor([forward, central])
    # Exclude parameters whose perturbation crosses a kink or makes the loss infinite.
    smooth = differences.isfinite().all(0).all(0)
    if not smooth.any() or gradient[smooth].norm() == 0:
        raise ValueError(
            "no parameter has a gradient other than 0 that can be measured with every epsilon; expected a "
            "model with a smooth activation, such as tanh"
        )
    errors = (differences - gradient)[:, :, smooth].norm(dim=2) / gradient[smooth].norm()
    of_forward, of_central = errors.tolist()
    return EpsilonSweep(SWEEP, tuple(of_forward), tuple(of_central), _curve(of_forward), _curve(of_central))


def _sweepable(model: Any, inputs: Tensor, y_true: Tensor, loss: str) -> tuple["_Landscape", list[Tensor]]:
    gradients = _checked(model, inputs, y_true, loss, None)
    if gradients[0].dtype != torch.float64:
        raise ValueError(f"the model's parameters are {gradients[0].dtype}; expected float64: model.double()")
    return _Landscape(model, inputs, y_true, loss), gradients


def _curve(errors: list[float]) -> Curve:
    best_error, best_epsilon = min(zip(errors, SWEEP, strict=True))
    # Where truncation dominates: well above the best epsilon, well below where higher-order terms matter.
    truncation = [
        (math.log10(epsilon), math.log10(error))
        for epsilon, error in zip(SWEEP, errors, strict=True)
        if 10 * best_epsilon <= epsilon <= 1e-2 and error > 0
    ]
    slope = linear_regression(*zip(*truncation, strict=True)).slope if len(truncation) > 1 else math.nan
    return Curve(best_epsilon, best_error, slope)


class _Comparison:
    """Compares gradients with references, tensor by tensor; `verdicts` then returns the result or raises."""

    def __init__(self, reference: str, loss: str, tolerance: float) -> None:
        self._reference = reference
        self._loss = loss
        self._tolerance = tolerance
        self._verdicts: list[Verdict] = []
        self._error = ""

    def judge(
        self,
        position: int,
        parameter: Tensor,
        found: Iterable[tuple[int, float, float, float]],
        equal: int = 0,
    ) -> None:
        """Judge entries of one weight or bias, each given as index, gradient, reference and expected noise.

        A NaN reference marks a kink, an infinite one a loss that cannot be measured. `equal` is the number of
        further entries that equal their reference.
        """
        checked, kinks, unmeasurable, wrong, largest = equal, 0, 0, 0, 0.0
        for index, by_hand, reference, noise in found:
            if math.isnan(reference):
                kinks += 1
                continue
            if math.isinf(reference) or math.isnan(noise):
                unmeasurable += 1
                continue
            error = relative_error(by_hand, reference)
            if not (error <= self._tolerance or abs(by_hand - reference) <= noise):
                wrong += 1
                largest = max(largest, error) if math.isfinite(error) else math.inf
                if not self._error:
                    self._error = (
                        f"{_name(position, index, parameter)}: the gradient is {by_hand!r} by hand and "
                        f"{reference!r} by {self._reference} ({self._loss}; relative error {error:.1e}, "
                        f"tolerance {self._tolerance:.0e})"
                    )
            elif noise <= self._tolerance * max(abs(by_hand), abs(reference)) or by_hand == reference:
                checked, largest = checked + 1, max(largest, error)
            else:
                unmeasurable += 1
        name = f"layer {position // 2 + 1}, {_part(position)}"
        self._verdicts.append(Verdict(name, parameter.numel(), checked, kinks, unmeasurable, wrong, largest))

    def verdicts(self) -> tuple[Verdict, ...]:
        """The verdicts; raises GradientError if any entry is wrong."""
        if self._error:
            raise GradientError("\n  ".join([self._error, *map(str, self._verdicts)]))
        return tuple(self._verdicts)


def relative_error(one: float, other: float) -> float:
    """|one - other| / max(|one|, |other|); 0 where both are 0."""
    return abs(one - other) / max(abs(one), abs(other)) if one != other else 0.0


class _Landscape:
    """The loss as a function of the parameters, in float64 and on copies: the model is not modified."""

    def __init__(self, model: Any, inputs: Tensor, y_true: Tensor, loss: str) -> None:
        self._f = [model.f[layer] for layer in _layers(model)]
        self._df = [model.df[layer] for layer in _layers(model)]
        self._kinked = [_has_kink(derivative) for derivative in self._df]
        self._loss = loss
        self.parameters = [parameter.detach().double().clone() for parameter in _parameters(model)]
        self._inputs = inputs.flatten(1).double()
        self._y_true = y_true.double() if y_true.is_floating_point() else y_true
        self._roundings: dict[torch.dtype, Rounding] = {}
        self._value, self._active = self._evaluate()
        self._loss_noise = self.rounding(torch.float64).loss
        self._check_model(model, inputs)

    def rounding(self, dtype: torch.dtype) -> Rounding:
        """The error attributed to rounding in a pass computed in that dtype."""
        if dtype not in self._roundings:
            passes = (self.parameters, self._f, self._df, self._inputs, self._y_true, self._loss)
            self._roundings[dtype] = rounding_errors(*passes, self._loss_of, dtype)
        return self._roundings[dtype]

    def _check_model(self, model: Any, inputs: Tensor) -> None:
        """Raise ValueError unless the model's forward pass matches its fc and f."""
        outputs = model(inputs).double()
        expected, _ = self._forward(self.parameters, self._inputs)
        allowed = self.rounding(inputs.dtype).outputs + 1e-6 * expected.abs()
        differences = (outputs - expected).abs()
        if differences.isfinite().all() and (differences > allowed).any():
            raise ValueError(
                "the model's outputs are not f[l](fc[l](a)) through its layers; expected a model whose "
                "forward pass is what its attributes fc and f say"
            )

    def reference(
        self, position: int, index: int, by_hand: float, rounding: float, epsilon: float, tolerance: float
    ) -> tuple[float, float]:
        """A difference to compare with the gradient `by_hand`, and the combined noise of the two.

        `rounding` is the rounding error of `by_hand`. The difference is NaN at a kink and infinite where it
        cannot be computed.
        """
        difference, noise = self.central_difference(position, index, epsilon)
        noise += rounding
        if not math.isfinite(difference) or relative_error(by_hand, difference) <= tolerance:
            return difference, noise
        # Ridders' method: each row halves the step, each column eliminates another even power of the step.
        best, best_noise = difference, math.inf
        rows = [[difference]]
        for halving in range(1, HALVINGS + 1):
            difference, noise = self.central_difference(position, index, epsilon / 2**halving)
            if not math.isfinite(difference):
                break
            row = [difference]
            for column, before in enumerate(rows[-1], start=1):
                row.append(row[-1] + (row[-1] - before) / (4**column - 1))
            truncation = max(abs(row[-1] - row[-2]), abs(row[-1] - rows[-1][-1]))
            # The absolute weights of the differences in an extrapolated value sum to 5/3 or slightly more.
            if truncation + 2 * noise < best_noise:
                best, best_noise = row[-1], truncation + 2 * noise
            rows.append(row)
        return best, (best_noise if math.isfinite(best_noise) else noise) + rounding

    def central_difference(self, position: int, index: int, epsilon: float) -> tuple[float, float]:
        """The difference and its rounding error; NaN across a kink, infinite if it cannot be computed."""
        above, below, step = self._values(position, index, epsilon, -epsilon)
        if step == 0 or math.isinf(above) or math.isinf(below):
            return math.inf, 0.0
        return (above - below) / step, 2 * self._loss_noise / step

    def forward_difference(self, position: int, index: int, epsilon: float) -> float:
        above, below, step = self._values(position, index, epsilon, 0.0)
        return (above - below) / step if step else math.nan

    def _values(self, position: int, index: int, up: float, down: float) -> tuple[float, float, float]:
        """The loss at the two points, and the distance between the points after rounding.

        The loss is NaN beyond a kink, infinite where it is not finite.
        """
        parameter = self.parameters[position].view(-1)
        centre = parameter[index].item()
        values = []
        for point in (centre + up, centre + down):
            parameter[index] = point
            value, active = self._evaluate()
            if not math.isfinite(value):
                values.append(math.inf)
            else:
                values.append(value if all(map(torch.equal, active, self._active)) else math.nan)
        parameter[index] = centre
        return values[0], values[1], (centre + up) - (centre + down)

    def _evaluate(self) -> tuple[float, list[Tensor]]:
        y_pred, active = self._forward(self.parameters, self._inputs)
        return self._loss_of(y_pred).item(), active

    def _loss_of(self, y_pred: Tensor) -> Tensor:
        return LOSS_VALUES[self._loss](y_pred, self._y_true)

    def _forward(self, parameters: list[Tensor], a: Tensor) -> tuple[Tensor, list[Tensor]]:
        """The outputs and, for each layer whose activation has a kink at 0, the mask z > 0."""
        active = []
        layers = zip(parameters[::2], parameters[1::2], self._f, self._kinked, strict=True)
        for weight, bias, f, kinked in layers:
            z = functional.linear(a, weight, bias)
            if kinked:
                active.append(z > 0)
            a = f(z)
        return a, active


def _has_kink(derivative: Callable[[Tensor], Tensor]) -> bool:
    """Whether the derivative jumps at 0."""
    values = torch.as_tensor(derivative(torch.tensor([[-1e-9, 1e-9]], dtype=torch.float64)))
    left, right = values.expand(1, 2)[0].tolist()
    return abs(right - left) > 1e-3


def _layers(model: Any) -> range:
    return range(1, model.L + 1)


def _parameters(model: Any) -> list[Tensor]:
    linears = [model.fc[str(layer)] for layer in _layers(model)]
    return [parameter for linear in linears for parameter in (linear.weight, linear.bias)]


def _values(tensor: Tensor) -> list[float]:
    return tensor.flatten().tolist()


def _name(position: int, index: int, parameter: Tensor) -> str:
    """The name of an entry, such as `layer 2, weight[0, 3]`."""
    place = [int(i) for i in torch.unravel_index(torch.tensor(index), parameter.shape)]
    return f"layer {position // 2 + 1}, {_part(position)}{place}"


def _part(position: int) -> str:
    return "bias" if position % 2 else "weight"


def _check_arguments(model: Any, inputs: Tensor, y_true: Tensor, loss: str) -> None:
    if loss not in LOSS_VALUES:
        raise ValueError(f"no loss is named {loss!r}; expected one of {', '.join(LOSS_VALUES)}")
    arguments.check_network(model)
    if not hasattr(model, "f") or any(layer not in model.f for layer in _layers(model)):
        raise TypeError(
            f"model is {arguments.describe(model)} without an activation f[l] for each layer; expected one "
            "beside each derivative df[l]"
        )
    inputs, y_true = arguments.check_batch("the batch", (inputs, y_true))
    arguments.check_fit("the batch", model, loss, inputs, y_true)


def _checked(
    model: Any, inputs: Tensor, y_true: Tensor, loss: str, gradients: Sequence[Tensor | None] | None
) -> list[Tensor]:
    """The gradients, checked to have the right shape for each weight and bias."""
    if gradients is None:
        gradients = gradients_by_hand(model, inputs, y_true, loss)
    else:
        _check_arguments(model, inputs, y_true, loss)
    parameters = _parameters(model)
    if isinstance(gradients, Tensor) or not isinstance(gradients, Sequence):
        raise TypeError(
            f"gradients is {arguments.describe(gradients)}; expected a list: dL_dw[1], dL_db[1], "
            "dL_dw[2], ..."
        )
    if len(gradients) != len(parameters):
        raise ValueError(
            f"{len(gradients)} gradients; expected {len(parameters)}, for the weight and the bias of each "
            "layer: dL_dw[1], dL_db[1], dL_dw[2], ..."
        )
    checked = []
    for position, (gradient, parameter) in enumerate(zip(gradients, parameters, strict=True)):
        name = f"layer {position // 2 + 1}, {_part(position)}"
        if not isinstance(gradient, Tensor):
            raise GradientError(
                f"{name}: the gradient is {arguments.describe(gradient)}; expected a tensor of the shape "
                f"{[*parameter.shape]}"
            )
        if gradient.shape != parameter.shape:
            raise GradientError(
                f"{name}: the gradient has the shape {[*gradient.shape]}; expected {[*parameter.shape]}"
            )
        checked.append(gradient.detach())
    return checked


def _tolerance(given: float | None, defaults: dict[torch.dtype, float], dtype: torch.dtype) -> float:
    if given is None:
        if dtype not in defaults:
            raise ValueError(
                f"the model's parameters are {dtype}; expected float64 or float32, or a tolerance"
            )
        return defaults[dtype]
    if not given > 0:
        raise ValueError(f"tolerance is {given}; expected a number above 0")
    return given
