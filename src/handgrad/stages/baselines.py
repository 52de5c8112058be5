"""Fit the baselines on the training images and evaluate them on the validation images."""

import logging
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from safetensors.numpy import save_file

from handgrad.data.cifar10 import read_split
from handgrad.evaluation.baselines import (
    ITERATIONS,
    REGULARISATIONS,
    logistic_regression,
    majority_class,
)
from handgrad.evaluation.metrics import accuracy
from handgrad.records.baselines import Baselines
from handgrad.stages.command_line import run_stage
from handgrad.stages.files import replacing, write_json


@dataclass(frozen=True)
class Options:
    train_data: Path
    validation_data: Path
    classes: list[str]
    output_model: Path
    output_baselines: Path


def main(options: Options) -> None:
    training, validation = read_split(options.train_data), read_split(options.validation_data)
    # float32 halves the memory needed for ten classes without making the baseline less accurate.
    inputs = training.normalised(np.float32)
    fits = []
    for regularisation in REGULARISATIONS:
        classifier, iterations = logistic_regression(inputs, training.labels, regularisation)
        predicted = classifier.logits(validation.normalised(np.float32)).argmax(axis=1)
        fits.append((accuracy(validation.labels, predicted), regularisation, classifier, iterations))
    # On ties, max returns the first: the one with the strongest penalty.
    best_accuracy, regularisation, classifier, iterations = max(fits, key=lambda fit: fit[0])
    if iterations == ITERATIONS:
        logging.warning("logistic regression did not converge within %d iterations", ITERATIONS)
    majority = majority_class(training.labels)

    with replacing(options.output_model) as temporary:
        save_file({"weight": classifier.weight, "bias": classifier.bias}, temporary)
    baselines: Baselines = {
        "majority": {
            "class": options.classes[majority],
            "validation_accuracy": float(np.mean(validation.labels == majority)),
        },
        "logistic_regression": {
            "training_accuracy": accuracy(training.labels, classifier.logits(inputs).argmax(axis=1)),
            "validation_accuracy": best_accuracy,
            "regularisation": regularisation,
            "iterations": iterations,
            "converged": iterations < ITERATIONS,
            "tried": [{"regularisation": fit[1], "validation_accuracy": fit[0]} for fit in fits],
        },
        "random": {"accuracy": 1 / len(options.classes)},
    }
    write_json(options.output_baselines, baselines)


if __name__ == "__main__":
    run_stage(main, Options)
