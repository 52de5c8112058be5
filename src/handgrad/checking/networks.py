"""Check a network class: shapes, values stored by the forward pass, and derivatives of activations."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor, nn

from handgrad.checking.battery import IMAGE, SQUARE_CASES, Case, MakeNetwork, batches, network
from handgrad.checking.calling import Crash, call, default_dtype
from handgrad.checking.catalogue import DERIVATIVE_MISTAKES, FORWARD_MISTAKES, Mistake
from handgrad.checking.diagnosis import explanations, formula_lines, named, relative_error
from handgrad.checking.formulas import DERIVATIVE, FORWARD, Formulas, value
from handgrad.checking.results import FAILED, NOTE, PASSED, Finding

TOLERANCE = 1e-5
ATTRIBUTES = ("L", "fc", "z", "a", "f", "df")
FORWARD_CASES = (*SQUARE_CASES, Case((2, 3, 2), ("tanh",) * 2, 5, 4), Case((3, 2), ("tanh",), 1, 5))
STEP = 1e-5  # step of the central differences of an activation


class _Wrong(Exception):
    """A failure that ends the check of a network."""


def maker(cls: Callable[..., Any], skipped: dict[str, str] | None = None) -> MakeNetwork:
    """A function that creates networks of a class that takes only the widths and sets its own activations."""

    def make(widths: list[int], activations: list[str]) -> Any:
        return call(cls, skipped, n_l=widths)

    return make


def network_findings(
    cls: Callable[..., Any], part: str = "MyNet", skipped: dict[str, str] | None = None
) -> list[Finding]:
    """The findings on a network class that takes the widths; see `handgrad.networks.MyNet`."""
    passes, problems = [], []
    with default_dtype(torch.float64):
        for case in FORWARD_CASES:
            try:
                passes.append(_forward(cls, case, skipped or {}))
            except (_Wrong, Crash) as error:
                problems.append(f"{error} ({case})" if passes else str(error))
        if not passes:
            return [Finding(part, "forward", FAILED, problems[0])]
        forward = _remembered(passes, part)
        if problems and forward.status == PASSED:
            forward = Finding(part, "forward", FAILED, problems[0])
        elif problems:
            forward = replace(forward, details=(*forward.details, problems[0]))
        return [forward, *_derivatives(passes[0]["model"], part)]


def _forward(cls: Callable[..., Any], case: Case, skipped: dict[str, str]) -> dict[str, Any]:
    """The state of a network of the class after two forward passes, as the scope for the formulas."""
    model = network(case, maker(cls, skipped))
    if missing := [name for name in ATTRIBUTES if not hasattr(model, name)]:
        raise _Wrong(f"has no attribute {', '.join(missing)}; backpropagation needs {', '.join(ATTRIBUTES)}")
    if len(case.widths) - 1 != model.L:
        raise _Wrong(f"L is {model.L} for the widths {[*case.widths]}; expected {len(case.widths) - 1}")
    layers = range(1, model.L + 1)
    for layer in layers:
        found, expected = [*model.fc[str(layer)].weight.shape], [case.widths[layer], case.widths[layer - 1]]
        if found != expected:
            raise _Wrong(f"fc['{layer}'].weight has the shape {found}; expected {expected}")
    first, second = batches(case, "squared_error")
    _run(model, first.inputs, skipped)
    old_z = {layer: _value(model.z, layer, "z") for layer in layers}
    outputs = _run(model, second.inputs, skipped)
    if not isinstance(outputs, Tensor) or outputs.shape != (case.batch_size, case.widths[-1]):
        shape = [*outputs.shape] if isinstance(outputs, Tensor) else type(outputs).__name__
        raise _Wrong(
            f"returns {shape} for a batch of {case.batch_size}; expected {[case.batch_size, case.widths[-1]]}"
        )
    return {
        "model": model,
        "case": case,
        "inputs": second.inputs,
        "outputs": outputs.detach(),
        "old_z": old_z,
        "L": model.L,
        "W": {layer: model.fc[str(layer)].weight.detach() for layer in layers},
        "b": {layer: model.fc[str(layer)].bias.detach() for layer in layers},
        "z": {layer: _value(model.z, layer, "z") for layer in layers},
        "a": {layer: _value(model.a, layer, "a") for layer in (0, *layers)},
        "f": model.f,
        "df": model.df,
    }


def _run(model: Any, inputs: Tensor, skipped: dict[str, str]) -> Any:
    return call(lambda x: model(x), skipped, x=inputs)


def _value(store: Any, layer: int, name: str) -> Tensor:
    try:
        found = store[layer]
    except (KeyError, IndexError, TypeError):
        found = None
    if not isinstance(found, Tensor):
        raise _Wrong(f"{name}[{layer}] is {found!r} after a forward pass; expected the values of the layer")
    return found.detach().clone()


def _remembered(passes: list[dict[str, Any]], part: str) -> Finding:
    """Compare z and a with the formulas applied to the stored values of the layer below; also the outputs."""
    if all(_agrees(scope)(FORWARD) for scope in passes):
        for scope in passes:
            if relative_error(scope["a"][0], scope["inputs"]) > TOLERANCE:
                return Finding(
                    part, "forward", FAILED, "a[0] is not the input, flattened to one row a sample"
                )
            if relative_error(scope["outputs"], scope["a"][scope["L"]]) > TOLERANCE:
                return Finding(part, "forward", FAILED, "the outputs are not a[L]")
        return Finding(part, "forward", PASSED, f"z, a and outputs are right on {len(passes)} networks")
    found = explanations(FORWARD_MISTAKES, FORWARD, [_agrees(scope) for scope in passes])
    if found:
        names = tuple(mistake.name for mistake in found[0])
        return Finding(part, "forward", FAILED, named(found), names, tuple(formula_lines(found[0], FORWARD)))
    scope = next(scope for scope in passes if not _agrees(scope)(FORWARD))
    layer, name = next(
        (layer, name)
        for layer in range(1, scope["L"] + 1)
        for name in ("z", "a")
        if _error(scope, FORWARD, layer, name) > TOLERANCE
    )
    text = f"{name}[{layer}] is the first wrong value ({scope['case']}); no known mistake gives it"
    details = (f"expected:     {name}[l] = {FORWARD[f'{name}[l]']}",)
    return Finding(part, "forward", FAILED, text, details=details)


def _agrees(scope: dict[str, Any]) -> Callable[[Formulas], bool]:
    def agrees(formulas: Formulas) -> bool:
        layers = range(1, scope["L"] + 1)
        return all(
            _error(scope, formulas, layer, name) <= TOLERANCE for layer in layers for name in ("z", "a")
        )

    return agrees


def _error(scope: dict[str, Any], formulas: Formulas, layer: int, name: str) -> float:
    try:
        return relative_error(scope[name][layer], value(formulas, f"{name}[l]", scope | {"l": layer}))
    except RuntimeError:  # mismatched shapes
        return float("inf")


def _derivatives(model: Any, part: str) -> Iterator[Finding]:
    """Compare df[l] with central differences of f[l], at points away from kinks."""
    z = torch.linspace(-2.95, 3.05, 31)
    wrong: dict[str, list[int]] = {}
    lines: dict[str, tuple[str, ...]] = {}
    names: dict[str, tuple[str, ...]] = {}
    for layer in range(1, model.L + 1):
        f, df = model.f[layer], model.df[layer]
        try:
            found = torch.as_tensor(_applied(df, z)).expand(z.shape)
            expected = (f(z + STEP) - f(z - STEP)) / (2 * STEP)
        except (Crash, RuntimeError) as error:
            yield Finding(part, "derivatives", FAILED, f"df[{layer}] stops with an error: {error}")
            return
        if relative_error(found, expected) <= TOLERANCE:
            continue
        explained = explanations(DERIVATIVE_MISTAKES, DERIVATIVE, [_slope_agrees(found, z, f)])
        text = named(explained) if explained else "not the derivative of f; no known mistake gives its values"
        wrong.setdefault(text, []).append(layer)
        place = int((found - expected).abs().argmax())
        numbers = f"df is {found[place]:.6g}, central differences {expected[place]:.6g}"
        lines.setdefault(text, (*_wrong_line(explained), f"for example at z = {z[place]:.2f}: {numbers}"))
        names.setdefault(text, tuple(mistake.name for mistake in explained[0]) if explained else ())
    for text, layers in wrong.items():
        where = "every layer" if len(layers) == model.L else f"layer {', '.join(map(str, layers))}"
        yield Finding(part, "derivatives", FAILED, f"df of {where}: {text}", names[text], lines[text])
    if not wrong:
        yield Finding(
            part, "derivatives", PASSED, "df is the derivative of f in every layer (central differences)"
        )


def _applied(df: Callable[[Tensor], Any], z: Tensor) -> Any:
    return call(lambda z: df(z), None, z=z.clone())


def _wrong_line(explained: list[tuple[Mistake, ...]]) -> list[str]:
    if not explained:
        return []
    (mistake, *_) = explained[0]
    return [f"your numbers: df(z) = {mistake.changes['df(z)']}", mistake.advice]


def _slope_agrees(found: Tensor, z: Tensor, f: Callable[[Tensor], Tensor]) -> Callable[[Formulas], bool]:
    def slope(z: Tensor) -> Tensor:
        return (f(z + STEP) - f(z - STEP)) / (2 * STEP)

    def agrees(formulas: Formulas) -> bool:
        return relative_error(found, value(formulas, "df(z)", {"z": z, "f": f, "slope": slope})) <= TOLERANCE

    return agrees


def classifier_findings(
    cls: Callable[..., Any], part: str = "MyMLP", skipped: dict[str, str] | None = None
) -> list[Finding]:
    """The findings on an image classifier; see `handgrad.networks.MyMLP`."""
    with default_dtype(torch.float64):
        torch.manual_seed(0)
        images = torch.randn(5, *IMAGE)
        try:
            model = call(cls, skipped)
            outputs = _run(model, images, skipped or {})
        except Crash as error:
            return [Finding(part, "forward", FAILED, f"for images of the shape {[*images.shape]}: {error}")]
        if not isinstance(model, nn.Module) or not list(model.parameters()):
            return [
                Finding(
                    part, "forward", FAILED, "has no parameters to train; expected layers in an nn.Module"
                )
            ]
        if not isinstance(outputs, Tensor) or outputs.ndim != 2 or len(outputs) != len(images):
            shape = [*outputs.shape] if isinstance(outputs, Tensor) else type(outputs).__name__
            return [Finding(part, "forward", FAILED, f"returns {shape} for 5 images; expected [5, classes]")]
        model.eval()
        outputs, alone = (_run(model, batch, skipped or {}).detach() for batch in (images, images[:1]))
        if relative_error(alone[0], outputs[0]) > TOLERANCE:
            return [Finding(part, "forward", FAILED, "an image gets other outputs alone than in a batch")]
    findings = [
        Finding(part, "forward", PASSED, f"{outputs.shape[1]} outputs for each image, whatever the batch")
    ]
    for name, probabilities in (("softmax", outputs), ("log-softmax", outputs.exp())):
        if (
            bool((probabilities >= 0).all())
            and relative_error(probabilities.sum(1), torch.ones(5)) < TOLERANCE
        ):
            text = (
                f"the outputs are a {name}; nn.CrossEntropyLoss() takes logits and applies the softmax itself"
            )
            findings.append(Finding(part, "outputs", NOTE, text))
    return findings
