"""Hyperparameters and trainers side by side, for notebooks; the pipeline does the same work as jobs."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from handgrad.evaluation.agreement import Agreement, agreement
from handgrad.networks import MyNet
from handgrad.training import TRAINERS, History, Loader


@dataclass(frozen=True)
class Comparison:
    """A combination of hyperparameters: by trainer the model, its history, its agreement with the first."""

    hyperparameters: Mapping[str, float]
    models: dict[str, MyNet]
    histories: dict[str, History]
    agreements: dict[str, Agreement]

    @property
    def validation_accuracies(self) -> dict[str, float]:
        """The validation accuracy after the last epoch, by trainer."""
        return {trainer: history.validation_accuracy[-1] for trainer, history in self.histories.items()}


def compare_models(
    hyperparameters: Iterable[Mapping[str, float]],
    make_model: Callable[[], MyNet],
    loss_fn: Callable[[Tensor, Tensor], Tensor],
    train_loader: Loader,
    val_loader: Loader,
    n_epochs: int,
    *,
    seed: int = 256,
    trainers: Iterable[str] = TRAINERS,
) -> list[Comparison]:
    """Train a model with every combination of hyperparameters and every trainer, from the same weights.

    Args:
        hyperparameters: combinations, each with lr and perhaps weight_decay, momentum, dampening, nesterov.
        make_model: makes a new model; the global seed is set to `seed` before each call.
        loss_fn, train_loader, val_loader, n_epochs: see `handgrad.training.train`.
        trainers: of those in TRAINERS; the others are compared with the first.

    Raises:
        ValueError: if a trainer is unknown.
    """
    names = list(trainers)
    if unknown := [name for name in names if name not in TRAINERS]:
        raise ValueError(f"no trainer is named {unknown[0]!r}; expected one of {', '.join(TRAINERS)}")
    comparisons = []
    for combination in hyperparameters:
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


def _losses(history: History) -> np.ndarray:
    return np.array([history.training_loss, history.validation_loss])


def _arrays(model: MyNet) -> dict[str, np.ndarray]:
    return {name: tensor.cpu().numpy() for name, tensor in model.state_dict().items()}
