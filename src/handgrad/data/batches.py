"""Batches of inputs and labels that are held in memory."""

from collections.abc import Iterator

from torch import Tensor


class Batches:
    """Inputs and labels in memory, handed out in slices of `batch_size`, in order, once an epoch.

    It yields what a DataLoader without shuffling yields, but copies nothing.
    """

    def __init__(self, inputs: Tensor, labels: Tensor, batch_size: int) -> None:
        """Raises ValueError if the numbers of inputs and labels differ, or the batch size is below 1."""
        if len(inputs) != len(labels):
            raise ValueError(f"{len(inputs)} inputs and {len(labels)} labels; expected as many of both")
        if batch_size < 1:
            raise ValueError(f"batch_size is {batch_size}; expected at least 1")
        self.inputs = inputs
        self.labels = labels
        self.batch_size = batch_size

    def __len__(self) -> int:
        """The number of batches; the last one may be smaller."""
        return -(-len(self.inputs) // self.batch_size)

    def __iter__(self) -> Iterator[tuple[Tensor, Tensor]]:
        for start in range(0, len(self.inputs), self.batch_size):
            stop = start + self.batch_size
            yield self.inputs[start:stop], self.labels[start:stop]
