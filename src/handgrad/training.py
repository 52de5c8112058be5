"""Three ways to train one network, which agree to the bit: by PyTorch, and with ever more done by hand."""

import logging
import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from handgrad.buffers import Buffers
from handgrad.gradcheck import check_gradients
from handgrad.networks import MyNet
from handgrad.sgd import ManualSGD

CHECKED_PER_LAYER = 5

Loader = Iterable[tuple[Tensor, Tensor]]
Step = Callable[[Tensor, Tensor], tuple[Tensor, Tensor]]

logger = logging.getLogger(__name__)


@dataclass
class History:
    """The course of a training: a value per epoch. Validation values are NaN without a validation loader.

    Losses are means over the samples; the training figures are those of each batch before its update.
    """

    training_loss: list[float] = field(default_factory=list)
    validation_loss: list[float] = field(default_factory=list)
    training_accuracy: list[float] = field(default_factory=list)
    validation_accuracy: list[float] = field(default_factory=list)

    @property
    def epochs(self) -> int:
        return len(self.training_loss)

    @property
    def diverged_epoch(self) -> int | None:
        """The first epoch, counted from 1, with a loss of NaN or infinity; None if all are finite."""
        for epoch, losses in enumerate(zip(self.training_loss, self.validation_loss, strict=True), start=1):
            if not math.isfinite(losses[0]) or math.isinf(losses[1]):
                return epoch
        return None


def train(
    n_epochs: int,
    optimizer: torch.optim.Optimizer,
    model: nn.Module,
    loss_fn: Callable[[Tensor, Tensor], Tensor],
    train_loader: Loader,
    val_loader: Loader | None = None,
    *,
    history: History | None = None,
    after_epoch: Callable[[History], None] | None = None,
) -> History:
    """Train with autograd and a `torch.optim` optimizer.

    Args:
        n_epochs: passes over `train_loader` in all.
        optimizer: of the parameters of `model`.
        model: maps inputs [batch, ...] to outputs [batch, classes].
        loss_fn: of outputs and labels, the mean over the batch.
        train_loader, val_loader: batches of inputs and labels, iterated once an epoch.
        history: of the epochs already done, which are not repeated; it is continued.
        after_epoch: called with the history after each epoch.
    """

    def step(inputs: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
        optimizer.zero_grad()
        outputs = model(inputs)
        loss = loss_fn(outputs, labels)
        loss.backward()
        optimizer.step()
        return loss.detach(), outputs.detach()

    return _epochs(n_epochs, step, model, loss_fn, train_loader, val_loader, history, after_epoch)


def train_manual_update(
    n_epochs: int,
    lr: float,
    model: nn.Module,
    loss_fn: Callable[[Tensor, Tensor], Tensor],
    train_loader: Loader,
    val_loader: Loader | None = None,
    weight_decay: float = 0.0,
    momentum: float = 0.0,
    dampening: float = 0.0,
    nesterov: bool = False,
    *,
    momentum_buffers: list[Tensor | None] | None = None,
    history: History | None = None,
    after_epoch: Callable[[History], None] | None = None,
) -> History:
    """Train with autograd and the SGD update by hand; see `train` and `handgrad.sgd.sgd_update`.

    `momentum_buffers`, one for each parameter and None before the first step, are updated in place.
    """
    parameters = list(model.parameters())
    sgd = ManualSGD(parameters, lr, weight_decay, momentum, dampening, nesterov, momentum_buffers)

    def step(inputs: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
        model.zero_grad()
        outputs = model(inputs)
        loss = loss_fn(outputs, labels)
        loss.backward()
        sgd.step([parameter.grad for parameter in parameters if parameter.grad is not None])
        return loss.detach(), outputs.detach()

    return _epochs(n_epochs, step, model, loss_fn, train_loader, val_loader, history, after_epoch)


@torch.no_grad()
def train_manual_backprop(
    n_epochs: int,
    lr: float,
    model: MyNet,
    loss_fn: Callable[[Tensor, Tensor], Tensor],
    train_loader: Loader,
    val_loader: Loader | None = None,
    weight_decay: float = 0.0,
    momentum: float = 0.0,
    dampening: float = 0.0,
    nesterov: bool = False,
    *,
    momentum_buffers: list[Tensor | None] | None = None,
    history: History | None = None,
    after_epoch: Callable[[History], None] | None = None,
    gradient_check_every: int = 0,
) -> History:
    """Train without autograd: backpropagation (in `Buffers`) and the SGD update, both by hand.

    `loss_fn` is cross entropy or the squared error, of which `loss_name` tells. Every `gradient_check_every`
    epochs (0: never) the gradients of the epoch's first batch are compared with central differences.

    Raises:
        ValueError: if the loss or an activation of the model is not one that backpropagation knows.
        GradientError: if a gradient is wrong.
    """
    loss = loss_name(loss_fn)
    sgd = ManualSGD(model.parameters(), lr, weight_decay, momentum, dampening, nesterov, momentum_buffers)
    history = history if history is not None else History()
    buffers: Buffers | None = None
    batch_size = 0
    checked_epoch = 0

    def step(inputs: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
        nonlocal buffers, batch_size, checked_epoch
        if buffers is None or len(inputs) > batch_size:
            batch_size = len(inputs)
            buffers = Buffers(model, batch_size)
        outputs = buffers.forward(inputs)
        value = buffers.backward(labels, loss)
        epoch = history.epochs + 1
        if gradient_check_every and epoch % gradient_check_every == 0 and epoch != checked_epoch:
            checked_epoch = epoch
            _check(model, inputs, labels, loss, buffers.gradients, epoch)
        sgd.step(buffers.gradients)
        return value, outputs

    return _epochs(n_epochs, step, model, loss_fn, train_loader, val_loader, history, after_epoch)


def loss_name(loss_fn: Callable[[Tensor, Tensor], Tensor]) -> str:
    """What backpropagation calls a loss of PyTorch.

    Raises:
        ValueError: if it is none of cross_entropy and MSELoss, or has settings that are not the default ones.
    """
    if loss_fn is functional.cross_entropy:
        return "cross_entropy"
    if loss_fn is functional.mse_loss:
        return "mse"
    if isinstance(loss_fn, nn.MSELoss) and loss_fn.reduction in ("mean", "sum"):
        return "mse" if loss_fn.reduction == "mean" else "squared_error"
    if isinstance(loss_fn, nn.CrossEntropyLoss):
        settings = (loss_fn.weight, loss_fn.reduction, loss_fn.label_smoothing, loss_fn.ignore_index)
        if settings == (None, "mean", 0.0, -100):
            return "cross_entropy"
    raise ValueError(f"the loss is {loss_fn}; expected nn.CrossEntropyLoss() or nn.MSELoss()")


def _epochs(
    n_epochs: int,
    step: Step,
    model: nn.Module,
    loss_fn: Callable[[Tensor, Tensor], Tensor],
    train_loader: Loader,
    val_loader: Loader | None,
    history: History | None,
    after_epoch: Callable[[History], None] | None,
) -> History:
    """The loop that all trainers share: `step` updates the model by a batch; returns its loss and outputs."""
    history = history if history is not None else History()
    for epoch in range(history.epochs + 1, n_epochs + 1):
        training_loss, training_accuracy = _means(step, train_loader)
        validation_loss, validation_accuracy = math.nan, math.nan
        if val_loader is not None:
            with torch.no_grad():
                validation_loss, validation_accuracy = _means(
                    lambda inputs, labels: _forward(model, loss_fn, inputs, labels), val_loader
                )
        history.training_loss.append(training_loss)
        history.validation_loss.append(validation_loss)
        history.training_accuracy.append(training_accuracy)
        history.validation_accuracy.append(validation_accuracy)
        logger.info(
            "epoch %d/%d: training loss %.6g, accuracy %.4f; validation loss %.6g, accuracy %.4f",
            *(epoch, n_epochs, training_loss, training_accuracy, validation_loss, validation_accuracy),
        )
        if after_epoch is not None:
            after_epoch(history)
    return history


def _forward(model: Any, loss_fn: Any, inputs: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
    outputs = model(inputs)
    return loss_fn(outputs, labels), outputs


def _means(step: Step, loader: Loader) -> tuple[float, float]:
    """The mean loss and the accuracy over the samples of a loader.

    The sums stay on the device, so that a GPU need not wait for each batch.

    Raises:
        ValueError: if the loader has no batches.
    """
    loss_sum: Tensor | float = 0.0
    correct: Tensor | int = 0
    samples = 0
    for inputs, labels in loader:
        loss, outputs = step(inputs, labels)
        loss_sum = loss_sum + loss.double() * len(inputs)
        # Targets of the shape of the outputs, one-hot ones say, have their class where they are largest.
        classes = labels if labels.ndim == 1 else labels.argmax(dim=1)
        correct = correct + (outputs.argmax(dim=1) == classes).sum()
        samples += len(inputs)
    if samples == 0:
        raise ValueError("the loader has no batches; expected at least one")
    return float(loss_sum) / samples, int(correct) / samples


def _check(
    model: MyNet, inputs: Tensor, labels: Tensor, loss: str, gradients: list[Tensor], epoch: int
) -> None:
    check = check_gradients(
        model, inputs, labels, loss, gradients, n_samples_per_layer=CHECKED_PER_LAYER, seed=epoch
    )
    logger.info(
        "epoch %d: %d gradients checked, %d at kinks left out; largest relative error %.1e",
        *(epoch, check.parameters_checked, check.kinks, check.largest_relative_error),
    )
