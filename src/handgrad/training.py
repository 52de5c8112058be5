"""Three ways to train a network, with bit-identical results: with PyTorch, and with more and more by hand."""

import logging
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from importlib import import_module
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from handgrad import arguments
from handgrad.backprop import backpropagation
from handgrad.buffers import Buffers
from handgrad.gradcheck import check_gradients
from handgrad.history import History
from handgrad.networks import MyNet
from handgrad.sgd import ManualSGD

CHECKED_PER_LAYER = 5

Loader = Iterable[tuple[Tensor, Tensor]]
LossFunction = Callable[[Tensor, Tensor], Tensor]
# Both take inputs and labels and return the loss and the outputs; a pass also returns the gradients by layer.
Step = Callable[[Tensor, Tensor], tuple[Tensor, Tensor]]
Pass = Callable[[Tensor, Tensor], tuple[Tensor, Tensor, list[Tensor]]]

logger = logging.getLogger(__name__)


def train(
    n_epochs: int,
    optimizer: torch.optim.Optimizer,
    model: nn.Module,
    loss_fn: LossFunction,
    train_loader: Loader,
    val_loader: Loader | None = None,
    *,
    history: History | None = None,
    after_epoch: Callable[[History], None] | None = None,
    verbose: bool = False,
    progress: bool = False,
) -> History:
    """Train with autograd and a `torch.optim` optimizer.

    The model is trained in its current mode and validated in evaluation mode, `model.eval()`.

    Args:
        n_epochs: the total number of passes over `train_loader`, including those in `history`.
        optimizer: an optimizer for the parameters of `model`.
        model: maps inputs [batch, ...] to outputs [batch, classes].
        loss_fn: maps outputs and labels to the mean loss over the batch.
        train_loader, val_loader: batches of inputs and labels, iterated once per epoch. If a loader has a
            method `set_epoch`, it is called before each epoch with its number, counted from 1.
        history: the history of the epochs already completed, to resume from; it is extended in place.
        after_epoch: called with the history after each epoch.
        verbose: print a line after each epoch; the line is always logged to handgrad.training.
        progress: show a progress bar over the epochs.

    Raises:
        TypeError, ValueError: if an argument or a batch is not as described.
    """
    arguments.check_module(model)
    arguments.check_optimizer(optimizer, model)

    def step(inputs: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
        optimizer.zero_grad()
        loss, outputs = _forward(model, loss_fn, inputs, labels)
        loss.backward()
        optimizer.step()
        return loss.detach(), outputs.detach()

    loop = _Loop(model, loss_fn, train_loader, val_loader, history, after_epoch, verbose, progress)
    return loop.run(n_epochs, step)


def train_with_torch_sgd(
    n_epochs: int,
    lr: float,
    model: nn.Module,
    loss_fn: LossFunction,
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
    verbose: bool = False,
    progress: bool = False,
) -> History:
    """`train` with `torch.optim.SGD`; takes the same arguments as `train_manual_update`."""
    arguments.check_module(model)
    parameters = list(model.parameters())
    optimizer = torch.optim.SGD(
        parameters, lr, momentum=momentum, dampening=dampening, weight_decay=weight_decay, nesterov=nesterov
    )
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
        verbose=verbose,
        progress=progress,
    )


def train_manual_update(
    n_epochs: int,
    lr: float,
    model: nn.Module,
    loss_fn: LossFunction,
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
    verbose: bool = False,
    progress: bool = False,
) -> History:
    """Train any module with autograd and the SGD update by hand; see `train` and `handgrad.sgd.sgd_update`.

    As in torch.optim.SGD, a parameter without a gradient (frozen, or not used by the loss) is left unchanged,
    and a shared parameter is updated once, by the sum of its gradients. The gradients, `parameter.grad`, are
    overwritten as scratch space.

    Args:
        momentum_buffers: one for each of `model.parameters()`, None before its first step; updated in place.
        Other arguments: see `train` and `torch.optim.SGD`.

    Raises:
        TypeError, ValueError: if an argument or a batch is not as described.
    """
    arguments.check_module(model)
    parameters = list(model.parameters())
    sgd = ManualSGD(parameters, lr, weight_decay, momentum, dampening, nesterov, momentum_buffers)

    def step(inputs: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
        model.zero_grad()
        loss, outputs = _forward(model, loss_fn, inputs, labels)
        loss.backward()
        sgd.step(_own_gradients(parameters))
        return loss.detach(), outputs.detach()

    loop = _Loop(model, loss_fn, train_loader, val_loader, history, after_epoch, verbose, progress)
    return loop.run(n_epochs, step)


def train_manual_backprop(
    n_epochs: int,
    lr: float,
    model: MyNet,
    loss_fn: LossFunction,
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
    textbook: bool = False,
    verbose: bool = False,
    progress: bool = False,
) -> History:
    """Train without autograd: backpropagation and the SGD update, both by hand.

    The passes run in `Buffers`; a model whose forward pass is not MyNet's uses its own and `backpropagation`
    instead. Weights and biases with `requires_grad=False` are left unchanged.

    Args:
        model: a MyNet, or any callable with the attributes of `handgrad.backprop.Network`.
        loss_fn: cross entropy or the squared error; see `loss_name`.
        momentum_buffers: one for each weight and bias, layer by layer, None before its first step; updated in
            place.
        gradient_check_every: every this many epochs, compare the gradients of the first batch with central
            differences; 0 disables the check.
        textbook: compute the gradient of cross entropy as written in textbooks, (softmax - onehot) / batch.
            It differs from autograd's in the last bits, and so do the losses and parameters.
        Other arguments: see `train` and `torch.optim.SGD`.

    Raises:
        TypeError, ValueError: if an argument or a batch is not as described.
        GradientError: if a gradient is wrong.
    """
    arguments.check_network(model, trainable=True)
    arguments.check_integer("gradient_check_every", gradient_check_every, 0)
    loss = loss_name(loss_fn)
    layers: list[Any] = [model.fc[str(layer)] for layer in range(1, model.L + 1)]
    parameters = [parameter for layer in layers for parameter in (layer.weight, layer.bias)]
    sgd = ManualSGD(parameters, lr, weight_decay, momentum, dampening, nesterov, momentum_buffers)
    if textbook and loss != "cross_entropy":
        raise ValueError(
            f"textbook is True with {loss_fn}; expected cross entropy, which alone has this form"
        )
    form = f"textbook_{loss}" if textbook else loss
    run_pass = _buffered_pass(model, form) if _fits_buffers(model) else _plain_pass(model, form, loss_fn)
    history = history if history is not None else History()
    checked_epoch = 0
    kinds = set()

    @torch.no_grad()
    def step(inputs: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
        nonlocal checked_epoch
        kind = (inputs.shape, inputs.dtype, labels.shape, labels.dtype)
        if kind not in kinds:
            arguments.check_fit("train_loader", model, loss, inputs, labels)
            kinds.add(kind)
        value, outputs, gradients = run_pass(inputs, labels)
        epoch = history.epochs + 1
        if gradient_check_every and epoch % gradient_check_every == 0 and epoch != checked_epoch:
            checked_epoch = epoch
            _check(model, inputs, labels, loss, gradients, epoch)
        pairs = zip(parameters, gradients, strict=True)
        sgd.step([gradient if parameter.requires_grad else None for parameter, gradient in pairs])
        return value, outputs

    loop = _Loop(model, loss_fn, train_loader, val_loader, history, after_epoch, verbose, progress)
    return loop.run(n_epochs, step)


# Keyed by their names in the config and the results; all take the arguments of `train_manual_update`.
TRAINERS: dict[str, Callable[..., History]] = {
    "train": train_with_torch_sgd,
    "train_manual_update": train_manual_update,
    "train_manual_backprop": train_manual_backprop,
}


@torch.no_grad()
def accuracy(model: nn.Module, loader: Loader) -> float:
    """The fraction of samples that a model classifies correctly, in evaluation mode.

    Args:
        model: maps inputs [batch, ...] to outputs [batch, classes]; the prediction is the largest output.
        loader: batches of inputs and labels; labels are [batch] or, one-hot, [batch, classes].

    Raises:
        TypeError, ValueError: if a batch is not as described, or the loader has no batches.
    """
    if isinstance(model, type) or not callable(model):
        raise TypeError(f"model is {arguments.describe(model)}; expected a torch.nn.Module")
    arguments.check_loader("loader", loader, 1)

    def step(inputs: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
        outputs = model(inputs)
        arguments.check_outputs(outputs, inputs, labels)
        return torch.zeros(()), outputs

    with _evaluating(model):
        return _means("loader", step, loader, model)[1]


def loss_name(loss_fn: LossFunction) -> str:
    """The name that `backpropagation` uses for a PyTorch loss.

    Raises:
        TypeError: if the loss is not callable.
        ValueError: if it is neither cross entropy nor the squared error, or has unsupported settings.
    """
    arguments.check_loss(loss_fn)
    if loss_fn is functional.cross_entropy:
        return "cross_entropy"
    if loss_fn is functional.mse_loss:
        return "mse"
    if isinstance(loss_fn, nn.MSELoss) and loss_fn.reduction in ("mean", "sum"):
        return "mse" if loss_fn.reduction == "mean" else "squared_error"
    expected = 'expected nn.CrossEntropyLoss(), nn.MSELoss() or nn.MSELoss(reduction="sum")'
    if not isinstance(loss_fn, nn.CrossEntropyLoss | nn.MSELoss):
        raise ValueError(f"loss_fn is {loss_fn}; backpropagation by hand knows two losses: {expected}")
    settings: dict[str, tuple[object, object]] = {"reduction": (loss_fn.reduction, "mean")}
    if isinstance(loss_fn, nn.CrossEntropyLoss):
        settings |= {
            "weight": (loss_fn.weight, None),
            "label_smoothing": (loss_fn.label_smoothing, 0.0),
            "ignore_index": (loss_fn.ignore_index, -100),
        }
    others = [
        f"{name}={'...' if isinstance(value, Tensor) else repr(value)}"
        for name, (value, default) in settings.items()
        if isinstance(value, Tensor) or value != default
    ]
    if others:
        raise ValueError(
            f"loss_fn is {type(loss_fn).__name__}({', '.join(others)}); backpropagation by hand knows it "
            f"with its default settings: {expected}"
        )
    return "cross_entropy"


class _Loop:
    """The loop over epochs shared by all trainers."""

    def __init__(
        self,
        model: nn.Module,
        loss_fn: LossFunction,
        train_loader: Loader,
        val_loader: Loader | None,
        history: History | None,
        after_epoch: Callable[[History], None] | None,
        verbose: bool,
        progress: bool,
    ) -> None:
        arguments.check_loss(loss_fn)
        if history is not None and not isinstance(history, History):
            raise TypeError(f"history is {arguments.describe(history)}; expected a History or None")
        if after_epoch is not None and not callable(after_epoch):
            raise TypeError(f"after_epoch is {arguments.describe(after_epoch)}; expected a function or None")
        self._model = model
        self._loss_fn = loss_fn
        self._train_loader = train_loader
        self._val_loader = val_loader
        self._history = history if history is not None else History()
        self._after_epoch = after_epoch
        self._verbose = verbose
        self._progress = progress

    def run(self, n_epochs: int, step: Step) -> History:
        """Train until the history has `n_epochs` epochs; `step` updates the model on a batch."""
        history = self._history
        arguments.check_integer("n_epochs", n_epochs, 0)
        arguments.check_loader("train_loader", self._train_loader, n_epochs - history.epochs)
        if self._val_loader is not None:
            arguments.check_loader("val_loader", self._val_loader, n_epochs - history.epochs)
        epochs: Iterable[int] = range(history.epochs + 1, n_epochs + 1)
        show = print
        if self._progress:
            # Imported by name: training fingerprints follow import statements, and tqdm has no effect on it.
            tqdm = import_module("tqdm.auto").tqdm
            epochs = tqdm(epochs, initial=history.epochs, total=n_epochs, unit="epoch")
            show = tqdm.write
        for epoch in epochs:
            self._train(epoch, step)
            if self._val_loader is not None:
                self._validate(epoch, self._val_loader)
            line = f"epoch {epoch}/{n_epochs}: {history.line()}"
            logger.info("%s", line)
            if self._verbose:
                show(line)
            if self._after_epoch is not None:
                self._after_epoch(history)
        return history

    def _train(self, epoch: int, step: Step) -> None:
        _set_epoch(self._train_loader, epoch)
        loss, accuracy = _means("train_loader", step, self._train_loader, self._model)
        self._history.training_loss.append(loss)
        self._history.training_accuracy.append(accuracy)

    @torch.no_grad()
    def _validate(self, epoch: int, loader: Loader) -> None:
        def step(inputs: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
            return _forward(self._model, self._loss_fn, inputs, labels)

        _set_epoch(loader, epoch)
        with _evaluating(self._model):
            loss, accuracy = _means("val_loader", step, loader, self._model)
        self._history.validation_loss.append(loss)
        self._history.validation_accuracy.append(accuracy)


def _set_epoch(loader: Any, epoch: int) -> None:
    if hasattr(loader, "set_epoch"):
        loader.set_epoch(epoch)


@contextmanager
def _evaluating(model: Any) -> Iterator[None]:
    """Switch the model to evaluation mode, then restore the previous mode of each of its modules."""
    modules = list(model.modules()) if isinstance(model, nn.Module) else []
    modes = [module.training for module in modules]
    for module in modules:
        module.training = False
    try:
        yield
    finally:
        for module, mode in zip(modules, modes, strict=True):
            module.training = mode


def _forward(model: Any, loss_fn: LossFunction, inputs: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
    """The loss and the outputs."""
    outputs = model(inputs)
    arguments.check_outputs(outputs, inputs, labels, loss_fn)
    loss = loss_fn(outputs, labels)
    arguments.check_loss_value(loss)
    return loss, outputs


def _means(name: str, step: Step, loader: Loader, model: Any) -> tuple[float, float]:
    """The mean loss and the accuracy over the samples of a loader, called `name` in error messages.

    The sums stay on the device, so there is no GPU synchronisation after each batch.

    Raises:
        ValueError: if the loader has no batches, or the model or the loss cannot process one.
    """
    loss_sum: Tensor | float = 0.0
    correct: Tensor | int = 0
    samples = 0
    for batch in loader:
        inputs, labels = arguments.check_batch(name, batch)
        try:
            loss, outputs = step(inputs, labels)
        except torch.OutOfMemoryError:
            raise
        except (RuntimeError, IndexError) as error:
            raise ValueError(arguments.explain(name, model, inputs, labels, error)) from error
        loss_sum = loss_sum + loss.double() * len(inputs)
        # For targets with the shape of the outputs, such as one-hot labels, the class is the largest entry.
        classes = labels if labels.ndim == 1 else labels.argmax(dim=1)
        correct = correct + (outputs.argmax(dim=1) == classes).sum()
        samples += len(inputs)
    if samples == 0:
        raise ValueError(f"{name} has no batches; expected at least one")
    return float(loss_sum) / samples, int(correct) / samples


def _own_gradients(parameters: Sequence[Tensor]) -> list[Tensor | None]:
    """The gradients of the parameters, each in separate memory, as required by an in-place update.

    Autograd avoids copies where it can: if the loss depends on p.view(6) + q.view(6), the gradients of p and
    q are views of the same memory.
    """
    gradients: list[Tensor | None] = []
    seen: set[int] = set()
    for parameter in parameters:
        gradient = parameter.grad
        if gradient is not None and gradient.layout == torch.strided:
            address = gradient.untyped_storage().data_ptr()
            if address in seen:
                gradient = gradient.clone()
            seen.add(address)
        gradients.append(gradient)
    return gradients


def _fits_buffers(model: MyNet) -> bool:
    """Whether `Buffers` computes the same as the model's own forward pass."""
    return isinstance(model, MyNet) and type(model).forward is MyNet.forward


def _buffered_pass(model: MyNet, loss: str) -> Pass:
    """Forward and backward in `Buffers`, reallocated only for a batch larger than all previous ones."""
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


def _plain_pass(model: MyNet, loss: str, loss_fn: LossFunction) -> Pass:
    """The model's own forward pass, and `backpropagation`."""

    def run_pass(inputs: Tensor, labels: Tensor) -> tuple[Tensor, Tensor, list[Tensor]]:
        outputs = model(inputs)
        backpropagation(model, labels, outputs, loss)
        layers = range(1, model.L + 1)
        gradients = [gradient for layer in layers for gradient in (model.dL_dw[layer], model.dL_db[layer])]
        return loss_fn(outputs, labels), outputs, gradients

    return run_pass


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
