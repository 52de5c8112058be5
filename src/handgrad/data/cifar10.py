"""Image splits: pixel statistics, normalisation and summaries.

This module does not import PyTorch, so stages that do not need it start quickly. Images are uint8
[N, 3, 32, 32] until they are normalised.
"""

import hashlib
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import DTypeLike, NDArray
from safetensors import SafetensorError
from safetensors.numpy import load_file

from handgrad.errors import DataError
from handgrad.records.summary import SplitSummary

CIFAR10_CLASSES = (
    "airplane",
    "automobile",
    "bird",
    "cat",
    "deer",
    "dog",
    "frog",
    "horse",
    "ship",
    "truck",
)
# 50,000 training and 10,000 test images.
TRAINING_PER_TEST_IMAGE = 5


@dataclass(frozen=True)
class Split:
    """The images of one split: training, validation or test.

    Attributes:
        images: uint8 [N, 3, 32, 32].
        labels: int64 [N], indices into the list of selected classes.
        indices: int64 [N], positions in the archive's training or test set.
        mean, std: float64 [3], per-channel statistics of the training images scaled to [0, 1].
    """

    images: NDArray[np.uint8]
    labels: NDArray[np.int64]
    indices: NDArray[np.int64]
    mean: NDArray[np.float64]
    std: NDArray[np.float64]

    def __len__(self) -> int:
        return len(self.labels)

    def normalised(self, dtype: DTypeLike, part: slice = slice(None)) -> NDArray[np.floating]:
        """Classifier inputs, [N, 3072]: pixels scaled to [0, 1], minus the mean, divided by the std.

        Each step is rounded to `dtype`.
        """
        pixels = self.images[part].astype(dtype)
        pixels /= 255
        pixels -= self.mean.astype(dtype)[:, None, None]
        pixels /= self.std.astype(dtype)[:, None, None]
        return pixels.reshape(len(pixels), -1)


def read_split(path: Path) -> Split:
    """Read a split from the safetensors file that the stage `prepare` wrote.

    Raises:
        DataError: if the file is damaged or has a different format.
    """
    try:
        return Split(**load_file(path))
    except (SafetensorError, TypeError) as error:
        raise DataError(f"{path}: not a prepared split ({error}); delete it and run again") from error


def channel_statistics(images: NDArray[np.uint8]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Mean and standard deviation, [3] float64, of each channel of the images scaled to [0, 1].

    They are computed from integer sums, which are exact in any order. The standard deviation is the
    population standard deviation (division by N); for a constant channel it is set to 1, so that it is only
    shifted.
    """
    count = images[:, 0].size
    mean = images.sum(axis=(0, 2, 3), dtype=np.int64) / count
    # 255 ** 2 fits in 16 bits; processing one channel at a time limits memory use.
    squares = [np.square(channel, dtype=np.uint16).sum(dtype=np.int64) for channel in images.swapaxes(0, 1)]
    std = np.sqrt(np.maximum(np.array(squares) / count - mean**2, 0))
    return mean / 255, np.where(std > 0, std, 255.0) / 255


def describe(split: Split, classes: Sequence[str]) -> SplitSummary:
    """Class counts, the range of values, missing values, and per-channel mean and standard deviation.

    `black` and `white` are the fractions of the values 0 and 255; `blank` is the number of uniform images.
    """
    images = split.images
    mean, std = channel_statistics(images)
    counts = np.bincount(split.labels, minlength=len(classes)).tolist()
    return {
        "images": len(images),
        "class_counts": dict(zip(classes, counts, strict=True)),
        "minimum": int(images.min()),
        "maximum": int(images.max()),
        "black": float(np.mean(images == 0)),
        "white": float(np.mean(images == 255)),
        "missing": 0,  # uint8 cannot represent a missing value
        "blank": int(np.sum((images.min(axis=(2, 3)) == images.max(axis=(2, 3))).all(axis=1))),
        "mean": mean.tolist(),
        "std": std.tolist(),
        "duplicates": sum(count - 1 for count in image_counts(images).values()),
    }


def image_counts(images: NDArray[np.uint8]) -> Counter[bytes]:
    """How often each image occurs, keyed by a hash of its pixels."""
    return Counter(hashlib.sha256(image.tobytes()).digest() for image in images)
