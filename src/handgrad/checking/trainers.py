"""Use a submitted `train_manual_update` or `backpropagation` as a trainer in the experiment."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from handgrad.checking.calling import accepts, call
from handgrad.checking.loading import SubmissionError, load
from handgrad.sgd import ManualSGD
from handgrad.training import History

PARTS = ("train_manual_update", "backpropagation")


def load_trainer(path: Path, part: str) -> Callable[..., History]:
    """A trainer, called like `handgrad.training.train_manual_update`, that uses a part defined in a file.

    A `backpropagation` is combined with handgrad's manual SGD update. The file runs in the current process,
    without limits. Hyperparameters that a submitted update has no parameter for, such as `dampening`, must be
    zero.

    Raises:
        SubmissionError: if the file cannot be used, or does not define the part.
    """
    submission = load(path)
    if part not in submission.parts:
        raise SubmissionError(f"{path.name}: does not define {part}")
    function, skipped = submission.parts[part], submission.skipped

    def train(
        n_epochs: int,
        *,
        model: nn.Module,
        loss_fn: Any,
        train_loader: Any,
        val_loader: Any,
        history: History,
        momentum_buffers: Any = None,
        after_epoch: Callable[[History], None] = lambda history: None,
        progress: bool = False,
        **sgd: Any,
    ) -> History:
        recorded = _Recorded(model, loss_fn, train_loader, val_loader, history, after_epoch)
        values = {"n_epochs": n_epochs, "model": model, "loss_fn": loss_fn, "train_loader": recorded, **sgd}
        if part == "backpropagation":
            _train_by(function, skipped, **values)
        else:
            lacking = [name for name, value in sgd.items() if value and not accepts(function, name)]
            if lacking:
                raise SubmissionError(f"{path.name}: train_manual_update has no parameter for {lacking[0]}")
            call(function, skipped, **values, device=next(model.parameters()).device)
        recorded.end_epoch()
        if history.epochs != n_epochs:
            raise SubmissionError(f"{path.name}: trained {history.epochs} epochs; expected {n_epochs}")
        return history

    return train


def _train_by(
    backpropagation: Callable[..., Any],
    skipped: dict[str, str],
    *,
    n_epochs: int,
    model: Any,
    loss_fn: Any,
    train_loader: Any,
    **sgd: Any,
) -> None:
    """Gradient descent with the gradients from a submitted backpropagation."""
    layers = range(1, model.L + 1)
    modules = [model.fc[str(layer)] for layer in layers]
    updates = ManualSGD(
        [parameter for module in modules for parameter in (module.weight, module.bias)], **sgd
    )
    options = {"loss": "cross_entropy"} if accepts(backpropagation, "loss") else {}
    for _ in range(n_epochs):
        for inputs, labels in train_loader:
            with torch.no_grad():
                y_pred = model(inputs)
                y_true = labels if options else squared_error_targets(y_pred, labels)
            call(backpropagation, skipped, model=model, y_true=y_true, y_pred=y_pred, **options)
            gradients = [g for layer in layers for g in (model.dL_dw[layer], model.dL_db[layer])]
            pairs = zip(gradients, updates.parameters, strict=True)
            updates.step([gradient.reshape(parameter.shape).clone() for gradient, parameter in pairs])


def squared_error_targets(y_pred: Tensor, labels: Tensor) -> Tensor:
    """Targets for which the gradient of the squared error, 2 (y_pred - y_true), equals that of cross entropy.

    With these, the course's backpropagation, which differentiates the squared error, can train a classifier.
    """
    probabilities = torch.softmax(y_pred, dim=1)
    onehot = nn.functional.one_hot(labels, y_pred.shape[1])
    return y_pred - (probabilities - onehot) / (2 * len(labels))


class _Recorded:
    """A loader that evaluates the model on each batch before the update, and validates after each epoch."""

    def __init__(
        self,
        model: nn.Module,
        loss_fn: Any,
        train_loader: Any,
        val_loader: Any,
        history: History,
        after_epoch: Callable[[History], None],
    ) -> None:
        self._model, self._loss_fn, self._history = model, loss_fn, history
        self._after_epoch = after_epoch
        self._training, self._validation = train_loader, val_loader
        self._figures: list[tuple[Tensor, Tensor, int]] = []
        self.dataset = range(sum(len(labels) for _, labels in train_loader))

    def __len__(self) -> int:
        return len(self._training)

    def __iter__(self) -> Iterator[tuple[Tensor, Tensor]]:
        self.end_epoch()
        for inputs, labels in self._training:
            self._figures.append(self._measure(inputs, labels))
            yield inputs, labels

    def end_epoch(self) -> None:
        """Record the metrics of the completed epoch, if one was started."""
        if not self._figures:
            return
        training, self._figures = self._figures, []
        validation = [self._measure(inputs, labels) for inputs, labels in self._validation]
        for name, figures in (("training", training), ("validation", validation)):
            samples = sum(count for _, _, count in figures)
            loss = sum(loss.double() * count for loss, _, count in figures)
            getattr(self._history, f"{name}_loss").append(float(loss) / samples)
            correct = sum(int(correct) for _, correct, _ in figures)
            getattr(self._history, f"{name}_accuracy").append(correct / samples)
        self._after_epoch(self._history)

    @torch.no_grad()
    def _measure(self, inputs: Tensor, labels: Tensor) -> tuple[Tensor, Tensor, int]:
        outputs = self._model(inputs)
        return self._loss_fn(outputs, labels), (outputs.argmax(dim=1) == labels).sum(), len(labels)
