"""Compare hyperparameters and trainers in a notebook; the pipeline does the same work as separate jobs."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import nn

from handgrad import arguments
from handgrad.evaluation.agreement import Agreement, agreement
from handgrad.history import History
from handgrad.hyperparameters import HYPERPARAMETERS
from handgrad.networks import MyNet
from handgrad.sgd import ManualSGD
from handgrad.training import TRAINERS, Loader, LossFunction, loss_name


@dataclass(frozen=True, repr=False)
class Comparison:
    """Results for one combination of hyperparameters.

    For each trainer: the model, its history, and its agreement with the first trainer.
    """

    hyperparameters: Mapping[str, float]
    models: dict[str, MyNet]
    histories: dict[str, History]
    agreements: dict[str, Agreement]

    @property
    def validation_accuracies(self) -> dict[str, float]:
        """The validation accuracy after the last epoch, by trainer; empty without a validation loader."""
        return {
            trainer: history.validation_accuracy[-1]
            for trainer, history in self.histories.items()
            if history.validation_accuracy
        }

    def __repr__(self) -> str:
        settings = ", ".join(f"{name}={value}" for name, value in self.hyperparameters.items())
        identical = all(pair.bit_identical for pair in self.agreements.values())
        return f"Comparison({settings}; {', '.join(self.histories)}; bit_identical={identical})"


def compare_models(
    hyperparameters: Iterable[Mapping[str, float]],
    make_model: Callable[[], MyNet],
    loss_fn: LossFunction,
    train_loader: Loader,
    val_loader: Loader | None,
    n_epochs: int,
    *,
    seed: int = 256,
    trainers: Iterable[str] = TRAINERS,
) -> list[Comparison]:
    """Train a model with every combination of hyperparameters and every trainer, from the same weights.

    Args:
        hyperparameters: combinations, each with lr and any of weight_decay, momentum, dampening, nesterov.
        make_model: returns a new model; the global seed is set to `seed` before each call.
        loss_fn, train_loader, val_loader, n_epochs: see `handgrad.training.train`. The loaders must yield the
            same batches to every trainer: to shuffle, use `Batches` with a `shuffle_seed`.
        trainers: names of trainers in TRAINERS; all others are compared with the first.

    Raises:
        TypeError, ValueError: if an argument is not as described; raised before any training.
    """
    names = _checked_trainers(trainers)
    combinations = _checked_combinations(hyperparameters)
    arguments.check_integer("n_epochs", n_epochs, 1)
    _check_models(make_model, seed, names)
    arguments.check_loss(loss_fn)
    if "train_manual_backprop" in names:
        loss_name(loss_fn)
    _check_reproducible("train_loader", train_loader, seed)
    if val_loader is not None:
        _check_reproducible("val_loader", val_loader, seed)

    comparisons = []
    for combination in combinations:
        models, histories = {}, {}
        for trainer in names:
            torch.manual_seed(seed)
            models[trainer] = make_model()
            histories[trainer] = TRAINERS[trainer](
                n_epochs,
                model=models[trainer],
                loss_fn=loss_fn,
                train_loader=train_loader,
                val_loader=val_loader,
                **combination,
            )
        first = names[0]
        agreements = {
            trainer: agreement(
                _losses(histories[first]),
                _losses(histories[trainer]),
                _arrays(models[first]),
                _arrays(models[trainer]),
            )
            for trainer in names[1:]
        }
        comparisons.append(Comparison(combination, models, histories, agreements))
    return comparisons


def _checked_trainers(trainers: Iterable[str]) -> list[str]:
    if isinstance(trainers, str):
        raise TypeError(f"trainers is {trainers!r}; expected a list, such as [{trainers!r}]")
    names = list(trainers)
    if unknown := [name for name in names if name not in TRAINERS]:
        raise ValueError(f"no trainer is named {unknown[0]!r}; expected one of {', '.join(TRAINERS)}")
    if not names:
        raise ValueError(f"trainers is empty; expected at least one of {', '.join(TRAINERS)}")
    return names


def _checked_combinations(hyperparameters: Any) -> list[Mapping[str, float]]:
    if isinstance(hyperparameters, Mapping | str) or not isinstance(hyperparameters, Iterable):
        raise TypeError(
            f"hyperparameters is {arguments.describe(hyperparameters)}; expected a list of combinations, "
            'such as [{"lr": 0.1}, {"lr": 0.01, "momentum": 0.9}]'
        )
    combinations = list(hyperparameters)
    for combination in combinations:
        if not isinstance(combination, Mapping):
            raise TypeError(
                f"a combination of hyperparameters is {arguments.describe(combination)}; expected a "
                'dictionary, such as {"lr": 0.1}'
            )
        if unknown := [name for name in combination if name not in HYPERPARAMETERS]:
            raise ValueError(
                f"no hyperparameter is named {unknown[0]!r}; expected some of {', '.join(HYPERPARAMETERS)}"
            )
        if "lr" not in combination:
            raise ValueError(f"the combination {dict(combination)} has no lr; expected one")
        ManualSGD([], **combination)  # validates the values
    return combinations


def _check_models(make_model: Any, seed: int, trainers: list[str]) -> None:
    """Raise unless `make_model` returns a new model with the same weights on each call."""
    if isinstance(make_model, nn.Module) or not callable(make_model):
        raise TypeError(
            f"make_model is {arguments.describe(make_model)}; expected a function that makes a new model, "
            "such as lambda: MyMLP()"
        )
    models = []
    for _ in range(2):
        torch.manual_seed(seed)
        models.append(make_model())
    arguments.check_module(models[0])
    if "train_manual_backprop" in trainers:
        arguments.check_network(models[0])
    if models[0] is models[1]:
        raise ValueError("make_model returns the same model twice; expected a new one for each training")
    one, other = (list(model.parameters()) for model in models)
    if not all(map(torch.equal, one, other)):
        raise ValueError(
            "make_model gives other weights each time; expected weights drawn from torch's global generator, "
            "whose seed is set before each call"
        )


def _check_reproducible(name: str, loader: Any, seed: int) -> None:
    """Raise unless a loader starts with the same batch on every iteration."""
    arguments.check_loader(name, loader, 2)
    firsts = []
    for _ in range(2):
        torch.manual_seed(seed)
        batch = next(iter(loader), None)
        if batch is None:
            raise ValueError(f"{name} has no batches; expected at least one")
        firsts.append(arguments.check_batch(name, batch))
    if not all(map(torch.equal, *firsts)):
        raise ValueError(
            f"{name} yields other batches each time, so that the trainers would see different ones; expected "
            "the same for all: Batches(..., shuffle_seed=0), or a DataLoader without a generator of its own"
        )


def _losses(history: History) -> np.ndarray:
    return np.array(history.training_loss + history.validation_loss)


def _arrays(model: MyNet) -> dict[str, np.ndarray]:
    return {name: tensor.cpu().numpy() for name, tensor in model.state_dict().items()}
