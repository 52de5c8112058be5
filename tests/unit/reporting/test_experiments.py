"""The comparison of experiments."""

import copy

import pandas as pd
import pytest
from helpers.made_up_facts import facts
from helpers.projects import ROOT
from jinja2 import FileSystemLoader

from handgrad.reporting.composing import compose
from handgrad.reporting.experiments import Experiment, assemble_experiments

LABELS = ["airplane", "bird"] * 10


def experiment(name, wrong=(), **changes):
    """An experiment whose selected model misclassifies the test images at the positions `wrong`."""
    given = copy.deepcopy(facts())
    for path, value in changes.items():
        *parents, last = path.split("__")
        part = given
        for parent in parents:
            part = part[parent]
        part[last] = value
    predicted = [
        {"airplane": "bird", "bird": "airplane"}[label] if position in wrong else label
        for position, label in enumerate(LABELS)
    ]
    predictions = pd.DataFrame({"index": range(20), "label": LABELS, "predicted": predicted})
    return Experiment(name, given, predictions)


def page(*experiments):
    loader = FileSystemLoader(ROOT / "report")
    return compose(loader, "comparison.md.j2", assemble_experiments(experiments))


def test_models_are_compared_image_by_image_and_corrected_for_their_number():
    found = assemble_experiments(
        [
            experiment("default"),
            experiment("wide", {0, 1, 2, 3, 4, 5}, selection__selected__model_sha256="b"),
            experiment("deep", {0}, selection__selected__model_sha256="c"),
        ]
    )["pairs"]
    assert [(row["first"], row["second"]) for row in found] == [
        ("default", "wide"),
        ("default", "deep"),
        ("wide", "deep"),
    ]
    assert [row["difference"] for row in found] == pytest.approx([0.3, 0.05, -0.25])
    # Exact McNemar: 2 / 2**6, 1 and 2 / 2**5; Holm multiplies the smallest by three, the next by two.
    assert [row["p_value"] for row in found] == pytest.approx([1 / 32, 1.0, 1 / 16])
    assert [row["holm_p_value"] for row in found] == pytest.approx([3 / 32, 1.0, 1 / 8])
    assert not any(row["told_apart"] or row["same_model"] for row in found)


def test_differences_of_the_configs_are_listed_by_setting():
    other = experiment("long", config__training__epochs=80, config__report__title="Other")
    other.facts["config"]["hyperparameters"].append({"lr": 1.0, "weight_decay": 0.0, "momentum": 0.0})
    assert assemble_experiments([experiment("default"), other])["differences"] == [
        {"setting": "training.epochs", "values": ["50", "80"]},
        {"setting": "hyperparameters", "values": ["9 listed", "10 listed"]},
    ]


def test_the_leaderboards_are_merged_and_shared_combinations_stand_once():
    rows = assemble_experiments([experiment("default"), experiment("same")])["leaderboard"]
    assert len(rows) == 9
    assert all(row["experiments"] == ["default", "same"] for row in rows)
    assert [row["validation_accuracy"] for row in rows][:3] == [0.871, 0.859, 0.856]
    rows = assemble_experiments([experiment("default"), experiment("single", config__dtype="float32")])
    assert [row["experiments"] for row in rows["leaderboard"]][:2] == [["default"], ["single"]]


def test_a_combination_is_shared_whatever_the_defaults_of_the_experiments():
    # The rows have every setting; the config has those that a combination does not name.
    other = experiment("wide", config__model__hidden=[64], config__training__batch_size=32)
    rows = assemble_experiments([experiment("default"), other])["leaderboard"]
    assert [row["experiments"] for row in rows] == 9 * [["default", "wide"]]


def test_nothing_is_compared_on_different_test_images():
    other = experiment("ships")
    other.predictions.loc[0, "index"] = 99
    found = assemble_experiments([experiment("default"), other])
    assert not found["same_test_images"]
    assert found["pairs"] == []
    text = page(experiment("default"), other)
    assert "The test images are not the same in all experiments" in text
    assert "McNemar" not in text
    assert "Test accuracy" not in text


def test_no_common_leaderboard_of_different_validation_images():
    text = page(experiment("default"), experiment("split", config__seed=1))
    assert "no common leaderboard" in text
    assert "| `seed` | `256` | `1` |" in text


def test_the_page_warns_that_reading_test_figures_is_a_selection_and_counts_them():
    text = page(experiment("default"), experiment("wide", {1}), experiment("deep", {2}))
    assert "Reading test figures is a selection too" in text
    assert "the test images were used by 3 experiments" in text
    assert "corrects the p-values for 3 comparisons" in text
    assert "the same model" in text
