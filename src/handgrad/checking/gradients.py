"""Check a function `backpropagation(model, y_true, y_pred)` against autograd and central differences."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from handgrad.checking.battery import (
    CASES,
    SQUARE_CASES,
    Case,
    MakeNetwork,
    batches,
    flat_parameters,
    network,
)
from handgrad.checking.calling import Crash, accepts, call, default_dtype
from handgrad.checking.catalogue import GRADIENT_MISTAKES, Mistake
from handgrad.checking.diagnosis import (
    TOLERANCES,
    Agrees,
    explanations,
    formula_lines,
    in_common,
    largest_difference,
    named,
    pattern,
    relative_error,
)
from handgrad.checking.formulas import BACKPROPAGATION, LOSS_GRADIENTS, Formulas, Pass, gradients
from handgrad.checking.results import BY_HAND, FAILED, NOTE, PASSED, Finding
from handgrad.checking.shortcuts import AUTOGRAD, shortcuts_watched
from handgrad.errors import GradientError
from handgrad.gradcheck import LOSS_VALUES, check_gradients

PART = "backpropagation"
# An error above this but within the tolerance means that something is computed in float32.
ROUNDED = 1e-9
CENTRAL_CASES = 4
# A function that crashes on this many of the first cases is not tried on the rest.
GIVE_UP = 3


@dataclass(frozen=True)
class Observation:
    """The gradients computed by a function for a case, in the order dL_dw[1], dL_db[1], dL_dw[2], ..."""

    case: Case
    found: list[Tensor | None]
    expected: list[Tensor]
    state: Pass
    model: Any
    changed_parameters: bool
    used_autograd: bool
    reshaped: bool
    returned: Any = None
    crash: str = ""

    @property
    def errors(self) -> list[float]:
        scale = 1e-3 * max(gradient.abs().max().item() for gradient in self.expected)
        pairs = zip(self.found, self.expected, strict=True)
        return [relative_error(found, expected, scale) for found, expected in pairs]

    @property
    def dtype(self) -> torch.dtype:
        return self.expected[0].dtype

    @property
    def right(self) -> bool:
        return not self.crash and max(self.errors) <= TOLERANCES[self.dtype]


def gradient_findings(
    function: Callable[..., Any],
    loss: str = "squared_error",
    make: MakeNetwork | None = None,
    skipped: dict[str, str] | None = None,
) -> list[Finding]:
    """The findings on a function that fills `model.dL_dw` and `model.dL_db`.

    Args:
        function: takes model, y_true, y_pred and optionally loss, under any of the names that students use.
        loss: the loss whose gradients it computes; see `handgrad.backprop.backpropagation`.
        make: creates a network from widths and activations; by default, a MyNet.
        skipped: for each name that is not defined, the reason, for error messages.
    """
    observations = _observed(function, loss, make, skipped or {}, torch.float64)
    if any(_is_dtype_trouble(observation.crash) for observation in observations):
        observations = _observed(function, loss, make, skipped or {}, torch.float32)
    findings = [_verdict(observations, loss)]
    findings += _remarks(observations)
    # check_gradients needs a MyNet of handgrad's.
    if make is None and findings[0].status == PASSED and observations[0].dtype == torch.float64:
        findings.append(_central(observations, loss))
    return findings


def _observed(
    function: Callable[..., Any],
    loss: str,
    make: MakeNetwork | None,
    skipped: dict[str, str],
    dtype: torch.dtype,
) -> list[Observation]:
    observations: list[Observation] = []
    with default_dtype(dtype):
        for case in CASES:
            observations.append(_observe(function, case, loss, make, skipped, dtype))
            if len(observations) == GIVE_UP and all(observation.crash for observation in observations):
                break
    return observations


def _observe(
    function: Callable[..., Any],
    case: Case,
    loss: str,
    make: MakeNetwork | None,
    skipped: dict[str, str],
    dtype: torch.dtype,
) -> Observation:
    model = network(case, make, dtype)
    before = flat_parameters(model)
    first, second = batches(case, loss, dtype)
    options = {"loss": loss} if accepts(function, "loss") else {}
    layers = range(1, model.L + 1)
    crash, used_autograd, returned = "", False, None
    weights = {layer: model.fc[str(layer)].weight for layer in layers}
    biases = {layer: model.fc[str(layer)].bias for layer in layers}
    untouched_w = {layer: torch.zeros_like(weights[layer]) for layer in layers}
    untouched_b = {layer: torch.zeros_like(biases[layer]) for layer in layers}
    model.dL_dw, model.dL_db = dict(untouched_w), dict(untouched_b)

    def run(inputs: Tensor, targets: Tensor) -> None:
        nonlocal used_autograd, returned
        with shortcuts_watched() as used:
            returned = call(function, skipped, model=model, y_true=targets, y_pred=y_pred, **options)
        used_autograd = used_autograd or AUTOGRAD in used

    y_pred = model(first.inputs)
    try:
        run(first.inputs, first.targets)
    except Crash as error:
        crash = str(error)
    old_a = {layer: model.a[layer].detach().clone() for layer in range(model.L + 1)}
    old_dw = {layer: _tensor_or_zero(_entry(model.dL_dw, layer)) for layer in layers}
    old_db = {layer: _tensor_or_zero(_entry(model.dL_db, layer)) for layer in layers}
    y_pred = model(second.inputs)
    state = Pass(
        {layer: weights[layer].detach().clone() for layer in layers},
        {layer: model.df[layer] for layer in layers},
        {layer: model.f[layer] for layer in layers},
        {layer: model.z[layer].detach().clone() for layer in layers},
        {layer: model.a[layer].detach().clone() for layer in range(model.L + 1)},
        second.targets,
        y_pred.detach().clone(),
        old_a,
        old_dw,
        old_db,
    )
    expected = _autograd(model, second.inputs, second.targets, loss)
    if not crash:
        try:
            run(second.inputs, second.targets)
        except Crash as error:
            crash = str(error)
    found: list[Tensor | None] = []
    for layer in layers:
        for store, untouched in ((model.dL_dw, untouched_w), (model.dL_db, untouched_b)):
            value = _entry(store, layer)
            never_set = value is untouched[layer] and not bool(value.any())
            found.append(None if never_set else _tensor(value))
    shaped = [_shaped(gradient, like) for gradient, like in zip(found, expected, strict=True)]
    return Observation(
        case,
        shaped,
        expected,
        state,
        model,
        changed_parameters=not torch.equal(before, flat_parameters(model)),
        used_autograd=used_autograd,
        reshaped=any(one is not other for one, other in zip(found, shaped, strict=True)),
        returned=returned,
        crash=crash,
    )


def _entry(store: Any, layer: int) -> Any:
    """The entry of a layer in a dict or list; None if there is none."""
    try:
        return store[layer]
    except (KeyError, IndexError, TypeError):
        return None


def _tensor(value: Any) -> Tensor | None:
    """A stored gradient as a separate tensor."""
    if value is None:
        return None
    try:
        return torch.as_tensor(value).detach().clone()
    except (TypeError, ValueError, RuntimeError):
        return None


def _tensor_or_zero(value: Any) -> Tensor:
    found = _tensor(value)
    return torch.zeros(()) if found is None else found


def _shaped(found: Tensor | None, like: Tensor) -> Tensor | None:
    """Reshape a gradient of shape [1, n] or [n, 1] to [n] where [n] is expected: these are accepted."""
    if found is None or found.shape == like.shape or found.squeeze().shape != like.squeeze().shape:
        return found
    return found.reshape(like.shape)


def _autograd(model: Any, inputs: Tensor, targets: Tensor, loss: str) -> list[Tensor]:
    """Autograd's gradients for the network defined by the weights and activations, ignoring `forward`."""
    layers = range(1, model.L + 1)
    parameters = [
        part.detach().requires_grad_()
        for layer in layers
        for part in (model.fc[str(layer)].weight, model.fc[str(layer)].bias)
    ]
    a = inputs.flatten(1)
    with torch.enable_grad():
        for layer in layers:
            a = model.f[layer](functional.linear(a, *parameters[2 * layer - 2 : 2 * layer]))
        return list(torch.autograd.grad(LOSS_VALUES[loss](a, targets), parameters))


def _is_dtype_trouble(message: str) -> bool:
    return any(word in message for word in ("dtype", "Float", "Double", "float !=", "double !="))


def table(loss: str) -> Formulas:
    """The formulas of backpropagation for a loss."""
    return LOSS_GRADIENTS[loss] | BACKPROPAGATION


def gradient_mistakes(loss: str) -> list[Mistake]:
    return [mistake for mistake in GRADIENT_MISTAKES if not mistake.losses or loss in mistake.losses]


def _verdict(observations: list[Observation], loss: str) -> Finding:
    wrong = [observation for observation in observations if not observation.right]
    largest = max((max(o.errors) for o in observations if not o.crash), default=float("inf"))
    data = {"errors": _errors_by_layer(observations)}
    if not wrong:
        summary = (
            f"equal to autograd's on {len(observations)} networks (largest relative error {largest:.0e})"
        )
        return Finding(PART, "gradients", PASSED, summary, data=data)
    if all(set(observation.case.activations) != {"tanh"} for observation in wrong):
        summary = "equal to autograd's with tanh, as in the course; not with other activations"
        advice = "model.df[l](model.z[l]) is the derivative of whichever activation the network has."
        return Finding(PART, "gradients", NOTE, summary, (), (advice, *_numbers(wrong)), data)
    if all(gradient is None for o in observations if not o.crash for gradient in o.found) and any(
        not observation.crash for observation in observations
    ):
        summary = "model.dL_dw and model.dL_db are never set"
        returned = type(next(o.returned for o in observations if not o.crash)).__name__
        details = [f"the function returns a {returned}"] if returned != "NoneType" else []
        details.append(
            "Store the gradients of each layer in the model: model.dL_dw[l] = ..., model.dL_db[l] = ..."
        )
        return Finding(PART, "gradients", FAILED, summary, (), tuple(details), data)
    found = explanations(gradient_mistakes(loss), table(loss), [_agrees(o, loss) for o in observations])
    if found:
        return Finding(
            PART,
            "gradients",
            FAILED,
            named(found),
            tuple(mistake.name for mistake in found[0]),
            (*formula_lines(found[0], table(loss)), *_numbers(wrong)),
            data,
        )
    return Finding(PART, "gradients", FAILED, *_description(observations, wrong), data=data)


def _agrees(observation: Observation, loss: str) -> Agrees:
    """Whether formulas give the observed gradients; a case that crashed is inconclusive."""
    tolerance = TOLERANCES[observation.dtype]

    def agrees(formulas: Formulas) -> bool | None:
        if observation.crash:
            return None
        try:
            given = gradients(formulas, observation.state)
        except (RuntimeError, KeyError, TypeError):
            # Mismatched shapes or a missing layer rule the formulas out only if the observation is correct.
            return False if observation.right else None
        pairs = list(zip(observation.found, given, observation.expected, strict=True))
        return all(
            relative_error(found, _shaped(value, expected) if value is not None else None, _size(expected))
            <= tolerance
            for found, value, expected in pairs
        )

    return agrees


def _size(expected: Tensor) -> float:
    return 1e-3 * expected.abs().max().item()


def _numbers(wrong: list[Observation]) -> Iterator[str]:
    """The observed and expected values at the largest error of the first wrong observation."""
    for observation in wrong:
        if observation.crash:
            continue
        position = max(range(len(observation.errors)), key=lambda i: (observation.errors[i], i))
        found, expected = observation.found[position], observation.expected[position]
        name = _name(position)
        if found is None:
            yield f"for example {name}: never set ({observation.case})"
        elif found.shape != expected.shape:
            shapes = f"shape {[*found.shape]}, expected {[*expected.shape]}"
            yield f"for example {name}: {shapes} ({observation.case})"
        else:
            place, yours, autograd = largest_difference(found, expected)
            numbers = f"yours {yours:.6g}, autograd {autograd:.6g}"
            yield f"for example {name}{place}: {numbers} ({observation.case})"
        return


def _name(position: int) -> str:
    return f"{'dL_db' if position % 2 else 'dL_dw'}[{position // 2 + 1}]"


def _description(
    observations: list[Observation], wrong: list[Observation]
) -> tuple[str, tuple[str, ...], tuple[str, ...]]:
    """The summary, an empty tuple of mistakes, and the details of an error that no known mistake explains."""
    crashed = [observation for observation in wrong if observation.crash]
    if len(crashed) == len(observations):
        return f"stops with an error: {crashed[0].crash}", (), ()
    judged = [observation for observation in wrong if not observation.crash]
    details = [f"stops with an error for {_cases(crashed)}: {crashed[0].crash}"] if crashed else []
    if not judged:
        return "right where it runs, but it does not run on every network", (), tuple(details)
    details += [f"all {len(observations)} networks fail"] if len(wrong) == len(observations) else []
    traits = in_common([_traits(o.case) for o in judged], [_traits(o.case) for o in observations if o.right])
    if traits:
        right = len(observations) - len(wrong)
        details.append(f"wrong only with {' or '.join(traits)}; right in the other cases ({right})")
    details += _patterns(judged)
    details += _numbers(judged)
    summary = f"wrong from {_where(judged)}; no known mistake, or pair of them, gives these numbers"
    return summary, (), tuple(details)


def _cases(observations: list[Observation]) -> str:
    more = f" and {len(observations) - 1} more" if len(observations) > 1 else ""
    return f"{observations[0].case}{more}"


def _traits(case: Case) -> dict[str, bool]:
    return {
        "batches of more than one": case.batch_size > 1,
        "batches of one": case.batch_size == 1,
        "hidden layers": len(case.widths) > 2,
        "more than one hidden layer": len(case.widths) > 3,
        "layers of different widths": len(set(case.widths)) > 1,
        "activations other than tanh": set(case.activations) != {"tanh"},
        **{
            f"the activation {name}": name in case.activations
            for name in ("relu", "sigmoid", "gelu", "identity")
        },
    }


def _first_wrong(observation: Observation) -> tuple[int, list[int]]:
    """The highest layer with a wrong gradient, and the positions of the wrong ones, weights before biases.

    Backpropagation runs from the last layer to the first, so this is where to look for the mistake.
    """
    tolerance = TOLERANCES[observation.dtype]
    wrong = [position for position, error in enumerate(observation.errors) if error > tolerance]
    highest = max(wrong) // 2
    return highest + 1, [position for position in wrong if position // 2 == highest]


def _where(judged: list[Observation]) -> str:
    """The first wrong layer in backward order, and whether only weights or biases are wrong in all cases."""
    firsts = [
        (layer, len(observation.state.W) - layer, positions)
        for observation in judged
        for layer, positions in [_first_wrong(observation)]
    ]
    layers, depths = {layer for layer, _, _ in firsts}, {depth for _, depth, _ in firsts}
    kinds = {position % 2 for _, _, positions in firsts for position in positions}
    which = "" if len(kinds) == 2 else " (only the biases)" if kinds == {1} else " (only the weights)"
    if depths == {0}:
        return f"the last layer on{which}"
    if len(depths) == 1:
        return f"layer L-{depths.pop()} on, going back{which}"
    if len(layers) == 1:
        return f"layer {layers.pop()} on, going back{which}"
    return f"a layer on that differs between the networks{which}"


def _patterns(judged: list[Observation]) -> list[str]:
    """The error patterns in the first wrong layer, if they are the same in all cases."""
    seen: dict[int, set[str]] = {0: set(), 1: set()}
    for observation in judged:
        for position in _first_wrong(observation)[1]:
            expected = observation.expected[position]
            if expected.numel() > 1:  # a single number fits any pattern
                seen[position % 2].add(pattern(observation.found[position], expected))
    lines = []
    for kind, name in ((0, "dL_dw"), (1, "dL_db")):
        texts = seen[kind]
        if len(texts) == 1 and (text := texts.pop()):
            lines.append(f"{name} of that layer {text}")
        elif len(texts) > 1 and all("times what it should be" in text for text in texts):
            lines.append(
                f"{name} of that layer is off by one factor in every entry, another for each network"
            )
    return lines


def _errors_by_layer(observations: list[Observation]) -> list[dict[str, Any]]:
    """The relative errors of each layer of the deepest square network, for the figure."""
    deepest = SQUARE_CASES[-1]
    observation = next((o for o in observations if o.case == deepest), None)
    if observation is None or observation.crash:
        return []
    errors = [error if error != float("inf") else None for error in observation.errors]
    layers = range(len(errors) // 2)
    return [{"layer": i + 1, "weight": errors[2 * i], "bias": errors[2 * i + 1]} for i in layers]


def _remarks(observations: list[Observation]) -> list[Finding]:
    findings = []
    done = [observation for observation in observations if not observation.crash]
    if any(observation.changed_parameters for observation in done):
        text = "changes the weights of the model; backpropagation only computes gradients"
        findings.append(Finding(PART, "parameters", FAILED, text))
    if any(observation.used_autograd for observation in done):
        text = "calls autograd (backward or torch.autograd.grad): agreeing with it proves nothing then"
        findings.append(Finding(PART, BY_HAND, NOTE, text))
    if any(observation.reshaped for observation in done):
        text = "some gradients have an extra dimension of 1; the numbers are compared without it"
        findings.append(Finding(PART, "shapes", NOTE, text))
    right = [observation for observation in done if observation.right]
    if observations[0].dtype == torch.float32:
        text = "runs in float32 only: tensors of another dtype are mixed in"
        findings.append(Finding(PART, "precision", NOTE, text))
    elif any(max(observation.errors) > ROUNDED for observation in right):
        text = "some of the computation is rounded to float32 although the network is float64"
        findings.append(Finding(PART, "precision", NOTE, text))
    return findings


def _central(observations: list[Observation], loss: str) -> Finding:
    """Compare the gradients with central differences, which are independent of autograd."""
    largest, checked = 0.0, 0
    for observation in observations[:CENTRAL_CASES]:
        _, second = batches(observation.case, loss)
        found = [gradient for gradient in observation.found if gradient is not None]
        try:
            check = check_gradients(observation.model, second.inputs, second.targets, loss, found)
        except GradientError as error:
            return Finding(PART, "central differences", FAILED, str(error))
        largest, checked = max(largest, check.largest_relative_error), checked + check.parameters_checked
    summary = (
        f"equal for {checked} parameters of {CENTRAL_CASES} networks (largest relative error {largest:.0e})"
    )
    return Finding(PART, "central differences", PASSED, summary)
