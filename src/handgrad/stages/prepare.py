"""Read the archive, keep some classes, split, and measure: training, validation and test images in files."""

import argparse
import itertools
import logging
from pathlib import Path

from safetensors.numpy import save

from handgrad.data.archives import read_archive
from handgrad.data.cifar10 import CIFAR10_CLASSES, describe, image_counts
from handgrad.data.loading import split_classes
from handgrad.errors import DataError
from handgrad.stages.plumbing import replacing, run_stage, write_json


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--archive", type=Path, required=True)
    parser.add_argument("--classes", nargs="+", choices=CIFAR10_CLASSES, required=True)
    parser.add_argument("--validation-fraction", type=float, required=True)
    parser.add_argument("--seed", type=int, required=True)
    parser.add_argument("--output-train", type=Path, required=True)
    parser.add_argument("--output-validation", type=Path, required=True)
    parser.add_argument("--output-test", type=Path, required=True)
    parser.add_argument("--output-summary", type=Path, required=True)
    options = parser.parse_args()

    training, test = read_archive(options.archive, str(options.archive))
    try:
        splits = split_classes(training, test, options.classes, options.validation_fraction, options.seed)
    except DataError as error:
        raise DataError(f"{options.archive}: {error}") from error
    names = ("train", "validation", "test")
    paths = (options.output_train, options.output_validation, options.output_test)

    for name, split, path in zip(names, splits, paths, strict=True):
        with replacing(path) as temporary:
            temporary.write_bytes(save(vars(split)))
        logging.info("%s: %d images", name, len(split.images))

    counts = {name: image_counts(split.images) for name, split in zip(names, splits, strict=True)}
    write_json(
        options.output_summary,
        {
            "classes": options.classes,
            "splits": {
                name: describe(split, options.classes) for name, split in zip(names, splits, strict=True)
            },
            "duplicates_between": {
                f"{one}/{other}": sum(min(count, counts[other][key]) for key, count in counts[one].items())
                for one, other in itertools.combinations(names, 2)
            },
            "normalisation": {"mean": splits[0].mean.tolist(), "std": splits[0].std.tolist()},
            "official_training_images": len(training.images),
            "official_test_images": len(test.images),
        },
    )


if __name__ == "__main__":
    run_stage(main)
