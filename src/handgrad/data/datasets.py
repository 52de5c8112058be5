"""Some classes of CIFAR-10: read, split, described, normalised, and handed out in batches.

Images are uint8 [N, 3, 32, 32] until they are normalised.
"""

import hashlib
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.utils.data import TensorDataset

from handgrad.errors import DataError

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


@dataclass(frozen=True)
class Split:
    """Images [N, 3, 32, 32] uint8, labels [N] int64 (positions in the chosen classes), and the images'
    positions [N] int64 in the archive's training or test set.
    """

    images: Tensor
    labels: Tensor
    indices: Tensor


def load_cifar2(
    root: Path | str,
    classes: Sequence[str] = ("airplane", "bird"),
    validation_fraction: float = 0.1,
    seed: int = 256,
) -> tuple[TensorDataset, TensorDataset, TensorDataset]:
    """Training, validation and test set of normalised float64 images and labels.

    `root` holds the folder cifar-10-batches-py of an extracted archive that is trusted: its pickles are run.
    Mean and deviation are those of the training images.

    Raises:
        DataError: if a split has no image of one of the classes.
    """
    training, validation, test = split_classes(
        read_images(root, train=True), read_images(root, train=False), classes, validation_fraction, seed
    )
    mean, std = channel_statistics(training.images)
    datasets = [
        TensorDataset(normalise(split.images, mean, std), split.labels)
        for split in (training, validation, test)
    ]
    return datasets[0], datasets[1], datasets[2]


def split_classes(
    training: tuple[Tensor, Tensor],
    test: tuple[Tensor, Tensor],
    classes: Sequence[str],
    validation_fraction: float,
    seed: int,
) -> tuple[Split, Split, Split]:
    """Training, validation and test images of some classes, from all images and their CIFAR-10 labels.

    Raises:
        DataError: if a split has no image of one of the classes.
    """
    images, labels = training
    # As torch.utils.data.random_split: of all training images, before the classes are chosen.
    order = torch.randperm(len(images), generator=torch.Generator().manual_seed(seed))
    cut = len(images) - round(validation_fraction * len(images))
    splits = {
        "training": _choose(images, labels, order[:cut], classes),
        "validation": _choose(images, labels, order[cut:], classes),
        "test": _choose(*test, torch.arange(len(test[0])), classes),
    }
    for name, split in splits.items():
        counts = torch.bincount(split.labels, minlength=len(classes)).tolist()
        for class_name, count in zip(classes, counts, strict=True):
            if count == 0:
                raise DataError(
                    f"the {name} images have none of class {class_name}; "
                    "use an archive that has, or other classes (data.classes)"
                )
    return splits["training"], splits["validation"], splits["test"]


def read_images(root: Path | str, train: bool) -> tuple[Tensor, Tensor]:
    """All training or test images of an extracted archive and their CIFAR-10 labels, by torchvision."""
    # Imported here: it takes longer than all else that a training imports.
    from torchvision.datasets import CIFAR10

    class AnyArchive(CIFAR10):
        """torchvision's reader without its own checksums, which only the official archive meets."""

        train_list = [[name, None] for name, _ in CIFAR10.train_list]  # noqa: RUF012
        test_list = [[name, None] for name, _ in CIFAR10.test_list]  # noqa: RUF012
        meta = CIFAR10.meta | {"md5": None}

    dataset = AnyArchive(root, train=train)
    # The type is named for the sake of an archive without images, whose labels would come out as floats.
    labels = torch.tensor(dataset.targets, dtype=torch.int64)
    return torch.from_numpy(dataset.data).permute(0, 3, 1, 2), labels


def _choose(images: Tensor, labels: Tensor, indices: Tensor, classes: Sequence[str]) -> Split:
    """The images at `indices` that are of the classes, in that order, labelled by the class's position."""
    positions = torch.full((len(CIFAR10_CLASSES),), -1)
    for position, name in enumerate(classes):
        positions[CIFAR10_CLASSES.index(name)] = position
    chosen = indices[positions[labels[indices]] >= 0]
    return Split(images[chosen].contiguous(), positions[labels[chosen]], chosen)


def channel_statistics(images: Tensor) -> tuple[Tensor, Tensor]:
    """Mean and deviation, [3] float64, of each channel of images scaled to [0, 1].

    The sums are of whole numbers, hence exact and the same in any order. The deviation is the population's
    (divided by N); of a channel that is constant it is taken as 1.
    """
    values = images.transpose(0, 1).flatten(1)
    count = values.shape[1]
    # 256 counts a channel, instead of sums over millions of pixels.
    levels = torch.arange(256)
    histograms = [torch.bincount(channel, minlength=256) for channel in values]
    sums = torch.stack([(histogram * levels).sum() for histogram in histograms]).double()
    squares = torch.stack([(histogram * levels**2).sum() for histogram in histograms]).double()
    mean = sums / count
    std = (squares / count - mean**2).clamp(min=0).sqrt()
    return mean / 255, torch.where(std > 0, std, 255.0) / 255


def normalise(images: Tensor, mean: Tensor, std: Tensor, dtype: torch.dtype = torch.float64) -> Tensor:
    """(images / 255 - mean) / std by channel, [N, 3, 32, 32] of `dtype`; computed in that type."""
    shape = (1, -1, 1, 1)
    return images.to(dtype).div_(255).sub_(mean.to(dtype).view(shape)).div_(std.to(dtype).view(shape))


def describe(images: Tensor, labels: Tensor, classes: Sequence[str]) -> dict[str, Any]:
    """Counts by class, the range of values, missing values, and mean and deviation by channel.

    `black` and `white` are the shares of the values 0 and 255, `blank` is the number of images of one colour.
    """
    mean, std = channel_statistics(images)
    counts = torch.bincount(labels, minlength=len(classes)).tolist()
    return {
        "images": len(images),
        "class_counts": dict(zip(classes, counts, strict=True)),
        "minimum": int(images.min()),
        "maximum": int(images.max()),
        "black": float((images == 0).double().mean()),
        "white": float((images == 255).double().mean()),
        "missing": 0,  # uint8 has no way to say so
        "blank": int((images.flatten(2).amin(2) == images.flatten(2).amax(2)).all(1).sum()),
        "mean": mean.tolist(),
        "std": std.tolist(),
        "duplicates": sum(count - 1 for count in image_counts(images).values()),
    }


def image_counts(images: Tensor) -> Counter[bytes]:
    """How often each image occurs, by the hash of its pixels."""
    return Counter(hashlib.sha256(image.tobytes()).digest() for image in images.numpy())


class Batches:
    """Inputs and labels in memory, handed out in slices of `batch_size`, in order, once an epoch.

    It does what a DataLoader without shuffling does, but copies nothing.
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
