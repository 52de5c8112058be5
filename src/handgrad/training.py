"""Three ways to train one network, which agree to the bit: by PyTorch, and with ever more done by hand."""

import logging
import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from itertools import zip_longest
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from handgrad.activations import ACTIVATIONS
from handgrad.backprop import backpropagation
from handgrad.buffers import Buffers
from handgrad.gradcheck import check_gradients
from handgrad.networks import MyNet
from handgrad.sgd import ManualSGD

CHECKED_PER_LAYER = 5

Loader = Iterable[tuple[Tensor, Tensor]]
# Of inputs and labels: the loss and the outputs; of a pass also the gradients, layer by layer.
Step = Callable[[Tensor, Tensor], tuple[Tensor, Tensor]]
Pass = Callable[[Tensor, Tensor], tuple[Tensor, Tensor, list[Tensor]]]

logger = logging.getLogger(__name__)


@dataclass
class History:
    """The course of a training: a value per epoch; none of validation without a validation loader.

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
        losses = zip_longest(self.training_loss, self.validation_loss, fillvalue=0.0)
        for epoch, of_epoch in enumerate(losses, start=1):
            if not all(map(math.isfinite, of_epoch)):
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

    Parameters that do not require a gradient stay as they are. `momentum_buffers`, one for each of the others
    and None before the first step, are updated in place.
    """
    parameters = [parameter for parameter in model.parameters() if parameter.requires_grad]
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
    """Train without autograd: backpropagation and the SGD update, both by hand.

    The passes run in `Buffers`; those of a model that they do not fit, one with another forward or with
    activations of its own, by its forward and `backpropagation`.

    Args:
        model: a MyNet, or any callable with the attributes of `handgrad.backprop.Network`.
        loss_fn: cross entropy or the squared error; see `loss_name`.
        gradient_check_every: compare the gradients of the first batch of every so many epochs with central
            differences; 0: never.
        The others: see `train_manual_update`.

    Raises:
        ValueError: if the loss is not one that backpropagation knows.
        GradientError: if a gradient is wrong.
    """
    loss = loss_name(loss_fn)
    layers: list[Any] = [model.fc[str(layer)] for layer in range(1, model.L + 1)]
    parameters = [parameter for layer in layers for parameter in (layer.weight, layer.bias)]
    sgd = ManualSGD(parameters, lr, weight_decay, momentum, dampening, nesterov, momentum_buffers)
    run_pass = _buffered_pass(model, loss) if _fits_buffers(model) else _plain_pass(model, loss, loss_fn)
    history = history if history is not None else History()
    checked_epoch = 0

    def step(inputs: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
        nonlocal checked_epoch
        value, outputs, gradients = run_pass(inputs, labels)
        epoch = history.epochs + 1
        if gradient_check_every and epoch % gradient_check_every == 0 and epoch != checked_epoch:
            checked_epoch = epoch
            _check(model, inputs, labels, loss, gradients, epoch)
        sgd.step(gradients)
        return value, outputs

    return _epochs(n_epochs, step, model, loss_fn, train_loader, val_loader, history, after_epoch)


def train_with_torch_sgd(
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
    """`train` with `torch.optim.SGD`, called like `train_manual_update`, momentum buffers included."""
    optimizer = torch.optim.SGD(
        model.parameters(),
        lr=lr,
        weight_decay=weight_decay,
        momentum=momentum,
        dampening=dampening,
        nesterov=nesterov,
    )
    parameters = [parameter for parameter in model.parameters() if parameter.requires_grad]
    buffers = momentum_buffers if momentum_buffers is not None else [None] * len(parameters)
    for parameter, buffer in zip(parameters, buffers, strict=True):
        if buffer is not None:
            optimizer.state[parameter]["momentum_buffer"] = buffer

    def keep_buffers(history: History) -> None:
        buffers[:] = [optimizer.state[parameter].get("momentum_buffer") for parameter in parameters]
        if after_epoch is not None:
            after_epoch(history)

    return train(
        n_epochs,
        optimizer,
        model,
        loss_fn,
        train_loader,
        val_loader,
        history=history,
        after_epoch=keep_buffers,
    )


# By the name that the config and the results use; all are called like `train_manual_update`.
TRAINERS: dict[str, Callable[..., History]] = {
    "train": train_with_torch_sgd,
    "train_manual_update": train_manual_update,
    "train_manual_backprop": train_manual_backprop,
}


def _fits_buffers(model: MyNet) -> bool:
    """Whether `Buffers` compute what the model's own forward and derivatives do."""
    return (
        isinstance(model, MyNet)
        and type(model).forward is MyNet.forward
        and {(model.f[layer], model.df[layer]) for layer in model.f} <= set(ACTIVATIONS.values())
    )


def _buffered_pass(model: MyNet, loss: str) -> Pass:
    """Forward and backward in memory that is taken anew only for a batch larger than those before."""
    buffers = Buffers(model, 1)
    batch_size = 1

    def run_pass(inputs: Tensor, labels: Tensor) -> tuple[Tensor, Tensor, list[Tensor]]:
        nonlocal buffers, batch_size
        if len(inputs) > batch_size:
            batch_size = len(inputs)
            buffers = Buffers(model, batch_size)
        outputs = buffers.forward(inputs)
        return buffers.backward(labels, loss), outputs, buffers.gradients

    return run_pass


def _plain_pass(model: MyNet, loss: str, loss_fn: Callable[[Tensor, Tensor], Tensor]) -> Pass:
    """The model's own forward, and `backpropagation`."""

    def run_pass(inputs: Tensor, labels: Tensor) -> tuple[Tensor, Tensor, list[Tensor]]:
        outputs = model(inputs)
        backpropagation(model, labels, outputs, loss)
        layers = range(1, model.L + 1)
        gradients = [gradient for layer in layers for gradient in (model.dL_dw[layer], model.dL_db[layer])]
        return loss_fn(outputs, labels), outputs, gradients

    return run_pass


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
        history.training_loss.append(training_loss)
        history.training_accuracy.append(training_accuracy)
        figures = f"training loss {training_loss:.6g}, accuracy {training_accuracy:.4f}"
        if val_loader is not None:
            with torch.no_grad():
                validation_loss, validation_accuracy = _means(
                    lambda inputs, labels: _forward(model, loss_fn, inputs, labels), val_loader
                )
            history.validation_loss.append(validation_loss)
            history.validation_accuracy.append(validation_accuracy)
            figures += f"; validation loss {validation_loss:.6g}, accuracy {validation_accuracy:.4f}"
        logger.info("epoch %d/%d: %s", epoch, n_epochs, figures)
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
