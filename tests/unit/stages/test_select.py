import hashlib
import json

import numpy as np
import pandas as pd
import pytest
from helpers.made_up_runs import write_comparison, write_run
from safetensors.numpy import load_file

from handgrad.errors import HandgradError
from handgrad.stages import select

LABELS = [0, 1] * 5
TRAINERS = ("train", "train_manual_update")
FIRST, SECOND, THIRD = (0.01, 0.0, 0.0), (0.01, 0.0, 0.9), (0.1, 0.001, 0.9)


def predicted(wrong):
    """Predictions with mistakes at the given positions."""
    return [1 - label if position in wrong else label for position, label in enumerate(LABELS)]


def write(tmp_path, combination, wrong, **options):
    return write_run(tmp_path, combination, LABELS, predicted(wrong), **{"trainers": TRAINERS, **options})


def run_stage(tmp_path, folders, comparison=None):
    options = {
        "run_folders": folders,
        "trainer": "train",
        "trainers": list(TRAINERS),
        "comparison": comparison or write_comparison(tmp_path, folders, TRAINERS),
        "output_selection": tmp_path / "selection.json",
        "output_leaderboard": tmp_path / "leaderboard.csv",
        "output_model": tmp_path / "selected/model.safetensors",
    }
    select.main(select.Options(**options))
    return json.loads((tmp_path / "selection.json").read_text())


def test_the_best_run_is_selected_and_its_model_copied(tmp_path):
    folders = [write(tmp_path, FIRST, {0, 1}), write(tmp_path, SECOND, {4}, validation_loss=0.25)]
    result = run_stage(tmp_path, folders)
    model = tmp_path / "selected/model.safetensors"
    assert result["selected"] == {
        "lr": 0.01,
        "weight_decay": 0.0,
        "momentum": 0.9,
        "epochs": 5,
        "seed": 256,
        "trainer": "train",
        "run": (folders[1] / "train").as_posix(),
        "model_sha256": hashlib.sha256(model.read_bytes()).hexdigest(),
        "validation_accuracy": 0.9,
        "validation_loss": 0.25,
        "training_accuracy": 0.9,
        "training_loss": 0.225,
        "decided_by": "validation_accuracy",
    }
    assert load_file(model)["fc.1.weight"].tolist() == [[0.01, 0.0, 0.9, 256.0]]
    assert result["metric"] == "validation_accuracy"
    assert result["validation_images"] == 10
    assert (result["combinations"], result["diverged"]) == (2, 0)
    assert (result["trainer"], result["seeds"]) == ("train", [256])


def test_the_runner_up_is_compared_image_by_image(tmp_path):
    # The first errs on 0 and 1, the second on 1 to 6: one image favours the second, five the first.
    folders = [write(tmp_path, FIRST, {0, 1}), write(tmp_path, SECOND, {1, 2, 3, 4, 5, 6})]
    result = run_stage(tmp_path, folders)
    runner_up = result["runner_up"]
    assert (runner_up["lr"], runner_up["weight_decay"], runner_up["momentum"]) == SECOND
    assert runner_up["validation_accuracy"] == 0.4
    assert [row["p_value"] for row in result["ranking"]] == [None, pytest.approx(14 / 64)]
    # Exact McNemar: 2 * (1 + 6) / 2**6.
    assert runner_up["test"] == {
        "only_selected_correct": 5,
        "only_runner_up_correct": 1,
        "p_value": pytest.approx(14 / 64),
        "p_value_holm": pytest.approx(14 / 64),
    }


def test_steps_are_compared_image_by_image_and_adjusted_for_their_number(tmp_path):
    # Two steps of momentum. One corrects image 0 and makes 1 to 6 wrong, the other changes nothing.
    folders = [
        write(tmp_path, (0.01, 0.0, 0.0), {0}),
        write(tmp_path, (0.01, 0.0, 0.9), {1, 2, 3, 4, 5, 6}),
        write(tmp_path, (0.01, 0.1, 0.0), {7}),
        write(tmp_path, (0.01, 0.1, 0.9), {7}),
    ]
    result = run_stage(tmp_path, folders)
    steps = {tuple(step["before"].values())[:3]: step for step in result["steps"]["momentum"]}
    changed, same = steps[0.01, 0.0, 0.0], steps[0.01, 0.1, 0.0]
    assert changed["after"] == {"lr": 0.01, "weight_decay": 0.0, "momentum": 0.9, "epochs": 5}
    assert (changed["only_before_correct"], changed["only_after_correct"]) == (6, 1)
    # 2 * (1 + 7) / 2**7, doubled for two tests.
    assert changed["p_value"] == pytest.approx(0.125)
    assert changed["p_value_holm"] == pytest.approx(0.25)
    assert (same["p_value"], same["p_value_holm"]) == (1.0, 1.0)
    assert len(result["steps"]["weight_decay"]) == 2
    assert "lr" not in result["steps"]


def test_the_same_step_under_a_steady_gradient_with_and_without_momentum_is_compared(tmp_path):
    folders = [
        write(tmp_path, (0.1, 0.0, 0.0), {0}),
        write(tmp_path, (0.01, 0.0, 0.9), {1}),
        write(tmp_path, (0.01, 0.1, 0.9), {2}),
        write(tmp_path, (0.02, 0.0, 0.9), {3}),
    ]
    (pair,) = run_stage(tmp_path, folders)["same_steady_steps"]
    assert list(pair["before"].values())[:3] == [0.1, 0.0, 0.0]
    assert list(pair["after"].values())[:3] == [0.01, 0.0, 0.9]


def test_the_ranking_and_the_leaderboard_hold_the_same_figures(tmp_path):
    folders = [
        write(tmp_path, FIRST, {0, 1}, validation_loss=0.6),
        write(tmp_path, SECOND, {2}, diverged_epoch=3),
        write(tmp_path, THIRD, {8, 9}, validation_loss=0.4),
    ]
    result = run_stage(tmp_path, folders)
    ranking = result["ranking"]
    assert [(row["lr"], row["weight_decay"], row["momentum"]) for row in ranking] == [THIRD, FIRST, SECOND]
    assert [row["rank"] for row in ranking] == [1, 2, 3]
    assert [row["diverged"] for row in ranking] == [False, False, True]
    assert [row["tied_accuracy_with_selected"] for row in ranking] == [False, True, False]
    assert [row["validation_loss"] for row in ranking] == [0.4, 0.6, None]
    # Two images against two; a diverged combination is not compared.
    assert [row["p_value"] for row in ranking] == [None, 1.0, None]
    # Wilson, 8 of 10.
    assert ranking[0]["validation_accuracy_interval"] == pytest.approx([0.4902, 0.9433], abs=5e-5)
    assert result["selected"]["decided_by"] == "validation_loss"
    assert result["diverged"] == 1

    leaderboard = pd.read_csv(tmp_path / "leaderboard.csv")
    assert leaderboard["momentum"].tolist() == [0.9, 0.0, 0.9]
    assert leaderboard["validation_accuracy"].tolist() == [0.8, 0.8, 0.9]
    assert leaderboard["validation_accuracy_low"][0] == pytest.approx(0.4902, abs=5e-5)
    assert leaderboard["validation_accuracy_high"][0] == pytest.approx(0.9433, abs=5e-5)
    assert np.isnan(leaderboard["validation_loss"][2])


def test_seeds_are_averaged_and_the_best_seed_gives_the_model(tmp_path):
    folders = [
        write(tmp_path, FIRST, {0, 1, 2}, seed=1),
        write(tmp_path, FIRST, {0}, seed=2),
        write(tmp_path, SECOND, {0, 1, 2}, seed=1),
        write(tmp_path, SECOND, {0, 1, 2}, seed=2),
    ]
    result = run_stage(tmp_path, folders)
    best = result["ranking"][0]
    assert result["seeds"] == [1, 2]
    assert result["combinations"] == 2
    assert result["selected"]["seed"] == 2
    assert result["selected"]["validation_accuracy"] == 0.9
    assert best["validation_accuracy"] == 0.8
    assert best["validation_accuracy_std"] == pytest.approx(0.02**0.5)
    # Accuracies 0.7 and 0.9 have the variance 0.02; the images' means are 0, 1/2 twice and 1 seven times.
    assert best["standard_error_seeds"] == pytest.approx((0.02 / 2) ** 0.5)
    assert best["standard_error_images"] == pytest.approx((1.1 / 9 / 10) ** 0.5)
    low, high = best["validation_accuracy_interval"]
    assert low < 0.4902 < 0.8 < 0.9433 < high
    # Images 1 and 2 are classified correctly by one more seed.
    assert result["runner_up"]["test"]["only_selected_correct"] == 2
    assert result["runner_up"]["test"]["only_runner_up_correct"] == 0


def test_a_collapse_to_one_class_with_any_seed_is_counted(tmp_path):
    collapsed = {1, 3, 5, 7, 9}
    folders = [
        write(tmp_path, combination, wrong, seed=seed)
        for combination, wrongs in [(FIRST, [{0}, collapsed]), (SECOND, [{0}, {1}])]
        for seed, wrong in enumerate(wrongs)
    ]
    ranking = run_stage(tmp_path, folders)["ranking"]
    assert [row["predicted_classes"] for row in ranking] == [2, 1]


def test_a_single_combination_has_no_runner_up(tmp_path):
    result = run_stage(tmp_path, [write(tmp_path, FIRST, {0})])
    assert result["runner_up"] is None
    assert result["selected"]["decided_by"] == "only_candidate"


def test_a_diverged_combination_is_no_runner_up(tmp_path):
    folders = [write(tmp_path, FIRST, {0}), write(tmp_path, SECOND, {0}, diverged_epoch=1)]
    assert run_stage(tmp_path, folders)["runner_up"] is None


def test_divergence_with_another_trainer_counts(tmp_path):
    folders = [write(tmp_path, FIRST, {0}), write(tmp_path, SECOND, {0, 1})]
    metrics = folders[0] / "train_manual_update/metrics.json"
    metrics.write_text(json.dumps(json.loads(metrics.read_text()) | {"diverged": True}))
    assert run_stage(tmp_path, folders)["selected"]["momentum"] == 0.9


def test_all_diverged_writes_nothing(tmp_path):
    folders = [write(tmp_path, FIRST, {0}, diverged_epoch=1), write(tmp_path, SECOND, {0}, diverged_epoch=2)]
    with pytest.raises(HandgradError, match="all 2 combinations diverged"):
        run_stage(tmp_path, folders)
    assert not (tmp_path / "selection.json").exists()
    assert not (tmp_path / "selected").exists()


def test_predictions_that_contradict_the_metrics_are_an_error(tmp_path):
    folder = write(tmp_path, FIRST, {0})
    pd.DataFrame({"index": range(10), "label": LABELS, "predicted": LABELS}).to_csv(
        folder / "train/validation_predictions.csv", index=False
    )
    with pytest.raises(HandgradError, match=r"says validation accuracy 0\.9, .* 1\.0"):
        run_stage(tmp_path, [folder])


def test_a_run_of_the_first_trainer_alone_can_be_selected(tmp_path):
    compared = write(tmp_path, FIRST, {0, 1})
    alone = write(tmp_path, SECOND, {4}, trainers=TRAINERS[:1])
    comparison = write_comparison(tmp_path, [compared], TRAINERS)
    metrics = json.loads((alone / "train/metrics.json").read_text())
    record = json.loads(comparison.read_text())
    record["others"] = [metrics | {"sha256": {"train": "0" * 64}}]
    comparison.write_text(json.dumps(record))
    assert run_stage(tmp_path, [compared, alone], comparison)["selected"]["momentum"] == 0.9


def test_a_comparison_of_other_runs_is_an_error(tmp_path):
    folders = [write(tmp_path, FIRST, {0}), write(tmp_path, SECOND, {0})]
    comparison = write_comparison(tmp_path, folders[:1], TRAINERS)
    with pytest.raises(HandgradError, match=r"comparison\.json: does not compare these runs"):
        run_stage(tmp_path, folders, comparison)


def test_runs_validated_on_different_images_are_an_error(tmp_path):
    folders = [
        write(tmp_path, FIRST, {0}),
        write_run(tmp_path, SECOND, LABELS[:-2], predicted({0})[:-2], trainers=TRAINERS),
    ]
    with pytest.raises(HandgradError, match="validated on different images"):
        run_stage(tmp_path, folders)
