"""Check a function `compare_models`, which either compares two models or trains models and compares them."""

import inspect
import io
from collections.abc import Callable, Iterator
from contextlib import contextmanager, redirect_stdout
from dataclasses import dataclass
from functools import wraps
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.modules.module import register_module_forward_pre_hook

from handgrad.checking.battery import (
    BATCH_SIZE,
    EPOCHS,
    Setting,
    Watched,
    flat_parameters,
    samples,
    training_network,
)
from handgrad.checking.calling import Crash, accepts, call, default_dtype
from handgrad.checking.results import FAILED, NOTE, PASSED, Finding
from handgrad.networks import MyMLP

PART = "compare_models"
SETTING = Setting(0.05, weight_decay=0.1, momentum=0.8, seed=9)
# Relative to the distance that the parameters move.
TOLERANCES = {torch.float64: 1e-5, torch.float32: 1e-2}


def comparison_findings(
    function: Callable[..., Any], untrusted: list[str], skipped: dict[str, str] | None = None
) -> list[Finding]:
    """The findings on a function that compares two models given to it, or trains and compares models itself.

    Args:
        function: has parameters for two models, or for the data and hyperparameters of a training run.
        untrusted: the training functions of the same file that are wrong: their models differ in any case.
        skipped: for each name that is not defined, the reason, for error messages.
    """
    skipped = skipped or {}
    trains = any(accepts(function, role) for role in ("n_epochs", "train_loader", "lr", "hyperparameters"))
    if accepts(function, "model_1") and accepts(function, "model_2") and not trains:
        with default_dtype(torch.float64):
            return [_of_two_models(function, skipped)]
    if not trains and inspect.signature(function).parameters:
        text = "has neither two models nor a training set among its parameters: not checked"
        return [Finding(PART, "comparison", NOTE, text)]
    run = _run(function, torch.float64, skipped)
    if run.crash:
        in_float32 = _run(function, torch.float32, skipped)
        run = run if in_float32.crash else in_float32
    return [_verdict(run, untrusted, accepts(function, "lr"))]


# Two models are given.


def _of_two_models(function: Callable[..., Any], skipped: dict[str, str]) -> Finding:
    """Compare the answers for equal models with those for models that differ in one parameter."""

    def answer(changes: dict[int, float]) -> str:
        models = [training_network(SETTING), training_network(SETTING)]
        for position, change in changes.items():
            with torch.no_grad():
                list(models[1].parameters())[position].view(-1)[-1] += change
        before = [flat_parameters(model) for model in models]
        loader = Watched(samples(SETTING.seed), models[0])
        text = _answer(function, skipped, model_1=models[0], model_2=models[1], val_loader=loader)
        if not all(map(torch.equal, before, map(flat_parameters, models))):
            raise Crash("changes the parameters of the models")
        return text

    count = len(list(training_network(SETTING).parameters()))
    try:
        equal = answer({})
        if answer({}) != equal:
            text = "gives another answer when called again with the same models: not checked"
            return Finding(PART, "comparison", NOTE, text)
        changed = [{position: 0.5} for position in range(count)]
        missed = [changes for changes in changed if answer(changes) == equal]
        if missed:
            names = [name for name, _ in training_network(SETTING).named_parameters()]
            where = "any parameter" if len(missed) == count else names[next(iter(missed[0]))]
            text = f"gives the same answer for equal models as for models that differ in {where}"
            return Finding(PART, "comparison", FAILED, text)
        if answer({0: 0.5, 2: -0.5}) == equal:
            text = "gives the same answer for equal models as for models whose differences add up to zero"
            advice = "Take the absolute value of each difference before the sum or maximum."
            return Finding(PART, "comparison", FAILED, text, details=(advice,))
    except Crash as error:
        return Finding(PART, "comparison", FAILED, f"stops with an error: {error}")
    text = f"tells equal models from models that differ in any one of {count} parameter tensors"
    return Finding(PART, "comparison", PASSED, text)


def _answer(function: Callable[..., Any], skipped: dict[str, str], **values: Any) -> str:
    """What a function returns and prints, as text."""
    printed = io.StringIO()

    @wraps(function)
    def recorded(*arguments: Any, **options: Any) -> Any:
        with redirect_stdout(printed):
            return function(*arguments, **options)

    return f"{call(recorded, skipped, **values)!r}\n{printed.getvalue()}"


# Models are trained.


@dataclass(frozen=True)
class _Run:
    """The parameters of each trained model before its first forward pass, and at the end."""

    starts: list[Tensor]
    ends: list[Tensor]
    came_back: bool  # a model was trained, and then had its first parameters again
    passes: int
    tolerance: float
    crash: str = ""

    def distance(self, i: int, j: int) -> float:
        """The distance of two models at the end, relative to the distance that the first has moved."""
        return float((self.ends[i] - self.ends[j]).norm() / (self.ends[i] - self.starts[i]).norm())

    def starts_together(self, i: int, j: int) -> bool:
        return self.starts[i].shape == self.starts[j].shape and torch.equal(self.starts[i], self.starts[j])

    def ends_together(self, i: int, j: int) -> bool:
        return self.distance(i, j) <= self.tolerance


def _run(function: Callable[..., Any], dtype: torch.dtype, skipped: dict[str, str]) -> _Run:
    def make_model() -> MyMLP:
        return MyMLP(hidden=SETTING.hidden, n_classes=2, activation="tanh").to(dtype)

    sgd = SETTING.hyperparameters
    training, validation = (
        Watched(samples(SETTING.seed + i, dtype), nn.Linear(1, 1), BATCH_SIZE) for i in range(2)
    )
    crash = ""
    with default_dtype(dtype), _models_watched() as seen:
        try:
            call(
                function,
                skipped,
                n_epochs=EPOCHS,
                hyperparameters=[{name: sgd[name] for name in ("lr", "weight_decay", "momentum")}],
                make_model=make_model,
                model_1=training_network(SETTING, dtype),
                model_2=training_network(SETTING, dtype),
                model=training_network(SETTING, dtype),
                loss_fn=nn.CrossEntropyLoss(),
                train_loader=training,
                val_loader=validation,
                device=torch.device("cpu"),
                **sgd,
            )
        except Crash as error:
            crash = str(error)
    inner = {id(part) for one in seen for part in one.model.modules() if part is not one.model}
    roots = [one for one in seen if id(one.model) not in inner]
    trained = [one for one in roots if one.came_back or not one.is_as_at_first()]
    return _Run(
        [one.first for one in trained],
        [flat_parameters(one.model) for one in trained],
        any(one.came_back for one in trained),
        training.passes,
        TOLERANCES[dtype],
        crash,
    )


@dataclass
class _Watch:
    model: nn.Module
    first: Tensor
    moved: bool = False
    came_back: bool = False

    def is_as_at_first(self) -> bool:
        return torch.equal(flat_parameters(self.model), self.first)


@contextmanager
def _models_watched() -> Iterator[list[_Watch]]:
    """Watch the parameters of each module at its forward passes."""
    seen: dict[int, _Watch] = {}

    def note(module: nn.Module, _: Any) -> None:
        if next(module.parameters(), None) is None:
            return
        watch = seen.setdefault(id(module), _Watch(module, flat_parameters(module)))
        moved = not watch.is_as_at_first()
        watch.came_back |= watch.moved and not moved
        watch.moved |= moved

    handle = register_module_forward_pre_hook(note)
    watches: list[_Watch] = []
    try:
        yield watches
    finally:
        handle.remove()
        watches += seen.values()


def _verdict(run: _Run, untrusted: list[str], takes_lr: bool) -> Finding:
    if run.crash:
        return Finding(PART, "comparison", FAILED, f"stops with an error: {run.crash}")
    count = len(run.starts)
    if count == 1 and run.passes >= 2 * EPOCHS and not run.came_back:
        text = "trains the same model twice: the second training starts where the first one ended"
        advice = "Create a new model for each training, from the same seed, or copy it with copy.deepcopy."
        return Finding(PART, "comparison", FAILED, text, details=(advice,))
    if count < 2:
        text = f"{count or 'no'} model{'' if count == 1 else 's'} trained, so nothing to compare: not checked"
        return Finding(PART, "comparison", NOTE, text)
    mates = [[j for j in range(count) if j != i and run.starts_together(i, j)] for i in range(count)]
    if not any(mates):
        text = f"its {count} models start from different weights, so their results cannot be compared"
        advice = "Call torch.manual_seed with the same seed before creating each model."
        return Finding(PART, "comparison", FAILED, text, details=(advice,))
    agree = [any(run.ends_together(i, j) for j in mates[i]) for i in range(count)]
    if all(agree):
        text = f"its {count} models start from equal weights, and each ends equal to another"
        return Finding(PART, "comparison", PASSED, text)
    if untrusted:
        text = f"its models end apart, because of {' and '.join(untrusted)} (above)"
        return Finding(PART, "comparison", NOTE, text)
    i = agree.index(False)
    if not takes_lr or not mates[i]:
        return Finding(PART, "comparison", NOTE, "some of its models equal no other: not checked")
    apart = min(run.distance(i, j) for j in mates[i])
    text = f"its models start from equal weights and end apart (relative distance {apart:.2g})"
    advice = "Pass the same hyperparameters, loss and batches to both training functions."
    return Finding(PART, "comparison", FAILED, text, details=(advice,))
