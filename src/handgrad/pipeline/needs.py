"""How much memory and disk an experiment needs: upper bounds from its config, without PyTorch."""

from collections.abc import Iterable, Sequence
from itertools import pairwise
from typing import Any

from handgrad.hyperparameters import Combination

INPUTS = 3072
# Training and test images of a class of CIFAR-10.
IMAGES_PER_CLASS = 6000
ITEM_BYTES = {"float64": 8, "float32": 4}
MB = 1_000_000
# A process that has imported PyTorch and trained nothing.
PYTHON_MB = 400
# The archive of CIFAR-10 in the download cache and in results/.
ARCHIVES_MB = 2 * 171


def images(config: dict[str, Any]) -> int:
    """The largest number of training, validation and test images."""
    per_class = config["data"]["images_per_class"]
    kept = IMAGES_PER_CLASS if per_class is None else per_class * 6 // 5
    return int(kept * len(config["data"]["classes"]))


def parameters(sizes: Sequence[int]) -> int:
    """The number of weights and biases of a network whose layers have these sizes."""
    return sum((before + 1) * after for before, after in pairwise(sizes))


def training_mb(config: dict[str, Any], combinations: Iterable[Combination]) -> int:
    """The memory that a training of any of the combinations takes at most."""
    networks = {(combination.hidden, combination.batch_size) for combination in combinations}
    return max(_network_mb(config, hidden, batch_size) for hidden, batch_size in networks)


def _network_mb(config: dict[str, Any], hidden: Sequence[int], batch_size: int) -> int:
    item = ITEM_BYTES[config["dtype"]]
    sizes = [INPUTS, *hidden, len(config["data"]["classes"])]
    # Pixels as they are stored, as they are computed with, and once more while they are normalised.
    pixels = images(config) * INPUTS * (1 + 2 * item)
    # Weights, gradients, momentum, temporary copies of them, and one more while they are saved.
    weights = 6 * parameters(sizes) * item
    # Pre-activations, activations and their gradients, for a batch and for all validation images.
    rows = batch_size + config["data"]["validation_fraction"] * images(config)
    activations = 4 * rows * sum(sizes[1:]) * item
    return PYTHON_MB + round((pixels + weights + activations) / MB)


def disk_mb(config: dict[str, Any], runs: Iterable[Combination]) -> int:
    """The room that the results take at most; `runs` has the combination of each run."""
    classes = len(config["data"]["classes"])
    values = sum(parameters([INPUTS, *combination.hidden, classes]) for combination in runs)
    # A checkpoint holds momentum buffers too, and is replaced by writing the next one beside it.
    copies = 5 if config["training"]["checkpoint_every"] else 1
    models = values * len(config["training"]["trainers"]) * ITEM_BYTES[config["dtype"]]
    drawn_few = config["data"]["source"] == "synthetic" and config["data"]["images_per_class"] is not None
    archives = images(config) * INPUTS / MB if drawn_few else ARCHIVES_MB
    return round(archives + (images(config) * INPUTS + copies * models) / MB) + 20
