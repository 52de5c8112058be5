"""Evaluate the selected model and the baselines on the test images, once."""

import logging
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, cast

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.numpy import load_file
from safetensors.torch import load_file as load_tensors
from scipy.special import softmax

from handgrad.data.cifar10 import Split, read_split
from handgrad.errors import DataError, HandgradError
from handgrad.evaluation import metrics
from handgrad.evaluation.baselines import LinearClassifier
from handgrad.evaluation.significance import paired_test, wilson_interval
from handgrad.hyperparameters import Combination
from handgrad.networks import MyMLP
from handgrad.records.baselines import Baselines
from handgrad.records.evaluation import AgainstBaselines, ConfidentError, Evaluation
from handgrad.records.selection import Selection
from handgrad.stages.command_line import run_stage
from handgrad.stages.files import read_json, write_json, write_text

BATCH = 1000
CONFIDENT_ERRORS = 12


@dataclass(frozen=True)
class Options:
    model: Path
    selection: Path
    baseline_model: Path
    baselines: Path
    train_data: Path
    validation_data: Path
    test_data: Path
    classes: list[str]
    dtype: Literal["float64", "float32"]
    output_evaluation: Path
    output_predictions: Path


def main(options: Options) -> None:
    torch.set_num_threads(1)
    selection: Selection = read_json(options.selection)
    selected = Combination.of(selection["selected"])
    network = MyMLP(3072, selected.hidden, len(options.classes), selected.activation)
    read_weights(network, options.model, getattr(torch, options.dtype))

    training, validation = read_split(options.train_data), read_split(options.validation_data)
    training_accuracy = metrics.accuracy(training.labels, logits(network, training).argmax(axis=1))
    validation_accuracy = metrics.accuracy(validation.labels, logits(network, validation).argmax(axis=1))
    recorded = selection["selected"]["validation_accuracy"]
    # On another device or with other batches, the last bits of the logits differ, which can change the class
    # of an image on the decision boundary; another model or other images differ by far more than 1 in 1,000.
    if abs(validation_accuracy - recorded) > max(1 / len(validation), 0.001):
        raise HandgradError(
            f"{options.model}: validation accuracy {validation_accuracy}, but {options.selection} says "
            f"{recorded}; the files are of different runs, delete both and run snakemake again"
        )

    test = read_split(options.test_data)
    scores = logits(network, test)
    table = predictions(scores, test, options.classes)
    errors = metrics.most_confident_errors(softmax(scores, axis=1), test.labels, CONFIDENT_ERRORS)

    write_text(options.output_predictions, table.to_csv(index=False, lineterminator="\n"))
    evaluation: Evaluation = {
        **metrics.evaluate(scores, test.labels, options.classes),
        **against_baselines(
            scores,
            test,
            read_baseline(options.baseline_model),
            read_json(options.baselines),
            options.classes,
        ),
        "most_confident_errors": cast(list[ConfidentError], table.iloc[errors, :4].to_dict("records")),
        "training_accuracy": training_accuracy,
        "training_accuracy_interval": wilson_interval(training_accuracy, len(training)),
        "validation_accuracy": validation_accuracy,
        "validation_accuracy_interval": wilson_interval(validation_accuracy, len(validation)),
    }
    write_json(options.output_evaluation, evaluation)
    logging.info("test accuracy %.4f", metrics.accuracy(test.labels, scores.argmax(axis=1)))


def read_weights(network: MyMLP, path: Path, dtype: torch.dtype) -> None:
    """Load the weights of a model file into the network, which is converted to `dtype`.

    Raises:
        HandgradError: if the file is damaged or holds a network of another shape.
    """
    try:
        network.to(dtype).load_state_dict(load_tensors(path))
    except (SafetensorError, RuntimeError) as error:
        reason = " ".join(str(error).split())
        raise HandgradError(
            f"{path}: not a model of the selected network and data.classes ({reason}); run snakemake again"
        ) from error


def read_baseline(path: Path) -> LinearClassifier:
    """Load the logistic regression written by the stage `baselines`.

    Raises:
        DataError: if the file is damaged.
    """
    try:
        return LinearClassifier(**load_file(path))
    except (SafetensorError, TypeError) as error:
        raise DataError(f"{path}: not a baseline ({error}); delete it and run snakemake again") from error


@torch.no_grad()
def logits(network: MyMLP, split: Split) -> NDArray[np.float64]:
    """Return the network's logits for a split, [images, classes], computed in batches to bound memory use."""
    dtype = next(network.parameters()).numpy().dtype
    parts = [slice(start, start + BATCH) for start in range(0, len(split), BATCH)]
    batches = (torch.from_numpy(split.normalised(dtype, part)) for part in parts)
    return np.concatenate([network(batch).double().numpy() for batch in batches])


def predictions(scores: NDArray[np.float64], test: Split, classes: list[str]) -> pd.DataFrame:
    """One row per image: its index in the official test set, true and predicted class, probabilities."""
    probabilities = softmax(scores, axis=1)
    columns = {
        "index": test.indices,
        "label": np.take(classes, test.labels),
        "predicted": np.take(classes, scores.argmax(axis=1)),
        "confidence": probabilities.max(axis=1),
    }
    return pd.DataFrame(
        columns | dict(zip((f"probability_{name}" for name in classes), probabilities.T, strict=True))
    )


def against_baselines(
    scores: NDArray[np.float64],
    test: Split,
    linear: LinearClassifier,
    baselines: Baselines,
    classes: list[str],
) -> AgainstBaselines:
    """Return the test accuracies of the baselines, and compare the model with the best of them."""
    linear_scores = linear.logits(test.normalised(np.float32))
    linear_accuracy = metrics.accuracy(test.labels, linear_scores.argmax(axis=1))
    majority = baselines["majority"]["class"]
    majority_accuracy = float(np.mean(test.labels == classes.index(majority)))
    only_model, only_baseline, p_value = paired_test(
        scores.argmax(axis=1) == test.labels, linear_scores.argmax(axis=1) == test.labels
    )
    return {
        "baselines": {
            "random": {"accuracy": baselines["random"]["accuracy"]},
            "majority": {
                "class": majority,
                "accuracy": majority_accuracy,
                "accuracy_interval": wilson_interval(majority_accuracy, len(test)),
                "validation_accuracy": baselines["majority"]["validation_accuracy"],
            },
            "logistic_regression": {
                "accuracy": linear_accuracy,
                "accuracy_interval": wilson_interval(linear_accuracy, len(test)),
                "loss": metrics.cross_entropy(linear_scores, test.labels),
                "validation_accuracy": baselines["logistic_regression"]["validation_accuracy"],
            },
        },
        "mcnemar_baseline": {
            "baseline": "logistic_regression",
            "only_model_correct": only_model,
            "only_baseline_correct": only_baseline,
            "p_value": p_value,
        },
    }


if __name__ == "__main__":
    run_stage(main, Options)
