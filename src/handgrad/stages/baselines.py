"""Fit the baselines on the training images and measure them on the validation images."""

import argparse
import logging
from pathlib import Path

import numpy as np
from safetensors.numpy import save_file

from handgrad.data.cifar10 import read_split
from handgrad.evaluation.baselines import ITERATIONS, REGULARISATION, logistic_regression, majority_class
from handgrad.evaluation.metrics import accuracy
from handgrad.stages.plumbing import replacing, run_stage, write_json


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--train-data", type=Path, required=True)
    parser.add_argument("--validation-data", type=Path, required=True)
    parser.add_argument("--classes", nargs="+", required=True)
    parser.add_argument("--output-model", type=Path, required=True)
    parser.add_argument("--output", type=Path, required=True)
    options = parser.parse_args()

    training, validation = read_split(options.train_data), read_split(options.validation_data)
    # In float32, which halves the memory of ten classes and costs the baseline nothing.
    inputs = training.normalised(np.float32)
    classifier, iterations = logistic_regression(inputs, training.labels)
    if iterations == ITERATIONS:
        logging.warning("logistic regression did not converge within %d iterations", ITERATIONS)
    majority = majority_class(training.labels)
    predicted = classifier.logits(validation.normalised(np.float32)).argmax(axis=1)

    with replacing(options.output_model) as temporary:
        save_file({"weight": classifier.weight, "bias": classifier.bias}, temporary)
    write_json(
        options.output,
        {
            "majority": {
                "class": options.classes[majority],
                "validation_accuracy": float(np.mean(validation.labels == majority)),
            },
            "logistic_regression": {
                "training_accuracy": accuracy(training.labels, classifier.logits(inputs).argmax(axis=1)),
                "validation_accuracy": accuracy(validation.labels, predicted),
                "regularisation": REGULARISATION,
                "iterations": iterations,
                "converged": iterations < ITERATIONS,
            },
            "random": {"accuracy": 1 / len(options.classes)},
        },
    )


if __name__ == "__main__":
    run_stage(main)
