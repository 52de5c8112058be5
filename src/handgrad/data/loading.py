"""Load the training, validation and test images of selected classes from an extracted archive."""

from collections.abc import Sequence
from numbers import Real
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch.utils.data import TensorDataset

from handgrad import arguments
from handgrad.data.archives import FOLDER, Labelled, read_folder
from handgrad.data.cifar10 import CIFAR10_CLASSES, TRAINING_PER_TEST_IMAGE, Split, channel_statistics
from handgrad.errors import DataError


def load_cifar2(
    root: Path | str,
    classes: Sequence[str] = ("airplane", "bird"),
    validation_fraction: float = 0.1,
    seed: int = 256,
) -> tuple[TensorDataset, TensorDataset, TensorDataset]:
    """Training, validation and test sets: normalised float64 images [N, 3, 32, 32] and labels [N].

    Images are normalised with the mean and standard deviation of the training images. Use a network of the
    same dtype: `MyMLP().double()`.

    Args:
        root: the folder that contains cifar-10-batches-py, an extracted archive. Nothing in it is executed.
        classes: names from CIFAR10_CLASSES; labels are indices into this list.
        validation_fraction: the fraction of training images held out for validation, between 0 and 1.
        seed: the seed of the random split.

    Raises:
        TypeError, ValueError: if an argument is not as described.
        DataError: if the archive is damaged, or a split has no images of one of the classes.
    """
    _check_classes(classes)
    arguments.check_integer("seed", seed, 0)
    if not isinstance(validation_fraction, Real):
        raise TypeError(
            f"validation_fraction is {arguments.describe(validation_fraction)}; expected a number "
            "between 0 and 1"
        )
    if not 0 < validation_fraction < 1:
        raise ValueError(f"validation_fraction is {validation_fraction}; expected a number between 0 and 1")
    folder = Path(root) / FOLDER
    if not folder.is_dir():
        hint = "; unpack the archive first (tar xzf)" if Path(root).is_file() else ""
        raise ValueError(f"root is {str(root)!r}; expected the folder that holds {FOLDER}{hint}")
    splits = split_classes(*read_folder(Path(root)), classes, validation_fraction, seed)
    training, validation, test = (
        TensorDataset(
            torch.from_numpy(split.normalised(np.float64)).view(split.images.shape),
            torch.from_numpy(split.labels),
        )
        for split in splits
    )
    return training, validation, test


def _check_classes(classes: Any) -> None:
    if isinstance(classes, str) or not isinstance(classes, Sequence):
        raise TypeError(
            f"classes is {arguments.describe(classes)}; expected a list of names, such as "
            "['airplane', 'bird']"
        )
    if unknown := [name for name in classes if name not in CIFAR10_CLASSES]:
        raise ValueError(f"no class is named {unknown[0]!r}; expected some of {', '.join(CIFAR10_CLASSES)}")
    if len(classes) < 2 or len(set(classes)) < len(classes):
        raise ValueError(f"classes is {[*classes]}; expected at least two, each once")


def split_classes(
    training: Labelled,
    test: Labelled,
    classes: Sequence[str],
    validation_fraction: float,
    seed: int,
    images_per_class: int | None = None,
) -> tuple[Split, Split, Split]:
    """Training, validation and test images of selected classes, with the statistics of the training images.

    With `images_per_class`, only that many training images of each class, the first in the archive, are
    split, and a fifth as many test images are kept.

    Raises:
        DataError: if a split has no images of one of the classes.
    """
    # Like torch.utils.data.random_split, applied to all training images before the classes are selected.
    generator = torch.Generator().manual_seed(seed)
    order = torch.randperm(len(training.images), generator=generator).numpy()
    cut = len(order) - round(validation_fraction * len(order))
    test_images_per_class = images_per_class and images_per_class // TRAINING_PER_TEST_IMAGE
    chosen = {
        "training": _choose(training, order[:cut], classes, images_per_class),
        "validation": _choose(training, order[cut:], classes, images_per_class),
        "test": _choose(test, np.arange(len(test.images)), classes, test_images_per_class),
    }
    for name, (_, labels, _) in chosen.items():
        counts = np.bincount(labels, minlength=len(classes))
        for class_name, count in zip(classes, counts, strict=True):
            if count == 0:
                raise DataError(
                    f"the {name} images have none of class {class_name}; "
                    "use an archive that has some, other classes (data.classes), "
                    "or more images (data.images_per_class)"
                )
    # Computed from the training images only, to avoid leakage from the other splits.
    mean, std = channel_statistics(chosen["training"][0])
    return (
        Split(*chosen["training"], mean, std),
        Split(*chosen["validation"], mean, std),
        Split(*chosen["test"], mean, std),
    )


def _choose(
    everything: Labelled, indices: NDArray[np.int64], classes: Sequence[str], images_per_class: int | None
) -> tuple[NDArray[np.uint8], NDArray[np.int64], NDArray[np.int64]]:
    """Select the images at `indices` that belong to the classes, in that order: images, labels, indices.

    With `images_per_class`, only the first that many images of each class in the archive are eligible.
    """
    positions = np.full(len(CIFAR10_CLASSES), -1)
    for position, name in enumerate(classes):
        positions[CIFAR10_CLASSES.index(name)] = position
    chosen = indices[positions[everything.labels[indices]] >= 0]
    if images_per_class is not None:
        first = [
            np.flatnonzero(everything.labels == CIFAR10_CLASSES.index(name))[:images_per_class]
            for name in classes
        ]
        chosen = chosen[np.isin(chosen, np.concatenate(first))]
    images = np.ascontiguousarray(everything.images[chosen])
    return images, positions[everything.labels[chosen]], chosen
