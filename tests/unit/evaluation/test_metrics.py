import math

import numpy as np
import pytest
from sklearn.datasets import load_iris
from sklearn.metrics import log_loss

from handgrad.evaluation.metrics import (
    accuracy,
    calibration,
    class_scores,
    confusion_matrix,
    cross_entropy,
    evaluate,
    most_confident_errors,
)

CLASSES = ["airplane", "bird", "cat"]
# 4 airplanes, 3 birds, 1 cat; one airplane is predicted as a bird and one as a cat, the cat as a bird.
LABELS = np.array([0, 0, 0, 0, 1, 1, 1, 2])
PREDICTED = np.array([0, 0, 1, 2, 1, 1, 1, 1])


def certain(predicted, classes=3):
    """Logits of certain predictions."""
    return 50.0 * np.eye(classes)[predicted]


def test_accuracy_is_the_part_of_correct_predictions():
    assert accuracy(LABELS, PREDICTED) == 5 / 8


def test_confusion_matrix_has_the_true_classes_as_rows():
    assert confusion_matrix(LABELS, PREDICTED, 3).tolist() == [[2, 1, 1], [0, 3, 0], [0, 1, 0]]


def test_confusion_matrix_has_a_row_and_column_for_classes_that_do_not_occur():
    assert confusion_matrix(np.array([0]), np.array([0]), 3).tolist() == [[1, 0, 0], [0, 0, 0], [0, 0, 0]]


def test_class_scores_of_a_worked_example():
    scores = {row["name"]: row for row in class_scores(LABELS, PREDICTED, CLASSES)}
    assert [scores[name]["support"] for name in CLASSES] == [4, 3, 1]
    assert [scores[name]["share"] for name in CLASSES] == [4 / 8, 3 / 8, 1 / 8]
    assert [scores[name]["precision"] for name in CLASSES] == [1.0, 3 / 5, 0.0]
    assert [scores[name]["recall"] for name in CLASSES] == [0.5, 1.0, 0.0]
    assert [scores[name]["f1"] for name in CLASSES] == pytest.approx([2 / 3, 3 / 4, 0.0])
    # Wilson, 2 of 4.
    assert scores["airplane"]["recall_interval"] == pytest.approx((0.1500, 0.8500), abs=5e-5)


def test_class_scores_are_defined_where_one_class_is_predicted_and_another_has_no_image():
    scores = class_scores(np.array([0, 0, 1]), np.array([1, 1, 1]), CLASSES)
    assert [row["precision"] for row in scores] == [0.0, pytest.approx(1 / 3), 0.0]
    assert [row["recall"] for row in scores] == [0.0, 1.0, 0.0]
    assert scores[2]["recall_interval"] == (0.0, 1.0)


def test_cross_entropy_of_a_worked_example():
    # Probabilities 1/2, 1/4 and 3/4 of the true classes: (ln 2 + ln 4 + ln 4/3) / 3.
    logits = np.log([[1.0, 1.0], [3.0, 1.0], [1.0, 3.0]])
    expected = (np.log(2) + np.log(4) + np.log(4 / 3)) / 3
    assert cross_entropy(logits, np.array([0, 1, 1])) == pytest.approx(expected, rel=1e-12)


def test_cross_entropy_is_scikit_learns_log_loss():
    labels = load_iris().target
    logits = load_iris().data[:, :3]
    probabilities = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    assert cross_entropy(logits, labels) == pytest.approx(log_loss(labels, probabilities), rel=1e-12)


def test_cross_entropy_stays_finite_where_the_probability_underflows():
    assert cross_entropy(np.array([[0.0, 5000.0]]), np.array([0])) == 5000.0


def test_calibration_of_a_worked_example():
    # Two classes: bins of width 0.05 from 0.5. Confidence 0.52, correct; 0.98 twice, correct and wrong.
    probabilities = np.array([[0.52, 0.48], [0.98, 0.02], [0.02, 0.98]])
    result = calibration(probabilities, np.array([0, 0, 0]))
    first, last = result["bins"][0], result["bins"][-1]
    assert (first["lower"], first["upper"]) == pytest.approx((0.5, 0.55))
    assert (first["images"], first["confidence"], first["accuracy"]) == (1, 0.52, 1.0)
    assert (last["lower"], last["upper"]) == pytest.approx((0.95, 1.0))
    assert (last["images"], last["confidence"], last["accuracy"]) == (2, 0.98, 0.5)
    assert [row["images"] for row in result["bins"][1:-1]] == [0] * 8
    assert result["bins"][4]["accuracy"] is None
    assert result["expected_calibration_error"] == pytest.approx((1 * 0.48 + 2 * 0.48) / 3)


@pytest.mark.parametrize(("confidence", "place"), [(0.5, 0), (0.75, 4), (0.7500001, 5), (1.0, 9)])
def test_calibration_bins_hold_their_upper_edge(confidence, place):
    result = calibration(np.array([[confidence, 1 - confidence]]), np.array([0]))
    assert [row["images"] for row in result["bins"]].index(1) == place


def test_calibration_error_is_0_where_confidence_is_accuracy():
    probabilities = np.array([[0.75, 0.25]] * 4)
    assert calibration(probabilities, np.array([0, 0, 0, 1]))["expected_calibration_error"] == 0.0


def test_calibration_bins_start_at_the_lowest_confidence_that_three_classes_allow():
    result = calibration(np.full((1, 3), 1 / 3), np.array([0]))
    assert result["bins"][0]["lower"] == pytest.approx(1 / 3)
    assert result["bins"][0]["images"] == 1


def test_most_confident_errors_come_first_and_ties_by_position():
    probabilities = np.array([[0.9, 0.1], [0.6, 0.4], [0.2, 0.8], [0.9, 0.1], [0.95, 0.05]])
    labels = np.array([1, 1, 0, 1, 0])
    assert most_confident_errors(probabilities, labels, 3).tolist() == [0, 3, 2]


def test_most_confident_errors_may_be_none():
    assert most_confident_errors(np.array([[0.9, 0.1]]), np.array([0]), 12).tolist() == []


def test_evaluate_puts_the_scores_together():
    result = evaluate(certain(PREDICTED), LABELS, CLASSES)
    assert result["classes"] == CLASSES
    assert result["images"] == 8
    assert result["accuracy"] == 5 / 8
    # Wilson, 5 of 8.
    assert result["accuracy_interval"] == pytest.approx((0.3057, 0.8632), abs=5e-5)
    assert result["loss"] == pytest.approx(3 * 50 / 8)
    assert result["predicted_classes"] == 3
    # Class 1 has probability 1 for five of the eight images, and 0 for the others.
    assert result["output_deviation"] == pytest.approx(math.sqrt(5 / 8 * 3 / 8))


def test_evaluate_sees_a_collapse_to_one_class():
    result = evaluate(certain([1, 1, 1]), np.array([0, 1, 2]), CLASSES)
    assert result["predicted_classes"] == 1
    assert result["output_deviation"] == 0.0
    assert result["accuracy"] == pytest.approx(1 / 3)
