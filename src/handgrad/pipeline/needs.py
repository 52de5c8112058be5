"""Upper bounds on the memory and disk space that an experiment needs, from its config, without PyTorch."""

from collections.abc import Iterable, Sequence
from itertools import pairwise
from typing import Any

from handgrad.hyperparameters import Combination

INPUTS = 3072
# Training and test images per class in CIFAR-10.
IMAGES_PER_CLASS = 6000
ITEM_BYTES = {"float64": 8, "float32": 4}
MB = 1_000_000
# Memory of a process that has imported PyTorch (CUDA build: 560 MB measured) but not trained anything.
PYTHON_MB = 700
# The CIFAR-10 archive, in both the download cache and results/.
ARCHIVES_MB = 2 * 171


def images(config: dict[str, Any]) -> int:
    """An upper bound on the number of training, validation and test images."""
    per_class = config["data"]["images_per_class"]
    kept = IMAGES_PER_CLASS if per_class is None else per_class * 6 // 5
    return int(kept * len(config["data"]["classes"]))


def parameters(sizes: Sequence[int]) -> int:
    """The number of weights and biases in a network with layers of these sizes."""
    return sum((before + 1) * after for before, after in pairwise(sizes))


def training_mb(config: dict[str, Any], combinations: Iterable[Combination]) -> int:
    """An upper bound on the memory needed to train any of the combinations."""
    networks = {(combination.hidden, combination.batch_size) for combination in combinations}
    return max(_network_mb(config, hidden, batch_size) for hidden, batch_size in networks)


def _network_mb(config: dict[str, Any], hidden: Sequence[int], batch_size: int) -> int:
    item = ITEM_BYTES[config["dtype"]]
    sizes = [INPUTS, *hidden, len(config["data"]["classes"])]
    # Pixels as stored, as normalised inputs, and a temporary copy during normalisation.
    pixels = images(config) * INPUTS * (1 + 2 * item)
    # Weights, gradients, momentum buffers, temporary copies of these, and one more copy while saving.
    weights = 6 * parameters(sizes) * item
    # Pre-activations, activations and their gradients, for a batch and for all validation images.
    rows = batch_size + config["data"]["validation_fraction"] * images(config)
    activations = 4 * rows * sum(sizes[1:]) * item
    return PYTHON_MB + round((pixels + weights + activations) / MB)


def disk_mb(config: dict[str, Any], runs: Iterable[Combination]) -> int:
    """An upper bound on the disk space for the results; `runs` contains the combination of each run."""
    classes = len(config["data"]["classes"])
    values = sum(parameters([INPUTS, *combination.hidden, classes]) for combination in runs)
    # A checkpoint also contains momentum buffers and the parameters of the best epoch, and the next one is
    # written before the old one is replaced.
    copies = 7 if config["training"]["checkpoint_every"] else 1
    models = values * len(config["training"]["trainers"]) * ITEM_BYTES[config["dtype"]]
    drawn_few = config["data"]["source"] == "synthetic" and config["data"]["images_per_class"] is not None
    archives = images(config) * INPUTS / MB if drawn_few else ARCHIVES_MB
    return round(archives + (images(config) * INPUTS + copies * models) / MB) + 20
