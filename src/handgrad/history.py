"""The training history: losses and accuracies for each epoch."""

import math
from dataclasses import dataclass, field, fields
from importlib import import_module
from itertools import zip_longest
from typing import Any


@dataclass(repr=False)
class History:
    """The training history, one value per epoch; without a validation loader, validation lists are empty.

    Losses are means over the samples; the training metrics are computed on each batch before its update.
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
        """The first epoch (counted from 1) with a NaN or infinite loss; None if all losses are finite."""
        losses = zip_longest(self.training_loss, self.validation_loss, fillvalue=0.0)
        for epoch, of_epoch in enumerate(losses, start=1):
            if not all(map(math.isfinite, of_epoch)):
                return epoch
        return None

    @property
    def best_epoch(self) -> int | None:
        """The epoch (counted from 1) with the best validation, see `better`; None if there is none."""
        best = None
        for epoch in range(1, self.epochs + 1):
            if self.better(epoch, best):
                best = epoch
        return best

    def better(self, epoch: int, other: int | None) -> bool:
        """Whether validation was better after `epoch` than after the `other`, or than after none.

        The higher accuracy is better, then the lower loss. An epoch with a loss that is NaN or infinite is
        never better, nor is one without validation.
        """
        if not self.validation_loss or not (
            math.isfinite(self.training_loss[epoch - 1]) and math.isfinite(self.validation_loss[epoch - 1])
        ):
            return False
        return other is None or self._merit(epoch) > self._merit(other)

    def _merit(self, epoch: int) -> tuple[float, float]:
        return self.validation_accuracy[epoch - 1], -self.validation_loss[epoch - 1]

    def line(self) -> str:
        """The metrics of the last epoch, formatted as one line."""
        line = f"training loss {self.training_loss[-1]:.6g}, accuracy {self.training_accuracy[-1]:.4f}"
        if self.validation_loss:
            line += f"; validation loss {self.validation_loss[-1]:.6g}, "
            line += f"accuracy {self.validation_accuracy[-1]:.4f}"
        return line

    def to_frame(self) -> Any:
        """A pandas.DataFrame with a row for each epoch, counted from 1, and a column for each metric."""
        # Imported by name, like matplotlib below: the fingerprint of a training follows import statements,
        # and the versions of these packages do not affect training.
        pandas = import_module("pandas")
        columns = {column.name: values for column in fields(self) if (values := getattr(self, column.name))}
        return pandas.DataFrame(columns, index=pandas.RangeIndex(1, self.epochs + 1, name="epoch"))

    def plot(self) -> Any:
        """Plot losses and accuracies against the epoch with pyplot and return the two axes."""
        _, both = import_module("matplotlib.pyplot").subplots(1, 2, figsize=(9, 3.2), layout="constrained")
        for axes, name in zip(both, ("loss", "accuracy"), strict=True):
            for split in ("training", "validation"):
                if values := getattr(self, f"{split}_{name}"):
                    marker = "o" if self.epochs == 1 else ""
                    axes.plot(range(1, self.epochs + 1), values, marker=marker, label=split)
            axes.set(xlabel="epoch", ylabel=name)
            if self.epochs:
                axes.legend()
        return both

    def __repr__(self) -> str:
        if not self.epochs:
            return "History(0 epochs)"
        return f"History({self.epochs} epoch{'s' * (self.epochs > 1)}; {self.line()})"
