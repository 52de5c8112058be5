"""Small archives in the official layout, with images that a small network can learn to classify."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from handgrad.data import archives
from handgrad.data.cifar10 import CIFAR10_CLASSES


def make_batches(
    per_class_train: int = 20,
    per_class_test: int = 5,
    classes: Sequence[str] = ("airplane", "bird"),
    seed: int = 0,
) -> dict[str, dict]:
    """The contents of the archive's members: noise around one colour per class."""
    random = np.random.default_rng(seed)
    colours = {name: random.integers(60, 196, 3) for name in classes}

    def draw(per_class: int) -> tuple[np.ndarray, list[int]]:
        names = random.permutation(np.repeat(classes, per_class))
        noise = random.normal(0, 60, (len(names), 3, 1024))
        pixels = np.stack([colours[name] for name in names])[:, :, None] + noise
        images = pixels.clip(0, 255).astype(np.uint8).reshape(len(names), -1)
        return images, [CIFAR10_CLASSES.index(name) for name in names]

    batches = {}
    images, labels = draw(per_class_train)
    for number, part in enumerate(np.array_split(np.arange(len(labels)), 5), start=1):
        batches[f"data_batch_{number}"] = {"data": images[part], "labels": [labels[i] for i in part]}
    images, labels = draw(per_class_test)
    batches["test_batch"] = {"data": images, "labels": labels}
    batches["batches.meta"] = {"label_names": list(CIFAR10_CLASSES), "num_vis": 3072}
    return batches


def write_archive(path: Path, **options) -> None:
    """Write such an archive; the options are those of `make_batches`."""
    archives.write_archive(path, make_batches(**options))
