"""A prepared split of the images in numpy, for the stages that need no torch."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import DTypeLike, NDArray
from safetensors import SafetensorError
from safetensors.numpy import load_file

from handgrad.errors import DataError


@dataclass(frozen=True)
class Split:
    """Images of one split.

    Attributes:
        images: uint8 [N, 3, 32, 32].
        labels: int64 [N], positions in the list of classes.
        indices: int64 [N], positions in the official training or test set.
        mean, std: float64 [3], by channel, of the training images scaled to 0..1.
    """

    images: NDArray[np.uint8]
    labels: NDArray[np.int64]
    indices: NDArray[np.int64]
    mean: NDArray[np.float64]
    std: NDArray[np.float64]

    def __len__(self) -> int:
        return len(self.labels)

    def normalised(self, dtype: DTypeLike, part: slice = slice(None)) -> NDArray[np.floating]:
        """The inputs of a classifier, [N, 3072]: pixels scaled to 0..1, minus mean, divided by std."""
        pixels = self.images[part].astype(dtype)
        pixels /= 255
        pixels -= self.mean.astype(dtype)[:, None, None]
        pixels /= self.std.astype(dtype)[:, None, None]
        return pixels.reshape(len(pixels), -1)


def read_split(path: Path) -> Split:
    """Read a split from the safetensors file that the stage `prepare` wrote.

    Raises:
        DataError: if the file is damaged or is not such a file.
    """
    try:
        return Split(**load_file(path))
    except (SafetensorError, TypeError) as error:
        raise DataError(f"{path}: not a prepared split ({error}); delete it and run again") from error
