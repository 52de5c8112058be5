"""Read the archive, keep the chosen classes, and write training, validation and test images and a summary."""

import itertools
import logging
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from safetensors.numpy import save

from handgrad.data.archives import read_archive
from handgrad.data.cifar10 import CIFAR10_CLASSES, describe, image_counts
from handgrad.data.loading import split_classes
from handgrad.errors import DataError
from handgrad.records.summary import Summary
from handgrad.stages.command_line import run_stage
from handgrad.stages.files import replacing, write_json


@dataclass(frozen=True)
class Options:
    archive: Path
    classes: list[Annotated[str, CIFAR10_CLASSES]]
    validation_fraction: float
    seed: int
    output_train: Path
    output_validation: Path
    output_test: Path
    output_summary: Path
    images_per_class: Annotated[int | None, "training images to keep; by default all"] = None


def main(options: Options) -> None:
    training, test = read_archive(options.archive, str(options.archive))
    try:
        splits = split_classes(
            training,
            test,
            options.classes,
            options.validation_fraction,
            options.seed,
            options.images_per_class,
        )
    except DataError as error:
        raise DataError(f"{options.archive}: {error}") from error
    names = ("train", "validation", "test")
    paths = (options.output_train, options.output_validation, options.output_test)

    for name, split, path in zip(names, splits, paths, strict=True):
        with replacing(path) as temporary:
            temporary.write_bytes(save(vars(split)))
        logging.info("%s: %d images", name, len(split.images))

    counts = {name: image_counts(split.images) for name, split in zip(names, splits, strict=True)}
    summary: Summary = {
        "classes": options.classes,
        "splits": {name: describe(split, options.classes) for name, split in zip(names, splits, strict=True)},
        "duplicates_between": {
            f"{one}/{other}": sum(min(count, counts[other][key]) for key, count in counts[one].items())
            for one, other in itertools.combinations(names, 2)
        },
        "normalisation": {"mean": splits[0].mean.tolist(), "std": splits[0].std.tolist()},
        "official_training_images": len(training.images),
        "official_test_images": len(test.images),
    }
    write_json(options.output_summary, summary)


if __name__ == "__main__":
    run_stage(main, Options)
