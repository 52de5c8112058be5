"""Batches of inputs and labels held in memory."""

from collections.abc import Iterator

import numpy as np
import torch
from torch import Tensor

from handgrad.arguments import check_integer


class Batches:
    """A loader that yields batches of inputs and labels held in memory.

    Without `shuffle_seed`, batches are consecutive slices: the same as from a DataLoader without shuffling,
    but without copying. With it, the order depends only on the seed and the epoch number, so that all
    trainers, and a resumed training run, see the same batches. The trainers call `set_epoch` before each
    epoch, as they do for any loader that has this method (like `torch.utils.data.DistributedSampler`).
    """

    def __init__(
        self, inputs: Tensor, labels: Tensor, batch_size: int, *, shuffle_seed: int | None = None
    ) -> None:
        """Take `inputs` [N, ...] and `labels` [N, ...].

        Raises:
            TypeError: if inputs or labels are not tensors, or batch_size or shuffle_seed is not an integer.
            ValueError: if the numbers of inputs and labels differ, the batch size is below 1, or the seed is
                negative.
        """
        for name, values in (("inputs", inputs), ("labels", labels)):
            if not isinstance(values, Tensor):
                raise TypeError(
                    f"{name} is of type {type(values).__name__}; expected a torch.Tensor "
                    f"(torch.as_tensor({name}) makes one)"
                )
            if values.ndim == 0:
                raise ValueError(f"{name} is a single value; expected a tensor of the shape [N, ...]")
        if len(inputs) != len(labels):
            raise ValueError(f"{len(inputs)} inputs and {len(labels)} labels; expected as many of both")
        check_integer("batch_size", batch_size, 1)
        if shuffle_seed is not None:
            check_integer("shuffle_seed", shuffle_seed, 0)
        self.inputs = inputs
        self.labels = labels
        self.batch_size = batch_size
        self.shuffle_seed = shuffle_seed
        self._epoch = 1

    def set_epoch(self, epoch: int) -> None:
        """Set the epoch number, counted from 1, that determines the order of the next iteration."""
        self._epoch = epoch

    def __len__(self) -> int:
        """The number of batches; the last one may be smaller."""
        return -(-len(self.inputs) // self.batch_size)

    def __iter__(self) -> Iterator[tuple[Tensor, Tensor]]:
        starts = range(0, len(self.inputs), self.batch_size)
        if self.shuffle_seed is None:
            for start in starts:
                stop = start + self.batch_size
                yield self.inputs[start:stop], self.labels[start:stop]
        else:
            # Seeding with a pair gives independent streams; those of seed + epoch would repeat across seeds.
            random = np.random.default_rng([self.shuffle_seed, self._epoch])
            order = torch.from_numpy(random.permutation(len(self.inputs))).to(self.inputs.device)
            for start in starts:
                chosen = order[start : start + self.batch_size]
                yield self.inputs[chosen], self.labels[chosen]

    def __repr__(self) -> str:
        shuffle = "" if self.shuffle_seed is None else f", shuffle_seed={self.shuffle_seed}"
        return f"Batches({len(self.inputs)} samples, batch_size={self.batch_size}{shuffle})"
