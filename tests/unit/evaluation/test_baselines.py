import json

import numpy as np
import pytest
from helpers.made_up_runs import write_split
from safetensors.numpy import load_file
from sklearn.datasets import load_breast_cancer, load_digits
from sklearn.preprocessing import scale

from handgrad.evaluation import baselines
from handgrad.evaluation.baselines import LinearClassifier, logistic_regression, majority_class
from handgrad.stages import baselines as stage

C = 0.001


def test_the_majority_class_is_the_most_frequent_label():
    assert majority_class(np.array([2, 0, 1, 2, 1, 2])) == 2


def test_of_equally_frequent_labels_the_lowest_is_the_majority_class():
    assert majority_class(np.array([1, 0, 1, 0])) == 0


def test_logits_are_inputs_times_weights_plus_bias():
    classifier = LinearClassifier(np.array([[1.0, 2.0], [0.0, -1.0]]), np.array([0.5, 0.0]))
    assert classifier.logits(np.array([[3.0, 4.0]])).tolist() == [[11.5, -4.0]]


def gradient(classifier, inputs, labels):
    """The gradient of C * the summed cross entropy + half the squared weights, at the fitted weights."""
    logits = classifier.logits(inputs)
    probabilities = np.exp(logits - logits.max(axis=1, keepdims=True))
    probabilities /= probabilities.sum(axis=1, keepdims=True)
    return C * (probabilities - np.eye(len(classifier.bias))[labels]).T @ inputs


@pytest.mark.parametrize("load", [load_breast_cancer, load_digits])
def test_logistic_regression_minimises_the_penalised_cross_entropy(load):
    data = load()
    inputs = scale(data.data)
    classifier, iterations = logistic_regression(inputs, data.target, C)
    slope = gradient(classifier, inputs, data.target)
    # For two classes, only the difference of the weights is determined, and only it is penalised.
    if len(slope) == 2:
        slope = slope[1] + classifier.weight[1]
    else:
        slope += classifier.weight
    assert np.abs(slope).max() < 2e-4
    assert 0 < iterations < baselines.ITERATIONS
    assert np.mean(classifier.logits(inputs).argmax(axis=1) == data.target) > 0.9


def test_two_fits_are_equal_to_the_bit():
    data = load_breast_cancer()
    first, second = (logistic_regression(data.data, data.target, C)[0] for _ in range(2))
    assert first.weight.tobytes() == second.weight.tobytes()
    assert first.bias.tobytes() == second.bias.tobytes()


def run_stage(tmp_path, training, validation, classes):
    options = {
        "train_data": write_split(tmp_path / "train.safetensors", training),
        "validation_data": write_split(tmp_path / "validation.safetensors", validation, seed=1),
        "classes": classes,
        "output_model": tmp_path / "model.safetensors",
        "output_baselines": tmp_path / "baselines.json",
    }
    stage.main(stage.Options(**options))
    return json.loads((tmp_path / "baselines.json").read_text())


@pytest.mark.parametrize("classes", [["airplane", "bird"], ["airplane", "bird", "cat"]])
def test_the_stage_writes_figures_and_a_model_that_separates_colours(tmp_path, monkeypatch, classes):
    count = len(classes)
    validation = [*range(count)] * 4
    result = run_stage(tmp_path, [*range(count)] * 20 + [1], validation, classes)
    assert result["majority"] == {"class": "bird", "validation_accuracy": 1 / count}
    assert result["random"] == {"accuracy": 1 / count}
    assert result["logistic_regression"]["training_accuracy"] == 1.0
    assert result["logistic_regression"]["validation_accuracy"] == 1.0
    tried = result["logistic_regression"]["tried"]
    assert [one["regularisation"] for one in tried] == [1e-5, 1e-4, 1e-3, 1e-2]
    # All have perfect accuracy; the strongest penalty is selected.
    assert {one["validation_accuracy"] for one in tried} == {1.0}
    assert result["logistic_regression"]["regularisation"] == 1e-5
    assert result["logistic_regression"]["converged"] is True

    model = load_file(tmp_path / "model.safetensors")
    assert model["weight"].shape == (count, 3072)
    assert model["bias"].shape == (count,)
    assert model["weight"].dtype == np.float64
    split = load_file(tmp_path / "validation.safetensors")
    inputs = ((split["images"] / 255 - 0.5) / 0.25).reshape(len(validation), 3072)
    assert (inputs @ model["weight"].T + model["bias"]).argmax(axis=1).tolist() == validation
