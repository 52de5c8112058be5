"""Classifier metrics computed from logits: loss, per-class scores, calibration, most confident errors."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import log_softmax, softmax
from sklearn import metrics

from handgrad.evaluation.significance import wilson_interval
from handgrad.records.evaluation import Bin, Calibration, ClassScores, Scores

Labels = NDArray[np.integer[Any]]
Floats = NDArray[np.floating[Any]]


def evaluate(logits: Floats, labels: Labels, classes: Sequence[str]) -> Scores:
    """Compute all metrics from the logits, [images, classes], and the true labels, [images]."""
    predicted = logits.argmax(axis=1)
    part = accuracy(labels, predicted)
    probabilities = softmax(logits, axis=1)
    return {
        "classes": list(classes),
        "images": len(labels),
        "accuracy": part,
        "accuracy_interval": wilson_interval(part, len(labels)),
        "loss": cross_entropy(logits, labels),
        "confusion_matrix": confusion_matrix(labels, predicted, len(classes)).tolist(),
        "per_class": class_scores(labels, predicted, classes),
        "calibration": calibration(probabilities, labels),
        "predicted_classes": len(np.unique(predicted)),
        # Largest standard deviation of any class probability over the images; 0 means a constant output.
        "output_deviation": float(probabilities.std(axis=0).max()),
    }


def cross_entropy(logits: Floats, labels: Labels) -> float:
    """The mean of -log softmax(logits)[label] in nats; logits [images, classes], labels [images]."""
    log_probabilities = log_softmax(logits, axis=1)
    return float(-log_probabilities[np.arange(len(labels)), labels].mean())


def accuracy(labels: Labels, predicted: Labels) -> float:
    """The fraction of images whose predicted class is correct."""
    return float(metrics.accuracy_score(labels, predicted))


def confusion_matrix(labels: Labels, predicted: Labels, classes: int) -> NDArray[np.int_]:
    """Image counts by true class (rows) and predicted class (columns)."""
    matrix: NDArray[np.int_] = metrics.confusion_matrix(labels, predicted, labels=np.arange(classes))
    return matrix


def class_scores(labels: Labels, predicted: Labels, classes: Sequence[str]) -> list[ClassScores]:
    """Support, share, precision, recall with its 95% Wilson interval, and F1 score of each class.

    Precision is 0 for a class that is never predicted. Recall is 0, with the interval [0, 1], for a class
    without images.
    """
    scores = metrics.precision_recall_fscore_support(
        labels, predicted, labels=np.arange(len(classes)), zero_division=0
    )
    return [
        {
            "name": name,
            "support": int(support),
            "share": int(support) / len(labels),
            "precision": float(precision),
            "recall": float(recall),
            "recall_interval": wilson_interval(float(recall), int(support)) if support else (0.0, 1.0),
            "f1": float(f1),
        }
        for name, precision, recall, f1, support in zip(classes, *scores, strict=True)
    ]


def calibration(probabilities: Floats, labels: Labels, bins: int = 10) -> Calibration:
    """Compare confidence (the largest probability of each prediction) with accuracy, in bins of confidence.

    The bins have equal width and run from 1/classes, the lowest possible confidence, to 1. The expected
    calibration error is the mean of |accuracy - mean confidence| over the bins, weighted by their images
    (Guo et al., On Calibration of Modern Neural Networks, 2017). The values of an empty bin are None.
    """
    confidence = probabilities.max(axis=1)
    correct = probabilities.argmax(axis=1) == labels
    edges = np.linspace(1 / probabilities.shape[1], 1, bins + 1)
    # Bins are open on the left, as in the paper; a value on the lowest edge belongs to the first bin.
    position = np.clip(np.searchsorted(edges, confidence) - 1, 0, bins - 1)
    rows: list[Bin] = []
    for number in range(bins):
        chosen = position == number
        images = int(chosen.sum())
        rows.append(
            {
                "lower": float(edges[number]),
                "upper": float(edges[number + 1]),
                "images": images,
                "confidence": float(confidence[chosen].mean()) if images else None,
                "accuracy": float(correct[chosen].mean()) if images else None,
            }
        )
    gaps = [row["images"] * abs(row["accuracy"] - row["confidence"]) for row in rows if row["images"]]
    return {"expected_calibration_error": sum(gaps) / len(labels), "bins": rows}


def most_confident_errors(probabilities: Floats, labels: Labels, count: int) -> NDArray[np.int_]:
    """Indices of up to `count` misclassified images, most confident first; ties are broken by index."""
    errors = np.flatnonzero(probabilities.argmax(axis=1) != labels)
    order = np.argsort(-probabilities[errors].max(axis=1), kind="stable")
    return errors[order[:count]]
