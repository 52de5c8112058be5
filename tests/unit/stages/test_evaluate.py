import json
import math

import numpy as np
import pandas as pd
import pytest
from helpers.made_up_runs import write_json, write_split
from safetensors.numpy import save_file

from handgrad.errors import HandgradError
from handgrad.stages import evaluate

BLACK, WHITE = 0, 255
# One hidden unit, relu of the mean input (-2 for black, 2 for white); logits 0.5 and the unit's output.
WEIGHTS = {
    "fc.1.weight": np.full((1, 3072), 1 / 3072),
    "fc.1.bias": np.zeros(1),
    "fc.2.weight": np.array([[0.0], [1.0]]),
    "fc.2.bias": np.array([0.5, 0.0]),
}
# Logits 0.5 and 0 for black, 0.5 and 2 for white.
SURE_OF_BLACK = 1 / (1 + math.exp(-0.5))
SURE_OF_WHITE = 1 / (1 + math.exp(-1.5))
# Airplanes are black and birds white, except for one white airplane in the test images (index 3 * 1).
TEST_LABELS = [0, 0, 0, 1, 1]
TEST_GREYS = [BLACK, WHITE, BLACK, WHITE, WHITE]


SELECTED = {"lr": 0.1, "weight_decay": 0.0, "momentum": 0.0, "hidden": [1], "validation_accuracy": 0.75}


@pytest.fixture
def options(tmp_path):
    """The options of the stage, with files on which the model errs once in 4 validation and 5 test images."""
    save_file(WEIGHTS, tmp_path / "model.safetensors")
    # The baseline classifies everything as a bird.
    linear = {"weight": np.zeros((2, 3072)), "bias": np.array([0.0, math.log(3)])}
    save_file(linear, tmp_path / "linear.safetensors")
    baselines = {
        "majority": {"class": "airplane", "validation_accuracy": 0.5},
        "logistic_regression": {"validation_accuracy": 0.25},
        "random": {"accuracy": 0.5},
    }
    return {
        "model": tmp_path / "model.safetensors",
        "selection": write_json(tmp_path / "selection.json", {"selected": SELECTED}),
        "baseline_model": tmp_path / "linear.safetensors",
        "baselines": write_json(tmp_path / "baselines.json", baselines),
        "train_data": write_split(tmp_path / "train.safetensors", [0, 1], greys=[BLACK, WHITE]),
        "validation_data": write_split(
            tmp_path / "validation.safetensors", [0, 1, 1, 1], greys=[BLACK, WHITE, WHITE, BLACK]
        ),
        "test_data": write_split(tmp_path / "test.safetensors", TEST_LABELS, greys=TEST_GREYS),
        "classes": ["airplane", "bird"],
        "dtype": "float64",
        "output_evaluation": tmp_path / "evaluation.json",
        "output_predictions": tmp_path / "predictions.csv",
    }


def run_stage(options):
    evaluate.main(evaluate.Options(**options))
    return json.loads(options["output_evaluation"].read_text()), pd.read_csv(options["output_predictions"])


@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_the_model_is_evaluated_on_the_test_images(options, dtype):
    result, _ = run_stage(options | {"dtype": dtype})
    assert result["classes"] == ["airplane", "bird"]
    assert result["images"] == 5
    assert result["accuracy"] == 0.8
    assert result["accuracy_interval"] == pytest.approx([0.3755, 0.9638], abs=5e-5)
    assert result["confusion_matrix"] == [[2, 1], [0, 2]]
    assert [row["support"] for row in result["per_class"]] == [3, 2]
    assert [row["precision"] for row in result["per_class"]] == [1.0, pytest.approx(2 / 3)]
    loss = -(2 * math.log(SURE_OF_BLACK) + math.log(1 - SURE_OF_WHITE) + 2 * math.log(SURE_OF_WHITE)) / 5
    assert result["loss"] == pytest.approx(loss, rel=1e-5)
    assert result["training_accuracy"] == 1.0
    assert result["validation_accuracy"] == 0.75
    assert result["validation_accuracy_interval"] == pytest.approx([0.3006, 0.9544], abs=5e-5)
    assert result["predicted_classes"] == 2
    assert result["output_deviation"] > 0


def test_the_predictions_name_classes_and_indices(options):
    _, predictions = run_stage(options)
    assert predictions["index"].tolist() == [0, 3, 6, 9, 12]
    assert predictions["label"].tolist() == ["airplane"] * 3 + ["bird"] * 2
    assert predictions["predicted"].tolist() == ["airplane", "bird", "airplane", "bird", "bird"]
    sure = [SURE_OF_BLACK, SURE_OF_WHITE, SURE_OF_BLACK, SURE_OF_WHITE, SURE_OF_WHITE]
    assert predictions["confidence"].tolist() == pytest.approx(sure)
    assert predictions["probability_bird"][0] == pytest.approx(1 - SURE_OF_BLACK)
    assert (predictions["probability_airplane"] + predictions["probability_bird"]).tolist() == pytest.approx(
        [1] * 5
    )


def test_batches_do_not_change_the_predictions(options, monkeypatch):
    _, whole = run_stage(options)
    monkeypatch.setattr(evaluate, "BATCH", 2)
    _, in_batches = run_stage(options)
    pd.testing.assert_frame_equal(in_batches, whole)


def test_errors_are_listed_with_their_confidence(options):
    result, _ = run_stage(options)
    assert result["most_confident_errors"] == [
        {"index": 3, "label": "airplane", "predicted": "bird", "confidence": pytest.approx(SURE_OF_WHITE)}
    ]


def test_the_baselines_are_measured_on_the_same_images(options):
    result, _ = run_stage(options)
    assert result["baselines"]["random"] == {"accuracy": 0.5}
    majority, linear = result["baselines"]["majority"], result["baselines"]["logistic_regression"]
    assert (majority["class"], majority["accuracy"], majority["validation_accuracy"]) == (
        "airplane",
        0.6,
        0.5,
    )
    assert (linear["accuracy"], linear["validation_accuracy"]) == (0.4, 0.25)
    # It assigns birds a probability of 3/4.
    assert linear["loss"] == pytest.approx(-(3 * math.log(1 / 4) + 2 * math.log(3 / 4)) / 5)
    # Only the model is right on the two black airplanes; the baseline alone is right on nothing.
    assert result["mcnemar_baseline"] == {
        "baseline": "logistic_regression",
        "only_model_correct": 2,
        "only_baseline_correct": 0,
        "p_value": 0.5,
    }


def test_a_model_of_another_validation_accuracy_is_an_error(options):
    write_json(options["selection"], {"selected": SELECTED | {"validation_accuracy": 0.25}})
    with pytest.raises(HandgradError, match=r"model\.safetensors: validation accuracy 0\.75, .* says 0\.25"):
        run_stage(options)
    assert not options["output_evaluation"].exists()


def test_a_model_of_another_shape_is_an_error(options):
    with pytest.raises(HandgradError, match=r"model\.safetensors: not a model of the selected network"):
        write_json(options["selection"], {"selected": SELECTED | {"hidden": [2]}})
        run_stage(options)


@pytest.mark.parametrize("name", ["model", "baseline_model", "test_data"])
def test_a_damaged_file_is_named(options, name):
    options[name].write_bytes(b"damaged")
    with pytest.raises(HandgradError, match=options[name].name):
        run_stage(options)
