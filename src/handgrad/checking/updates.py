"""Check training functions: each step against torch.optim.SGD, and the training loop."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor, nn

from handgrad.checking.battery import (
    BATCH_SIZE,
    DAMPENED_SETTINGS,
    EPOCHS,
    NESTEROV_SETTINGS,
    SAMPLES,
    SETTINGS,
    Setting,
    Watched,
    flat_parameters,
    observed_steps,
    samples,
    training_network,
)
from handgrad.checking.calling import Crash, accepts, call, default_dtype
from handgrad.checking.catalogue import UPDATE_MISTAKES
from handgrad.checking.diagnosis import (
    Agrees,
    explanations,
    formula_lines,
    in_common,
    largest_difference,
    named,
)
from handgrad.checking.formulas import DAMPENING, NESTEROV, UPDATE, Formulas, Steps, trajectory
from handgrad.checking.results import BY_HAND, FAILED, NOTE, PASSED, Finding
from handgrad.checking.shortcuts import OPTIMIZER, shortcuts_watched

# Relative to the total distance that the parameters move; see `diagnosis.TOLERANCES`.
TOLERANCES = {torch.float64: 1e-5, torch.float32: 1e-2}
STEPS_PER_EPOCH = math.ceil(SAMPLES / BATCH_SIZE)


@dataclass(frozen=True)
class Observation:
    """A short training run by the function under test, with the same run by torch.optim.SGD for reference.

    `points` are the parameters before each step and at the end, [steps + 1, parameters]; empty after a crash.
    """

    setting: Setting
    points: list[Tensor]
    reference: list[Tensor]
    steps: Steps | None
    training: Watched
    validation: Watched
    losses: list[list[float]]
    returned: Any
    used_optimizer: bool
    crash: str = ""

    @property
    def right(self) -> bool:
        return not self.crash and self.distance <= TOLERANCES[self.reference[0].dtype]

    @property
    def distance(self) -> float:
        """Distance of the final parameters from torch's, relative to the distance that torch's have moved."""
        moved = (self.reference[-1] - self.reference[0]).norm()
        distance = float((self.points[-1] - self.reference[-1]).norm() / moved)
        return distance if math.isfinite(distance) else math.inf

    @property
    def epochs(self) -> float:
        return self.training.passes


def update_findings(function: Callable[..., Any], skipped: dict[str, str] | None = None) -> list[Finding]:
    """The findings on a function `train_manual_update(n_epochs, lr, model, loss_fn, ...)`."""
    return _findings(function, "train_manual_update", skipped or {})


def train_findings(function: Callable[..., Any], skipped: dict[str, str] | None = None) -> list[Finding]:
    """The findings on a function `train(n_epochs, optimizer, model, loss_fn, ...)`."""
    return _findings(function, "train", skipped or {})


def _findings(function: Callable[..., Any], part: str, skipped: dict[str, str]) -> list[Finding]:
    settings = _settings(function)
    observations = _observed(function, settings, skipped, torch.float64)
    if any("dtype" in o.crash or "Float" in o.crash or "Double" in o.crash for o in observations):
        observations = _observed(function, settings, skipped, torch.float32)
    findings = [_steps(observations, part, _formulas(function))]
    done = [observation for observation in observations if not observation.crash]
    if done:
        findings += _loop(function, done, part, skipped)
    # A validation that trains explains wrong steps.
    findings.sort(key=lambda finding: (finding.check, finding.status) != ("validation", FAILED))
    if part == "train_manual_update" and any(observation.used_optimizer for observation in done):
        text = "calls an optimizer of torch.optim: agreeing with torch.optim.SGD proves nothing then"
        findings.append(Finding(part, BY_HAND, NOTE, text))
    if missing := [name for name in ("weight_decay", "momentum") if not _can(function, name)]:
        text = f"has no parameter for {' and '.join(missing)}: checked without"
        findings.append(Finding(part, "parameters", NOTE, text))
    return findings


def _can(function: Callable[..., Any], name: str) -> bool:
    """Whether a function supports a hyperparameter; if it takes an optimizer, it supports all of them."""
    return accepts(function, "optimizer") or accepts(function, name)


def _settings(function: Callable[..., Any]) -> list[Setting]:
    settings = [*SETTINGS]
    if accepts(function, "dampening"):
        settings += DAMPENED_SETTINGS
    if accepts(function, "nesterov"):
        settings += NESTEROV_SETTINGS
    return [
        setting
        for setting in settings
        if all(_can(function, name) for name in ("weight_decay", "momentum") if getattr(setting, name))
    ]


def _formulas(function: Callable[..., Any]) -> Formulas:
    dampening = DAMPENING if accepts(function, "dampening") else {}
    nesterov = NESTEROV if accepts(function, "nesterov") else {}
    formulas = {**UPDATE, **dampening, **nesterov}
    if not _can(function, "weight_decay"):
        formulas["decay"] = "0"
    return formulas


def _observed(
    function: Callable[..., Any], settings: Sequence[Setting], skipped: dict[str, str], dtype: torch.dtype
) -> list[Observation]:
    with default_dtype(dtype):
        return [_observe(function, setting, settings[0].lr, skipped, dtype) for setting in settings]


def _observe(
    function: Callable[..., Any],
    setting: Setting,
    first_lr: float,
    skipped: dict[str, str],
    dtype: torch.dtype,
) -> Observation:
    data, loss_fn = samples(setting.seed, dtype), nn.CrossEntropyLoss()
    reference = _reference(setting, dtype)
    model = training_network(setting, dtype)
    training, validation = Watched(data, model), Watched(samples(setting.seed + 100, dtype), model)
    # A network as it is between two training runs: in evaluation mode, with leftover gradients.
    crash, returned = "", None
    arguments = _arguments(setting, model, loss_fn, training, validation)
    try:
        with shortcuts_watched() as used:
            returned = call(function, skipped, **arguments)
    except Crash as error:
        crash = str(error)
    points, steps = [*training.seen, flat_parameters(model)], None
    if not crash and len(points) == len(reference):
        settings = setting.hyperparameters | {"first_lr": first_lr}
        steps = observed_steps(points, model, data, loss_fn, settings)
    return Observation(
        setting,
        points,
        reference,
        steps,
        training,
        validation,
        _losses(returned),
        returned,
        OPTIMIZER in used,
        crash,
    )


def _arguments(
    setting: Setting, model: nn.Module, loss_fn: nn.Module, training: Watched, validation: Watched
) -> dict[str, Any]:
    hyperparameters = setting.hyperparameters
    optimizer = torch.optim.SGD(model.parameters(), **hyperparameters)
    return {
        "n_epochs": EPOCHS,
        "lr": hyperparameters.pop("lr"),
        "optimizer": optimizer,
        "model": model,
        "loss_fn": loss_fn,
        "train_loader": training,
        "val_loader": validation,
        "device": torch.device("cpu"),
        **hyperparameters,
    }


def _reference(setting: Setting, dtype: torch.dtype) -> list[Tensor]:
    """The parameters before each step and at the end, from a plain PyTorch training loop."""
    model = training_network(setting, dtype)
    optimizer = torch.optim.SGD(model.parameters(), **setting.hyperparameters)
    loader = Watched(samples(setting.seed, dtype), model)
    for _ in range(EPOCHS):
        for inputs, labels in loader:
            optimizer.zero_grad()
            nn.functional.cross_entropy(model(inputs), labels).backward()
            optimizer.step()
    return [*loader.seen, flat_parameters(model)]


def _steps(observations: list[Observation], part: str, formulas: Formulas) -> Finding:
    wrong = [observation for observation in observations if not observation.right]
    data = {"trajectories": [_trajectory(o) for o in observations if not o.crash]}
    if not wrong:
        largest = max(observation.distance for observation in observations)
        settings = len(observations)
        summary = (
            f"{settings} trainings end where torch.optim.SGD's do (largest relative distance {largest:.0e})"
        )
        return Finding(part, "steps", PASSED, summary, data=data)
    crashed = [observation for observation in wrong if observation.crash]
    if len(crashed) == len(observations):
        return Finding(part, "steps", FAILED, f"stops with an error: {crashed[0].crash}", data=data)
    if all(not torch.equal(o.points[0], o.reference[0]) for o in observations if not o.crash):
        summary = "the parameters are changed before the first batch"
        advice = "Train the given network from the weights that it has; do not draw or set them anew."
        return Finding(part, "steps", FAILED, summary, (), (advice,), data)
    found = explanations(UPDATE_MISTAKES, formulas, [_agrees(observation) for observation in observations])
    if found:
        mistakes = tuple(mistake.name for mistake in found[0])
        details = (*formula_lines(found[0], formulas), *_numbers(wrong))
        return Finding(part, "steps", FAILED, named(found), mistakes, details, data)
    return Finding(part, "steps", FAILED, *_description(observations, wrong), data=data)


def _agrees(observation: Observation) -> Agrees:
    """Whether formulas lead from each observed point to the next; inconclusive if steps are missing."""

    steps = observation.steps
    if steps is None:
        return lambda formulas: None
    few = _few_parameters(steps)
    scale = (observation.reference[-1] - observation.reference[0]).abs().max()
    tolerance = TOLERANCES[steps.points.dtype] * scale

    def agrees(formulas: Formulas) -> bool:
        return all(
            bool((trajectory(formulas, part) - part.points[1:]).abs().max() <= tolerance)
            for part in (few, steps)
        )

    return agrees


def _few_parameters(steps: Steps) -> Steps:
    """The same steps for some of the parameters, which suffice to rule out most formulas quickly."""
    chosen = steps.is_bias | steps.is_last_layer
    chosen[:: max(1, len(chosen) // 100)] = True
    return replace(
        steps,
        points=steps.points[:, chosen],
        gradients=steps.gradients[:, chosen],
        late_gradients=steps.late_gradients[:, chosen],
        is_bias=steps.is_bias[chosen],
        is_last_layer=steps.is_last_layer[chosen],
    )


def _numbers(wrong: list[Observation]) -> list[str]:
    """The observed and expected values after the first wrong step of the first wrong training run."""
    observation = next((o for o in wrong if not o.crash and len(o.points) == len(o.reference)), None)
    if observation is None:
        return []
    step = _first_wrong_step(observation)
    place, yours, torchs = largest_difference(observation.points[step], observation.reference[step])
    numbers = f"yours {yours:.6g}, torch.optim.SGD {torchs:.6g}"
    return [f"for example parameter {place[0]} after step {step}: {numbers} ({observation.setting})"]


def _first_wrong_step(observation: Observation) -> int:
    """The first wrong step, counted from 1."""
    scale = (observation.reference[-1] - observation.reference[0]).abs().max()
    tolerance = TOLERANCES[observation.reference[0].dtype] * scale
    pairs = zip(observation.points, observation.reference, strict=True)
    return next(
        (i for i, (one, other) in enumerate(pairs) if not (one - other).abs().max() <= tolerance),
        len(observation.points) - 1,
    )


def _description(
    observations: list[Observation], wrong: list[Observation]
) -> tuple[str, tuple[str, ...], tuple[str, ...]]:
    """The summary, an empty tuple of mistakes, and the details of an error that no known mistake explains."""
    crashed = [observation for observation in wrong if observation.crash]
    judged = [observation for observation in wrong if not observation.crash]
    details = [f"stops with an error ({crashed[0].setting}): {crashed[0].crash}"] if crashed else []
    if not judged:
        return "right where it runs, but it does not run with every setting", (), tuple(details)
    passes = {observation.training.passes for observation in judged}
    steps = {len(observation.training.seen) for observation in judged}
    if passes != {EPOCHS}:
        text = f"goes through the training data {min(passes)} times in {EPOCHS} epochs"
        return text, (), tuple(details)
    if steps != {EPOCHS * STEPS_PER_EPOCH}:
        text = f"takes {min(steps)} batches in {EPOCHS} epochs of {STEPS_PER_EPOCH}"
        return text, (), tuple(details)
    traits = in_common(
        [_traits(o.setting) for o in judged], [_traits(o.setting) for o in observations if o.right]
    )
    if traits:
        details.append(f"wrong only with {' and '.join(traits)}; right in the other trainings")
    firsts = {_first_wrong_step(observation) for observation in judged}
    details.append(f"the first step that differs is step {min(firsts)}, counted from 1")
    details += _numbers(judged)
    summary = "differs from torch.optim.SGD; no known mistake, or pair of them, gives these numbers"
    return summary, (), tuple(details)


def _traits(setting: Setting) -> dict[str, bool]:
    names = {
        "weight decay": "weight_decay",
        "momentum": "momentum",
        "dampening": "dampening",
        "nesterov": "nesterov",
    }
    return {text: bool(getattr(setting, name)) for text, name in names.items()}


def _trajectory(observation: Observation) -> dict[str, Any]:
    """The distance from torch's trajectory and both losses for each step, for the figures."""
    setting, dtype = observation.setting, observation.reference[0].dtype
    moved = float((observation.reference[-1] - observation.reference[0]).norm())
    points = observation.points[: len(observation.reference)]
    distances = [float((p - q).norm()) / moved for p, q in zip(points, observation.reference, strict=False)]
    return {
        "setting": str(setting),
        "distances": [distance if math.isfinite(distance) else None for distance in distances],
        "losses": _loss_curve(points, setting, dtype),
        "reference_losses": _loss_curve(observation.reference, setting, dtype),
    }


def _loss_curve(points: list[Tensor], setting: Setting, dtype: torch.dtype) -> list[float | None]:
    model = training_network(setting, dtype)
    images, labels = samples(setting.seed, dtype).tensors
    curve = []
    with torch.no_grad():
        for point in points:
            torch.nn.utils.vector_to_parameters(point.to(dtype), model.parameters())
            loss = float(nn.functional.cross_entropy(model(images), labels))
            curve.append(loss if math.isfinite(loss) else None)
    return curve


def _loop(
    function: Callable[..., Any], done: list[Observation], part: str, skipped: dict[str, str]
) -> list[Finding]:
    """The checks of the training loop, on runs that completed."""
    return [
        finding
        for finding in (
            _validation(done[0], part),
            _modes(done[0], part),
            _returned_losses(done[0], part),
            _repeated(function, done[0], part, skipped),
        )
        if finding is not None
    ]


def _validation(observation: Observation, part: str) -> Finding | None:
    """Check that validation does not train: the parameters must not change between its batches."""
    seen = observation.validation.seen
    if not seen:
        return None
    per_pass = len(seen) // observation.validation.passes
    moves = any(not torch.equal(seen[i], seen[i - 1]) for i in range(1, len(seen)) if i % per_pass)
    if moves:
        text = (
            "the parameters change while the validation batches are processed; validation must train nothing"
        )
        return Finding(part, "validation", FAILED, text)
    return Finding(part, "validation", PASSED, "leaves the parameters as they are")


def _modes(observation: Observation, part: str) -> Finding | None:
    """Check the use of model.train() and model.eval(), which matters for networks with dropout."""
    if not all(observation.training.modes):
        epoch = observation.training.modes.index(False) // STEPS_PER_EPOCH + 1
        text = f"trains in evaluation mode from epoch {epoch} on: call model.train() in each epoch"
        return Finding(part, "modes", FAILED, text)
    if any(observation.validation.modes):
        text = "validates in training mode; with dropout or batch normalisation, call model.eval() before"
        return Finding(part, "modes", NOTE, text)
    return None


def _losses(returned: Any) -> list[list[float]]:
    """The lists with one number per epoch in the return value of a training function."""
    if hasattr(returned, "training_loss"):
        returned = (returned.training_loss,)
    if isinstance(returned, dict):
        returned = tuple(returned.values())
    if not isinstance(returned, tuple):
        returned = (returned,)
    lists = []
    for item in returned:
        try:
            numbers = [float(number) for number in item]
        except (TypeError, ValueError, RuntimeError):
            continue
        if len(numbers) == EPOCHS:
            lists.append(numbers)
    return lists


def _returned_losses(observation: Observation, part: str) -> Finding | None:
    """Check for a returned list that matches the training loss of each epoch under some way of averaging."""
    if observation.steps is None or not observation.losses:
        return None
    batch_losses = _batch_losses(observation)
    sizes = torch.tensor(observation.steps.batch_sizes, dtype=batch_losses.dtype)
    ways = {
        "mean over the samples": (batch_losses * sizes).sum(dim=1) / sizes.sum(),
        "mean over the batches": batch_losses.mean(dim=1),
        "sum over the batches": batch_losses.sum(dim=1),
        "loss of the last batch": batch_losses[:, -1],
    }
    for numbers in observation.losses:
        for way, expected in ways.items():
            if torch.allclose(torch.tensor(numbers, dtype=expected.dtype), expected, rtol=1e-4):
                if way == "mean over the samples":
                    return Finding(part, "losses", PASSED, f"the training loss returned is the {way}")
                text = f"the training loss returned is the {way}, not the mean over the samples"
                advice = "The last batch is smaller: sum(loss * len(batch)) / samples is the mean of all."
                return Finding(part, "losses", NOTE, text, details=(advice,))
    return None


def _batch_losses(observation: Observation) -> Tensor:
    """The loss of each batch before its step, [epochs, steps]."""
    setting, dtype = observation.setting, observation.reference[0].dtype
    model = training_network(setting, dtype)
    images, labels = samples(setting.seed, dtype).tensors
    batches = list(zip(images.split(BATCH_SIZE), labels.split(BATCH_SIZE), strict=True))
    losses = []
    with torch.no_grad():
        for step, point in enumerate(observation.points[:-1]):
            torch.nn.utils.vector_to_parameters(point, model.parameters())
            inputs, targets = batches[step % len(batches)]
            losses.append(nn.functional.cross_entropy(model(inputs), targets))
    return torch.stack(losses).reshape(EPOCHS, -1)


def _repeated(
    function: Callable[..., Any], observation: Observation, part: str, skipped: dict[str, str]
) -> Finding | None:
    """Repeat a training run: it must not depend on leftover state or on newly drawn random numbers."""
    dtype = observation.reference[0].dtype
    with default_dtype(dtype):
        again = _observe(function, observation.setting, observation.setting.lr, skipped, dtype)
    if again.crash:
        return Finding(part, "repeatable", FAILED, f"stops with an error when called again: {again.crash}")
    if not torch.equal(again.points[-1], observation.points[-1]):
        text = "gives other parameters when called again with the same network and seed"
        return Finding(part, "repeatable", FAILED, text)
    return None
